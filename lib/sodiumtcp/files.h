/*
 * Extension mode, receiving: the bodies of its PDUs (docs/protocols/sodiumtcp.md, Files).
 */
#ifndef SODIUMTCP_FILES_H
#define SODIUMTCP_FILES_H

#include "lib/sodiumtcp/session.h"

/*
 * Reads the body of a PDU from BEGIN on that sodiumtcp_pdu_check() let pass. Returns 0 or the
 * session's error.
 */
int sodiumtcp_files_receive(struct sodiumtcp_session *session, uint32_t type, const uint8_t *body,
                            size_t len, struct sodiumtcp_event *event);

/* Server: CREDIT is due: the limit may rise by a quarter of the window. */
bool sodiumtcp_files_credit_due(const struct sodiumtcp_session *session);

#endif
