#include "adit/clienthello.h"

#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 2 * CLIENTHELLO_MAX };

/* Bytes under construction. */
struct bytes {
    size_t len;
    uint8_t at[ROOM];
};

static struct bytes body;  /* of the ClientHello */
static struct bytes hello; /* as records */

static void put(struct bytes *bytes, const void *from, size_t len)
{
    assert_true(bytes->len + len <= ROOM);
    if (len > 0)
        memcpy(bytes->at + bytes->len, from, len);
    bytes->len += len;
}

static void put_u8(struct bytes *bytes, size_t value)
{
    uint8_t byte = (uint8_t)value;
    put(bytes, &byte, 1);
}

static void put_u16(struct bytes *bytes, size_t value)
{
    uint8_t out[2];
    store_u16(out, (uint16_t)value);
    put(bytes, out, 2);
}

static void put_zeros(struct bytes *bytes, size_t len)
{
    while (len-- > 0)
        put_u8(bytes, 0);
}

/* ---- A ClientHello, piece by piece ---- */

static void begin_body(void)
{
    body.len = 0;
    put_u16(&body, 0x0303);
    put_zeros(&body, 32); /* random */
    put_u8(&body, 0);     /* session id */
    put_u16(&body, 2);    /* cipher suites */
    put_u16(&body, 0x1301);
    put_u8(&body, 1); /* compression methods */
    put_u8(&body, 0);
}

/* The length of the extensions is filled in by end_extensions(). */
static size_t begin_extensions(void)
{
    begin_body();
    put_u16(&body, 0);
    return body.len;
}

static void end_extensions(size_t start)
{
    store_u16(body.at + start - 2, (uint16_t)(body.len - start));
}

static void put_extension(size_t type, const void *content, size_t len)
{
    put_u16(&body, type);
    put_u16(&body, len);
    put(&body, content, len);
}

static void put_server_name(const char *name)
{
    size_t len = strlen(name);
    put_u16(&body, 0);
    put_u16(&body, len + 5);
    put_u16(&body, len + 3);
    put_u8(&body, 0);
    put_u16(&body, len);
    put(&body, name, len);
}

/* Puts the message, with a header of its length, into records of record_len bytes each. */
static void wrap(size_t record_len)
{
    static struct bytes message;
    message.len = 0;
    put_u8(&message, 1);
    put_u8(&message, body.len >> 16);
    put_u16(&message, body.len);
    put(&message, body.at, body.len);
    hello.len = 0;
    for (size_t at = 0; at < message.len; at += record_len) {
        size_t len = message.len - at < record_len ? message.len - at : record_len;
        put(&hello, "\x16\x03\x01", 3);
        put_u16(&hello, len);
        put(&hello, message.at + at, len);
    }
}

static void build(const char *name)
{
    size_t start = begin_extensions();
    put_server_name(name);
    end_extensions(start);
    wrap(1 << 14);
}

static void build_with_extension(size_t type, const void *content, size_t len)
{
    size_t start = begin_extensions();
    put_extension(type, content, len);
    end_extensions(start);
    wrap(1 << 14);
}

/* ---- What is answered ---- */

/* The input ends where its memory ends, so that a sanitizer sees a read past it. */
static enum clienthello_verdict parse(size_t len, struct clienthello *out)
{
    uint8_t *copy = malloc(len);
    assert_true(copy != NULL || len == 0);
    if (len > 0)
        memcpy(copy, hello.at, len);
    enum clienthello_verdict verdict = clienthello_parse(copy, len, out);
    free(copy);
    return verdict;
}

/* The verdict over the whole; every shorter input is incomplete or, for an error, that error. */
static void assert_verdict(enum clienthello_verdict expected)
{
    struct clienthello out;
    enum clienthello_verdict got = parse(hello.len, &out);
    if (got != expected)
        fail_msg("%s instead of %s", clienthello_verdict_text(got),
                 clienthello_verdict_text(expected));
    bool error = false;
    for (size_t len = 0; len < hello.len; len++) {
        got = parse(len, &out);
        if (got == CLIENTHELLO_INCOMPLETE) {
            assert_false(error);
            assert_true(out.need > len);
            continue;
        }
        assert_int_equal(got, expected);
        error = true;
        assert_true(expected < 0);
    }
}

