#include "adit/snitun_token.h"
#include "base/encode.h"
#include "base/ip.h"
#include "lib/crypto/fernet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static const double now_s = 1800000000;
static const char KEY_A[] = "BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtSc=";
static const char KEY_B[] = "lWkUxl3Dncr8i8q3izRcojBfCXqaA_KVd-DBM9ERPeo=";

/* Fields of a payload that is right, to be put together with wrong ones. */
#define VALID    "\"valid\":4102444800"
#define HOSTNAME "\"hostname\":\"home.example.net\""
#define AES_KEY  "\"aes_key\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\""
#define AES_IV   "\"aes_iv\":\"202122232425262728292a2b2c2d2e2f\""
#define RIGHT    VALID "," HOSTNAME "," AES_KEY "," AES_IV

static struct snitun_keyring keyring_of(const char *text)
{
    struct snitun_keyring keyring;
    unsigned line;
    assert_int_equal(snitun_keyring_parse(&keyring, text, strlen(text), &line), 0);
    return keyring;
}

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

static void seal_payload(const struct snitun_keyring *keyring, const void *payload, size_t len,
                         char *out)
{
    static const uint8_t iv[FERNET_IV_LEN];
    uint8_t bytes[SNITUN_TOKEN_TEXT_MAX];
    assert_true(BASE64_LEN(fernet_sealed_len(len)) <= SNITUN_TOKEN_TEXT_MAX);
    assert_int_equal(fernet_seal(keyring->keys[0], 0, iv, payload, len, bytes), FERNET_OK);
    base64url_encode(bytes, fernet_sealed_len(len), out);
}

static int open_payload(const void *payload, size_t len, struct snitun_token *token)
{
    struct snitun_keyring keyring = keyring_of(KEY_A);
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    seal_payload(&keyring, payload, len, text);
    return snitun_token_open(&keyring, now_s, text, strlen(text), token);
}

static void assert_all_zero(const void *memory, size_t len)
{
    const uint8_t *bytes = memory;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], 0);
}

static void assert_payload_refused(const char *json)
{
    struct snitun_token token;
    int result = open_payload(json, strlen(json), &token);
    if (result != SNITUN_TOKEN_E_PAYLOAD)
        fail_msg("answered %d: %s", result, json);
    assert_all_zero(&token, sizeof(token));
}

static void assert_payload_opens(const char *json)
{
    struct snitun_token token;
    int result = open_payload(json, strlen(json), &token);
    if (result != SNITUN_TOKEN_OK)
        fail_msg("answered %d: %s", result, json);
    snitun_token_clear(&token);
}

/* ---- Recorded tokens ---- */

static json_t *load_vectors(void)
{
    json_error_t error;
    json_t *root = json_load_file(SNITUN_VECTORS, 0, &error);
    if (root == NULL)
        fail_msg("%s:%d: %s", SNITUN_VECTORS, error.line, error.text);
    return root;
}

static struct snitun_keyring recorded_keyring(const json_t *root)
{
    char text[1024] = "";
    const json_t *keys = json_object_get(root, "fernet_keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        strcat(text, json_string_value(json_array_get(keys, i)));
        strcat(text, "\n");
    }
    return keyring_of(text);
}

static int recorded_result(const json_t *recorded)
{
    const char *verdict = json_string_value(json_object_get(recorded, "verdict"));
    if (strcmp(verdict, "ok") == 0)
        return SNITUN_TOKEN_OK;
    if (strcmp(verdict, "expired") == 0)
        return SNITUN_TOKEN_E_EXPIRED;
    assert_string_equal(verdict, "invalid");
    return SNITUN_TOKEN_E_PAYLOAD;
}

static bool same_result(int expected, int got)
{
    if (expected == SNITUN_TOKEN_E_PAYLOAD)
        return got < 0 && got != SNITUN_TOKEN_E_EXPIRED;
    return got == expected;
}

static void assert_hex(const json_t *value, const uint8_t *bytes, size_t len)
{
    char text[65];
    hex_encode(bytes, len, text);
    assert_string_equal(json_string_value(value), text);
}

