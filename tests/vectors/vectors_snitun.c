/*
 * vectors_snitun FILE: 0 when every token and every session of the file holds, in both roles.
 */
#include "base/encode.h"
#include "base/ip.h"
#include "tests/vectors/snitun_receive.h"
#include "tests/vectors/snitun_send.h"

#include <adit/snitun_token.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Tokens ---- */

static bool load_keyring(const json_t *file, struct snitun_keyring *keyring)
{
    const json_t *keys = json_object_get(file, "fernet_keys");
    char text[SNITUN_FERNET_KEYS_MAX * (SNITUN_FERNET_KEY_TEXT + 1)];
    size_t len = 0;
    size_t index;
    json_t *key;
    json_array_foreach(keys, index, key)
    {
        if (!json_is_string(key) || json_string_length(key) != SNITUN_FERNET_KEY_TEXT ||
            len + SNITUN_FERNET_KEY_TEXT + 1 > sizeof text)
            return vectors_fail("fernet_keys", "no keys, or too many");
        memcpy(text + len, json_string_value(key), SNITUN_FERNET_KEY_TEXT);
        len += SNITUN_FERNET_KEY_TEXT;
        text[len++] = '\n';
    }
    unsigned line = 0;
    int error = snitun_keyring_parse(keyring, text, len, &line);
    return error ? vectors_fail("fernet_keys", "%s", snitun_token_error_text(error)) : true;
}

static const char *verdict_name(int verdict)
{
    switch (verdict) {
    case SNITUN_TOKEN_OK:
        return "ok";
    case SNITUN_TOKEN_E_EXPIRED:
        return "expired";
    case SNITUN_TOKEN_E_NO_MEMORY:
    case SNITUN_TOKEN_E_CRYPTO:
    case SNITUN_TOKEN_E_RANDOM:
        return "(internal error)";
    default:
        return "invalid";
    }
}

static bool same_text(const char *where, const json_t *payload, const char *key,
                      const char *otherwise, const char *value)
{
    const json_t *json = json_object_get(payload, key);
    const char *text = json ? json_string_value(json) : otherwise;
    return text && strcmp(text, value) == 0 ? true : vectors_fail(where, "%s is %s", key, value);
}

static bool same_hex(const char *where, const json_t *payload, const char *key, const void *bytes,
                     size_t len)
{
    struct recorded_bytes expected = {0};
    bool right = vectors_hex(payload, key, where, (long)len, &expected) &&
                 (memcmp(expected.bytes, bytes, len) == 0 ||
                  vectors_fail(where, "another %s than recorded", key));
    free(expected.bytes);
    return right;
}

static bool same_aliases(const char *where, const json_t *payload, const struct snitun_token *token)
{
    const json_t *aliases = json_object_get(payload, "alias");
    if (json_array_size(aliases) != token->alias_count)
        return vectors_fail(where, "%zu aliases", token->alias_count);
    for (size_t i = 0; i < token->alias_count; i++)
        if (strcmp(json_string_value(json_array_get(aliases, i)), token->aliases[i]) != 0)
            return vectors_fail(where, "alias %zu is %s", i, token->aliases[i]);
    return true;
}

static bool same_whitelist(const char *where, const json_t *payload,
                           const struct snitun_token *token)
{
    const json_t *list = json_object_get(payload, "whitelist");
    if (json_array_size(list) != token->whitelist_count)
        return vectors_fail(where, "%zu blocks in the whitelist", token->whitelist_count);
    for (size_t i = 0; i < token->whitelist_count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct cidr expected;
        if (!text || !cidr_parse(text, &expected) ||
            !ip_equal(&expected.ip, &token->whitelist[i].ip) ||
            expected.prefix_len != token->whitelist[i].prefix_len)
            return vectors_fail(where, "block %zu of the whitelist", i);
    }
    return true;
}

static bool same_payload(const char *where, const json_t *payload, const struct snitun_token *token)
{
    const json_t *version = json_object_get(payload, "protocol_version");
    const json_t *valid = json_object_get(payload, "valid");
    double difference = json_number_value(valid) - token->valid;
    if (!json_is_number(valid) || difference < -1e-3 || difference > 1e-3)
        return vectors_fail(where, "valid is %f", token->valid);
    if (json_integer_value(version) != token->keys.protocol_version)
        return vectors_fail(where, "protocol_version is %d", token->keys.protocol_version);
    return same_text(where, payload, "hostname", NULL, token->hostname) &&
           same_text(where, payload, "cipher", "aes-cbc", snitun_cipher_name(token->keys.cipher)) &&
           same_hex(where, payload, "aes_key", token->keys.aes_key, sizeof token->keys.aes_key) &&
           same_hex(where, payload, "aes_iv", token->keys.aes_iv, sizeof token->keys.aes_iv) &&
           same_aliases(where, payload, token) && same_whitelist(where, payload, token);
}

