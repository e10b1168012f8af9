/*
 * The HTTP client that asks a session master, over loopback. Input: a byte of options (bit 0: the
 * connection ends with a reset), how many bytes come at once (1), and what is answered.
 * What holds of every input: there is one answer, of a status or with a reason in one line of
 * printable text, no longer than was asked for, and a time to wait that is none for ever.
 */
#include "io/http.h"
#include "io/real/loop.h"
#include "io/real/real.h"
#include "tests/fuzz/fuzz.h"

enum {
    ANSWER_MAX = 1024,
    TIMEOUT_MS = 3600000, /* never: the connection is ended */
    PIECES_MAX = 16,
    ROUNDS = 2, /* in which what was sent leaves */
};

static struct io_loop *loop;
static struct io_listener *listener;
static struct io_stream *stream;
static struct io_task tick;
static bool asked; /* the request has come */
static bool over;  /* the other side has gone */
static unsigned answers;

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

static void on_readable(void *arg)
{
    char bytes[4096];
    ssize_t got;
    (void)arg;
    while ((got = io_read(stream, bytes, sizeof bytes)) > 0)
        asked = true;
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
    .readable = on_readable, .sent = on_nothing, .failed = on_failed};

static void on_accepted(void *arg, struct io_stream *accepted)
{
    (void)arg;
    FUZZ_CHECK(stream == NULL);
    stream = accepted;
    io_stream_set_handler(stream, &handler, NULL);
}

static void on_exhausted(void *arg, int error)
{
    (void)arg, (void)error;
}

static const struct io_listener_handler listener_handler = {.accepted = on_accepted,
                                                            .exhausted = on_exhausted};

static void on_answer(void *arg, const struct io_http_answer *answer)
{
    (void)arg;
    answers++;
    FUZZ_CHECK((answer->status == 0) == (answer->why[0] != '\0'));
    FUZZ_CHECK(answer->body_len <= ANSWER_MAX && answer->body[answer->body_len] == '\0');
    FUZZ_CHECK(answer->retry_after_s <= UINT16_MAX);
    for (const char *c = answer->why; *c != '\0'; c++)
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
}

static void begin(void)
{
    const struct addr at = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}};
    int error;
    loop = io_real_new(NULL, &error);
    FUZZ_CHECK(loop != NULL);
    io_task_init(&tick, loop, on_tick, NULL);
    listener = io_listen(loop, &at, &listener_handler, NULL, &error);
    FUZZ_CHECK(listener != NULL);
}

static void ask(void)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/x", io_listener_addr(listener).port);
    const struct io_http_query query = {.method = "POST",
                                        .url = url,
                                        .authorization = "Bearer x",
                                        .body = "{}",
                                        .timeout_ms = TIMEOUT_MS,
                                        .answer_max = ANSWER_MAX};
    FUZZ_CHECK(io_http_ask(loop, &query, on_answer, NULL) != NULL);
    while (!asked && answers == 0)
        loop_round(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (loop == NULL)
        begin();
    stream = NULL;
    asked = over = false;
    answers = 0;
    ask();
    size_t len = size - 2;
    size_t piece = 1 + (size_t)data[1];
    if (piece <= len / PIECES_MAX)
        piece = len / PIECES_MAX + 1;
    for (size_t at = 0; at < len && !over; at += piece) {
        over = io_send(stream, data + 2 + at, len - at < piece ? len - at : piece) != IO_OK;
        for (int i = 0; i < ROUNDS; i++)
            run_round();
    }
    data[0] & 1 ? io_abort(stream) : io_close(stream);
    while (answers == 0)
        loop_round(loop);
    FUZZ_CHECK(answers == 1);
    return 0;
}
