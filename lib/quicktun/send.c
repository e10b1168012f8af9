#include "lib/quicktun/send.h"

#include "base/cursor.h"

#include <sodium.h>
#include <string.h>

enum {
    LENGTH_LEN = 2, /* of a packet on the wire */
    CONTROL_BIT = 0x8000,
};

/* ---- Packets ---- */

size_t quicktun_send_overhead(const struct quicktun_session *session)
{
    return LENGTH_LEN + (session->out.on ? QUICKTUN_TAG_LEN : 0);
}

size_t quicktun_send_payload_max(const struct quicktun_session *session)
{
    return QUICKTUN_WIRE_MAX - quicktun_send_overhead(session);
}

bool quicktun_send_has_room(const struct quicktun_wire *wire, size_t len)
{
    return wire->room - wire->len >= len;
}

void quicktun_send_sealed(struct quicktun_session *session, struct quicktun_wire *wire, size_t len,
                          bool control)
{
    uint8_t *packet = wire->bytes + wire->len;
    size_t wire_len = quicktun_send_overhead(session) + len;
    store_u16(packet, (uint16_t)((control ? CONTROL_BIT : 0) | (wire_len - LENGTH_LEN)));
    if (session->out.on)
        quicktun_direction_seal(&session->out, packet + LENGTH_LEN, len);
    wire->len += wire_len;
}

bool quicktun_send_payload(struct quicktun_session *session, struct quicktun_wire *wire,
                           const void *payload, size_t len)
{
    size_t overhead = quicktun_send_overhead(session);
    if (len > quicktun_send_payload_max(session) || !quicktun_send_has_room(wire, overhead + len))
        return false;
    memcpy(wire->bytes + wire->len + overhead, payload, len);
    quicktun_send_sealed(session, wire, len, true);
    return true;
}

bool quicktun_send_command(struct quicktun_session *session, struct quicktun_wire *wire,
                           uint8_t code, const void *arguments, size_t len)
{
    size_t overhead = quicktun_send_overhead(session);
    if (1 + len > quicktun_send_payload_max(session) ||
        !quicktun_send_has_room(wire, overhead + 1 + len))
        return false;
    uint8_t *payload = wire->bytes + wire->len + overhead;
    payload[0] = code;
    if (len > 0)
        memcpy(payload + 1, arguments, len);
    quicktun_send_sealed(session, wire, 1 + len, true);
    return true;
}

/* ---- First packets ---- */

bool quicktun_send_identification(struct quicktun_session *session, struct quicktun_wire *wire)
{
    return quicktun_send_command(session, wire, QUICKTUN_CODE_IDENTIFICATION, "UICKTUN", 7);
}

uint8_t quicktun_send_offer(const struct quicktun_session *session)
{
    unsigned bits = QUICKTUN_OFFER_ENCRYPTION | QUICKTUN_OFFER_CONTROL_ONLY;
    bits |= session->options.weak_unencrypted ? QUICKTUN_OFFER_CLEAR : 0;
    bits |= session->options.segmented ? QUICKTUN_OFFER_SEGMENTED : 0;
    return (uint8_t)bits;
}

/* They open what is encrypted to a key of theirs that is not key 0. */
static void note_offer(struct quicktun_session *session, uint8_t bits)
{
    if (session->out.on && session->out.theirs_kind != QUICKTUN_KIND_KEY0)
        session->offered = bits;
}

bool quicktun_send_options(struct quicktun_session *session, struct quicktun_wire *wire,
                           uint8_t bits)
{
    note_offer(session, bits);
    return quicktun_send_command(session, wire, QUICKTUN_CODE_OPTIONS, &bits, 1);
}

/* ---- Authentication and key updates ---- */

static int draw_input(struct quicktun_session *session)
{
    do {
        int error = quicktun_session_random(session, session->local, sizeof session->local);
        if (error)
            return error;
    } while (sodium_is_zero(session->local, QUICKTUN_INPUT_USED));
    return quicktun_live_add(&session->context->inputs, &session->local_live, session->local,
                             QUICKTUN_INPUT_USED)
               ? QUICKTUN_OK
               : quicktun_session_fail(session, QUICKTUN_E_NO_MEMORY);
}

int quicktun_send_start_crypto(struct quicktun_session *session, uint64_t now_ms,
                               struct quicktun_wire *wire, bool known)
{
    static const uint8_t no_input[QUICKTUN_INPUT_LEN];
    uint8_t arguments[QUICKTUN_KEY_LEN + QUICKTUN_INPUT_LEN] = {0};
    int error = draw_input(session);
    if (error)
        return error;
    if (!known)
        memcpy(arguments, session->context->public_key, QUICKTUN_KEY_LEN);
    memcpy(arguments + QUICKTUN_KEY_LEN, session->local, QUICKTUN_INPUT_LEN);
    quicktun_send_command(session, wire, QUICKTUN_CODE_START_CRYPTO, arguments, sizeof arguments);
    session->out.on = true;
    quicktun_direction_mine(&session->out, session->context->secret, QUICKTUN_KIND_LONG_TERM);
    quicktun_direction_nonce(&session->out, session->start_received ? session->remote : no_input,
                             session->local);
    session->start_sent = true;
    quicktun_pending_add(session, now_ms, QUICKTUN_CODE_START_CRYPTO);
    return QUICKTUN_OK;
}

void quicktun_send_ack_crypto(struct quicktun_session *session, struct quicktun_wire *wire)
{
    quicktun_send_command(session, wire, QUICKTUN_CODE_ACK_CRYPTO, NULL, 0);
    session->out.on = true;
    quicktun_direction_theirs(&session->out, session->peer, QUICKTUN_KIND_LONG_TERM);
    quicktun_direction_nonce(&session->out, session->remote, session->local);
}