static void assert_recorded_payload(const json_t *payload, const struct snitun_token *token)
{
    const json_t *cipher = json_object_get(payload, "cipher");
    const json_t *alias = json_object_get(payload, "alias");
    assert_true(token->valid == json_number_value(json_object_get(payload, "valid")));
    assert_string_equal(token->hostname, json_string_value(json_object_get(payload, "hostname")));
    assert_hex(json_object_get(payload, "aes_key"), token->keys.aes_key, 32);
    assert_hex(json_object_get(payload, "aes_iv"), token->keys.aes_iv, 16);
    assert_int_equal(token->keys.protocol_version,
                     json_integer_value(json_object_get(payload, "protocol_version")));
    assert_string_equal(snitun_cipher_name(token->keys.cipher),
                        cipher == NULL ? "aes-cbc" : json_string_value(cipher));
    assert_int_equal(token->alias_count, json_array_size(alias));
    for (size_t i = 0; i < token->alias_count; i++)
        assert_string_equal(token->aliases[i], json_string_value(json_array_get(alias, i)));
    assert_int_equal(token->whitelist_count, 0);
}

static void recorded_tokens_are_decided_as_recorded(void **state)
{
    (void)state;
    json_t *root = load_vectors();
    struct snitun_keyring keyring = recorded_keyring(root);
    const json_t *tokens = json_object_get(root, "tokens");
    assert_true(json_array_size(tokens) > 0);
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const json_t *recorded = json_array_get(tokens, i);
        const char *text = json_string_value(json_object_get(recorded, "token"));
        int expected = recorded_result(recorded);
        struct snitun_token token;
        int got = snitun_token_open(&keyring, now_s, text, strlen(text), &token);
        if (!same_result(expected, got))
            fail_msg("%s: %s", json_string_value(json_object_get(recorded, "name")),
                     snitun_token_error_text(got));
        if (expected != SNITUN_TOKEN_E_PAYLOAD)
            assert_recorded_payload(json_object_get(recorded, "payload"), &token);
        else
            assert_all_zero(&token, sizeof(token));
        snitun_token_clear(&token);
    }
    json_decref(root);
}

/* Reads a token that comes `step` bytes at a time; answers as soon as a server would. */
static int read_in_steps(const struct snitun_keyring *keyring, const char *text, size_t step,
                         unsigned *trials, struct snitun_token *token)
{
    size_t len = 0;
    size_t text_len = strlen(text);
    int result = SNITUN_TOKEN_INCOMPLETE;
    *trials = 0;
    while (result == SNITUN_TOKEN_INCOMPLETE && len < text_len) {
        len += text_len - len < step ? text_len - len : step;
        char *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, text, len);
        result = snitun_token_read(keyring, now_s, copy, len, trials, token);
        free(copy);
        if (result == SNITUN_TOKEN_OK || result == SNITUN_TOKEN_E_EXPIRED)
            assert_int_equal(len, text_len);
    }
    return result;
}

static void recorded_tokens_are_decided_alike_in_pieces_of_any_size(void **state)
{
    (void)state;
    json_t *root = load_vectors();
    struct snitun_keyring keyring = recorded_keyring(root);
    const json_t *tokens = json_object_get(root, "tokens");
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const json_t *recorded = json_array_get(tokens, i);
        const char *text = json_string_value(json_object_get(recorded, "token"));
        int expected = recorded_result(recorded);
        for (size_t step = 1; step <= strlen(text); step++) {
            struct snitun_token token;
            unsigned trials;
            int got = read_in_steps(&keyring, text, step, &trials, &token);
            assert_true(trials <= strlen(text) / 64 + 1);
            if (expected == SNITUN_TOKEN_E_PAYLOAD)
                assert_true(same_result(expected, got) || got == SNITUN_TOKEN_INCOMPLETE);
            else
                assert_int_equal(got, expected);
            snitun_token_clear(&token);
        }
    }
    json_decref(root);
}

/* ---- Reading in pieces ---- */

static void what_cannot_become_a_token_is_refused_at_once(void **state)
{
    (void)state;
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token;
    static const char *const texts[] = {"gA**", "gA\r\n", "gAA=", "hAAA", "gAAAAAAA AAA", "gA=="};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        unsigned trials = 0;
        assert_int_equal(
            snitun_token_read(&keyring, now_s, texts[i], strlen(texts[i]), &trials, &token),
            SNITUN_TOKEN_E_FORM);
        assert_int_equal(trials, 0);
    }
}

