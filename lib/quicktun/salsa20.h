/*
 * Salsa20/20 for many blocks at once (D. J. Bernstein, "The Salsa20 family of stream ciphers"), on
 * processors with wide registers. A lane of a register belongs to a block, a register to one of the
 * sixteen words of each block's state, so that all blocks go through the rounds together.
 *
 * Time and memory access depend on lengths alone.
 */
#ifndef QUICKTUN_SALSA20_H
#define QUICKTUN_SALSA20_H

#include <stddef.h>
#include <stdint.h>

enum {
    QUICKTUN_SALSA20_BLOCK = 64,
    QUICKTUN_SALSA20_LANES = 8, /* blocks are made in multiples of this */
};

/* The words that a block begins with, but for its number. */
struct quicktun_salsa20 {
    uint32_t words[16];
};

void quicktun_salsa20_init(struct quicktun_salsa20 *salsa20, const uint8_t key[32],
                           const uint8_t nonce[8]);

/*
 * Adds (xor) so many blocks of key stream, a multiple of QUICKTUN_SALSA20_LANES and from number
 * `first` on, to as many blocks of bytes. first + blocks is below 2^32.
 */
typedef void quicktun_salsa20_xor_fn(const struct quicktun_salsa20 *salsa20, uint32_t first,
                                     uint8_t *bytes, size_t blocks);
quicktun_salsa20_xor_fn quicktun_salsa20_xor_avx512; /* AVX-512F and VL */

#endif
