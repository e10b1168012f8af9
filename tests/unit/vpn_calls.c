#include "vpn_calls.h"

static void connected(void *arg)
{
    struct call *call = arg;
    call->connected = true;
    if (call->calls->greeting_len > 0)
        (void)io_send(call->stream, call->calls->greeting, call->calls->greeting_len);
}

static void readable(void *arg)
{
    struct call *call = arg;
    uint8_t bytes[512];
    ssize_t got;
    while ((got = io_read(call->stream, bytes, sizeof bytes)) > 0)
        ;
    call->over = call->over || got != IO_AGAIN;
}

static void sent(void *arg)
{
    (void)arg;
}

static void failed(void *arg, int error)
{
    (void)error;
    ((struct call *)arg)->over = true;
}

static const struct io_stream_handler handler = {
    .connected = connected, .readable = readable, .sent = sent, .failed = failed};

static void open_all(struct io_loop *loop, void *arg)
{
    struct calls *calls = arg;
    struct addr to = {.ip = {.family = 4, .bytes = {192, 0, 2, (uint8_t)(calls->to + 1)}},
                      .port = END_PORT};
    for (size_t i = 0; i < calls->count; i++) {
        int error;
        struct call *call = &calls->all[i];
        *call = (struct call){.calls = calls};
        call->stream = io_connect(loop, &to, &handler, call, &error);
        assert_non_null(call->stream);
    }
}

void calls_open(struct calls *calls, struct ends *ends, size_t from, size_t to, size_t count)
{
    assert_true(count <= CALLS_MAX);
    calls->ends = ends;
    calls->from = from;
    calls->to = to;
    calls->count = count;
    ends_on(ends, from, open_all, calls);
    ends_run_ms(ends, 500);
}

static void open_again(struct io_loop *loop, void *arg)
{
    struct calls *calls = arg;
    for (size_t i = 0; i < calls->count; i++)
        io_abort(calls->all[i].stream);
    open_all(loop, calls);
}

void calls_again(struct calls *calls)
{
    ends_on(calls->ends, calls->from, open_again, calls);
}

size_t calls_over(const struct calls *calls)
{
    size_t over = 0;
    for (size_t i = 0; i < calls->count; i++)
        over += calls->all[i].over;
    return over;
}

static void close_all(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct calls *calls = arg;
    for (size_t i = 0; i < calls->count; i++)
        if (calls->all[i].stream != NULL)
            io_abort(calls->all[i].stream);
    calls->count = 0;
}

void calls_close(struct calls *calls)
{
    if (calls->count > 0)
        ends_on(calls->ends, calls->from, close_all, calls);
}