int quicktun_send_begin_update(struct quicktun_session *session, uint64_t now_ms,
                               struct quicktun_wire *wire)
{
    uint8_t secret[QUICKTUN_KEY_LEN];
    uint8_t public_key[QUICKTUN_KEY_LEN];
    int error = quicktun_session_random(session, secret, sizeof secret);
    if (error)
        return error;
    (void)crypto_scalarmult_base(public_key, secret); /* cannot fail: the base point is not weak */
    quicktun_send_command(session, wire, QUICKTUN_CODE_BEGIN_UPDATE, public_key, sizeof public_key);
    session->out.on = true;
    quicktun_direction_mine(&session->out, secret, QUICKTUN_KIND_SESSION);
    sodium_memzero(secret, sizeof secret);
    quicktun_pending_add(session, now_ms, QUICKTUN_CODE_BEGIN_UPDATE);
    if (session->updates_paid_ms < now_ms)
        session->updates_paid_ms = now_ms;
    session->updates_paid_ms += QUICKTUN_UPDATE_EVERY_MS;
    return QUICKTUN_OK;
}

void quicktun_send_ack_update(struct quicktun_session *session, struct quicktun_wire *wire,
                              const uint8_t key[QUICKTUN_KEY_LEN])
{
    quicktun_send_command(session, wire, QUICKTUN_CODE_ACK_UPDATE, NULL, 0);
    session->out.on = true;
    quicktun_direction_theirs(&session->out, key, QUICKTUN_KIND_SESSION);
}

/* ---- Passwords ---- */

void quicktun_password_hash(const struct quicktun_password *password, const uint8_t *salt,
                            size_t salt_len, uint8_t out[QUICKTUN_HASH_LEN])
{
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, salt, salt_len);
    crypto_hash_sha512_update(&state, password->bytes, password->len);
    crypto_hash_sha512_final(&state, out);
    sodium_memzero(&state, sizeof state);
}

/* The salt of a new request of ours; live until it is answered. */
static int draw_salt(struct quicktun_session *session)
{
    uint8_t salt[QUICKTUN_SALT_LEN];
    int error = quicktun_session_random(session, salt, sizeof salt);
    if (error)
        return error;
    return quicktun_live_add(&session->options.ask->salts, &session->salt_live, salt, sizeof salt)
               ? QUICKTUN_OK
               : quicktun_session_fail(session, QUICKTUN_E_NO_MEMORY);
}

int quicktun_send_ask_password(struct quicktun_session *session, uint64_t now_ms,
                               struct quicktun_wire *wire)
{
    int error = draw_salt(session);
    if (error)
        return error;
    quicktun_send_command(session, wire, QUICKTUN_CODE_ASK_PASSWORD, session->salt_live.value,
                          QUICKTUN_SALT_LEN);
    quicktun_pending_add(session, now_ms, QUICKTUN_CODE_ASK_PASSWORD);
    return QUICKTUN_OK;
}

int quicktun_send_options_and_ask(struct quicktun_session *session, uint64_t now_ms,
                                  struct quicktun_wire *wire)
{
    uint8_t bits = quicktun_send_offer(session);
    uint8_t payload[] = {
        QUICKTUN_CODE_BATCH,       0, 2, QUICKTUN_CODE_OPTIONS, bits, 0, 1 + QUICKTUN_SALT_LEN,
        QUICKTUN_CODE_ASK_PASSWORD};
    uint8_t whole[sizeof payload + QUICKTUN_SALT_LEN];
    int error = draw_salt(session);
    if (error)
        return error;
    memcpy(whole, payload, sizeof payload);
    memcpy(whole + sizeof payload, session->salt_live.value, QUICKTUN_SALT_LEN);
    note_offer(session, bits);
    quicktun_send_payload(session, wire, whole, sizeof whole);
    quicktun_pending_add(session, now_ms, QUICKTUN_CODE_ASK_PASSWORD);
    return QUICKTUN_OK;
}

void quicktun_send_password(struct quicktun_session *session, struct quicktun_wire *wire,
                            const uint8_t *salt, size_t salt_len)
{
    uint8_t hash[QUICKTUN_HASH_LEN];
    quicktun_password_hash(session->options.password, salt, salt_len, hash);
    quicktun_send_command(session, wire, QUICKTUN_CODE_PASSWORD, hash, sizeof hash);
    sodium_memzero(hash, sizeof hash);
}

/* ---- Disable encryption, Start tunnel data ---- */

void quicktun_send_disable(struct quicktun_session *session, uint64_t now_ms,
                           struct quicktun_wire *wire)
{
    quicktun_send_command(session, wire, QUICKTUN_CODE_DISABLE, NULL, 0);
    session->out.on = false;
    session->disable_sent = true;
    session->disabled = true;
    quicktun_pending_add(session, now_ms, QUICKTUN_CODE_DISABLE);
}

void quicktun_send_ack_disable(struct quicktun_session *session, struct quicktun_wire *wire)
{
    quicktun_send_command(session, wire, QUICKTUN_CODE_ACK_DISABLE, NULL, 0);
    session->out.on = false;
}

void quicktun_send_start_data(struct quicktun_session *session, struct quicktun_wire *wire)
{
    bool clean = quicktun_direction_clean(&session->out);
    if (quicktun_send_command(session, wire, QUICKTUN_CODE_START_DATA, NULL, 0)) {
        session->zero_sent = true;
        session->zero_sent_clean |= clean;
    }
}