static void nothing_at_all_is_incomplete(void **state)
{
    (void)state;
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token;
    unsigned trials = 0;
    assert_int_equal(snitun_token_read(&keyring, now_s, "", 0, &trials, &token),
                     SNITUN_TOKEN_INCOMPLETE);
    assert_int_equal(snitun_token_read(&keyring, now_s, "gAA", 3, &trials, &token),
                     SNITUN_TOKEN_INCOMPLETE);
}

static void an_endless_token_ends_at_the_limit(void **state)
{
    (void)state;
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token;
    char text[SNITUN_TOKEN_TEXT_MAX + 2];
    memset(text, 'A', sizeof(text));
    text[0] = 'g';
    unsigned trials = 0;
    size_t len = 0;
    int result = SNITUN_TOKEN_INCOMPLETE;
    while (result == SNITUN_TOKEN_INCOMPLETE && len < sizeof(text))
        result = snitun_token_read(&keyring, now_s, text, ++len, &trials, &token);
    assert_int_equal(result, SNITUN_TOKEN_E_TOO_LONG);
    assert_int_equal(len, SNITUN_TOKEN_TEXT_MAX);
    assert_true(trials > 100 && trials <= SNITUN_TOKEN_TRIALS_MAX);
    assert_int_equal(snitun_token_open(&keyring, now_s, text, SNITUN_TOKEN_TEXT_MAX + 1, &token),
                     SNITUN_TOKEN_E_TOO_LONG);
    assert_int_equal(
        snitun_token_read(&keyring, now_s, text, SNITUN_TOKEN_TEXT_MAX + 1, &trials, &token),
        SNITUN_TOKEN_E_TOO_LONG);
}

static void attempts_are_limited(void **state)
{
    (void)state;
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token;
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    seal_payload(&keyring, "{" RIGHT "}", strlen("{" RIGHT "}"), text);
    unsigned trials = SNITUN_TOKEN_TRIALS_MAX - 1;
    assert_int_equal(snitun_token_read(&keyring, now_s, text, strlen(text), &trials, &token), 0);
    assert_int_equal(trials, SNITUN_TOKEN_TRIALS_MAX);
    snitun_token_clear(&token);
    assert_int_equal(snitun_token_read(&keyring, now_s, text, strlen(text), &trials, &token),
                     SNITUN_TOKEN_E_TRIALS);
}

static void a_longest_token_is_accepted(void **state)
{
    (void)state;
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token;
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    char json[6071]; /* 57 and 380 blocks are 8184 characters: no token is longer */
    memset(json, ' ', sizeof(json));
    memcpy(json, "{" RIGHT "}", strlen("{" RIGHT "}"));
    seal_payload(&keyring, json, sizeof(json), text);
    assert_int_equal(strlen(text), 8184);
    unsigned trials;
    assert_int_equal(read_in_steps(&keyring, text, 1, &trials, &token), 0);
    assert_true(trials <= 128);
    snitun_token_clear(&token);
}

/* ---- Payload ---- */

static void payloads_as_specified_open(void **state)
{
    (void)state;
    assert_payload_opens("{" RIGHT "}");
    assert_payload_opens(" {" RIGHT ",\"protocol_version\":1} \n");
    assert_payload_opens("{" RIGHT ",\"alias\":null,\"whitelist\":[]}");
    assert_payload_opens("{" RIGHT
                         ",\"alias\":[\"a.example.\",\"_b.example\",\"xn--bcher-kva.de\"]}");
    assert_payload_opens("{" RIGHT ",\"cipher\":\"aes-gcm-siv\",\"something\":{\"else\":[1]}}");
    assert_payload_opens("{\"valid\":4.1e9," HOSTNAME "," AES_KEY "," AES_IV "}");
}

