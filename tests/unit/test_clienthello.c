/* What a ClientHello says: names, ALPN, ECH, extensions and what leads to them. */
#include "hello_maker.h"

#include "base/cursor.h"

#include <stdlib.h>
#include <string.h>

/* ---- Names ---- */

static void a_name_is_given_as_it_was_sent(void **state)
{
    (void)state;
    hello_build("Home.Example.NET.");
    hello_expect_name("Home.Example.NET.");
    hello_build("!~");
    hello_expect_name("!~");
}

static void a_name_has_255_bytes_at_most(void **state)
{
    (void)state;
    char name[257];
    memset(name, 'a', sizeof(name));
    name[255] = '\0';
    hello_build(name);
    hello_expect_name(name);
    name[255] = 'a';
    name[256] = '\0';
    hello_build(name);
    hello_expect(CLIENTHELLO_MALFORMED);
}

static void a_name_is_printable_ascii_without_space(void **state)
{
    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        struct clienthello out;
        char name[] = "a?b";
        name[1] = (char)byte;
        hello_build(name);
        assert_int_equal(hello_parse(hello.len, &out),
                         byte >= 0x21 && byte <= 0x7e ? CLIENTHELLO_OK : CLIENTHELLO_MALFORMED);
    }
}

static void the_first_host_name_of_a_list_counts(void **state)
{
    (void)state;
    static const char list[] = "\x00\x13\x07\x00\x03xyz\x00\x00\x03one\x00\x00\x04"
                               "four";
    hello_build_with(0, list, sizeof(list) - 1);
    hello_expect_name("one");
}

static void a_list_without_a_host_name_is_no_sni(void **state)
{
    (void)state;
    hello_build_with(0, "\x00\x06\x07\x00\x03xyz", 8);
    hello_expect(CLIENTHELLO_NO_SNI);
    hello_build_with(0, "\x00\x03\xff\x00\x00", 5);
    hello_expect(CLIENTHELLO_NO_SNI);
}

static void a_list_of_other_lengths_is_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        size_t len;
    } lists[] = {
        {"", 0},                                     /* no list */
        {"\x00", 1},                                 /* half a length */
        {"\x00\x00", 2},                             /* empty list */
        {"\x00\x01\x00", 3},                         /* a type alone */
        {"\x00\x02\x00\x00", 4},                     /* half a length of the name */
        {"\x00\x03\x00\x00\x00", 5},                 /* empty name */
        {"\x00\x06\x00\x00\x04xyz", 8},              /* name past its list */
        {"\x00\x05\x00\x00\x03xyz", 8},              /* list shorter than its extension */
        {"\x00\x07\x00\x00\x03xyz", 8},              /* list longer than its extension */
        {"\x00\x07\x00\x00\x03xyz\x00", 9},          /* trailing garbage in the list */
        {"\x00\x06\x00\x00\x03xyz\x00", 9},          /* trailing garbage in the extension */
        {"\x00\x09\x00\x00\x03xyz\x07\x00\x01", 11}, /* second name past its list */
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        hello_build_with(0, lists[i].content, lists[i].len);
        hello_expect(CLIENTHELLO_MALFORMED);
    }
}

/* ---- ALPN and ECH ---- */

static void alpn_protocols_are_reported_in_order(void **state)
{
    (void)state;
    static const char list[] = "\x00\x0c\x02h2\x02\x0a\x00\x05proto";
    struct clienthello out;
    hello_build_with(16, list, sizeof(list) - 1);
    hello_expect(CLIENTHELLO_NO_SNI);
    hello_parse(hello.len, &out);
    assert_int_equal(out.alpn_count, 3);
    assert_string_equal(out.alpn[0].name, "h2");
    assert_int_equal(out.alpn[1].len, 2);
    assert_memory_equal(out.alpn[1].name, "\x0a\x00", 3);
    assert_string_equal(out.alpn[2].name, "proto");
    assert_false(out.ech);
}

static void more_alpn_protocols_than_are_reported_do_no_harm(void **state)
{
    (void)state;
    uint8_t list[2 + 2 * 20];
    struct clienthello out;
    store_u16(list, 2 * 20);
    for (uint8_t i = 0; i < 20; i++) {
        list[2 + 2 * i] = 1;
        list[3 + 2 * i] = (uint8_t)('a' + i);
    }
    hello_build_with(16, list, sizeof(list));
    assert_int_equal(hello_parse(hello.len, &out), CLIENTHELLO_NO_SNI);
    assert_int_equal(out.alpn_count, CLIENTHELLO_ALPN_MAX);
    assert_string_equal(out.alpn[15].name, "p");
}

