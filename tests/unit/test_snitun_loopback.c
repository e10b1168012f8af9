/*
 * A client's engine and a server's, back to back, under a random schedule: channels open, send in
 * both directions, stall, are cut off; the links between are narrow and deliver in random pieces.
 * What a channel delivers is always a prefix of what was sent on it, and all of it in the end
 * where nobody cut it off.
 */
#include "tests/unit/snitun_side.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHANNELS = 40,
    STEPS = 4000,
    LINK_MAX = 200 * 1024, /* bytes on the way in one direction */
    TOTAL_MAX = 3 * 1024 * 1024,
    CUT_ONE_IN = 400, /* steps */
};

/* One end of a channel: what it sends, what it got, what its sink has not taken yet. */
struct end {
    struct snitun_channel *channel;
    uint64_t to_send;
    uint64_t sent;
    uint64_t received;
    size_t backlog;
};

struct pipe {
    struct end ends[2]; /* by role */
    bool opened;
    bool cut;
};

struct link {
    uint8_t *bytes;
    size_t len;
};

struct world {
    uint64_t random;
    uint64_t now_ms;
    struct snitun_context *context; /* shared: both engines take turns on its ciphers */
    struct snitun_session *sessions[2];
    struct link links[2]; /* by the role that writes to it */
    struct pipe pipes[CHANNELS];
    size_t opened;
    unsigned over_watermark; /* reads that left a backlog at which PAUSE is due */
};

static uint64_t below(struct world *world, uint64_t limit)
{
    return side_next(&world->random) % limit;
}

static int draw(void *arg, void *buf, size_t len)
{
    struct world *world = arg;
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)side_next(&world->random);
    return 0;
}

/* The byte at a place of what one end of a channel sends. */
static uint8_t byte_at(size_t pipe, int from, uint64_t at)
{
    uint64_t x = (at + 1) * 0x9e3779b97f4a7c15 + pipe * 131 + (uint64_t)from * 7;
    return (uint8_t)(x >> 56);
}

static size_t index_of(const struct world *world, const struct snitun_channel *channel)
{
    size_t index = (size_t)((const struct pipe *)snitun_channel_user(channel) - world->pipes);
    assert_true(index < CHANNELS);
    return index;
}

/* ---- Opening and ending ---- */

static void adopt(struct pipe *pipe, int role, struct snitun_channel *channel)
{
    pipe->ends[role].channel = channel;
    snitun_channel_set_user(channel, pipe);
    if (pipe->ends[role].to_send > 0)
        snitun_channel_ready(channel);
}

/* The caller's address tells the client which channel it is. */
static void open_next(struct world *world)
{
    if (world->opened == CHANNELS)
        return;
    size_t index = world->opened++;
    struct pipe *pipe = &world->pipes[index];
    const struct adit_ip caller = {.family = 4, .bytes = {10, 0, 0, (uint8_t)(index + 1)}};
    for (int role = 0; role < 2; role++) {
        bool large = below(world, 4) == 0;
        pipe->ends[role].to_send = below(world, large ? TOTAL_MAX : 5000);
    }
    struct snitun_channel *channel = snitun_channel_open(world->sessions[SNITUN_SERVER], &caller);
    assert_non_null(channel);
    adopt(pipe, SNITUN_SERVER, channel);
}

static void end_channel(struct pipe *pipe, int role)
{
    snitun_channel_close(pipe->ends[role].channel);
    pipe->ends[role].channel = NULL;
}

/* An end closes when it has sent and received everything. */
static void end_if_done(struct pipe *pipe, int role)
{
    struct end *end = &pipe->ends[role];
    if (end->channel && end->sent == end->to_send &&
        end->received == pipe->ends[1 - role].to_send && pipe->opened)
        end_channel(pipe, role);
}

static void maybe_cut(struct world *world)
{
    struct pipe *pipe = &world->pipes[below(world, CHANNELS)];
    int role = (int)below(world, 2);
    if (below(world, CUT_ONE_IN) == 0 && pipe->ends[role].channel) {
        pipe->cut = true;
        end_channel(pipe, role);
    }
}

/* ---- The links ---- */

static void write_control(struct world *world, int role)
{
    struct link *link = &world->links[role];
    size_t room = SNITUN_CONTROL_MAX + (size_t)below(world, 400);
    if (link->len + room > LINK_MAX)
        return;
    long len = snitun_control(world->sessions[role], world->now_ms, link->bytes + link->len, room);
    assert_true(len >= 0);
    link->len += (size_t)len;
}

