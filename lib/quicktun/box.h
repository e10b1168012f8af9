/*
 * One packet sealed or opened in place: crypto_box (curve25519-xsalsa20-poly1305), tag first.
 */
#ifndef QUICKTUN_BOX_H
#define QUICKTUN_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    QUICKTUN_TAG_LEN = 16,
    QUICKTUN_NONCE_LEN = 24,
    QUICKTUN_SHARED_LEN = 32, /* what crypto_box_beforenm() gives */
};

/* box[0..16) becomes the tag, box[16..16 + len) is encrypted in place. */
void quicktun_box_seal(const uint8_t shared[QUICKTUN_SHARED_LEN],
                       const uint8_t nonce[QUICKTUN_NONCE_LEN], uint8_t *box, size_t len);

/* The inverse; false, and nothing decrypted, when the tag is wrong. */
bool quicktun_box_open(const uint8_t shared[QUICKTUN_SHARED_LEN],
                       const uint8_t nonce[QUICKTUN_NONCE_LEN], uint8_t *box, size_t len);

#endif
