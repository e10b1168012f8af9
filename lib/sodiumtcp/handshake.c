#include "lib/sodiumtcp/handshake.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/alive.h"
#include "lib/sodiumtcp/box.h"
#include "lib/sodiumtcp/exchange.h"
#include "lib/sodiumtcp/offer.h"
#include "lib/sodiumtcp/pdu.h"

#include <string.h>

#define VERSION UINT32_C(0xdeadcafe)

enum {
    AUTH_PLAIN_LEN = SODIUMTCP_HEADER_LEN + SODIUMTCP_AUTH_LEN,
    HELO_PLAIN_LEN = SODIUMTCP_HEADER_LEN + SODIUMTCP_HELO_LEN,
};

static void append(uint8_t **at, const void *bytes, size_t len)
{
    memcpy(*at, bytes, len);
    *at += len;
}

/* Seals what PDU `plain` is to public_key, with an ephemeral key drawn here. */
static int seal(struct sodiumtcp_session *session, const uint8_t *plain, size_t len,
                const uint8_t public_key[SODIUMTCP_KEY_LEN])
{
    struct sodiumtcp_opening *opening = session->opening;
    uint8_t ephemeral[SODIUMTCP_KEY_LEN];
    int error = sodiumtcp_session_random(session, ephemeral, sizeof ephemeral);
    if (!error && sodiumtcp_box_seal(plain, len, public_key, ephemeral, opening->wire) != 0)
        error = sodiumtcp_session_fail(session, SODIUMTCP_E_KEY);
    if (!error)
        opening->wire_len = len + crypto_box_SEALBYTES;
    sodium_memzero(ephemeral, sizeof ephemeral);
    return error;
}

/* Opens a sealed PDU of the one type and size that it may have. */
static int open_sealed(struct sodiumtcp_session *session, const uint8_t *wire, uint8_t *plain,
                       uint32_t type, uint32_t body_len)
{
    const struct sodiumtcp_keypair *own = &session->opening->own;
    uint32_t got_type = 0;
    uint32_t got_len = 0;
    if (crypto_box_seal_open(plain, wire,
                             SODIUMTCP_HEADER_LEN + body_len + (uint32_t)crypto_box_SEALBYTES,
                             own->public_key, own->secret_key) != 0)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_SEALED);
    int error = sodiumtcp_pdu_read_header(plain, &got_type, &got_len);
    if (!error && got_type != type)
        error = SODIUMTCP_E_TYPE;
    if (!error && got_len != body_len)
        error = SODIUMTCP_E_SIZE;
    return error ? sodiumtcp_session_fail(session, error) : SODIUMTCP_OK;
}

static void start_streams(struct sodiumtcp_session *session)
{
    const struct sodiumtcp_opening *opening = session->opening;
    const uint8_t *push = session->server ? opening->to_client_key : opening->to_server_key;
    const uint8_t *pull = session->server ? opening->to_server_key : opening->to_client_key;
    sodiumtcp_pdu_stream(&session->push, opening->own_header, push);
    sodiumtcp_pdu_stream(&session->pull, opening->peer_header, pull);
}

void sodiumtcp_handshake_ready(struct sodiumtcp_session *session, struct sodiumtcp_event *event)
{
    event->type = SODIUMTCP_READY;
    event->extension = session->state == SODIUMTCP_STATE_FILES;
    event->zstd = event->extension && session->zstd;
    event->text = session->text;
    event->len = strlen(session->text);
}

/* ---- Client ---- */

static int draw_client_keys(struct sodiumtcp_session *session,
                            const uint8_t server_public_key[SODIUMTCP_KEY_LEN])
{
    struct sodiumtcp_opening *opening = session->opening;
    memcpy(opening->peer_public_key, server_public_key, SODIUMTCP_KEY_LEN);
    int error =
        sodiumtcp_session_random(session, opening->own.secret_key, sizeof opening->own.secret_key);
    error = error ? error : sodiumtcp_session_random(session, opening->nonce, SODIUMTCP_NONCE_LEN);
    error =
        error ? error
              : sodiumtcp_session_random(session, opening->own_header, SODIUMTCP_STREAM_HEADER_LEN);
    if (error)
        return error;
    if (crypto_scalarmult_base(opening->own.public_key, opening->own.secret_key) != 0 ||
        crypto_kx_client_session_keys(opening->to_client_key, opening->to_server_key,
                                      opening->own.public_key, opening->own.secret_key,
                                      server_public_key) != 0)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_KEY);
    return SODIUMTCP_OK;
}

