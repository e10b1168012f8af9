/*
 * The key exchange that opens the extension (docs/protocols/sodiumtcp.md, Key exchange).
 */
#ifndef SODIUMTCP_EXCHANGE_H
#define SODIUMTCP_EXCHANGE_H

#include "lib/sodiumtcp/session.h"

/* Client: draws its ephemeral key; KEY_CLIENT waits in the opening. */
int sodiumtcp_exchange_ask(struct sodiumtcp_session *session);

/* Server: KEY_CLIENT came. KEY_SERVER waits in the opening, the new keys hold after it. */
int sodiumtcp_exchange_on_ask(struct sodiumtcp_session *session, const uint8_t *body,
                              struct sodiumtcp_event *event);

/* Client: KEY_SERVER came. The new keys hold. */
int sodiumtcp_exchange_on_answer(struct sodiumtcp_session *session, const uint8_t *body,
                                 struct sodiumtcp_event *event);

#endif
