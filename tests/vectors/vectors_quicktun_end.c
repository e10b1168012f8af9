#include "tests/vectors/vectors_quicktun_end.h"

#include "base/encode.h"
#include "lib/quicktun/messages.h"
#include "lib/quicktun/send.h"

#include <stdlib.h>
#include <string.h>

static int draw(void *arg, void *buf, size_t len)
{
    struct end *end = arg;
    memset(buf, 0, len);
    if (end->tape) {
        if (len > end->tape_len)
            return -1;
        memcpy(buf, end->tape, len);
        end->tape += len;
        end->tape_len -= len;
    }
    return 0;
}

/* ---- Start ---- */

static bool flag(const json_t *policy, const char *key)
{
    return json_is_true(json_object_get(policy, key));
}

/* The weaker modes that a recorded policy allows by not asking for more. */
static struct quicktun_options options_of(const json_t *policy, const uint8_t *pin)
{
    bool open = !flag(policy, "proof") && !flag(policy, "secured");
    return (struct quicktun_options){
        .peer_key = pin,
        .segmented = flag(policy, "segmented"),
        .require_control_only = flag(policy, "control_only"),
        .weak_anyone = !pin,
        .weak_unproven_peer = !flag(policy, "proof"),
        .weak_unencrypted = !flag(policy, "secured"),
        .weak_long_term_keys = !flag(policy, "session"),
        .weak_disable = flag(policy, "disable"),
        .weak_clear_passwords = open,
    };
}

static bool load_passwords(struct end *end, const json_t *record, const json_t *policy,
                           struct quicktun_options *options)
{
    const char *mine = json_string_value(json_object_get(record, "password"));
    const char *asked = json_string_value(json_object_get(policy, "ask_password"));
    if (mine)
        options->password = end->password = quicktun_password_new(mine, strlen(mine));
    if (asked && mine && strcmp(asked, mine) == 0)
        options->ask = end->password;
    else if (asked)
        options->ask = end->other_password = quicktun_password_new(asked, strlen(asked));
    return (!mine || end->password) && (!asked || options->ask);
}

bool end_start(struct end *end, char name, const json_t *record, const char *where)
{
    static struct recorded_bytes secret;
    static struct recorded_bytes pin;
    const json_t *policy = json_object_get(record, name == 'A' ? "policy_a" : "policy_b");
    memset(end, 0, sizeof *end);
    end->name = name;
    end->wire = (struct quicktun_wire){end->wire_bytes, 0, sizeof end->wire_bytes};
    if (!recorded_hex(record, name == 'A' ? "key_a_secret" : "key_b_secret", where, false,
                      &secret) ||
        !recorded_hex(policy, "pin", where, true, &pin))
        return false;
    if (secret.len != QUICKTUN_KEY_LEN || (pin.len > 0 && pin.len != QUICKTUN_KEY_LEN))
        return vectors_fail(where, "a key of another length");
    struct quicktun_options options = options_of(policy, pin.len > 0 ? pin.bytes : NULL);
    end->context = quicktun_context_new(secret.bytes, draw, end);
    if (end->context && load_passwords(end, record, policy, &options))
        end->session = quicktun_session_create(end->context, &options, end->now_ms);
    return end->session ? true : vectors_fail(where, "no session");
}

void end_stop(struct end *end)
{
    quicktun_session_free(end->session);
    quicktun_context_free(end->context);
    quicktun_password_free(end->password);
    quicktun_password_free(end->other_password);
}

/* ---- Saying ---- */

/* A tunnelled packet: as the engine sends it by itself, where that is how it was recorded. */
static bool say_packet(struct end *end, bool as_command, const uint8_t *packet, size_t len,
                       uint16_t gso_size)
{
    struct quicktun_session *session = end->session;
    bool keyed = session->start_sent || session->start_received;
    size_t max = 0;
    if (keyed == as_command) {
        uint8_t *place = quicktun_place(session, &end->wire, &max);
        if (!place || len > max)
            return false;
        memcpy(place, packet, len);
        return quicktun_packet(session, &end->wire, len, gso_size) == 1;
    }
    if (as_command)
        return quicktun_send_command(session, &end->wire, QUICKTUN_CODE_PACKET, packet, len);
    uint8_t *place = end->wire.bytes + end->wire.len + quicktun_send_overhead(session);
    memcpy(place, packet, len);
    quicktun_send_sealed(session, &end->wire, len, false);
    return true;
}

static bool say_route(struct end *end, const uint8_t *arguments, size_t len)
{
    struct quicktun_route route;
    return quicktun_message_read_route(arguments, len, &route) > 0 &&
           quicktun_send_route(end->session, &end->wire, &route);
}

