/*
 * The ciphers against published vectors: RFC 8452, appendices C.2 and C.3 (AES-256-GCM-SIV); the
 * GCM specification's test cases 13 to 15 and NIST's CAVP (AES-256-GCM); NIST SP 800-38A, F.2.5
 * and F.2.6 (AES-256-CBC). Those with associated data are left out: nothing here has any.
 */
#include "base/encode.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/cbc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants those above first */
#include <cmocka.h>

enum { TEXT_MAX = 96 };

struct aead_vector {
    const char *key;
    const char *nonce;
    const char *plain;
    const char *sealed; /* ciphertext and tag */
};

static size_t unhex(const char *text, uint8_t *out)
{
    size_t len = strlen(text) / 2;
    assert_true(hex_decode(text, out, len));
    return len;
}

#define ONE       "01000000000000000000000000000000"
#define TWO       "02000000000000000000000000000000"
#define THREE     "03000000000000000000000000000000"
#define FOUR      "04000000000000000000000000000000"
#define ZERO      "00000000000000000000000000000000"
#define KEY_ONE   ONE ZERO
#define NONCE_3   "030000000000000000000000"
#define NONCE_0   "000000000000000000000000"
#define MAX_INDEX "ffffffff000000000000000000000000"

static const struct aead_vector gcm_siv[] = {
    {KEY_ONE, NONCE_3, "", "07f5f4169bbf55a8400cd47ea6fd400f"},
    {KEY_ONE, NONCE_3, "0100000000000000", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"},
    {KEY_ONE, NONCE_3, "010000000000000000000000",
     "9aab2aeb3faa0a34aea8e2b18ca50da9ae6559e48fd10f6e5c9ca17e"},
    {KEY_ONE, NONCE_3, ONE, "85a01b63025ba19b7fd3ddfc033b3e76c9eac6fa700942702e90862383c6c366"},
    {KEY_ONE, NONCE_3, ONE TWO,
     "4a6a9db4c8c6549201b9edb53006cba821ec9cf850948a7c86c68ac7539d027fe819e63abcd020b006a9763976"
     "32eb5d"},
    {KEY_ONE, NONCE_3, ONE TWO THREE,
     "c00d121893a9fa603f48ccc1ca3c57ce7499245ea0046db16c53c7c66fe717e39cf6c748837b61f6ee3adcee17"
     "534ed5790bc96880a99ba804bd12c0e6a22cc4"},
    {KEY_ONE, NONCE_3, ONE TWO THREE FOUR,
     "c2d5160a1f8683834910acdafc41fbb1632d4a353e8b905ec9a5499ac34f96c7e1049eb080883891a4db8caaa1"
     "f99dd004d80487540735234e3744512c6f90ce112864c269fc0d9d88c61fa47e39aa08"},
    {"e66021d5eb8e4f4066d4adb9c33560e4f46e44bb3da0015c94f7088736864200", "e0eaf5284d884a0e77d31646",
     "", "169fbb2fbf389a995f6390af22228a62"},
    {ZERO ZERO, NONCE_0, ZERO "4db923dc793ee6497c76dcc03a98e108",
     "f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3ea" MAX_INDEX},
    {ZERO ZERO, NONCE_0, "eb3640277c7ffd1303c7a542d02d3e4c0000000000000000",
     "18ce4f0b8cb4d0cac65fea8f79257b20888e53e72299e56d" MAX_INDEX},
};

static const struct aead_vector gcm[] = {
    {ZERO ZERO, NONCE_0, "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {ZERO ZERO, NONCE_0, ZERO, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449"
     "a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056"
     "828838c5f61e6393ba7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c"},
    {"b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4", "516c33929df5a3284ff463d7",
     "", "bdc1ac884d332457a1d2664f168c76f0"},
    {"31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22", "0d18e06c7c725ac9e362e1ce",
     "2db5168e932556f8089a0622981d017d",
     "fa4362189661d163fcd6a56d8bf0405ad636ac1bbedd5cc3ee727dc2ab4a9489"},
};

/* Seals and opens a vector; every bit of it flipped is refused. */
static void check_aead(enum aead_cipher cipher, const struct aead_vector *vector)
{
    static const uint8_t zeros[TEXT_MAX];
    uint8_t key[32];
    uint8_t nonce[AEAD_NONCE_LEN];
    uint8_t plain[TEXT_MAX];
    uint8_t sealed[TEXT_MAX];
    uint8_t out[TEXT_MAX];
    unhex(vector->key, key);
    unhex(vector->nonce, nonce);
    size_t len = unhex(vector->plain, plain);
    assert_int_equal(unhex(vector->sealed, sealed), len + AEAD_TAG_LEN);
    struct aead *aead = aead_new(cipher);
    assert_non_null(aead);
    assert_true(aead_key(aead, key));
    assert_int_equal(aead_seal(aead, nonce, plain, len, out), AEAD_OK);
    assert_memory_equal(out, sealed, len + AEAD_TAG_LEN);
    for (size_t bit = 0; bit < 8 * (len + AEAD_TAG_LEN); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        memset(out, 0xff, sizeof out);
        assert_int_equal(aead_open(aead, nonce, sealed, len, out), AEAD_E_TAG);
        assert_memory_equal(out, zeros, len);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(aead_open(aead, nonce, sealed, len, out), AEAD_OK);
    assert_memory_equal(out, plain, len);
    aead_free(aead);
}

static void aes_256_gcm_siv_as_in_rfc_8452(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof gcm_siv / sizeof *gcm_siv; i++)
        check_aead(AEAD_AES_256_GCM_SIV, &gcm_siv[i]);
}

static void aes_256_gcm_as_nist_has_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof gcm / sizeof *gcm; i++)
        check_aead(AEAD_AES_256_GCM, &gcm[i]);
}

