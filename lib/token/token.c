#include "base/encode.h"
#include "lib/crypto/fernet.h"
#include "lib/token/payload.h"

#include <stdlib.h>
#include <string.h>

enum {
    TOKEN_BYTES_MAX = SNITUN_TOKEN_TEXT_MAX / 4 * 3,
    MINT_BYTES_MAX = SNITUN_TOKEN_MINT_MAX / 4 * 3,
};

void snitun_token_clear(struct snitun_token *token)
{
    free(token->aliases);
    free(token->whitelist);
    wipe(token, sizeof(*token));
}

/* Decrypts with whichever key fits. plain holds TOKEN_BYTES_MAX bytes, the caller wipes it. */
static int unseal(const struct snitun_keyring *keyring, const uint8_t *bytes, size_t len,
                  uint8_t *plain, size_t *plain_len)
{
    for (size_t i = 0; i < keyring->count; i++) {
        switch (fernet_open(keyring->keys[i], bytes, len, plain, plain_len)) {
        case FERNET_OK:
            return SNITUN_TOKEN_OK;
        case FERNET_E_FOREIGN:
            break;
        case FERNET_E_PADDING:
            return SNITUN_TOKEN_E_PAYLOAD;
        case FERNET_E_CRYPTO:
            return SNITUN_TOKEN_E_CRYPTO;
        }
    }
    return SNITUN_TOKEN_E_FOREIGN;
}

static int open_bytes(const struct snitun_keyring *keyring, double wall_s, const uint8_t *bytes,
                      size_t len, struct snitun_token *token)
{
    uint8_t plain[TOKEN_BYTES_MAX];
    size_t plain_len = 0;
    int result = unseal(keyring, bytes, len, plain, &plain_len);
    if (result == SNITUN_TOKEN_OK)
        result = payload_read((const char *)plain, plain_len, token);
    wipe(plain, sizeof(plain));
    if (result == SNITUN_TOKEN_OK && !(wall_s < token->valid))
        return SNITUN_TOKEN_E_EXPIRED;
    return result;
}

int snitun_token_open(const struct snitun_keyring *keyring, double wall_s, const char *text,
                      size_t len, struct snitun_token *token)
{
    memset(token, 0, sizeof(*token));
    if (len > SNITUN_TOKEN_TEXT_MAX)
        return SNITUN_TOKEN_E_TOO_LONG;
    uint8_t bytes[TOKEN_BYTES_MAX];
    long decoded = base64url_decode(text, len, bytes);
    if (decoded <= 0 || bytes[0] != FERNET_VERSION || !fernet_length_possible((size_t)decoded))
        return SNITUN_TOKEN_E_FORM;
    return open_bytes(keyring, wall_s, bytes, (size_t)decoded, token);
}

int snitun_token_read(const struct snitun_keyring *keyring, double wall_s, const char *text,
                      size_t len, unsigned *trials, struct snitun_token *token)
{
    memset(token, 0, sizeof(*token));
    if (len > SNITUN_TOKEN_TEXT_MAX)
        return SNITUN_TOKEN_E_TOO_LONG;
    if (len == 0 || len % 4 != 0)
        return SNITUN_TOKEN_INCOMPLETE;
    uint8_t bytes[TOKEN_BYTES_MAX];
    long decoded = base64url_decode(text, len, bytes);
    if (decoded < 0 || bytes[0] != FERNET_VERSION)
        return SNITUN_TOKEN_E_FORM;
    /* Nothing can follow padding: whatever is wrong now stays wrong. */
    bool ended = text[len - 1] == '=';
    if (!fernet_length_possible((size_t)decoded)) {
        if (ended)
            return SNITUN_TOKEN_E_FORM;
        return len == SNITUN_TOKEN_TEXT_MAX ? SNITUN_TOKEN_E_TOO_LONG : SNITUN_TOKEN_INCOMPLETE;
    }
    if (*trials >= SNITUN_TOKEN_TRIALS_MAX)
        return SNITUN_TOKEN_E_TRIALS;
    ++*trials;
    int result = open_bytes(keyring, wall_s, bytes, (size_t)decoded, token);
    return result == SNITUN_TOKEN_E_FOREIGN && !ended ? SNITUN_TOKEN_INCOMPLETE : result;
}

static int seal_text(const struct snitun_keyring *keyring, double wall_s, const char *payload,
                     size_t len, const uint8_t *iv, char *out)
{
    uint8_t bytes[MINT_BYTES_MAX];
    size_t sealed_len = fernet_sealed_len(len);
    if (sealed_len > sizeof(bytes))
        return SNITUN_TOKEN_E_TOO_LONG;
    bool known = wall_s >= 0 && wall_s <= SNITUN_TOKEN_VALID_MAX;
    if (fernet_seal(keyring->keys[0], known ? (uint64_t)wall_s : 0, iv, (const uint8_t *)payload,
                    len, bytes) != FERNET_OK)
        return SNITUN_TOKEN_E_CRYPTO;
    base64url_encode(bytes, sealed_len, out);
    return SNITUN_TOKEN_OK;
}

int snitun_token_mint(const struct snitun_keyring *keyring, double wall_s,
                      const struct snitun_token *token, adit_random_fn *random, void *random_arg,
                      char out[SNITUN_TOKEN_MINT_MAX + 1])
{
    out[0] = '\0';
    if (keyring->count == 0)
        return SNITUN_TOKEN_E_KEY;
    uint8_t iv[FERNET_IV_LEN];
    if (random(random_arg, iv, sizeof(iv)) != 0)
        return SNITUN_TOKEN_E_RANDOM;
    char payload[MINT_BYTES_MAX];
    size_t len = 0;
    int result = payload_write(token, payload, sizeof(payload), &len);
    if (result == SNITUN_TOKEN_OK)
        result = seal_text(keyring, wall_s, payload, len, iv, out);
    wipe(payload, sizeof(payload));
    return result;
}

const char *snitun_token_error_text(int error)
{
    switch (error) {
    case SNITUN_TOKEN_OK:
        return "a valid token";
    case SNITUN_TOKEN_INCOMPLETE:
        return "the start of a token";
    case SNITUN_TOKEN_E_NO_MEMORY:
        return "out of memory";
    case SNITUN_TOKEN_E_FORM:
        return "not a token: no base64url of a length that a token can have";
    case SNITUN_TOKEN_E_FOREIGN:
        return "no Fernet key of ours opens the token";
    case SNITUN_TOKEN_E_PAYLOAD:
        return "the token's payload is not as specified";
    case SNITUN_TOKEN_E_EXPIRED:
        return "the token has expired";
    case SNITUN_TOKEN_E_TOO_LONG:
        return "the token is too long";
    case SNITUN_TOKEN_E_TRIALS:
        return "the token arrived in too many pieces";
    case SNITUN_TOKEN_E_RANDOM:
        return "no randomness";
    case SNITUN_TOKEN_E_CRYPTO:
        return "the cryptographic library failed";
    case SNITUN_TOKEN_E_KEY:
        return "a Fernet key is not 32 bytes of base64url";
    }
    return "an unknown error";
}
