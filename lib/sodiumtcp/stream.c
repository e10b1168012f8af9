#include "lib/sodiumtcp/stream.h"

#include <string.h>

/*
 * A message of the secretstream is ChaCha20-Poly1305 (RFC 8439) of a block of 64 bytes, the tag
 * and 63 zeros, and the text. Of the block's ciphertext one byte is sent; the others are key
 * stream. Only the padding before Poly1305's lengths differs: libsodium pads with len mod 16
 * zeros, the RFC up to a multiple of 16, which is the same where len is a multiple of 8.
 */
enum { BLOCK_LEN = SODIUMTCP_AEAD_HEAD_LEN, MAC_LEN = 16, NONCE_LEN = 12, COUNTER_LEN = 4 };

_Static_assert(SODIUMTCP_MESSAGE_OVERHEAD == 1 + MAC_LEN, "a message is tag, text, MAC");

static bool goes_elsewhere(const struct sodiumtcp_aead *aead, size_t len)
{
    return aead->seal && len >= SODIUMTCP_STREAM_LONG && len % 8 == 0;
}

/* The nonce of the next message is one further, and depends on this one's MAC. */
static void advance(crypto_secretstream_xchacha20poly1305_state *stream, const uint8_t *mac)
{
    for (size_t i = COUNTER_LEN; i < NONCE_LEN; i++)
        stream->nonce[i] ^= mac[i - COUNTER_LEN];
    sodium_increment(stream->nonce, COUNTER_LEN);
    if (sodium_is_zero(stream->nonce, COUNTER_LEN))
        crypto_secretstream_xchacha20poly1305_rekey(stream);
}

bool sodiumtcp_stream_push(crypto_secretstream_xchacha20poly1305_state *stream,
                           const struct sodiumtcp_aead *aead, const uint8_t *plain, size_t len,
                           uint8_t *out)
{
    uint8_t block[BLOCK_LEN] = {crypto_secretstream_xchacha20poly1305_TAG_MESSAGE};
    uint8_t *mac = out + 1 + len;
    if (!goes_elsewhere(aead, len))
        return crypto_secretstream_xchacha20poly1305_push(
                   stream, out, NULL, plain, len, NULL, 0,
                   crypto_secretstream_xchacha20poly1305_TAG_MESSAGE) == 0;
    if (!aead->seal(aead->arg, stream->k, stream->nonce, block, plain, len, out + 1, mac))
        return false;
    out[0] = block[0];
    advance(stream, mac);
    return true;
}

static int pull_elsewhere(crypto_secretstream_xchacha20poly1305_state *stream,
                          const struct sodiumtcp_aead *aead, const uint8_t *wire, size_t len,
                          uint8_t *plain)
{
    uint8_t block[BLOCK_LEN] = {0};
    uint8_t mac[MAC_LEN];
    /* Of the other bytes the ciphertext is the key stream, as they are zeros. */
    crypto_stream_chacha20_ietf_xor_ic(block, block, BLOCK_LEN, stream->nonce, 1, stream->k);
    block[0] = wire[0];
    memcpy(mac, wire + 1 + len, MAC_LEN);
    if (!aead->open(aead->arg, stream->k, stream->nonce, block, wire + 1, len, mac, plain)) {
        sodium_memzero(plain, len);
        return SODIUMTCP_E_AUTHENTICATION;
    }
    advance(stream, mac);
    return block[0] == crypto_secretstream_xchacha20poly1305_TAG_MESSAGE ? SODIUMTCP_OK
                                                                         : SODIUMTCP_E_TAG;
}

int sodiumtcp_stream_pull(crypto_secretstream_xchacha20poly1305_state *stream,
                          const struct sodiumtcp_aead *aead, const uint8_t *wire, size_t wire_len,
                          uint8_t *plain)
{
    unsigned char tag = 0;
    if (goes_elsewhere(aead, wire_len - SODIUMTCP_MESSAGE_OVERHEAD))
        return pull_elsewhere(stream, aead, wire, wire_len - SODIUMTCP_MESSAGE_OVERHEAD, plain);
    if (crypto_secretstream_xchacha20poly1305_pull(stream, plain, NULL, &tag, wire, wire_len, NULL,
                                                   0) != 0)
        return SODIUMTCP_E_AUTHENTICATION;
    return tag == crypto_secretstream_xchacha20poly1305_TAG_MESSAGE ? SODIUMTCP_OK
                                                                    : SODIUMTCP_E_TAG;
}
