/*
 * Dialling over look-ups, connections and a clock that the test plays by hand.
 */
#include "io/core.h"
#include "io/dial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct io_loop {
    struct io_core core;
};

static struct io_loop loop;

/* ---- The kernel that the test plays ---- */

struct io_lookup {
    io_lookup_fn *done;
    void *arg;
    char host[HOST_TEXT_MAX];
    uint16_t port;
};

struct io_stream {
    const struct io_stream_handler *handler;
    void *arg;
    struct addr to;
    bool open;
};

enum { STREAMS = 40 };
static struct io_stream streams[STREAMS];
static size_t connects;
static struct io_lookup lookup;
static bool looking_up;
static unsigned lookups;
static bool no_lookup;    /* it lacks memory */
static int connect_error; /* of io_connect() at once */

struct io_lookup *io_lookup(struct io_loop *on, const char *host, uint16_t port, io_lookup_fn *done,
                            void *arg)
{
    assert_ptr_equal(on, &loop);
    lookups++;
    if (no_lookup)
        return NULL;
    lookup = (struct io_lookup){.done = done, .arg = arg, .port = port};
    snprintf(lookup.host, sizeof(lookup.host), "%s", host);
    looking_up = true;
    return &lookup;
}

void io_lookup_cancel(struct io_lookup *cancelled)
{
    assert_ptr_equal(cancelled, &lookup);
    assert_true(looking_up);
    looking_up = false;
}

struct io_stream *io_connect(struct io_loop *on, const struct addr *to,
                             const struct io_stream_handler *handler, void *arg, int *error)
{
    assert_ptr_equal(on, &loop);
    if (connect_error != 0) {
        *error = connect_error;
        return NULL;
    }
    struct io_stream *stream = &streams[connects++];
    *stream = (struct io_stream){.handler = handler, .arg = arg, .to = *to, .open = true};
    return stream;
}

void io_close(struct io_stream *stream)
{
    assert_true(stream->open);
    stream->open = false;
}

void io_abort(struct io_stream *stream)
{
    io_close(stream);
}

double io_wall_s(const struct io_loop *on)
{
    (void)on;
    return 0;
}

void io_random(struct io_loop *on, void *buf, size_t len)
{
    (void)on;
    memset(buf, 0, len);
}

/* ---- What happens to it ---- */

static void no_log(void *arg, enum log_level level, const char *line, size_t len)
{
    (void)arg;
    (void)level;
    (void)line;
    (void)len;
}

struct outcome {
    unsigned calls;
    int error;
    struct io_stream *stream;
};

static void done(void *arg, int error, struct io_stream *stream)
{
    struct outcome *outcome = arg;
    outcome->calls++;
    outcome->error = error;
    outcome->stream = stream;
}

static void pass_ms(uint64_t ms)
{
    io_core_set_now(&loop.core, loop.core.now_ms + ms);
    io_core_fire_timers(&loop.core);
}

static void answer(int error, const char *const *texts, size_t count)
{
    struct addr addrs[40] = {0};
    for (size_t i = 0; i < count; i++) {
        assert_true(ip_parse(texts[i], &addrs[i].ip));
        addrs[i].port = lookup.port;
    }
    looking_up = false;
    lookup.done(lookup.arg, error, addrs, count);
}

static bool goes_to(const struct io_stream *stream, const char *text)
{
    struct adit_ip ip;
    assert_true(ip_parse(text, &ip));
    return ip_equal(&stream->to.ip, &ip);
}

static size_t open_streams(void)
{
    size_t count = 0;
    for (size_t i = 0; i < connects; i++)
        count += streams[i].open;
    return count;
}

static int setup(void **state)
{
    (void)state;
    connects = 0;
    connect_error = 0;
    looking_up = false;
    lookups = 0;
    no_lookup = false;
    return io_core_init(&loop.core, no_log, NULL, LOG_ERROR) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    uint64_t at_ms;
    bool armed = io_core_deadline(&loop.core, &at_ms);
    io_core_clear(&loop.core);
    return armed || looking_up ? -1 : 0;
}

static void succeed(struct io_stream *stream)
{
    stream->handler->connected(stream->arg);
}

static void fail_with(struct io_stream *stream, int error)
{
    stream->handler->failed(stream->arg, error);
}

/* ---- Tests ---- */

