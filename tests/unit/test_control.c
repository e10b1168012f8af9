/*
 * The control socket's protocol, on streams of this file's own: whatever is written to them comes
 * in the pieces that a test wants, and what is answered leaves when a test lets it.
 */
#include "roles/control/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 1024 * 1024, STREAMS_MAX = CONTROL_CONNECTIONS_MAX + 4, REQUESTS_MAX = 64 };

/* ---- io, as far as the control socket uses it ---- */

struct io_stream {
    const struct io_stream_handler *handler;
    void *arg;
    char *in; /* what the other side sent */
    size_t in_len;
    size_t in_at;
    size_t piece; /* at most so many bytes a read */
    bool in_ended;
    int in_error;
    char *out; /* what reached the other side */
    size_t out_len;
    size_t queued; /* of these, not yet taken */
    bool blocked;  /* what is sent stays queued */
    bool again;
    bool closed;
    bool aborted;
};

struct io_listener {
    const struct io_listener_handler *handler;
    void *arg;
    unsigned resumed;
    bool closed;
};

static struct io_stream streams[STREAMS_MAX];
static size_t stream_count;
static struct io_listener listener;
static bool listen_fails;
static uint64_t now_ms;
static struct io_timer *timers[STREAMS_MAX + 1];

struct io_listener *io_listen_unix(struct io_loop *loop, const char *path,
                                   const struct io_listener_handler *handler, void *arg, int *error)
{
    (void)loop;
    assert_string_equal(path, "/run/c");
    if (listen_fails) {
        *error = IO_E_IN_USE;
        return NULL;
    }
    listener = (struct io_listener){.handler = handler, .arg = arg};
    return &listener;
}

void io_listener_close(struct io_listener *at)
{
    assert_false(at->closed);
    at->closed = true;
}

void io_listener_resume(struct io_listener *at)
{
    at->resumed++;
}

void io_stream_set_handler(struct io_stream *stream, const struct io_stream_handler *handler,
                           void *arg)
{
    stream->handler = handler;
    stream->arg = arg;
}

static void assert_open(const struct io_stream *stream)
{
    assert_false(stream->closed);
    assert_false(stream->aborted);
}

ssize_t io_read(struct io_stream *stream, void *buf, size_t len)
{
    assert_open(stream);
    size_t left = stream->in_len - stream->in_at;
    if (left == 0)
        return stream->in_error != 0 ? stream->in_error : stream->in_ended ? 0 : IO_AGAIN;
    size_t take = left < len ? left : len;
    take = take < stream->piece ? take : stream->piece;
    memcpy(buf, stream->in + stream->in_at, take);
    stream->in_at += take;
    return (ssize_t)take;
}

void io_again(struct io_stream *stream)
{
    assert_open(stream);
    stream->again = true;
}

int io_send(struct io_stream *stream, const void *bytes, size_t len)
{
    assert_open(stream);
    if (stream->in_error != 0)
        return IO_E_RESET;
    assert_true(stream->out_len + len <= BYTES_MAX);
    memcpy(stream->out + stream->out_len, bytes, len);
    stream->out_len += len;
    stream->queued += stream->blocked ? len : 0;
    return 0;
}

size_t io_queued(const struct io_stream *stream)
{
    return stream->queued;
}

void io_close(struct io_stream *stream)
{
    assert_open(stream);
    stream->closed = true;
}

void io_abort(struct io_stream *stream)
{
    assert_open(stream);
    stream->aborted = true;
}

void io_timer_init(struct io_timer *timer, struct io_loop *loop, void (*fire)(void *arg), void *arg)
{
    *timer = (struct io_timer){.loop = loop, .fire = fire, .arg = arg};
}

void io_timer_stop(struct io_timer *timer)
{
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++)
        timers[i] = timers[i] == timer ? NULL : timers[i];
}

void io_timer_set_in(struct io_timer *timer, uint64_t delay_ms)
{
    io_timer_stop(timer);
    size_t i = 0;
    while (timers[i] != NULL) {
        i++;
        assert_true(i < sizeof timers / sizeof timers[0]);
    }
    timer->at_ms = now_ms + delay_ms;
    timers[i] = timer;
}