static void the_longest_alpn_protocol_is_terminated(void **state)
{
    (void)state;
    uint8_t list[2 + 256];
    struct clienthello out;
    memset(list, 'x', sizeof(list));
    store_u16(list, 256);
    list[2] = 255;
    hello_build_with(16, list, sizeof(list));
    assert_int_equal(hello_parse(hello.len, &out), CLIENTHELLO_NO_SNI);
    assert_int_equal(out.alpn[0].len, 255);
    assert_int_equal(strlen(out.alpn[0].name), 255);
}

static void malformed_alpn_is_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        size_t len;
    } lists[] = {
        {"", 0},
        {"\x00\x00", 2},
        {"\x00\x01\x00", 3},
        {"\x00\x03\x03h2", 5},
        {"\x00\x02\x02h2", 5},
        {"\x00\x04\x02h2", 5},
        {"\x00\x04\x02h2\x00", 6},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        hello_build_with(16, lists[i].content, lists[i].len);
        hello_expect(CLIENTHELLO_MALFORMED);
    }
}

static void ech_is_reported_and_the_outer_name_counts(void **state)
{
    (void)state;
    struct clienthello out;
    size_t start = hello_begin_extensions();
    hello_put_extension(0xfe0d, "\x00opaque", 7);
    hello_put_server_name("outer.example");
    hello_end_extensions(start);
    hello_wrap(100);
    hello_expect_name("outer.example");
    hello_parse(hello.len, &out);
    assert_true(out.ech);
}

/* ---- Extensions ---- */

static void a_hello_without_extensions_is_no_sni(void **state)
{
    (void)state;
    hello_begin();
    hello_wrap(1 << 14);
    hello_expect(CLIENTHELLO_NO_SNI);
    hello_end_extensions(hello_begin_extensions());
    hello_wrap(1 << 14);
    hello_expect(CLIENTHELLO_NO_SNI);
}

static void an_extension_may_come_once(void **state)
{
    (void)state;
    static const size_t types[] = {0, 16, 0xfe0d, 0x0a0a, 0xffff, 1234};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        bool list = types[i] == 16 || types[i] == 0;
        const char *content = types[i] == 16 ? "\x00\x03\x02h2" : "\x00\x06\x00\x00\x03xyz";
        size_t len = types[i] == 16 ? 5 : list ? 8 : 0;
        size_t start = hello_begin_extensions();
        hello_put_extension(types[i], content, len);
        hello_put_extension(types[i] ^ 1, "", 0);
        hello_put_extension(types[i], content, len);
        hello_end_extensions(start);
        hello_wrap(1 << 14);
        hello_expect(CLIENTHELLO_MALFORMED);
    }
}

static void grease_and_unknown_extensions_are_skipped(void **state)
{
    (void)state;
    size_t start = hello_begin_extensions();
    hello_put_extension(0x0a0a, "", 0);
    hello_put_server_name("a.example");
    hello_put_extension(0x1a1a, "\x00", 1);
    hello_put_extension(0xffff, "whatever", 8);
    hello_end_extensions(start);
    hello_wrap(1 << 14);
    hello_expect_name("a.example");
}

static void garbage_after_an_extension_is_malformed(void **state)
{
    (void)state;
    for (size_t garbage = 1; garbage < 4; garbage++) {
        size_t start = hello_begin_extensions();
        hello_put_server_name("a.example");
        hello_put_zeros(&hello_body, garbage);
        hello_end_extensions(start);
        hello_wrap(1 << 14);
        hello_expect(CLIENTHELLO_MALFORMED);
    }
}

static void extensions_fill_the_rest_of_the_hello(void **state)
{
    (void)state;
    for (int wrong = -2; wrong <= 2; wrong++) {
        size_t start = hello_begin_extensions();
        hello_put_server_name("a.example");
        hello_end_extensions(start);
        store_u16(hello_body.at + start - 2, (uint16_t)((int)(hello_body.len - start) + wrong));
        hello_wrap(1 << 14);
        hello_expect(wrong == 0 ? CLIENTHELLO_OK : CLIENTHELLO_MALFORMED);
    }
    hello_begin();
    hello_put_u8(&hello_body, 0);
    hello_wrap(1 << 14);
    hello_expect(CLIENTHELLO_MALFORMED);
}

static void an_extension_past_the_block_is_malformed(void **state)
{
    (void)state;
    size_t start = hello_begin_extensions();
    hello_put_u16(&hello_body, 0x1234);
    hello_put_u16(&hello_body, 3);
    hello_put_u16(&hello_body, 0);
    hello_end_extensions(start);
    hello_wrap(1 << 14);
    hello_expect(CLIENTHELLO_MALFORMED);
}

