#include "lib/quicktun/commands.h"

#include "lib/quicktun/alive.h"
#include "lib/quicktun/messages.h"
#include "lib/quicktun/send.h"

#include <sodium.h>
#include <string.h>

/* The handlers: each gets the arguments of its command and returns 0 or the error to fail with. */
struct call {
    struct quicktun_session *session;
    uint64_t now_ms;
    struct quicktun_wire *wire;
    struct quicktun_event *event;
};

/* ---- Start, acknowledge, key update (rules 1 to 4) ---- */

static bool same_key(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, QUICKTUN_KEY_LEN) == 0;
}

/* Neither weak nor our own nor key 0, in whatever spelling. */
static bool acceptable(const struct quicktun_session *session, const uint8_t *key)
{
    uint8_t class[QUICKTUN_SHARED_LEN];
    const struct quicktun_context *context = session->context;
    return quicktun_key_class(key, class) && !same_key(class, context->own_class) &&
           !same_key(class, context->key0_class);
}

static bool known(const struct quicktun_session *session, const uint8_t *key)
{
    const struct quicktun_options *options = &session->options;
    return options->weak_anyone || (options->peer_key && same_key(options->peer_key, key)) ||
           (options->known && options->known(options->known_arg, key));
}

static int start_crypto(const struct call *call)
{
    struct quicktun_session *session = call->session;
    static const uint8_t no_input[QUICKTUN_INPUT_LEN];
    const uint8_t *key = call->event->data;
    const uint8_t *input = key + QUICKTUN_KEY_LEN;
    if (session->start_received)
        return QUICKTUN_E_SECOND_START;
    if (sodium_is_zero(input, QUICKTUN_INPUT_USED) ||
        quicktun_live_has(&session->context->inputs, input, QUICKTUN_INPUT_USED))
        return QUICKTUN_E_NONCE_INPUT;
    if (sodium_is_zero(key, QUICKTUN_KEY_LEN) && session->options.peer_key)
        key = session->options.peer_key;
    if (!known(session, key))
        return QUICKTUN_E_KEY_UNKNOWN;
    if (!acceptable(session, key))
        return QUICKTUN_E_KEY_REFUSED;
    memcpy(session->peer, key, sizeof session->peer);
    memcpy(session->remote, input, sizeof session->remote);
    session->start_received = true;
    session->theirs_known = true;
    session->in.on = true;
    quicktun_direction_theirs(&session->in, key, QUICKTUN_KIND_LONG_TERM);
    quicktun_direction_nonce(&session->in, session->start_answered ? session->local : no_input,
                             session->remote);
    quicktun_send_ack_crypto(session, call->wire);
    return QUICKTUN_OK;
}

static int ack_crypto(const struct call *call)
{
    struct quicktun_session *session = call->session;
    if (!quicktun_pending_take(session, call->now_ms, QUICKTUN_CODE_ACK_CRYPTO))
        return QUICKTUN_E_ANSWER;
    session->start_answered = true;
    session->in.on = true;
    quicktun_direction_mine(&session->in, session->context->secret, QUICKTUN_KIND_LONG_TERM);
    quicktun_direction_nonce(&session->in, session->local, session->remote);
    return QUICKTUN_OK;
}

static int begin_update(const struct call *call)
{
    struct quicktun_session *session = call->session;
    const struct quicktun_reading *packet = &session->reading;
    const uint8_t *key = call->event->data;
    if (session->proof ? !packet->vouched : !packet->opened && !session->start_received)
        return QUICKTUN_E_UPDATE_UNVOUCHED;
    if (session->disable_sent)
        return QUICKTUN_E_UPDATE_AFTER_DISABLE;
    if (!acceptable(session, key))
        return QUICKTUN_E_KEY_REFUSED;
    session->theirs_known = packet->vouched;
    session->in.on = true;
    quicktun_direction_theirs(&session->in, key, QUICKTUN_KIND_SESSION);
    quicktun_send_ack_update(session, call->wire, key);
    return QUICKTUN_OK;
}

