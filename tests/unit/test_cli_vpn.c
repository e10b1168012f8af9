/* The configuration of a VPN: what is taken, and every mistake at its place. */
#include "base/encode.h"
#include "cli/config.h"
#include "cli/vpntext.h"
#include "roles/vpn/vpn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY_A "S3MBQKIyVUfuF0I4GmF7y7xKn8v2rkQ2nAfkqTr9GkI="
#define KEY_B "u2Dq8fQ6fTf1bTt0X1bTHk4mCzCkQeJ0VqS0gZJ1YFs="

#define HEAD                                                                                       \
    "role: vpn\n"                                                                                  \
    "listen: 0.0.0.0:2998\n"                                                                       \
    "private_key_file: k\n"                                                                        \
    "interface: {name: adit0}\n"                                                                   \
    "peers:\n"                                                                                     \
    "- {name: a, public_key: " KEY_A ", allowed_ips: 10.9.0.2}\n"

/* What is said of a text, warnings included; it is the caller's. */
static char *said_of(const char *text)
{
    struct options options;
    struct report report;
    char *said = NULL;
    size_t said_len = 0;
    FILE *out = open_memstream(&said, &said_len);
    report_init(&report);
    if (config_read(text, strlen(text), "/dir", NULL, true, &options, &report) != NULL)
        options_clear(&options);
    report_print(&report, "f", out);
    report_clear(&report);
    fclose(out);
    return said;
}

static void assert_said(const char *text, const char *expected)
{
    char *said = said_of(text);
    assert_string_equal(said, expected);
    free(said);
}

/* Of the file above with one more peer, whose line is the seventh. */
static void assert_said_of_peer(const char *peer, const char *expected)
{
    char text[2048];
    snprintf(text, sizeof text, HEAD "- {%s}\n", peer);
    assert_said(text, expected);
}

static void a_file_as_documented_is_fine(void **state)
{
    (void)state;
    assert_said("role: vpn\n"
                "private_key_file: vpn.key\n"
                "listen: ['0.0.0.0:2998', '[::]:2998']\n"
                "announce: 10.1.0.0/16\n"
                "router_id: 10.9.0.1\n"
                "interface: {name: adit0, mode: ip, address: [10.9.0.1/24, 'fd00:9::1/64'], "
                "mtu: 1400, block_leaks: true, hook: /etc/adit/hook}\n"
                "peers:\n"
                "  - {name: a, public_key: " KEY_A ", allowed_ips: [10.9.0.2, 10.2.0.0/16], "
                "network: {address: 10.9.0.2/24, dns: 10.9.0.1}, password_file: p, pad_to: 64}\n"
                "  - {name: b, public_key: " KEY_B ", connect: 'b.example:2998', "
                "allowed_ips: 0.0.0.0/0, accept_network: true, accept_routes: 10.0.0.0/8, "
                "announce: true}\n"
                "session: {key_age: 1m, dead_after: 30s}\n"
                "limits: {queue: 1MiB, queue_time: 20ms}\n",
                "");
}

static void a_connection_into_its_own_tunnel_is_warned_of(void **state)
{
    (void)state;
    assert_said_of_peer("name: b, public_key: " KEY_B ", connect: '203.0.113.5:2998', "
                        "allowed_ips: [198.51.100.0/24, 203.0.113.0/24]",
                        "f:7:80: warning: peers.connect: 203.0.113.0/24 of b holds this address: "
                        "without a narrower route the connection would go into the tunnel\n");
    assert_said_of_peer("name: b, public_key: " KEY_B ", connect: '203.0.113.5:2998', "
                        "allowed_ips: [198.51.100.0/24, 0.0.0.0/0]",
                        "");
}

static void what_is_needed_is_named(void **state)
{
    (void)state;
    assert_said("role: vpn\n", "f:1:1: interface: is missing: {...}\n"
                               "f:1:1: peers: is missing: [{...}]\n");
    assert_said("role: vpn\ninterface: {mode: ip}\npeers: [{}]\n",
                "f:2:12: interface.name: is missing: NAME\n"
                "f:3:9: peers.name: is missing: NAME\n");
}

