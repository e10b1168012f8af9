#include "lib/sodiumtcp/pdu.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/stream.h"

enum { FROM_CLIENT = 1, FROM_SERVER = 2, FROM_BOTH = 3 };
enum {
    IN_CHOICE = 1 << SODIUMTCP_STATE_CHOICE,
    IN_AWAIT_KEY = 1 << SODIUMTCP_STATE_AWAIT_KEY,
    IN_PUBLIC = 1 << SODIUMTCP_STATE_PUBLIC,
    IN_FILES = 1 << SODIUMTCP_STATE_FILES,
};

#define MAGIC UINT32_C(0xbaadc0de)

static const struct rule {
    uint32_t least;
    uint32_t most;
    uint8_t from;
    uint8_t states; /* of the receiver */
} rules[] = {
    [SODIUMTCP_PDU_DATA] = {0, SODIUMTCP_PUBLIC_DATA_MAX, FROM_BOTH, IN_CHOICE | IN_PUBLIC},
    [SODIUMTCP_PDU_PING] = {SODIUMTCP_PING_LEN, SODIUMTCP_PING_LEN, FROM_BOTH,
                            IN_CHOICE | IN_AWAIT_KEY | IN_PUBLIC | IN_FILES},
    [SODIUMTCP_PDU_PONG] = {SODIUMTCP_PING_LEN, SODIUMTCP_PING_LEN, FROM_BOTH,
                            IN_CHOICE | IN_AWAIT_KEY | IN_PUBLIC | IN_FILES},
    [SODIUMTCP_PDU_KEY_CLIENT] = {SODIUMTCP_KEY_CLIENT_LEN,
                                  SODIUMTCP_KEY_CLIENT_LEN + SODIUMTCP_PADDING_MAX, FROM_CLIENT,
                                  IN_CHOICE},
    [SODIUMTCP_PDU_KEY_SERVER] = {SODIUMTCP_KEY_SERVER_LEN,
                                  SODIUMTCP_KEY_SERVER_LEN + SODIUMTCP_PADDING_MAX, FROM_SERVER,
                                  IN_AWAIT_KEY},
    [SODIUMTCP_PDU_BEGIN] = {SODIUMTCP_BEGIN_LEN, SODIUMTCP_BEGIN_LEN + SODIUMTCP_NAME_MAX,
                             FROM_CLIENT, IN_FILES},
    [SODIUMTCP_PDU_OFFER] = {SODIUMTCP_OFFER_LEN, SODIUMTCP_OFFER_LEN, FROM_SERVER, IN_FILES},
    [SODIUMTCP_PDU_START] = {SODIUMTCP_START_LEN, SODIUMTCP_START_LEN, FROM_CLIENT, IN_FILES},
    [SODIUMTCP_PDU_BLOCK] = {1, SODIUMTCP_BLOCK_MAX, FROM_CLIENT, IN_FILES},
    [SODIUMTCP_PDU_BLOCK_ZSTD] = {SODIUMTCP_ZSTD_HEAD + 1, SODIUMTCP_BLOCK_MAX, FROM_CLIENT,
                                  IN_FILES},
    [SODIUMTCP_PDU_END] = {SODIUMTCP_END_LEN, SODIUMTCP_END_LEN, FROM_CLIENT, IN_FILES},
    [SODIUMTCP_PDU_ACK] = {SODIUMTCP_ACK_LEN, SODIUMTCP_ACK_LEN, FROM_SERVER, IN_FILES},
    [SODIUMTCP_PDU_CREDIT] = {SODIUMTCP_CREDIT_LEN, SODIUMTCP_CREDIT_LEN, FROM_SERVER, IN_FILES},
    [SODIUMTCP_PDU_ERROR] = {SODIUMTCP_ERROR_LEN + 1,
                             SODIUMTCP_ERROR_LEN + SODIUMTCP_ERROR_TEXT_MAX, FROM_BOTH, IN_FILES},
    [SODIUMTCP_PDU_FINISH] = {SODIUMTCP_FINISH_LEN, SODIUMTCP_FINISH_LEN, FROM_CLIENT, IN_FILES},
    [SODIUMTCP_PDU_FINISHED] = {SODIUMTCP_FINISH_LEN, SODIUMTCP_FINISH_LEN, FROM_SERVER, IN_FILES},
    [SODIUMTCP_PDU_PADDING] = {0, SODIUMTCP_PADDING_MAX, FROM_BOTH, IN_FILES},
};

