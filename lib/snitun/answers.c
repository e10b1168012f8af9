#include "lib/snitun/answers.h"

#include <stdlib.h>
#include <string.h>

/* One for pongs is kept, so that a ping costs no allocation. */
static struct snitun_answers *borrow(struct snitun_context *context, uint16_t room)
{
    struct snitun_answers *answers = context->spare;
    if (answers && room == SNITUN_PONGS_MAX)
        context->spare = NULL;
    else
        answers = malloc(sizeof *answers + (size_t)room * SNITUN_ID_LEN);
    if (answers) {
        answers->room = room;
        answers->first = 0;
        answers->count = 0;
    }
    return answers;
}

void snitun_answers_return(struct snitun_context *context, struct snitun_answers **answers)
{
    if (*answers && (*answers)->room == SNITUN_PONGS_MAX && !context->spare)
        context->spare = *answers;
    else
        free(*answers);
    *answers = NULL;
}

bool snitun_answers_push(struct snitun_context *context, struct snitun_answers **answers,
                         uint16_t room, const uint8_t id[SNITUN_ID_LEN])
{
    if (!*answers)
        *answers = borrow(context, room);
    struct snitun_answers *ring = *answers;
    if (!ring || ring->count == ring->room)
        return false;
    memcpy(ring->ids[(ring->first + ring->count) % ring->room], id, SNITUN_ID_LEN);
    ring->count++;
    return true;
}

bool snitun_answers_pop(struct snitun_context *context, struct snitun_answers **answers,
                        uint8_t id[SNITUN_ID_LEN])
{
    struct snitun_answers *ring = *answers;
    if (!ring)
        return false;
    memcpy(id, ring->ids[ring->first], SNITUN_ID_LEN);
    ring->first = (uint16_t)((ring->first + 1) % ring->room);
    ring->count--;
    if (ring->count == 0)
        snitun_answers_return(context, answers);
    return true;
}
