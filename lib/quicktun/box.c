#include "lib/quicktun/box.h"

#include <sodium.h>

void quicktun_box_seal(const uint8_t shared[QUICKTUN_SHARED_LEN],
                       const uint8_t nonce[QUICKTUN_NONCE_LEN], uint8_t *box, size_t len)
{
    uint8_t *text = box + QUICKTUN_TAG_LEN;
    /* Fails for lengths alone that no packet has. */
    (void)crypto_box_detached_afternm(text, box, text, len, nonce, shared);
}

bool quicktun_box_open(const uint8_t shared[QUICKTUN_SHARED_LEN],
                       const uint8_t nonce[QUICKTUN_NONCE_LEN], uint8_t *box, size_t len)
{
    uint8_t *text = box + QUICKTUN_TAG_LEN;
    return crypto_box_open_detached_afternm(text, text, box, len, nonce, shared) == 0;
}
