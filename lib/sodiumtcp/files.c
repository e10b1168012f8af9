#include "lib/sodiumtcp/files.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/begin.h"
#include "lib/sodiumtcp/items.h"
#include "lib/sodiumtcp/pdu.h"

static bool hash_meant(const uint8_t *hash, bool meant)
{
    return meant || sodium_is_zero(hash, SODIUMTCP_HASH_LEN);
}

/* ---- Server ---- */

static int on_begin(struct sodiumtcp_session *session, const uint8_t *body, size_t len,
                    struct sodiumtcp_event *event)
{
    event->type = SODIUMTCP_BEGIN;
    int error = sodiumtcp_begin_read(body, len, &event->number, &event->item);
    return error ? error : sodiumtcp_items_begin(session->items, event->number, &event->item);
}

static int on_start(struct sodiumtcp_session *session, struct cursor *cursor,
                    struct sodiumtcp_event *event)
{
    event->type = SODIUMTCP_START;
    event->number = cursor_u32(cursor);
    event->length = cursor_u64(cursor);
    return sodiumtcp_items_start(session->items, event->number, event->length);
}

static int on_block(struct sodiumtcp_session *session, struct cursor *cursor, bool zstd,
                    struct sodiumtcp_event *event)
{
    size_t plain_len = cursor_left(cursor);
    event->type = SODIUMTCP_DATA;
    if (zstd) {
        event->plain_len = cursor_u32(cursor);
        plain_len = event->plain_len;
    }
    event->len = cursor_left(cursor);
    event->data = cursor_take(cursor, event->len);
    if (zstd && (plain_len < SODIUMTCP_ZSTD_PLAIN_MIN || plain_len > SODIUMTCP_ZSTD_PLAIN_MAX ||
                 event->len >= plain_len))
        return SODIUMTCP_E_FIELD;
    if (plain_len > session->credit - session->moved)
        return SODIUMTCP_E_CREDIT;
    int error = sodiumtcp_items_data(session->items, plain_len);
    if (!error) {
        session->moved += plain_len;
        session->counters.plain_received += plain_len;
    }
    return error;
}

static int on_end(struct sodiumtcp_session *session, struct cursor *cursor,
                  struct sodiumtcp_event *event)
{
    event->type = SODIUMTCP_END;
    event->number = cursor_u32(cursor);
    event->status = cursor_u8(cursor);
    event->length = cursor_u64(cursor);
    event->hash = cursor_take(cursor, SODIUMTCP_HASH_LEN);
    if (!hash_meant(event->hash, event->status == SODIUMTCP_COMPLETE_HASHED))
        return SODIUMTCP_E_FIELD;
    return sodiumtcp_items_end(session->items, event->number, event->status, event->length);
}

static int on_finish(struct sodiumtcp_session *session, struct cursor *cursor,
                     struct sodiumtcp_event *event)
{
    event->type = SODIUMTCP_FINISH;
    session->finished_due = true;
    return sodiumtcp_items_finish(session->items, cursor_u32(cursor));
}

/* ---- Client ---- */

static int on_offer(struct sodiumtcp_session *session, struct cursor *cursor,
                    struct sodiumtcp_event *event)
{
    event->type = SODIUMTCP_OFFER;
    event->number = cursor_u32(cursor);
    event->verdict = cursor_u8(cursor);
    event->length = cursor_u64(cursor);
    event->hash = cursor_take(cursor, SODIUMTCP_HASH_LEN);
    if (!hash_meant(event->hash, event->verdict == SODIUMTCP_PART_THERE))
        return SODIUMTCP_E_FIELD;
    return sodiumtcp_items_offer(session->items, event->number, event->verdict, event->length);
}

static int on_ack(struct sodiumtcp_session *session, struct cursor *cursor,
                  struct sodiumtcp_event *event)
{
    event->type = SODIUMTCP_ACK;
    event->number = cursor_u32(cursor);
    event->status = cursor_u8(cursor);
    event->length = cursor_u64(cursor);
    return sodiumtcp_items_ack(session->items, event->number, event->status);
}

static int on_credit(struct sodiumtcp_session *session, struct cursor *cursor)
{
    uint64_t limit = cursor_u64(cursor);
    if (limit <= session->credit || limit > SODIUMTCP_SIZE_MAX)
        return SODIUMTCP_E_CREDIT;
    session->credit = limit;
    return SODIUMTCP_OK;
}

static int on_finished(struct sodiumtcp_session *session, struct cursor *cursor,
                       struct sodiumtcp_event *event)
{
    int error = sodiumtcp_items_finished(session->items, cursor_u32(cursor));
    if (!error) {
        event->type = SODIUMTCP_FINISHED;
        session->state = SODIUMTCP_STATE_OVER;
    }
    return error;
}

/* ---- Both ---- */

static int on_error(struct sodiumtcp_session *session, struct cursor *cursor,
                    struct sodiumtcp_event *event)
{
    event->type = SODIUMTCP_ERROR;
    event->number = cursor_u32(cursor);
    event->code = cursor_u8(cursor);
    event->len = cursor_left(cursor);
    event->text = (const char *)cursor_take(cursor, event->len);
    session->state = SODIUMTCP_STATE_OVER;
    return SODIUMTCP_OK;
}

static int on_body(struct sodiumtcp_session *session, uint32_t type, const uint8_t *body,
                   size_t len, struct sodiumtcp_event *event)
{
    struct cursor cursor = cursor_over(body, len);
    switch (type) {
    case SODIUMTCP_PDU_BEGIN:
        return on_begin(session, body, len, event);
    case SODIUMTCP_PDU_OFFER:
        return on_offer(session, &cursor, event);
    case SODIUMTCP_PDU_START:
        return on_start(session, &cursor, event);
    case SODIUMTCP_PDU_BLOCK:
        return on_block(session, &cursor, false, event);
    case SODIUMTCP_PDU_BLOCK_ZSTD:
        return on_block(session, &cursor, true, event);
    case SODIUMTCP_PDU_END:
        return on_end(session, &cursor, event);
    case SODIUMTCP_PDU_ACK:
        return on_ack(session, &cursor, event);
    case SODIUMTCP_PDU_CREDIT:
        return on_credit(session, &cursor);
    case SODIUMTCP_PDU_ERROR:
        return on_error(session, &cursor, event);
    case SODIUMTCP_PDU_FINISH:
        return on_finish(session, &cursor, event);
    case SODIUMTCP_PDU_FINISHED:
        return on_finished(session, &cursor, event);
    default:
        return SODIUMTCP_OK; /* PADDING */
    }
}

int sodiumtcp_files_receive(struct sodiumtcp_session *session, uint32_t type, const uint8_t *body,
                            size_t len, struct sodiumtcp_event *event)
{
    int error = on_body(session, type, body, len, event);
    return error ? sodiumtcp_session_fail(session, error) : SODIUMTCP_OK;
}

bool sodiumtcp_files_credit_due(const struct sodiumtcp_session *session)
{
    return session->server && session->state == SODIUMTCP_STATE_FILES &&
           session->written + session->window - session->credit >= session->window / 4;
}