static void pass(uint64_t ms)
{
    now_ms += ms;
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        struct io_timer *timer = timers[i];
        if (timer != NULL && timer->at_ms <= now_ms) {
            timers[i] = NULL;
            timer->fire(timer->arg);
        }
    }
}

/* ---- The other side, and the owner ---- */

static struct control *control;
static struct control_request *waiting[REQUESTS_MAX];
static size_t waiting_count;
static size_t asked;
static bool answer_at_once;

static void on_command(void *arg, const char *name, struct control_request *request)
{
    assert_ptr_equal(arg, &asked);
    asked++;
    if (answer_at_once) {
        control_answer(request, json_pack("{ss}", "you", name));
        return;
    }
    assert_true(waiting_count < REQUESTS_MAX);
    waiting[waiting_count++] = request;
}

static struct io_stream *come(size_t piece)
{
    assert_true(stream_count < STREAMS_MAX);
    struct io_stream *stream = &streams[stream_count++];
    *stream = (struct io_stream){.piece = piece, .in = malloc(BYTES_MAX), .out = malloc(BYTES_MAX)};
    assert_non_null(stream->in);
    assert_non_null(stream->out);
    listener.handler->accepted(listener.arg, stream);
    return stream;
}

static bool gone(const struct io_stream *stream)
{
    return stream->closed || stream->aborted;
}

/* Calls until nothing more is to be called. */
static void settle(struct io_stream *stream)
{
    if (!gone(stream))
        stream->handler->readable(stream->arg);
    for (int i = 0; stream->again && !gone(stream); i++) {
        assert_true(i < BYTES_MAX);
        stream->again = false;
        stream->handler->readable(stream->arg);
    }
}

static void feed(struct io_stream *stream, const char *text, size_t len)
{
    assert_true(stream->in_len + len <= BYTES_MAX);
    memcpy(stream->in + stream->in_len, text, len);
    stream->in_len += len;
}

static void say(struct io_stream *stream, const char *text)
{
    feed(stream, text, strlen(text));
    settle(stream);
}

static void let_out(struct io_stream *stream)
{
    stream->queued = 0;
    stream->handler->sent(stream->arg);
    settle(stream);
}

static void assert_answers(const struct io_stream *stream, const char *expected)
{
    assert_int_equal(stream->out_len, strlen(expected));
    assert_memory_equal(stream->out, expected, stream->out_len);
}

static int open_control(void **state)
{
    int error = 0;
    (void)state;
    stream_count = 0;
    waiting_count = 0;
    asked = 0;
    answer_at_once = true;
    listen_fails = false;
    now_ms = 0;
    control = control_open(NULL, "/run/c", on_command, &asked, &error);
    return control == NULL;
}

static int close_control(void **state)
{
    (void)state;
    if (control != NULL) {
        control_close(control);
        control = NULL;
        assert_true(listener.closed);
    }
    for (size_t i = 0; i < stream_count; i++) {
        /* A stream that was refused at the door is gone as well. */
        assert_true(gone(&streams[i]));
        free(streams[i].in);
        free(streams[i].out);
    }
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++)
        assert_null(timers[i]);
    return 0;
}

static const char status_line[] = "{\"command\": \"status\"}\n";
static const char status_answer[] = "{\"you\":\"status\"}\n";

/* ---- What it does ---- */

static void a_line_is_answered_by_a_line(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    say(stream, status_line);
    assert_answers(stream, status_answer);
    assert_false(gone(stream));
}

static void a_request_is_understood_under_every_segmentation(void **state)
{
    (void)state;
    size_t len = strlen(status_line);
    for (size_t cut = 1; cut < len; cut++) {
        stream_count = 0;
        struct io_stream *stream = come(SIZE_MAX);
        feed(stream, status_line, cut);
        settle(stream);
        assert_int_equal(stream->out_len, 0);
        feed(stream, status_line + cut, len - cut);
        settle(stream);
        assert_answers(stream, status_answer);
        stream->in_ended = true;
        settle(stream);
        assert_true(stream->closed);
        if (cut + 1 < len) {
            free(stream->in);
            free(stream->out);
        }
    }
}

