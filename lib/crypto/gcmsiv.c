#include "lib/crypto/gcmsiv.h"

#include <gcrypt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct gcmsiv {
    gcry_cipher_hd_t handle;
};

static const uint8_t zeros[32];

/* libgcrypt wants to be set up once per process, before any thread uses it. */
static pthread_once_t gcrypt_once = PTHREAD_ONCE_INIT;

static void gcrypt_setup(void)
{
    if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
        return; /* the program that links us uses libgcrypt, too */
    gcry_check_version(NULL);
    gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

struct gcmsiv *gcmsiv_new(void)
{
    struct gcmsiv *siv = calloc(1, sizeof *siv);
    if (!siv)
        return NULL;
    pthread_once(&gcrypt_once, gcrypt_setup);
    if (gcry_cipher_open(&siv->handle, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM_SIV, 0) ||
        !gcmsiv_key(siv, zeros)) {
        gcmsiv_free(siv);
        return NULL;
    }
    return siv;
}

void gcmsiv_free(struct gcmsiv *siv)
{
    if (!siv)
        return;
    gcry_cipher_close(siv->handle);
    free(siv);
}

bool gcmsiv_key(struct gcmsiv *siv, const uint8_t key[32])
{
    return gcry_cipher_setkey(siv->handle, key, 32) == 0;
}

static bool start(struct gcmsiv *siv, const uint8_t nonce[AEAD_NONCE_LEN])
{
    return gcry_cipher_reset(siv->handle) == 0 &&
           gcry_cipher_setiv(siv->handle, nonce, AEAD_NONCE_LEN) == 0;
}

enum aead_result gcmsiv_seal(struct gcmsiv *siv, const uint8_t nonce[AEAD_NONCE_LEN],
                             const uint8_t *plain, size_t len, uint8_t *out)
{
    if (!start(siv, nonce) || gcry_cipher_encrypt(siv->handle, out, len, plain, len) ||
        gcry_cipher_gettag(siv->handle, out + len, AEAD_TAG_LEN))
        return AEAD_E_CRYPTO;
    return AEAD_OK;
}

enum aead_result gcmsiv_open(struct gcmsiv *siv, const uint8_t nonce[AEAD_NONCE_LEN],
                             const uint8_t *in, size_t len, uint8_t *plain)
{
    uint8_t tag[AEAD_TAG_LEN]; /* libgcrypt's macro casts const away */
    memcpy(tag, in + len, sizeof tag);
    if (!start(siv, nonce) || gcry_cipher_set_decryption_tag(siv->handle, tag, sizeof tag))
        return AEAD_E_CRYPTO;
    gcry_error_t error = gcry_cipher_decrypt(siv->handle, plain, len, in, len);
    if (gcry_err_code(error) == GPG_ERR_CHECKSUM)
        return AEAD_E_TAG;
    return error ? AEAD_E_CRYPTO : AEAD_OK;
}