static void payloads_of_another_form_are_refused(void **state)
{
    (void)state;
    assert_payload_refused("");
    assert_payload_refused("null");
    assert_payload_refused("[" VALID "]");
    assert_payload_refused("{" RIGHT);
    assert_payload_refused("{" RIGHT "}x");
    assert_payload_refused("{" RIGHT "}{}");
    assert_payload_refused("{" RIGHT ",}");
    assert_payload_refused("{" RIGHT "," VALID "}");
    assert_payload_refused("{" RIGHT ",\"alias\":[],\"alias\":[]}");
    assert_payload_refused("{" RIGHT ",\"more\":\"\xc3\x28\"}");
    assert_payload_refused("{" RIGHT ",\"more\":\"\\u0000\"}");
    assert_payload_refused("\xef\xbb\xbf{" RIGHT "}");
}

static void a_nul_does_not_end_a_payload(void **state)
{
    (void)state;
    static const char json[] = "{" RIGHT "}\0";
    struct snitun_token token;
    assert_int_equal(open_payload(json, sizeof(json) - 1, &token), SNITUN_TOKEN_E_PAYLOAD);
}

static void a_wrong_valid_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = {"\"4102444800\"",
                                         "null",
                                         "true",
                                         "[]",
                                         "NaN",
                                         "Infinity",
                                         "1e999",
                                         "-1e999",
                                         "1e300",
                                         "-1e300",
                                         "9007199254740994",
                                         "99999999999999999999999",
                                         "0x10",
                                         "01"};
    assert_payload_refused("{" HOSTNAME "," AES_KEY "," AES_IV "}");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char json[512];
        snprintf(json, sizeof(json), "{\"valid\":%s,%s}", values[i],
                 HOSTNAME "," AES_KEY "," AES_IV);
        assert_payload_refused(json);
    }
}

static void a_wrong_hostname_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = {
        "null",
        "7",
        "[]",
        "\"\"",
        "\".\"",
        "\"a..b\"",
        "\"-a.example\"",
        "\"a b\"",
        "\"a\\u0000.example\"",
        ("\"b\xc3\xbc"
         "cher.example\""),
        "\"a/b\"",
        "\"*.example\"",
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example\""};
    assert_payload_refused("{" VALID "," AES_KEY "," AES_IV "}");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char json[512];
        snprintf(json, sizeof(json), "{\"hostname\":%s,%s}", values[i],
                 VALID "," AES_KEY "," AES_IV);
        assert_payload_refused(json);
        snprintf(json, sizeof(json), "{\"alias\":[%s],%s}", values[i], RIGHT);
        assert_payload_refused(json);
    }
}

static void wrong_keys_are_refused(void **state)
{
    (void)state;
    assert_payload_refused("{" VALID "," HOSTNAME "," AES_IV "}");
    assert_payload_refused("{" VALID "," HOSTNAME "," AES_KEY "}");
    assert_payload_refused("{" VALID "," HOSTNAME "," AES_KEY
                           ",\"aes_iv\":\"202122232425262728292a2b2c2d2e2\"}");
    assert_payload_refused("{" VALID "," HOSTNAME "," AES_KEY
                           ",\"aes_iv\":\"202122232425262728292a2b2c2d2e2f00\"}");
    assert_payload_refused("{" VALID "," HOSTNAME "," AES_KEY
                           ",\"aes_iv\":\"202122232425262728292a2b2c2d2e2g\"}");
    assert_payload_refused("{" VALID "," HOSTNAME "," AES_KEY
                           ",\"aes_iv\":\" 2122232425262728292a2b2c2d2e2f0\"}");
    assert_payload_refused("{" VALID "," HOSTNAME "," AES_KEY ",\"aes_iv\":16}");
}

static void a_wrong_version_or_cipher_is_refused(void **state)
{
    (void)state;
    static const char *const fields[] = {"\"protocol_version\":3",
                                         "\"protocol_version\":-1",
                                         "\"protocol_version\":2.0",
                                         "\"protocol_version\":\"2\"",
                                         "\"protocol_version\":null",
                                         "\"protocol_version\":true",
                                         "\"protocol_version\":4294967296",
                                         "\"cipher\":\"aes-xts\"",
                                         "\"cipher\":\"AES-GCM\"",
                                         "\"cipher\":\"\"",
                                         "\"cipher\":null",
                                         "\"cipher\":1"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char json[512];
        snprintf(json, sizeof(json), "{%s,%s}", RIGHT, fields[i]);
        assert_payload_refused(json);
    }
}

