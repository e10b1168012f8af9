#include "base/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct adit_ip ip_of(const char *text)
{
    struct adit_ip ip;
    if (!ip_parse(text, &ip))
        fail_msg("refused: %s", text);
    return ip;
}

static struct cidr cidr_of(const char *text)
{
    struct cidr cidr;
    if (!cidr_parse(text, &cidr))
        fail_msg("refused: %s", text);
    return cidr;
}

static void addresses_come_back_as_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"::FFFF:c000:207", "192.0.2.7"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[IP_TEXT_MAX];
        struct adit_ip ip = ip_of(cases[i][0]);
        ip_format(&ip, text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void other_text_is_no_address(void **state)
{
    (void)state;
    static const char *const texts[] = {"",          "1.2.3",
                                        "1.2.3.4.5", "1.2.3.256",
                                        "01.2.3.4",  " 1.2.3.4",
                                        "1.2.3.4 ",  "0x1.2.3.4",
                                        "[::1]",     "fe80::1%lo",
                                        "1::2::3",   "12345::",
                                        "localhost", "1:2:3:4:5:6:7:8:9"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct adit_ip ip;
        if (ip_parse(texts[i], &ip))
            fail_msg("accepted: %s", texts[i]);
    }
}

static void an_unknown_address_says_so(void **state)
{
    (void)state;
    char text[IP_TEXT_MAX];
    struct adit_ip ip = {0};
    ip_format(&ip, text);
    assert_string_equal(text, "unknown");
    ip = ip_from_bytes("12345", 5);
    assert_int_equal(ip.family, 0);
}

static void mapped_bytes_are_ipv4(void **state)
{
    (void)state;
    static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 7};
    static const uint8_t compatible[16] = {[12] = 192, 0, 2, 7};
    struct adit_ip ip = ip_from_bytes(mapped, 16);
    struct adit_ip expected = ip_of("192.0.2.7");
    assert_memory_equal(&ip, &expected, sizeof(ip));
    ip = ip_from_bytes(mapped + 12, 4);
    assert_memory_equal(&ip, &expected, sizeof(ip));
    assert_int_equal(ip_from_bytes(compatible, 16).family, 6);
}

static void addresses_are_equal_within_their_family(void **state)
{
    (void)state;
    struct adit_ip v4 = ip_of("0.0.0.1");
    struct adit_ip v6 = {.family = 6, .bytes = {0, 0, 0, 1}};
    struct adit_ip same = ip_of("0.0.0.1");
    struct adit_ip other = ip_of("0.0.0.2");
    same.bytes[15] = 9;
    assert_true(ip_equal(&v4, &same));
    assert_false(ip_equal(&v4, &other));
    assert_false(ip_equal(&v4, &v6));
    other = v6;
    other.bytes[15] = 1;
    assert_false(ip_equal(&v6, &other));
}

static void address_and_port_come_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"1.2.3.4:80", "[2001:db8::1]:443", "0.0.0.0:0",
                                        "[::]:65535"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct addr addr;
        struct addr again;
        char text[ADDR_TEXT_MAX];
        assert_true(addr_parse(texts[i], &addr));
        addr_format(&addr, text);
        assert_string_equal(text, texts[i]);
        assert_true(addr_parse(text, &again));
        assert_true(addr_equal(&addr, &again));
        again.port ^= 1;
        assert_false(addr_equal(&addr, &again));
    }
    struct addr mapped;
    assert_true(addr_parse("[::ffff:1.2.3.4]:80", &mapped));
    assert_int_equal(mapped.ip.family, 4);
}

static void other_text_is_no_address_and_port(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "1.2.3.4",
                                        "1.2.3.4:",
                                        ":80",
                                        "::1:80",
                                        "[::1]",
                                        "[::1]80",
                                        "[::1:80",
                                        "[1.2.3.4]:80",
                                        "1.2.3.4:65536",
                                        "1.2.3.4:080",
                                        "1.2.3.4:+1",
                                        "1.2.3.4:8 ",
                                        "host:80",
                                        "1.2.3.4:80:1",
                                        "[]:80",
                                        "1.2.3.4:99999999999999999999"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct addr addr;
        if (addr_parse(texts[i], &addr))
            fail_msg("accepted: %s", texts[i]);
    }
}