static void values_are_read_as_what_they_are(void **state)
{
    (void)state;
    assert_said("role: vpn\n"
                "listen: 0.0.0.0:2998\n"
                "interface: {name: adit0, mode: tap, address: [10.9.0.1, 10.9.0.1/33], mtu: 100}\n"
                "peers:\n"
                "- {name: a, public_key: abc, allowed_ips: 10.9.0.1/24, pad_to: 300,\n"
                "   network: {address: 10.9.0.2, dns: home}}\n",
                "f:3:32: interface.mode: \"tap\" is not one of ip, ethernet\n"
                "f:3:47: interface.address: \"10.9.0.1\" is no address with the length of its "
                "network's prefix, such as 10.9.0.1/24 or fd00:9::1/64\n"
                "f:3:57: interface.address: \"10.9.0.1/33\" is no address with the length of its "
                "network's prefix, such as 10.9.0.1/24 or fd00:9::1/64\n"
                "f:3:76: interface.mtu: 100 is out of range: 576 to 16384\n"
                "f:5:25: peers.public_key: not the 44 characters of base64 that adit keygen box "
                "prints\n"
                "f:5:43: peers.allowed_ips: \"10.9.0.1/24\" is no address block, such as "
                "10.0.0.0/8, 2001:db8::/32 or 192.0.2.7 (no bits past the prefix)\n"
                "f:5:64: peers.pad_to: 300 is out of range: 0 to 256\n"
                "f:6:23: peers.network.address: \"10.9.0.2\" is no address with the length of its "
                "network's prefix, such as 10.9.0.1/24 or fd00:9::1/64\n"
                "f:6:38: peers.network.dns: \"home\" is no address, such as 192.0.2.1 or "
                "2001:db8::1\n");
}

static void peers_do_not_share_names_keys_and_prefixes(void **state)
{
    (void)state;
    assert_said_of_peer("name: a, public_key: " KEY_A ", allowed_ips: [10.9.0.2, 10.9.0.3, "
                        "10.9.0.3]",
                        "f:7:10: peers.name: another peer has it already\n"
                        "f:7:25: peers.public_key: another peer has it already\n"
                        "f:7:85: peers.allowed_ips: 10.9.0.2 stands in line 6 already, for a\n"
                        "f:7:105: peers.allowed_ips: 10.9.0.3 stands in line 7 already, for a\n");
    assert_said_of_peer("name: b, public_key: " KEY_B ", allowed_ips: [10.9.0.0/24]", "");
}

static void a_peer_can_be_reached_one_way_or_the_other(void **state)
{
    (void)state;
    assert_said("role: vpn\ninterface: {name: adit0}\n"
                "peers: [{name: a, public_key: " KEY_A ", allowed_ips: 10.9.0.2}]\n",
                "f:3:9: peers.connect: is missing: HOST:PORT; or listen must be given, so that "
                "the peer can connect\n");
}

static void packets_must_have_a_way_to_a_peer(void **state)
{
    (void)state;
    assert_said_of_peer("name: b, public_key: " KEY_B,
                        "f:7:3: peers.allowed_ips: is missing: CIDR; no packet would go to this "
                        "peer\n");
    assert_said_of_peer("name: b, public_key: " KEY_B ", accept_routes: 10.0.0.0/8", "");
}

static void a_switch_has_no_routes(void **state)
{
    (void)state;
    assert_said("role: vpn\nlisten: 0.0.0.0:1\ninterface: {name: adit0, mode: ethernet}\n"
                "peers:\n"
                "- {name: a, public_key: " KEY_A ", allowed_ips: 10.9.0.2}\n"
                "- {name: b, public_key: " KEY_B ", announce: true}\n",
                "f:5:84: peers.allowed_ips: is for mode ip: a switch learns where stations are\n"
                "f:6:81: peers.announce: is for mode ip\n");
}

static void a_stranger_is_named_as_what_it_is(void **state)
{
    (void)state;
    assert_said_of_peer("name: b, allowed_ips: 10.9.0.3",
                        "f:7:3: peers.public_key: is missing: KEY; or say weak_unproven_peer: "
                        "true for whoever shows none\n");
    assert_said_of_peer("name: b, allowed_ips: 10.9.0.3, weak_unproven_peer: true}\n"
                        "- {name: c, allowed_ips: 10.9.0.4, weak_unproven_peer: true",
                        "f:7:56: warning: peers.weak_unproven_peer: Without public_key: the peer "
                        "need not prove that it has a key.\n"
                        "f:8:3: peers.public_key: only one peer can be without one\n"
                        "f:8:56: warning: peers.weak_unproven_peer: Without public_key: the peer "
                        "need not prove that it has a key.\n");
    assert_said_of_peer("name: b, public_key: " KEY_B ", allowed_ips: 10.9.0.3, weak_anyone: true",
                        "f:7:107: peers.weak_anyone: contradicts public_key\n"
                        "f:7:107: warning: peers.weak_anyone: Without public_key: every key is "
                        "taken, so that nobody is known.\n");
}

