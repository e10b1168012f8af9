#include "cli/mint.h"

#include "base/encode.h"

#include <jansson.h>
#include <stdio.h>

/* The credential as JSON from malloc(), or NULL. */
static char *format(const struct snitun_token *token, const char *text)
{
    char key[2 * sizeof token->keys.aes_key + 1];
    char iv[2 * sizeof token->keys.aes_iv + 1];
    hex_encode(token->keys.aes_key, sizeof token->keys.aes_key, key);
    hex_encode(token->keys.aes_iv, sizeof token->keys.aes_iv, iv);
    json_t *alias = json_array();
    for (size_t i = 0; i < token->alias_count; i++)
        json_array_append_new(alias, json_string(token->aliases[i]));
    json_t *credential =
        json_pack("{ss, ss, ss, ss, si, ss, so, sI}", "token", text, "aes_key", key, "aes_iv", iv,
                  "cipher", snitun_cipher_name(token->keys.cipher), "protocol_version",
                  (int)token->keys.protocol_version, "hostname", token->hostname, "alias", alias,
                  "valid", (json_int_t)token->valid);
    char *json = credential == NULL ? NULL : json_dumps(credential, JSON_INDENT(2));
    json_decref(credential);
    wipe(key, sizeof key);
    wipe(iv, sizeof iv);
    return json;
}

char *mint_credential(struct io_loop *loop, const struct snitun_keyring *keyring,
                      struct snitun_token *token, char why[OPTION_WHY_MAX])
{
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    io_random(loop, token->keys.aes_key, sizeof token->keys.aes_key);
    io_random(loop, token->keys.aes_iv, sizeof token->keys.aes_iv);
    int error = snitun_token_mint(keyring, io_wall_s(loop), token, io_random_fn, loop, text);
    if (error != 0) {
        snprintf(why, OPTION_WHY_MAX, "%s", snitun_token_error_text(error));
        return NULL;
    }
    char *json = format(token, text);
    if (json == NULL)
        snprintf(why, OPTION_WHY_MAX, "out of memory");
    return json;
}
