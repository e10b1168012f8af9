#include "base/cursor.h"
#include "lib/sodiumtcp/begin.h"
#include "lib/sodiumtcp/items.h"
#include "lib/sodiumtcp/pdu.h"
#include "lib/sodiumtcp/public.h"

#include <string.h>

/* 0 where that side may seal a PDU of extension mode now. */
static int may_send(const struct sodiumtcp_session *session, bool server)
{
    if (session->error)
        return session->error;
    bool now = session->server == server && session->state == SODIUMTCP_STATE_FILES &&
               sodiumtcp_session_may_seal(session);
    return now ? SODIUMTCP_OK : SODIUMTCP_E_CALL;
}

/* A breach of ours was not sent: the caller is told, and nothing has changed. */
static int as_call(int error)
{
    return error ? SODIUMTCP_E_CALL : SODIUMTCP_OK;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- Data ---- */

size_t sodiumtcp_room(const struct sodiumtcp_session *session)
{
    if (session->server || !sodiumtcp_session_may_seal(session))
        return 0;
    if (session->state == SODIUMTCP_STATE_PUBLIC)
        return session->blocks.count < session->blocks.max ? SODIUMTCP_PUBLIC_DATA_MAX : 0;
    uint64_t left = least(sodiumtcp_items_left(session->items), session->credit - session->moved);
    return (size_t)least(left, SODIUMTCP_BLOCK_MAX);
}

size_t sodiumtcp_room_zstd(const struct sodiumtcp_session *session)
{
    if (!session->zstd || may_send(session, false))
        return 0;
    uint64_t left = least(sodiumtcp_items_left(session->items), session->credit - session->moved);
    return (size_t)least(left, SODIUMTCP_ZSTD_PLAIN_MAX);
}

static void moved(struct sodiumtcp_session *session, size_t plain_len)
{
    session->items->position += plain_len;
    session->moved += plain_len;
    session->counters.plain_sent += plain_len;
}

static long seal_data(struct sodiumtcp_session *session, enum sodiumtcp_pdu_type type,
                      const uint8_t *body, size_t len, uint8_t *out)
{
    size_t wire_len = sodiumtcp_pdu_seal(session, type, body, len, out);
    return session->error ? session->error : (long)wire_len;
}

long sodiumtcp_data(struct sodiumtcp_session *session, const uint8_t *plain, size_t len,
                    uint8_t *out)
{
    if (session->error)
        return session->error;
    size_t room = sodiumtcp_room(session);
    if (room == 0 || len > room)
        return SODIUMTCP_E_CALL;
    if (session->state == SODIUMTCP_STATE_PUBLIC) {
        sodiumtcp_public_sent(session, len);
        return seal_data(session, SODIUMTCP_PDU_DATA, plain, len, out);
    }
    if (len == 0)
        return SODIUMTCP_E_CALL;
    moved(session, len);
    return seal_data(session, SODIUMTCP_PDU_BLOCK, plain, len, out);
}

long sodiumtcp_data_zstd(struct sodiumtcp_session *session, uint8_t *body, size_t body_len,
                         uint32_t plain_len, uint8_t *out)
{
    if (session->error)
        return session->error;
    if (plain_len < SODIUMTCP_ZSTD_PLAIN_MIN || plain_len > sodiumtcp_room_zstd(session) ||
        body_len <= SODIUMTCP_ZSTD_HEAD || body_len > SODIUMTCP_BLOCK_MAX ||
        body_len - SODIUMTCP_ZSTD_HEAD >= plain_len)
        return SODIUMTCP_E_CALL;
    store_u32(body, plain_len);
    moved(session, plain_len);
    return seal_data(session, SODIUMTCP_PDU_BLOCK_ZSTD, body, body_len, out);
}

/* ---- Client ---- */

bool sodiumtcp_may_begin(const struct sodiumtcp_session *session)
{
    const struct sodiumtcp_items *items = session->items;
    return !may_send(session, false) && !items->finishing && items->announced < SODIUMTCP_NO_ITEM &&
           items->announced - items->over < SODIUMTCP_ASKED_MAX &&
           items->announced - items->acked < SODIUMTCP_UNACKED_MAX;
}

long sodiumtcp_begin(struct sodiumtcp_session *session, const struct sodiumtcp_item *item,
                     uint32_t *number, uint8_t *out)
{
    uint8_t body[SODIUMTCP_BEGIN_LEN + SODIUMTCP_NAME_MAX];
    int error = may_send(session, false);
    error = error ? error : as_call(sodiumtcp_begin_check(item));
    if (error)
        return error;
    *number = session->items->announced;
    error = as_call(sodiumtcp_items_begin(session->items, *number, item));
    if (error)
        return error;
    size_t len = sodiumtcp_begin_write(*number, item, body);
    return (long)sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_BEGIN, body, len, out);
}

