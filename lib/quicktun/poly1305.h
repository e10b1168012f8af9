/*
 * Poly1305 (D. J. Bernstein, "The Poly1305-AES message-authentication code"; RFC 8439, 2.5) for
 * 64-bit processors: block by block, and for many blocks at once where registers are wide.
 *
 * The tag of blocks m1, m2, ... mn, each a number of 129 bits, is
 *
 *     m1 r^n + m2 r^(n-1) + ... + mn r   modulo p = 2^130 - 5,   plus a pad   modulo 2^128.
 *
 * A number modulo p is kept in limbs of 44, 44 and 42 bits, so that products of limbs have room to
 * be added up before anything is carried: limbs[0] + 2^44 limbs[1] + 2^88 limbs[2]. What lies at
 * 2^130 and above counts five times at the bottom, as 2^130 = 5 modulo p. Limbs may exceed their
 * size by a little in between; only the end makes the number smaller than p.
 *
 * Time and memory access depend on lengths alone.
 */
#ifndef QUICKTUN_POLY1305_H
#define QUICKTUN_POLY1305_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    QUICKTUN_POLY1305_KEY = 32,
    QUICKTUN_POLY1305_BLOCK = 16,
    QUICKTUN_POLY1305_TAG = 16,
    QUICKTUN_POLY1305_LIMBS = 3,
    QUICKTUN_POLY1305_POWERS = 8, /* as many as the widest registers have lanes for */
};

/* Bits of each limb, as masks. */
#define QUICKTUN_POLY1305_MASK44 (((uint64_t)1 << 44) - 1)
#define QUICKTUN_POLY1305_MASK42 (((uint64_t)1 << 42) - 1)

/* 2^128, which is added to every whole block, in the third limb. */
#define QUICKTUN_POLY1305_TOP ((uint64_t)1 << (128 - 88))

struct quicktun_poly1305 {
    uint64_t h[QUICKTUN_POLY1305_LIMBS]; /* of the blocks so far */
    uint64_t pad[2];
    /* powers[i][n] is limb i of r^(n + 1): a register's worth of one limb lies in one place */
    uint64_t powers[QUICKTUN_POLY1305_LIMBS][QUICKTUN_POLY1305_POWERS];
    size_t known; /* of powers */
};

/* Wipe it when it is done with. */
void quicktun_poly1305_start(struct quicktun_poly1305 *poly,
                             const uint8_t key[QUICKTUN_POLY1305_KEY]);

/* Takes so many whole blocks. */
typedef void quicktun_poly1305_blocks_fn(struct quicktun_poly1305 *poly, const uint8_t *bytes,
                                         size_t blocks);
quicktun_poly1305_blocks_fn quicktun_poly1305_blocks;
quicktun_poly1305_blocks_fn quicktun_poly1305_blocks_avx2;
quicktun_poly1305_blocks_fn quicktun_poly1305_blocks_ifma; /* AVX-512F, VL and IFMA */

/* Takes the last len bytes, fewer than a block or none, and says the tag. */
void quicktun_poly1305_finish(struct quicktun_poly1305 *poly, const uint8_t *bytes, size_t len,
                              uint8_t tag[QUICKTUN_POLY1305_TAG]);

/* ---- For those who take many blocks at once ---- */

/* Sees that the first `count` powers are known. */
void quicktun_poly1305_raise(struct quicktun_poly1305 *poly, size_t count);

/* Brings limbs of up to 63 bits down to their sizes, but for a few bits in limbs[1]. */
void quicktun_poly1305_carry(uint64_t limbs[QUICKTUN_POLY1305_LIMBS]);

#endif
