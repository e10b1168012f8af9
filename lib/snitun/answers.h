/*
 * Ids that wait for an answer of ours: pings for their pong, refused channels for their CLOSE.
 * A ring is borrowed by a session while it owes such answers.
 */
#ifndef SNITUN_ANSWERS_H
#define SNITUN_ANSWERS_H

#include "lib/snitun/session.h"

struct snitun_answers {
    uint16_t room;
    uint16_t first;
    uint16_t count;
    uint8_t ids[][SNITUN_ID_LEN];
};

/*
 * Adds an id to *answers, which is borrowed with that room when there is none yet. False when it is
 * full, or without memory.
 */
bool snitun_answers_push(struct snitun_context *context, struct snitun_answers **answers,
                         uint16_t room, const uint8_t id[SNITUN_ID_LEN]);

/* Takes the oldest id, and gives the ring back with the last one; false when there is none. */
bool snitun_answers_pop(struct snitun_context *context, struct snitun_answers **answers,
                        uint8_t id[SNITUN_ID_LEN]);

/* Gives it back, whatever is in it. */
void snitun_answers_return(struct snitun_context *context, struct snitun_answers **answers);

#endif