static int ack_update(const struct call *call)
{
    struct quicktun_session *session = call->session;
    if (!quicktun_pending_take(session, call->now_ms, QUICKTUN_CODE_ACK_UPDATE))
        return QUICKTUN_E_ANSWER;
    session->in.on = true;
    quicktun_direction_mine(&session->in, session->out.mine, QUICKTUN_KIND_SESSION);
    session->update_at_ms = call->now_ms + session->options.update_after_ms;
    session->bytes_at_update = session->counters.bytes_received + session->counters.bytes_sent;
    session->counters.key_updates++;
    session->counters.updated_at_ms = call->now_ms;
    return QUICKTUN_OK;
}

/* ---- Passwords (rule 8) ---- */

static int ask_password(const struct call *call)
{
    struct quicktun_session *session = call->session;
    const struct quicktun_event *event = call->event;
    struct quicktun_password *password = session->options.password;
    bool safe = session->out.on && quicktun_direction_clean(&session->out);
    if (session->proof && !session->reading.vouched)
        return QUICKTUN_E_PASSWORD_UNVOUCHED;
    if (session->reading.asked)
        return QUICKTUN_E_SECOND_REQUEST;
    if (event->len < QUICKTUN_SALT_MIN)
        return QUICKTUN_E_SALT;
    if (!password)
        return QUICKTUN_E_PASSWORD_NONE;
    if (quicktun_live_has(&password->salts, event->data, event->len))
        return QUICKTUN_E_SALT;
    if (!safe && !session->options.weak_clear_passwords)
        return QUICKTUN_E_PASSWORD_IN_CLEAR;
    session->reading.asked = true;
    quicktun_send_password(session, call->wire, event->data, event->len);
    return QUICKTUN_OK;
}

static int password(const struct call *call)
{
    struct quicktun_session *session = call->session;
    uint8_t expected[QUICKTUN_HASH_LEN];
    if (session->proof && !session->reading.vouched)
        return QUICKTUN_E_PASSWORD_UNVOUCHED;
    if (!quicktun_pending_take(session, call->now_ms, QUICKTUN_CODE_PASSWORD))
        return QUICKTUN_E_ANSWER;
    struct quicktun_password *asked = session->options.ask;
    quicktun_password_hash(asked, session->salt_live.value, QUICKTUN_SALT_LEN, expected);
    quicktun_live_remove(&asked->salts, &session->salt_live);
    session->password_right = sodium_memcmp(expected, call->event->data, sizeof expected) == 0;
    sodium_memzero(expected, sizeof expected);
    return session->password_right ? QUICKTUN_OK : QUICKTUN_E_PASSWORD_WRONG;
}

/* ---- Disable encryption (rule 7) ---- */

/* A request of ours that they did not answer would be answered in clear, if at all. */
static bool requests_done(const struct quicktun_session *session)
{
    size_t disables = quicktun_pending_has(session, QUICKTUN_CODE_DISABLE);
    return session->pending.count == disables && (!session->options.ask || session->password_right);
}

static int disable(const struct call *call)
{
    struct quicktun_session *session = call->session;
    if (!session->options.weak_disable)
        return QUICKTUN_E_DISABLE_FORBIDDEN;
    if (session->proof && !session->reading.vouched)
        return QUICKTUN_E_DISABLE_UNVOUCHED;
    if (!requests_done(session))
        return QUICKTUN_E_DISABLE_EARLY;
    session->disabled = true;
    session->in.on = false;
    quicktun_send_ack_disable(session, call->wire);
    return QUICKTUN_OK;
}

static int ack_disable(const struct call *call)
{
    struct quicktun_session *session = call->session;
    if (!quicktun_pending_take(session, call->now_ms, QUICKTUN_CODE_ACK_DISABLE))
        return QUICKTUN_E_ANSWER;
    session->in.on = false;
    return QUICKTUN_OK;
}

/* ---- The tunnel ---- */

