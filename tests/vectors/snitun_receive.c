#include "tests/vectors/snitun_receive.h"

#include "base/ip.h"
#include "lib/snitun/channel.h"
#include "tests/vectors/snitun_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RANDOM_REPLAYS = 8,
    /* More pings in one read than SNITUN_PONGS_MAX are not all answered: no piece holds more. */
    PIECE_MAX = SNITUN_PONGS_MAX * SNITUN_FRAME_HEADER_LEN - SNITUN_FRAME_HEADER_LEN,
};

/* What both sides should know of a channel. */
struct model_channel {
    uint8_t id[SNITUN_ID_LEN];
    bool live;
    bool paused;
};

/* What the frame that is being received must lead to. */
struct expectation {
    enum snitun_event_type event; /* NEED_MORE: none */
    int error;
    bool happened;
    size_t data_seen;
};

struct receiving {
    struct replay *replay;
    const struct recorded_frames *frames;
    size_t frame; /* which one is being received */
    size_t at;    /* bytes of it received */
    struct expectation expected;
    struct model_channel *channels;
    size_t channel_count;
    uint8_t (*pongs)[SNITUN_ID_LEN]; /* ids of the pings that are due an answer */
    size_t pong_count;
    size_t pongs_seen;
    uint32_t skipped;
};

static const struct recorded_frame *current(const struct receiving *receiving)
{
    return &receiving->frames->list[receiving->frame];
}

static bool wrong(const struct receiving *receiving, const char *what)
{
    const char *direction =
        receiving->replay->role == SNITUN_CLIENT ? "server_to_client" : "client_to_server";
    return vectors_fail(receiving->replay->where, "receiving %s[%zu]: %s", direction,
                        receiving->frame, what);
}

/* ---- The model ---- */

static struct model_channel *model_find(struct receiving *receiving, const uint8_t *id)
{
    for (size_t i = 0; i < receiving->channel_count; i++)
        if (memcmp(receiving->channels[i].id, id, SNITUN_ID_LEN) == 0)
            return &receiving->channels[i];
    return NULL;
}

static void model_open(struct receiving *receiving, const uint8_t *id)
{
    struct model_channel *channel = model_find(receiving, id);
    if (!channel) {
        channel = &receiving->channels[receiving->channel_count++];
        memcpy(channel->id, id, SNITUN_ID_LEN);
    }
    channel->live = true;
    channel->paused = false;
}

static void expect_new(struct receiving *receiving)
{
    const struct recorded_frame *frame = current(receiving);
    bool v2 = receiving->replay->recorded->keys.protocol_version >= 2;
    if (v2 && frame->frame.size != SNITUN_NEW_IPV4_LEN &&
        frame->frame.size != SNITUN_NEW_IPV6_LEN) {
        receiving->expected.error = SNITUN_E_NEW_SIZE;
    } else if (receiving->replay->role == SNITUN_SERVER) {
        receiving->skipped++;
    } else {
        const struct model_channel *channel = model_find(receiving, frame->frame.id);
        if (channel && channel->live) {
            receiving->expected.error = SNITUN_E_CHANNEL_LIVE;
        } else {
            receiving->expected.event = SNITUN_OPENED;
            model_open(receiving, frame->frame.id);
        }
    }
}

static void expect_channel_frame(struct receiving *receiving)
{
    const struct recorded_frame *frame = current(receiving);
    struct model_channel *channel = model_find(receiving, frame->frame.id);
    bool flow = frame->frame.flag == SNITUN_FLAG_PAUSE || frame->frame.flag == SNITUN_FLAG_RESUME;
    if (!channel || !channel->live ||
        (flow && receiving->replay->recorded->keys.protocol_version < 1)) {
        receiving->skipped++;
    } else if (flow) {
        channel->paused = frame->frame.flag == SNITUN_FLAG_PAUSE;
    } else if (frame->frame.flag == SNITUN_FLAG_CLOSE) {
        receiving->expected.event = SNITUN_CLOSED;
        channel->live = false;
    } else if (frame->data.len > 0) {
        receiving->expected.event = SNITUN_DATA;
    }
}

