/*
 * Replays a recorded session through an engine that sends it.
 */
#ifndef VECTORS_SNITUN_SEND_H
#define VECTORS_SNITUN_SEND_H

#include "tests/vectors/snitun_case.h"

/*
 * The engine, in that role, must write every recorded byte: by its public functions where an
 * engine sends such a frame, else by the frame encoder with the same cipher state.
 */
bool snitun_send_replay(const struct recorded_session *recorded, enum snitun_role role,
                        const char *where);

#endif