static void write_data(struct world *world, int role)
{
    struct link *link = &world->links[role];
    if (link->len + SNITUN_HEADER_MAX + SNITUN_FRAME_ALONE > LINK_MAX)
        return;
    size_t limit;
    struct snitun_channel *channel = snitun_turn(world->sessions[role], &limit);
    if (!channel)
        return;
    size_t index = index_of(world, channel);
    struct end *end = &world->pipes[index].ends[role];
    uint64_t left = end->to_send - end->sent;
    assert_true(left > 0);
    assert_false(snitun_channel_paused(channel));
    size_t len = below(world, 3) ? limit : 1 + (size_t)below(world, limit);
    len = left < len ? (size_t)left : len;
    assert_int_equal(snitun_data(world->sessions[role], channel, len, link->bytes + link->len), 0);
    link->len += snitun_header_len(world->sessions[role]);
    for (size_t i = 0; i < len; i++)
        link->bytes[link->len++] = byte_at(index, role, end->sent++);
    if (end->sent == end->to_send)
        snitun_channel_idle(channel);
    end_if_done(&world->pipes[index], role);
}

static void on_data(struct world *world, int role, const struct snitun_event *event)
{
    size_t index = index_of(world, event->channel);
    struct end *end = &world->pipes[index].ends[role];
    assert_ptr_equal(end->channel, event->channel);
    for (size_t i = 0; i < event->len; i++) {
        if (event->data[i] != byte_at(index, 1 - role, end->received + i)) {
            fail_msg("channel %zu: byte %llu differs", index,
                     (unsigned long long)(end->received + i));
        }
    }
    end->received += event->len;
    end->backlog += event->len;
    world->over_watermark += end->backlog >= SNITUN_PAUSE_AT;
    assert_true(snitun_channel_backlog(event->channel, end->backlog));
    end_if_done(&world->pipes[index], role);
}

static void on_event(struct world *world, int role, const struct snitun_event *event)
{
    struct pipe *pipe;
    switch (event->type) {
    case SNITUN_OPENED:
        assert_int_equal(event->caller.family, 4);
        pipe = &world->pipes[event->caller.bytes[3] - 1];
        pipe->opened = true;
        adopt(pipe, role, event->channel);
        end_if_done(pipe, role);
        break;
    case SNITUN_DATA:
        on_data(world, role, event);
        break;
    case SNITUN_CLOSED:
        end_channel(snitun_channel_user(event->channel), role);
        break;
    case SNITUN_NEED_MORE:
    case SNITUN_ESTABLISHED:
    case SNITUN_PONG:
        break;
    }
}

/* Part of what is on the way arrives. */
static void deliver(struct world *world, int from)
{
    struct link *link = &world->links[from];
    size_t len = (size_t)below(world, below(world, 4) ? link->len + 1 : 70);
    len = len < link->len ? len : link->len;
    for (size_t at = 0; at < len;) {
        struct snitun_event event;
        size_t consumed;
        int error = snitun_receive(world->sessions[1 - from], world->now_ms, link->bytes + at,
                                   len - at, &consumed, &event);
        assert_int_equal(error, 0);
        at += consumed;
        on_event(world, 1 - from, &event);
    }
    memmove(link->bytes, link->bytes + len, link->len - len);
    link->len -= len;
}

/* Some sink takes what waits for it, or a part of it. */
static void drain(struct world *world)
{
    int role = (int)below(world, 2);
    struct end *end = &world->pipes[below(world, CHANNELS)].ends[role];
    size_t taken = (size_t)below(world, end->backlog + 1);
    end->backlog -= below(world, 2) ? taken : end->backlog;
    if (end->channel)
        assert_true(snitun_channel_backlog(end->channel, end->backlog));
}

/* ---- A run ---- */

static void pass_time(struct world *world)
{
    world->now_ms += below(world, 20);
    for (int role = 0; role < 2; role++)
        if (world->now_ms >= snitun_deadline(world->sessions[role]))
            assert_int_equal(snitun_tick(world->sessions[role], world->now_ms), 0);
}