static bool is_ping(const struct snitun_frame *frame)
{
    return (frame->flag == SNITUN_FLAG_PING || frame->flag == SNITUN_FLAG_PING_SEED) &&
           memcmp(frame->extra, "ping", 4) == 0;
}

/* Sets up what the frame at hand must lead to. */
static void expect_frame(struct receiving *receiving)
{
    receiving->at = 0;
    receiving->expected = (struct expectation){.event = SNITUN_NEED_MORE};
    if (receiving->frame == receiving->frames->count)
        return;
    switch (current(receiving)->frame.flag) {
    case SNITUN_FLAG_NEW:
        expect_new(receiving);
        break;
    case SNITUN_FLAG_DATA:
    case SNITUN_FLAG_CLOSE:
    case SNITUN_FLAG_PAUSE:
    case SNITUN_FLAG_RESUME:
        expect_channel_frame(receiving);
        break;
    case SNITUN_FLAG_PING:
    case SNITUN_FLAG_PING_SEED:
        if (is_ping(&current(receiving)->frame)) {
            memcpy(receiving->pongs[receiving->pong_count++], current(receiving)->frame.id,
                   SNITUN_ID_LEN);
        }
        break;
    default:
        receiving->skipped++;
        break;
    }
}

/* ---- Comparing ---- */

/* Every channel as the model has it: here or not, paused or not. */
static bool channels_agree(const struct receiving *receiving)
{
    for (size_t i = 0; i < receiving->channel_count; i++) {
        const struct model_channel *model = &receiving->channels[i];
        const struct snitun_channel *channel =
            snitun_channel_find(receiving->replay->session, model->id);
        if (model->live != (channel != NULL))
            return wrong(receiving, model->live ? "a channel is gone" : "a channel is left");
        if (channel && snitun_channel_paused(channel) != model->paused)
            return wrong(receiving, model->paused ? "not paused" : "paused");
    }
    return true;
}

static bool on_data(struct receiving *receiving, const struct snitun_event *event)
{
    const struct recorded_bytes *data = &current(receiving)->data;
    size_t seen = receiving->expected.data_seen;
    if (event->len == 0 || event->len > data->len - seen ||
        memcmp(event->data, data->bytes + seen, event->len) != 0)
        return wrong(receiving, "other DATA than recorded");
    receiving->expected.data_seen += event->len;
    receiving->expected.happened = receiving->expected.data_seen == data->len;
    return true;
}

static bool on_event(struct receiving *receiving, const struct snitun_event *event)
{
    if (event->type == SNITUN_NEED_MORE)
        return true;
    if (event->type != receiving->expected.event || receiving->expected.happened ||
        memcmp(event->channel->id, current(receiving)->frame.id, SNITUN_ID_LEN) != 0)
        return wrong(receiving, "an event that the frame does not lead to");
    if (event->type == SNITUN_DATA)
        return on_data(receiving, event);
    receiving->expected.happened = true;
    if (event->type == SNITUN_CLOSED) {
        snitun_channel_close(event->channel);
        return true;
    }
    struct adit_ip caller = recorded_caller(receiving->replay->recorded, current(receiving));
    return !current(receiving)->has_source || ip_equal(&caller, &event->caller)
               ? true
               : wrong(receiving, "another caller than recorded");
}

/* The whole frame is received: what it must lead to has happened. */
static bool end_frame(struct receiving *receiving)
{
    if (receiving->expected.error ||
        (receiving->expected.event != SNITUN_NEED_MORE && !receiving->expected.happened))
        return wrong(receiving, "no event");
    receiving->frame++;
    expect_frame(receiving);
    return true;
}

/* The engine took n bytes and answered with an event of the last of them. */
static bool advance(struct receiving *receiving, size_t n, const struct snitun_event *event)
{
    while (n > current(receiving)->wire.len - receiving->at) {
        n -= current(receiving)->wire.len - receiving->at;
        if (!end_frame(receiving))
            return false;
    }
    receiving->at += n;
    if (!on_event(receiving, event))
        return false;
    if (receiving->at < current(receiving)->wire.len)
        return true;
    return channels_agree(receiving) && end_frame(receiving);
}

