#include "io_world.h"

#include "io/real/loop.h"

static void keep_line(void *arg, enum log_level level, const char *line, size_t len)
{
    (void)level;
    struct world *world = arg;
    if (world->log_lines < WORLD_LOG_MAX) {
        memcpy(world->log[world->log_lines], line, len);
        world->log[world->log_lines][len] = '\0';
        world->log_lines++;
    }
}

static void expired(void *arg)
{
    struct world *world = arg;
    world->expired = true;
}

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct io_real_options options = {
        .log_level = LOG_INFO, .log_sink = keep_line, .log_sink_arg = world};
    int error;
    world->loop = io_real_new(&options, &error);
    assert_non_null(world->loop);
    io_timer_init(&world->limit, world->loop, expired, world);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    size_t buffered = io_buffered(world->loop);
    io_real_free(world->loop);
    free(world);
    assert_int_equal(buffered, 0);
    return 0;
}

void world_run(struct world *world, bool (*done)(const void *arg), const void *arg)
{
    io_timer_set_in(&world->limit, WORLD_LIMIT_MS);
    while (!done(arg) && !world->expired)
        loop_round(world->loop);
    io_timer_stop(&world->limit);
    assert_false(world->expired);
}

uint8_t pattern(size_t at)
{
    return (uint8_t)(at % 251);
}

void pattern_fill(uint8_t *out, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = pattern(at + i);
}

static void take(struct end *end, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t at = end->received + i;
        if (at < sizeof(end->first))
            end->first[at] = bytes[i];
        if (end->check && bytes[i] != pattern(at))
            fail_msg("byte %zu is %u, not %u", at, bytes[i], pattern(at));
    }
    end->received += len;
}

static void connected(void *arg)
{
    struct end *end = arg;
    assert_false(end->connected);
    end->connected = true;
}

static void readable(void *arg)
{
    struct end *end = arg;
    end->calls++;
    if (end->on_readable != NULL) {
        end->on_readable(end);
        return;
    }
    while (!end->paused) {
        uint8_t bytes[10000];
        ssize_t got = io_read(end->stream, bytes, sizeof(bytes));
        if (got == IO_AGAIN)
            return;
        if (got <= 0) {
            end->ended = got == 0;
            end->error = (int)got;
            return;
        }
        take(end, bytes, (size_t)got);
    }
}

static void sent(void *arg)
{
    struct end *end = arg;
    end->sent = true;
}

static void failed(void *arg, int error)
{
    struct end *end = arg;
    assert_int_equal(end->error, 0);
    end->error = error;
}

const struct io_stream_handler end_handler = {
    .connected = connected, .readable = readable, .sent = sent, .failed = failed};

struct addr loopback(uint16_t port)
{
    return (struct addr){.ip = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = port};
}

static void accepted(void *arg, struct io_stream *stream)
{
    struct door *door = arg;
    door->count++;
    if (door->accept_into == NULL) {
        io_abort(stream);
        return;
    }
    door->accept_into->stream = stream;
    io_stream_set_handler(stream, &end_handler, door->accept_into);
    door->accept_into = NULL;
}

static void exhausted(void *arg, int error)
{
    struct door *door = arg;
    door->exhausted = error;
}

const struct io_listener_handler door_handler = {.accepted = accepted, .exhausted = exhausted};

void door_open(struct world *world, struct door *door)
{
    int error;
    struct addr at = loopback(0);
    *door = (struct door){0};
    door->listener = io_listen(world->loop, &at, &door_handler, door, &error);
    assert_non_null(door->listener);
    door->at = io_listener_addr(door->listener);
    assert_int_not_equal(door->at.port, 0);
}

struct both {
    const struct end *near;
    const struct end *far;
};

static bool both_there(const void *arg)
{
    const struct both *both = arg;
    return both->near->connected && both->far->stream != NULL;
}

void pair_connect(struct world *world, struct door *door, struct end *near, struct end *far)
{
    int error;
    door->accept_into = far;
    near->stream = io_connect(world->loop, &door->at, &end_handler, near, &error);
    assert_non_null(near->stream);
    struct both both = {near, far};
    world_run(world, both_there, &both);
}