static void the_first_address_is_handed_over(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    const char *const addrs[] = {"192.0.2.1", "192.0.2.2"};
    assert_non_null(io_dial(&loop, "a.example", 443, 10000, done, &outcome));
    assert_string_equal(lookup.host, "a.example");
    assert_int_equal(lookup.port, 443);
    answer(0, addrs, 2);
    assert_int_equal(connects, 1);
    assert_int_equal(outcome.calls, 0);
    succeed(&streams[0]);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.error, 0);
    assert_ptr_equal(outcome.stream, &streams[0]);
    assert_true(streams[0].open);
    pass_ms(20000);
    assert_int_equal(connects, 1);
    assert_int_equal(outcome.calls, 1);
}

static void families_take_turns_and_a_silent_address_holds_up_250_ms(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    const char *const addrs[] = {"2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"};
    const char *const order[] = {"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"};
    io_dial(&loop, "a.example", 443, 10000, done, &outcome);
    answer(0, addrs, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(connects, i + 1);
        assert_true(goes_to(&streams[i], order[i]));
        pass_ms(IO_DIAL_STAGGER_MS - 1);
        assert_int_equal(connects, i + 1);
        pass_ms(1);
    }
    succeed(&streams[2]);
    assert_ptr_equal(outcome.stream, &streams[2]);
    assert_int_equal(open_streams(), 1);
}

static void a_refused_address_is_followed_by_the_next_at_once(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    const char *const addrs[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
    io_dial(&loop, "a.example", 443, 10000, done, &outcome);
    answer(0, addrs, 3);
    fail_with(&streams[0], IO_E_REFUSED);
    assert_int_equal(connects, 2);
    assert_false(streams[0].open);
    /* The stagger counts from the newest. */
    pass_ms(IO_DIAL_STAGGER_MS - 1);
    assert_int_equal(connects, 2);
    fail_with(&streams[1], IO_E_UNREACHABLE);
    assert_int_equal(outcome.calls, 0);
    fail_with(&streams[2], IO_E_UNREACHABLE);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.error, IO_E_REFUSED);
    assert_null(outcome.stream);
    assert_int_equal(open_streams(), 0);
}

static void the_last_failure_waits_for_those_still_running(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    const char *const addrs[] = {"192.0.2.1", "192.0.2.2"};
    io_dial(&loop, "a.example", 443, 10000, done, &outcome);
    answer(0, addrs, 2);
    pass_ms(IO_DIAL_STAGGER_MS);
    fail_with(&streams[1], IO_E_REFUSED);
    assert_int_equal(outcome.calls, 0);
    succeed(&streams[0]);
    assert_int_equal(outcome.error, 0);
    assert_ptr_equal(outcome.stream, &streams[0]);
}

static void addresses_that_fail_at_once_end_the_dial(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    const char *const addrs[] = {"2001:db8::1", "192.0.2.1"};
    io_dial(&loop, "a.example", 443, 10000, done, &outcome);
    connect_error = IO_E_UNREACHABLE;
    answer(0, addrs, 2);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.error, IO_E_UNREACHABLE);
}

static void time_is_up_over_look_up_and_all_addresses(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    const char *const addrs[] = {"192.0.2.1", "192.0.2.2"};
    io_dial(&loop, "a.example", 443, 1000, done, &outcome);
    pass_ms(600);
    answer(0, addrs, 2);
    pass_ms(399);
    assert_int_equal(outcome.calls, 0);
    pass_ms(1);
    assert_int_equal(outcome.error, IO_E_TIMEOUT);
    assert_int_equal(open_streams(), 0);

    io_dial(&loop, "a.example", 443, 1000, done, &outcome);
    pass_ms(1000);
    assert_int_equal(outcome.calls, 2);
    assert_false(looking_up);
}

static void a_name_that_is_not_found_is_told(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    io_dial(&loop, "a.example", 443, 1000, done, &outcome);
    answer(IO_E_NAME_AGAIN, NULL, 0);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.error, IO_E_NAME_AGAIN);
}

static void a_cancelled_dial_is_silent_at_every_stage(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    const char *const addrs[] = {"192.0.2.1", "192.0.2.2"};
    io_dial_cancel(io_dial(&loop, "a.example", 443, 1000, done, &outcome));
    assert_false(looking_up);
    struct io_dial *dial = io_dial(&loop, "a.example", 443, 1000, done, &outcome);
    answer(0, addrs, 2);
    pass_ms(IO_DIAL_STAGGER_MS);
    assert_int_equal(open_streams(), 2);
    io_dial_cancel(dial);
    assert_int_equal(open_streams(), 0);
    pass_ms(5000);
    assert_int_equal(outcome.calls, 0);
}