/* A whole token, and the same one growing byte by byte. */
static bool check_growing(const char *where, const struct snitun_keyring *keyring, double wall_s,
                          const char *text)
{
    unsigned trials = 0;
    size_t len = strlen(text);
    for (size_t have = 1; have <= len; have++) {
        struct snitun_token token;
        int verdict = snitun_token_read(keyring, wall_s, text, have, &trials, &token);
        if (verdict == SNITUN_TOKEN_OK)
            snitun_token_clear(&token);
        if (verdict != (have < len ? SNITUN_TOKEN_INCOMPLETE : SNITUN_TOKEN_OK)) {
            return vectors_fail(where, "%zu of %zu bytes: %s", have, len,
                                snitun_token_error_text(verdict));
        }
    }
    return true;
}

static bool check_token(const struct snitun_keyring *keyring, const json_t *json, size_t index)
{
    char where[160];
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *text = json_string_value(json_object_get(json, "token"));
    const char *expected = json_string_value(json_object_get(json, "verdict"));
    snprintf(where, sizeof where, "tokens[%zu] (%s)", index, name ? name : "no name");
    if (!text || !expected)
        return vectors_fail(where, "no \"token\" or no \"verdict\"");
    double wall_s = (double)time(NULL);
    struct snitun_token token;
    int verdict = snitun_token_open(keyring, wall_s, text, strlen(text), &token);
    bool filled = verdict == SNITUN_TOKEN_OK || verdict == SNITUN_TOKEN_E_EXPIRED;
    bool right = true;
    if (strcmp(verdict_name(verdict), expected) != 0) {
        right = vectors_fail(where, "%s (%s), expected %s", verdict_name(verdict),
                             snitun_token_error_text(verdict), expected);
    } else if (filled) {
        right = same_payload(where, json_object_get(json, "payload"), &token);
    }
    if (filled)
        snitun_token_clear(&token);
    if (right && verdict == SNITUN_TOKEN_OK)
        right = check_growing(where, keyring, wall_s, text);
    return right;
}

/* ---- Sessions ---- */

static bool check_session(const json_t *json, size_t index)
{
    char where[80];
    struct recorded_session session;
    snprintf(where, sizeof where, "sessions[%zu]", index);
    bool right = recorded_session_load(&session, json, where);
    if (right) {
        snprintf(where, sizeof where, "sessions[%zu] (%s, version %d)", index,
                 snitun_cipher_name(session.keys.cipher), session.keys.protocol_version);
        /* Each part tells of its own; none hides the others. */
        right = snitun_send_replay(&session, SNITUN_SERVER, where) & right;
        right = snitun_send_replay(&session, SNITUN_CLIENT, where) & right;
        right = snitun_receive_replay(&session, SNITUN_SERVER, where) & right;
        right = snitun_receive_replay(&session, SNITUN_CLIENT, where) & right;
    }
    recorded_session_free(&session);
    return right;
}

/* ---- The file ---- */

static bool check_file(const json_t *file)
{
    const json_t *tokens = json_object_get(file, "tokens");
    const json_t *sessions = json_object_get(file, "sessions");
    if (!json_is_array(tokens) || !json_is_array(sessions) ||
        json_array_size(tokens) + json_array_size(sessions) == 0)
        return vectors_fail("file", "no \"tokens\" and \"sessions\"");
    struct snitun_keyring keyring;
    if (!load_keyring(file, &keyring))
        return false;
    size_t wrong = 0;
    size_t index;
    json_t *item;
    json_array_foreach(tokens, index, item)
    {
        wrong += !check_token(&keyring, item, index);
    }
    json_array_foreach(sessions, index, item)
    {
        wrong += !check_session(item, index);
    }
    snitun_keyring_wipe(&keyring);
    printf("%zu tokens, %zu sessions, %zu wrong\n", json_array_size(tokens),
           json_array_size(sessions), wrong);
    return wrong == 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: vectors_snitun FILE\n");
        return 2;
    }
    json_error_t error;
    json_t *file = json_load_file(argv[1], 0, &error);
    if (!file) {
        fprintf(stderr, "%s:%d:%d: %s\n", argv[1], error.line, error.column, error.text);
        return 1;
    }
    bool right = check_file(file);
    json_decref(file);
    return right ? 0 : 1;
}
