/*
 * Control frames that wait for snitun_control(): first the handshake's unit, then pongs, CLOSE for
 * refused channels, our ping, then what channels have to say, first come, first served. Nothing
 * here grows with what the other side sends: answers are counted, and a channel says at most one
 * of each, of which only the newest state of PAUSE and RESUME counts.
 */
#ifndef SNITUN_CONTROL_H
#define SNITUN_CONTROL_H

#include "lib/snitun/session.h"

/* Takes the channel into the queue or out of it, as its flags say. */
void snitun_control_update(struct snitun_channel *channel);

/* A ping is to be answered, or dropped and counted when SNITUN_PONGS_MAX wait already. */
void snitun_control_pong(struct snitun_session *session, const uint8_t id[SNITUN_ID_LEN]);

/* A channel is refused: a CLOSE goes out, unless SNITUN_REFUSALS_MAX wait already. Counted. */
void snitun_control_refuse(struct snitun_session *session, const uint8_t id[SNITUN_ID_LEN]);

/* Forgets everything that waits but the channels. */
void snitun_control_clear(struct snitun_session *session);

#endif
