/*
 * AES-256-GCM and AES-256-GCM-SIV (RFC 8452) without associated data: 12-byte nonce, 16-byte tag.
 * GCM comes from OpenSSL; GCM-SIV from OpenSSL where it has it (3.2), else from libgcrypt.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AEAD_NONCE_LEN = 12, AEAD_TAG_LEN = 16 };

enum aead_cipher { AEAD_AES_256_GCM, AEAD_AES_256_GCM_SIV };

enum aead_result { AEAD_OK = 0, AEAD_E_CRYPTO = -1, AEAD_E_TAG = -2 };

struct aead;

/* NULL without memory or without the cipher. */
struct aead *aead_new(enum aead_cipher cipher);

/* Wipes and frees. NULL is allowed. */
void aead_free(struct aead *aead);

/* The key of all calls that follow. False when the library fails. */
bool aead_key(struct aead *aead, const uint8_t key[32]);

/* Writes len bytes of ciphertext and the tag to out, which does not overlap plain. */
enum aead_result aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_LEN],
                           const uint8_t *plain, size_t len, uint8_t *out);

/*
 * Opens len bytes of ciphertext and the tag after them. plain, which does not overlap in, holds
 * zeros unless the tag is right.
 */
enum aead_result aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_LEN],
                           const uint8_t *in, size_t len, uint8_t *plain);

#endif