static void a_request_byte_by_byte_is_understood(void **state)
{
    (void)state;
    struct io_stream *stream = come(1);
    say(stream, status_line);
    assert_answers(stream, status_answer);
}

static void several_lines_at_once_are_answered_in_order(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    say(stream, "{\"command\":\"a\"}\n{\"command\":\"b\"}\n{\"command\":\"c\"}\n");
    assert_answers(stream, "{\"you\":\"a\"}\n{\"you\":\"b\"}\n{\"you\":\"c\"}\n");
}

static void the_next_line_waits_for_the_answer_to_the_last(void **state)
{
    (void)state;
    answer_at_once = false;
    struct io_stream *stream = come(SIZE_MAX);
    say(stream, "{\"command\":\"a\"}\n{\"command\":\"b\"}\n");
    assert_int_equal(waiting_count, 1);
    control_answer(waiting[0], json_pack("{si}", "n", 1));
    settle(stream);
    assert_int_equal(waiting_count, 2);
    control_answer_error(waiting[1], "no");
    assert_answers(stream, "{\"n\":1}\n{\"error\":\"no\"}\n");
}

static void who_does_not_read_is_not_served_further(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    stream->blocked = true;
    for (int i = 0; i < 1000; i++)
        feed(stream, status_line, strlen(status_line));
    settle(stream);
    settle(stream);
    assert_int_equal(asked, 1);
    let_out(stream);
    assert_int_equal(asked, 2);
    stream->blocked = false;
    let_out(stream);
    assert_int_equal(asked, 1000);
}

static void a_flood_takes_one_request_a_round(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    for (int i = 0; i < 100; i++)
        feed(stream, status_line, strlen(status_line));
    stream->handler->readable(stream->arg);
    assert_int_equal(asked, 1);
    assert_true(stream->again);
}

static void a_line_that_is_too_long_ends_the_connection(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    char line[CONTROL_LINE_MAX];
    memset(line, ' ', sizeof line);
    feed(stream, line, sizeof line - 1);
    settle(stream);
    assert_false(gone(stream));
    feed(stream, line, 1);
    settle(stream);
    assert_true(stream->closed);
    assert_answers(stream, "{\"error\":\"the line is too long\"}\n");
}

static void a_line_of_the_longest_length_is_understood(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    char line[CONTROL_LINE_MAX];
    memset(line, ' ', sizeof line);
    memcpy(line, status_line, strlen(status_line) - 1);
    line[sizeof line - 1] = '\n';
    feed(stream, line, sizeof line);
    settle(stream);
    assert_answers(stream, status_answer);
}

static void what_is_no_request_ends_the_connection(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\n",
        "GET / HTTP/1.1\r\n",
        "[]\n",
        "{}\n",
        "{\"command\": 1}\n",
        "{\"command\": \"a\", \"command\": \"b\"}\n",
        "{\"command\": \"a\"} x\n",
        "{\"command\": \"\xff\"}\n",
        "{\"command\": \"status\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct io_stream *stream = come(SIZE_MAX);
        say(stream, lines[i]);
        assert_true(stream->closed);
        assert_answers(stream, "{\"error\":\"a request is one line: {\\\"command\\\": "
                               "\\\"status\\\"}\"}\n");
    }
    assert_int_equal(asked, 0);
}

static void deep_nesting_is_survived(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    char line[CONTROL_LINE_MAX];
    memset(line, '[', sizeof line);
    line[sizeof line - 1] = '\n';
    feed(stream, line, sizeof line);
    settle(stream);
    assert_true(stream->closed);
}

static void the_end_is_answered_by_the_end(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    stream->in_ended = true;
    say(stream, status_line);
    assert_answers(stream, status_answer);
    assert_true(stream->closed);
}

static void an_end_within_a_line_is_no_request(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    stream->in_ended = true;
    say(stream, "{\"command\":\"status\"}");
    assert_true(stream->closed);
    assert_int_equal(asked, 0);
}