int sodiumtcp_handshake_auth(struct sodiumtcp_session *session,
                             const uint8_t server_public_key[SODIUMTCP_KEY_LEN], const char *login,
                             const char *passphrase)
{
    const struct sodiumtcp_opening *opening = session->opening;
    size_t login_len = strlen(login);
    size_t passphrase_len = strlen(passphrase);
    if (login_len > SODIUMTCP_CREDENTIAL_MAX || passphrase_len > SODIUMTCP_CREDENTIAL_MAX)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_CREDENTIAL);
    int error = draw_client_keys(session, server_public_key);
    if (error)
        return error;
    uint8_t plain[AUTH_PLAIN_LEN] = {0};
    sodiumtcp_pdu_header(plain, SODIUMTCP_PDU_CLIENT_AUTH, SODIUMTCP_AUTH_LEN);
    store_u32(plain + SODIUMTCP_HEADER_LEN, VERSION);
    uint8_t *at = plain + SODIUMTCP_HEADER_LEN + 4;
    append(&at, opening->nonce, sizeof opening->nonce);
    append(&at, opening->own_header, sizeof opening->own_header);
    append(&at, opening->own.public_key, sizeof opening->own.public_key);
    memcpy(at, login, login_len);
    memcpy(at + SODIUMTCP_CREDENTIAL_MAX, passphrase, passphrase_len);
    error = seal(session, plain, sizeof plain, server_public_key);
    sodium_memzero(plain, sizeof plain);
    return error;
}

int sodiumtcp_handshake_on_helo(struct sodiumtcp_session *session, uint64_t now_ms,
                                const uint8_t *wire, struct sodiumtcp_event *event)
{
    struct sodiumtcp_opening *opening = session->opening;
    uint8_t plain[HELO_PLAIN_LEN];
    int error = open_sealed(session, wire, plain, SODIUMTCP_PDU_SERVER_HELO, SODIUMTCP_HELO_LEN);
    if (error)
        return error;
    struct cursor cursor = cursor_over(plain + SODIUMTCP_HEADER_LEN, SODIUMTCP_HELO_LEN);
    uint8_t expected[SODIUMTCP_NONCE_LEN];
    memcpy(expected, opening->nonce, sizeof expected);
    sodium_increment(expected, sizeof expected);
    if (sodium_memcmp(cursor_take(&cursor, sizeof expected), expected, sizeof expected) != 0)
        return sodiumtcp_session_fail(session, SODIUMTCP_E_NONCE);
    memcpy(opening->peer_header, cursor_take(&cursor, SODIUMTCP_STREAM_HEADER_LEN),
           SODIUMTCP_STREAM_HEADER_LEN);
    const char *message = (const char *)cursor_take(&cursor, SODIUMTCP_MESSAGE_LEN);
    memcpy(session->text, message, strnlen(message, SODIUMTCP_MESSAGE_LEN - 1));
    struct sodiumtcp_offer offer = sodiumtcp_offer_read(message);
    start_streams(session);
    sodiumtcp_alive_start(session, now_ms);
    session->zstd = session->zstd && offer.zstd;
    if (session->offers && offer.made)
        return sodiumtcp_exchange_ask(session);
    session->state = SODIUMTCP_STATE_PUBLIC;
    sodiumtcp_session_opened(session);
    sodiumtcp_handshake_ready(session, event);
    return SODIUMTCP_OK;
}

/* ---- Server ---- */

static void copy_text(char out[SODIUMTCP_CREDENTIAL_MAX + 1], const uint8_t *field)
{
    memcpy(out, field, SODIUMTCP_CREDENTIAL_MAX);
    out[strnlen(out, SODIUMTCP_CREDENTIAL_MAX)] = '\0';
}

