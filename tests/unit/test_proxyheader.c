#include "adit/proxyheader.h"
#include "base/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

struct read {
    enum proxyheader_verdict verdict;
    struct proxyheader header;
    size_t used;
};

/* The input ends where its memory ends, so that a sanitizer sees a read past it. */
static struct read parse(const void *bytes, size_t len)
{
    struct read read;
    uint8_t *copy = malloc(len);
    assert_true(copy != NULL || len == 0);
    if (len > 0)
        memcpy(copy, bytes, len);
    read.verdict = proxyheader_parse(copy, len, &read.header, &read.used);
    free(copy);
    return read;
}

static struct read parse_line(const char *line)
{
    return parse(line, strlen(line));
}

static void assert_ip(const struct adit_ip *ip, const char *expected)
{
    char text[IP_TEXT_MAX];
    ip_format(ip, text);
    assert_string_equal(text, expected);
}

static void assert_source(struct read read, const char *ip, unsigned port)
{
    assert_int_equal(read.verdict, PROXYHEADER_OK);
    assert_true(read.header.has_source);
    assert_ip(&read.header.source, ip);
    assert_int_equal(read.header.source_port, port);
}

static void assert_no_source(struct read read, size_t used)
{
    assert_int_equal(read.verdict, PROXYHEADER_OK);
    assert_false(read.header.has_source);
    assert_int_equal(read.header.source.family, 0);
    assert_int_equal(read.used, used);
}

static void assert_refused(struct read read)
{
    assert_int_equal(read.verdict, PROXYHEADER_MALFORMED);
    assert_int_equal(read.used, 0);
    assert_false(read.header.has_source);
    assert_int_equal(read.header.source.family, 0);
}

/* A header that is followed by other bytes: every shorter prefix of it is incomplete. */
static void assert_prefixes_incomplete(const void *bytes, size_t header_len)
{
    for (size_t len = 0; len < header_len; len++) {
        struct read read = parse(bytes, len);
        assert_int_equal(read.verdict, PROXYHEADER_INCOMPLETE);
        assert_int_equal(read.used, 0);
    }
}

/* ---- Version 1 ---- */

static void v1_gives_both_addresses_and_ports(void **state)
{
    (void)state;
    struct read read = parse_line("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n\x16\x03");
    assert_source(read, "192.0.2.7", 56324);
    assert_ip(&read.header.destination, "198.51.100.1");
    assert_int_equal(read.header.destination_port, 443);
    assert_int_equal(read.used, 45);

    read = parse_line("PROXY TCP6 2001:DB8::7 2001:db8:0:0:0:0:0:1 0 65535\r\n");
    assert_source(read, "2001:db8::7", 0);
    assert_ip(&read.header.destination, "2001:db8::1");
    assert_int_equal(read.header.destination_port, 65535);
}

