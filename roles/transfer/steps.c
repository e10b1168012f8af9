#include "roles/transfer/steps.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL_CHUNK = 4096 };

void steps_init(struct steps *steps)
{
    *steps = (struct steps){.end = &steps->first};
}

void steps_drop(struct steps *steps)
{
    while (steps->first != NULL) {
        struct inbox_step *step = steps->first;
        steps->first = step->next;
        inbox_step_free(step);
    }
    steps->end = &steps->first;
    steps->count = 0;
}

void steps_clear(struct steps *steps)
{
    steps_drop(steps);
    while (steps->spares > 0)
        free(steps->spare[--steps->spares]);
}

bool steps_push(struct steps *steps, struct inbox_step *step)
{
    if (step == NULL)
        return false;
    *steps->end = step;
    steps->end = &step->next;
    steps->count++;
    return true;
}

static struct inbox_step *last(const struct steps *steps)
{
    return steps->count == 0 ? NULL : container_of(steps->end, struct inbox_step, next);
}

/* ---- Chunks ---- */

static struct inbox_step *new_chunk(struct steps *steps, uint64_t left)
{
    struct inbox_step *step = inbox_step_new(INBOX_WRITE, 0, NULL);
    if (step == NULL)
        return NULL;
    step->room = left < INBOX_CHUNK ? (size_t)left : INBOX_CHUNK;
    if (step->room < SMALL_CHUNK)
        step->room = SMALL_CHUNK;
    if (step->room == INBOX_CHUNK && steps->spares > 0)
        step->bytes = steps->spare[--steps->spares];
    else
        step->bytes = malloc(step->room);
    if (step->bytes != NULL)
        return step;
    inbox_step_free(step);
    return NULL;
}

struct inbox_step *steps_chunk(struct steps *steps, uint64_t left, size_t least)
{
    struct inbox_step *step = last(steps);
    if (step != NULL && step->type == INBOX_WRITE && step->room - step->len >= least)
        return step;
    step = new_chunk(steps, left);
    return steps_push(steps, step) ? step : NULL;
}

bool steps_push_packed(struct steps *steps, const uint8_t *frame, size_t len, size_t plain_len)
{
    struct inbox_step *step = inbox_step_new(INBOX_WRITE, 0, NULL);
    if (step == NULL)
        return false;
    step->bytes = malloc(len);
    if (step->bytes == NULL) {
        inbox_step_free(step);
        return false;
    }
    memcpy(step->bytes, frame, len);
    step->len = step->room = len;
    step->plain_len = plain_len;
    return steps_push(steps, step);
}

void steps_trim(struct steps *steps)
{
    struct inbox_step *step = last(steps);
    if (step == NULL || step->type != INBOX_WRITE || step->len == 0 || step->len == step->room)
        return;
    uint8_t *smaller = realloc(step->bytes, step->len);
    if (smaller != NULL)
        step->bytes = smaller;
    step->room = step->len;
}

void steps_free(struct steps *steps, struct inbox_step *step)
{
    if (step->room == INBOX_CHUNK && steps->spares < STEPS_SPARE_MAX) {
        steps->spare[steps->spares++] = step->bytes;
        step->bytes = NULL;
    }
    inbox_step_free(step);
}

/* ---- Batches ---- */

size_t steps_plain_len(const struct inbox_step *step)
{
    return step->plain_len > 0 ? step->plain_len : step->len;
}

struct inbox_step *steps_take(struct steps *steps)
{
    struct inbox_step *batch = steps->first;
    struct inbox_step *end = NULL;
    size_t bytes = 0;
    size_t count = 0;
    for (struct inbox_step *step = batch; step != NULL; step = step->next) {
        bool open = step->type == INBOX_WRITE && step->len == 0 && step->next == NULL;
        if (open || count >= INBOX_BATCH_STEPS || bytes >= INBOX_BATCH_BYTES)
            break;
        end = step;
        bytes += steps_plain_len(step);
        count++;
    }
    if (end == NULL)
        return NULL;
    steps->first = end->next;
    steps->count -= count;
    if (steps->first == NULL)
        steps->end = &steps->first;
    end->next = NULL;
    return batch;
}

void steps_put_back(struct steps *steps, struct inbox_step *batch)
{
    struct inbox_step *end = batch;
    steps->count++;
    for (; end->next != NULL; end = end->next)
        steps->count++;
    end->next = steps->first;
    if (end->next == NULL)
        steps->end = &end->next;
    steps->first = batch;
}