bool sodiumtcp_may_start(const struct sodiumtcp_session *session, uint32_t *number)
{
    if (may_send(session, false) || sodiumtcp_items_may_start(session->items))
        return false;
    *number = session->items->over;
    return true;
}

long sodiumtcp_start(struct sodiumtcp_session *session, uint32_t number, uint64_t offset,
                     uint8_t *out)
{
    uint8_t body[SODIUMTCP_START_LEN];
    int error = may_send(session, false);
    error = error ? error : as_call(sodiumtcp_items_start(session->items, number, offset));
    if (error)
        return error;
    store_u32(body, number);
    store_u64(body + 4, offset);
    return (long)sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_START, body, sizeof body, out);
}

/* END and OFFER look alike: number, a byte, a length, a hash or zeros. */
static long seal_with_hash(struct sodiumtcp_session *session, enum sodiumtcp_pdu_type type,
                           uint32_t number, unsigned byte, uint64_t length, const uint8_t *hash,
                           uint8_t *out)
{
    uint8_t body[SODIUMTCP_END_LEN] = {0};
    store_u32(body, number);
    body[4] = (uint8_t)byte;
    store_u64(body + 5, length);
    if (hash)
        memcpy(body + 13, hash, SODIUMTCP_HASH_LEN);
    return (long)sodiumtcp_pdu_seal(session, type, body, sizeof body, out);
}

long sodiumtcp_end(struct sodiumtcp_session *session, enum sodiumtcp_end_status status,
                   const uint8_t hash[SODIUMTCP_HASH_LEN], uint8_t *out)
{
    struct sodiumtcp_items *items = session->items;
    int error = may_send(session, false);
    if (error)
        return error;
    uint32_t number = items->over;
    uint64_t length = items->position;
    error = as_call(sodiumtcp_items_end(items, number, (uint8_t)status, length));
    if (error)
        return error;
    return seal_with_hash(session, SODIUMTCP_PDU_END, number, status, length,
                          status == SODIUMTCP_COMPLETE_HASHED ? hash : NULL, out);
}

long sodiumtcp_finish(struct sodiumtcp_session *session, uint8_t *out)
{
    uint8_t body[SODIUMTCP_FINISH_LEN];
    int error = may_send(session, false);
    if (error)
        return error;
    error = as_call(sodiumtcp_items_finish(session->items, session->items->announced));
    if (error)
        return error;
    store_u32(body, session->items->announced);
    return (long)sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_FINISH, body, sizeof body, out);
}

/* ---- Server ---- */

long sodiumtcp_offer(struct sodiumtcp_session *session, uint32_t number,
                     enum sodiumtcp_verdict verdict, uint64_t length,
                     const uint8_t hash[SODIUMTCP_HASH_LEN], uint8_t *out)
{
    int error = may_send(session, true);
    error = error
                ? error
                : as_call(sodiumtcp_items_offer(session->items, number, (uint8_t)verdict, length));
    if (error)
        return error;
    return seal_with_hash(session, SODIUMTCP_PDU_OFFER, number, verdict, length,
                          verdict == SODIUMTCP_PART_THERE ? hash : NULL, out);
}

long sodiumtcp_ack(struct sodiumtcp_session *session, uint32_t number,
                   enum sodiumtcp_ack_status status, uint64_t length, uint8_t *out)
{
    uint8_t body[SODIUMTCP_ACK_LEN];
    int error = may_send(session, true);
    error = error ? error : as_call(sodiumtcp_items_ack(session->items, number, (uint8_t)status));
    if (error)
        return error;
    store_u32(body, number);
    body[4] = (uint8_t)status;
    store_u64(body + 5, length);
    return (long)sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_ACK, body, sizeof body, out);
}

/* ---- Both ---- */

long sodiumtcp_stop(struct sodiumtcp_session *session, uint32_t number, enum sodiumtcp_code code,
                    const char *text, uint8_t *out)
{
    uint8_t body[SODIUMTCP_ERROR_LEN + SODIUMTCP_ERROR_TEXT_MAX];
    size_t len = strnlen(text, SODIUMTCP_ERROR_TEXT_MAX);
    int error = may_send(session, session->server);
    if (error || len == 0)
        return error ? error : SODIUMTCP_E_CALL;
    store_u32(body, number);
    body[4] = (uint8_t)code;
    memcpy(body + SODIUMTCP_ERROR_LEN, text, len);
    len = sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_ERROR, body, SODIUMTCP_ERROR_LEN + len, out);
    session->state = SODIUMTCP_STATE_OVER;
    return (long)len;
}
