#include "tests/vectors/vectors_sodiumtcp_files.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/begin.h"

#include <stdlib.h>
#include <string.h>

/* ---- Writing ---- */

static long write_begin(struct sodiumtcp_session *session, const struct pdu *pdu, uint8_t *out)
{
    struct sodiumtcp_item item = {0};
    uint32_t number;
    int error = sodiumtcp_begin_read(pdu->body.at, pdu->body.len, &number, &item);
    return error ? error : sodiumtcp_begin(session, &item, &number, out);
}

static long write_zstd(struct sodiumtcp_session *session, const struct pdu *pdu, uint8_t *out)
{
    struct cursor cursor = cursor_over(pdu->body.at, pdu->body.len);
    uint8_t *body = vectors_allocate(pdu->body.len, 1);
    memcpy(body + SODIUMTCP_ZSTD_HEAD, pdu->body.at + SODIUMTCP_ZSTD_HEAD,
           pdu->body.len - SODIUMTCP_ZSTD_HEAD);
    long len = sodiumtcp_data_zstd(session, body, pdu->body.len, cursor_u32(&cursor), out);
    free(body);
    return len;
}

static long write_error(struct sodiumtcp_session *session, const struct pdu *pdu, uint8_t *out)
{
    struct cursor cursor = cursor_over(pdu->body.at, pdu->body.len);
    char text[SODIUMTCP_ERROR_TEXT_MAX + 1] = {0};
    uint32_t number = cursor_u32(&cursor);
    uint8_t code = cursor_u8(&cursor);
    size_t len = cursor_left(&cursor);
    if (len > SODIUMTCP_ERROR_TEXT_MAX)
        return SODIUMTCP_E_SIZE;
    memcpy(text, cursor_take(&cursor, len), len);
    return sodiumtcp_stop(session, number, (enum sodiumtcp_code)code, text, out);
}

/* What was written until then is what the limit says. */
static long prepare_credit(struct sodiumtcp_session *session, const struct pdu *pdu)
{
    struct cursor cursor = cursor_over(pdu->body.at, pdu->body.len);
    uint64_t limit = cursor_u64(&cursor);
    sodiumtcp_written(session, (size_t)(limit - session->window - session->written));
    return 0;
}

long files_write(struct sodiumtcp_session *session, const struct pdu *pdu, uint8_t *out)
{
    struct cursor cursor = cursor_over(pdu->body.at, pdu->body.len);
    uint32_t number = cursor_u32(&cursor);
    bool hash = pdu->type == SODIUMTCP_PDU_END || pdu->type == SODIUMTCP_PDU_OFFER;
    if ((hash && pdu->body.len < SODIUMTCP_END_LEN) || pdu->body.len > SODIUMTCP_BLOCK_MAX ||
        (pdu->type == SODIUMTCP_PDU_BLOCK_ZSTD && pdu->body.len < SODIUMTCP_ZSTD_HEAD))
        return SODIUMTCP_E_SIZE;
    switch (pdu->type) {
    case SODIUMTCP_PDU_BEGIN:
        return write_begin(session, pdu, out);
    case SODIUMTCP_PDU_START:
        return sodiumtcp_start(session, number, cursor_u64(&cursor), out);
    case SODIUMTCP_PDU_BLOCK:
        return sodiumtcp_data(session, pdu->body.at, pdu->body.len, out);
    case SODIUMTCP_PDU_BLOCK_ZSTD:
        return write_zstd(session, pdu, out);
    case SODIUMTCP_PDU_END:
        return sodiumtcp_end(session, (enum sodiumtcp_end_status)pdu->body.at[4], pdu->body.at + 13,
                             out);
    case SODIUMTCP_PDU_FINISH:
        return sodiumtcp_finish(session, out);
    case SODIUMTCP_PDU_OFFER: {
        uint8_t verdict = cursor_u8(&cursor);
        return sodiumtcp_offer(session, number, (enum sodiumtcp_verdict)verdict,
                               cursor_u64(&cursor), pdu->body.at + 13, out);
    }
    case SODIUMTCP_PDU_ACK: {
        uint8_t status = cursor_u8(&cursor);
        return sodiumtcp_ack(session, number, (enum sodiumtcp_ack_status)status,
                             cursor_u64(&cursor), out);
    }
    case SODIUMTCP_PDU_ERROR:
        return write_error(session, pdu, out);
    case SODIUMTCP_PDU_CREDIT:
        return prepare_credit(session, pdu);
    default:
        return 0;
    }
}