static void wrong_lists_are_refused(void **state)
{
    (void)state;
    static const char *const fields[] = {"\"alias\":\"a.example\"",
                                         "\"alias\":{}",
                                         "\"alias\":[\"a.example\",7]",
                                         "\"alias\":[null]",
                                         "\"whitelist\":null",
                                         "\"whitelist\":\"10.0.0.0/8\"",
                                         "\"whitelist\":[\"10.0.0.0/8\",8]",
                                         "\"whitelist\":[\"10.0.0.1/8\"]",
                                         "\"whitelist\":[\"10.0.0.0/33\"]",
                                         "\"whitelist\":[\"10.0.0.0/\"]",
                                         "\"whitelist\":[\"home.example\"]"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char json[512];
        snprintf(json, sizeof(json), "{%s,%s}", RIGHT, fields[i]);
        assert_payload_refused(json);
    }
}

static void a_whitelist_is_read(void **state)
{
    (void)state;
    static const char json[] =
        "{" RIGHT ",\"whitelist\":[\"10.0.0.0/8\",\"2001:db8::/32\",\"192.0.2.7\"]}";
    static const char *const expected[] = {"10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"};
    struct snitun_token token;
    assert_int_equal(open_payload(json, strlen(json), &token), 0);
    assert_int_equal(token.whitelist_count, 3);
    for (size_t i = 0; i < 3; i++) {
        struct cidr cidr = {.ip = token.whitelist[i].ip,
                            .prefix_len = token.whitelist[i].prefix_len};
        char text[CIDR_TEXT_MAX];
        cidr_format(&cidr, text);
        assert_string_equal(text, expected[i]);
    }
    snitun_token_clear(&token);
}

static void a_token_expires_at_the_moment_it_names(void **state)
{
    (void)state;
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token;
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    static const char json[] = "{\"valid\":1000.5," HOSTNAME "," AES_KEY "," AES_IV "}";
    seal_payload(&keyring, json, strlen(json), text);
    size_t len = strlen(text);
    assert_int_equal(snitun_token_open(&keyring, 1000.4, text, len, &token), 0);
    snitun_token_clear(&token);
    assert_int_equal(snitun_token_open(&keyring, 1000.5, text, len, &token),
                     SNITUN_TOKEN_E_EXPIRED);
    assert_string_equal(token.hostname, "home.example.net");
    snitun_token_clear(&token);
    assert_int_equal(snitun_token_open(&keyring, (double)NAN, text, len, &token),
                     SNITUN_TOKEN_E_EXPIRED);
    snitun_token_clear(&token);
}

static void right_signature_over_wrong_padding_is_no_payload(void **state)
{
    (void)state;
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token;
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    seal_payload(&keyring, "x", 1, text);
    keyring.keys[0][31] ^= 1;
    assert_int_equal(snitun_token_open(&keyring, now_s, text, strlen(text), &token),
                     SNITUN_TOKEN_E_PAYLOAD);
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
    struct snitun_keyring keyring = keyring_of(KEY_A);
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    char json[SNITUN_TOKEN_TEXT_MAX];
    uint8_t next = 0;
    assert_int_equal(snitun_token_mint(&keyring, now_s, token, count_up, &next, text), 0);
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
    struct snitun_keyring keyring = keyring_of(KEY_A);
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
    struct snitun_keyring minting = keyring_of(KEY_A);
    char both[100];
    snprintf(both, sizeof(both), "%s\n%s\n", KEY_B, KEY_A);
    struct snitun_keyring opening = keyring_of(both);
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
        assert_int_equal(snitun_token_mint(&minting, now_s, &token, count_up, &next, text), 0);
        struct snitun_token opened;
        assert_int_equal(snitun_token_open(&opening, now_s, text, strlen(text), &opened), 0);
        assert_true(opened.valid == token.valid);
        assert_string_equal(opened.hostname, token.hostname);
        assert_memory_equal(&opened.keys, &token.keys, sizeof(token.keys));
        assert_int_equal(opened.alias_count, 2);
        assert_string_equal(opened.aliases[1], "x.example.org");
        assert_int_equal(opened.whitelist_count, 2);
        assert_memory_equal(opened.whitelist, whitelist, sizeof(whitelist));
        snitun_token_clear(&opened);
        assert_all_zero(&opened, sizeof(opened));
    }
}