/* Reads the body of CLIENT_AUTH and derives the keys. */
static int read_auth(struct sodiumtcp_opening *opening, const uint8_t body[SODIUMTCP_AUTH_LEN])
{
    struct cursor cursor = cursor_over(body, SODIUMTCP_AUTH_LEN);
    if (cursor_u32(&cursor) != VERSION)
        return SODIUMTCP_E_VERSION;
    memcpy(opening->nonce, cursor_take(&cursor, SODIUMTCP_NONCE_LEN), SODIUMTCP_NONCE_LEN);
    memcpy(opening->peer_header, cursor_take(&cursor, SODIUMTCP_STREAM_HEADER_LEN),
           SODIUMTCP_STREAM_HEADER_LEN);
    memcpy(opening->peer_public_key, cursor_take(&cursor, SODIUMTCP_KEY_LEN), SODIUMTCP_KEY_LEN);
    memcpy(opening->login.client_public_key, opening->peer_public_key, SODIUMTCP_KEY_LEN);
    copy_text(opening->login.login, cursor_take(&cursor, SODIUMTCP_CREDENTIAL_MAX));
    copy_text(opening->login.passphrase, cursor_take(&cursor, SODIUMTCP_CREDENTIAL_MAX));
    if (crypto_kx_server_session_keys(opening->to_server_key, opening->to_client_key,
                                      opening->own.public_key, opening->own.secret_key,
                                      opening->peer_public_key) != 0)
        return SODIUMTCP_E_KEY;
    return SODIUMTCP_OK;
}

int sodiumtcp_handshake_on_auth(struct sodiumtcp_session *session, const uint8_t *wire,
                                struct sodiumtcp_event *event)
{
    struct sodiumtcp_opening *opening = session->opening;
    uint8_t plain[AUTH_PLAIN_LEN];
    int error = open_sealed(session, wire, plain, SODIUMTCP_PDU_CLIENT_AUTH, SODIUMTCP_AUTH_LEN);
    if (!error) {
        error = read_auth(opening, plain + SODIUMTCP_HEADER_LEN);
        error = error ? sodiumtcp_session_fail(session, error) : SODIUMTCP_OK;
    }
    sodium_memzero(plain, sizeof plain);
    if (error)
        return error;
    sodium_memzero(opening->own.secret_key, sizeof opening->own.secret_key);
    session->state = SODIUMTCP_STATE_DECIDE;
    event->type = SODIUMTCP_LOGIN;
    event->login = &opening->login;
    return SODIUMTCP_OK;
}

int sodiumtcp_accept(struct sodiumtcp_session *session, const char *text, uint64_t now_ms)
{
    struct sodiumtcp_opening *opening = session->opening;
    if (session->error)
        return session->error;
    if (session->state != SODIUMTCP_STATE_DECIDE || strlen(text) > SODIUMTCP_TEXT_MAX)
        return SODIUMTCP_E_CALL;
    int error = sodiumtcp_session_random(session, opening->own_header, sizeof opening->own_header);
    if (error)
        return error;
    uint8_t plain[HELO_PLAIN_LEN] = {0};
    sodiumtcp_pdu_header(plain, SODIUMTCP_PDU_SERVER_HELO, SODIUMTCP_HELO_LEN);
    uint8_t *at = plain + SODIUMTCP_HEADER_LEN;
    append(&at, opening->nonce, sizeof opening->nonce);
    sodium_increment(at - sizeof opening->nonce, sizeof opening->nonce);
    append(&at, opening->own_header, sizeof opening->own_header);
    sodiumtcp_offer_write((char *)at, text, session->offers, session->zstd);
    error = seal(session, plain, sizeof plain, opening->peer_public_key);
    if (error)
        return error;
    sodium_memzero(&opening->login, sizeof opening->login);
    start_streams(session);
    sodiumtcp_alive_start(session, now_ms);
    session->state = SODIUMTCP_STATE_CHOICE;
    return SODIUMTCP_OK;
}

void sodiumtcp_refuse(struct sodiumtcp_session *session)
{
    if (!session->error)
        sodiumtcp_session_fail(session, SODIUMTCP_E_LOGIN);
}
