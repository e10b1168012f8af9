/*
 * PDUs (docs/protocols/sodiumtcp.md, PDUs): their headers, which of them may come, and how they
 * are sealed into a stream and opened from it.
 */
#ifndef SODIUMTCP_PDU_H
#define SODIUMTCP_PDU_H

#include "lib/sodiumtcp/session.h"

enum sodiumtcp_pdu_type {
    SODIUMTCP_PDU_CLIENT_AUTH = 1,
    SODIUMTCP_PDU_SERVER_HELO = 2,
    SODIUMTCP_PDU_DATA = 3,
    SODIUMTCP_PDU_PING = 4,
    SODIUMTCP_PDU_PONG = 5,
    SODIUMTCP_PDU_KEY_CLIENT = 16,
    SODIUMTCP_PDU_KEY_SERVER = 17,
    SODIUMTCP_PDU_BEGIN = 18,
    SODIUMTCP_PDU_OFFER = 19,
    SODIUMTCP_PDU_START = 20,
    SODIUMTCP_PDU_BLOCK = 21,
    SODIUMTCP_PDU_BLOCK_ZSTD = 22,
    SODIUMTCP_PDU_END = 23,
    SODIUMTCP_PDU_ACK = 24,
    SODIUMTCP_PDU_CREDIT = 25,
    SODIUMTCP_PDU_ERROR = 26,
    SODIUMTCP_PDU_FINISH = 27,
    SODIUMTCP_PDU_FINISHED = 28,
    SODIUMTCP_PDU_PADDING = 29,
};

enum {
    SODIUMTCP_PING_LEN = 16,
    SODIUMTCP_OFFER_LEN = 45,
    SODIUMTCP_START_LEN = 12,
    SODIUMTCP_END_LEN = 45,
    SODIUMTCP_ACK_LEN = 13,
    SODIUMTCP_CREDIT_LEN = 8,
    SODIUMTCP_ERROR_LEN = 5, /* before the text */
    SODIUMTCP_FINISH_LEN = 4,
};

void sodiumtcp_pdu_header(uint8_t header[SODIUMTCP_HEADER_LEN], uint32_t type, uint32_t body_len);

/* Reads a header into *type and *body_len. Returns 0 or SODIUMTCP_E_MAGIC. */
int sodiumtcp_pdu_read_header(const uint8_t header[SODIUMTCP_HEADER_LEN], uint32_t *type,
                              uint32_t *body_len);

/*
 * 0 where a streamed PDU of that type and size may come from the other side in the session's
 * state, else SODIUMTCP_E_TYPE or SODIUMTCP_E_SIZE.
 */
int sodiumtcp_pdu_check(const struct sodiumtcp_session *session, uint32_t type, uint32_t body_len);

/* Keys a stream; pushing and pulling states are the same. */
void sodiumtcp_pdu_stream(crypto_secretstream_xchacha20poly1305_state *stream,
                          const uint8_t header[SODIUMTCP_STREAM_HEADER_LEN],
                          const uint8_t key[SODIUMTCP_KEY_LEN]);

/*
 * Seals a PDU into out, which has room for its overhead too, and returns its wire bytes. body is
 * elsewhere, or out + SODIUMTCP_PLAIN_AT. With data the context's cipher may fail: look at the
 * session's error then.
 */
size_t sodiumtcp_pdu_seal(struct sodiumtcp_session *session, enum sodiumtcp_pdu_type type,
                          const uint8_t *body, size_t len, uint8_t *out);

/*
 * Opens one message of wire_len bytes into plain, which is elsewhere or wire + 1. Returns 0 or the
 * session's error.
 */
int sodiumtcp_pdu_open(struct sodiumtcp_session *session, const uint8_t *wire, size_t wire_len,
                       uint8_t *plain);

#endif
