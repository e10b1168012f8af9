/*
 * Alive or dead (docs/protocols/snitun.md, Alive or dead). A byte received or snitun_progress() is
 * a sign of life. A ping follows after ping_after_ms of silence, the session's death after
 * dead_after_ms, but never before the other side had a ping's chance: a tick that comes later than
 * the death by more than that chance (the machine slept, or the process was stopped) proves
 * nothing about the other side, so it asks once more.
 */
#ifndef SNITUN_ALIVE_H
#define SNITUN_ALIVE_H

#include "lib/snitun/session.h"

/* Draws the jitter (two bytes) and starts the handshake's time. Returns 0 or SNITUN_E_RANDOM. */
int snitun_alive_init(struct snitun_session *session, const struct snitun_options *options,
                      uint64_t now_ms);

/* A sign of life; the first one ends the handshake's time. */
void snitun_alive_heard(struct snitun_session *session, uint64_t now_ms);

/* A ping of ours went out. */
void snitun_alive_pinged(struct snitun_session *session, uint64_t now_ms);

/* A pong came: true when it answers our newest ping, for the first time. */
bool snitun_alive_pong(struct snitun_session *session, uint64_t now_ms,
                       const uint8_t id[SNITUN_ID_LEN]);

#endif