static bool say_network(struct end *end, const uint8_t *arguments, size_t len)
{
    struct quicktun_network network;
    return len == QUICKTUN_NETWORK_LEN && quicktun_message_read_network(arguments, &network) &&
           quicktun_send_network(end->session, &end->wire, &network);
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum |= bytes[i];
    return sum == 0;
}

static bool say_start_data(struct end *end)
{
    quicktun_send_start_data(end->session, &end->wire);
    /* A told end does not say it twice, where adit's would. */
    end->session->zero_sent_clean = true;
    return true;
}

static bool say_disable(struct end *end)
{
    quicktun_send_disable(end->session, end->now_ms, &end->wire);
    return true;
}

/* Lets the engine do a step, with the arguments that were recorded. */
static bool do_step(struct end *end, enum recorded_kind kind, const uint8_t *payload, size_t len)
{
    struct quicktun_session *session = end->session;
    struct quicktun_wire *wire = &end->wire;
    const uint8_t *arguments = payload + 1;
    switch (kind) {
    case RECORDED_IDENT:
        return quicktun_send_identification(session, wire);
    case RECORDED_OPTIONS:
        return len == 2 && quicktun_send_options(session, wire, arguments[0]);
    case RECORDED_START_DATA:
        return say_start_data(end);
    case RECORDED_START_CRYPTO:
        return quicktun_send_start_crypto(session, end->now_ms, wire,
                                          len > QUICKTUN_KEY_LEN &&
                                              all_zero(arguments, QUICKTUN_KEY_LEN)) == 0;
    case RECORDED_BEGIN_UPDATE:
        return quicktun_send_begin_update(session, end->now_ms, wire) == 0;
    case RECORDED_ASK_PASSWORD:
        session->options.ask = session->options.ask ? session->options.ask : end->password;
        return quicktun_send_ask_password(session, end->now_ms, wire) == 0;
    case RECORDED_DISABLE:
        return say_disable(end);
    case RECORDED_ECHO:
        return quicktun_send_command(session, wire, QUICKTUN_CODE_ECHO, arguments, len - 1);
    case RECORDED_ECHO_REPLY:
        return quicktun_send_command(session, wire, QUICKTUN_CODE_ECHO_REPLY, end->echo,
                                     end->echo_len);
    case RECORDED_NETWORK:
        return say_network(end, arguments, len - 1);
    case RECORDED_ROUTE:
        return say_route(end, arguments, len - 1);
    case RECORDED_PACKET:
        return say_packet(end, false, payload, len, 0);
    case RECORDED_CONTROL_PACKET:
        return say_packet(end, true, arguments, len - 1, 0);
    case RECORDED_SEGMENTED:
        return len > 3 && say_packet(end, true, arguments + 2, len - 3,
                                     (uint16_t)(arguments[0] << 8 | arguments[1]));
    case RECORDED_AS_IT_IS:
        return quicktun_send_payload(session, wire, payload, len);
    case RECORDED_ANSWER:
        return false; /* the engine should have said it */
    }
    return false;
}

/* The random bytes that the step draws: a salt stands in the packet alone. */
static bool set_tape(struct end *end, const json_t *op, enum recorded_kind kind, const char *where,
                     const struct recorded_bytes *payload)
{
    static struct recorded_bytes random;
    if (!recorded_hex(op, "random", where, true, &random))
        return false;
    bool salt = kind == RECORDED_ASK_PASSWORD && payload->len > 0;
    end->tape = salt ? payload->bytes + 1 : random.len > 0 ? random.bytes : NULL;
    end->tape_len = salt ? payload->len - 1 : random.len;
    return true;
}

static bool expect_wire(struct end *end, const struct recorded_bytes *wire, const char *where)
{
    size_t len = end->wire.len - end->taken;
    if (len < wire->len || memcmp(end->wire.bytes + end->taken, wire->bytes, wire->len) != 0)
        return vectors_fail(where, "%c's engine writes other bytes than recorded", end->name);
    end->taken += wire->len;
    if (end->taken == end->wire.len)
        end->taken = end->wire.len = 0;
    return true;
}

bool end_says(struct end *end, const json_t *op, const char *where)
{
    static struct recorded_bytes wire;
    static struct recorded_bytes payload;
    const char *name = json_string_value(json_object_get(op, "step"));
    struct recorded_step step = {0};
    if (!name || !recorded_step_find(name, &step))
        return vectors_fail(where, "unknown step \"%s\"", name ? name : "(none)");
    if (!recorded_hex(op, "wire", where, false, &wire) ||
        !recorded_payload(op, where, &wire, &payload))
        return false;
    bool control = wire.bytes[0] & 0x80;
    if (control ? payload.len == 0 || (step.code != payload.bytes[0] && step.code != -1)
                : step.code != -2)
        return vectors_fail(where, "the packet is no \"%s\"", name);
    bool waiting = end->wire.len > end->taken;
    if (!waiting) {
        bool done = set_tape(end, op, step.kind, where, &payload) &&
                    do_step(end, step.kind, payload.bytes, payload.len);
        bool drawn = !end->tape || end->tape_len == 0;
        end->tape = NULL;
        if (!done || !drawn)
            return vectors_fail(where, "%c's engine does not say \"%s\" now", end->name, name);
    } else if (step.kind != RECORDED_ANSWER && step.kind != RECORDED_ECHO_REPLY) {
        return vectors_fail(where, "%c's engine has an answer to send before \"%s\"", end->name,
                            name);
    }
    return expect_wire(end, &wire, where);
}