static void assert_name(const char *expected)
{
    struct clienthello out;
    assert_verdict(CLIENTHELLO_OK);
    assert_int_equal(parse(hello.len, &out), CLIENTHELLO_OK);
    assert_string_equal(out.name, expected);
    assert_int_equal(out.name_len, strlen(expected));
}

/* ---- Names ---- */

static void a_name_is_given_as_it_was_sent(void **state)
{
    (void)state;
    build("Home.Example.NET.");
    assert_name("Home.Example.NET.");
    build("!~");
    assert_name("!~");
}

static void a_name_has_255_bytes_at_most(void **state)
{
    (void)state;
    char name[257];
    memset(name, 'a', sizeof(name));
    name[255] = '\0';
    build(name);
    assert_name(name);
    name[255] = 'a';
    name[256] = '\0';
    build(name);
    assert_verdict(CLIENTHELLO_MALFORMED);
}

static void a_name_is_printable_ascii_without_space(void **state)
{
    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        struct clienthello out;
        char name[] = "a?b";
        name[1] = (char)byte;
        build(name);
        assert_int_equal(parse(hello.len, &out),
                         byte >= 0x21 && byte <= 0x7e ? CLIENTHELLO_OK : CLIENTHELLO_MALFORMED);
    }
}

static void the_first_host_name_of_a_list_counts(void **state)
{
    (void)state;
    static const char list[] = "\x00\x13\x07\x00\x03xyz\x00\x00\x03one\x00\x00\x04"
                               "four";
    build_with_extension(0, list, sizeof(list) - 1);
    assert_name("one");
}

static void a_list_without_a_host_name_is_no_sni(void **state)
{
    (void)state;
    build_with_extension(0, "\x00\x06\x07\x00\x03xyz", 8);
    assert_verdict(CLIENTHELLO_NO_SNI);
    build_with_extension(0, "\x00\x03\xff\x00\x00", 5);
    assert_verdict(CLIENTHELLO_NO_SNI);
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
        build_with_extension(0, lists[i].content, lists[i].len);
        assert_verdict(CLIENTHELLO_MALFORMED);
    }
}

/* ---- ALPN and ECH ---- */

static void alpn_protocols_are_reported_in_order(void **state)
{
    (void)state;
    static const char list[] = "\x00\x0c\x02h2\x02\x0a\x00\x05proto";
    struct clienthello out;
    build_with_extension(16, list, sizeof(list) - 1);
    assert_verdict(CLIENTHELLO_NO_SNI);
    parse(hello.len, &out);
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
    build_with_extension(16, list, sizeof(list));
    assert_int_equal(parse(hello.len, &out), CLIENTHELLO_NO_SNI);
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
    build_with_extension(16, list, sizeof(list));
    assert_int_equal(parse(hello.len, &out), CLIENTHELLO_NO_SNI);
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
        build_with_extension(16, lists[i].content, lists[i].len);
        assert_verdict(CLIENTHELLO_MALFORMED);
    }
}

static void ech_is_reported_and_the_outer_name_counts(void **state)
{
    (void)state;
    struct clienthello out;
    size_t start = begin_extensions();
    put_extension(0xfe0d, "\x00opaque", 7);
    put_server_name("outer.example");
    end_extensions(start);
    wrap(100);
    assert_name("outer.example");
    parse(hello.len, &out);
    assert_true(out.ech);
}

/* ---- Extensions ---- */

static void a_hello_without_extensions_is_no_sni(void **state)
{
    (void)state;
    begin_body();
    wrap(1 << 14);
    assert_verdict(CLIENTHELLO_NO_SNI);
    end_extensions(begin_extensions());
    wrap(1 << 14);
    assert_verdict(CLIENTHELLO_NO_SNI);
}

