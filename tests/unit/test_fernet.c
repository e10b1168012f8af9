#include "base/encode.h"
#include "lib/crypto/fernet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* generate.json and verify.json of github.com/fernet/spec. */
static const char spec_secret[] = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
static const char spec_token[] = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPm"
                                 "rhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
static const uint64_t spec_time_s = 499162800;
static const char spec_text[] = "hello";

enum { LEN_MAX = 64 };

static void read_key(uint8_t key[FERNET_KEY_LEN])
{
    uint8_t decoded[33];
    assert_int_equal(base64url_decode(spec_secret, strlen(spec_secret), decoded), FERNET_KEY_LEN);
    memcpy(key, decoded, FERNET_KEY_LEN);
}

/* What the specification shows, for a test to change, and what comes of opening it. */
struct shown {
    uint8_t key[FERNET_KEY_LEN];
    uint8_t token[128];
    size_t len;
    uint8_t plain[128];
    size_t plain_len;
};

static struct shown show(void)
{
    struct shown shown = {.len = 73};
    read_key(shown.key);
    assert_int_equal(base64url_decode(spec_token, strlen(spec_token), shown.token), shown.len);
    return shown;
}

static int open_shown(struct shown *shown)
{
    return fernet_open(shown->key, shown->token, shown->len, shown->plain, &shown->plain_len);
}

static void seals_as_the_specification_shows(void **state)
{
    (void)state;
    uint8_t key[FERNET_KEY_LEN];
    uint8_t iv[FERNET_IV_LEN];
    uint8_t out[128];
    char text[BASE64_LEN(sizeof(out)) + 1];
    read_key(key);
    for (uint8_t i = 0; i < FERNET_IV_LEN; i++)
        iv[i] = i;
    assert_int_equal(fernet_sealed_len(5), 73);
    assert_int_equal(fernet_seal(key, spec_time_s, iv, (const uint8_t *)spec_text, 5, out), 0);
    base64url_encode(out, 73, text);
    assert_string_equal(text, spec_token);
}

static void opens_what_the_specification_shows(void **state)
{
    (void)state;
    struct shown shown = show();
    assert_int_equal(open_shown(&shown), FERNET_OK);
    assert_int_equal(shown.plain_len, 5);
    assert_memory_equal(shown.plain, spec_text, 5);
}

static void every_length_comes_back(void **state)
{
    (void)state;
    uint8_t key[FERNET_KEY_LEN] = {1, 2, 3};
    uint8_t iv[FERNET_IV_LEN] = {9};
    uint8_t text[LEN_MAX];
    memset(text, 0x10, sizeof(text)); /* looks like padding */
    for (size_t len = 0; len <= LEN_MAX; len++) {
        uint8_t token[FERNET_OVERHEAD + LEN_MAX + FERNET_BLOCK_LEN];
        uint8_t plain[sizeof(token)];
        size_t sealed_len = fernet_sealed_len(len);
        size_t plain_len = 0;
        assert_true(fernet_length_possible(sealed_len));
        assert_true(sealed_len <= sizeof(token));
        assert_int_equal(fernet_seal(key, 1, iv, text, len, token), FERNET_OK);
        assert_int_equal(fernet_open(key, token, sealed_len, plain, &plain_len), FERNET_OK);
        assert_int_equal(plain_len, len);
        assert_memory_equal(plain, text, len);
    }
}

static void any_flipped_bit_makes_it_foreign(void **state)
{
    (void)state;
    struct shown shown = show();
    for (size_t bit = 0; bit < 8 * shown.len; bit++) {
        shown.token[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open_shown(&shown), FERNET_E_FOREIGN);
        shown.token[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void another_signing_key_makes_it_foreign(void **state)
{
    (void)state;
    struct shown shown = show();
    shown.key[0] ^= 1;
    assert_int_equal(open_shown(&shown), FERNET_E_FOREIGN);
}

/* Makes a changed token authentic again. */
static void sign(struct shown *shown)
{
    unsigned mac_len = 32;
    size_t signed_len = shown->len - mac_len;
    assert_non_null(HMAC(EVP_sha256(), shown->key, 16, shown->token, signed_len,
                         shown->token + signed_len, &mac_len));
}

static void another_version_is_foreign_whoever_signed_it(void **state)
{
    (void)state;
    struct shown shown = show();
    sign(&shown);
    assert_int_equal(open_shown(&shown), FERNET_OK);
    shown.token[0] = 0x81;
    sign(&shown);
    assert_int_equal(open_shown(&shown), FERNET_E_FOREIGN);
}

/* Of the one block, 5 bytes are text and 11 padding; a bit of the IV is a bit of the block. */
static void every_byte_of_padding_is_looked_at(void **state)
{
    (void)state;
    struct shown shown = show();
    for (size_t at = 0; at < FERNET_IV_LEN; at++) {
        shown.token[9 + at] ^= 0x40;
        sign(&shown);
        assert_int_equal(open_shown(&shown), at < 5 ? FERNET_OK : FERNET_E_PADDING);
        shown.token[9 + at] ^= 0x40;
    }
    shown.token[9 + 15] ^= 11; /* no padding at all */
    sign(&shown);
    assert_int_equal(open_shown(&shown), FERNET_E_PADDING);
}

/* Right signature, wrong decryption key: the padding shows it, with this token. */
static void wrong_padding_under_a_right_signature_is_told_apart(void **state)
{
    (void)state;
    struct shown shown = show();
    shown.key[31] ^= 1;
    assert_int_equal(open_shown(&shown), FERNET_E_PADDING);
}

static void lengths_are_57_and_whole_blocks_at_least_one(void **state)
{
    (void)state;
    for (size_t len = 0; len < 300; len++)
        assert_int_equal(fernet_length_possible(len), len >= 73 && (len - 57) % 16 == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seals_as_the_specification_shows),
        cmocka_unit_test(opens_what_the_specification_shows),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(any_flipped_bit_makes_it_foreign),
        cmocka_unit_test(another_signing_key_makes_it_foreign),
        cmocka_unit_test(another_version_is_foreign_whoever_signed_it),
        cmocka_unit_test(every_byte_of_padding_is_looked_at),
        cmocka_unit_test(wrong_padding_under_a_right_signature_is_told_apart),
        cmocka_unit_test(lengths_are_57_and_whole_blocks_at_least_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