static void more_addresses_than_the_limit_are_not_tried(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    const char *addrs[40];
    for (size_t i = 0; i < 40; i++)
        addrs[i] = "192.0.2.1";
    io_dial(&loop, "a.example", 443, 100000, done, &outcome);
    answer(0, addrs, 40);
    for (size_t i = 0; i < IO_DIAL_ADDRESSES_MAX; i++)
        fail_with(&streams[i], IO_E_REFUSED);
    assert_int_equal(connects, IO_DIAL_ADDRESSES_MAX);
    assert_int_equal(outcome.calls, 1);
}

/* ---- Remembered look-ups ---- */

static struct io_dial *dial_often(struct io_dial_memory *memory, struct outcome *outcome)
{
    struct io_dial *dial = io_dial_often(&loop, memory, "a.example", 443, 10000, done, outcome);
    assert_non_null(dial);
    assert_int_equal(outcome->calls, 0);
    return dial;
}

/* Dials with nothing remembered; the name has these addresses, and the first one answers. */
static void learn(struct io_dial_memory *memory, const char *const *addrs, size_t count)
{
    struct outcome outcome = {0};
    unsigned before = lookups;
    dial_often(memory, &outcome);
    assert_int_equal(lookups, before + 1);
    answer(0, addrs, count);
    succeed(&streams[connects - 1]);
    assert_int_equal(outcome.error, 0);
    io_close(outcome.stream);
}

static void a_name_that_is_dialled_often_is_looked_up_every_5_s(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    const char *const addrs[] = {"192.0.2.1"};
    learn(&memory, addrs, 1);
    for (int i = 0; i < 4; i++) {
        struct outcome outcome = {0};
        pass_ms(IO_DIAL_REMEMBER_MS / 4 - 1);
        dial_often(&memory, &outcome);
        pass_ms(0);
        assert_true(goes_to(&streams[connects - 1], "192.0.2.1"));
        succeed(&streams[connects - 1]);
        assert_int_equal(outcome.calls, 1);
        assert_ptr_equal(outcome.stream, &streams[connects - 1]);
    }
    assert_int_equal(lookups, 1);
    pass_ms(4);
    learn(&memory, addrs, 1);
}

static void all_remembered_addresses_are_tried_in_their_order(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    struct outcome outcome = {0};
    const char *const addrs[] = {"2001:db8::1", "2001:db8::2", "192.0.2.1"};
    const char *const order[] = {"2001:db8::1", "192.0.2.1", "2001:db8::2"};
    learn(&memory, addrs, 3);
    dial_often(&memory, &outcome);
    pass_ms(0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(connects, 2 + i);
        assert_true(goes_to(&streams[1 + i], order[i]));
        if (i < 2)
            pass_ms(IO_DIAL_STAGGER_MS);
    }
    assert_int_equal(lookups, 1);
    succeed(&streams[3]);
    assert_ptr_equal(outcome.stream, &streams[3]);
    assert_int_equal(open_streams(), 1);
}

static void where_remembered_addresses_fail_the_name_is_looked_up_anew(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    struct outcome outcome = {0};
    const char *const before[] = {"192.0.2.1", "192.0.2.2"};
    const char *const now[] = {"192.0.2.2", "192.0.2.3"};
    learn(&memory, before, 2);
    dial_often(&memory, &outcome);
    pass_ms(0);
    fail_with(&streams[1], IO_E_REFUSED);
    assert_int_equal(lookups, 1);
    fail_with(&streams[2], IO_E_REFUSED);
    assert_int_equal(lookups, 2);
    assert_int_equal(outcome.calls, 0);
    answer(0, now, 2);
    /* What failed a moment ago is not tried again. */
    assert_int_equal(connects, 4);
    assert_true(goes_to(&streams[3], "192.0.2.3"));
    succeed(&streams[3]);
    assert_ptr_equal(outcome.stream, &streams[3]);

    struct outcome next = {0};
    dial_often(&memory, &next);
    pass_ms(0);
    assert_true(goes_to(&streams[4], "192.0.2.2"));
    assert_int_equal(lookups, 2);
    succeed(&streams[4]);
}

static void where_a_remembered_address_is_silent_the_name_is_looked_up_beside(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    struct outcome outcome = {0};
    const char *const before[] = {"192.0.2.1"};
    const char *const now[] = {"192.0.2.3"};
    learn(&memory, before, 1);
    dial_often(&memory, &outcome);
    pass_ms(0);
    pass_ms(IO_DIAL_STAGGER_MS - 1);
    assert_int_equal(lookups, 1);
    pass_ms(1);
    assert_int_equal(lookups, 2);
    answer(0, now, 1);
    assert_int_equal(open_streams(), 2);
    succeed(&streams[2]);
    assert_ptr_equal(outcome.stream, &streams[2]);
    assert_int_equal(open_streams(), 1);
}

