/*
 * Input: 0, a byte that says in steps of how many bytes it comes, and the text of a token; or, with
 * another first byte, a payload, which is sealed with one of the harness's keys. They are those of
 * tests/vectors/snitun.json.
 * What holds of every input: pieces give what the whole gives, and what opens can be minted and
 * opened again.
 */
#include "adit/snitun_token.h"
#include "base/encode.h"
#include "lib/crypto/fernet.h"
#include "tests/fuzz/fuzz.h"

static const double now_s = 1800000000;
static const char keys[] = "BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtSc=\n"
                           "lWkUxl3Dncr8i8q3izRcojBfCXqaA_KVd-DBM9ERPeo=\n";

static int no_randomness_needed(void *arg, void *buf, size_t len)
{
    (void)arg;
    memset(buf, 7, len);
    return 0;
}

static void mint_and_open(const struct snitun_keyring *keyring, const struct snitun_token *token)
{
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    struct snitun_token again;
    int result = snitun_token_mint(keyring, now_s, token, no_randomness_needed, NULL, text);
    if (token->valid < 0)
        FUZZ_CHECK(result == SNITUN_TOKEN_E_PAYLOAD || result == SNITUN_TOKEN_E_TOO_LONG);
    else
        FUZZ_CHECK(result == 0 || result == SNITUN_TOKEN_E_TOO_LONG);
    if (result != 0)
        return;
    result = snitun_token_open(keyring, now_s, text, strlen(text), &again);
    FUZZ_CHECK(result == 0 || result == SNITUN_TOKEN_E_EXPIRED);
    FUZZ_CHECK(again.valid - token->valid < 1e-6 && token->valid - again.valid < 1e-6);
    FUZZ_CHECK(strcmp(again.hostname, token->hostname) == 0);
    FUZZ_CHECK(memcmp(again.keys.aes_key, token->keys.aes_key, 32) == 0);
    FUZZ_CHECK(memcmp(again.keys.aes_iv, token->keys.aes_iv, 16) == 0);
    FUZZ_CHECK(again.keys.cipher == token->keys.cipher);
    FUZZ_CHECK(again.keys.protocol_version == token->keys.protocol_version);
    FUZZ_CHECK(again.alias_count == token->alias_count);
    FUZZ_CHECK(again.whitelist_count == token->whitelist_count);
    snitun_token_clear(&again);
}

/* Returns the result and clears the token. */
static int open_whole(const struct snitun_keyring *keyring, const char *text, size_t len)
{
    struct snitun_token token;
    char *copy = fuzz_copy(text, len);
    int result = snitun_token_open(keyring, now_s, copy, len, &token);
    free(copy);
    if (result == 0 || result == SNITUN_TOKEN_E_EXPIRED)
        mint_and_open(keyring, &token);
    snitun_token_clear(&token);
    return result;
}

static void read_in_steps(const struct snitun_keyring *keyring, const char *text, size_t len,
                          size_t step)
{
    unsigned trials = 0;
    size_t had = 0;
    int result = SNITUN_TOKEN_INCOMPLETE;
    while (result == SNITUN_TOKEN_INCOMPLETE && had < len) {
        struct snitun_token token;
        had += len - had < step ? len - had : step;
        char *copy = fuzz_copy(text, had);
        result = snitun_token_read(keyring, now_s, copy, had, &trials, &token);
        free(copy);
        snitun_token_clear(&token);
    }
    FUZZ_CHECK(trials <= SNITUN_TOKEN_TRIALS_MAX);
    int whole = open_whole(keyring, text, len);
    if (whole == 0 || whole == SNITUN_TOKEN_E_EXPIRED)
        FUZZ_CHECK(result == whole && had == len);
    else if (result == 0 || result == SNITUN_TOKEN_E_EXPIRED)
        FUZZ_CHECK(had < len);
}

static void open_payload(const struct snitun_keyring *keyring, const uint8_t *payload, size_t len)
{
    static const uint8_t iv[FERNET_IV_LEN];
    uint8_t sealed[SNITUN_TOKEN_TEXT_MAX / 4 * 3];
    char text[SNITUN_TOKEN_TEXT_MAX + 1];
    size_t sealed_len = fernet_sealed_len(len);
    if (sealed_len > sizeof(sealed))
        return;
    FUZZ_CHECK(fernet_seal(keyring->keys[1], 0, iv, payload, len, sealed) == FERNET_OK);
    base64url_encode(sealed, sealed_len, text);
    int result = open_whole(keyring, text, strlen(text));
    FUZZ_CHECK(result == 0 || result == SNITUN_TOKEN_E_EXPIRED || result == SNITUN_TOKEN_E_PAYLOAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snitun_keyring keyring;
    unsigned line;
    if (size < 2)
        return 0;
    FUZZ_CHECK(snitun_keyring_parse(&keyring, keys, sizeof(keys) - 1, &line) == 0);
    if (data[0] == 0)
        read_in_steps(&keyring, (const char *)data + 2, size - 2, data[1] + (size_t)1);
    else
        open_payload(&keyring, data, size);
    return 0;
}
