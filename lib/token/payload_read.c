#include "base/encode.h"
#include "base/hostname.h"
#include "base/ip.h"
#include "lib/token/payload.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool in_range(double valid)
{
    return valid >= -SNITUN_TOKEN_VALID_MAX && valid <= SNITUN_TOKEN_VALID_MAX;
}

/* A string of at most max bytes; NULL for anything else. jansson refuses a NUL inside. */
static const char *text_of(const json_t *value, size_t max)
{
    if (!json_is_string(value) || json_string_length(value) > max)
        return NULL;
    return json_string_value(value);
}

static bool read_name(const json_t *value, char out[SNITUN_TOKEN_NAME_MAX + 1])
{
    const char *name = text_of(value, SNITUN_TOKEN_NAME_MAX);
    if (name == NULL || !hostname_valid(name))
        return false;
    memcpy(out, name, strlen(name) + 1);
    return true;
}

static bool read_hex(const json_t *value, uint8_t *out, size_t len)
{
    const char *digits = text_of(value, 2 * len);
    return digits != NULL && hex_decode(digits, out, len);
}

static bool read_keys(const json_t *root, struct snitun_keys *keys)
{
    const json_t *version = json_object_get(root, "protocol_version");
    const json_t *cipher = json_object_get(root, "cipher");
    if (!read_hex(json_object_get(root, "aes_key"), keys->aes_key, sizeof(keys->aes_key)) ||
        !read_hex(json_object_get(root, "aes_iv"), keys->aes_iv, sizeof(keys->aes_iv)))
        return false;
    if (version != NULL) {
        json_int_t number = json_integer_value(version);
        if (!json_is_integer(version) || number < 0 || number > SNITUN_TOKEN_VERSION_MAX)
            return false;
        keys->protocol_version = (uint8_t)number;
    }
    keys->cipher = SNITUN_AES_CBC;
    if (cipher != NULL) {
        int found = json_is_string(cipher) ? snitun_cipher_by_name(json_string_value(cipher)) : -1;
        if (found < 0)
            return false;
        keys->cipher = (enum snitun_cipher)found;
    }
    return true;
}

static bool read_cidr(const json_t *value, struct snitun_token_cidr *out)
{
    const char *text = text_of(value, CIDR_TEXT_MAX);
    struct cidr cidr;
    if (text == NULL || !cidr_parse(text, &cidr))
        return false;
    *out = (struct snitun_token_cidr){.ip = cidr.ip, .prefix_len = cidr.prefix_len};
    return true;
}

static int read_aliases(const json_t *list, struct snitun_token *token)
{
    if (list == NULL || json_is_null(list))
        return SNITUN_TOKEN_OK;
    if (!json_is_array(list))
        return SNITUN_TOKEN_E_PAYLOAD;
    size_t count = json_array_size(list);
    if (count == 0)
        return SNITUN_TOKEN_OK;
    token->aliases = calloc(count, sizeof(*token->aliases));
    if (token->aliases == NULL)
        return SNITUN_TOKEN_E_NO_MEMORY;
    for (; token->alias_count < count; token->alias_count++)
        if (!read_name(json_array_get(list, token->alias_count),
                       token->aliases[token->alias_count]))
            return SNITUN_TOKEN_E_PAYLOAD;
    return SNITUN_TOKEN_OK;
}

static int read_whitelist(const json_t *list, struct snitun_token *token)
{
    if (list == NULL)
        return SNITUN_TOKEN_OK;
    if (!json_is_array(list))
        return SNITUN_TOKEN_E_PAYLOAD;
    size_t count = json_array_size(list);
    if (count == 0)
        return SNITUN_TOKEN_OK;
    token->whitelist = calloc(count, sizeof(*token->whitelist));
    if (token->whitelist == NULL)
        return SNITUN_TOKEN_E_NO_MEMORY;
    for (; token->whitelist_count < count; token->whitelist_count++)
        if (!read_cidr(json_array_get(list, token->whitelist_count),
                       &token->whitelist[token->whitelist_count]))
            return SNITUN_TOKEN_E_PAYLOAD;
    return SNITUN_TOKEN_OK;
}

static int read_root(const json_t *root, struct snitun_token *token)
{
    const json_t *valid = json_object_get(root, "valid");
    if (!json_is_number(valid) || !in_range(json_number_value(valid)))
        return SNITUN_TOKEN_E_PAYLOAD;
    token->valid = json_number_value(valid);
    if (!read_name(json_object_get(root, "hostname"), token->hostname) ||
        !read_keys(root, &token->keys))
        return SNITUN_TOKEN_E_PAYLOAD;
    int result = read_aliases(json_object_get(root, "alias"), token);
    return result != SNITUN_TOKEN_OK ? result
                                     : read_whitelist(json_object_get(root, "whitelist"), token);
}

int payload_read(const char *json, size_t len, struct snitun_token *token)
{
    *token = (struct snitun_token){0};
    json_error_t error;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        bool no_memory = json_error_code(&error) == json_error_out_of_memory;
        return no_memory ? SNITUN_TOKEN_E_NO_MEMORY : SNITUN_TOKEN_E_PAYLOAD;
    }
    int result = read_root(root, token);
    json_decref(root);
    if (result != SNITUN_TOKEN_OK)
        snitun_token_clear(token);
    return result;
}
