#include "base/cursor.h"
#include "lib/sodiumtcp/alive.h"
#include "lib/sodiumtcp/files.h"
#include "lib/sodiumtcp/items.h"
#include "lib/sodiumtcp/pdu.h"
#include "lib/sodiumtcp/public.h"

#include <string.h>

static bool opening_waits(const struct sodiumtcp_session *session)
{
    return session->opening && session->opening->wire_len > 0;
}

static bool finished_due(const struct sodiumtcp_session *session)
{
    return session->finished_due &&
           !sodiumtcp_items_finished(session->items, session->items->announced);
}

bool sodiumtcp_wants_to_send(const struct sodiumtcp_session *session)
{
    if (session->error)
        return false;
    if (opening_waits(session))
        return true;
    return sodiumtcp_session_may_seal(session) &&
           (session->pings.pongs > 0 || session->pings.due || session->blocks.due > 0 ||
            session->padding_due > 0 || sodiumtcp_files_credit_due(session) ||
            finished_due(session));
}

/* What waits in the opening; behind KEY_SERVER nothing of the opening is needed any more. */
static size_t write_opening(struct sodiumtcp_session *session, uint8_t *out)
{
    struct sodiumtcp_opening *opening = session->opening;
    size_t len = opening->wire_len;
    memcpy(out, opening->wire, len);
    opening->wire_len = 0;
    if (session->state == SODIUMTCP_STATE_FILES)
        sodiumtcp_session_opened(session);
    return len;
}

static size_t write_ping(struct sodiumtcp_session *session, enum sodiumtcp_pdu_type type,
                         struct sodiumtcp_wall wall, uint8_t *out)
{
    uint8_t body[SODIUMTCP_PING_LEN] = {0};
    store_u64(body, wall.seconds);
    store_u32(body + 8, wall.nanoseconds);
    return sodiumtcp_pdu_seal(session, type, body, sizeof body, out);
}

static size_t write_credit(struct sodiumtcp_session *session, uint8_t *out)
{
    uint8_t body[SODIUMTCP_CREDIT_LEN];
    session->credit = session->written + session->window;
    store_u64(body, session->credit);
    return sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_CREDIT, body, sizeof body, out);
}

static size_t write_finished(struct sodiumtcp_session *session, uint8_t *out)
{
    uint8_t body[SODIUMTCP_FINISH_LEN];
    store_u32(body, session->items->announced);
    size_t len = sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_FINISHED, body, sizeof body, out);
    session->state = SODIUMTCP_STATE_OVER;
    return len;
}

static long write_padding(struct sodiumtcp_session *session, uint8_t *out)
{
    static const uint8_t zeros[SODIUMTCP_PADDING_MAX];
    size_t len = 0;
    int error = sodiumtcp_session_padding(session, &len);
    if (error)
        return error;
    session->padding_due--;
    return (long)sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_PADDING, zeros, len, out);
}

/* One PDU: its wire bytes, 0 when none waits, or an error. */
static long write_one(struct sodiumtcp_session *session, uint64_t now_ms,
                      struct sodiumtcp_wall wall, uint8_t *out)
{
    uint8_t answer[SODIUMTCP_PUBLIC_ACK_LEN];
    if (opening_waits(session))
        return (long)write_opening(session, out);
    if (!sodiumtcp_session_may_seal(session))
        return 0;
    if (session->pings.pongs > 0) {
        session->pings.pongs--;
        return (long)write_ping(session, SODIUMTCP_PDU_PONG, wall, out);
    }
    if (session->pings.due) {
        sodiumtcp_alive_pinged(session, now_ms);
        return (long)write_ping(session, SODIUMTCP_PDU_PING, wall, out);
    }
    if (sodiumtcp_public_answer(session, answer))
        return (long)sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_DATA, answer, sizeof answer, out);
    if (sodiumtcp_files_credit_due(session))
        return (long)write_credit(session, out);
    if (finished_due(session))
        return (long)write_finished(session, out);
    return session->padding_due > 0 ? write_padding(session, out) : 0;
}

long sodiumtcp_control(struct sodiumtcp_session *session, uint64_t now_ms,
                       struct sodiumtcp_wall wall, uint8_t *out, size_t room)
{
    size_t written = 0;
    if (session->error)
        return session->error;
    while (room - written >= SODIUMTCP_CONTROL_ROOM) {
        long len = write_one(session, now_ms, wall, out + written);
        if (len <= 0)
            return len < 0 ? len : (long)written;
        written += (size_t)len;
    }
    return (long)written;
}

void sodiumtcp_written(struct sodiumtcp_session *session, size_t n)
{
    if (session->state == SODIUMTCP_STATE_FILES) {
        uint64_t waiting = session->moved - session->written;
        session->written += n < waiting ? n : waiting;
    } else {
        sodiumtcp_public_written(session, n);
    }
}
