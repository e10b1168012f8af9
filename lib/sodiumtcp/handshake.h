/*
 * CLIENT_AUTH and SERVER_HELO (docs/protocols/sodiumtcp.md, Opening, The offer).
 */
#ifndef SODIUMTCP_HANDSHAKE_H
#define SODIUMTCP_HANDSHAKE_H

#include "lib/sodiumtcp/session.h"

/* Client: draws its keys and seals CLIENT_AUTH, to wait in the opening. */
int sodiumtcp_handshake_auth(struct sodiumtcp_session *session,
                             const uint8_t server_public_key[SODIUMTCP_KEY_LEN], const char *login,
                             const char *passphrase);

/* Server: reads CLIENT_AUTH, SODIUMTCP_AUTH_WIRE_LEN bytes; the event is SODIUMTCP_LOGIN. */
int sodiumtcp_handshake_on_auth(struct sodiumtcp_session *session, const uint8_t *wire,
                                struct sodiumtcp_event *event);

/*
 * Client: reads SERVER_HELO, SODIUMTCP_HELO_WIRE_LEN bytes, and chooses the mode: the event is
 * SODIUMTCP_READY in public mode, otherwise KEY_CLIENT waits in the opening.
 */
int sodiumtcp_handshake_on_helo(struct sodiumtcp_session *session, uint64_t now_ms,
                                const uint8_t *wire, struct sodiumtcp_event *event);

/* Tells that the mode is known. */
void sodiumtcp_handshake_ready(struct sodiumtcp_session *session, struct sodiumtcp_event *event);

#endif
