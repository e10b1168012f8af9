/* Opening tokens: recorded ones, pieces, payloads of all kinds. */
#include "token_parts.h"

#include "base/encode.h"
#include "base/ip.h"
#include "lib/crypto/fernet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

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
    struct snitun_keyring keyring = token_keyring(KEY_A);
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    seal_payload(&keyring, payload, len, text);
    return snitun_token_open(&keyring, TOKEN_NOW_S, text, strlen(text), token);
}

static void assert_payload_refused(const char *json)
{
    struct snitun_token token;
    int result = open_payload(json, strlen(json), &token);
    if (result != SNITUN_TOKEN_E_PAYLOAD)
        fail_msg("answered %d: %s", result, json);
    token_expect_zero(&token, sizeof(token));
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
    return token_keyring(text);
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
        int got = snitun_token_open(&keyring, TOKEN_NOW_S, text, strlen(text), &token);
        if (!same_result(expected, got))
            fail_msg("%s: %s", json_string_value(json_object_get(recorded, "name")),
                     snitun_token_error_text(got));
        if (expected != SNITUN_TOKEN_E_PAYLOAD)
            assert_recorded_payload(json_object_get(recorded, "payload"), &token);
        else
            token_expect_zero(&token, sizeof(token));
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
        result = snitun_token_read(keyring, TOKEN_NOW_S, copy, len, trials, token);
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
    struct snitun_keyring keyring = token_keyring(KEY_A);
    struct snitun_token token;
    static const char *const texts[] = {"gA**", "gA\r\n", "gAA=", "hAAA", "gAAAAAAA AAA", "gA=="};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        unsigned trials = 0;
        assert_int_equal(
            snitun_token_read(&keyring, TOKEN_NOW_S, texts[i], strlen(texts[i]), &trials, &token),
            SNITUN_TOKEN_E_FORM);
        assert_int_equal(trials, 0);
    }
}

static void nothing_at_all_is_incomplete(void **state)
{
    (void)state;
    struct snitun_keyring keyring = token_keyring(KEY_A);
    struct snitun_token token;
    unsigned trials = 0;
    assert_int_equal(snitun_token_read(&keyring, TOKEN_NOW_S, "", 0, &trials, &token),
                     SNITUN_TOKEN_INCOMPLETE);
    assert_int_equal(snitun_token_read(&keyring, TOKEN_NOW_S, "gAA", 3, &trials, &token),
                     SNITUN_TOKEN_INCOMPLETE);
}

static void an_endless_token_ends_at_the_limit(void **state)
{
    (void)state;
    struct snitun_keyring keyring = token_keyring(KEY_A);
    struct snitun_token token;
    char text[SNITUN_TOKEN_TEXT_MAX + 2];
    memset(text, 'A', sizeof(text));
    text[0] = 'g';
    unsigned trials = 0;
    size_t len = 0;
    int result = SNITUN_TOKEN_INCOMPLETE;
    while (result == SNITUN_TOKEN_INCOMPLETE && len < sizeof(text))
        result = snitun_token_read(&keyring, TOKEN_NOW_S, text, ++len, &trials, &token);
    assert_int_equal(result, SNITUN_TOKEN_E_TOO_LONG);
    assert_int_equal(len, SNITUN_TOKEN_TEXT_MAX);
    assert_true(trials > 100 && trials <= SNITUN_TOKEN_TRIALS_MAX);
    assert_int_equal(
        snitun_token_open(&keyring, TOKEN_NOW_S, text, SNITUN_TOKEN_TEXT_MAX + 1, &token),
        SNITUN_TOKEN_E_TOO_LONG);
    assert_int_equal(
        snitun_token_read(&keyring, TOKEN_NOW_S, text, SNITUN_TOKEN_TEXT_MAX + 1, &trials, &token),
        SNITUN_TOKEN_E_TOO_LONG);
}

static void attempts_are_limited(void **state)
{
    (void)state;
    struct snitun_keyring keyring = token_keyring(KEY_A);
    struct snitun_token token;
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    seal_payload(&keyring, "{" RIGHT "}", strlen("{" RIGHT "}"), text);
    unsigned trials = SNITUN_TOKEN_TRIALS_MAX - 1;
    assert_int_equal(snitun_token_read(&keyring, TOKEN_NOW_S, text, strlen(text), &trials, &token),
                     0);
    assert_int_equal(trials, SNITUN_TOKEN_TRIALS_MAX);
    snitun_token_clear(&token);
    assert_int_equal(snitun_token_read(&keyring, TOKEN_NOW_S, text, strlen(text), &trials, &token),
                     SNITUN_TOKEN_E_TRIALS);
}

static void a_longest_token_is_accepted(void **state)
{
    (void)state;
    struct snitun_keyring keyring = token_keyring(KEY_A);
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
    struct snitun_keyring keyring = token_keyring(KEY_A);
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
    struct snitun_keyring keyring = token_keyring(KEY_A);
    struct snitun_token token;
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    seal_payload(&keyring, "x", 1, text);
    keyring.keys[0][31] ^= 1;
    assert_int_equal(snitun_token_open(&keyring, TOKEN_NOW_S, text, strlen(text), &token),
                     SNITUN_TOKEN_E_PAYLOAD);
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
        cmocka_unit_test(every_error_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