static void step(struct world *world)
{
    int role = (int)below(world, 2);
    switch (below(world, 8)) {
    case 0:
        write_control(world, role);
        break;
    case 1:
    case 2:
        write_control(world, role);
        write_data(world, role);
        break;
    case 3:
    case 4:
        deliver(world, role);
        break;
    case 5:
        drain(world);
        break;
    case 6:
        maybe_cut(world);
        pass_time(world);
        break;
    default:
        if (below(world, 20) == 0 && snitun_session_established(world->sessions[SNITUN_SERVER]))
            open_next(world);
        else if (below(world, 50) == 0)
            snitun_ping(world->sessions[role]);
        break;
    }
}

static bool quiet(const struct world *world)
{
    for (int role = 0; role < 2; role++)
        if (world->links[role].len > 0 || snitun_wants_to_send(world->sessions[role]))
            return false;
    return true;
}

/* Everything that can still move does. */
static void settle(struct world *world)
{
    while (world->opened < CHANNELS)
        open_next(world);
    for (int rounds = 0; rounds < 100000; rounds++) {
        for (int i = 0; i < CHANNELS; i++) {
            for (int role = 0; role < 2; role++) {
                struct end *end = &world->pipes[i].ends[role];
                end->backlog = 0;
                if (end->channel)
                    assert_true(snitun_channel_backlog(end->channel, 0));
            }
        }
        if (quiet(world))
            return;
        for (int role = 0; role < 2; role++) {
            write_control(world, role);
            write_data(world, role);
            deliver(world, role);
        }
    }
    fail_msg("it does not settle");
}

static void all_delivered(const struct world *world)
{
    for (size_t i = 0; i < CHANNELS; i++) {
        const struct pipe *pipe = &world->pipes[i];
        for (int role = 0; role < 2; role++) {
            assert_null(pipe->ends[role].channel);
            if (!pipe->cut) {
                assert_int_equal(pipe->ends[role].sent, pipe->ends[role].to_send);
                assert_int_equal(pipe->ends[role].received, pipe->ends[1 - role].to_send);
            }
        }
    }
    for (int role = 0; role < 2; role++) {
        struct snitun_counters counters;
        snitun_session_counters(world->sessions[role], &counters);
        assert_int_equal(snitun_session_channels(world->sessions[role]), 0);
        assert_int_equal(counters.channels_refused, 0);
        assert_int_equal(counters.pings_dropped, 0);
        assert_true(counters.payload_received > 0);
    }
}

static void start(struct world *world, enum snitun_cipher cipher, uint8_t version)
{
    const struct snitun_keys keys = {
        .aes_key = {1, 2, 3}, .cipher = cipher, .protocol_version = version};
    world->context = snitun_context_new(draw, world);
    assert_non_null(world->context);
    for (int role = 0; role < 2; role++) {
        world->links[role].bytes = malloc(LINK_MAX);
        assert_non_null(world->links[role].bytes);
        world->sessions[role] =
            snitun_session_new(world->context, (enum snitun_role)role, &keys, NULL, world->now_ms);
        assert_non_null(world->sessions[role]);
    }
}

/* Returns how often a PAUSE was due. */
static unsigned run(enum snitun_cipher cipher, uint8_t version, uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->random = seed;
    start(world, cipher, version);
    for (int i = 0; i < STEPS; i++)
        step(world);
    settle(world);
    all_delivered(world);
    for (int role = 0; role < 2; role++) {
        snitun_session_free(world->sessions[role]);
        free(world->links[role].bytes);
    }
    unsigned over_watermark = world->over_watermark;
    snitun_context_free(world->context);
    free(world);
    return over_watermark;
}

static void run_seeds(enum snitun_cipher cipher)
{
    unsigned over_watermark = 0;
    for (uint8_t version = 0; version <= 2; version++)
        for (uint64_t seed = 1; seed <= 3; seed++)
            over_watermark += run(cipher, version, seed * 1000 + version);
    assert_true(over_watermark > 0);
}

static void all_is_delivered_over_aes_cbc(void **state)
{
    (void)state;
    run_seeds(SNITUN_AES_CBC);
}

static void all_is_delivered_over_aes_gcm(void **state)
{
    (void)state;
    run_seeds(SNITUN_AES_GCM);
}

static void all_is_delivered_over_aes_gcm_siv(void **state)
{
    (void)state;
    run_seeds(SNITUN_AES_GCM_SIV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_delivered_over_aes_cbc),
        cmocka_unit_test(all_is_delivered_over_aes_gcm),
        cmocka_unit_test(all_is_delivered_over_aes_gcm_siv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
