#include "lib/crypto/fernet.h"

#include "base/cursor.h"
#include "base/encode.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum {
    SIGNING_KEY_LEN = 16,
    HEADER_LEN = 1 + 8 + FERNET_IV_LEN,
    IV_AT = 1 + 8,
    HMAC_LEN = 32,
};

bool fernet_length_possible(size_t len)
{
    return len >= FERNET_OVERHEAD + FERNET_BLOCK_LEN && len <= INT_MAX &&
           (len - FERNET_OVERHEAD) % FERNET_BLOCK_LEN == 0;
}

size_t fernet_sealed_len(size_t plain_len)
{
    return FERNET_OVERHEAD + (plain_len / FERNET_BLOCK_LEN + 1) * FERNET_BLOCK_LEN;
}

static bool sign(const uint8_t *key, const uint8_t *bytes, size_t len, uint8_t mac[HMAC_LEN])
{
    unsigned mac_len = 0;
    return HMAC(EVP_sha256(), key, SIGNING_KEY_LEN, bytes, len, mac, &mac_len) != NULL &&
           mac_len == HMAC_LEN;
}

/*
 * AES-128-CBC over whole blocks. Padding is ours to write and check: OpenSSL reports a wrong one
 * through the thread's error queue, where the next user of TLS would find it.
 */
static bool run_cbc(bool encrypt, const uint8_t *key, const uint8_t *iv, const uint8_t *in,
                    size_t len, uint8_t *out)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written = 0;
    bool ok = cipher != NULL &&
              EVP_CipherInit_ex(cipher, EVP_aes_128_cbc(), NULL, key, iv, encrypt) == 1 &&
              EVP_CIPHER_CTX_set_padding(cipher, 0) == 1 &&
              EVP_CipherUpdate(cipher, out, &written, in, (int)len) == 1 && (size_t)written == len;
    EVP_CIPHER_CTX_free(cipher);
    return ok;
}

/* Bytes of padding at the end of len bytes of whole blocks; 0 when it is wrong. */
static size_t padding_len(const uint8_t *plain, size_t len)
{
    size_t padding = plain[len - 1];
    if (padding == 0 || padding > FERNET_BLOCK_LEN)
        return 0;
    for (size_t i = 1; i <= padding; i++)
        if (plain[len - i] != padding)
            return 0;
    return padding;
}

enum fernet_result fernet_open(const uint8_t key[FERNET_KEY_LEN], const uint8_t *token, size_t len,
                               uint8_t *plain, size_t *plain_len)
{
    size_t signed_len = len - HMAC_LEN;
    uint8_t mac[HMAC_LEN];
    if (!sign(key, token, signed_len, mac))
        return FERNET_E_CRYPTO;
    if (token[0] != FERNET_VERSION || !equal_secret(mac, token + signed_len, HMAC_LEN))
        return FERNET_E_FOREIGN;

    size_t ciphertext_len = signed_len - HEADER_LEN;
    if (!run_cbc(false, key + SIGNING_KEY_LEN, token + IV_AT, token + HEADER_LEN, ciphertext_len,
                 plain))
        return FERNET_E_CRYPTO;
    size_t padding = padding_len(plain, ciphertext_len);
    *plain_len = ciphertext_len - padding;
    return padding == 0 ? FERNET_E_PADDING : FERNET_OK;
}

enum fernet_result fernet_seal(const uint8_t key[FERNET_KEY_LEN], uint64_t time_s,
                               const uint8_t iv[FERNET_IV_LEN], const uint8_t *plain, size_t len,
                               uint8_t *out)
{
    size_t padding = FERNET_BLOCK_LEN - len % FERNET_BLOCK_LEN;
    size_t ciphertext_len = len + padding;
    uint8_t *ciphertext = out + HEADER_LEN;
    if (ciphertext_len > INT_MAX)
        return FERNET_E_CRYPTO;

    out[0] = FERNET_VERSION;
    store_u64(out + 1, time_s);
    memcpy(out + IV_AT, iv, FERNET_IV_LEN);
    if (len > 0)
        memcpy(ciphertext, plain, len);
    memset(ciphertext + len, (int)padding, padding);
    if (!run_cbc(true, key + SIGNING_KEY_LEN, iv, ciphertext, ciphertext_len, ciphertext) ||
        !sign(key, out, HEADER_LEN + ciphertext_len, ciphertext + ciphertext_len)) {
        wipe(out, fernet_sealed_len(len));
        return FERNET_E_CRYPTO;
    }
    return FERNET_OK;
}
