/*
 * Channels: made by a NEW, found by id, ended by both sides.
 */
#ifndef SNITUN_CHANNEL_H
#define SNITUN_CHANNEL_H

#include "lib/snitun/session.h"

/* The open channel of that id, or NULL. */
struct snitun_channel *snitun_channel_find(const struct snitun_session *session,
                                           const uint8_t id[SNITUN_ID_LEN]);

/* True when no further channel may be opened: one whose CLOSE waits still counts. */
bool snitun_channel_over_limit(const struct snitun_session *session);

/* A new open channel; NULL without memory. */
struct snitun_channel *snitun_channel_new(struct snitun_session *session,
                                          const uint8_t id[SNITUN_ID_LEN]);

/* The other side closed the channel: nothing is sent for it any more, and its id is free. */
void snitun_channel_ended(struct snitun_channel *channel);

/* Frees a channel whose CLOSE is sent. */
void snitun_channel_closed(struct snitun_channel *channel);

void snitun_channel_free_all(struct snitun_session *session);

#endif
