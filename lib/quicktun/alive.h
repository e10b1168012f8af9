/*
 * Alive or dead: when an echo request is due, when the other side has been silent for too long.
 */
#ifndef QUICKTUN_ALIVE_H
#define QUICKTUN_ALIVE_H

#include "lib/quicktun/session.h"

/* Returns 0 or QUICKTUN_E_RANDOM. */
int quicktun_alive_init(struct quicktun_session *session, uint64_t now_ms);

/* The options have changed; they count from the next sign of life on. */
void quicktun_alive_adjust(struct quicktun_session *session);

/* A packet came. */
void quicktun_alive_heard(struct quicktun_session *session, uint64_t now_ms);

/* 1 when an echo request is due (of a session that is or was up), 0 when not, QUICKTUN_E_DEAD. */
int quicktun_alive_tick(struct quicktun_session *session, uint64_t now_ms);

/* When that answer changes. */
uint64_t quicktun_alive_deadline(const struct quicktun_session *session);

/* An echo request with alive.echo was sent; an echo response with these data came. */
void quicktun_alive_pinged(struct quicktun_session *session, uint64_t now_ms);
void quicktun_alive_pong(struct quicktun_session *session, uint64_t now_ms, const uint8_t *data,
                         size_t len);

#endif