static void v1_mapped_address_counts_as_ipv4(void **state)
{
    (void)state;
    assert_source(parse_line("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), "192.0.2.7", 1);
    assert_source(parse_line("PROXY TCP6 ::ffff:c000:207 ::1 1 2\r\n"), "192.0.2.7", 1);
}

static void v1_unknown_keeps_the_sockets_address(void **state)
{
    (void)state;
    assert_no_source(parse_line("PROXY UNKNOWN\r\nrest"), 15);
    assert_no_source(parse_line("PROXY UNKNOWN \r\n"), 16);
    assert_no_source(parse_line("PROXY UNKNOWN 1.2.3.4 5.6.7.8 1 2\r\n"), 35);
    assert_no_source(parse_line("PROXY UNKNOWN what \x01 ever\r\n"), 27);
}

static void v1_prefix_is_incomplete(void **state)
{
    (void)state;
    static const char tcp4[] = "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    static const char unknown[] = "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n";
    assert_prefixes_incomplete(tcp4, strlen(tcp4));
    assert_prefixes_incomplete(unknown, strlen(unknown));
    assert_int_equal(parse_line(tcp4).used, 56);
}

static void v1_longest_line_passes_and_a_longer_one_does_not(void **state)
{
    (void)state;
    char line[200];
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + 105, "\r\n", 2);
    assert_no_source(parse(line, sizeof(line)), PROXYHEADER_V1_MAX);
    assert_prefixes_incomplete(line, PROXYHEADER_V1_MAX);

    memset(line + 105, 'x', 2);
    memcpy(line + 106, "\r\n", 2);
    assert_int_equal(parse(line, 106).verdict, PROXYHEADER_INCOMPLETE);
    assert_int_equal(parse(line, 107).verdict, PROXYHEADER_TOO_LONG);
    assert_int_equal(parse(line, sizeof(line)).verdict, PROXYHEADER_TOO_LONG);
}

static void v1_other_lines_are_malformed(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 \r\n",
        "PROXY TCP4 1.2.3.4\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4\t5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n",
        "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP4 1.2.3.4 ::2 1 2\r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP6 ::1 5.6.7.8 1 2\r\n",
        "PROXY TCP6 [::1] ::2 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n",
        "PROXY TCP6 1::2::3 ::2 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7 ::2 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 100000 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 0x1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n",
        "PROXY UNKNOWN a\nb\r\n",
        "PROXY UNKNOWN a\rb\r\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct read read = parse_line(lines[i]);
        if (read.verdict != PROXYHEADER_MALFORMED)
            fail_msg("accepted: %s", lines[i]);
        assert_refused(read);
    }
}

static void v1_nul_does_not_end_a_word(void **state)
{
    (void)state;
    static const char line[] = "PROXY TCP4 1.2.3.4\0x 5.6.7.8 1 2\r\n";
    assert_refused(parse(line, sizeof(line) - 1));
}

static void v1_is_refused_at_the_first_wrong_byte(void **state)
{
    (void)state;
    assert_refused(parse_line("PROXYX"));
    assert_refused(parse_line("PROXY TX"));
    assert_refused(parse_line("PROXY UNKNOWNX"));
    assert_refused(parse_line("PROXY TCP4 1\n"));
}

static void other_bytes_are_no_header(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\n", "PROX ",      "PUT",       "gAAAA",
                                        "\x16\x03",           "\r\n\r\n\r", "proxy TCP4"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(parse_line(texts[i]).verdict, PROXYHEADER_NONE);
}

/* ---- Version 2 ---- */

struct block {
    uint8_t bytes[2048];
    size_t len;
};

static struct block v2(uint8_t version_command, uint8_t family, size_t len, const void *payload,
                       size_t payload_len)
{
    struct block block = {.len = 16 + len};
    memcpy(block.bytes, SIGNATURE, 12);
    block.bytes[12] = version_command;
    block.bytes[13] = family;
    block.bytes[14] = (uint8_t)(len >> 8);
    block.bytes[15] = (uint8_t)len;
    if (payload_len > 0)
        memcpy(block.bytes + 16, payload, payload_len);
    return block;
}

static struct read parse_v2(uint8_t version_command, uint8_t family, const void *payload,
                            size_t payload_len)
{
    struct block block = v2(version_command, family, payload_len, payload, payload_len);
    return parse(block.bytes, block.len);
}

static const char ipv4_block[] = "\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb";

static void v2_gives_both_addresses_and_ports(void **state)
{
    (void)state;
    struct block block = v2(0x21, 0x11, 12, ipv4_block, 12);
    struct read read = parse(block.bytes, block.len + 9);
    assert_source(read, "192.0.2.7", 56324);
    assert_ip(&read.header.destination, "198.51.100.1");
    assert_int_equal(read.header.destination_port, 443);
    assert_int_equal(read.used, 28);
    assert_prefixes_incomplete(block.bytes, 28);

    uint8_t ipv6[36] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7, [31] = 1, [33] = 80, [35] = 81};
    read = parse_v2(0x21, 0x21, ipv6, sizeof(ipv6));
    assert_source(read, "2001:db8::7", 80);
    assert_ip(&read.header.destination, "::1");
    assert_int_equal(read.used, 52);
}

