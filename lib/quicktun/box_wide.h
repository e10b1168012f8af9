/*
 * crypto_box with wide registers, where the processor has them. lib/quicktun/box.c has the
 * contract.
 */
#ifndef QUICKTUN_BOX_WIDE_H
#define QUICKTUN_BOX_WIDE_H

#include "lib/quicktun/poly1305.h"
#include "lib/quicktun/salsa20.h"

/* The functions for an instruction set. */
struct quicktun_box_wide {
    quicktun_salsa20_xor_fn *xor_blocks;
    quicktun_poly1305_blocks_fn *mac_blocks;
};

extern const struct quicktun_box_wide quicktun_box_avx512; /* F, VL; AVX2 for Poly1305 */
extern const struct quicktun_box_wide quicktun_box_ifma;   /* F, VL, IFMA */

/* The processor has the instructions. */
bool quicktun_box_wide_can(const struct quicktun_box_wide *wide);

/* The best that this processor has; NULL = none. */
const struct quicktun_box_wide *quicktun_box_wide(void);

/*
 * XSalsa20-Poly1305 of text[0..len) in place, once HSalsa20 has made the subkey of the key and the
 * first 16 bytes of the nonce. rest is the other 8.
 */
void quicktun_box_wide_seal(const struct quicktun_box_wide *wide, const uint8_t subkey[32],
                            const uint8_t rest[8], uint8_t tag[16], uint8_t *text, size_t len);
bool quicktun_box_wide_open(const struct quicktun_box_wide *wide, const uint8_t subkey[32],
                            const uint8_t rest[8], const uint8_t tag[16], uint8_t *text,
                            size_t len);

#endif
