/*
 * Extension mode in a replay: the engine's calls that must write a recorded PDU, and the events
 * that must come of one.
 */
#ifndef VECTORS_SODIUMTCP_FILES_H
#define VECTORS_SODIUMTCP_FILES_H

#include "tests/vectors/vectors_sodiumtcp_case.h"

/*
 * Makes the engine say what the PDU says: its wire bytes in out, or an error. For PDUs that
 * sodiumtcp_control() writes, prepares that and returns 0.
 */
long files_write(struct sodiumtcp_session *session, const struct pdu *pdu, uint8_t *out);

/* True when an event comes of that PDU. */
bool files_tells(const struct pdu *pdu);

/* True when the event says what the PDU says. */
bool files_same_event(const struct sodiumtcp_event *event, const struct pdu *pdu);

#endif
