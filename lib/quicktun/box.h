/*
 * One packet sealed or opened in place: crypto_box (curve25519-xsalsa20-poly1305), tag first.
 *
 * On processors with AVX-512 it is done here (box_wide.h), elsewhere by libsodium.
 */
#ifndef QUICKTUN_BOX_H
#define QUICKTUN_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    QUICKTUN_TAG_LEN = 16,
    QUICKTUN_NONCE_LEN = 24,
    QUICKTUN_SHARED_LEN = 32,
    QUICKTUN_PREFIX_LEN = 16, /* of a nonce: what HSalsa20 takes */
};

/*
 * A key that two ends share. The subkey that HSalsa20 makes of it and of the beginning of a nonce
 * is kept: nonces count up at their end, so one subkey is good for many packets.
 */
struct quicktun_box_key {
    uint8_t shared[QUICKTUN_SHARED_LEN]; /* what crypto_box_beforenm() gives */
    uint8_t subkey[QUICKTUN_SHARED_LEN];
    uint8_t prefix[QUICKTUN_PREFIX_LEN]; /* that subkey is for */
    bool subkey_known;
};

/* False for a public key of small order: then there is no key. What was there is gone. */
bool quicktun_box_key_init(struct quicktun_box_key *key, const uint8_t public_key[32],
                           const uint8_t secret[32]);

/* box[0..16) becomes the tag, box[16..16 + len) is encrypted in place. */
void quicktun_box_seal(struct quicktun_box_key *key, const uint8_t nonce[QUICKTUN_NONCE_LEN],
                       uint8_t *box, size_t len);

/* The inverse; false, and nothing decrypted, when the tag is wrong. */
bool quicktun_box_open(struct quicktun_box_key *key, const uint8_t nonce[QUICKTUN_NONCE_LEN],
                       uint8_t *box, size_t len);

#endif
