/*
 * Keys and nonces (docs/protocols/quicktun.md, Keys and nonces): one direction's four values, and
 * which keys of a peer are acceptable.
 */
#ifndef QUICKTUN_KEYS_H
#define QUICKTUN_KEYS_H

#include "lib/quicktun/box.h"

#include <adit/quicktun.h>

enum { QUICKTUN_INPUT_LEN = 24, QUICKTUN_INPUT_USED = 12 /* bytes that enter a nonce */ };

extern const uint8_t quicktun_key0_secret[QUICKTUN_KEY_LEN];
extern const uint8_t quicktun_key0_public[QUICKTUN_KEY_LEN];

enum quicktun_kind { QUICKTUN_KIND_KEY0, QUICKTUN_KIND_LONG_TERM, QUICKTUN_KIND_SESSION };

/* Of our sending or of our receiving. `key` is computed when it is first needed. */
struct quicktun_direction {
    uint8_t mine[QUICKTUN_KEY_LEN]; /* secret */
    uint8_t theirs[QUICKTUN_KEY_LEN];
    uint8_t nonce[QUICKTUN_NONCE_LEN];
    struct quicktun_box_key key;
    uint8_t mine_kind; /* enum quicktun_kind */
    uint8_t theirs_kind;
    bool on;
    bool shared_known;
};

/* Off, key 0 in both places. */
void quicktun_direction_init(struct quicktun_direction *direction);

/* Puts a key in one of the two places. What was there is gone. */
void quicktun_direction_mine(struct quicktun_direction *direction, const uint8_t *secret,
                             enum quicktun_kind kind);
void quicktun_direction_theirs(struct quicktun_direction *direction, const uint8_t *public_key,
                               enum quicktun_kind kind);

/* nonce = receiver's input[0:12] || sender's input[0:12] */
void quicktun_direction_nonce(struct quicktun_direction *direction, const uint8_t *receivers,
                              const uint8_t *senders);

/* Key 0 is in neither place. */
bool quicktun_direction_clean(const struct quicktun_direction *direction);

/* Seals or opens box[0..16 + len) and goes on to the next nonce. */
void quicktun_direction_seal(struct quicktun_direction *direction, uint8_t *box, size_t len);
bool quicktun_direction_open(struct quicktun_direction *direction, uint8_t *box, size_t len);

/*
 * Every spelling of a point, and every point that differs from it by one of small order, gives the
 * same class; classes of small order give false. So equal classes are keys with the same secret.
 */
bool quicktun_key_class(const uint8_t public_key[QUICKTUN_KEY_LEN],
                        uint8_t out[QUICKTUN_SHARED_LEN]);

#endif