static void assert_mint_refused(const struct snitun_token *token, int expected)
{
    struct snitun_keyring keyring = keyring_of(KEY_A);
    char text[SNITUN_TOKEN_MINT_MAX + 1] = "before";
    uint8_t next = 0;
    assert_int_equal(snitun_token_mint(&keyring, now_s, token, count_up, &next, text), expected);
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
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token = simple_token();
    token.aliases = aliases;
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    uint8_t next = 0;
    int result = 0;
    size_t longest = 0;
    while (result == 0 && token.alias_count < 100) {
        token.alias_count++;
        result = snitun_token_mint(&keyring, now_s, &token, count_up, &next, text);
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
    struct snitun_keyring keyring = keyring_of(KEY_A);
    struct snitun_token token = simple_token();
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    assert_int_equal(snitun_token_mint(&keyring, now_s, &token, no_randomness, NULL, text),
                     SNITUN_TOKEN_E_RANDOM);
    snitun_keyring_wipe(&keyring);
    uint8_t next = 0;
    assert_int_equal(snitun_token_mint(&keyring, now_s, &token, count_up, &next, text),
                     SNITUN_TOKEN_E_KEY);
}

/* ---- Keys ---- */

static void keys_are_read_a_line_each(void **state)
{
    (void)state;
    char text[300];
    snprintf(text, sizeof(text), "# rotated in May\n\n  %s \t\r\n\t\r\n%s", KEY_A, KEY_B);
    struct snitun_keyring keyring = keyring_of(text);
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
        assert_all_zero(&keyring, sizeof(keyring));
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
    assert_int_equal(keyring_of(text).count, SNITUN_FERNET_KEYS_MAX);
    strcat(text, KEY_B);
    struct snitun_keyring keyring;
    unsigned line;
    assert_int_equal(snitun_keyring_parse(&keyring, text, strlen(text), &line), SNITUN_TOKEN_E_KEY);
    assert_int_equal(line, SNITUN_FERNET_KEYS_MAX + 1);
}

static void every_error_has_its_own_text(void **state)
{
    (void)state;
    for (int a = SNITUN_TOKEN_E_KEY - 1; a < SNITUN_TOKEN_INCOMPLETE; a++)
        assert_string_not_equal(snitun_token_error_text(a), snitun_token_error_text(a + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_tokens_are_decided_as_recorded),
        cmocka_unit_test(recorded_tokens_are_decided_alike_in_pieces_of_any_size),
        cmocka_unit_test(what_cannot_become_a_token_is_refused_at_once),
        cmocka_unit_test(nothing_at_all_is_incomplete),
        cmocka_unit_test(an_endless_token_ends_at_the_limit),
        cmocka_unit_test(attempts_are_limited),
        cmocka_unit_test(a_longest_token_is_accepted),
        cmocka_unit_test(payloads_as_specified_open),
        cmocka_unit_test(payloads_of_another_form_are_refused),
        cmocka_unit_test(a_nul_does_not_end_a_payload),
        cmocka_unit_test(a_wrong_valid_is_refused),
        cmocka_unit_test(a_wrong_hostname_is_refused),
        cmocka_unit_test(wrong_keys_are_refused),
        cmocka_unit_test(a_wrong_version_or_cipher_is_refused),
        cmocka_unit_test(wrong_lists_are_refused),
        cmocka_unit_test(a_whitelist_is_read),
        cmocka_unit_test(a_token_expires_at_the_moment_it_names),
        cmocka_unit_test(right_signature_over_wrong_padding_is_no_payload),
        cmocka_unit_test(a_minted_payload_is_compact_and_leaves_defaults_out),
        cmocka_unit_test(a_minted_token_starts_with_its_time),
        cmocka_unit_test(what_is_minted_opens_with_any_key_of_the_ring),
        cmocka_unit_test(what_would_not_open_is_not_minted),
        cmocka_unit_test(a_token_that_public_servers_cannot_read_is_not_minted),
        cmocka_unit_test(minting_needs_randomness_and_a_key),
        cmocka_unit_test(keys_are_read_a_line_each),
        cmocka_unit_test(a_wrong_key_is_named_by_its_line),
        cmocka_unit_test(one_key_too_many_is_refused),
        cmocka_unit_test(every_error_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
