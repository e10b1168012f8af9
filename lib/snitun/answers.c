#include "lib/snitun/answers.h"

#include <stdlib.h>
#include <string.h>

struct snitun_answers *snitun_answers_borrow(struct snitun_session *session)
{
    struct snitun_context *context = session->context;
    if (!session->control.answers) {
        session->control.answers = context->spare ? context->spare : malloc(sizeof *context->spare);
        context->spare = NULL;
        if (session->control.answers) {
            session->control.answers->pongs.count = 0;
            session->control.answers->refusals.count = 0;
        }
    }
    return session->control.answers;
}

void snitun_answers_return(struct snitun_session *session)
{
    struct snitun_context *context = session->context;
    if (context->spare) {
        free(session->control.answers);
    } else {
        context->spare = session->control.answers;
    }
    session->control.answers = NULL;
}

bool snitun_answers_push(struct snitun_id_ring *ring, const uint8_t id[SNITUN_ID_LEN])
{
    if (ring->count == SNITUN_PONGS_MAX) {
        return false;
    }
    if (ring->count == 0) {
        ring->first = 0;
    }
    memcpy(ring->ids[(ring->first + ring->count) % SNITUN_PONGS_MAX], id, SNITUN_ID_LEN);
    ring->count++;
    return true;
}

bool snitun_answers_pop(struct snitun_id_ring *ring, uint8_t id[SNITUN_ID_LEN])
{
    if (ring->count == 0) {
        return false;
    }
    memcpy(id, ring->ids[ring->first], SNITUN_ID_LEN);
    ring->first = (uint8_t)((ring->first + 1) % SNITUN_PONGS_MAX);
    ring->count--;
    return true;
}
