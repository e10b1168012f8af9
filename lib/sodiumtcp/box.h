/*
 * Sealed boxes (docs/protocols/sodiumtcp.md, PDUs): what crypto_box_seal() makes, with an
 * ephemeral key that the caller drew.
 */
#ifndef SODIUMTCP_BOX_H
#define SODIUMTCP_BOX_H

#include <stddef.h>
#include <stdint.h>

/*
 * Seals len plain bytes to public_key; out holds len + crypto_box_SEALBYTES. Returns 0, or -1 for
 * a key that makes no secret.
 */
int sodiumtcp_box_seal(const uint8_t *plain, size_t len, const uint8_t *public_key,
                       const uint8_t *ephemeral_secret, uint8_t *out);

#endif
