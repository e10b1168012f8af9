#include "lib/sodiumtcp/public.h"

#include <stdio.h>
#include <string.h>

static void push(struct sodiumtcp_blocks *blocks, size_t len)
{
    blocks->lens[(blocks->first + blocks->count) % SODIUMTCP_BLOCKS_MAX] = (uint32_t)len;
    blocks->count++;
}

static uint32_t pop(struct sodiumtcp_blocks *blocks)
{
    uint32_t len = blocks->lens[blocks->first];
    blocks->first = (uint8_t)((blocks->first + 1) % SODIUMTCP_BLOCKS_MAX);
    blocks->count--;
    return len;
}

static void answer_text(uint8_t out[SODIUMTCP_PUBLIC_ACK_LEN], uint32_t len)
{
    memset(out, 0, SODIUMTCP_PUBLIC_ACK_LEN);
    snprintf((char *)out, SODIUMTCP_PUBLIC_ACK_LEN, "DATA OK: RECEIVED %u BYTES", (unsigned)len);
}

/* ---- Server ---- */

bool sodiumtcp_public_full(const struct sodiumtcp_session *session)
{
    return session->blocks.count == SODIUMTCP_BLOCKS_MAX;
}

void sodiumtcp_public_on_data(struct sodiumtcp_session *session, const uint8_t *data, size_t len,
                              struct sodiumtcp_event *event)
{
    push(&session->blocks, len);
    session->counters.plain_received += len;
    sodiumtcp_public_written(session, 0);
    event->type = SODIUMTCP_DATA;
    event->data = data;
    event->len = len;
}

void sodiumtcp_public_written(struct sodiumtcp_session *session, size_t n)
{
    struct sodiumtcp_blocks *blocks = &session->blocks;
    session->written += n;
    while (blocks->due < blocks->count) {
        uint32_t len = blocks->lens[(blocks->first + blocks->due) % SODIUMTCP_BLOCKS_MAX];
        if (session->written < len)
            break;
        session->written -= len;
        blocks->due++;
    }
    if (blocks->due == blocks->count)
        session->written = 0; /* more than there was */
}

bool sodiumtcp_public_answer(struct sodiumtcp_session *session,
                             uint8_t out[SODIUMTCP_PUBLIC_ACK_LEN])
{
    struct sodiumtcp_blocks *blocks = &session->blocks;
    if (!session->server || blocks->due == 0)
        return false;
    blocks->due--;
    answer_text(out, pop(blocks));
    return true;
}

/* ---- Client ---- */

void sodiumtcp_public_sent(struct sodiumtcp_session *session, size_t len)
{
    push(&session->blocks, len);
    session->counters.plain_sent += len;
}

int sodiumtcp_public_on_answer(struct sodiumtcp_session *session, const uint8_t *body,
                               struct sodiumtcp_event *event)
{
    struct sodiumtcp_blocks *blocks = &session->blocks;
    uint8_t expected[SODIUMTCP_PUBLIC_ACK_LEN];
    if (blocks->count == 0)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_ANSWER);
    uint32_t len = pop(blocks);
    answer_text(expected, len);
    if (memcmp(body, expected, strlen((const char *)expected) + 1) != 0)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_ANSWER);
    event->type = SODIUMTCP_ANSWERED;
    event->length = len;
    return SODIUMTCP_OK;
}