static const char cbc_key_hex[] =
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
static const char cbc_iv_hex[] = "000102030405060708090a0b0c0d0e0f";
static const char cbc_plain[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                                "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
static const char cbc_sealed[] = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
                                 "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b";

/* In pieces of that many bytes: one chain. */
static void check_cbc(bool encrypt, const char *in_hex, const char *out_hex, size_t piece)
{
    uint8_t key[32];
    uint8_t iv[16];
    uint8_t in[64];
    uint8_t expected[64];
    uint8_t out[64];
    unhex(cbc_key_hex, key);
    unhex(cbc_iv_hex, iv);
    unhex(in_hex, in);
    unhex(out_hex, expected);
    struct cbc *cbc = cbc_new(encrypt);
    assert_non_null(cbc);
    assert_true(cbc_key(cbc, key, iv));
    for (size_t at = 0; at < sizeof in; at += piece)
        assert_true(cbc_run(cbc, in + at, piece, out + at));
    assert_memory_equal(out, expected, sizeof out);
    cbc_free(cbc);
}

static void aes_256_cbc_as_in_sp_800_38a(void **state)
{
    (void)state;
    for (size_t piece = 16; piece <= 64; piece *= 2) {
        check_cbc(true, cbc_plain, cbc_sealed, piece);
        check_cbc(false, cbc_sealed, cbc_plain, piece);
    }
}

static void aes_256_cbc_takes_up_a_chain_by_its_last_block(void **state)
{
    (void)state;
    uint8_t key[32];
    uint8_t plain[64];
    uint8_t sealed[64];
    uint8_t out[48];
    unhex(cbc_key_hex, key);
    unhex(cbc_plain, plain);
    unhex(cbc_sealed, sealed);
    struct cbc *cbc = cbc_new(true);
    assert_non_null(cbc);
    assert_true(cbc_key(cbc, key, sealed));
    assert_true(cbc_run(cbc, plain + 16, sizeof out, out));
    assert_memory_equal(out, sealed + 16, sizeof out);
    cbc_free(cbc);
}

static void nothing_is_freed_twice(void **state)
{
    (void)state;
    aead_free(NULL);
    cbc_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aes_256_gcm_siv_as_in_rfc_8452),
        cmocka_unit_test(aes_256_gcm_as_nist_has_it),
        cmocka_unit_test(aes_256_cbc_as_in_sp_800_38a),
        cmocka_unit_test(aes_256_cbc_takes_up_a_chain_by_its_last_block),
        cmocka_unit_test(nothing_is_freed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
