/*
 * The HTTP client that asks a session master, over loopback. Input: a byte of options (bit 0: the
 * connection ends with a reset), how many bytes come at once (1), and what is answered.
 * What holds of every input: there is one answer, of a status or with a reason in one line of
 * printable text, no longer than was asked for, and a time to wait that is none for ever.
 */
#include "io/http.h"
#include "io/real/loop.h"
#include "tests/fuzz/loopback.h"

enum { ANSWER_MAX = 1024, TIMEOUT_MS = 3600000 /* never: the connection is ended */ };

static struct loopback loopback;
static struct io_listener *listener;
static unsigned answers;

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
    FUZZ_CHECK(io_http_ask(loopback.loop, &query, on_answer, NULL) != NULL);
    while (loopback.heard == 0 && answers == 0)
        loop_round(loopback.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (loopback.loop == NULL) {
        loopback_open(&loopback);
        listener = loopback_listen(&loopback);
    }
    loopback_forget(&loopback);
    answers = 0;
    ask();
    loopback_say(&loopback, data + 2, size - 2, 1 + (size_t)data[1]);
    data[0] & 1 ? io_abort(loopback.stream) : io_close(loopback.stream);
    while (answers == 0)
        loop_round(loopback.loop);
    FUZZ_CHECK(answers == 1);
    return 0;
}