static void a_silent_remembered_address_may_answer_during_the_look_up(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    struct outcome outcome = {0};
    const char *const addrs[] = {"192.0.2.1"};
    learn(&memory, addrs, 1);
    dial_often(&memory, &outcome);
    pass_ms(0);
    pass_ms(IO_DIAL_STAGGER_MS);
    assert_true(looking_up);
    succeed(&streams[1]);
    assert_false(looking_up);
    assert_ptr_equal(outcome.stream, &streams[1]);
}

static void no_failure_is_remembered(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    const char *const addrs[] = {"192.0.2.1"};
    struct outcome unknown = {0};
    dial_often(&memory, &unknown);
    answer(IO_E_NAME_AGAIN, NULL, 0);
    assert_int_equal(unknown.error, IO_E_NAME_AGAIN);
    learn(&memory, addrs, 1);

    struct outcome refused = {0};
    dial_often(&memory, &refused);
    pass_ms(0);
    fail_with(&streams[1], IO_E_REFUSED);
    answer(IO_E_NAME_AGAIN, NULL, 0);
    assert_int_equal(refused.error, IO_E_REFUSED);
    struct outcome again = {0};
    dial_often(&memory, &again);
    pass_ms(0);
    fail_with(&streams[2], IO_E_REFUSED);
    assert_int_equal(lookups, 4);
    answer(0, addrs, 1);
    assert_int_equal(again.calls, 1);
    assert_int_equal(again.error, IO_E_REFUSED);
}

static void remembered_addresses_that_fail_at_once_end_the_dial_later(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    struct outcome outcome = {0};
    const char *const addrs[] = {"192.0.2.1"};
    learn(&memory, addrs, 1);
    connect_error = IO_E_UNREACHABLE;
    no_lookup = true;
    dial_often(&memory, &outcome);
    pass_ms(0);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.error, IO_E_UNREACHABLE);
}

static void a_dial_of_remembered_addresses_can_be_cancelled(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    struct outcome outcome = {0};
    const char *const addrs[] = {"192.0.2.1"};
    learn(&memory, addrs, 1);
    io_dial_cancel(dial_often(&memory, &outcome));
    struct io_dial *dial = dial_often(&memory, &outcome);
    pass_ms(0);
    pass_ms(IO_DIAL_STAGGER_MS);
    assert_true(looking_up);
    io_dial_cancel(dial);
    assert_int_equal(open_streams(), 0);
    assert_int_equal(outcome.calls, 0);
}

static void as_many_addresses_as_are_tried_are_remembered(void **state)
{
    (void)state;
    struct io_dial_memory memory = {0};
    struct outcome outcome = {0};
    char texts[40][IP_TEXT_MAX];
    const char *addrs[40];
    for (int i = 0; i < 40; i++) {
        snprintf(texts[i], sizeof(texts[i]), "192.0.2.%d", i);
        addrs[i] = texts[i];
    }
    learn(&memory, addrs, 20);
    dial_often(&memory, &outcome);
    pass_ms(0);
    for (size_t i = 1; i <= IO_DIAL_ADDRESSES_MAX; i++)
        fail_with(&streams[i], IO_E_REFUSED);
    answer(0, addrs + 20, 20);
    for (size_t i = IO_DIAL_ADDRESSES_MAX + 1; outcome.calls == 0; i++)
        fail_with(&streams[i], IO_E_REFUSED);
    assert_int_equal(connects, 1 + 2 * IO_DIAL_ADDRESSES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_address_is_handed_over),
        TEST(families_take_turns_and_a_silent_address_holds_up_250_ms),
        TEST(a_refused_address_is_followed_by_the_next_at_once),
        TEST(the_last_failure_waits_for_those_still_running),
        TEST(addresses_that_fail_at_once_end_the_dial),
        TEST(time_is_up_over_look_up_and_all_addresses),
        TEST(a_name_that_is_not_found_is_told),
        TEST(a_cancelled_dial_is_silent_at_every_stage),
        TEST(more_addresses_than_the_limit_are_not_tried),
        TEST(a_name_that_is_dialled_often_is_looked_up_every_5_s),
        TEST(all_remembered_addresses_are_tried_in_their_order),
        TEST(where_remembered_addresses_fail_the_name_is_looked_up_anew),
        TEST(where_a_remembered_address_is_silent_the_name_is_looked_up_beside),
        TEST(a_silent_remembered_address_may_answer_during_the_look_up),
        TEST(no_failure_is_remembered),
        TEST(remembered_addresses_that_fail_at_once_end_the_dial_later),
        TEST(a_dial_of_remembered_addresses_can_be_cancelled),
        TEST(as_many_addresses_as_are_tried_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
