/*
 * Replays a recorded session through an engine that receives it.
 */
#ifndef VECTORS_SNITUN_RECEIVE_H
#define VECTORS_SNITUN_RECEIVE_H

#include "tests/vectors/snitun_case.h"

/*
 * The engine, in that role, must make of the recorded bytes exactly what the frames say: frame by
 * frame, byte by byte, in random pieces and all at once.
 */
bool snitun_receive_replay(const struct recorded_session *recorded, enum snitun_role role,
                           const char *where);

#endif
