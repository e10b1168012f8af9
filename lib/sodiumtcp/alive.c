#include "lib/sodiumtcp/alive.h"

#include "base/cursor.h"

#include <string.h>

/*
 * A tick that comes later than the end of the allowed silence by more than this proves nothing:
 * the machine slept. The other side is asked once and has ANSWER_MS.
 */
enum { LATE_MS = 5000, ANSWER_MS = 20000 };

static bool opening(const struct sodiumtcp_session *session)
{
    return session->state == SODIUMTCP_STATE_AWAIT_AUTH ||
           session->state == SODIUMTCP_STATE_AWAIT_HELO;
}

static bool untimed(const struct sodiumtcp_session *session)
{
    return session->error || session->state == SODIUMTCP_STATE_DECIDE ||
           session->state == SODIUMTCP_STATE_OVER;
}

void sodiumtcp_alive_start(struct sodiumtcp_session *session, uint64_t now_ms)
{
    session->heard_ms = now_ms;
    session->pings.next_ms = now_ms + session->ping_after_ms;
}

void sodiumtcp_progress(struct sodiumtcp_session *session, uint64_t now_ms)
{
    session->heard_ms = now_ms;
    session->asked_again = false;
}

void sodiumtcp_ping(struct sodiumtcp_session *session)
{
    session->pings.due = session->pings.unanswered < SODIUMTCP_PINGS_MAX;
}

void sodiumtcp_alive_pinged(struct sodiumtcp_session *session, uint64_t now_ms)
{
    struct sodiumtcp_pings *pings = &session->pings;
    pings->due = false;
    pings->sent_ms[pings->unanswered++] = now_ms;
}

int sodiumtcp_alive_on_ping(struct sodiumtcp_session *session)
{
    if (session->pings.pongs == SODIUMTCP_PONGS_MAX)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_PINGS);
    session->pings.pongs++;
    return SODIUMTCP_OK;
}

int sodiumtcp_alive_on_pong(struct sodiumtcp_session *session, uint64_t now_ms)
{
    struct sodiumtcp_pings *pings = &session->pings;
    if (pings->unanswered == 0)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_PONG);
    uint64_t rtt_ms = now_ms - pings->sent_ms[0];
    session->counters.rtt_ms = rtt_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)rtt_ms;
    pings->unanswered--;
    memmove(pings->sent_ms, pings->sent_ms + 1, pings->unanswered * sizeof *pings->sent_ms);
    return SODIUMTCP_OK;
}

uint64_t sodiumtcp_deadline(const struct sodiumtcp_session *session)
{
    if (untimed(session))
        return UINT64_MAX;
    if (opening(session))
        return session->opening_deadline_ms;
    uint64_t dead_ms = session->heard_ms + session->idle_ms;
    return dead_ms < session->pings.next_ms ? dead_ms : session->pings.next_ms;
}

/* The time of the ping after the one that is due: up to 59/60 of ping_after_ms later than that. */
static int schedule_ping(struct sodiumtcp_session *session, uint64_t now_ms)
{
    uint8_t drawn[2] = {0};
    int error = sodiumtcp_session_random(session, drawn, sizeof drawn);
    struct cursor cursor = cursor_over(drawn, sizeof drawn);
    uint64_t spread_ms = (uint64_t)session->ping_after_ms * SODIUMTCP_PING_SPREAD_MS /
                         SODIUMTCP_PING_AFTER_MS * cursor_u16(&cursor) / UINT16_MAX;
    session->pings.next_ms = now_ms + session->ping_after_ms + spread_ms;
    return error;
}

static int tick_silence(struct sodiumtcp_session *session, uint64_t now_ms)
{
    uint64_t dead_ms = session->heard_ms + session->idle_ms;
    if (now_ms < dead_ms)
        return SODIUMTCP_OK;
    if (session->asked_again || now_ms - dead_ms <= LATE_MS || session->idle_ms < ANSWER_MS)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_DEAD);
    session->asked_again = true;
    session->heard_ms = now_ms - session->idle_ms + ANSWER_MS;
    sodiumtcp_ping(session);
    return SODIUMTCP_OK;
}

int sodiumtcp_tick(struct sodiumtcp_session *session, uint64_t now_ms)
{
    if (session->error || untimed(session))
        return session->error;
    if (opening(session)) {
        return now_ms < session->opening_deadline_ms
                   ? SODIUMTCP_OK
                   : sodiumtcp_session_fail(session, SODIUMTCP_E_TIMEOUT);
    }
    int error = tick_silence(session, now_ms);
    if (error || now_ms < session->pings.next_ms)
        return error;
    if (session->pings.unanswered == SODIUMTCP_PINGS_MAX)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_PONGS);
    session->pings.due = true;
    return schedule_ping(session, now_ms);
}