/* ---- Hearing ---- */

static json_t *hex_string(const uint8_t *bytes, size_t len)
{
    char *text = malloc(2 * len + 1);
    if (!text)
        abort();
    hex_encode(bytes, len, text);
    json_t *string = json_string(text);
    free(text);
    return string;
}

static void note(struct heard *heard, const struct quicktun_event *event)
{
    size_t gso = event->code == QUICKTUN_CODE_SEGMENTED ? sizeof event->gso_size : 0;
    if (event->code != QUICKTUN_NO_CODE) {
        json_array_append_new(
            heard->commands,
            json_pack("[io]", event->code, hex_string(event->data - gso, event->len + gso)));
    }
    if (event->type == QUICKTUN_PACKET)
        json_array_append_new(heard->tunnelled, hex_string(event->data, event->len));
}

/* Packets that the engine wrote and nothing recorded was compared with yet. */
static size_t packets_waiting(const struct end *end, size_t wire_len)
{
    size_t count = 0;
    for (size_t at = end->taken; at < wire_len; count++)
        at += 2 + ((size_t)(end->wire.bytes[at] << 8 | end->wire.bytes[at + 1]) & 0x7fff);
    return count;
}

/* After what waits, the recorded end answers an echo request with these data. */
static bool recorded_answer(const struct end *end, const struct moment *moment, size_t waiting,
                            const uint8_t *data, size_t len)
{
    static struct recorded_bytes wire;
    static struct recorded_bytes payload;
    for (size_t i = moment->index + 1; i < json_array_size(moment->ops); i++) {
        const json_t *op = json_array_get(moment->ops, i);
        if (!recorded_is_op(op, "send") || recorded_from(op) != end->name || waiting-- > 0)
            continue;
        return recorded_hex(op, "wire", "echo", false, &wire) &&
               recorded_payload(op, "echo", &wire, &payload) && payload.len == 1 + len &&
               payload.bytes[0] == QUICKTUN_CODE_ECHO_REPLY &&
               memcmp(payload.bytes + 1, data, len) == 0;
    }
    return false;
}

/* The engine answers an echo request at once; where the recorder did not, it is taken back. */
static void hear_echo(struct end *end, const struct quicktun_event *event,
                      const struct moment *moment, const struct quicktun_direction *out_before,
                      size_t wire_len_before)
{
    memcpy(end->echo, event->data, event->len);
    end->echo_len = event->len;
    if (!recorded_answer(end, moment, packets_waiting(end, wire_len_before), event->data,
                         event->len)) {
        end->session->out = *out_before;
        end->wire.len = wire_len_before;
    }
}

static void note_payload(const struct end *end, bool encrypted, size_t len, struct heard *heard)
{
    size_t start = 2 + (encrypted ? QUICKTUN_TAG_LEN : 0);
    heard->payload.len = len - start;
    memcpy(heard->payload.bytes, end->in + start, len - start);
}

int end_hears(struct end *end, const uint8_t *bytes, size_t len, const struct moment *moment,
              struct heard *heard)
{
    struct quicktun_session *session = end->session;
    struct quicktun_event event;
    size_t consumed = 0;
    bool encrypted = session->in.on;
    memcpy(end->in + end->in_len, bytes, len);
    end->in_len += len;
    end->now_ms += 1000;
    for (;;) {
        struct quicktun_direction out_before = session->out;
        size_t wire_len_before = end->wire.len;
        int error = quicktun_receive(session, end->now_ms, &end->wire, end->in, end->in_len,
                                     &consumed, &event);
        if (error || event.type == QUICKTUN_NEED_MORE || event.type == QUICKTUN_WRITE_FIRST)
            return error;
        if (event.code == QUICKTUN_CODE_ECHO)
            hear_echo(end, &event, moment, &out_before, wire_len_before);
        if (heard)
            note(heard, &event);
        if (consumed > 0) {
            if (heard)
                note_payload(end, encrypted, consumed, heard);
            memmove(end->in, end->in + consumed, end->in_len - consumed);
            end->in_len -= consumed;
            encrypted = session->in.on;
        }
    }
}