static void v2_mapped_address_counts_as_ipv4(void **state)
{
    (void)state;
    uint8_t mapped[36] = {[10] = 0xff, 0xff, 192, 0, 2, 7};
    struct read read = parse_v2(0x21, 0x21, mapped, sizeof(mapped));
    assert_source(read, "192.0.2.7", 0);
    assert_int_equal(read.header.source.family, 4);
}

static void v2_local_keeps_the_sockets_address_whatever_it_carries(void **state)
{
    (void)state;
    assert_no_source(parse_v2(0x20, 0x00, NULL, 0), 16);
    assert_no_source(parse_v2(0x20, 0x11, ipv4_block, 12), 28);
    assert_no_source(parse_v2(0x20, 0xff, "junk", 4), 20);
}

static void v2_what_is_no_tcp_keeps_the_sockets_address(void **state)
{
    (void)state;
    static const uint8_t unix_block[216];
    assert_no_source(parse_v2(0x21, 0x00, "junk", 4), 20);
    assert_no_source(parse_v2(0x21, 0x01, NULL, 0), 16);
    assert_no_source(parse_v2(0x21, 0x10, "x", 1), 17);
    assert_no_source(parse_v2(0x21, 0x31, unix_block, 216), 232);
    assert_no_source(parse_v2(0x21, 0x32, unix_block, 216), 232);
    assert_no_source(parse_v2(0x21, 0x12, ipv4_block, 12), 28);
}

static void v2_unknown_values_are_malformed(void **state)
{
    (void)state;
    assert_refused(parse_v2(0x11, 0x11, ipv4_block, 12));
    assert_refused(parse_v2(0x31, 0x11, ipv4_block, 12));
    assert_refused(parse_v2(0x22, 0x11, ipv4_block, 12));
    assert_refused(parse_v2(0x21, 0x41, ipv4_block, 12));
    assert_refused(parse_v2(0x21, 0x13, ipv4_block, 12));
    assert_refused(parse(SIGNATURE "\x11", 13));
}

static void v2_short_address_block_is_malformed(void **state)
{
    (void)state;
    uint8_t zeros[215] = {0};
    assert_refused(parse_v2(0x21, 0x11, zeros, 11));
    assert_refused(parse_v2(0x21, 0x11, zeros, 0));
    assert_refused(parse_v2(0x21, 0x21, zeros, 35));
    assert_refused(parse_v2(0x21, 0x12, zeros, 11));
    assert_refused(parse_v2(0x21, 0x31, zeros, 215));
}

static void v2_tlvs_are_skipped_when_their_lengths_are_right(void **state)
{
    (void)state;
    char payload[12 + 8];
    memcpy(payload, ipv4_block, 12);
    memcpy(payload + 12, "\x04\x00\x00\x05\x00\x02xy", 8);
    struct read read = parse_v2(0x21, 0x11, payload, sizeof(payload));
    assert_source(read, "192.0.2.7", 56324);
    assert_int_equal(read.used, 36);
    for (size_t cut = 1; cut < 8; cut++)
        if (cut != 5)
            assert_refused(parse_v2(0x21, 0x11, payload, sizeof(payload) - cut));
}

static void v2_longest_header_passes_and_a_longer_one_does_not(void **state)
{
    (void)state;
    struct block block = v2(0x20, 0x00, PROXYHEADER_V2_MAX - 16, NULL, 0);
    assert_no_source(parse(block.bytes, block.len), PROXYHEADER_V2_MAX);
    block = v2(0x20, 0x00, PROXYHEADER_V2_MAX - 15, NULL, 0);
    assert_int_equal(parse(block.bytes, 15).verdict, PROXYHEADER_INCOMPLETE);
    assert_int_equal(parse(block.bytes, 16).verdict, PROXYHEADER_TOO_LONG);
}

/* ---- Writing ---- */

static struct proxyheader header_of(const char *source, const char *destination)
{
    struct proxyheader header = {.source_port = 56324, .destination_port = 443};
    header.has_source = ip_parse(source, &header.source);
    ip_parse(destination, &header.destination);
    return header;
}

