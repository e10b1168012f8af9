/*
 * Ids that wait for an answer of ours: pings for their pong, refused channels for their CLOSE.
 * Half a kilobyte, borrowed by a session while it owes an answer.
 */
#ifndef SNITUN_ANSWERS_H
#define SNITUN_ANSWERS_H

#include "lib/snitun/session.h"

struct snitun_id_ring {
    uint8_t first;
    uint8_t count;
    uint8_t ids[SNITUN_PONGS_MAX][SNITUN_ID_LEN];
};

struct snitun_answers {
    struct snitun_id_ring pongs;
    struct snitun_id_ring refusals;
};

_Static_assert((int)SNITUN_REFUSALS_MAX == (int)SNITUN_PONGS_MAX, "one size of ring");

/* The session's answers, borrowed when it has none yet; NULL without memory. */
struct snitun_answers *snitun_answers_borrow(struct snitun_session *session);

/* Gives them back, whatever is in them. */
void snitun_answers_return(struct snitun_session *session);

/* False when the ring is full. */
bool snitun_answers_push(struct snitun_id_ring *ring, const uint8_t id[SNITUN_ID_LEN]);

/* Takes the oldest id; false when there is none. */
bool snitun_answers_pop(struct snitun_id_ring *ring, uint8_t id[SNITUN_ID_LEN]);

#endif