static void an_extension_may_come_once(void **state)
{
    (void)state;
    static const size_t types[] = {0, 16, 0xfe0d, 0x0a0a, 0xffff, 1234};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        bool list = types[i] == 16 || types[i] == 0;
        const char *content = types[i] == 16 ? "\x00\x03\x02h2" : "\x00\x06\x00\x00\x03xyz";
        size_t len = types[i] == 16 ? 5 : list ? 8 : 0;
        size_t start = begin_extensions();
        put_extension(types[i], content, len);
        put_extension(types[i] ^ 1, "", 0);
        put_extension(types[i], content, len);
        end_extensions(start);
        wrap(1 << 14);
        assert_verdict(CLIENTHELLO_MALFORMED);
    }
}

static void grease_and_unknown_extensions_are_skipped(void **state)
{
    (void)state;
    size_t start = begin_extensions();
    put_extension(0x0a0a, "", 0);
    put_server_name("a.example");
    put_extension(0x1a1a, "\x00", 1);
    put_extension(0xffff, "whatever", 8);
    end_extensions(start);
    wrap(1 << 14);
    assert_name("a.example");
}

static void garbage_after_an_extension_is_malformed(void **state)
{
    (void)state;
    for (size_t garbage = 1; garbage < 4; garbage++) {
        size_t start = begin_extensions();
        put_server_name("a.example");
        put_zeros(&body, garbage);
        end_extensions(start);
        wrap(1 << 14);
        assert_verdict(CLIENTHELLO_MALFORMED);
    }
}

static void extensions_fill_the_rest_of_the_hello(void **state)
{
    (void)state;
    for (int wrong = -2; wrong <= 2; wrong++) {
        size_t start = begin_extensions();
        put_server_name("a.example");
        end_extensions(start);
        store_u16(body.at + start - 2, (uint16_t)((int)(body.len - start) + wrong));
        wrap(1 << 14);
        assert_verdict(wrong == 0 ? CLIENTHELLO_OK : CLIENTHELLO_MALFORMED);
    }
    begin_body();
    put_u8(&body, 0);
    wrap(1 << 14);
    assert_verdict(CLIENTHELLO_MALFORMED);
}

static void an_extension_past_the_block_is_malformed(void **state)
{
    (void)state;
    size_t start = begin_extensions();
    put_u16(&body, 0x1234);
    put_u16(&body, 3);
    put_u16(&body, 0);
    end_extensions(start);
    wrap(1 << 14);
    assert_verdict(CLIENTHELLO_MALFORMED);
}

/* ---- What leads to the extensions ---- */

enum { SESSION_ID_AT = 34, CIPHER_SUITES_AT = 35, COMPRESSION_AT = 39 };

static void a_session_id_has_32_bytes_at_most(void **state)
{
    (void)state;
    for (size_t len = 31; len <= 33; len++) {
        body.len = 0;
        put_zeros(&body, SESSION_ID_AT);
        put_u8(&body, len);
        put_zeros(&body, len);
        put(&body, "\x00\x02\x13\x01\x01\x00", 6);
        wrap(1 << 14);
        assert_verdict(len <= 32 ? CLIENTHELLO_NO_SNI : CLIENTHELLO_MALFORMED);
    }
}

static void cipher_suites_are_pairs_of_bytes_and_at_least_one(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 5; len++) {
        body.len = 0;
        put_zeros(&body, CIPHER_SUITES_AT);
        put_u16(&body, len);
        put_zeros(&body, len);
        put(&body, "\x01\x00", 2);
        wrap(1 << 14);
        assert_verdict(len == 2 || len == 4 ? CLIENTHELLO_NO_SNI : CLIENTHELLO_MALFORMED);
    }
}

static void there_is_a_compression_method(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 3; len++) {
        begin_body();
        body.len = COMPRESSION_AT;
        put_u8(&body, len);
        put_zeros(&body, len);
        wrap(1 << 14);
        assert_verdict(len > 0 ? CLIENTHELLO_NO_SNI : CLIENTHELLO_MALFORMED);
    }
}

static void a_hello_that_ends_early_is_malformed(void **state)
{
    (void)state;
    begin_body();
    for (size_t len = body.len; len-- > 0;) {
        body.len = len;
        wrap(1 << 14);
        assert_verdict(CLIENTHELLO_MALFORMED);
    }
}

