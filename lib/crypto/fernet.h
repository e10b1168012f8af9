/*
 * Fernet tokens as bytes (github.com/fernet/spec), before base64url:
 *
 *   0x80 time(8) iv(16) AES-128-CBC(plain, PKCS #7) HMAC-SHA256(32)
 *
 * The time is written and not looked at: what a token says about its age stands in its payload.
 */
#ifndef CRYPTO_FERNET_H
#define CRYPTO_FERNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FERNET_VERSION = 0x80,
    FERNET_KEY_LEN = 32, /* signing half first, then the encrypting one */
    FERNET_IV_LEN = 16,
    FERNET_BLOCK_LEN = 16,
    FERNET_OVERHEAD = 57, /* bytes of a token that are no ciphertext */
};

enum fernet_result {
    FERNET_OK = 0,
    FERNET_E_CRYPTO = -1,  /* the cryptographic library failed */
    FERNET_E_FOREIGN = -2, /* not made with this key */
    FERNET_E_PADDING = -3, /* made with this key, but not by this specification */
};

/* True where a token can have len bytes. */
bool fernet_length_possible(size_t len);

/* Bytes of the token of plain_len bytes. */
size_t fernet_sealed_len(size_t plain_len);

/*
 * Opens a token of a possible length into plain, which holds len bytes and does not overlap it.
 * plain is to be wiped by the caller, whatever the result.
 */
enum fernet_result fernet_open(const uint8_t key[FERNET_KEY_LEN], const uint8_t *token, size_t len,
                               uint8_t *plain, size_t *plain_len);

/* Writes fernet_sealed_len(len) bytes to out, which does not overlap plain. */
enum fernet_result fernet_seal(const uint8_t key[FERNET_KEY_LEN], uint64_t time_s,
                               const uint8_t iv[FERNET_IV_LEN], const uint8_t *plain, size_t len,
                               uint8_t *out);

#endif
