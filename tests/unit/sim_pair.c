#include "sim_pair.h"

static void start(struct io_loop *loop, void *arg)
{
    *(struct io_loop **)arg = loop;
}

static void keep(struct side *side, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && side->received + i < SIDE_KEEP_MAX; i++)
        side->bytes[side->received + i] = bytes[i];
    side->received += len;
}

static void read_all(struct side *side)
{
    while (!side->paused) {
        uint8_t bytes[5000];
        ssize_t got = io_read(side->stream, bytes, sizeof bytes);
        if (got == IO_AGAIN)
            return;
        if (got <= 0) {
            side->ended = got == 0;
            side->error = (int)got;
            return;
        }
        keep(side, bytes, (size_t)got);
    }
}

static void connected(void *arg)
{
    struct side *side = arg;
    side->connected = true;
}

static void readable(void *arg)
{
    struct side *side = arg;
    side->readables++;
    read_all(side);
}

static void sent(void *arg)
{
    struct side *side = arg;
    side->sents++;
}

static void failed(void *arg, int error)
{
    struct side *side = arg;
    assert_int_equal(side->error, 0);
    side->error = error;
}

const struct io_stream_handler side_handler = {
    .connected = connected, .readable = readable, .sent = sent, .failed = failed};

static void accepted(void *arg, struct io_stream *stream)
{
    struct pair *pair = arg;
    pair->accepted++;
    if (pair->far.stream != NULL) {
        io_abort(stream);
        return;
    }
    pair->far.stream = stream;
    io_stream_set_handler(stream, &side_handler, &pair->far);
}

static void exhausted(void *arg, int error)
{
    struct pair *pair = arg;
    pair->exhausted = error;
}

static const struct io_listener_handler listener_handler = {.accepted = accepted,
                                                            .exhausted = exhausted};

static void listen_80(struct io_loop *loop, void *arg)
{
    struct pair *pair = arg;
    int error;
    struct addr at = {.ip = {.family = 4}, .port = 80};
    pair->listener = io_listen(loop, &at, &listener_handler, pair, &error);
    assert_non_null(pair->listener);
}

void pair_open(struct pair *pair, uint64_t seed)
{
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2"};
    struct sim_access access = {.latency_us = 5000};
    *pair = (struct pair){.world = sim_world_new(seed)};
    pair->near.bytes = calloc(1, SIDE_KEEP_MAX);
    pair->far.bytes = calloc(1, SIDE_KEEP_MAX);
    for (int i = 0; i < 2; i++) {
        pair->hosts[i] = sim_host_new(pair->world, i == 0 ? "near" : "far", addresses[i]);
        sim_host_set_access(pair->hosts[i], &access);
        sim_host_set_buffers(pair->hosts[i], 65536, 65536);
        pair->processes[i] = sim_host_start(pair->hosts[i], start, &pair->loops[i]);
    }
    pair_run_ms(pair, 1);
    pair_on(pair, 1, listen_80, pair);
}

static void close_listener(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct pair *pair = arg;
    if (pair->listener != NULL)
        io_listener_close(pair->listener);
    pair->listener = NULL;
}

void pair_close(struct pair *pair)
{
    char why[256];
    pair_on(pair, 1, close_listener, pair);
    pair_run_ms(pair, 200000);
    for (int i = 0; i < 2; i++) {
        size_t leaks = sim_process_leaks(pair->processes[i], why, sizeof why);
        if (leaks > 0)
            print_error("left: %s\n", why);
        assert_int_equal(leaks, 0);
        sim_process_end(pair->processes[i]);
    }
    sim_world_free(pair->world);
    free(pair->near.bytes);
    free(pair->far.bytes);
}

void pair_on(struct pair *pair, int side, void (*fn)(struct io_loop *loop, void *arg), void *arg)
{
    assert_true(sim_process_call_wait(pair->processes[side], fn, arg));
}

void pair_run_ms(struct pair *pair, uint64_t ms)
{
    (void)sim_run(pair->world, sim_now_us(pair->world) + ms * 1000, NULL, NULL);
}

static void connect_near(struct io_loop *loop, void *arg)
{
    struct pair *pair = arg;
    struct addr to;
    int error = 0;
    assert_true(addr_parse("192.0.2.2:80", &to));
    pair->near.stream = io_connect(loop, &to, &side_handler, &pair->near, &error);
    pair->near.error = error;
}

static bool both_there(void *arg)
{
    const struct pair *pair = arg;
    return (pair->near.connected && pair->far.stream != NULL) || pair->near.error != 0;
}

void pair_connect(struct pair *pair)
{
    pair->near.error = 0;
    pair_on(pair, 0, connect_near, pair);
    (void)sim_run(pair->world, sim_now_us(pair->world) + 200 * SIM_SECOND_US, both_there, pair);
}

struct work {
    struct side *side;
    const void *bytes;
    size_t len;
};

static int where(const struct pair *pair, const struct side *side)
{
    return side == &pair->near ? 0 : 1;
}

static void do_send(struct io_loop *loop, void *arg)
{
    (void)loop;
    const struct work *work = arg;
    assert_int_equal(io_send(work->side->stream, work->bytes, work->len), 0);
}

void side_send(struct pair *pair, struct side *side, const void *bytes, size_t len)
{
    struct work work = {side, bytes, len};
    pair_on(pair, where(pair, side), do_send, &work);
}

static void do_read(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct side *side = arg;
    side->paused = false;
    read_all(side);
}

void side_read(struct pair *pair, struct side *side)
{
    pair_on(pair, where(pair, side), do_read, side);
}

static void do_close(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct side *side = arg;
    io_close(side->stream);
    side->stream = NULL;
}

void side_close(struct pair *pair, struct side *side)
{
    pair_on(pair, where(pair, side), do_close, side);
}

static void do_abort(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct side *side = arg;
    io_abort(side->stream);
    side->stream = NULL;
}

void side_abort(struct pair *pair, struct side *side)
{
    pair_on(pair, where(pair, side), do_abort, side);
}
