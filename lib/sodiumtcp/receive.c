#include "lib/sodiumtcp/alive.h"
#include "lib/sodiumtcp/exchange.h"
#include "lib/sodiumtcp/files.h"
#include "lib/sodiumtcp/handshake.h"
#include "lib/sodiumtcp/items.h"
#include "lib/sodiumtcp/pdu.h"
#include "lib/sodiumtcp/public.h"

struct lent {
    uint8_t *bytes;
    size_t room;
};

/* True while the next step is the caller's, or the control bytes' that wait. */
static bool waits(const struct sodiumtcp_session *session)
{
    switch ((enum sodiumtcp_state)session->state) {
    case SODIUMTCP_STATE_DECIDE:
        return true;
    case SODIUMTCP_STATE_CHOICE:
        return session->opening->wire_len > 0;
    case SODIUMTCP_STATE_PUBLIC:
        return session->server && session->body_expected &&
               session->body_type == SODIUMTCP_PDU_DATA && sodiumtcp_public_full(session);
    default:
        return false;
    }
}

/* Bytes of the next unit: a sealed PDU, a header, a body. */
static size_t unit_len(const struct sodiumtcp_session *session)
{
    switch ((enum sodiumtcp_state)session->state) {
    case SODIUMTCP_STATE_AWAIT_AUTH:
        return SODIUMTCP_AUTH_WIRE_LEN;
    case SODIUMTCP_STATE_AWAIT_HELO:
        return SODIUMTCP_HELO_WIRE_LEN;
    default:
        return session->body_expected ? session->body_len + SODIUMTCP_MESSAGE_OVERHEAD
                                      : SODIUMTCP_HEADER_WIRE_LEN;
    }
}

/* The client's first PDU is another than KEY_CLIENT: public mode, for good. */
static void choose_public(struct sodiumtcp_session *session, struct sodiumtcp_event *event)
{
    session->state = SODIUMTCP_STATE_PUBLIC;
    sodiumtcp_session_opened(session);
    sodiumtcp_handshake_ready(session, event);
}

static int on_header(struct sodiumtcp_session *session, const uint8_t *wire,
                     struct sodiumtcp_event *event)
{
    uint8_t header[SODIUMTCP_HEADER_LEN];
    int error = sodiumtcp_pdu_open(session, wire, SODIUMTCP_HEADER_WIRE_LEN, header);
    if (error)
        return error;
    error = sodiumtcp_pdu_read_header(header, &session->body_type, &session->body_len);
    error = error ? error : sodiumtcp_pdu_check(session, session->body_type, session->body_len);
    if (error)
        return sodiumtcp_session_fail(session, error);
    session->body_expected = true;
    if (session->state == SODIUMTCP_STATE_CHOICE && session->body_type != SODIUMTCP_PDU_KEY_CLIENT)
        choose_public(session, event);
    return SODIUMTCP_OK;
}

static bool carries_data(uint32_t type)
{
    return type == SODIUMTCP_PDU_DATA || type == SODIUMTCP_PDU_BLOCK;
}

static int on_body(struct sodiumtcp_session *session, uint64_t now_ms, uint8_t *wire,
                   struct lent lent, struct sodiumtcp_event *event)
{
    uint32_t type = session->body_type;
    size_t len = session->body_len;
    bool elsewhere = lent.bytes && carries_data(type) && len <= lent.room;
    uint8_t *body = elsewhere ? lent.bytes : wire + 1;
    int error = sodiumtcp_pdu_open(session, wire, len + SODIUMTCP_MESSAGE_OVERHEAD, body);
    if (error)
        return error;
    session->body_expected = false;
    session->counters.pdus_received++;
    switch (type) {
    case SODIUMTCP_PDU_DATA:
        if (!session->server)
            return sodiumtcp_public_on_answer(session, body, event);
        sodiumtcp_public_on_data(session, body, len, event);
        return SODIUMTCP_OK;
    case SODIUMTCP_PDU_PING:
        return sodiumtcp_alive_on_ping(session);
    case SODIUMTCP_PDU_PONG:
        return sodiumtcp_alive_on_pong(session, now_ms);
    case SODIUMTCP_PDU_KEY_CLIENT:
        return sodiumtcp_exchange_on_ask(session, body, event);
    case SODIUMTCP_PDU_KEY_SERVER:
        return sodiumtcp_exchange_on_answer(session, body, event);
    default:
        return sodiumtcp_files_receive(session, type, body, len, event);
    }
}

static int on_unit(struct sodiumtcp_session *session, uint64_t now_ms, uint8_t *wire,
                   struct lent lent, struct sodiumtcp_event *event)
{
    switch ((enum sodiumtcp_state)session->state) {
    case SODIUMTCP_STATE_AWAIT_AUTH:
        return sodiumtcp_handshake_on_auth(session, wire, event);
    case SODIUMTCP_STATE_AWAIT_HELO:
        return sodiumtcp_handshake_on_helo(session, now_ms, wire, event);
    default:
        return session->body_expected ? on_body(session, now_ms, wire, lent, event)
                                      : on_header(session, wire, event);
    }
}

int sodiumtcp_receive(struct sodiumtcp_session *session, uint64_t now_ms, uint8_t *in, size_t len,
                      uint8_t *into, size_t into_room, size_t *consumed,
                      struct sodiumtcp_event *event)
{
    struct lent lent = {into, into_room};
    *consumed = 0;
    *event = (struct sodiumtcp_event){.type = SODIUMTCP_NEED_MORE};
    if (session->error)
        return session->error;
    if (len > 0)
        sodiumtcp_progress(session, now_ms);
    int error = SODIUMTCP_OK;
    while (!error && event->type == SODIUMTCP_NEED_MORE) {
        if (session->state == SODIUMTCP_STATE_OVER) {
            *consumed = len;
            event->need = 1;
            break;
        }
        if (waits(session)) {
            event->type = SODIUMTCP_WAIT;
            break;
        }
        event->need = unit_len(session);
        if (len - *consumed < event->need)
            break;
        uint8_t *unit = in + *consumed;
        *consumed += event->need;
        error = on_unit(session, now_ms, unit, lent, event);
    }
    return error;
}

int sodiumtcp_end_of_input(struct sodiumtcp_session *session, size_t unread)
{
    if (session->error || session->state == SODIUMTCP_STATE_OVER)
        return session->error;
    bool public_mode =
        session->state == SODIUMTCP_STATE_PUBLIC || session->state == SODIUMTCP_STATE_CHOICE;
    bool unanswered = !session->server && session->blocks.count > 0;
    if (!public_mode || session->body_expected || unread > 0 || unanswered)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_TRUNCATED);
    return SODIUMTCP_OK;
}