/* ---- What leads to the extensions ---- */

enum { SESSION_ID_AT = 34, CIPHER_SUITES_AT = 35, COMPRESSION_AT = 39 };

static void a_session_id_has_32_bytes_at_most(void **state)
{
    (void)state;
    for (size_t len = 31; len <= 33; len++) {
        hello_body.len = 0;
        hello_put_zeros(&hello_body, SESSION_ID_AT);
        hello_put_u8(&hello_body, len);
        hello_put_zeros(&hello_body, len);
        hello_put(&hello_body, "\x00\x02\x13\x01\x01\x00", 6);
        hello_wrap(1 << 14);
        hello_expect(len <= 32 ? CLIENTHELLO_NO_SNI : CLIENTHELLO_MALFORMED);
    }
}

static void cipher_suites_are_pairs_of_bytes_and_at_least_one(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 5; len++) {
        hello_body.len = 0;
        hello_put_zeros(&hello_body, CIPHER_SUITES_AT);
        hello_put_u16(&hello_body, len);
        hello_put_zeros(&hello_body, len);
        hello_put(&hello_body, "\x01\x00", 2);
        hello_wrap(1 << 14);
        hello_expect(len == 2 || len == 4 ? CLIENTHELLO_NO_SNI : CLIENTHELLO_MALFORMED);
    }
}

static void there_is_a_compression_method(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 3; len++) {
        hello_begin();
        hello_body.len = COMPRESSION_AT;
        hello_put_u8(&hello_body, len);
        hello_put_zeros(&hello_body, len);
        hello_wrap(1 << 14);
        hello_expect(len > 0 ? CLIENTHELLO_NO_SNI : CLIENTHELLO_MALFORMED);
    }
}

static void a_hello_that_ends_early_is_malformed(void **state)
{
    (void)state;
    hello_begin();
    for (size_t len = hello_body.len; len-- > 0;) {
        hello_body.len = len;
        hello_wrap(1 << 14);
        hello_expect(CLIENTHELLO_MALFORMED);
    }
}

static void nothing_is_reported_with_an_error(void **state)
{
    (void)state;
    struct clienthello out;
    static const struct clienthello nothing;
    size_t start = hello_begin_extensions();
    hello_put_server_name("a.example");
    hello_put_extension(16, "\x00\x03\x02h2", 5);
    hello_put_extension(0xfe0d, "", 0);
    hello_put_u8(&hello_body, 0);
    hello_end_extensions(start);
    hello_wrap(1 << 14);
    memset(&out, 0xff, sizeof(out));
    assert_int_equal(hello_parse(hello.len, &out), CLIENTHELLO_MALFORMED);
    assert_memory_equal(&out, &nothing, sizeof(out));
}

static void every_verdict_has_its_own_text(void **state)
{
    (void)state;
    for (int a = CLIENTHELLO_TOO_LONG - 1; a < CLIENTHELLO_INCOMPLETE; a++)
        assert_string_not_equal(clienthello_verdict_text(a), clienthello_verdict_text(a + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_given_as_it_was_sent),
        cmocka_unit_test(a_name_has_255_bytes_at_most),
        cmocka_unit_test(a_name_is_printable_ascii_without_space),
        cmocka_unit_test(the_first_host_name_of_a_list_counts),
        cmocka_unit_test(a_list_without_a_host_name_is_no_sni),
        cmocka_unit_test(a_list_of_other_lengths_is_malformed),
        cmocka_unit_test(alpn_protocols_are_reported_in_order),
        cmocka_unit_test(more_alpn_protocols_than_are_reported_do_no_harm),
        cmocka_unit_test(the_longest_alpn_protocol_is_terminated),
        cmocka_unit_test(malformed_alpn_is_malformed),
        cmocka_unit_test(ech_is_reported_and_the_outer_name_counts),
        cmocka_unit_test(a_hello_without_extensions_is_no_sni),
        cmocka_unit_test(an_extension_may_come_once),
        cmocka_unit_test(grease_and_unknown_extensions_are_skipped),
        cmocka_unit_test(garbage_after_an_extension_is_malformed),
        cmocka_unit_test(extensions_fill_the_rest_of_the_hello),
        cmocka_unit_test(an_extension_past_the_block_is_malformed),
        cmocka_unit_test(a_session_id_has_32_bytes_at_most),
        cmocka_unit_test(cipher_suites_are_pairs_of_bytes_and_at_least_one),
        cmocka_unit_test(there_is_a_compression_method),
        cmocka_unit_test(a_hello_that_ends_early_is_malformed),
        cmocka_unit_test(nothing_is_reported_with_an_error),
        cmocka_unit_test(every_verdict_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
