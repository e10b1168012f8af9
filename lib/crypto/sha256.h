/*
 * SHA-256 (FIPS 180-4).
 */
#ifndef LIB_CRYPTO_SHA256_H
#define LIB_CRYPTO_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_LEN = 32 };

/* 0, or -1 when the cryptographic library failed. */
int sha256(const void *bytes, size_t len, uint8_t digest[SHA256_LEN]);

#endif
