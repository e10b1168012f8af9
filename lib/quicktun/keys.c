#include "lib/quicktun/keys.h"

#include <sodium.h>
#include <string.h>

/* SHA-256("QuickTunTcp key0") and its public key. */
const uint8_t quicktun_key0_secret[QUICKTUN_KEY_LEN] = {
    0x5d, 0x76, 0xe5, 0x76, 0x6f, 0x5b, 0x5a, 0x0c, 0xae, 0xa2, 0x79, 0x4c, 0xf8, 0x73, 0xd1, 0x41,
    0x66, 0x55, 0x99, 0xc4, 0xcf, 0xd5, 0xa0, 0x14, 0xf2, 0x2c, 0xcc, 0x1f, 0x8f, 0x13, 0x0d, 0xe8,
};
const uint8_t quicktun_key0_public[QUICKTUN_KEY_LEN] = {
    0x35, 0x0f, 0x3d, 0xfe, 0xb7, 0x15, 0x5d, 0xac, 0x95, 0xf8, 0xd4, 0x51, 0xe6, 0xb6, 0x93, 0xd2,
    0xca, 0x95, 0xea, 0xec, 0xfc, 0x57, 0x56, 0x52, 0x5d, 0x54, 0x82, 0xa3, 0xaa, 0x25, 0x27, 0x2d,
};

void quicktun_direction_init(struct quicktun_direction *direction)
{
    *direction = (struct quicktun_direction){0};
    memcpy(direction->mine, quicktun_key0_secret, sizeof direction->mine);
    memcpy(direction->theirs, quicktun_key0_public, sizeof direction->theirs);
}

void quicktun_direction_mine(struct quicktun_direction *direction, const uint8_t *secret,
                             enum quicktun_kind kind)
{
    memcpy(direction->mine, secret, sizeof direction->mine);
    direction->mine_kind = (uint8_t)kind;
    direction->shared_known = false;
}

void quicktun_direction_theirs(struct quicktun_direction *direction, const uint8_t *public_key,
                               enum quicktun_kind kind)
{
    memcpy(direction->theirs, public_key, sizeof direction->theirs);
    direction->theirs_kind = (uint8_t)kind;
    direction->shared_known = false;
}

void quicktun_direction_nonce(struct quicktun_direction *direction, const uint8_t *receivers,
                              const uint8_t *senders)
{
    memcpy(direction->nonce, receivers, QUICKTUN_INPUT_USED);
    memcpy(direction->nonce + QUICKTUN_INPUT_USED, senders, QUICKTUN_INPUT_USED);
}

bool quicktun_direction_clean(const struct quicktun_direction *direction)
{
    return direction->mine_kind != QUICKTUN_KIND_KEY0 &&
           direction->theirs_kind != QUICKTUN_KIND_KEY0;
}

static void next_nonce(struct quicktun_direction *direction)
{
    for (size_t i = QUICKTUN_NONCE_LEN; i-- > 0;)
        if (++direction->nonce[i] != 0)
            return;
}

/* False for a point of small order: a key of theirs is none, its class was refused. */
static bool share(struct quicktun_direction *direction)
{
    if (!direction->shared_known) {
        direction->shared_known =
            quicktun_box_key_init(&direction->key, direction->theirs, direction->mine);
    }
    return direction->shared_known;
}

void quicktun_direction_seal(struct quicktun_direction *direction, uint8_t *box, size_t len)
{
    if (!share(direction)) {
        sodium_memzero(box, QUICKTUN_TAG_LEN + len); /* does not authenticate over there */
        return;
    }
    quicktun_box_seal(&direction->key, direction->nonce, box, len);
    next_nonce(direction);
}

bool quicktun_direction_open(struct quicktun_direction *direction, uint8_t *box, size_t len)
{
    if (!share(direction) || !quicktun_box_open(&direction->key, direction->nonce, box, len))
        return false;
    next_nonce(direction);
    return true;
}

bool quicktun_key_class(const uint8_t public_key[QUICKTUN_KEY_LEN],
                        uint8_t out[QUICKTUN_SHARED_LEN])
{
    return crypto_box_beforenm(out, public_key, quicktun_key0_secret) == 0;
}
