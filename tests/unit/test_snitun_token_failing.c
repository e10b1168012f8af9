/* Tokens while the libraries beneath fail, by the linker's --wrap, and with a foreign key. */
#include "adit/snitun_token.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double now_s = 1700000000;
static bool no_memory;
static bool no_cipher;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
EVP_CIPHER_CTX *__real_EVP_CIPHER_CTX_new(void);
EVP_CIPHER_CTX *__wrap_EVP_CIPHER_CTX_new(void);

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory ? NULL : __real_calloc(count, size);
}

EVP_CIPHER_CTX *__wrap_EVP_CIPHER_CTX_new(void)
{
    return no_cipher ? NULL : __real_EVP_CIPHER_CTX_new();
}

static int count_up(void *arg, void *buf, size_t len)
{
    uint8_t *next = arg;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (*next)++;
    return 0;
}

static int reset(void **state)
{
    (void)state;
    no_memory = false;
    no_cipher = false;
    return 0;
}

static const struct snitun_keyring keyring = {.count = 1, .keys = {{1}}};

static int mint(char text[SNITUN_TOKEN_MINT_MAX + 1])
{
    static char alias[1][SNITUN_TOKEN_NAME_MAX + 1] = {"www.example.org"};
    static struct snitun_token_cidr block[1] = {{.ip = {.family = 4}, .prefix_len = 8}};
    const struct snitun_token token = {
        .valid = now_s + 60,
        .hostname = "home.example.org",
        .keys = {.cipher = SNITUN_AES_GCM_SIV, .protocol_version = 2},
        .aliases = alias,
        .alias_count = 1,
        .whitelist = block,
        .whitelist_count = 1,
    };
    uint8_t next = 0;
    return snitun_token_mint(&keyring, now_s, &token, count_up, &next, text);
}

static void assert_opens(const struct snitun_keyring *with, const char *text, int expected)
{
    struct snitun_token token;
    assert_int_equal(snitun_token_open(with, now_s, text, strlen(text), &token), expected);
    no_memory = false;
    snitun_token_clear(&token);
}

static void a_key_that_is_not_the_tokens_makes_it_foreign(void **state)
{
    (void)state;
    static const struct snitun_keyring other = {.count = 1, .keys = {{2}}};
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    assert_int_equal(mint(text), SNITUN_TOKEN_OK);
    assert_opens(&keyring, text, SNITUN_TOKEN_OK);
    assert_opens(&other, text, SNITUN_TOKEN_E_FOREIGN);
}

static void lists_of_a_token_need_memory(void **state)
{
    (void)state;
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    assert_int_equal(mint(text), SNITUN_TOKEN_OK);
    no_memory = true;
    assert_opens(&keyring, text, SNITUN_TOKEN_E_NO_MEMORY);
}

static void a_cipher_that_fails_is_told_from_a_foreign_token(void **state)
{
    (void)state;
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    assert_int_equal(mint(text), SNITUN_TOKEN_OK);
    no_cipher = true;
    assert_opens(&keyring, text, SNITUN_TOKEN_E_CRYPTO);
    assert_int_equal(mint(text), SNITUN_TOKEN_E_CRYPTO);
    assert_string_equal(text, "");
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_that_is_not_the_tokens_makes_it_foreign),
        TEST(lists_of_a_token_need_memory),
        TEST(a_cipher_that_fails_is_told_from_a_foreign_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
