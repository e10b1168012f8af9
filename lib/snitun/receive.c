#include "base/cursor.h"
#include "base/encode.h"
#include "lib/crypto/sha256.h"
#include "lib/snitun/alive.h"
#include "lib/snitun/channel.h"
#include "lib/snitun/control.h"
#include "lib/snitun/frame.h"
#include "lib/snitun/schedule.h"

#include <string.h>

/* ---- Units ---- */

/* A unit of wire bytes: in the input when it is there whole, else gathered; NULL until then. */
static const uint8_t *gather(struct snitun_receiver *receiver, struct cursor *input, size_t len)
{
    if (receiver->have == 0 && cursor_left(input) >= len)
        return cursor_take(input, len);
    size_t missing = len - receiver->have;
    size_t n = cursor_left(input) < missing ? cursor_left(input) : missing;
    memcpy(receiver->unit + receiver->have, cursor_take(input, n), n);
    receiver->have = (uint8_t)(receiver->have + n);
    if (receiver->have < len)
        return NULL;
    receiver->have = 0;
    return receiver->unit;
}

static int open_unit(struct snitun_session *session, const uint8_t *unit, size_t len,
                     uint8_t *plain)
{
    enum units_error error = units_open(&session->units, session->context->units, unit, len, plain);
    return error ? snitun_session_fail_units(session, error) : SNITUN_OK;
}

/* ---- Handshake ---- */

static int establish(struct snitun_session *session, uint64_t now_ms, struct snitun_event *event)
{
    session->state = SNITUN_STATE_RUNNING;
    snitun_alive_heard(session, now_ms);
    event->type = SNITUN_ESTABLISHED;
    return SNITUN_OK;
}

/* The client keeps the answer where the server keeps the challenge. */
static int on_challenge(struct snitun_session *session, uint64_t now_ms,
                        const uint8_t plain[SNITUN_CHALLENGE_LEN], struct snitun_event *event)
{
    if (sha256(plain, SNITUN_CHALLENGE_LEN, session->challenge))
        return snitun_session_fail(session, SNITUN_E_CRYPTO);
    session->control.answer_due = true;
    return establish(session, now_ms, event);
}

/* An answer to a challenge that was not sent yet is none. */
static int on_answer(struct snitun_session *session, uint64_t now_ms,
                     const uint8_t plain[SNITUN_CHALLENGE_LEN], struct snitun_event *event)
{
    uint8_t expected[SNITUN_CHALLENGE_LEN];
    if (sha256(session->challenge, SNITUN_CHALLENGE_LEN, expected))
        return snitun_session_fail(session, SNITUN_E_CRYPTO);
    bool right = session->state == SNITUN_STATE_AWAIT_ANSWER &&
                 equal_secret(plain, expected, sizeof expected);
    wipe(expected, sizeof expected);
    if (!right)
        return snitun_session_fail(session, SNITUN_E_CHALLENGE);
    return establish(session, now_ms, event);
}

/* ---- Frames ---- */

static int open_channel(struct snitun_session *session, const uint8_t id[SNITUN_ID_LEN],
                        const struct adit_ip *caller, struct snitun_event *event)
{
    if (snitun_channel_over_limit(session)) {
        snitun_control_refuse(session, id);
        return SNITUN_OK;
    }
    struct snitun_channel *channel = snitun_channel_new(session, id);
    if (!channel)
        return snitun_session_fail(session, SNITUN_E_NO_MEMORY);
    event->type = SNITUN_OPENED;
    event->channel = channel;
    event->caller = *caller;
    return SNITUN_OK;
}

/* A client opens no channels: its NEW is skipped, but its payload unit is part of the chain. */
static int on_new(struct snitun_session *session, const struct snitun_frame *frame,
                  struct snitun_event *event)
{
    struct snitun_receiver *receiver = &session->receiver;
    bool skip = session->role == SNITUN_SERVER;
    if (skip)
        session->counters.frames_skipped++;
    if (session->version >= 2) {
        if (frame->size != SNITUN_NEW_IPV4_LEN && frame->size != SNITUN_NEW_IPV6_LEN)
            return snitun_session_fail(session, SNITUN_E_NEW_SIZE);
        memcpy(receiver->new_id, frame->id, sizeof receiver->new_id);
        receiver->expect = SNITUN_EXPECT_NEW;
    }
    if (skip)
        return SNITUN_OK;
    if (snitun_channel_find(session, frame->id))
        return snitun_session_fail(session, SNITUN_E_CHANNEL_LIVE);
    if (session->version >= 2)
        return SNITUN_OK;
    struct adit_ip caller = snitun_frame_caller(frame->extra);
    return open_channel(session, frame->id, &caller, event);
}

static int on_new_payload(struct snitun_session *session, const uint8_t *payload,
                          struct snitun_event *event)
{
    struct snitun_receiver *receiver = &session->receiver;
    size_t size = receiver->payload_left;
    receiver->payload_left = 0;
    receiver->expect = SNITUN_EXPECT_UNIT;
    if (session->role == SNITUN_SERVER)
        return SNITUN_OK;
    struct adit_ip caller;
    int error = snitun_frame_caller_v2(payload, size, &caller);
    if (error)
        return snitun_session_fail(session, error);
    return open_channel(session, receiver->new_id, &caller, event);
}

