/*
 * What our end does on its own (docs/protocols/quicktun.md, What adit's ends do), and when.
 */
#include "lib/quicktun/alive.h"
#include "lib/quicktun/send.h"

/* ---- Key updates ---- */

static uint64_t bytes_since_update(const struct quicktun_session *session)
{
    return session->counters.bytes_received + session->counters.bytes_sent -
           session->bytes_at_update;
}

/*
 * The other side accepts a Begin of ours: it has our Start (an anonymous end has none), it can open
 * the packet with a key that is not key 0, and we have not given up updates for Disable encryption.
 */
static bool may_update(const struct quicktun_session *session)
{
    bool introduced = session->context->keyed ? session->start_sent : session->start_received;
    return introduced && !session->options.weak_disable && !session->disabled &&
           session->out.theirs_kind != QUICKTUN_KIND_KEY0 &&
           !quicktun_pending_has(session, QUICKTUN_CODE_BEGIN_UPDATE);
}

/* Updates cost the other side time: it takes no more than a few. */
static uint64_t update_allowed_ms(const struct quicktun_session *session)
{
    const uint64_t at_once_ms = (QUICKTUN_UPDATES_BURST - 1) * QUICKTUN_UPDATE_EVERY_MS;
    return session->updates_paid_ms > at_once_ms ? session->updates_paid_ms - at_once_ms : 0;
}

static bool update_due(const struct quicktun_session *session, uint64_t now_ms)
{
    if (!may_update(session))
        return false;
    if (session->out.mine_kind != QUICKTUN_KIND_SESSION)
        return true;
    uint64_t bytes = bytes_since_update(session);
    return now_ms >= update_allowed_ms(session) && (bytes >= session->options.update_after_bytes ||
                                                    (bytes > 0 && now_ms >= session->update_at_ms));
}

/* ---- The start ---- */

/* Our end says what it has to say under its keys before the tunnel: Tunnel options that count, and
 * the password request with them, so that who has the one knows whether there is the other. Of an
 * end that begins no key update it is the packet that proves it. */
static bool settle_due(const struct quicktun_session *session)
{
    return !session->settled && session->out.on && quicktun_direction_clean(&session->out) &&
           (session->options.weak_long_term_keys ||
            quicktun_session_protection(session) == QUICKTUN_SESSION);
}

/* An anonymous end whose policy waits for no keys asks in clear, where it may. */
static bool clear_ask_due(const struct quicktun_session *session)
{
    return session->options.ask && session->options.weak_clear_passwords &&
           !session->context->keyed && !session->start_received && !session->password_right &&
           quicktun_session_keys_met(session) &&
           !quicktun_pending_has(session, QUICKTUN_CODE_ASK_PASSWORD);
}

static int settle(struct quicktun_session *session, uint64_t now_ms, struct quicktun_wire *wire)
{
    session->settled = true;
    if (session->options.ask && !session->password_right &&
        !quicktun_pending_has(session, QUICKTUN_CODE_ASK_PASSWORD))
        return quicktun_send_options_and_ask(session, now_ms, wire);
    quicktun_send_options(session, wire, quicktun_send_offer(session));
    return QUICKTUN_OK;
}

/* The other side has said under its keys whether it wants a password: none is asked for after. */
static bool disable_due(const struct quicktun_session *session)
{
    return session->options.disable_encryption && !session->disabled && session->settled &&
           session->pending.count == 0 && (session->settled_heard || session->zero_received) &&
           quicktun_session_policy_met(session);
}

static bool zero_due(const struct quicktun_session *session)
{
    bool keys_seen = session->start_sent || session->start_received;
    bool sent = keys_seen && quicktun_direction_clean(&session->out) ? session->zero_sent_clean
                                                                     : session->zero_sent;
    if (sent || !quicktun_session_policy_met(session) ||
        quicktun_pending_has(session, QUICKTUN_CODE_DISABLE))
        return false;
    /* What we have agreed by then must not change under packets that are on their way. */
    bool settled = !session->out.on || !quicktun_direction_clean(&session->out) || session->settled;
    return settled && (!session->options.disable_encryption || session->disabled);
}

