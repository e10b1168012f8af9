#include "tests/fuzz/loopback.h"

#include "io/real/loop.h"
#include "io/real/real.h"

enum { PIECES_MAX = 16, ROUNDS = 3 };

static void on_tick(void *arg)
{
    (void)arg;
}

void loopback_open(struct loopback *loopback)
{
    int error;
    loopback->loop = io_real_new(NULL, &error);
    FUZZ_CHECK(loopback->loop != NULL);
    io_task_init(&loopback->tick, loopback->loop, on_tick, NULL);
}

static void on_readable(void *arg)
{
    struct loopback *loopback = arg;
    char bytes[4096];
    ssize_t got;
    while ((got = io_read(loopback->stream, bytes, sizeof bytes)) > 0)
        loopback->heard += (size_t)got;
    loopback->over = loopback->over || got != IO_AGAIN;
}

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_failed(void *arg, int error)
{
    (void)error;
    ((struct loopback *)arg)->over = true;
}

static const struct io_stream_handler handler = {
    .connected = on_nothing, .readable = on_readable, .sent = on_nothing, .failed = on_failed};

static void on_accepted(void *arg, struct io_stream *stream)
{
    struct loopback *loopback = arg;
    FUZZ_CHECK(loopback->stream == NULL);
    loopback->stream = stream;
    io_stream_set_handler(stream, &handler, loopback);
}

static void on_exhausted(void *arg, int error)
{
    (void)arg, (void)error;
}

static const struct io_listener_handler listener_handler = {.accepted = on_accepted,
                                                            .exhausted = on_exhausted};

struct io_listener *loopback_listen(struct loopback *loopback)
{
    const struct addr at = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}};
    int error;
    struct io_listener *listener =
        io_listen(loopback->loop, &at, &listener_handler, loopback, &error);
    FUZZ_CHECK(listener != NULL);
    return listener;
}

void loopback_forget(struct loopback *loopback)
{
    loopback->stream = NULL;
    loopback->over = false;
    loopback->heard = 0;
}

void loopback_call(struct loopback *loopback, const struct io_listener *listener)
{
    const struct addr to = io_listener_addr(listener);
    int error;
    loopback_forget(loopback);
    loopback->stream = io_connect(loopback->loop, &to, &handler, loopback, &error);
    FUZZ_CHECK(loopback->stream != NULL);
}

/* A task that is queued keeps the loop from waiting. */
void loopback_run(struct loopback *loopback)
{
    for (int i = 0; i < ROUNDS; i++) {
        io_task_queue(&loopback->tick);
        loop_round(loopback->loop);
    }
}

void loopback_say(struct loopback *loopback, const uint8_t *bytes, size_t len, size_t piece)
{
    if (piece <= len / PIECES_MAX)
        piece = len / PIECES_MAX + 1;
    for (size_t at = 0; at < len && !loopback->over; at += piece) {
        size_t left = len - at;
        loopback->over =
            io_send(loopback->stream, bytes + at, left < piece ? left : piece) != IO_OK;
        loopback_run(loopback);
    }
}