static int start_data(const struct call *call)
{
    struct quicktun_session *session = call->session;
    if (session->proof && !session->proven)
        return QUICKTUN_OK; /* whoever is on the path can send it now */
    if (session->options.mode == QUICKTUN_ETHERNET && session->reading.opened &&
        !session->options.weak_ethernet_forging &&
        !(session->accepted & QUICKTUN_OFFER_CONTROL_ONLY))
        return QUICKTUN_E_NO_CONTROL_ONLY;
    session->zero_received = true;
    return QUICKTUN_OK;
}

/* event has the packet: for the device, or dropped. */
static int tunnelled(struct quicktun_session *session, struct quicktun_event *event)
{
    if (!quicktun_session_up(session))
        return QUICKTUN_E_DATA_EARLY;
    if (!quicktun_message_deliverable(session, event->data, event->len)) {
        session->counters.packets_dropped++;
        return QUICKTUN_OK;
    }
    session->counters.packets_received++;
    session->counters.bytes_received += event->len;
    event->type = QUICKTUN_PACKET;
    return QUICKTUN_OK;
}

static int packet(const struct call *call)
{
    return tunnelled(call->session, call->event);
}

static int segmented(const struct call *call)
{
    struct quicktun_event *event = call->event;
    if (!quicktun_session_segmented(call->session))
        return QUICKTUN_E_SEGMENTED;
    if (event->len < sizeof event->gso_size)
        return QUICKTUN_E_ARGUMENT;
    event->gso_size = (uint16_t)(event->data[0] << 8 | event->data[1]);
    event->data += sizeof event->gso_size;
    event->len -= sizeof event->gso_size;
    return tunnelled(call->session, event);
}

/* ---- The rest ---- */

static int identification(const struct call *call)
{
    const struct quicktun_event *event = call->event;
    return event->len == 7 && memcmp(event->data, "UICKTUN", 7) == 0 ? QUICKTUN_OK
                                                                     : QUICKTUN_E_IDENTIFICATION;
}

static int options(const struct call *call)
{
    if (call->session->reading.opened)
        call->session->accepted = call->event->data[0];
    call->session->settled_heard |= call->session->reading.vouched;
    return QUICKTUN_OK;
}

static int echo(const struct call *call)
{
    struct quicktun_session *session = call->session;
    const struct quicktun_event *event = call->event;
    if (!quicktun_session_protected(session) ||
        !quicktun_send_command(session, call->wire, QUICKTUN_CODE_ECHO_REPLY, event->data,
                               event->len))
        session->counters.echoes_dropped++;
    return QUICKTUN_OK;
}

static int echo_reply(const struct call *call)
{
    quicktun_alive_pong(call->session, call->now_ms, call->event->data, call->event->len);
    return QUICKTUN_OK;
}

static int network(const struct call *call)
{
    struct quicktun_event *event = call->event;
    bool read = quicktun_message_read_network(event->data, &event->network);
    event->type = read ? QUICKTUN_NETWORK : QUICKTUN_UNKNOWN;
    return QUICKTUN_OK;
}

static int route(const struct call *call)
{
    struct quicktun_event *event = call->event;
    int got = quicktun_message_read_route(event->data, event->len, &event->route);
    event->type = got > 0 ? QUICKTUN_ROUTE : QUICKTUN_UNKNOWN;
    return got < 0 ? got : QUICKTUN_OK;
}

enum { ANY_LEN = -1 };

