/*
 * Addresses, routes and rules of a device, and what is left of them when its process ends.
 */
#include "netns.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct world *world;
static struct tap tap;
static int netns;

static int setup(void **state)
{
    struct io_device_config config = netns_config();
    memset(&tap, 0, sizeof(tap));
    netns = netns_enter_new();
    int result = world_setup(state);
    world = *state;
    if (!netns_open(&tap, world->loop, &config))
        fail_msg("%s", tap.why);
    return result;
}

static int teardown(void **state)
{
    netns_close(&tap);
    close(netns);
    return world_teardown(state);
}

static void route(const char *to, bool add)
{
    struct cidr cidr;
    assert_true(cidr_parse(to, &cidr));
    assert_int_equal(io_device_route(tap.device, &cidr, add), 0);
}

static void address(const char *ip, uint8_t prefix_len, bool add)
{
    struct io_device_address change = {.prefix_len = prefix_len};
    assert_true(ip_parse(ip, &change.ip));
    assert_int_equal(io_device_address(tap.device, &change, add), 0);
}

static void everything(unsigned family, bool on, bool block)
{
    assert_int_equal(io_device_everything(tap.device, family, on, block), 0);
}

/* Our rules of both families, and what is in tables of our own. */
static const char *ours(void)
{
    return netns_shell("{ ip rule; ip -6 rule; } | grep 'proto 173' | "
                       "sed 's/0x20[0-9a-f]*/T/; s/lookup 5368[0-9]*/lookup T/; s/\t/ /g';"
                       "{ ip route show table all; ip -6 route show table all; } | "
                       "grep 'table 5368' | sed 's/table 5368[0-9]*/table T/'; true");
}

static void shows_ours(const char *expected)
{
    const char *found = ours();
    if (strcmp(found, expected) != 0)
        fail_msg("it is:\n%sand not:\n%s", found, expected);
}

/* ---- Addresses and routes ---- */

static void routes_come_and_go(void **state)
{
    (void)state;
    route("10.20.0.0/16", true);
    route("fd00:20::/32", true);
    netns_settle(world, &tap);
    assert_true(netns_shows("ip route", "10.20.0.0/16 dev adit0 proto 173 scope link"));
    assert_true(netns_shows("ip -6 route", "fd00:20::/32 dev adit0 proto 173"));
    route("10.20.0.0/16", false);
    route("fd00:20::/32", false);
    netns_settle(world, &tap);
    assert_false(netns_shows("ip route; ip -6 route", "proto 173"));
    assert_int_equal(tap.refusals, 1);
}

static bool is_refused(const void *arg)
{
    (void)arg;
    return tap.refusals > 0;
}

static void what_is_so_already_succeeds(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        route("10.20.0.0/16", true);
        route("fd00:20::/32", true);
        address("10.9.0.1", 24, true);
        address("fd00:9::1", 64, true);
        everything(4, true, true);
    }
    netns_settle(world, &tap);
    assert_int_equal(tap.refusals, 1);
    for (int i = 0; i < 2; i++) {
        route("10.20.0.0/16", false);
        route("fd00:20::/32", false);
        address("10.9.0.1", 24, false);
        address("fd00:9::1", 64, false);
        everything(4, false, false);
    }
    netns_settle(world, &tap);
    assert_int_equal(tap.refusals, 1);
    assert_false(
        netns_shows("ip route; ip -6 route; ip rule; ip addr show dev adit0", "proto 173"));
    assert_false(netns_shows("ip addr show dev adit0", "10.9.0.1"));
}

static void a_route_of_somebody_else_is_refused_and_stays(void **state)
{
    (void)state;
    netns_shell("ip route add 10.20.0.0/16 dev lo; ip -6 route add fd00:20::/32 dev lo");
    route("10.20.0.0/16", true);
    world_run(world, is_refused, NULL);
    assert_int_equal(tap.why_refused, IO_E_EXISTS);
    assert_int_equal(tap.refused.prefix_len, 16);
    tap.refusals = 0;
    route("fd00:20::/32", true);
    world_run(world, is_refused, NULL);
    assert_int_equal(tap.why_refused, IO_E_EXISTS);
    route("10.20.0.0/16", false);
    route("fd00:20::/32", false);
    netns_settle(world, &tap);
    assert_true(netns_shows("ip route", "10.20.0.0/16 dev lo"));
    assert_true(netns_shows("ip -6 route", "fd00:20::/32 dev lo"));
    assert_false(netns_shows("ip route; ip -6 route", "proto 173"));
}

