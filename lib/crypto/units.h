/*
 * Encrypted units: what a SniTun connection encrypts, one after the other, in each direction
 * (docs/protocols/snitun.md, Encrypted units). Three ciphers:
 *
 *   aes-cbc      ciphertext                         one chain per direction, from the IV
 *   aes-gcm      nonce(12) ciphertext tag(16)       nonce = prefix(4) counter(8)
 *   aes-gcm-siv  nonce(12) ciphertext tag(16)       random nonce
 *
 * A connection keeps only what cannot be computed again: `struct units`, 80 bytes. The cipher
 * contexts (kilobytes) belong to the thread's `struct units_context`, are keyed when a connection
 * uses them and stay keyed until another one does.
 */
#ifndef CRYPTO_UNITS_H
#define CRYPTO_UNITS_H

#include <adit/adit.h>
#include <stdbool.h>

enum { UNITS_NONCE_LEN = 12, UNITS_TAG_LEN = 16 };

enum units_cipher { UNITS_AES_CBC, UNITS_AES_GCM, UNITS_AES_GCM_SIV };

enum units_error {
    UNITS_OK = 0,
    UNITS_E_CRYPTO = -1,         /* the cryptographic library failed */
    UNITS_E_RANDOM = -2,         /* the random function failed */
    UNITS_E_AUTHENTICATION = -3, /* the tag is wrong */
    UNITS_E_NONCE = -4,          /* aes-gcm: not the other side's prefix and next counter */
    UNITS_E_COUNTER = -5,        /* aes-gcm: no counter left */
};

/* ---- Per thread ---- */

struct units_context;

/* random(random_arg, …) gives nonces. NULL without memory or without a cipher of the three. */
struct units_context *units_context_new(adit_random_fn *random, void *random_arg);

/* Wipes and frees. NULL is allowed. */
void units_context_free(struct units_context *context);

/* ---- Per connection ---- */

struct units {
    uint8_t key[32];
    union units_direction {
        uint8_t iv[16];   /* aes-cbc: the last block of ciphertext */
        uint64_t counter; /* aes-gcm: of the next unit */
    } sent, received;
    uint64_t serial; /* names this connection among all of its context */
    uint8_t cipher;
    bool initiator; /* the client of the connection */
};

/* iv is used by aes-cbc alone. */
void units_init(struct units *units, struct units_context *context, enum units_cipher cipher,
                const uint8_t key[32], const uint8_t iv[16], bool initiator);

/* Overwrites the connection's secrets, and the context's contexts that hold its key. */
void units_wipe(struct units *units, struct units_context *context);

/* Wire bytes that a unit has more than plain ones: 0 or 28. */
size_t units_overhead(const struct units *units);

/*
 * Writes the unit of len plain bytes to out, len + units_overhead() bytes that do not overlap
 * plain. For aes-cbc len is a multiple of 16. Units must go to the wire in the order of the calls.
 */
enum units_error units_seal(struct units *units, struct units_context *context,
                            const uint8_t *plain, size_t len, uint8_t *out);

/* Opens the unit in, len + units_overhead() bytes, into len bytes at plain. */
enum units_error units_open(struct units *units, struct units_context *context, const uint8_t *in,
                            size_t len, uint8_t *plain);

#endif
