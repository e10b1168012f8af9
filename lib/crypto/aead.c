#include "lib/crypto/aead.h"

#include "base/encode.h"
#include "lib/crypto/gcmsiv.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Either OpenSSL's context, for both directions, or libgcrypt's. */
struct aead {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx;
    struct gcmsiv *siv;
};

static const uint8_t zeros[32];

static bool evp_setup(struct aead *aead, const char *name)
{
    aead->cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    if (!aead->cipher)
        return false;
    aead->ctx = EVP_CIPHER_CTX_new();
    return aead->ctx && EVP_CipherInit_ex2(aead->ctx, aead->cipher, zeros, zeros, 1, NULL) == 1;
}

struct aead *aead_new(enum aead_cipher cipher)
{
    struct aead *aead = calloc(1, sizeof *aead);
    if (!aead)
        return NULL;
    const char *name = cipher == AEAD_AES_256_GCM ? "AES-256-GCM" : "AES-256-GCM-SIV";
    if (evp_setup(aead, name))
        return aead;
    if (cipher == AEAD_AES_256_GCM_SIV && !aead->cipher)
        aead->siv = gcmsiv_new();
    if (!aead->siv) {
        aead_free(aead);
        return NULL;
    }
    return aead;
}

void aead_free(struct aead *aead)
{
    if (!aead)
        return;
    gcmsiv_free(aead->siv);
    EVP_CIPHER_CTX_free(aead->ctx);
    EVP_CIPHER_free(aead->cipher);
    free(aead);
}

bool aead_key(struct aead *aead, const uint8_t key[32])
{
    if (aead->siv)
        return gcmsiv_key(aead->siv, key);
    return EVP_CipherInit_ex2(aead->ctx, NULL, key, NULL, -1, NULL) == 1;
}

enum aead_result aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_LEN],
                           const uint8_t *plain, size_t len, uint8_t *out)
{
    if (aead->siv)
        return gcmsiv_seal(aead->siv, nonce, plain, len, out);
    int n = 0;
    int tail = 0;
    if (EVP_CipherInit_ex2(aead->ctx, NULL, NULL, nonce, 1, NULL) != 1 ||
        EVP_CipherUpdate(aead->ctx, out, &n, plain, (int)len) != 1 ||
        EVP_CipherFinal_ex(aead->ctx, out + n, &tail) != 1 || (size_t)(n + tail) != len ||
        EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, out + len) != 1)
        return AEAD_E_CRYPTO;
    return AEAD_OK;
}

/* GCM-SIV wants the tag before the ciphertext; GCM takes it then, too. */
static enum aead_result evp_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_LEN],
                                 const uint8_t *in, size_t len, uint8_t *plain)
{
    uint8_t tag[AEAD_TAG_LEN]; /* OpenSSL takes no const one */
    memcpy(tag, in + len, sizeof tag);
    int n = 0;
    int tail = 0;
    if (EVP_CipherInit_ex2(aead->ctx, NULL, NULL, nonce, 0, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag) != 1)
        return AEAD_E_CRYPTO;
    /* GCM-SIV verifies here, GCM in the call after it. */
    if (EVP_CipherUpdate(aead->ctx, plain, &n, in, (int)len) != 1 ||
        EVP_CipherFinal_ex(aead->ctx, plain + n, &tail) != 1)
        return AEAD_E_TAG;
    return (size_t)(n + tail) == len ? AEAD_OK : AEAD_E_CRYPTO;
}

enum aead_result aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_LEN],
                           const uint8_t *in, size_t len, uint8_t *plain)
{
    enum aead_result result = aead->siv ? gcmsiv_open(aead->siv, nonce, in, len, plain)
                                        : evp_open(aead, nonce, in, len, plain);
    if (result != AEAD_OK)
        wipe(plain, len);
    return result;
}