/* ---- Reading ---- */

static const enum sodiumtcp_event_type events[] = {
    [SODIUMTCP_PDU_BEGIN] = SODIUMTCP_BEGIN,       [SODIUMTCP_PDU_OFFER] = SODIUMTCP_OFFER,
    [SODIUMTCP_PDU_START] = SODIUMTCP_START,       [SODIUMTCP_PDU_BLOCK] = SODIUMTCP_DATA,
    [SODIUMTCP_PDU_BLOCK_ZSTD] = SODIUMTCP_DATA,   [SODIUMTCP_PDU_END] = SODIUMTCP_END,
    [SODIUMTCP_PDU_ACK] = SODIUMTCP_ACK,           [SODIUMTCP_PDU_ERROR] = SODIUMTCP_ERROR,
    [SODIUMTCP_PDU_FINISH] = SODIUMTCP_FINISH,     [SODIUMTCP_PDU_FINISHED] = SODIUMTCP_FINISHED,
    [SODIUMTCP_PDU_PADDING] = SODIUMTCP_NEED_MORE,
};

bool files_tells(const struct pdu *pdu)
{
    return events[pdu->type] != SODIUMTCP_NEED_MORE;
}

/* The body that an event was read from, put together again. */
static size_t body_of(const struct sodiumtcp_event *event, uint32_t type, uint8_t *out)
{
    store_u32(out, event->number);
    switch (type) {
    case SODIUMTCP_PDU_BEGIN:
        return sodiumtcp_begin_write(event->number, &event->item, out);
    case SODIUMTCP_PDU_START:
        store_u64(out + 4, event->length);
        return SODIUMTCP_START_LEN;
    case SODIUMTCP_PDU_BLOCK:
        memcpy(out, event->data, event->len);
        return event->plain_len ? 0 : event->len;
    case SODIUMTCP_PDU_BLOCK_ZSTD:
        store_u32(out, event->plain_len);
        memcpy(out + SODIUMTCP_ZSTD_HEAD, event->data, event->len);
        return SODIUMTCP_ZSTD_HEAD + event->len;
    case SODIUMTCP_PDU_END:
    case SODIUMTCP_PDU_OFFER:
        out[4] = type == SODIUMTCP_PDU_END ? event->status : event->verdict;
        store_u64(out + 5, event->length);
        memcpy(out + 13, event->hash, SODIUMTCP_HASH_LEN);
        return SODIUMTCP_END_LEN;
    case SODIUMTCP_PDU_ACK:
        out[4] = event->status;
        store_u64(out + 5, event->length);
        return SODIUMTCP_ACK_LEN;
    case SODIUMTCP_PDU_ERROR:
        out[4] = event->code;
        memcpy(out + SODIUMTCP_ERROR_LEN, event->text, event->len);
        return SODIUMTCP_ERROR_LEN + event->len;
    default:
        return 0;
    }
}

bool files_same_event(const struct sodiumtcp_event *event, const struct pdu *pdu)
{
    if (event->type != events[pdu->type])
        return false;
    if (event->type == SODIUMTCP_FINISH || event->type == SODIUMTCP_FINISHED)
        return true; /* the engine has checked the one number that they carry */
    uint8_t *body = vectors_allocate(SODIUMTCP_BLOCK_MAX, 1);
    size_t len = body_of(event, pdu->type, body);
    bool right = len == pdu->body.len && memcmp(body, pdu->body.at, len) == 0;
    free(body);
    return right;
}
