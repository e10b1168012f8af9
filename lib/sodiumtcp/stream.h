/*
 * Messages of crypto_secretstream_xchacha20poly1305, by libsodium, or where that gives the same
 * bytes by the context's own ChaCha20-Poly1305.
 */
#ifndef SODIUMTCP_STREAM_H
#define SODIUMTCP_STREAM_H

#include "lib/sodiumtcp/session.h"

/* Messages from this length on go to the context's cipher; of all PDUs only data is as long. */
enum { SODIUMTCP_STREAM_LONG = 8 * 1024 };

/*
 * Seals len bytes with tag 0 into out (len + SODIUMTCP_MESSAGE_OVERHEAD bytes). plain is elsewhere
 * or out + 1. False when the context's cipher failed.
 */
bool sodiumtcp_stream_push(crypto_secretstream_xchacha20poly1305_state *stream,
                           const struct sodiumtcp_aead *aead, const uint8_t *plain, size_t len,
                           uint8_t *out);

/*
 * Opens a message of wire_len bytes into plain, which is elsewhere or wire + 1. Returns 0,
 * SODIUMTCP_E_AUTHENTICATION or SODIUMTCP_E_TAG; plain is not to be used then.
 */
int sodiumtcp_stream_pull(crypto_secretstream_xchacha20poly1305_state *stream,
                          const struct sodiumtcp_aead *aead, const uint8_t *wire, size_t wire_len,
                          uint8_t *plain);

#endif