static void an_answer_to_who_is_gone_is_dropped(void **state)
{
    (void)state;
    answer_at_once = false;
    struct io_stream *stream = come(SIZE_MAX);
    say(stream, status_line);
    stream->handler->failed(stream->arg, IO_E_RESET);
    assert_true(stream->aborted);
    control_answer(waiting[0], json_object());
    assert_int_equal(stream->out_len, 0);
}

static void an_answer_after_the_control_closed_is_dropped(void **state)
{
    (void)state;
    answer_at_once = false;
    struct io_stream *stream = come(SIZE_MAX);
    say(stream, status_line);
    control_close(control);
    control = NULL;
    assert_true(stream->closed);
    control_answer(waiting[0], json_object());
}

static void an_answer_that_cannot_be_made_ends_the_connection(void **state)
{
    (void)state;
    answer_at_once = false;
    struct io_stream *stream = come(SIZE_MAX);
    say(stream, status_line);
    control_answer(waiting[0], NULL);
    assert_true(stream->aborted);
}

static void a_reset_ends_the_connection(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    stream->in_error = IO_E_RESET;
    settle(stream);
    assert_true(stream->aborted);
}

static void a_silent_connection_is_ended(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    pass(CONTROL_IDLE_MS - 1);
    assert_false(gone(stream));
    say(stream, status_line);
    pass(CONTROL_IDLE_MS - 1);
    assert_false(gone(stream));
    pass(1);
    assert_true(stream->aborted);
}

static void bytes_without_a_line_do_not_keep_a_connection(void **state)
{
    (void)state;
    struct io_stream *stream = come(SIZE_MAX);
    for (int i = 0; i < 3; i++) {
        pass(CONTROL_IDLE_MS / 3);
        if (!gone(stream))
            say(stream, "{");
    }
    assert_true(stream->aborted);
}

static void one_connection_too_many_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        assert_false(gone(come(SIZE_MAX)));
    struct io_stream *more = come(SIZE_MAX);
    assert_true(more->aborted);
    streams[0].in_ended = true;
    settle(&streams[0]);
    assert_false(gone(come(SIZE_MAX)));
}

static void accepting_goes_on_after_exhaustion(void **state)
{
    (void)state;
    listener.handler->exhausted(listener.arg, IO_E_NO_FILES);
    assert_int_equal(listener.resumed, 0);
    pass(1000);
    assert_int_equal(listener.resumed, 1);
}

static void a_path_in_use_is_an_error(void **state)
{
    (void)state;
    int error = 0;
    listen_fails = true;
    assert_null(control_open(NULL, "/run/c", on_command, &asked, &error));
    assert_int_equal(error, IO_E_IN_USE);
}

#define control_test(name) cmocka_unit_test_setup_teardown(name, open_control, close_control)

int main(void)
{
    const struct CMUnitTest tests[] = {
        control_test(a_line_is_answered_by_a_line),
        control_test(a_request_is_understood_under_every_segmentation),
        control_test(a_request_byte_by_byte_is_understood),
        control_test(several_lines_at_once_are_answered_in_order),
        control_test(the_next_line_waits_for_the_answer_to_the_last),
        control_test(who_does_not_read_is_not_served_further),
        control_test(a_flood_takes_one_request_a_round),
        control_test(a_line_that_is_too_long_ends_the_connection),
        control_test(a_line_of_the_longest_length_is_understood),
        control_test(what_is_no_request_ends_the_connection),
        control_test(deep_nesting_is_survived),
        control_test(the_end_is_answered_by_the_end),
        control_test(an_end_within_a_line_is_no_request),
        control_test(an_answer_to_who_is_gone_is_dropped),
        control_test(an_answer_after_the_control_closed_is_dropped),
        control_test(an_answer_that_cannot_be_made_ends_the_connection),
        control_test(a_reset_ends_the_connection),
        control_test(a_silent_connection_is_ended),
        control_test(bytes_without_a_line_do_not_keep_a_connection),
        control_test(one_connection_too_many_is_refused),
        control_test(accepting_goes_on_after_exhaustion),
        control_test(a_path_in_use_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