/* What the engine answers must be the pongs that are due. */
static bool drain(struct receiving *receiving)
{
    struct replay *replay = receiving->replay;
    uint8_t out[REPLAY_OUT_MAX];
    long len = snitun_control(replay->session, replay->now_ms, out, sizeof out);
    if (len < 0)
        return wrong(receiving, snitun_error_text((int)len));
    size_t header_len = snitun_header_len(replay->session);
    for (size_t at = 0; at < (size_t)len; at += header_len) {
        uint8_t plain[SNITUN_FRAME_HEADER_LEN];
        if (units_open(&replay->other, replay->other_context, out + at, sizeof plain, plain))
            return wrong(receiving, "an answer that does not decrypt");
        struct snitun_frame frame = snitun_frame_decode(plain);
        if (receiving->pongs_seen == receiving->pong_count || frame.flag != SNITUN_FLAG_PING ||
            frame.size != 0 || memcmp(frame.extra, "pong", 4) != 0 ||
            memcmp(frame.id, receiving->pongs[receiving->pongs_seen], SNITUN_ID_LEN) != 0)
            return wrong(receiving, "an answer that no ping asked for");
        receiving->pongs_seen++;
    }
    /* The ping at hand is not due an answer before its header is whole. */
    bool early = receiving->frame < receiving->frames->count && receiving->at < header_len &&
                 is_ping(&current(receiving)->frame);
    return receiving->pongs_seen + early == receiving->pong_count ? true
                                                                  : wrong(receiving, "no pong");
}

/* ---- Feeding ---- */

/* Hands in one piece; *ended when the session ended with the error that the frames lead to. */
static bool feed(struct receiving *receiving, const uint8_t *in, size_t len, bool *ended)
{
    struct replay *replay = receiving->replay;
    while (len > 0) {
        struct snitun_event event;
        size_t consumed = 0;
        int error = snitun_receive(replay->session, replay->now_ms, in, len, &consumed, &event);
        if (error) {
            size_t left = current(receiving)->wire.len - receiving->at;
            while (consumed > left && end_frame(receiving)) {
                consumed -= left;
                left = current(receiving)->wire.len;
            }
            *ended = error == receiving->expected.error;
            return *ended ? true : wrong(receiving, snitun_error_text(error));
        }
        if (!advance(receiving, consumed, &event) || !drain(receiving))
            return false;
        in += consumed;
        len -= consumed;
    }
    return true;
}

/* A piece in memory of its own, so that a read past its end is seen. */
static bool feed_piece(struct receiving *receiving, const uint8_t *in, size_t len, bool *ended)
{
    uint8_t *piece = malloc(len);
    if (!piece)
        return wrong(receiving, "out of memory");
    memcpy(piece, in, len);
    bool right = feed(receiving, piece, len, ended);
    free(piece);
    return right;
}

static bool feed_all(struct receiving *receiving, const uint8_t *stream, size_t stream_len,
                     size_t piece_max, uint64_t seed)
{
    bool ended = false;
    for (size_t at = 0; at < stream_len && !ended;) {
        size_t len = piece_max;
        if (seed)
            len = 1 + (size_t)(replay_next(&seed) % piece_max);
        else if (piece_max == 0)
            len = current(receiving)->wire.len;
        len = len < stream_len - at ? len : stream_len - at;
        if (!feed_piece(receiving, stream + at, len, &ended))
            return false;
        at += len;
    }
    if (ended)
        return true;
    struct snitun_counters counters;
    snitun_session_counters(receiving->replay->session, &counters);
    if (receiving->frame < receiving->frames->count)
        return wrong(receiving, "not received whole");
    return counters.frames_skipped == receiving->skipped ? true
                                                         : wrong(receiving, "frames skipped");
}

/* ---- A replay ---- */

