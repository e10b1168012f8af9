/*
 * Public mode: DATA and its answers (docs/protocols/sodiumtcp.md, Public mode).
 */
#ifndef SODIUMTCP_PUBLIC_H
#define SODIUMTCP_PUBLIC_H

#include "lib/sodiumtcp/session.h"

/* Server: as many DATA as may be are not answered. */
bool sodiumtcp_public_full(const struct sodiumtcp_session *session);

/* Server: DATA came. */
void sodiumtcp_public_on_data(struct sodiumtcp_session *session, const uint8_t *data, size_t len,
                              struct sodiumtcp_event *event);

/* Client: the body of an answer came. Returns 0 or the session's error. */
int sodiumtcp_public_on_answer(struct sodiumtcp_session *session, const uint8_t *body,
                               struct sodiumtcp_event *event);

/* Client: DATA of len bytes was sent. */
void sodiumtcp_public_sent(struct sodiumtcp_session *session, size_t len);

/* Server: n more bytes have left memory. */
void sodiumtcp_public_written(struct sodiumtcp_session *session, size_t n);

/* Server: the answer that is due; the body is written to out. False where none is. */
bool sodiumtcp_public_answer(struct sodiumtcp_session *session,
                             uint8_t out[SODIUMTCP_PUBLIC_ACK_LEN]);

#endif
