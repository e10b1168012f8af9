/*
 * The control socket, in a simulated world. Input: a byte (how many bytes come at once; bit 7: the
 * owner answers later), then what is said to it.
 * What holds of every input: for each whole line that is a request, and came before the first one
 * that is none, the owner is asked once, in their order, and what is answered is JSON, a line each.
 */
#include "roles/control/control.h"
#include "tests/fuzz/stage.h"

#include <jansson.h>

enum { PORT = 32768, LATER_MS = 20 };

static struct stage stage;
static struct voice voice;
static struct control *control;
static struct control_request *waiting;
static size_t asked;
static bool later;

static void answer(struct io_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    struct control_request *request = waiting;
    waiting = NULL;
    if (request != NULL)
        control_answer(request, json_pack("{s:i}", "number", (int)asked));
}

static void on_command(void *arg, const char *name, struct control_request *request)
{
    (void)arg;
    FUZZ_CHECK(name != NULL && waiting == NULL);
    asked++;
    waiting = request;
    if (!later)
        answer(NULL, NULL);
}

static void open_control(struct io_loop *loop, void *arg)
{
    int error;
    (void)arg;
    control = control_open(loop, "/run/c", on_command, NULL, &error);
    FUZZ_CHECK(control != NULL);
}

static void close_control(struct io_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    control_close(control);
    answer(NULL, NULL);
}

/* How many of the lines are requests, up to the first that is none. */
static size_t count_requests(const char *text, size_t len)
{
    size_t count = 0;
    const char *newline;
    while (len > 0 && (newline = memchr(text, '\n', len)) != NULL) {
        size_t line_len = (size_t)(newline - text);
        json_t *json = json_loadb(text, line_len, JSON_REJECT_DUPLICATES, NULL);
        bool is_request =
            line_len < CONTROL_LINE_MAX && json_is_string(json_object_get(json, "command"));
        json_decref(json);
        if (!is_request)
            return count;
        count++;
        text += line_len + 1;
        len -= line_len + 1;
    }
    return count;
}

static void check_answers(void)
{
    const char *text = (const char *)voice.heard;
    const char *newline;
    size_t left = voice.len;
    size_t count = 0;
    while (left > 0 && (newline = memchr(text, '\n', left)) != NULL) {
        size_t line_len = (size_t)(newline - text);
        json_t *json = json_loadb(text, line_len, JSON_REJECT_DUPLICATES, NULL);
        FUZZ_CHECK(json_is_object(json));
        bool refused = json_object_get(json, "error") != NULL;
        FUZZ_CHECK(refused || json_integer_value(json_object_get(json, "number")) == (int)++count);
        json_decref(json);
        text += line_len + 1;
        left -= line_len + 1;
        FUZZ_CHECK(!refused || left == 0);
    }
    FUZZ_CHECK(left == 0 && count == asked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct addr at = {.port = PORT};
    if (size == 0 || size > STAGE_HEARD_MAX / 4)
        return 0;
    size_t requests = count_requests((const char *)data + 1, size - 1);
    later = data[0] & 128;
    asked = 0;
    stage_open(&stage);
    memset(&voice, 0, sizeof voice);
    stage_on(&stage, STAGE_ROLE, open_control, NULL);
    voice_call_from(&voice, &stage, STAGE_ROLE, &at);
    voice_say(&voice, data + 1, size - 1, 1 + data[0] % 128);
    for (size_t i = 0; i <= requests; i++) {
        stage_run_ms(&stage, LATER_MS);
        stage_on(&stage, STAGE_ROLE, answer, NULL);
    }
    stage_run_ms(&stage, LATER_MS);
    FUZZ_CHECK(asked == requests);
    check_answers();
    voice_leave(&voice);
    stage_on(&stage, STAGE_ROLE, close_control, NULL);
    stage_close(&stage);
    return 0;
}
