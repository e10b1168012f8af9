/* How a ClientHello comes: in records, byte by byte, and as long as it may be. */
#include "hello_maker.h"

#include "base/cursor.h"

#include <string.h>

/* ---- Records ---- */

static void records_may_cut_the_hello_anywhere(void **state)
{
    (void)state;
    for (size_t record_len = 1; record_len < 80; record_len++) {
        hello_build("cut.example");
        hello_wrap(record_len);
        hello_expect_name("cut.example");
    }
}

static void versions_are_not_looked_at(void **state)
{
    (void)state;
    hello_build("a.example");
    hello.at[1] = 9;
    hello.at[2] = 9;
    hello.at[9] = 9;
    hello_expect_name("a.example");
}

static void a_record_has_1_to_16384_bytes(void **state)
{
    (void)state;
    static uint8_t zeros[40000];
    hello_build_with(21, zeros, sizeof(zeros));
    hello_wrap(1 << 14);
    struct clienthello out;
    assert_int_equal(hello_parse(hello.len, &out), CLIENTHELLO_NO_SNI);
    hello_wrap((1 << 14) + 1);
    assert_int_equal(hello_parse(4, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(hello_parse(5, &out), CLIENTHELLO_MALFORMED);

    hello_build("a.example");
    hello_wrap(20);
    memmove(hello.at + 30, hello.at + 25, hello.len - 25);
    memcpy(hello.at + 25, "\x16\x03\x01\x00\x00", 5);
    hello.len += 5;
    hello_expect(CLIENTHELLO_MALFORMED);
}

static void another_record_inside_the_hello_is_malformed(void **state)
{
    (void)state;
    hello_build("a.example");
    hello_wrap(20);
    hello.at[25] = 21;
    hello_expect(CLIENTHELLO_MALFORMED);
    struct clienthello out;
    assert_int_equal(hello_parse(25, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(hello_parse(26, &out), CLIENTHELLO_MALFORMED);
}

static void another_handshake_message_is_malformed_at_its_first_byte(void **state)
{
    (void)state;
    struct clienthello out;
    hello_build("a.example");
    hello.at[5] = 2;
    assert_int_equal(hello_parse(5, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(hello_parse(6, &out), CLIENTHELLO_MALFORMED);
}

static void bytes_after_the_hello_are_not_looked_at(void **state)
{
    (void)state;
    struct clienthello out;
    hello_build("a.example");
    size_t len = hello.len;
    store_u16(hello.at + 3, (uint16_t)(len - 5 + 100)); /* more in the same record */
    hello_put(&hello, "junk", 4);
    assert_int_equal(hello_parse(len - 1, &out), CLIENTHELLO_INCOMPLETE);
    for (; len <= hello.len; len++)
        assert_int_equal(hello_parse(len, &out), CLIENTHELLO_OK);
    assert_string_equal(out.name, "a.example");
}

static void the_first_byte_tells_what_is_no_tls(void **state)
{
    (void)state;
    struct clienthello out;
    assert_int_equal(hello_parse(0, &out), CLIENTHELLO_INCOMPLETE);
    for (unsigned byte = 0; byte < 256; byte++) {
        hello.at[0] = (uint8_t)byte;
        assert_int_equal(hello_parse(1, &out),
                         byte == 0x16 ? CLIENTHELLO_INCOMPLETE : CLIENTHELLO_NOT_TLS);
    }
}

/* ---- Limits ---- */

/* A hello of exactly len wire bytes in records of full size. */
static void build_of_length(size_t len)
{
    static uint8_t zeros[HELLO_ROOM];
    size_t records = (len + (1 << 14) + 4) / ((1 << 14) + 5);
    size_t start = hello_begin_extensions();
    hello_put_server_name("a.example");
    hello_put_extension(21, zeros, len - 5 * records - 4 - hello_body.len - 4);
    hello_end_extensions(start);
    hello_wrap(1 << 14);
    assert_int_equal(hello.len, len);
}

static void the_longest_hello_passes_and_a_longer_one_does_not(void **state)
{
    (void)state;
    struct clienthello out;
    build_of_length(CLIENTHELLO_MAX);
    assert_int_equal(hello_parse(hello.len - 1, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(out.need, CLIENTHELLO_MAX);
    assert_int_equal(hello_parse(hello.len, &out), CLIENTHELLO_OK);
    assert_string_equal(out.name, "a.example");
    build_of_length(CLIENTHELLO_MAX + 1);
    assert_int_equal(hello_parse(hello.len, &out), CLIENTHELLO_TOO_LONG);
    assert_int_equal(hello_parse(CLIENTHELLO_MAX, &out), CLIENTHELLO_TOO_LONG);
}

static void a_length_past_the_limit_is_refused_as_soon_as_it_is_known(void **state)
{
    (void)state;
    struct clienthello out;
    build_of_length(CLIENTHELLO_MAX + 1);
    assert_int_equal(hello_parse(8, &out), CLIENTHELLO_INCOMPLETE);
    assert_int_equal(hello_parse(9, &out), CLIENTHELLO_TOO_LONG);
    memset(hello.at + 6, 0xff, hello.len - 6);
    assert_int_equal(hello_parse(9, &out), CLIENTHELLO_TOO_LONG);
    assert_int_equal(hello_parse(hello.len, &out), CLIENTHELLO_TOO_LONG);
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
    hello_wrap(1);
    assert_true(hello.len > 65000 && hello.len < CLIENTHELLO_MAX);
    assert_int_equal(drip(&calls), CLIENTHELLO_OK);
    assert_true(calls < 100);
    build_of_length(20000);
    hello_wrap(1);
    assert_int_equal(drip(&calls), CLIENTHELLO_TOO_LONG);
    assert_true(calls < 100);
}

static void what_is_needed_is_never_more_than_the_whole(void **state)
{
    (void)state;
    hello_build("a.example");
    for (size_t record_len = 1; record_len < 100; record_len++) {
        hello_wrap(record_len);
        size_t needed = 0;
        for (size_t len = 0; len < hello.len; len++) {
            struct clienthello out;
            assert_int_equal(hello_parse(len, &out), CLIENTHELLO_INCOMPLETE);
            assert_true(out.need > len && out.need >= needed && out.need <= hello.len);
            needed = out.need;
        }
        assert_int_equal(needed, hello.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