/* ---- One step at a time ---- */

/* Does the first thing that is due. Returns 1 when it did, 0 when nothing is due, or an error. */
static int step(struct quicktun_session *session, uint64_t now_ms, struct quicktun_wire *wire)
{
    int error = QUICKTUN_OK;
    if (!session->identified) {
        session->identified = true;
        quicktun_send_identification(session, wire);
    } else if (!session->introduced) {
        session->introduced = true;
        quicktun_send_options(session, wire, quicktun_send_offer(session));
    } else if (session->context->keyed && !session->start_sent) {
        error = quicktun_send_start_crypto(session, now_ms, wire, false);
    } else if (update_due(session, now_ms)) {
        error = quicktun_send_begin_update(session, now_ms, wire);
    } else if (settle_due(session)) {
        error = settle(session, now_ms, wire);
    } else if (clear_ask_due(session)) {
        error = quicktun_send_ask_password(session, now_ms, wire);
    } else if (disable_due(session)) {
        quicktun_send_disable(session, now_ms, wire);
    } else if (zero_due(session)) {
        quicktun_send_start_data(session, wire);
    } else {
        return 0;
    }
    return error ? error : 1;
}

/* An echo request, when the line is silent. Without room for one, our bytes wait for the other
 * side already: that asks as well. */
static int ask_alive(struct quicktun_session *session, uint64_t now_ms, struct quicktun_wire *wire)
{
    int due = quicktun_alive_tick(session, now_ms);
    if (due <= 0)
        return due;
    uint8_t *echo = session->alive.echo;
    int error = quicktun_session_random(session, echo, sizeof session->alive.echo);
    if (error)
        return error;
    if (quicktun_session_may_send(session) && quicktun_send_has_room(wire, QUICKTUN_ROOM))
        quicktun_send_command(session, wire, QUICKTUN_CODE_ECHO, echo, sizeof session->alive.echo);
    quicktun_alive_pinged(session, now_ms);
    return QUICKTUN_OK;
}

/* ---- Time ---- */

static int overdue(const struct quicktun_session *session, uint64_t now_ms)
{
    if (!session->was_up && now_ms - session->started_at_ms >= QUICKTUN_UP_MS)
        return QUICKTUN_E_NOT_UP;
    if (session->pending.count > 0 && now_ms - session->pending.since_ms >= QUICKTUN_UNANSWERED_MS)
        return QUICKTUN_E_UNANSWERED;
    return QUICKTUN_OK;
}

int quicktun_tick(struct quicktun_session *session, uint64_t now_ms, struct quicktun_wire *wire)
{
    if (session->error)
        return session->error;
    int error = overdue(session, now_ms);
    int done = 1;
    while (!error && done > 0 && quicktun_send_has_room(wire, QUICKTUN_ROOM)) {
        done = step(session, now_ms, wire);
        error = done < 0 ? done : QUICKTUN_OK;
    }
    session->blocked = done != 0;
    session->was_up |= quicktun_session_up(session);
    if (!error)
        error = ask_alive(session, now_ms, wire);
    return error ? quicktun_session_fail(session, error) : QUICKTUN_OK;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t quicktun_deadline(const struct quicktun_session *session)
{
    uint64_t deadline = 0;
    if (session->error)
        return deadline;
    deadline = session->was_up ? quicktun_alive_deadline(session)
                               : session->started_at_ms + QUICKTUN_UP_MS;
    if (session->pending.count > 0)
        deadline = earlier(deadline, session->pending.since_ms + QUICKTUN_UNANSWERED_MS);
    if (!session->blocked && may_update(session)) {
        uint64_t bytes = bytes_since_update(session);
        if (bytes >= session->options.update_after_bytes)
            deadline = earlier(deadline, update_allowed_ms(session));
        else if (bytes > 0)
            deadline = earlier(deadline, session->update_at_ms);
    }
    return deadline;
}
