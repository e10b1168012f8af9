#include "lib/snitun/alive.h"

#include <string.h>

enum { JITTER_PART = 10 }; /* a ping comes earlier by up to this part of ping_after_ms */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

int snitun_alive_init(struct snitun_session *session, const struct snitun_options *options,
                      uint64_t now_ms)
{
    uint8_t random[2];
    int error = snitun_session_random(session, random, sizeof random);
    if (error)
        return error;
    uint32_t dead_after_ms = or_default(options->dead_after_ms, SNITUN_DEAD_AFTER_MS);
    uint32_t ping_after_ms = or_default(options->ping_after_ms, SNITUN_PING_AFTER_MS);
    if (ping_after_ms >= dead_after_ms)
        ping_after_ms = dead_after_ms / 2; /* who is not asked cannot answer */
    uint64_t fraction = (uint64_t)random[0] << 8 | random[1];
    uint64_t jitter_ms = ping_after_ms / JITTER_PART * fraction >> 16;
    session->alive.ping_after_ms = ping_after_ms - (uint32_t)jitter_ms;
    session->alive.dead_after_ms = dead_after_ms;
    session->alive.dead_at_ms = now_ms + or_default(options->handshake_ms, SNITUN_HANDSHAKE_MS);
    return SNITUN_OK;
}

void snitun_alive_heard(struct snitun_session *session, uint64_t now_ms)
{
    struct snitun_alive *alive = &session->alive;
    alive->ping_at_ms = now_ms + alive->ping_after_ms;
    alive->dead_at_ms = now_ms + alive->dead_after_ms;
    alive->asked = false;
}

void snitun_alive_pinged(struct snitun_session *session, uint64_t now_ms)
{
    session->alive.pinged_at_ms = now_ms;
    session->alive.pong_awaited = true;
}

bool snitun_alive_pong(struct snitun_session *session, uint64_t now_ms,
                       const uint8_t id[SNITUN_ID_LEN])
{
    struct snitun_alive *alive = &session->alive;
    if (!alive->pong_awaited || memcmp(id, session->ping_id, sizeof session->ping_id) != 0)
        return false;
    alive->pong_awaited = false;
    uint64_t rtt_ms = now_ms - alive->pinged_at_ms;
    session->counters.rtt_ms = rtt_ms == 0           ? 1
                               : rtt_ms > UINT32_MAX ? UINT32_MAX
                                                     : (uint32_t)rtt_ms;
    return true;
}

void snitun_progress(struct snitun_session *session, uint64_t now_ms)
{
    if (snitun_session_running(session))
        session->alive.dead_at_ms = now_ms + session->alive.dead_after_ms;
}

bool snitun_asked(const struct snitun_session *session)
{
    return session->alive.asked;
}

void snitun_ping(struct snitun_session *session)
{
    if (snitun_session_running(session))
        session->control.ping_due = true;
}

uint64_t snitun_deadline(const struct snitun_session *session)
{
    const struct snitun_alive *alive = &session->alive;
    if (session->error)
        return 0;
    bool ping_next = session->state == SNITUN_STATE_RUNNING && !alive->asked;
    return ping_next ? alive->ping_at_ms : alive->dead_at_ms;
}

static void ask(struct snitun_session *session)
{
    session->control.ping_due = true;
    session->alive.asked = true;
}

int snitun_tick(struct snitun_session *session, uint64_t now_ms)
{
    struct snitun_alive *alive = &session->alive;
    if (session->error)
        return session->error;
    if (session->state != SNITUN_STATE_RUNNING) {
        return now_ms < alive->dead_at_ms
                   ? SNITUN_OK
                   : snitun_session_fail(session, SNITUN_E_HANDSHAKE_TIMEOUT);
    }
    uint64_t chance_ms = alive->dead_after_ms - alive->ping_after_ms;
    if (now_ms >= alive->dead_at_ms) {
        if (alive->asked && now_ms - alive->dead_at_ms < chance_ms)
            return snitun_session_fail(session, SNITUN_E_DEAD);
        ask(session);
        alive->dead_at_ms = now_ms + chance_ms;
    } else if (!alive->asked && now_ms >= alive->ping_at_ms) {
        ask(session);
    }
    return SNITUN_OK;
}
