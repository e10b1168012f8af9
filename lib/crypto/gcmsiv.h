/*
 * AES-256-GCM-SIV by libgcrypt, for an OpenSSL that lacks it. Used by aead.c alone; the functions
 * are those of aead.h.
 */
#ifndef CRYPTO_GCMSIV_H
#define CRYPTO_GCMSIV_H

#include "lib/crypto/aead.h"

struct gcmsiv;

struct gcmsiv *gcmsiv_new(void);
void gcmsiv_free(struct gcmsiv *siv);
bool gcmsiv_key(struct gcmsiv *siv, const uint8_t key[32]);
enum aead_result gcmsiv_seal(struct gcmsiv *siv, const uint8_t nonce[AEAD_NONCE_LEN],
                             const uint8_t *plain, size_t len, uint8_t *out);
enum aead_result gcmsiv_open(struct gcmsiv *siv, const uint8_t nonce[AEAD_NONCE_LEN],
                             const uint8_t *in, size_t len, uint8_t *plain);

#endif