void sodiumtcp_pdu_header(uint8_t header[SODIUMTCP_HEADER_LEN], uint32_t type, uint32_t body_len)
{
    store_u32(header, MAGIC);
    store_u32(header + 4, type);
    store_u32(header + 8, body_len);
}

int sodiumtcp_pdu_read_header(const uint8_t header[SODIUMTCP_HEADER_LEN], uint32_t *type,
                              uint32_t *body_len)
{
    struct cursor cursor = cursor_over(header, SODIUMTCP_HEADER_LEN);
    uint32_t magic = cursor_u32(&cursor);
    *type = cursor_u32(&cursor);
    *body_len = cursor_u32(&cursor);
    return magic == MAGIC ? SODIUMTCP_OK : SODIUMTCP_E_MAGIC;
}

int sodiumtcp_pdu_check(const struct sodiumtcp_session *session, uint32_t type, uint32_t body_len)
{
    if (type >= sizeof rules / sizeof *rules)
        return SODIUMTCP_E_TYPE;
    const struct rule *rule = &rules[type];
    unsigned side = session->server ? FROM_CLIENT : FROM_SERVER;
    if (!(rule->from & side) || !(rule->states & 1U << session->state) ||
        (type == SODIUMTCP_PDU_KEY_CLIENT && !session->offers) ||
        (type == SODIUMTCP_PDU_BLOCK_ZSTD && !session->zstd))
        return SODIUMTCP_E_TYPE;
    if (body_len < rule->least || body_len > rule->most)
        return SODIUMTCP_E_SIZE;
    bool answer = type == SODIUMTCP_PDU_DATA && !session->server;
    return answer && body_len != SODIUMTCP_PUBLIC_ACK_LEN ? SODIUMTCP_E_SIZE : SODIUMTCP_OK;
}

void sodiumtcp_pdu_stream(crypto_secretstream_xchacha20poly1305_state *stream,
                          const uint8_t header[SODIUMTCP_STREAM_HEADER_LEN],
                          const uint8_t key[SODIUMTCP_KEY_LEN])
{
    /* init_push() would draw the header itself; the state that init_pull() makes is the same. */
    crypto_secretstream_xchacha20poly1305_init_pull(stream, header, key);
}

size_t sodiumtcp_pdu_seal(struct sodiumtcp_session *session, enum sodiumtcp_pdu_type type,
                          const uint8_t *body, size_t len, uint8_t *out)
{
    uint8_t header[SODIUMTCP_HEADER_LEN];
    sodiumtcp_pdu_header(header, type, (uint32_t)len);
    const struct sodiumtcp_aead *aead = &session->context->aead;
    if (!sodiumtcp_stream_push(&session->push, aead, header, sizeof header, out) ||
        !sodiumtcp_stream_push(&session->push, aead, body, len, out + SODIUMTCP_HEADER_WIRE_LEN)) {
        sodiumtcp_session_fail(session, SODIUMTCP_E_CIPHER);
        return 0;
    }
    session->counters.pdus_sent++;
    if (session->unpadded > 0 && type != SODIUMTCP_PDU_PADDING) {
        session->unpadded--;
        session->padding_due++;
    }
    return len + SODIUMTCP_PDU_OVERHEAD;
}

int sodiumtcp_pdu_open(struct sodiumtcp_session *session, const uint8_t *wire, size_t wire_len,
                       uint8_t *plain)
{
    int error =
        sodiumtcp_stream_pull(&session->pull, &session->context->aead, wire, wire_len, plain);
    return error ? sodiumtcp_session_fail(session, error) : SODIUMTCP_OK;
}
