/*
 * Whose turn it is: deficit round robin by bytes over the channels that are ready, not paused and
 * announced. A visit earns SNITUN_FRAME_SHARED bytes and ends when they are spent; headers count,
 * so that a channel of tiny frames pays for them. The last frame of a visit may overdraw, by less
 * than a frame, and the next visit pays: frames need not be cut small to fit. A channel that goes
 * idle loses what it had left, and keeps its debt.
 */
#ifndef SNITUN_SCHEDULE_H
#define SNITUN_SCHEDULE_H

#include "lib/snitun/session.h"

/* Takes the channel into the ring or out of it, as its flags say. */
void snitun_schedule_update(struct snitun_channel *channel);

void snitun_schedule_remove(struct snitun_channel *channel);

/* True when snitun_turn() would name a channel. */
bool snitun_schedule_waits(const struct snitun_session *session);

#endif