/* ---- Records ---- */

static void records_may_cut_the_hello_anywhere(void **state)
{
    (void)state;
    for (size_t record_len = 1; record_len < 80; record_len++) {
        build("cut.example");
        wrap(record_len);
        assert_name("cut.example");
    }
}

static void versions_are_not_looked_at(void **state)
{
    (void)state;
    build("a.example");
    hello.at[1] = 9;
    hello.at[2] = 9;
    hello.at[9] = 9;
    assert_name("a.example");
}

static void a_record_has_1_to_16384_bytes(void **state)
{
    (void)state;
    static uint8_t zeros[40000];
    build_with_extension(21, zeros, sizeof(zeros));
    wrap(1 << 14);
    struct clienthello out;
    assert_int_equal(parse(hello.len, &out), CLIENTHELLO_NO_SNI);
    wrap((1 << 14) + 1);
    assert_int_equal(parse(4, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(parse(5, &out), CLIENTHELLO_MALFORMED);

    build("a.example");
    wrap(20);
    memmove(hello.at + 30, hello.at + 25, hello.len - 25);
    memcpy(hello.at + 25, "\x16\x03\x01\x00\x00", 5);
    hello.len += 5;
    assert_verdict(CLIENTHELLO_MALFORMED);
}

static void another_record_inside_the_hello_is_malformed(void **state)
{
    (void)state;
    build("a.example");
    wrap(20);
    hello.at[25] = 21;
    assert_verdict(CLIENTHELLO_MALFORMED);
    struct clienthello out;
    assert_int_equal(parse(25, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(parse(26, &out), CLIENTHELLO_MALFORMED);
}

static void another_handshake_message_is_malformed_at_its_first_byte(void **state)
{
    (void)state;
    struct clienthello out;
    build("a.example");
    hello.at[5] = 2;
    assert_int_equal(parse(5, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(parse(6, &out), CLIENTHELLO_MALFORMED);
}

static void bytes_after_the_hello_are_not_looked_at(void **state)
{
    (void)state;
    struct clienthello out;
    build("a.example");
    size_t len = hello.len;
    store_u16(hello.at + 3, (uint16_t)(len - 5 + 100)); /* more in the same record */
    put(&hello, "junk", 4);
    assert_int_equal(parse(len - 1, &out), CLIENTHELLO_INCOMPLETE);
    for (; len <= hello.len; len++)
        assert_int_equal(parse(len, &out), CLIENTHELLO_OK);
    assert_string_equal(out.name, "a.example");
}

static void the_first_byte_tells_what_is_no_tls(void **state)
{
    (void)state;
    struct clienthello out;
    assert_int_equal(parse(0, &out), CLIENTHELLO_INCOMPLETE);
    for (unsigned byte = 0; byte < 256; byte++) {
        hello.at[0] = (uint8_t)byte;
        assert_int_equal(parse(1, &out),
                         byte == 0x16 ? CLIENTHELLO_INCOMPLETE : CLIENTHELLO_NOT_TLS);
    }
}

/* ---- Limits ---- */

/* A hello of exactly len wire bytes in records of full size. */
static void build_of_length(size_t len)
{
    static uint8_t zeros[ROOM];
    size_t records = (len + (1 << 14) + 4) / ((1 << 14) + 5);
    size_t start = begin_extensions();
    put_server_name("a.example");
    put_extension(21, zeros, len - 5 * records - 4 - body.len - 4);
    end_extensions(start);
    wrap(1 << 14);
    assert_int_equal(hello.len, len);
}

static void the_longest_hello_passes_and_a_longer_one_does_not(void **state)
{
    (void)state;
    struct clienthello out;
    build_of_length(CLIENTHELLO_MAX);
    assert_int_equal(parse(hello.len - 1, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(out.need, CLIENTHELLO_MAX);
    assert_int_equal(parse(hello.len, &out), CLIENTHELLO_OK);
    assert_string_equal(out.name, "a.example");
    build_of_length(CLIENTHELLO_MAX + 1);
    assert_int_equal(parse(hello.len, &out), CLIENTHELLO_TOO_LONG);
    assert_int_equal(parse(CLIENTHELLO_MAX, &out), CLIENTHELLO_TOO_LONG);
}

static void a_length_past_the_limit_is_refused_as_soon_as_it_is_known(void **state)
{
    (void)state;
    struct clienthello out;
    build_of_length(CLIENTHELLO_MAX + 1);
    assert_int_equal(parse(8, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(parse(9, &out), CLIENTHELLO_TOO_LONG);
    memset(hello.at + 6, 0xff, hello.len - 6);
    assert_int_equal(parse(9, &out), CLIENTHELLO_TOO_LONG);
    assert_int_equal(parse(hello.len, &out), CLIENTHELLO_TOO_LONG);
}

/* Reads as a caller would to whom one byte comes at a time; counts the calls. */
static enum clienthello_verdict drip(size_t *calls)
{
    struct clienthello out;
    enum clienthello_verdict verdict = CLIENTHELLO_INCOMPLETE;
    size_t need = 0;
    *calls = 0;
    for (size_t len = 0; verdict == CLIENTHELLO_INCOMPLETE && len <= hello.len; len++) {
        if (len < need)
            continue;
        verdict = clienthello_parse(hello.at, len, &out);
        need = out.need;
        ++*calls;
    }
    return verdict;
}

static void a_hello_that_drips_in_is_looked_at_a_few_times(void **state)
{
    (void)state;
    size_t calls;
    build_of_length(16000);
    assert_int_equal(drip(&calls), CLIENTHELLO_OK);
    assert_true(calls < 5);
    build_of_length(10900);
    wrap(1);
    assert_true(hello.len > 65000 && hello.len < CLIENTHELLO_MAX);
    assert_int_equal(drip(&calls), CLIENTHELLO_OK);
    assert_true(calls < 100);
    build_of_length(20000);
    wrap(1);
    assert_int_equal(drip(&calls), CLIENTHELLO_TOO_LONG);
    assert_true(calls < 100);
}

static void what_is_needed_is_never_more_than_the_whole(void **state)
{
    (void)state;
    build("a.example");
    for (size_t record_len = 1; record_len < 100; record_len++) {
        wrap(record_len);
        size_t needed = 0;
        for (size_t len = 0; len < hello.len; len++) {
            struct clienthello out;
            assert_int_equal(parse(len, &out), CLIENTHELLO_INCOMPLETE);
            assert_true(out.need > len && out.need >= needed && out.need <= hello.len);
            needed = out.need;
        }
        assert_int_equal(needed, hello.len);
    }
}

static void nothing_is_reported_with_an_error(void **state)
{
    (void)state;
    struct clienthello out;
    static const struct clienthello nothing;
    size_t start = begin_extensions();
    put_server_name("a.example");
    put_extension(16, "\x00\x03\x02h2", 5);
    put_extension(0xfe0d, "", 0);
    put_u8(&body, 0);
    end_extensions(start);
    wrap(1 << 14);
    memset(&out, 0xff, sizeof(out));
    assert_int_equal(parse(hello.len, &out), CLIENTHELLO_MALFORMED);
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
        cmocka_unit_test(records_may_cut_the_hello_anywhere),
        cmocka_unit_test(versions_are_not_looked_at),
        cmocka_unit_test(a_record_has_1_to_16384_bytes),
        cmocka_unit_test(another_record_inside_the_hello_is_malformed),
        cmocka_unit_test(another_handshake_message_is_malformed_at_its_first_byte),
        cmocka_unit_test(bytes_after_the_hello_are_not_looked_at),
        cmocka_unit_test(the_first_byte_tells_what_is_no_tls),
        cmocka_unit_test(the_longest_hello_passes_and_a_longer_one_does_not),
        cmocka_unit_test(a_length_past_the_limit_is_refused_as_soon_as_it_is_known),
        cmocka_unit_test(a_hello_that_drips_in_is_looked_at_a_few_times),
        cmocka_unit_test(what_is_needed_is_never_more_than_the_whole),
        cmocka_unit_test(nothing_is_reported_with_an_error),
        cmocka_unit_test(every_verdict_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
