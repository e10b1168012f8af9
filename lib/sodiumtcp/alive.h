/*
 * Alive or dead (docs/protocols/sodiumtcp.md, Pings): the opening's time, pings, silence.
 */
#ifndef SODIUMTCP_ALIVE_H
#define SODIUMTCP_ALIVE_H

#include "lib/sodiumtcp/session.h"

/* The opening is over: pings begin. */
void sodiumtcp_alive_start(struct sodiumtcp_session *session, uint64_t now_ms);

/* A PING went out. */
void sodiumtcp_alive_pinged(struct sodiumtcp_session *session, uint64_t now_ms);

/* A PING came: a PONG is owed. Returns 0 or the session's error. */
int sodiumtcp_alive_on_ping(struct sodiumtcp_session *session);

/* A PONG came. Returns 0 or the session's error. */
int sodiumtcp_alive_on_pong(struct sodiumtcp_session *session, uint64_t now_ms);

#endif
