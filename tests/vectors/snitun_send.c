#include "tests/vectors/snitun_send.h"

#include "lib/snitun/channel.h"
#include "tests/vectors/snitun_replay.h"

#include <stdio.h>
#include <string.h>

/* A frame that the engine is to write, and the channel of its id, if there is one. */
struct sending {
    struct replay *replay;
    const struct recorded_frame *recorded;
    struct snitun_channel *channel;
};

/* ---- Frames that an engine sends ---- */

/* What the engine writes next as control frames must be the recorded frame. */
static bool control_writes(const struct sending *sending)
{
    struct replay *replay = sending->replay;
    const struct recorded_bytes *wire = &sending->recorded->wire;
    uint8_t out[REPLAY_OUT_MAX];
    long len = snitun_control(replay->session, replay->now_ms, out, sizeof out);
    return replay_same(replay, "control frame", out, len, wire->bytes, wire->len) &&
           replay_take_tape(replay);
}

/* The random bytes of a header whose first extra_len extra bytes are not random. */
static void put_header(const struct sending *sending, size_t extra_len)
{
    const struct recorded_frame *recorded = sending->recorded;
    replay_put_tape(sending->replay, recorded->frame.extra + extra_len,
                    SNITUN_EXTRA_LEN - extra_len);
}

/* The type and address that a NEW for the recorded caller starts with; returns their length. */
static size_t address_of(const struct sending *sending, uint8_t out[17])
{
    struct adit_ip caller = recorded_caller(sending->replay->recorded, sending->recorded);
    size_t len = caller.family == 6 ? 16 : 4;
    out[0] = caller.family == 6 ? '6' : '4';
    memcpy(out + 1, caller.bytes, len);
    return 1 + len;
}

static bool send_new(const struct sending *sending)
{
    struct replay *replay = sending->replay;
    const struct recorded_frame *recorded = sending->recorded;
    uint8_t address[17];
    size_t address_len = address_of(sending, address);
    const uint8_t *said = recorded->data.len ? recorded->data.bytes : recorded->frame.extra;
    if (memcmp(said, address, address_len) != 0)
        return vectors_fail(replay->where, "the frame names another caller than source_ip");
    replay_put_tape(replay, recorded->frame.id, SNITUN_ID_LEN);
    if (!snitun_channel_open(replay->session, &recorded->source))
        return vectors_fail(replay->where, "the channel was not opened");
    if (recorded->frame.size == 0) {
        put_header(sending, address_len);
    } else {
        put_header(sending, 0);
        replay_put_tape(replay, recorded->data.bytes + address_len,
                        recorded->data.len - address_len);
    }
    replay_put_nonce(replay, recorded->wire.bytes);
    if (recorded->frame.size > 0)
        replay_put_nonce(replay, recorded->wire.bytes + snitun_header_len(replay->session));
    return control_writes(sending);
}

static bool send_data(const struct sending *sending)
{
    struct replay *replay = sending->replay;
    const struct recorded_bytes *wire = &sending->recorded->wire;
    put_header(sending, 0);
    replay_put_nonce(replay, wire->bytes);
    snitun_channel_ready(sending->channel);
    size_t limit = 0;
    if (snitun_turn(replay->session, &limit) != sending->channel ||
        sending->recorded->data.len > limit)
        return vectors_fail(replay->where, "not the channel's turn");
    uint8_t header[SNITUN_HEADER_MAX];
    int error = snitun_data(replay->session, sending->channel, sending->recorded->data.len, header);
    snitun_channel_idle(sending->channel);
    long header_len = error ? error : (long)snitun_header_len(replay->session);
    return replay_take_tape(replay) &&
           replay_same(replay, "DATA header", header, header_len, wire->bytes,
                       snitun_header_len(replay->session)) &&
           replay_same(replay, "DATA payload", sending->recorded->data.bytes,
                       (long)sending->recorded->data.len,
                       wire->bytes + snitun_header_len(replay->session),
                       wire->len - snitun_header_len(replay->session));
}

static bool send_close(const struct sending *sending)
{
    put_header(sending, 0);
    replay_put_nonce(sending->replay, sending->recorded->wire.bytes);
    snitun_channel_close(sending->channel);
    return control_writes(sending);
}

static bool send_flow(const struct sending *sending)
{
    put_header(sending, 0);
    replay_put_nonce(sending->replay, sending->recorded->wire.bytes);
    bool pause = sending->recorded->frame.flag == SNITUN_FLAG_PAUSE;
    snitun_channel_backlog(sending->channel, pause ? SNITUN_PAUSE_AT : SNITUN_RESUME_AT);
    return control_writes(sending);
}

static bool send_ping(const struct sending *sending)
{
    replay_put_tape(sending->replay, sending->recorded->frame.id, SNITUN_ID_LEN);
    put_header(sending, 4);
    replay_put_nonce(sending->replay, sending->recorded->wire.bytes);
    snitun_ping(sending->replay->session);
    return control_writes(sending);
}

static bool send_pong(const struct sending *sending)
{
    struct snitun_frame ping = {.flag = SNITUN_FLAG_PING, .extra = "ping"};
    memcpy(ping.id, sending->recorded->frame.id, sizeof ping.id);
    struct snitun_event event;
    if (!replay_inject(sending->replay, &ping, NULL, SNITUN_NEED_MORE, &event))
        return false;
    put_header(sending, 4);
    replay_put_nonce(sending->replay, sending->recorded->wire.bytes);
    return control_writes(sending);
}

/* ---- Frames that none sends ---- */

