#include "lib/quicktun/alive.h"

#include <string.h>

enum { JITTER_PART = 10 }; /* an echo request comes earlier by up to this part of ping_after_ms */

void quicktun_alive_adjust(struct quicktun_session *session)
{
    const struct quicktun_options *options = &session->options;
    struct quicktun_alive *alive = &session->alive;
    alive->dead_after_ms = options->dead_after_ms ? options->dead_after_ms : QUICKTUN_DEAD_AFTER_MS;
    uint32_t ping_after_ms =
        options->ping_after_ms ? options->ping_after_ms : QUICKTUN_PING_AFTER_MS;
    if (ping_after_ms >= alive->dead_after_ms)
        ping_after_ms = alive->dead_after_ms / 2; /* who is not asked cannot answer */
    uint64_t most_ms = ping_after_ms / JITTER_PART;
    alive->ping_after_ms = ping_after_ms - (uint32_t)(most_ms * alive->jitter >> 16);
}

int quicktun_alive_init(struct quicktun_session *session, uint64_t now_ms)
{
    uint8_t random[2];
    int error = quicktun_session_random(session, random, sizeof random);
    if (error)
        return error;
    session->alive.jitter = (uint16_t)(random[0] << 8 | random[1]);
    quicktun_alive_adjust(session);
    quicktun_alive_heard(session, now_ms);
    return QUICKTUN_OK;
}

void quicktun_alive_heard(struct quicktun_session *session, uint64_t now_ms)
{
    struct quicktun_alive *alive = &session->alive;
    alive->ping_at_ms = now_ms + alive->ping_after_ms;
    alive->dead_at_ms = now_ms + alive->dead_after_ms;
    alive->asked = false;
}

/* When the line is silent, or the round trip is to be measured; at first that is at once. */
static uint64_t next_ping_ms(const struct quicktun_session *session)
{
    const struct quicktun_alive *alive = &session->alive;
    bool metered = session->options.meter_every_ms > 0 && alive->meter_at_ms < alive->ping_at_ms;
    return metered ? alive->meter_at_ms : alive->ping_at_ms;
}

int quicktun_alive_tick(struct quicktun_session *session, uint64_t now_ms)
{
    struct quicktun_alive *alive = &session->alive;
    if (!session->was_up)
        return 0; /* QUICKTUN_E_NOT_UP bounds it */
    if (now_ms >= alive->dead_at_ms) {
        /* A tick that comes much later than it was due, because the machine slept, finds no proof
         * of death: the other side is asked first. */
        uint64_t chance_ms = alive->dead_after_ms - alive->ping_after_ms;
        if (alive->asked && now_ms - alive->dead_at_ms < chance_ms)
            return QUICKTUN_E_DEAD;
        alive->dead_at_ms = now_ms + chance_ms;
        alive->asked = false;
        alive->ping_at_ms = now_ms;
    }
    return !alive->asked && now_ms >= next_ping_ms(session);
}

uint64_t quicktun_alive_deadline(const struct quicktun_session *session)
{
    const struct quicktun_alive *alive = &session->alive;
    return alive->asked ? alive->dead_at_ms : next_ping_ms(session);
}

void quicktun_alive_pinged(struct quicktun_session *session, uint64_t now_ms)
{
    session->alive.asked = true;
    session->alive.pinged_at_ms = now_ms;
    session->alive.meter_at_ms = now_ms + session->options.meter_every_ms;
    session->alive.pong_awaited = true;
}

void quicktun_alive_pong(struct quicktun_session *session, uint64_t now_ms, const uint8_t *data,
                         size_t len)
{
    struct quicktun_alive *alive = &session->alive;
    if (!alive->pong_awaited || len != sizeof alive->echo || memcmp(data, alive->echo, len) != 0)
        return;
    alive->pong_awaited = false;
    uint64_t rtt_ms = now_ms - alive->pinged_at_ms;
    session->counters.rtt_ms = rtt_ms == 0           ? 1
                               : rtt_ms > UINT32_MAX ? UINT32_MAX
                                                     : (uint32_t)rtt_ms;
}

void quicktun_progress(struct quicktun_session *session, uint64_t now_ms)
{
    if (!session->error)
        session->alive.dead_at_ms = now_ms + session->alive.dead_after_ms;
}

bool quicktun_asked(const struct quicktun_session *session)
{
    return session->alive.asked;
}