static void assert_v1(const struct proxyheader *header, const char *expected)
{
    uint8_t out[PROXYHEADER_WRITE_MAX];
    size_t len = proxyheader_write(1, header, out);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(out, expected, len);
}

static void v1_is_written_as_the_specification_shows_it(void **state)
{
    (void)state;
    struct proxyheader header = header_of("192.0.2.7", "198.51.100.1");
    assert_v1(&header, "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n");
    header = header_of("2001:db8::7", "::1");
    assert_v1(&header, "PROXY TCP6 2001:db8::7 ::1 56324 443\r\n");
    header = header_of("192.0.2.7", "2001:db8::1");
    assert_v1(&header, "PROXY TCP6 ::ffff:c000:207 2001:db8::1 56324 443\r\n");
    header = header_of("none", "2001:db8::1");
    assert_v1(&header, "PROXY UNKNOWN\r\n");
    header = header_of("192.0.2.7", "none");
    assert_v1(&header, "PROXY UNKNOWN\r\n");
}

static void v2_is_written_as_the_specification_shows_it(void **state)
{
    (void)state;
    uint8_t out[PROXYHEADER_WRITE_MAX];
    struct proxyheader header = header_of("192.0.2.7", "198.51.100.1");
    struct block expected = v2(0x21, 0x11, 12, ipv4_block, 12);
    assert_int_equal(proxyheader_write(2, &header, out), 28);
    assert_memory_equal(out, expected.bytes, 28);
    header = header_of("none", "198.51.100.1");
    expected = v2(0x20, 0x00, 0, NULL, 0);
    assert_int_equal(proxyheader_write(2, &header, out), 16);
    assert_memory_equal(out, expected.bytes, 16);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"192.0.2.7", "198.51.100.1"},
        {"2001:db8::7", "2001:db8::1"},
        {"192.0.2.7", "2001:db8::1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1.2.3.4"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct proxyheader header = header_of(pairs[i][0], pairs[i][1]);
        for (int version = 1; version <= 2; version++) {
            uint8_t out[PROXYHEADER_WRITE_MAX];
            size_t len = proxyheader_write(version, &header, out);
            struct read read = parse(out, len);
            assert_source(read, pairs[i][0], 56324);
            assert_ip(&read.header.destination, pairs[i][1]);
            assert_int_equal(read.header.destination_port, 443);
            assert_int_equal(read.used, len);
        }
    }
}

static void every_verdict_has_its_own_text(void **state)
{
    (void)state;
    for (int a = PROXYHEADER_TOO_LONG; a < PROXYHEADER_INCOMPLETE; a++)
        assert_string_not_equal(proxyheader_verdict_text(a), proxyheader_verdict_text(a + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_gives_both_addresses_and_ports),
        cmocka_unit_test(v1_mapped_address_counts_as_ipv4),
        cmocka_unit_test(v1_unknown_keeps_the_sockets_address),
        cmocka_unit_test(v1_prefix_is_incomplete),
        cmocka_unit_test(v1_longest_line_passes_and_a_longer_one_does_not),
        cmocka_unit_test(v1_other_lines_are_malformed),
        cmocka_unit_test(v1_nul_does_not_end_a_word),
        cmocka_unit_test(v1_is_refused_at_the_first_wrong_byte),
        cmocka_unit_test(other_bytes_are_no_header),
        cmocka_unit_test(v2_gives_both_addresses_and_ports),
        cmocka_unit_test(v2_mapped_address_counts_as_ipv4),
        cmocka_unit_test(v2_local_keeps_the_sockets_address_whatever_it_carries),
        cmocka_unit_test(v2_what_is_no_tcp_keeps_the_sockets_address),
        cmocka_unit_test(v2_unknown_values_are_malformed),
        cmocka_unit_test(v2_short_address_block_is_malformed),
        cmocka_unit_test(v2_tlvs_are_skipped_when_their_lengths_are_right),
        cmocka_unit_test(v2_longest_header_passes_and_a_longer_one_does_not),
        cmocka_unit_test(v1_is_written_as_the_specification_shows_it),
        cmocka_unit_test(v2_is_written_as_the_specification_shows_it),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(every_verdict_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
