/*
 * The HTTP server in front of the session master, over loopback. Input: a byte of options (bit 0: a
 * front is believed, bit 1: the end follows at once), how many bytes come at once (1), and what is
 * sent.
 * What holds of every input: a request is handed over once at most, with a path, and no more body
 * than is read; and who asked gets an answer.
 */
#include "io/http.h"
#include "io/real/loop.h"
#include "tests/fuzz/loopback.h"

enum {
    BODY_MAX = 1024,
    BODY_SLACK = 48 * 1024, /* that is read and refused: io/real/http_server.c */
    TIMEOUT_MS = 10000,
    ROUNDS_MAX = 1000,
};

struct front {
    struct io_listener *listener;
    struct io_http_server *server;
};

static struct loopback loopback;
static struct front fronts[2]; /* the second one believes a front */
static size_t handled;

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

static void begin(void)
{
    loopback_open(&loopback);
    for (int i = 0; i < 2; i++) {
        struct front *front = &fronts[i];
        front->listener = loopback_listen(&loopback);
        io_listener_pause(front->listener);
        const struct io_http_config config = {.listener = front->listener,
                                              .timeout_ms = TIMEOUT_MS,
                                              .body_max = BODY_MAX,
                                              .behind_proxy = i == 1};
        front->server = io_http_serve(loopback.loop, &config, handle, NULL);
        FUZZ_CHECK(front->server != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (loopback.loop == NULL)
        begin();
    handled = 0;
    loopback_call(&loopback, fronts[data[0] & 1].listener);
    loopback_say(&loopback, data + 2, size - 2, 1 + (size_t)data[1]);
    if (data[0] & 2 && !loopback.over)
        io_shutdown(loopback.stream);
    loopback_run(&loopback);
    for (int i = 0; i < ROUNDS_MAX && handled > 0 && loopback.heard == 0 && !loopback.over; i++)
        loop_round(loopback.loop);
    FUZZ_CHECK(handled <= 1);
    FUZZ_CHECK(handled == 0 || loopback.heard > 0 || loopback.over);
    io_abort(loopback.stream);
    loopback_run(&loopback);
    return 0;
}
