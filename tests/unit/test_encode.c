#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648, 10, in the alphabet of section 5. */
static const struct {
    const char *plain;
    const char *text;
} rfc_4648[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "-_-_"},
};

static void base64url_is_as_in_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rfc_4648) / sizeof(rfc_4648[0]); i++) {
        char text[16];
        uint8_t plain[16];
        size_t plain_len = strlen(rfc_4648[i].plain);
        base64url_encode(rfc_4648[i].plain, plain_len, text);
        assert_string_equal(text, rfc_4648[i].text);
        assert_int_equal(BASE64_LEN(plain_len), strlen(text));
        assert_int_equal(base64url_decode(text, strlen(text), plain), plain_len);
        assert_memory_equal(plain, rfc_4648[i].plain, plain_len);
    }
}

static void base64url_every_byte_comes_back(void **state)
{
    (void)state;
    uint8_t all[256];
    uint8_t again[BASE64_LEN(sizeof(all)) / 4 * 3];
    char text[BASE64_LEN(sizeof(all)) + 1];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)i;
    for (size_t len = 0; len <= sizeof(all); len++) {
        base64url_encode(all, len, text);
        assert_int_equal(base64url_decode(text, strlen(text), again), len);
        assert_memory_equal(again, all, len);
    }
}

static void base64url_refuses_what_is_not_canonical(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Z",    "Zg",    "Zg=",  "Zm9vY",   "====",     "Z===",     "=AAA",
        "A=AA", "AA=A",  "Zh==", "Zm9=",    "Zg=a",     "+_-_",     "-/-_",
        "Zm9 ", "Zm9\n", "Zm9.", "Zm9\xe9", "Zg==Zg==", "Zm8=Zm9v", "Zm9v\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint8_t out[8];
        if (base64url_decode(texts[i], strlen(texts[i]), out) != -1)
            fail_msg("accepted: %s", texts[i]);
    }
    uint8_t out[3];
    assert_int_equal(base64url_decode("Zm\0v", 4, out), -1);
}

static void hex_comes_back_in_either_case(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x1f, 0xab, 0xff};
    uint8_t out[4];
    char text[9];
    hex_encode(bytes, sizeof(bytes), text);
    assert_string_equal(text, "001fabff");
    assert_true(hex_decode(text, out, 4));
    assert_memory_equal(out, bytes, 4);
    assert_true(hex_decode("001FaBfF", out, 4));
    assert_memory_equal(out, bytes, 4);
    assert_true(hex_decode("", out, 0));
}

static void hex_takes_exactly_the_digits_asked_for(void **state)
{
    (void)state;
    uint8_t out[2];
    static const char *const texts[] = {"",     "0",    "000",  "00000", "0000 ", "00g0", "000g",
                                        " 000", "0x00", "00:0", "00/0",  "00@0",  "00`0"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (hex_decode(texts[i], out, 2))
            fail_msg("accepted: %s", texts[i]);
}

static void shown_text_is_printable_ascii_alone(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(text_escape("plain ~text", 11, out, sizeof(out)), "plain ~text");
    assert_string_equal(text_escape("a\0b\n\x1b[0m\x7f\\\xff", 11, out, sizeof(out)),
                        "a\\x00b\\x0a\\x1b[0m\\x7f\\x5c\\xff");
    assert_string_equal(text_escape("", 0, out, sizeof(out)), "");
}

static void shown_text_is_cut_between_characters(void **state)
{
    (void)state;
    char out[16];
    assert_string_equal(text_escape("abcdef", 6, out, 7), "abcdef");
    assert_string_equal(text_escape("abcdef", 6, out, 6), "ab...");
    assert_string_equal(text_escape("a\n\n", 3, out, 10), "a\\x0a\\x0a");
    assert_string_equal(text_escape("a\n\n", 3, out, 9), "a\\x0a...");
    assert_string_equal(text_escape("a\n\n", 3, out, 8), "a...");
    assert_string_equal(text_escape("a\n\n", 3, out, 5), "a...");
    assert_string_equal(text_escape("abcdef", 6, out, 4), "...");
    assert_string_equal(text_escape("abcdef", 6, out, 3), "");
    assert_string_equal(text_escape("abcdef", 6, out, 1), "");
}

static void shown_text_never_leaves_its_room(void **state)
{
    (void)state;
    for (size_t room = 0; room < 16; room++) {
        char out[17];
        memset(out, '#', sizeof(out));
        text_escape("ab\ncd\x80", 6, out, room);
        for (size_t i = room; i < sizeof(out); i++)
            assert_int_equal(out[i], '#');
        if (room > 0)
            assert_true(strnlen(out, room) < room);
    }
}

static void wiped_memory_is_zero(void **state)
{
    (void)state;
    uint8_t memory[5] = {1, 2, 3, 4, 5};
    wipe(memory + 1, 3);
    assert_memory_equal(memory, "\x01\0\0\0\x05", 5);
}

static void secrets_are_equal_when_every_byte_is(void **state)
{
    (void)state;
    uint8_t a[16] = {0};
    uint8_t b[16] = {0};
    assert_true(equal_secret(a, b, 16));
    assert_true(equal_secret(a, b, 0));
    for (size_t bit = 0; bit < 128; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(equal_secret(a, b, 16));
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_is_as_in_the_rfc),
        cmocka_unit_test(base64url_every_byte_comes_back),
        cmocka_unit_test(base64url_refuses_what_is_not_canonical),
        cmocka_unit_test(hex_comes_back_in_either_case),
        cmocka_unit_test(hex_takes_exactly_the_digits_asked_for),
        cmocka_unit_test(shown_text_is_printable_ascii_alone),
        cmocka_unit_test(shown_text_is_cut_between_characters),
        cmocka_unit_test(shown_text_never_leaves_its_room),
        cmocka_unit_test(wiped_memory_is_zero),
        cmocka_unit_test(secrets_are_equal_when_every_byte_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
