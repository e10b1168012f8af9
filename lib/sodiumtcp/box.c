#include "lib/sodiumtcp/box.h"

#include <sodium.h>

int sodiumtcp_box_seal(const uint8_t *plain, size_t len, const uint8_t *public_key,
                       const uint8_t *ephemeral_secret, uint8_t *out)
{
    uint8_t nonce[crypto_box_NONCEBYTES];
    crypto_generichash_state hash;
    if (crypto_scalarmult_base(out, ephemeral_secret) != 0)
        return -1;
    crypto_generichash_init(&hash, NULL, 0, sizeof nonce);
    crypto_generichash_update(&hash, out, crypto_box_PUBLICKEYBYTES);
    crypto_generichash_update(&hash, public_key, crypto_box_PUBLICKEYBYTES);
    crypto_generichash_final(&hash, nonce, sizeof nonce);
    return crypto_box_easy(out + crypto_box_PUBLICKEYBYTES, plain, len, nonce, public_key,
                           ephemeral_secret);
}