static void weakness_contradicts_itself_at_its_place(void **state)
{
    (void)state;
    assert_said_of_peer("name: b, public_key: " KEY_B ", allowed_ips: 10.9.0.3, "
                        "disable_encryption: true",
                        "f:7:114: peers.disable_encryption: needs weak_disable: true\n");
    assert_said_of_peer("name: b, public_key: " KEY_B ", allowed_ips: 10.9.0.3,\n"
                        "  weak_disable: true",
                        "f:8:17: peers.weak_disable: needs weak_long_term_keys: true\n"
                        "f:8:17: warning: peers.weak_disable: Encryption may be disabled: then "
                        "anyone on the path may inject. Needs weak_long_term_keys.\n");
}

static void the_interface_has_a_name_for_the_kernel(void **state)
{
    (void)state;
    assert_said("role: vpn\nlisten: 0.0.0.0:1\n"
                "interface: {name: a/b, hook: bin/hook}\n"
                "router_id: fd00::1\n"
                "peers: [{name: a b, public_key: " KEY_A ", allowed_ips: 10.9.0.2}]\n",
                "f:3:19: interface.name: up to 15 letters, digits, '-', '_' and '.'\n"
                "f:4:12: router_id: written like an IPv4 address, such as 10.9.0.1\n"
                "f:5:16: peers.name: up to 32 letters, digits, '.', '-' and '_'\n");
}

static void a_network_has_one_address_of_a_family(void **state)
{
    (void)state;
    assert_said_of_peer("name: b, public_key: " KEY_B ", allowed_ips: 10.9.0.3,\n"
                        "  network: {address: [10.9.0.3/24, 10.9.0.4/24, 'fd00::1/64']}",
                        "f:8:36: peers.network.address: one of IPv4 and one of IPv6 at most\n");
}

static void leaks_are_blocked_of_a_full_tunnel(void **state)
{
    (void)state;
    assert_said("role: vpn\nlisten: 0.0.0.0:1\n"
                "interface: {name: adit0, block_leaks: true}\n"
                "peers: [{name: a, public_key: " KEY_A ", allowed_ips: 10.9.0.2}]\n",
                "f:3:39: warning: interface.block_leaks: nothing is blocked without 0.0.0.0/0 or "
                "::/0\n");
}

static void what_the_status_says_is_shown_and_escaped(void **state)
{
    (void)state;
    json_t *status = json_pack(
        "{s:s, s:s, s:s, s:f, s:s, s:[s], s:[{s:s, s:s, s:s, s:s, s:f, s:i, "
        "s:i, s:I, s:I, s:{s:i, s:i}}], s:{s:i, s:i, s:{s:i}}}",
        "device", "adit0", "mode", "ip", "state", "running", "uptime_s", 61.0, "key", "0011",
        "listen", "0.0.0.0:2998", "peers", "name", "a\x1b[1m", "state", "connected", "address",
        "192.0.2.1:5", "key", "8899", "handshake_s", 5.0, "rtt_ms", 7, "pad", 0, "bytes_received",
        (json_int_t)2048, "bytes_sent", (json_int_t)3, "drops", "full", 4, "source", 5, "counters",
        "refused", 1, "early", 2, "drops", "no_peer", 3);
    assert_non_null(status);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(vpntext_print(out, status, 0), 6);
    assert_int_equal(vpntext_print(out, status, 2), 0);
    fclose(out);
    assert_string_equal(
        text, "vpn       adit0 (ip), running, up 1m 1s\n"
              "key       0011, listens on 0.0.0.0:2998\n"
              "counters  1 connections refused, 2 unproven, 3 packets dropped\n"
              "\n"
              "PEER                 STATE      ADDRESS                  KEY              "
              "HANDSHAKE      RTT  DROPPED  RECEIVED, SENT\n"
              "a\\x1b[1m             connected  192.0.2.1:5              8899             "
              "       5s     7 ms        9  2.0 KiB, 3 B\n");
    free(text);
    json_decref(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_as_documented_is_fine),
        cmocka_unit_test(a_connection_into_its_own_tunnel_is_warned_of),
        cmocka_unit_test(what_is_needed_is_named),
        cmocka_unit_test(values_are_read_as_what_they_are),
        cmocka_unit_test(peers_do_not_share_names_keys_and_prefixes),
        cmocka_unit_test(a_peer_can_be_reached_one_way_or_the_other),
        cmocka_unit_test(packets_must_have_a_way_to_a_peer),
        cmocka_unit_test(a_switch_has_no_routes),
        cmocka_unit_test(a_stranger_is_named_as_what_it_is),
        cmocka_unit_test(weakness_contradicts_itself_at_its_place),
        cmocka_unit_test(the_interface_has_a_name_for_the_kernel),
        cmocka_unit_test(a_network_has_one_address_of_a_family),
        cmocka_unit_test(leaks_are_blocked_of_a_full_tunnel),
        cmocka_unit_test(what_the_status_says_is_shown_and_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
