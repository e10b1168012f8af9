/* Minting tokens, and reading the keys for that. */
#include "token_parts.h"

#include "base/encode.h"
#include "lib/crypto/fernet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count_up(void *arg, void *buf, size_t len)
{
    uint8_t *next = arg;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (*next)++;
    return 0;
}

static int no_randomness(void *arg, void *buf, size_t len)
{
    (void)arg;
    memset(buf, 0, len);
    return -1;
}

/* ---- Minting ---- */

static struct snitun_token simple_token(void)
{
    struct snitun_token token = {.valid = 4102444800.5, .hostname = "home.example.net"};
    for (uint8_t i = 0; i < 32; i++)
        token.keys.aes_key[i] = i;
    for (uint8_t i = 0; i < 16; i++)
        token.keys.aes_iv[i] = (uint8_t)(i + 32);
    return token;
}

/* The payload inside a minted token, as text. */
static void unseal(const struct snitun_keyring *keyring, const char *text, char *json)
{
    uint8_t bytes[SNITUN_TOKEN_TEXT_MAX];
    size_t plain_len;
    long len = base64url_decode(text, strlen(text), bytes);
    assert_true(len > 0);
    assert_int_equal(fernet_open(keyring->keys[0], bytes, (size_t)len, (uint8_t *)json, &plain_len),
                     FERNET_OK);
    json[plain_len] = '\0';
}

static void assert_minted_payload(const struct snitun_token *token, const char *expected)
{
    struct snitun_keyring keyring = token_keyring(KEY_A);
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    char json[SNITUN_TOKEN_TEXT_MAX];
    uint8_t next = 0;
    assert_int_equal(snitun_token_mint(&keyring, TOKEN_NOW_S, token, count_up, &next, text), 0);
    unseal(&keyring, text, json);
    assert_string_equal(json, expected);
}

static void a_minted_payload_is_compact_and_leaves_defaults_out(void **state)
{
    (void)state;
    struct snitun_token token = simple_token();
    assert_minted_payload(&token, "{\"valid\":4102444800.5," HOSTNAME "," AES_KEY "," AES_IV
                                  ",\"protocol_version\":0}");
    token.valid = 1000.015625; /* exact in binary and in micros */
    assert_minted_payload(&token, "{\"valid\":1000.015625," HOSTNAME "," AES_KEY "," AES_IV
                                  ",\"protocol_version\":0}");
    token.valid = 1999999999.9999999;
    token.keys.protocol_version = 2;
    assert_minted_payload(&token, "{\"valid\":2000000000," HOSTNAME "," AES_KEY "," AES_IV
                                  ",\"protocol_version\":2}");
}

static void a_minted_token_starts_with_its_time(void **state)
{
    (void)state;
    struct snitun_keyring keyring = token_keyring(KEY_A);
    struct snitun_token token = simple_token();
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    uint8_t next = 0xa0;
    assert_int_equal(snitun_token_mint(&keyring, 1700000000.9, &token, count_up, &next, text), 0);
    assert_memory_equal(text, "gAAAAABlU_EAoKGio6Slpqeoqaqr", 28);
}

static void what_is_minted_opens_with_any_key_of_the_ring(void **state)
{
    (void)state;
    static char aliases[2][SNITUN_TOKEN_NAME_MAX + 1] = {"www.home.example.net", "x.example.org"};
    static struct snitun_token_cidr whitelist[2] = {
        {.ip = {.family = 4, .bytes = {10}}, .prefix_len = 8},
        {.ip = {.family = 6, .bytes = {0x20, 1, 0x0d, 0xb8}}, .prefix_len = 32}};
    struct snitun_keyring minting = token_keyring(KEY_A);
    char both[100];
    snprintf(both, sizeof(both), "%s\n%s\n", KEY_B, KEY_A);
    struct snitun_keyring opening = token_keyring(both);
    for (int i = 0; i < 9; i++) {
        struct snitun_token token = simple_token();
        token.keys.cipher = (enum snitun_cipher)(i / 3);
        token.keys.protocol_version = (uint8_t)(i % 3);
        token.aliases = aliases;
        token.alias_count = 2;
        token.whitelist = whitelist;
        token.whitelist_count = 2;
        char text[SNITUN_TOKEN_MINT_MAX + 1];
        uint8_t next = 0;
        assert_int_equal(snitun_token_mint(&minting, TOKEN_NOW_S, &token, count_up, &next, text),
                         0);
        struct snitun_token opened;
        assert_int_equal(snitun_token_open(&opening, TOKEN_NOW_S, text, strlen(text), &opened), 0);
        assert_true(opened.valid == token.valid);
        assert_string_equal(opened.hostname, token.hostname);
        assert_memory_equal(&opened.keys, &token.keys, sizeof(token.keys));
        assert_int_equal(opened.alias_count, 2);
        assert_string_equal(opened.aliases[1], "x.example.org");
        assert_int_equal(opened.whitelist_count, 2);
        assert_memory_equal(opened.whitelist, whitelist, sizeof(whitelist));
        snitun_token_clear(&opened);
        token_expect_zero(&opened, sizeof(opened));
    }
}

static void assert_mint_refused(const struct snitun_token *token, int expected)
{
    struct snitun_keyring keyring = token_keyring(KEY_A);
    char text[SNITUN_TOKEN_MINT_MAX + 1] = "before";
    uint8_t next = 0;
    assert_int_equal(snitun_token_mint(&keyring, TOKEN_NOW_S, token, count_up, &next, text),
                     expected);
    assert_string_equal(text, "");
}