/* The server opens the recorded channels before the client sends; the client gets their NEW. */
static bool open_on_server(struct receiving *receiving)
{
    struct replay *replay = receiving->replay;
    const struct recorded_frames *frames = &replay->recorded->to_client;
    for (size_t i = 0; i < frames->count; i++) {
        const struct recorded_frame *frame = &frames->list[i];
        if (frame->frame.flag != SNITUN_FLAG_NEW || !frame->has_source ||
            snitun_channel_find(replay->session, frame->frame.id))
            continue;
        replay_put_tape(replay, frame->frame.id, SNITUN_ID_LEN);
        bool opened = snitun_channel_open(replay->session, &frame->source) != NULL;
        uint8_t out[SNITUN_CONTROL_MAX];
        if (!replay_take_tape(replay) || !opened ||
            snitun_control(replay->session, replay->now_ms, out, sizeof out) <= 0)
            return vectors_fail(replay->where, "server_to_client[%zu]: not opened", i);
        uint8_t plain[SNITUN_NEW_IPV6_LEN];
        size_t header_len = snitun_header_len(replay->session);
        units_open(&replay->other, replay->other_context, out, sizeof plain, plain);
        size_t size = snitun_frame_decode(plain).size;
        if (size > 0)
            units_open(&replay->other, replay->other_context, out + header_len, size, plain);
        model_open(receiving, frame->frame.id);
    }
    return true;
}

static bool replay_once(const struct recorded_session *recorded, enum snitun_role role,
                        const char *where, const struct recorded_bytes *stream, size_t piece_max,
                        uint64_t seed)
{
    struct replay replay;
    bool client = role == SNITUN_CLIENT;
    struct receiving receiving = {
        .replay = &replay,
        .frames = client ? &recorded->to_client : &recorded->to_server,
    };
    size_t most = recorded->to_client.count + recorded->to_server.count + 1;
    receiving.channels = calloc(most, sizeof *receiving.channels);
    receiving.pongs = calloc(most, sizeof *receiving.pongs);
    bool right = receiving.channels && receiving.pongs &&
                 replay_start(&replay, recorded, role, where) &&
                 (client || open_on_server(&receiving));
    if (right) {
        expect_frame(&receiving);
        right = feed_all(&receiving, stream->bytes, stream->len, piece_max, seed);
    }
    replay_end(&replay);
    free(receiving.channels);
    free(receiving.pongs);
    return right;
}

static bool join(const struct recorded_frames *frames, struct recorded_bytes *stream)
{
    *stream = (struct recorded_bytes){0};
    for (size_t i = 0; i < frames->count; i++)
        stream->len += frames->list[i].wire.len;
    stream->bytes = malloc(stream->len ? stream->len : 1);
    size_t at = 0;
    for (size_t i = 0; stream->bytes && i < frames->count; i++) {
        memcpy(stream->bytes + at, frames->list[i].wire.bytes, frames->list[i].wire.len);
        at += frames->list[i].wire.len;
    }
    return stream->bytes != NULL;
}

static size_t pings(const struct recorded_frames *frames)
{
    size_t count = 0;
    for (size_t i = 0; i < frames->count; i++)
        count += memcmp(frames->list[i].frame.extra, "ping", 4) == 0;
    return count;
}

bool snitun_receive_replay(const struct recorded_session *recorded, enum snitun_role role,
                           const char *where)
{
    const struct recorded_frames *frames =
        role == SNITUN_CLIENT ? &recorded->to_client : &recorded->to_server;
    struct recorded_bytes stream;
    if (!join(frames, &stream))
        return vectors_fail(where, "out of memory");
    bool right = replay_once(recorded, role, where, &stream, 0, 0) &&
                 replay_once(recorded, role, where, &stream, 1, 0);
    if (pings(frames) <= SNITUN_PONGS_MAX)
        right = right && replay_once(recorded, role, where, &stream, stream.len, 0);
    for (uint64_t seed = 1; seed <= RANDOM_REPLAYS; seed++)
        right = right && replay_once(recorded, role, where, &stream, PIECE_MAX, seed);
    free(stream.bytes);
    return right;
}
