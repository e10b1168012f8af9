#include "lib/quicktun/box.h"

#ifdef QUICKTUN_BOX_WIDE
#include "lib/quicktun/box_wide.h"
#endif

#include <sodium.h>
#include <string.h>

bool quicktun_box_key_init(struct quicktun_box_key *key, const uint8_t public_key[32],
                           const uint8_t secret[32])
{
    sodium_memzero(key, sizeof *key);
    return crypto_box_beforenm(key->shared, public_key, secret) == 0;
}

#ifdef QUICKTUN_BOX_WIDE
/* Neither a prefix nor whether it is the one before is a secret. */
static const uint8_t *subkey_for(struct quicktun_box_key *key, const uint8_t *nonce)
{
    if (!key->subkey_known || memcmp(key->prefix, nonce, sizeof key->prefix) != 0) {
        (void)crypto_core_hsalsa20(key->subkey, nonce, key->shared, NULL); /* cannot fail */
        memcpy(key->prefix, nonce, sizeof key->prefix);
        key->subkey_known = true;
    }
    return key->subkey;
}
#endif

void quicktun_box_seal(struct quicktun_box_key *key, const uint8_t nonce[QUICKTUN_NONCE_LEN],
                       uint8_t *box, size_t len)
{
    uint8_t *text = box + QUICKTUN_TAG_LEN;
#ifdef QUICKTUN_BOX_WIDE
    const struct quicktun_box_wide *wide = quicktun_box_wide();
    if (wide) {
        quicktun_box_wide_seal(wide, subkey_for(key, nonce), nonce + QUICKTUN_PREFIX_LEN, box, text,
                               len);
        return;
    }
#endif
    /* Fails for lengths alone that no packet has. */
    (void)crypto_box_detached_afternm(text, box, text, len, nonce, key->shared);
}

bool quicktun_box_open(struct quicktun_box_key *key, const uint8_t nonce[QUICKTUN_NONCE_LEN],
                       uint8_t *box, size_t len)
{
    uint8_t *text = box + QUICKTUN_TAG_LEN;
#ifdef QUICKTUN_BOX_WIDE
    const struct quicktun_box_wide *wide = quicktun_box_wide();
    if (wide)
        return quicktun_box_wide_open(wide, subkey_for(key, nonce), nonce + QUICKTUN_PREFIX_LEN,
                                      box, text, len);
#endif
    return crypto_box_open_detached_afternm(text, text, box, len, nonce, key->shared) == 0;
}
