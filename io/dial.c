#include "io/dial.h"

#include <stdlib.h>
#include <string.h>

struct attempt {
    struct io_dial *dial;
    struct io_stream *stream; /* NULL = not tried yet, or failed */
    struct addr addr;
};

struct io_dial {
    io_dial_connect_fn *connect;
    void *connect_arg;
    void (*done)(void *arg, int error, struct io_stream *stream);
    void *arg;
    struct io_lookup *lookup;
    struct io_timer deadline;
    struct io_timer next; /* when the next address is tried */
    int error;            /* of the first address that failed */
    size_t count;
    size_t tried;
    size_t running;
    struct attempt attempts[IO_DIAL_ADDRESSES_MAX];
};

static void close_all(struct io_dial *dial)
{
    for (size_t i = 0; i < dial->tried; i++)
        if (dial->attempts[i].stream != NULL)
            io_abort(dial->attempts[i].stream);
}

void io_dial_cancel(struct io_dial *dial)
{
    if (dial->lookup != NULL)
        io_lookup_cancel(dial->lookup);
    io_timer_stop(&dial->deadline);
    io_timer_stop(&dial->next);
    close_all(dial);
    free(dial);
}

static void finish(struct io_dial *dial, int error, struct io_stream *stream)
{
    void (*done)(void *arg, int error, struct io_stream *stream) = dial->done;
    void *arg = dial->arg;
    io_dial_cancel(dial);
    done(arg, error, stream);
}

static void try_next(struct io_dial *dial);

static void connected(void *arg)
{
    struct attempt *attempt = arg;
    struct io_stream *stream = attempt->stream;
    attempt->stream = NULL;
    finish(attempt->dial, 0, stream);
}

static void note_failure(struct io_dial *dial, int error)
{
    if (dial->error == 0)
        dial->error = error;
}

static void failed(void *arg, int error)
{
    struct attempt *attempt = arg;
    struct io_dial *dial = attempt->dial;
    io_close(attempt->stream);
    attempt->stream = NULL;
    dial->running--;
    note_failure(dial, error);
    try_next(dial);
}

/* Before `connected` there is nothing to read and nothing is sent. */
static void nothing(void *arg)
{
    (void)arg;
}

static const struct io_stream_handler handler = {
    .connected = connected, .readable = nothing, .sent = nothing, .failed = failed};

/* Starts the next address that lets itself be started; ends the dial when none is left. */
static void try_next(struct io_dial *dial)
{
    while (dial->tried < dial->count) {
        struct attempt *attempt = &dial->attempts[dial->tried++];
        int error;
        attempt->stream =
            dial->connect(dial->connect_arg, &attempt->addr, &handler, attempt, &error);
        if (attempt->stream != NULL) {
            dial->running++;
            if (dial->tried < dial->count)
                io_timer_set_in(&dial->next, IO_DIAL_STAGGER_MS);
            return;
        }
        note_failure(dial, error);
    }
    io_timer_stop(&dial->next);
    if (dial->running == 0)
        finish(dial, dial->error, NULL);
}

static void stagger(void *arg)
{
    try_next(arg);
}

static void expired(void *arg)
{
    finish(arg, IO_E_TIMEOUT, NULL);
}

/* The families take turns, in the resolver's order within each; its first address stays first. */
static void interleave(struct io_dial *dial, const struct addr *addrs, size_t count)
{
    size_t at[2] = {0, 0}; /* next address of the first one's family, and of the other */
    uint8_t family = addrs[0].ip.family;
    size_t turn = 0;
    while (dial->count < IO_DIAL_ADDRESSES_MAX && (at[0] < count || at[1] < count)) {
        size_t *next = &at[turn];
        while (*next < count && (addrs[*next].ip.family == family) != (turn == 0))
            (*next)++;
        if (*next < count)
            dial->attempts[dial->count++] =
                (struct attempt){.dial = dial, .addr = addrs[(*next)++]};
        turn = 1 - turn;
    }
}

static void looked_up(void *arg, int error, const struct addr *addrs, size_t count)
{
    struct io_dial *dial = arg;
    dial->lookup = NULL;
    if (error != 0 || count == 0) {
        finish(dial, error != 0 ? error : IO_E_NOT_FOUND, NULL);
        return;
    }
    interleave(dial, addrs, count);
    try_next(dial);
}

struct io_dial *io_dial_by(struct io_loop *loop, io_dial_connect_fn *connect, void *connect_arg,
                           const char *host, uint16_t port, uint32_t timeout_ms,
                           void (*done)(void *arg, int error, struct io_stream *stream), void *arg)
{
    struct io_dial *dial = calloc(1, sizeof(*dial));
    if (dial == NULL)
        return NULL;
    dial->connect = connect;
    dial->connect_arg = connect_arg;
    dial->done = done;
    dial->arg = arg;
    io_timer_init(&dial->deadline, loop, expired, dial);
    io_timer_init(&dial->next, loop, stagger, dial);
    dial->lookup = io_lookup(loop, host, port, looked_up, dial);
    if (dial->lookup == NULL) {
        free(dial);
        return NULL;
    }
    io_timer_set_in(&dial->deadline, timeout_ms);
    return dial;
}

static struct io_stream *connect_plainly(void *loop, const struct addr *to,
                                         const struct io_stream_handler *to_handler, void *arg,
                                         int *error)
{
    return io_connect(loop, to, to_handler, arg, error);
}

struct io_dial *io_dial(struct io_loop *loop, const char *host, uint16_t port, uint32_t timeout_ms,
                        void (*done)(void *arg, int error, struct io_stream *stream), void *arg)
{
    return io_dial_by(loop, connect_plainly, loop, host, port, timeout_ms, done, arg);
}