static void an_address_that_goes_leaves_the_others_of_its_network(void **state)
{
    (void)state;
    address("10.9.0.7", 24, true);
    address("10.9.0.1", 24, false);
    netns_settle(world, &tap);
    assert_true(netns_shows("ip addr show dev adit0", "10.9.0.7/24"));
    assert_false(netns_shows("ip addr show dev adit0", "10.9.0.1/24"));
}

static void a_thousand_routes_wait_their_turn(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        struct cidr to = {.ip = {4, {10, 100, (uint8_t)(i / 250), (uint8_t)(i % 250)}},
                          .prefix_len = 32};
        assert_int_equal(io_device_route(tap.device, &to, true), 0);
    }
    netns_settle(world, &tap);
    assert_string_equal(netns_shell("ip route show dev adit0 proto 173 | wc -l"), "1000\n");
}

/* ---- Everything ---- */

static const char *const rules4 = "20001: from all fwmark T/0 lookup main "
                                  "suppress_prefixlength 0 proto 173\n"
                                  "20002: not from all fwmark T/0x70000000 lookup T proto 173\n";

static void everything_has_a_table_and_two_rules(void **state)
{
    (void)state;
    char expected[1000];
    everything(4, true, false);
    netns_settle(world, &tap);
    snprintf(expected, sizeof(expected),
             "%sdefault dev adit0 table T proto 173 scope link metric 1 \n", rules4);
    shows_ours(expected);
    assert_true(netns_shows("ip route get 8.8.8.8", "dev adit0"));
    everything(6, true, false);
    netns_settle(world, &tap);
    assert_true(netns_shows("ip -6 route get 2001:db8::1", "dev adit0"));
    everything(4, false, false);
    everything(6, false, false);
    netns_settle(world, &tap);
    shows_ours("");
}

static void narrower_routes_of_the_machine_come_first(void **state)
{
    (void)state;
    netns_shell("ip route add 8.8.0.0/16 dev lo");
    everything(4, true, false);
    netns_settle(world, &tap);
    assert_true(netns_shows("ip route get 8.8.8.8", "dev lo"));
    assert_true(netns_shows("ip route get 8.9.8.8", "dev adit0"));
}

static void a_block_is_named_and_can_be_taken_back(void **state)
{
    (void)state;
    everything(4, true, true);
    netns_settle(world, &tap);
    const char *found = ours();
    assert_non_null(strstr(found, "20003: from all fwmark T/0 iif adit0 nop proto 173"));
    assert_non_null(strstr(found, "unreachable default table T proto 173 metric 2"));
    everything(4, true, false);
    netns_settle(world, &tap);
    assert_null(strstr(ours(), "nop"));
    assert_null(strstr(ours(), "unreachable"));
    assert_non_null(strstr(ours(), "20002:"));
}

static void a_block_stands_where_the_device_has_no_ip6(void **state)
{
    (void)state;
    netns_shell("ip -6 route add default dev lo && "
                "echo 1 >/proc/sys/net/ipv6/conf/adit0/disable_ipv6");
    assert_true(netns_shows("ip -6 route get 2001:db8::1", "dev lo"));
    everything(6, true, false);
    world_run(world, is_refused, NULL);
    assert_int_equal(tap.refused.ip.family, 6);
    assert_int_equal(tap.refused.prefix_len, 0);
    assert_true(netns_shows("ip -6 route get 2001:db8::1", "dev lo"));
    tap.refusals = 0;
    everything(6, true, true);
    world_run(world, is_refused, NULL);
    assert_false(netns_shows("ip -6 route get 2001:db8::1 2>&1 || true", "dev lo"));
    assert_non_null(strstr(ours(), "unreachable"));
}