static void what_would_not_open_is_not_minted(void **state)
{
    (void)state;
    struct snitun_token token = simple_token();
    strcpy(token.hostname, "a\"b");
    assert_mint_refused(&token, SNITUN_TOKEN_E_PAYLOAD);
    token = simple_token();
    token.valid = (double)NAN;
    assert_mint_refused(&token, SNITUN_TOKEN_E_PAYLOAD);
    token.valid = -1;
    assert_mint_refused(&token, SNITUN_TOKEN_E_PAYLOAD);
    token.valid = 1e300;
    assert_mint_refused(&token, SNITUN_TOKEN_E_PAYLOAD);
    token = simple_token();
    token.keys.protocol_version = 3;
    assert_mint_refused(&token, SNITUN_TOKEN_E_PAYLOAD);
    token = simple_token();
    token.keys.cipher = (enum snitun_cipher)3;
    assert_mint_refused(&token, SNITUN_TOKEN_E_PAYLOAD);
    token = simple_token();
    struct snitun_token_cidr block = {.ip = {.family = 4, .bytes = {10, 1}}, .prefix_len = 8};
    token.whitelist = &block;
    token.whitelist_count = 1;
    assert_mint_refused(&token, SNITUN_TOKEN_E_PAYLOAD);
}

static void a_token_that_public_servers_cannot_read_is_not_minted(void **state)
{
    (void)state;
    char(*aliases)[SNITUN_TOKEN_NAME_MAX + 1] = calloc(100, sizeof(*aliases));
    assert_non_null(aliases);
    for (int i = 0; i < 100; i++)
        strcpy(aliases[i], "a-rather-long-name.of-a.domain.example");
    struct snitun_keyring keyring = token_keyring(KEY_A);
    struct snitun_token token = simple_token();
    token.aliases = aliases;
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    uint8_t next = 0;
    int result = 0;
    size_t longest = 0;
    while (result == 0 && token.alias_count < 100) {
        token.alias_count++;
        result = snitun_token_mint(&keyring, TOKEN_NOW_S, &token, count_up, &next, text);
        longest = result == 0 ? strlen(text) : longest;
    }
    assert_int_equal(result, SNITUN_TOKEN_E_TOO_LONG);
    assert_true(longest > 1900 && longest <= SNITUN_TOKEN_MINT_MAX);
    token.alias_count = 100;
    assert_mint_refused(&token, SNITUN_TOKEN_E_TOO_LONG);
    free(aliases);
}

static void minting_needs_randomness_and_a_key(void **state)
{
    (void)state;
    struct snitun_keyring keyring = token_keyring(KEY_A);
    struct snitun_token token = simple_token();
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    assert_int_equal(snitun_token_mint(&keyring, TOKEN_NOW_S, &token, no_randomness, NULL, text),
                     SNITUN_TOKEN_E_RANDOM);
    snitun_keyring_wipe(&keyring);
    uint8_t next = 0;
    assert_int_equal(snitun_token_mint(&keyring, TOKEN_NOW_S, &token, count_up, &next, text),
                     SNITUN_TOKEN_E_KEY);
}

/* ---- Keys ---- */

static void keys_are_read_a_line_each(void **state)
{
    (void)state;
    char text[300];
    snprintf(text, sizeof(text), "# rotated in May\n\n  %s \t\r\n\t\r\n%s", KEY_A, KEY_B);
    struct snitun_keyring keyring = token_keyring(text);
    char again[SNITUN_FERNET_KEY_TEXT + 1];
    assert_int_equal(keyring.count, 2);
    snitun_fernet_key_format(keyring.keys[0], again);
    assert_string_equal(again, KEY_A);
    snitun_fernet_key_format(keyring.keys[1], again);
    assert_string_equal(again, KEY_B);
}

static void a_wrong_key_is_named_by_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line;
    } cases[] = {
        {"", 0},
        {"\n# none\n", 2},
        {"BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtSc=\n\nBS9K\n", 3},
        {"BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtSc", 1},
        {"BS9KyROEr6PzSSoSnRQd0JVTa1S+vM1nW282IS1VtSc=", 1},
        {"BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtSd=", 1},
        {"BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtScA", 1},
        {"BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtQ==", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct snitun_keyring keyring;
        unsigned line = 99;
        assert_int_equal(
            snitun_keyring_parse(&keyring, cases[i].text, strlen(cases[i].text), &line),
            SNITUN_TOKEN_E_KEY);
        assert_int_equal(line, cases[i].line);
        token_expect_zero(&keyring, sizeof(keyring));
    }
}

static void one_key_too_many_is_refused(void **state)
{
    (void)state;
    char text[(SNITUN_FERNET_KEYS_MAX + 1) * (SNITUN_FERNET_KEY_TEXT + 1) + 1] = "";
    for (int i = 0; i < SNITUN_FERNET_KEYS_MAX; i++) {
        strcat(text, KEY_A);
        strcat(text, "\n");
    }
    assert_int_equal(token_keyring(text).count, SNITUN_FERNET_KEYS_MAX);
    strcat(text, KEY_B);
    struct snitun_keyring keyring;
    unsigned line;
    assert_int_equal(snitun_keyring_parse(&keyring, text, strlen(text), &line), SNITUN_TOKEN_E_KEY);
    assert_int_equal(line, SNITUN_FERNET_KEYS_MAX + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minted_payload_is_compact_and_leaves_defaults_out),
        cmocka_unit_test(a_minted_token_starts_with_its_time),
        cmocka_unit_test(what_is_minted_opens_with_any_key_of_the_ring),
        cmocka_unit_test(what_would_not_open_is_not_minted),
        cmocka_unit_test(a_token_that_public_servers_cannot_read_is_not_minted),
        cmocka_unit_test(minting_needs_randomness_and_a_key),
        cmocka_unit_test(keys_are_read_a_line_each),
        cmocka_unit_test(a_wrong_key_is_named_by_its_line),
        cmocka_unit_test(one_key_too_many_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