static const struct handler {
    int (*handle)(const struct call *call);
    int len; /* of the arguments, or ANY_LEN */
    uint32_t cost;
} handlers[] = {
    [QUICKTUN_CODE_START_DATA] = {start_data, 0, 1},
    [QUICKTUN_CODE_START_CRYPTO] = {start_crypto, QUICKTUN_KEY_LEN + QUICKTUN_INPUT_LEN,
                                    QUICKTUN_COSTLY},
    [QUICKTUN_CODE_ACK_CRYPTO] = {ack_crypto, 0, 1},
    [QUICKTUN_CODE_BEGIN_UPDATE] = {begin_update, QUICKTUN_KEY_LEN, QUICKTUN_COSTLY},
    [QUICKTUN_CODE_ACK_UPDATE] = {ack_update, 0, 1},
    [QUICKTUN_CODE_ASK_PASSWORD] = {ask_password, ANY_LEN, QUICKTUN_COSTLY},
    [QUICKTUN_CODE_PASSWORD] = {password, QUICKTUN_HASH_LEN, 1},
    [QUICKTUN_CODE_DISABLE] = {disable, 0, 1},
    [QUICKTUN_CODE_ACK_DISABLE] = {ack_disable, 0, 1},
    [QUICKTUN_CODE_ECHO] = {echo, ANY_LEN, 1},
    [QUICKTUN_CODE_ECHO_REPLY] = {echo_reply, ANY_LEN, 1},
    [QUICKTUN_CODE_NETWORK] = {network, QUICKTUN_NETWORK_LEN, 1},
    [QUICKTUN_CODE_ROUTE] = {route, ANY_LEN, 1},
    [QUICKTUN_CODE_PACKET] = {packet, ANY_LEN, 0},
    [QUICKTUN_CODE_OPTIONS] = {options, 1, 1},
    [QUICKTUN_CODE_SEGMENTED] = {segmented, ANY_LEN, 0},
    [QUICKTUN_CODE_IDENTIFICATION] = {identification, ANY_LEN, 1},
};

/* The handler of a command, or NULL for one that we don't know. */
static const struct handler *handler_of(int code)
{
    size_t count = sizeof handlers / sizeof *handlers;
    return (size_t)code < count && handlers[code].handle ? &handlers[code] : NULL;
}

/* False when the other side has sent more than it may. */
static bool pay(struct quicktun_session *session, uint64_t now_ms, uint32_t cost)
{
    struct quicktun_credit *credit = &session->credit;
    uint64_t earned = (now_ms - credit->since_ms) * QUICKTUN_COMMANDS_PER_S / 1000;
    if (earned > 0) {
        uint64_t left = credit->left + earned;
        credit->left =
            left < QUICKTUN_COMMANDS_BURST ? (uint32_t)left : (uint32_t)QUICKTUN_COMMANDS_BURST;
        credit->since_ms = now_ms;
    }
    if (credit->left < cost)
        return false;
    credit->left -= cost;
    return true;
}

int quicktun_command_apply(struct quicktun_session *session, uint64_t now_ms,
                           struct quicktun_wire *wire, struct quicktun_event *event)
{
    const struct call call = {session, now_ms, wire, event};
    const struct handler *handler = handler_of(event->code);
    event->type = handler ? QUICKTUN_COMMAND : QUICKTUN_UNKNOWN;
    int error = QUICKTUN_OK;
    if (!pay(session, now_ms, handler ? handler->cost : 1))
        error = QUICKTUN_E_FLOOD;
    else if (handler && handler->len != ANY_LEN && event->len != (size_t)handler->len)
        error = QUICKTUN_E_ARGUMENT;
    else if (session->proof && !session->proven && quicktun_code_needs_proof((uint8_t)event->code))
        error = QUICKTUN_E_UNPROVEN;
    else if (handler)
        error = handler->handle(&call);
    if (event->type == QUICKTUN_UNKNOWN)
        session->counters.commands_skipped++;
    return error ? quicktun_session_fail(session, error) : QUICKTUN_OK;
}

int quicktun_command_raw(struct quicktun_session *session, struct quicktun_event *event)
{
    event->type = QUICKTUN_COMMAND;
    int error = QUICKTUN_OK;
    if (session->options.require_control_only ||
        quicktun_session_agreed(session, QUICKTUN_OFFER_CONTROL_ONLY))
        error = QUICKTUN_E_NOT_CONTROL;
    else if (session->proof && !session->proven)
        error = QUICKTUN_E_UNPROVEN;
    else
        error = tunnelled(session, event);
    return error ? quicktun_session_fail(session, error) : QUICKTUN_OK;
}
