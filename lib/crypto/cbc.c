#include "lib/crypto/cbc.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct cbc {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx;
};

static const uint8_t zeros[32];

struct cbc *cbc_new(bool encrypt)
{
    struct cbc *cbc = calloc(1, sizeof *cbc);
    if (!cbc)
        return NULL;
    cbc->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    cbc->ctx = EVP_CIPHER_CTX_new();
    if (!cbc->cipher || !cbc->ctx ||
        !EVP_CipherInit_ex2(cbc->ctx, cbc->cipher, zeros, zeros, encrypt, NULL) ||
        !EVP_CIPHER_CTX_set_padding(cbc->ctx, 0)) {
        cbc_free(cbc);
        return NULL;
    }
    return cbc;
}

void cbc_free(struct cbc *cbc)
{
    if (!cbc)
        return;
    EVP_CIPHER_CTX_free(cbc->ctx);
    EVP_CIPHER_free(cbc->cipher);
    free(cbc);
}

bool cbc_key(struct cbc *cbc, const uint8_t key[32], const uint8_t iv[16])
{
    return EVP_CipherInit_ex2(cbc->ctx, NULL, key, iv, -1, NULL) == 1;
}

bool cbc_run(struct cbc *cbc, const uint8_t *in, size_t len, uint8_t *out)
{
    int out_len = 0;
    return EVP_CipherUpdate(cbc->ctx, out, &out_len, in, (int)len) == 1 && out_len == (int)len;
}
