#include "io/dial.h"

#include <stdio.h>
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
    struct io_dial_memory *memory; /* or NULL */
    char host[HOST_TEXT_MAX];
    uint16_t port;
    bool looked_up; /* or being looked up */
    struct io_lookup *lookup;
    struct io_timer deadline;
    struct io_timer next; /* when the next address is tried */
    int error;            /* of the first address that failed */
    size_t count;
    size_t tried;
    size_t running;
    struct attempt attempts[2 * IO_DIAL_ADDRESSES_MAX]; /* remembered ones, and those looked up */
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

static void look_up(struct io_dial *dial);

/*
 * Starts the next address that lets itself be started. Where none is left, the name is looked up
 * if it was not, and the dial ends with the last that runs.
 */
static void try_next(struct io_dial *dial)
{
    while (dial->tried < dial->count) {
        struct attempt *attempt = &dial->attempts[dial->tried++];
        int error;
        attempt->stream =
            dial->connect(dial->connect_arg, &attempt->addr, &handler, attempt, &error);
        if (attempt->stream != NULL) {
            dial->running++;
            if (dial->tried < dial->count || !dial->looked_up)
                io_timer_set_in(&dial->next, IO_DIAL_STAGGER_MS);
            return;
        }
        note_failure(dial, error);
    }
    io_timer_stop(&dial->next);
    if (!dial->looked_up)
        look_up(dial);
    if (dial->running == 0 && dial->lookup == NULL)
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
static size_t interleave(const struct addr *addrs, size_t count,
                         struct addr out[IO_DIAL_ADDRESSES_MAX])
{
    size_t at[2] = {0, 0}; /* next address of the first one's family, and of the other */
    uint8_t family = addrs[0].ip.family;
    size_t turn = 0;
    size_t len = 0;
    while (len < IO_DIAL_ADDRESSES_MAX && (at[0] < count || at[1] < count)) {
        size_t *next = &at[turn];
        while (*next < count && (addrs[*next].ip.family == family) != (turn == 0))
            (*next)++;
        if (*next < count)
            out[len++] = addrs[(*next)++];
        turn = 1 - turn;
    }
    return len;
}

static bool is_among(const struct attempt *attempts, size_t count, const struct addr *addr)
{
    for (size_t i = 0; i < count; i++)
        if (ip_equal(&attempts[i].addr.ip, &addr->ip))
            return true;
    return false;
}

/* Addresses to try behind those that were remembered and tried. */
static void add(struct io_dial *dial, const struct addr *addrs, size_t count)
{
    size_t remembered = dial->count;
    for (size_t i = 0; i < count; i++)
        if (!is_among(dial->attempts, remembered, &addrs[i]))
            dial->attempts[dial->count++] = (struct attempt){.dial = dial, .addr = addrs[i]};
}

static void remember(struct io_dial *dial, const struct addr *addrs, size_t count)
{
    if (dial->memory == NULL)
        return;
    dial->memory->until_ms = io_now_ms(dial->next.loop) + IO_DIAL_REMEMBER_MS;
    dial->memory->count = count;
    memcpy(dial->memory->addrs, addrs, count * sizeof(*addrs));
}

static void looked_up(void *arg, int error, const struct addr *addrs, size_t count)
{
    struct io_dial *dial = arg;
    struct addr ordered[IO_DIAL_ADDRESSES_MAX];
    dial->lookup = NULL;
    if (error != 0 || count == 0) {
        note_failure(dial, error != 0 ? error : IO_E_NOT_FOUND);
    } else {
        count = interleave(addrs, count, ordered);
        remember(dial, ordered, count);
        add(dial, ordered, count);
    }
    try_next(dial);
}

static void look_up(struct io_dial *dial)
{
    dial->looked_up = true;
    dial->lookup = io_lookup(dial->next.loop, dial->host, dial->port, looked_up, dial);
    if (dial->lookup == NULL)
        note_failure(dial, IO_E_NO_MEMORY);
}

static struct io_dial *dial_new(struct io_loop *loop, const char *host, uint16_t port,
                                uint32_t timeout_ms,
                                void (*done)(void *arg, int error, struct io_stream *stream),
                                void *arg)
{
    struct io_dial *dial = calloc(1, sizeof(*dial));
    if (dial == NULL)
        return NULL;
    dial->done = done;
    dial->arg = arg;
    snprintf(dial->host, sizeof(dial->host), "%s", host);
    dial->port = port;
    io_timer_init(&dial->deadline, loop, expired, dial);
    io_timer_init(&dial->next, loop, stagger, dial);
    io_timer_set_in(&dial->deadline, timeout_ms);
    return dial;
}

static struct io_stream *connect_plainly(void *loop, const struct addr *to,
                                         const struct io_stream_handler *to_handler, void *arg,
                                         int *error)
{
    return io_connect(loop, to, to_handler, arg, error);
}

/* Begins with what is remembered, in the next round, or with a look-up. NULL without memory. */
static struct io_dial *begin(struct io_dial *dial)
{
    const struct io_dial_memory *memory = dial->memory;
    if (memory != NULL && io_now_ms(dial->next.loop) < memory->until_ms) {
        add(dial, memory->addrs, memory->count);
        io_timer_set_in(&dial->next, 0);
        return dial;
    }
    look_up(dial);
    if (dial->lookup != NULL)
        return dial;
    io_dial_cancel(dial);
    return NULL;
}

struct io_dial *io_dial_by(struct io_loop *loop, io_dial_connect_fn *connect, void *connect_arg,
                           const char *host, uint16_t port, uint32_t timeout_ms,
                           void (*done)(void *arg, int error, struct io_stream *stream), void *arg)
{
    struct io_dial *dial = dial_new(loop, host, port, timeout_ms, done, arg);
    if (dial == NULL)
        return NULL;
    dial->connect = connect;
    dial->connect_arg = connect_arg;
    return begin(dial);
}

struct io_dial *io_dial_often(struct io_loop *loop, struct io_dial_memory *memory, const char *host,
                              uint16_t port, uint32_t timeout_ms,
                              void (*done)(void *arg, int error, struct io_stream *stream),
                              void *arg)
{
    struct io_dial *dial = dial_new(loop, host, port, timeout_ms, done, arg);
    if (dial == NULL)
        return NULL;
    dial->connect = connect_plainly;
    dial->connect_arg = loop;
    dial->memory = memory;
    return begin(dial);
}

struct io_dial *io_dial(struct io_loop *loop, const char *host, uint16_t port, uint32_t timeout_ms,
                        void (*done)(void *arg, int error, struct io_stream *stream), void *arg)
{
    return io_dial_by(loop, connect_plainly, loop, host, port, timeout_ms, done, arg);
}
