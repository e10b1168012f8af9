#include "lib/sodiumtcp/exchange.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/handshake.h"
#include "lib/sodiumtcp/items.h"
#include "lib/sodiumtcp/pdu.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, OPTION_ZSTD = 0x0001 };
enum { HEADER_AT = 32, VERSION_AT = 56, OPTIONS_AT = 58, CREDIT_AT = 56 }; /* in the bodies */

static const uint8_t label[32] = "adit/1 sodium-tcp key exchange";

/* Draws the ephemeral key and stream header that both bodies start with. */
static int draw(struct sodiumtcp_session *session, uint8_t *body, uint8_t *secret, size_t *padding)
{
    int error = sodiumtcp_session_random(session, secret, SODIUMTCP_KEY_LEN);
    error = error
                ? error
                : sodiumtcp_session_random(session, body + HEADER_AT, SODIUMTCP_STREAM_HEADER_LEN);
    error = error ? error : sodiumtcp_session_padding(session, padding);
    if (!error && crypto_scalarmult_base(body, secret) != 0)
        error = sodiumtcp_session_fail(session, SODIUMTCP_E_KEY);
    return error;
}

/* Derives both new keys: the one to the server, then the one to the client. */
static int derive(struct sodiumtcp_session *session, const uint8_t *secret,
                  const uint8_t *their_key, const uint8_t *key_server,
                  uint8_t keys[2 * SODIUMTCP_KEY_LEN])
{
    const struct sodiumtcp_opening *opening = session->opening;
    const uint8_t *own = opening->own.public_key;
    const uint8_t *peer = opening->peer_public_key;
    uint8_t shared[crypto_scalarmult_BYTES];
    if (crypto_scalarmult(shared, secret, their_key) != 0)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_KEY);
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, 2 * SODIUMTCP_KEY_LEN);
    crypto_generichash_update(&hash, label, sizeof label);
    crypto_generichash_update(&hash, shared, sizeof shared);
    crypto_generichash_update(&hash, opening->to_server_key, SODIUMTCP_KEY_LEN);
    crypto_generichash_update(&hash, opening->to_client_key, SODIUMTCP_KEY_LEN);
    crypto_generichash_update(&hash, session->server ? own : peer, SODIUMTCP_KEY_LEN);
    crypto_generichash_update(&hash, session->server ? peer : own, SODIUMTCP_KEY_LEN);
    crypto_generichash_update(&hash, opening->nonce, SODIUMTCP_NONCE_LEN);
    crypto_generichash_update(&hash, opening->key_client, SODIUMTCP_KEY_CLIENT_LEN);
    crypto_generichash_update(&hash, key_server, SODIUMTCP_KEY_SERVER_LEN);
    crypto_generichash_final(&hash, keys, 2 * SODIUMTCP_KEY_LEN);
    sodium_memzero(shared, sizeof shared);
    sodium_memzero(&hash, sizeof hash);
    return SODIUMTCP_OK;
}

/* The new keys hold in both directions; what waits in the opening was sealed under the old one. */
static int enter_files(struct sodiumtcp_session *session, uint8_t keys[2 * SODIUMTCP_KEY_LEN],
                       const uint8_t *key_server, struct sodiumtcp_event *event)
{
    const uint8_t *to_server_header = session->opening->key_client + HEADER_AT;
    const uint8_t *to_client_header = key_server + HEADER_AT;
    sodiumtcp_pdu_stream(session->server ? &session->pull : &session->push, to_server_header, keys);
    sodiumtcp_pdu_stream(session->server ? &session->push : &session->pull, to_client_header,
                         keys + SODIUMTCP_KEY_LEN);
    session->items = calloc(1, sizeof *session->items);
    if (!session->items)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_NO_MEMORY);
    session->state = SODIUMTCP_STATE_FILES;
    session->unpadded = SODIUMTCP_PADDED_PDUS;
    sodiumtcp_handshake_ready(session, event);
    return SODIUMTCP_OK;
}

int sodiumtcp_exchange_ask(struct sodiumtcp_session *session)
{
    struct sodiumtcp_opening *opening = session->opening;
    uint8_t body[SODIUMTCP_KEY_CLIENT_LEN + SODIUMTCP_PADDING_MAX] = {0};
    size_t padding = 0;
    int error = draw(session, body, opening->ephemeral_secret, &padding);
    if (error)
        return error;
    store_u16(body + VERSION_AT, VERSION);
    store_u16(body + OPTIONS_AT, session->zstd ? OPTION_ZSTD : 0);
    memcpy(opening->key_client, body, SODIUMTCP_KEY_CLIENT_LEN);
    opening->wire_len = sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_KEY_CLIENT, body,
                                           SODIUMTCP_KEY_CLIENT_LEN + padding, opening->wire);
    session->state = SODIUMTCP_STATE_AWAIT_KEY;
    return SODIUMTCP_OK;
}

/* What KEY_CLIENT asks for must have been offered. */
static int read_choice(struct sodiumtcp_session *session)
{
    struct cursor cursor =
        cursor_over(session->opening->key_client + VERSION_AT, OPTIONS_AT + 2 - VERSION_AT);
    if (cursor_u16(&cursor) != VERSION)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_VERSION);
    uint16_t options = cursor_u16(&cursor);
    if (options & ~(session->zstd ? OPTION_ZSTD : 0))
        return sodiumtcp_session_fail(session, SODIUMTCP_E_OPTION);
    session->zstd = options & OPTION_ZSTD;
    return SODIUMTCP_OK;
}

int sodiumtcp_exchange_on_ask(struct sodiumtcp_session *session, const uint8_t *body,
                              struct sodiumtcp_event *event)
{
    struct sodiumtcp_opening *opening = session->opening;
    uint8_t answer[SODIUMTCP_KEY_SERVER_LEN + SODIUMTCP_PADDING_MAX] = {0};
    uint8_t keys[2 * SODIUMTCP_KEY_LEN];
    size_t padding = 0;
    memcpy(opening->key_client, body, SODIUMTCP_KEY_CLIENT_LEN);
    int error = read_choice(session);
    error = error ? error : draw(session, answer, opening->ephemeral_secret, &padding);
    if (error)
        return error;
    store_u64(answer + CREDIT_AT, session->window);
    session->credit = session->window;
    error = derive(session, opening->ephemeral_secret, opening->key_client, answer, keys);
    if (error)
        return error;
    opening->wire_len = sodiumtcp_pdu_seal(session, SODIUMTCP_PDU_KEY_SERVER, answer,
                                           SODIUMTCP_KEY_SERVER_LEN + padding, opening->wire);
    error = enter_files(session, keys, answer, event);
    sodium_memzero(keys, sizeof keys);
    return error;
}

int sodiumtcp_exchange_on_answer(struct sodiumtcp_session *session, const uint8_t *body,
                                 struct sodiumtcp_event *event)
{
    uint8_t keys[2 * SODIUMTCP_KEY_LEN];
    struct cursor cursor = cursor_over(body + CREDIT_AT, sizeof session->credit);
    session->credit = cursor_u64(&cursor);
    if (session->credit < SODIUMTCP_WINDOW_MIN || session->credit > SODIUMTCP_WINDOW_MAX)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_CREDIT);
    int error = derive(session, session->opening->ephemeral_secret, body, body, keys);
    error = error ? error : enter_files(session, keys, body, event);
    sodium_memzero(keys, sizeof keys);
    if (!error)
        sodiumtcp_session_opened(session);
    return error;
}
