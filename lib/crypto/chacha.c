#include "lib/crypto/chacha.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct chacha {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *context;
};

struct chacha *chacha_new(void)
{
    struct chacha *chacha = calloc(1, sizeof *chacha);
    if (!chacha)
        return NULL;
    chacha->cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    chacha->context = EVP_CIPHER_CTX_new();
    if (chacha->cipher && chacha->context)
        return chacha;
    chacha_free(chacha);
    return NULL;
}

void chacha_free(struct chacha *chacha)
{
    if (!chacha)
        return;
    EVP_CIPHER_CTX_free(chacha->context);
    EVP_CIPHER_free(chacha->cipher);
    free(chacha);
}

static bool part(struct chacha *chacha, const uint8_t *in, size_t len, uint8_t *out)
{
    int written = 0;
    return len == 0 ||
           (len <= INT_MAX && EVP_CipherUpdate(chacha->context, out, &written, in, (int)len) == 1 &&
            written == (int)len);
}

bool chacha_seal(struct chacha *chacha, const uint8_t key[CHACHA_KEY_LEN],
                 const uint8_t nonce[CHACHA_NONCE_LEN], uint8_t *head, size_t head_len,
                 const uint8_t *plain, size_t len, uint8_t *out, uint8_t tag[CHACHA_TAG_LEN])
{
    EVP_CIPHER_CTX *context = chacha->context;
    uint8_t none[1];
    int written = 0;
    return EVP_CipherInit_ex2(context, chacha->cipher, key, nonce, 1, NULL) == 1 &&
           part(chacha, head, head_len, head) && part(chacha, plain, len, out) &&
           EVP_CipherFinal_ex(context, none, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CHACHA_TAG_LEN, tag) == 1;
}

bool chacha_open(struct chacha *chacha, const uint8_t key[CHACHA_KEY_LEN],
                 const uint8_t nonce[CHACHA_NONCE_LEN], uint8_t *head, size_t head_len,
                 const uint8_t *in, size_t len, const uint8_t tag[CHACHA_TAG_LEN], uint8_t *plain)
{
    EVP_CIPHER_CTX *context = chacha->context;
    uint8_t none[1];
    int written = 0;
    /* OpenSSL asks for a pointer to what it does not change. */
    void *expected = (void *)(uintptr_t)tag;
    return EVP_CipherInit_ex2(context, chacha->cipher, key, nonce, 0, NULL) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CHACHA_TAG_LEN, expected) == 1 &&
           part(chacha, head, head_len, head) && part(chacha, in, len, plain) &&
           EVP_CipherFinal_ex(context, none, &written) == 1;
}
