/*
 * The HTTP server in front of the session master, over loopback. Input: a byte of options (bit 0: a
 * front is believed, bit 1: the end follows at once), how many bytes come at once (1), and what is
 * sent.
 * What holds of every input: a request is handed over once at most, with a path, and no more body
 * than is read; and who asked gets an answer.
 */
#include "io/http.h"
#include "io/real/loop.h"
#include "io/real/real.h"
#include "tests/fuzz/fuzz.h"

enum {
    BODY_MAX = 1024,
    BODY_SLACK = 48 * 1024, /* that is read and refused: io/real/http_server.c */
    TIMEOUT_MS = 10000,
    PIECES_MAX = 16,
    ROUNDS = 3, /* in which what was sent is read, or what was answered */
    ROUNDS_MAX = 1000,
};

struct front {
    struct io_listener *listener;
    struct io_http_server *server;
};

static struct io_loop *loop;
static struct front fronts[2]; /* the second one believes a front */
static struct io_stream *stream;
static struct io_task tick;
static bool over;
static size_t heard;
static size_t handled;

static void on_tick(void *arg)
{
    (void)arg;
}

/* One that does not wait. */
static void run_round(void)
{
    io_task_queue(&tick);
    loop_round(loop);
}

static void handle(void *arg, const struct io_http_request *request,
                   struct io_http_response *response)
{
    (void)arg;
    handled++;
    FUZZ_CHECK(request->method != NULL && request->target != NULL);
    FUZZ_CHECK(request->body_len <= BODY_MAX + BODY_SLACK);
    FUZZ_CHECK(request->from.family == 4 || request->from.family == 6);
    response->status = 200;
    response->body = strdup("{}");
    response->body_len = 2;
}

static void on_readable(void *arg)
{
    char bytes[4096];
    ssize_t got;
    (void)arg;
    while ((got = io_read(stream, bytes, sizeof bytes)) > 0)
        heard += (size_t)got;
    over = over || got != IO_AGAIN;
}

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_failed(void *arg, int error)
{
    (void)arg, (void)error;
    over = true;
}

static const struct io_stream_handler handler = {
    .connected = on_nothing, .readable = on_readable, .sent = on_nothing, .failed = on_failed};

static void on_accepted(void *arg, struct io_stream *accepted)
{
    (void)arg;
    io_abort(accepted);
}

static void on_exhausted(void *arg, int error)
{
    (void)arg, (void)error;
}

static const struct io_listener_handler listener_handler = {.accepted = on_accepted,
                                                            .exhausted = on_exhausted};

static void begin(void)
{
    const struct addr at = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}};
    int error;
    loop = io_real_new(NULL, &error);
    FUZZ_CHECK(loop != NULL);
    io_task_init(&tick, loop, on_tick, NULL);
    for (int i = 0; i < 2; i++) {
        struct front *front = &fronts[i];
        front->listener = io_listen(loop, &at, &listener_handler, NULL, &error);
        FUZZ_CHECK(front->listener != NULL);
        io_listener_pause(front->listener);
        const struct io_http_config config = {.listener = front->listener,
                                              .timeout_ms = TIMEOUT_MS,
                                              .body_max = BODY_MAX,
                                              .behind_proxy = i == 1};
        front->server = io_http_serve(loop, &config, handle, NULL);
        FUZZ_CHECK(front->server != NULL);
    }
}

static void say(const uint8_t *bytes, size_t len, size_t piece)
{
    if (piece <= len / PIECES_MAX)
        piece = len / PIECES_MAX + 1;
    for (size_t at = 0; at < len && !over; at += piece) {
        over = io_send(stream, bytes + at, len - at < piece ? len - at : piece) != IO_OK;
        for (int i = 0; i < ROUNDS; i++)
            run_round();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int error;
    if (size < 2)
        return 0;
    if (loop == NULL)
        begin();
    const struct addr to = io_listener_addr(fronts[data[0] & 1].listener);
    over = false;
    heard = handled = 0;
    stream = io_connect(loop, &to, &handler, NULL, &error);
    FUZZ_CHECK(stream != NULL);
    say(data + 2, size - 2, 1 + (size_t)data[1]);
    if (data[0] & 2 && !over)
        io_shutdown(stream);
    for (int i = 0; i < ROUNDS; i++)
        run_round();
    for (int i = 0; i < ROUNDS_MAX && handled > 0 && heard == 0 && !over; i++)
        loop_round(loop);
    FUZZ_CHECK(handled <= 1);
    FUZZ_CHECK(handled == 0 || heard > 0 || over);
    io_abort(stream);
    for (int i = 0; i < ROUNDS; i++)
        run_round();
    return 0;
}
