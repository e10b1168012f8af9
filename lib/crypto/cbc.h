/*
 * AES-256-CBC without padding, as one chain that goes on from call to call. OpenSSL.
 * One object serves many chains, one after the other: it is told the key and the IV again whenever
 * the chain changes.
 */
#ifndef CRYPTO_CBC_H
#define CRYPTO_CBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cbc;

/* A cipher for one direction: encrypt or decrypt. NULL without memory or without the cipher. */
struct cbc *cbc_new(bool encrypt);

/* Wipes and frees. NULL is allowed. */
void cbc_free(struct cbc *cbc);

/* Starts or takes up a chain: iv is the block before its next one. False when OpenSSL fails. */
bool cbc_key(struct cbc *cbc, const uint8_t key[32], const uint8_t iv[16]);

/* The next len bytes of the chain, a multiple of 16; in and out may be the same. */
bool cbc_run(struct cbc *cbc, const uint8_t *in, size_t len, uint8_t *out);

#endif