static void two_devices_do_not_meet(void **state)
{
    (void)state;
    struct tap other = {0};
    struct io_device_config config = netns_config();
    config.name = "other";
    config.address_count = 0;
    everything(4, true, true);
    netns_settle(world, &tap);
    assert_true(netns_open(&other, world->loop, &config));
    assert_int_equal(io_device_everything(other.device, 4, true, true), 0);
    netns_settle(world, &other);
    assert_string_equal(netns_shell("ip rule | grep -c 'proto 173'"), "6\n");
    netns_close(&other);
    assert_string_equal(netns_shell("ip rule | grep -c 'proto 173'"), "3\n");
    assert_true(netns_shows("ip route get 8.8.8.8", "dev adit0"));
    assert_int_equal(tap.failed, 0);
}

static void it_all_goes_with_the_device(void **state)
{
    (void)state;
    everything(4, true, true);
    everything(6, true, true);
    route("10.20.0.0/16", true);
    netns_settle(world, &tap);
    netns_close(&tap);
    shows_ours("");
    assert_false(netns_shows("ip route; ip -6 route", "proto 173"));
}

/* ---- Ends that were not meant ---- */

struct child {
    pid_t pid;
    pid_t helper;
};

/* A process that has a device with everything, of which IPv4 is blocked or not. */
static struct child start_child(const char *name, bool block)
{
    int ready[2];
    char byte;
    struct child child;
    struct io_device_config config = netns_config();
    config.name = name;
    netns_close(&tap);
    assert_int_equal(pipe(ready), 0);
    child.pid = fork();
    if (child.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!netns_open(&tap, world->loop, &config))
            _exit(1);
        struct addr to = {.ip = {4, {192, 0, 2, 1}}, .port = 9};
        int error;
        (void)io_connect_past(tap.device, &to, &end_handler, NULL, &error); /* has a rule */
        everything(4, true, block);
        everything(6, true, false);
        netns_settle(world, &tap);
        assert_int_equal(write(ready[1], "x", 1), 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    child.helper = netns_helper(child.pid);
    return child;
}

static void end_process(pid_t pid)
{
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void kill_child(const struct child *child)
{
    kill(child->pid, SIGKILL);
    end_process(child->pid);
    end_process(child->helper); /* it has become ours: PR_SET_CHILD_SUBREAPER */
}

static void nothing_is_left_by_a_process_that_is_killed(void **state)
{
    (void)state;
    struct child child = start_child("adit0", false);
    assert_true(netns_shows("ip route get 8.8.8.8", "dev adit0"));
    kill_child(&child);
    shows_ours("");
    assert_false(netns_shows("ip link", "adit0"));
}

static void a_block_stays_when_the_process_is_killed(void **state)
{
    (void)state;
    netns_shell("ip route add default dev lo");
    struct child child = start_child("adit0", true);
    kill_child(&child);
    assert_true(netns_shows("ip route get 8.8.8.8 2>&1 || true", "No route to host"));
    assert_string_equal(netns_shell("ip rule | grep -c 'proto 173' || true"), "3\n");
    assert_string_equal(netns_shell("ip -6 rule | grep -c 'proto 173' || true"), "0\n");
}

static void the_next_device_of_that_name_takes_the_block_over(void **state)
{
    (void)state;
    netns_shell("ip route add default dev lo");
    struct child child = start_child("adit0", true);
    kill_child(&child);
    struct io_device_config config = netns_config();
    assert_true(netns_open(&tap, world->loop, &config));
    everything(4, true, false);
    assert_true(netns_shows("ip route get 8.8.8.8 2>&1 || true", "No route to host"));
    netns_settle(world, &tap);
    netns_settle(world, &tap); /* once more: what is left is looked for after this round */
    assert_true(netns_shows("ip route get 8.8.8.8", "dev adit0"));
    assert_string_equal(netns_shell("ip rule | grep -c 'proto 173'"), "2\n");
    assert_null(strstr(ours(), "unreachable"));
}

static void one_of_another_name_leaves_it(void **state)
{
    (void)state;
    struct child child = start_child("other", true);
    kill_child(&child);
    struct io_device_config config = netns_config();
    assert_true(netns_open(&tap, world->loop, &config));
    netns_settle(world, &tap);
    netns_settle(world, &tap);
    netns_close(&tap);
    assert_true(netns_shows("ip rule", "iif other [detached] nop"));
    config.name = "other";
    assert_true(netns_open(&tap, world->loop, &config));
    netns_settle(world, &tap);
    netns_settle(world, &tap);
    shows_ours("");
}

static void a_new_start_finds_what_both_processes_left(void **state)
{
    (void)state;
    struct child child = start_child("adit0", false);
    kill(child.helper, SIGKILL);
    kill(child.pid, SIGKILL);
    end_process(child.pid);
    end_process(child.helper);
    assert_string_equal(netns_shell("ip rule | grep -c 'proto 173'"), "3\n");
    struct io_device_config config = netns_config();
    assert_true(netns_open(&tap, world->loop, &config));
    netns_settle(world, &tap);
    netns_settle(world, &tap);
    shows_ours("");
}

static void signals_for_the_process_do_not_end_its_helper(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
    pid_t helper = netns_helper(getpid());
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        assert_int_equal(kill(helper, signals[i]), 0);
    route("10.20.0.0/16", true);
    netns_settle(world, &tap);
    assert_true(netns_shows("ip route", "10.20.0.0/16 dev adit0"));
}

static bool has_failed(const void *arg)
{
    (void)arg;
    return tap.failed != 0;
}

static void a_helper_that_is_gone_is_told(void **state)
{
    (void)state;
    int error = 0;
    struct addr to = loopback(1);
    kill(netns_helper(getpid()), SIGKILL);
    world_run(world, has_failed, NULL);
    assert_int_equal(tap.failed, IO_E_RESET);
    route("10.20.0.0/16", true);
    assert_null(io_connect_past(tap.device, &to, &end_handler, NULL, &error));
    assert_int_equal(error, IO_E_RESET);
}

static void a_helper_may_change_the_network_and_holds_nothing_else(void **state)
{
    (void)state;
    pid_t helper = netns_helper(getpid());
    assert_string_equal(
        netns_shell("sed -n 's/^Cap\\(Prm\\|Eff\\|Bnd\\):[[:space:]]*//p' /proc/%d/status", helper),
        "0000000000001000\n0000000000001000\n0000000000001000\n");
    assert_string_equal(netns_shell("ls -l /proc/%d/fd | sed -n 's/.* -> //p' | "
                                    "sed 's/:.*//' | tr '\\n' ' '",
                                    helper),
                        "/dev/null /dev/null /dev/null socket socket socket ");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(routes_come_and_go),
        CASE(what_is_so_already_succeeds),
        CASE(a_route_of_somebody_else_is_refused_and_stays),
        CASE(an_address_that_goes_leaves_the_others_of_its_network),
        CASE(a_thousand_routes_wait_their_turn),
        CASE(everything_has_a_table_and_two_rules),
        CASE(narrower_routes_of_the_machine_come_first),
        CASE(a_block_is_named_and_can_be_taken_back),
        CASE(a_block_stands_where_the_device_has_no_ip6),
        CASE(two_devices_do_not_meet),
        CASE(it_all_goes_with_the_device),
        CASE(nothing_is_left_by_a_process_that_is_killed),
        CASE(a_block_stays_when_the_process_is_killed),
        CASE(the_next_device_of_that_name_takes_the_block_over),
        CASE(one_of_another_name_leaves_it),
        CASE(a_new_start_finds_what_both_processes_left),
        CASE(signals_for_the_process_do_not_end_its_helper),
        CASE(a_helper_that_is_gone_is_told),
        CASE(a_helper_may_change_the_network_and_holds_nothing_else),
    };
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return netns_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : NETNS_SKIPPED;
}