static void on_ping(struct snitun_session *session, uint64_t now_ms,
                    const struct snitun_frame *frame, struct snitun_event *event)
{
    if (memcmp(frame->extra, "ping", 4) == 0)
        snitun_control_pong(session, frame->id);
    else if (memcmp(frame->extra, "pong", 4) == 0 && snitun_alive_pong(session, now_ms, frame->id))
        event->type = SNITUN_PONG;
}

/* DATA, CLOSE, PAUSE and RESUME: frames of an open channel. */
static void on_channel_frame(struct snitun_session *session, const struct snitun_frame *frame,
                             struct snitun_event *event)
{
    struct snitun_channel *channel = snitun_channel_find(session, frame->id);
    if (!channel) {
        session->counters.frames_skipped++;
        return;
    }
    switch (frame->flag) {
    case SNITUN_FLAG_DATA:
        session->receiver.channel = channel;
        break;
    case SNITUN_FLAG_CLOSE:
        snitun_channel_ended(channel);
        event->type = SNITUN_CLOSED;
        event->channel = channel;
        break;
    default:
        channel->paused = frame->flag == SNITUN_FLAG_PAUSE;
        snitun_schedule_update(channel);
        break;
    }
}

/*
 * A header has come. Payload follows wherever the header says so, also where the flag has none:
 * it is skipped then.
 */
static int on_header(struct snitun_session *session, uint64_t now_ms,
                     const uint8_t header[SNITUN_FRAME_HEADER_LEN], struct snitun_event *event)
{
    struct snitun_frame frame = snitun_frame_decode(header);
    bool known = frame.flag != SNITUN_FLAG_PAUSE && frame.flag != SNITUN_FLAG_RESUME;
    known = known || session->version >= 1;
    session->receiver.channel = NULL;
    session->receiver.payload_left = frame.size;
    session->receiver.expect = frame.size > 0 ? SNITUN_EXPECT_PAYLOAD : SNITUN_EXPECT_UNIT;
    switch (known ? frame.flag : 0) {
    case SNITUN_FLAG_NEW:
        return on_new(session, &frame, event);
    case SNITUN_FLAG_PING:
    case SNITUN_FLAG_PING_SEED:
        on_ping(session, now_ms, &frame, event);
        return SNITUN_OK;
    case SNITUN_FLAG_DATA:
    case SNITUN_FLAG_CLOSE:
    case SNITUN_FLAG_PAUSE:
    case SNITUN_FLAG_RESUME:
        on_channel_frame(session, &frame, event);
        return SNITUN_OK;
    default:
        session->counters.frames_skipped++;
        return SNITUN_OK;
    }
}

/* ---- Input ---- */

static void take_payload(struct snitun_session *session, struct cursor *input,
                         struct snitun_event *event)
{
    struct snitun_receiver *receiver = &session->receiver;
    size_t left = cursor_left(input);
    size_t n = left < receiver->payload_left ? left : receiver->payload_left;
    const uint8_t *data = cursor_take(input, n);
    if (receiver->channel) {
        event->type = SNITUN_DATA;
        event->channel = receiver->channel;
        event->data = data;
        event->len = n;
        session->counters.payload_received += n;
    }
    receiver->payload_left -= (uint32_t)n;
    if (receiver->payload_left == 0)
        receiver->expect = SNITUN_EXPECT_UNIT;
}

static int on_unit(struct snitun_session *session, uint64_t now_ms, const uint8_t *plain,
                   struct snitun_event *event)
{
    switch ((enum snitun_state)session->state) {
    case SNITUN_STATE_AWAIT_CHALLENGE:
        return on_challenge(session, now_ms, plain, event);
    case SNITUN_STATE_SEND_CHALLENGE:
    case SNITUN_STATE_AWAIT_ANSWER:
        return on_answer(session, now_ms, plain, event);
    case SNITUN_STATE_RUNNING:
        break;
    }
    return session->receiver.expect == SNITUN_EXPECT_NEW ? on_new_payload(session, plain, event)
                                                         : on_header(session, now_ms, plain, event);
}

static int take_unit(struct snitun_session *session, uint64_t now_ms, struct cursor *input,
                     struct snitun_event *event)
{
    struct snitun_receiver *receiver = &session->receiver;
    size_t len =
        receiver->expect == SNITUN_EXPECT_NEW ? receiver->payload_left : SNITUN_FRAME_HEADER_LEN;
    const uint8_t *unit = gather(receiver, input, len + units_overhead(&session->units));
    if (!unit)
        return SNITUN_OK;
    uint8_t plain[SNITUN_FRAME_HEADER_LEN];
    int error = open_unit(session, unit, len, plain);
    return error ? error : on_unit(session, now_ms, plain, event);
}

int snitun_receive(struct snitun_session *session, uint64_t now_ms, const uint8_t *in, size_t len,
                   size_t *consumed, struct snitun_event *event)
{
    *consumed = 0;
    *event = (struct snitun_event){.type = SNITUN_NEED_MORE};
    if (session->error)
        return session->error;
    if (len > 0 && snitun_session_running(session))
        snitun_alive_heard(session, now_ms);
    struct cursor input = cursor_over(in, len);
    int error = SNITUN_OK;
    while (!error && event->type == SNITUN_NEED_MORE && cursor_left(&input) > 0)
        if (session->receiver.expect == SNITUN_EXPECT_PAYLOAD)
            take_payload(session, &input, event);
        else
            error = take_unit(session, now_ms, &input, event);
    *consumed = len - cursor_left(&input);
    return error;
}
