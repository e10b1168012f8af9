#include "lib/quicktun/alive.h"
#include "lib/quicktun/commands.h"
#include "lib/quicktun/send.h"

enum {
    LENGTH_LEN = 2, /* of a packet on the wire */
    CONTROL_BIT = 0x8000,
    LENGTH_MASK = 0x7fff,
};

/* Decrypts the packet in place and takes note of what that says about its sender. */
static int open_packet(struct quicktun_session *session, uint8_t *packet, size_t payload_len)
{
    struct quicktun_direction *in = &session->in;
    struct quicktun_reading *reading = &session->reading;
    reading->start = LENGTH_LEN;
    reading->asked = false;
    reading->opened = in->on && in->mine_kind != QUICKTUN_KIND_KEY0;
    reading->vouched = reading->opened && session->theirs_known;
    if (in->on) {
        if (!quicktun_direction_open(in, packet + LENGTH_LEN, payload_len - QUICKTUN_TAG_LEN))
            return quicktun_session_fail(session, QUICKTUN_E_AUTHENTICATION);
        reading->start += QUICKTUN_TAG_LEN;
    }
    session->proven |= reading->vouched;
    return QUICKTUN_OK;
}

/* Sets up the reading of a control packet's commands, all of which are well-formed. */
static int start_control(struct quicktun_session *session, const uint8_t *payload, size_t len)
{
    if (len == 0)
        return quicktun_session_fail(session, QUICKTUN_E_EMPTY_CONTROL);
    int error = quicktun_walk_check(payload, len);
    if (error)
        return quicktun_session_fail(session, error);
    quicktun_walk_start(&session->reading.walk, len);
    return QUICKTUN_OK;
}

static int next_command(struct quicktun_session *session, uint64_t now_ms,
                        struct quicktun_wire *wire, uint8_t *packet, struct quicktun_event *event)
{
    uint8_t *payload = packet + session->reading.start;
    struct quicktun_command command;
    quicktun_walk_next(&session->reading.walk, payload, &command);
    event->code = command.code;
    event->data = payload + command.at;
    event->len = command.len;
    return quicktun_command_apply(session, now_ms, wire, event);
}

/* A packet that is there as a whole. */
static int start_packet(struct quicktun_session *session, uint64_t now_ms, uint8_t *in,
                        size_t wire_len, struct quicktun_event *event)
{
    struct quicktun_reading *reading = &session->reading;
    int error = open_packet(session, in, wire_len - LENGTH_LEN);
    if (error)
        return error;
    quicktun_alive_heard(session, now_ms);
    size_t payload_len = wire_len - reading->start;
    if (in[0] & CONTROL_BIT >> 8) {
        reading->wire_len = (uint16_t)wire_len;
        return start_control(session, in + reading->start, payload_len);
    }
    event->code = QUICKTUN_NO_CODE;
    event->data = in + reading->start;
    event->len = payload_len;
    return quicktun_command_raw(session, event);
}

/* Stores the length of the packet at in when all of it is there; else 0, and event says how many
 * bytes are needed. */
static int look(struct quicktun_session *session, uint64_t now_ms, const uint8_t *in, size_t len,
                struct quicktun_event *event, size_t *wire_len)
{
    event->type = QUICKTUN_NEED_MORE;
    event->need = LENGTH_LEN;
    *wire_len = 0;
    if (len < LENGTH_LEN)
        return QUICKTUN_OK;
    size_t payload_len = (size_t)(in[0] << 8 | in[1]) & LENGTH_MASK;
    if (session->in.on && payload_len < QUICKTUN_TAG_LEN)
        return quicktun_session_fail(session, QUICKTUN_E_AUTHENTICATION);
    event->need = LENGTH_LEN + payload_len;
    if (len < event->need) {
        if (len > session->reading.seen) {
            session->reading.seen = (uint16_t)len;
            quicktun_alive_heard(session, now_ms);
        }
        return QUICKTUN_OK;
    }
    session->reading.seen = 0;
    *wire_len = event->need;
    return QUICKTUN_OK;
}

int quicktun_receive(struct quicktun_session *session, uint64_t now_ms, struct quicktun_wire *wire,
                     uint8_t *in, size_t len, size_t *consumed, struct quicktun_event *event)
{
    struct quicktun_reading *reading = &session->reading;
    size_t wire_len = reading->wire_len;
    *consumed = 0;
    *event = (struct quicktun_event){0};
    if (session->error)
        return session->error;
    int error = QUICKTUN_OK;
    if (wire_len == 0) {
        error = look(session, now_ms, in, len, event, &wire_len);
        if (error || wire_len == 0)
            return error;
    }
    if (!quicktun_send_has_room(wire, QUICKTUN_ROOM)) {
        event->type = QUICKTUN_WRITE_FIRST;
        return QUICKTUN_OK;
    }
    if (reading->wire_len == 0)
        error = start_packet(session, now_ms, in, wire_len, event);
    if (!error && reading->wire_len > 0)
        error = next_command(session, now_ms, wire, in, event);
    if (error)
        return error;
    if (reading->wire_len == 0 || quicktun_walk_done(&reading->walk)) {
        reading->wire_len = 0;
        *consumed = wire_len;
    }
    session->was_up |= quicktun_session_up(session);
    return QUICKTUN_OK;
}