static bool send_encoded(const struct sending *sending)
{
    struct replay *replay = sending->replay;
    const struct recorded_frame *recorded = sending->recorded;
    const struct recorded_bytes *wire = &recorded->wire;
    size_t header_len = snitun_header_len(replay->session);
    struct snitun_frame frame = recorded->frame;
    uint8_t header[SNITUN_HEADER_MAX];
    replay_put_nonce(replay, wire->bytes);
    int error = snitun_frame_seal(replay->session, &frame, SNITUN_EXTRA_LEN, header);
    if (!replay_take_tape(replay) ||
        !replay_same(replay, "header", header, error ? error : (long)header_len, wire->bytes,
                     header_len))
        return false;
    const uint8_t *payload = recorded->data.bytes;
    size_t payload_len = recorded->data.len;
    uint8_t unit[SNITUN_NEW_IPV6_LEN + SNITUN_UNIT_OVERHEAD_MAX];
    if (recorded_is_unit_payload(replay->recorded, recorded)) {
        if (payload_len != SNITUN_NEW_IPV4_LEN && payload_len != SNITUN_NEW_IPV6_LEN)
            return vectors_fail(replay->where, "a NEW of %zu bytes", payload_len);
        replay_put_nonce(replay, wire->bytes + header_len);
        units_seal(&replay->session->units, replay->context->units, payload, payload_len, unit);
        payload = unit;
        payload_len += units_overhead(&replay->session->units);
        if (!replay_take_tape(replay))
            return false;
    }
    return replay_same(replay, "payload", payload, (long)payload_len, wire->bytes + header_len,
                       wire->len - header_len);
}

/* ---- Which is which ---- */

/* A server's NEW as our engine writes it: for a new id, without more payload than it takes. */
static bool is_our_new(const struct sending *sending)
{
    const struct recorded_frame *recorded = sending->recorded;
    uint32_t size = recorded->source.family == 6 ? SNITUN_NEW_IPV6_LEN : SNITUN_NEW_IPV4_LEN;
    size = sending->replay->recorded->keys.protocol_version >= 2 ? size : 0;
    return sending->replay->role == SNITUN_SERVER && recorded->has_source && !sending->channel &&
           recorded->frame.size == size;
}

static bool is_our_flow(const struct sending *sending)
{
    bool pause = sending->recorded->frame.flag == SNITUN_FLAG_PAUSE;
    return sending->channel && sending->replay->recorded->keys.protocol_version >= 1 &&
           sending->recorded->frame.size == 0 && sending->channel->pause_told != pause;
}

static bool send_frame(const struct sending *sending)
{
    const struct snitun_frame *frame = &sending->recorded->frame;
    bool live = sending->channel != NULL;
    bool empty = frame->size == 0;
    switch (frame->flag) {
    case SNITUN_FLAG_NEW:
        return is_our_new(sending) ? send_new(sending) : send_encoded(sending);
    case SNITUN_FLAG_DATA:
        return live && !empty && frame->size <= SNITUN_FRAME_ALONE ? send_data(sending)
                                                                   : send_encoded(sending);
    case SNITUN_FLAG_CLOSE:
        return live && empty ? send_close(sending) : send_encoded(sending);
    case SNITUN_FLAG_PAUSE:
    case SNITUN_FLAG_RESUME:
        return is_our_flow(sending) ? send_flow(sending) : send_encoded(sending);
    case SNITUN_FLAG_PING:
        if (empty && memcmp(frame->extra, "ping", 4) == 0)
            return send_ping(sending);
        return empty && memcmp(frame->extra, "pong", 4) == 0 ? send_pong(sending)
                                                             : send_encoded(sending);
    default:
        return send_encoded(sending);
    }
}

/* ---- A client's channels ---- */

/* The server opens a channel on the client's side, as it did when the session was recorded. */
static bool open_on_client(struct replay *replay, const struct recorded_frame *recorded)
{
    struct snitun_event event;
    return replay_inject(replay, &recorded->frame,
                         recorded_is_unit_payload(replay->recorded, recorded) ? recorded->data.bytes
                                                                              : NULL,
                         SNITUN_OPENED, &event);
}

/* All at once, before the client sends: how both directions interleaved was not recorded. */
static bool open_all_on_client(struct replay *replay)
{
    const struct recorded_frames *frames = &replay->recorded->to_client;
    for (size_t i = 0; i < frames->count; i++) {
        const struct recorded_frame *recorded = &frames->list[i];
        if (recorded->frame.flag == SNITUN_FLAG_NEW &&
            (recorded->frame.size == 0 || recorded_is_unit_payload(replay->recorded, recorded)) &&
            !snitun_channel_find(replay->session, recorded->frame.id) &&
            !open_on_client(replay, recorded))
            return false;
    }
    return true;
}

static bool send_all(struct replay *replay)
{
    const struct recorded_session *recorded = replay->recorded;
    bool server = replay->role == SNITUN_SERVER;
    const struct recorded_frames *frames = server ? &recorded->to_client : &recorded->to_server;
    if (!server && !open_all_on_client(replay))
        return false;
    const char *session_where = replay->where;
    for (size_t i = 0; i < frames->count; i++) {
        char where[200];
        snprintf(where, sizeof where, "%s, sending %s[%zu]", session_where,
                 server ? "server_to_client" : "client_to_server", i);
        replay->where = where;
        const struct recorded_frame *frame = &frames->list[i];
        struct sending sending = {replay, frame,
                                  snitun_channel_find(replay->session, frame->frame.id)};
        bool sent = send_frame(&sending);
        replay->where = session_where;
        if (!sent)
            return false;
    }
    return true;
}

bool snitun_send_replay(const struct recorded_session *recorded, enum snitun_role role,
                        const char *where)
{
    struct replay replay;
    bool right = replay_start(&replay, recorded, role, where) && send_all(&replay);
    replay_end(&replay);
    return right;
}
