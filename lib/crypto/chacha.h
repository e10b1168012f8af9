/*
 * ChaCha20-Poly1305 (RFC 8439) without associated data, by OpenSSL, which has it for wide vector
 * registers. The text is in two parts that lie apart.
 */
#ifndef CRYPTO_CHACHA_H
#define CRYPTO_CHACHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHACHA_KEY_LEN = 32, CHACHA_NONCE_LEN = 12, CHACHA_TAG_LEN = 16 };

struct chacha;

/* NULL without memory or without the cipher. */
struct chacha *chacha_new(void);

/* Wipes and frees. NULL is allowed. */
void chacha_free(struct chacha *chacha);

/*
 * Encrypts head in place and after it plain[0..len) to out, which is plain itself or apart from
 * it; the tag is over both. False when OpenSSL fails.
 */
bool chacha_seal(struct chacha *chacha, const uint8_t key[CHACHA_KEY_LEN],
                 const uint8_t nonce[CHACHA_NONCE_LEN], uint8_t *head, size_t head_len,
                 const uint8_t *plain, size_t len, uint8_t *out, uint8_t tag[CHACHA_TAG_LEN]);

/*
 * Decrypts the same. False when the tag is another one: then what is in head and plain is not to
 * be used.
 */
bool chacha_open(struct chacha *chacha, const uint8_t key[CHACHA_KEY_LEN],
                 const uint8_t nonce[CHACHA_NONCE_LEN], uint8_t *head, size_t head_len,
                 const uint8_t *in, size_t len, const uint8_t tag[CHACHA_TAG_LEN], uint8_t *plain);

#endif