static void host_and_port_are_told_apart(void **state)
{
    (void)state;
    char host[HOST_TEXT_MAX];
    uint16_t port;
    assert_true(hostport_parse("home.example.net:8123", false, host, &port));
    assert_string_equal(host, "home.example.net");
    assert_int_equal(port, 8123);
    assert_true(hostport_parse("[2001:db8::1]:443", false, host, &port));
    assert_string_equal(host, "2001:db8::1");
    assert_true(hostport_parse("10.0.0.1:1", false, host, &port));
    assert_string_equal(host, "10.0.0.1");
    assert_true(hostport_parse("localhost:0", true, host, &port));
    assert_int_equal(port, 0);
}

static void other_text_is_no_host_and_port(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "localhost:0", "localhost",    "localhost:", ":80",      "a b:80",         "::1:80",
        "[host]:80",   "[1.2.3.4]:80", "[::1]:",     "host:80/", "http://host:80", "*:80"};
    char host[HOST_TEXT_MAX];
    uint16_t port;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (hostport_parse(texts[i], false, host, &port))
            fail_msg("accepted: %s", texts[i]);
    char longest[HOST_TEXT_MAX + 8];
    memset(longest, 'a', sizeof(longest));
    memcpy(longest + HOST_TEXT_MAX, ":80", 4);
    assert_false(hostport_parse(longest, false, host, &port));
}

static void blocks_come_back_as_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"10.0.0.0/8", "10.0.0.0/8"},       {"0.0.0.0/0", "0.0.0.0/0"},
        {"192.0.2.7", "192.0.2.7/32"},      {"192.0.2.6/31", "192.0.2.6/31"},
        {"2001:db8::/32", "2001:db8::/32"}, {"::/0", "::/0"},
        {"2001:db8::1", "2001:db8::1/128"}, {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
        {"::ffff:10.0.0.1", "10.0.0.1/32"}, {"::ffff:0.0.0.0/96", "0.0.0.0/0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[CIDR_TEXT_MAX];
        struct cidr cidr = cidr_of(cases[i][0]);
        cidr_format(&cidr, text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void other_text_is_no_block(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.1/8",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/08",
                                        "10.0.0.0/8/",
                                        "10/8",
                                        "/8",
                                        "::1/127",
                                        "::/129",
                                        "10.128.0.0/8",
                                        "10.0.0.0/8 ",
                                        "::ffff:0:0/95",
                                        "host/8",
                                        "1111:1111:1111:1111:1111:1111:1111:11111111111/8"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct cidr cidr;
        if (cidr_parse(texts[i], &cidr))
            fail_msg("accepted: %s", texts[i]);
    }
}

static void a_block_contains_what_its_prefix_covers(void **state)
{
    (void)state;
    static const struct {
        const char *block;
        const char *ip;
        bool inside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/9", "10.127.0.1", true},
        {"10.0.0.0/9", "10.128.0.1", false},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"192.0.2.6/31", "192.0.2.8", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"0.0.0.0/0", "203.0.113.1", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.0.0.1", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"2001:db8::1", "2001:db8::1", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cidr cidr = cidr_of(cases[i].block);
        struct adit_ip ip = ip_of(cases[i].ip);
        if (cidr_contains(&cidr, &ip) != cases[i].inside)
            fail_msg("%s in %s", cases[i].ip, cases[i].block);
    }
}

static void no_block_contains_an_unknown_address(void **state)
{
    (void)state;
    struct adit_ip unknown = {0};
    struct cidr all = cidr_of("0.0.0.0/0");
    struct cidr none = {0};
    assert_false(cidr_contains(&all, &unknown));
    assert_false(cidr_contains(&none, &unknown));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_come_back_as_text),
        cmocka_unit_test(other_text_is_no_address),
        cmocka_unit_test(an_unknown_address_says_so),
        cmocka_unit_test(mapped_bytes_are_ipv4),
        cmocka_unit_test(addresses_are_equal_within_their_family),
        cmocka_unit_test(address_and_port_come_back),
        cmocka_unit_test(other_text_is_no_address_and_port),
        cmocka_unit_test(host_and_port_are_told_apart),
        cmocka_unit_test(other_text_is_no_host_and_port),
        cmocka_unit_test(blocks_come_back_as_text),
        cmocka_unit_test(other_text_is_no_block),
        cmocka_unit_test(a_block_contains_what_its_prefix_covers),
        cmocka_unit_test(no_block_contains_an_unknown_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
