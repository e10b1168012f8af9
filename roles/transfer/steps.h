/*
 * The steps of one connection's inbox that wait for the helper pool, in their order, and the chunks
 * of memory that its bytes come in.
 */
#ifndef ROLES_TRANSFER_STEPS_H
#define ROLES_TRANSFER_STEPS_H

#include "roles/transfer/inbox.h"

enum { STEPS_SPARE_MAX = 4 }; /* chunks kept for the next bytes */

struct steps {
    struct inbox_step *first;
    struct inbox_step **end;
    size_t count;
    uint8_t *spare[STEPS_SPARE_MAX];
    size_t spares;
};

void steps_init(struct steps *steps);

/* Forgets what waits; the spare chunks stay. */
void steps_drop(struct steps *steps);

/* Frees all. */
void steps_clear(struct steps *steps);

/* Takes the step over. False where it is NULL, which is what a lack of memory made of it. */
bool steps_push(struct steps *steps, struct inbox_step *step);

/*
 * The chunk at the end with room for `least` further bytes, a new one where there is none: as large
 * as the `left` bytes that can still come, so that many small items take little memory. NULL
 * without memory.
 */
struct inbox_step *steps_chunk(struct steps *steps, uint64_t left, size_t least);

/* A zstd frame as it came, copied. False without memory. */
bool steps_push_packed(struct steps *steps, const uint8_t *frame, size_t len, size_t plain_len);

/* No more bytes come for the chunk at the end: what it does not need is given up. */
void steps_trim(struct steps *steps);

/* Bytes that a step gives the file. */
size_t steps_plain_len(const struct inbox_step *step);

/*
 * Takes a batch off the front, so that many small steps need few turns of the helper pool; NULL
 * where there is nothing to be done. The chunk that the next bytes go to stays.
 */
struct inbox_step *steps_take(struct steps *steps);

/* Puts the batch that was just taken back. */
void steps_put_back(struct steps *steps, struct inbox_step *batch);

/* A step that is done, or never will be; its chunk may serve again. */
void steps_free(struct steps *steps, struct inbox_step *step);

#endif
