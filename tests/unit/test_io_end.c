/* What a loop that has ended waits for. From there on the clock and the waits are the test's. */
#include "io/real/linger.h"
#include "io_ends.h"

#include <sys/epoll.h>
#include <time.h>

enum { STEP_MS = 10 };

/* ---- Time (--wrap) ---- */

static bool is_played;
static uint64_t played_ms;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __real_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    if (!is_played)
        return __real_clock_gettime(id, now);
    now->tv_sec = (time_t)(played_ms / 1000);
    now->tv_nsec = (long)(played_ms % 1000) * 1000000;
    return 0;
}

/*
 * A timer of the kernel's may be due long before the test's clock says so. That stands still while
 * something is on its way to the stream that is waited for.
 */
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms)
{
    bool under_way = is_played && io_unacked(far.stream) > 0;
    if (is_played)
        timeout_ms = under_way ? 1 : 0;
    int count = __real_epoll_wait(epoll, events, max, timeout_ms);
    if (is_played && !under_way)
        played_ms += count == 0 ? STEP_MS : 1;
    return count;
}

/* Ends the loop; how long that took it. */
static uint64_t end_loop(void)
{
    uint64_t from_ms = io_now_ms(world->loop);
    played_ms = from_ms;
    is_played = true;
    io_real_stop(world->loop);
    io_real_run(world->loop);
    is_played = false;
    return played_ms - from_ms;
}

static struct io_timer look;

static void look_again(void *arg)
{
    (void)arg;
    io_timer_set_in(&look, 1);
}

static bool is_acked(const void *arg)
{
    return io_unacked(arg) == 0;
}

/* The kernel may acknowledge a little later, and tells nobody of it. */
static void await_acks(struct io_stream *stream)
{
    io_timer_init(&look, world->loop, look_again, NULL);
    look_again(NULL);
    world_run(world, is_acked, stream);
    io_timer_stop(&look);
}

static void assert_about(uint64_t took_ms, uint64_t expected_ms)
{
    assert_in_range(took_ms, expected_ms, expected_ms + LINGER_LOOK_MS + 2 * STEP_MS);
}

/* ---- Tests ---- */

static int setup(void **state)
{
    ends_setup(state);
    pair_connect(world, &door, &near, &far);
    return 0;
}

static int teardown(void **state)
{
    io_abort(far.stream);
    return ends_teardown(state);
}

static void who_never_closes_is_not_waited_for_when_all_is_acknowledged(void **state)
{
    (void)state;
    assert_int_equal(io_send(near.stream, "bye", 3), 0);
    io_close(near.stream);
    await_acks(near.stream);
    assert_about(end_loop(), IO_LINGER_STILL_MS);
    assert_true(list_empty(&world->loop->lingering));
    assert_int_equal(far.received, 3);
    assert_true(far.ended);
    assert_int_equal(far.error, 0);
}

static void a_stream_that_was_closed_before_is_waited_for_as_long(void **state)
{
    (void)state;
    io_close(near.stream);
    await_acks(near.stream);
    io_core_set_now(&world->loop->core, io_now_ms(world->loop) + 2 * (uint64_t)IO_LINGER_STILL_MS);
    assert_about(end_loop(), IO_LINGER_STILL_MS);
}

static void what_is_not_acknowledged_is_waited_for(void **state)
{
    (void)state;
    /* The receiving kernel takes less, the sending one keeps the rest. */
    static uint8_t bytes[512 * 1024];
    far.paused = true;
    assert_int_equal(io_send(near.stream, bytes, sizeof(bytes)), 0);
    assert_true(io_unacked(near.stream) > io_queued(near.stream));
    io_close(near.stream);
    assert_about(end_loop(), IO_LINGER_MS);
    linger_end_all(world->loop);
}

static void what_is_queued_is_waited_for(void **state)
{
    (void)state;
    static uint8_t bytes[16 * MEGABYTE];
    far.paused = true;
    assert_int_equal(io_send(near.stream, bytes, sizeof(bytes)), 0);
    assert_true(io_queued(near.stream) > 0);
    io_close(near.stream);
    assert_about(end_loop(), IO_LINGER_MS);
    linger_end_all(world->loop);
}

static struct io_timer chatter;

static void chat(void *arg)
{
    (void)arg;
    assert_int_equal(io_send(far.stream, "x", 1), 0);
    io_timer_set_in(&chatter, IO_LINGER_STILL_MS - 200);
}

static void who_still_sends_is_waited_for(void **state)
{
    (void)state;
    io_timer_init(&chatter, world->loop, chat, NULL);
    io_timer_set_in(&chatter, 0);
    io_close(near.stream);
    assert_about(end_loop(), IO_LINGER_MS);
    io_timer_stop(&chatter);
    assert_int_equal(far.error, 0);
}

static bool has_ended(const void *arg)
{
    const struct end *end = arg;
    return end->ended;
}

static void nobody_is_waited_for_where_both_have_closed(void **state)
{
    (void)state;
    io_shutdown(far.stream);
    world_run(world, has_ended, &near);
    io_close(near.stream);
    assert_true(end_loop() < LINGER_LOOK_MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_never_closes_is_not_waited_for_when_all_is_acknowledged),
        TEST(a_stream_that_was_closed_before_is_waited_for_as_long),
        TEST(what_is_not_acknowledged_is_waited_for),
        TEST(what_is_queued_is_waited_for),
        TEST(who_still_sends_is_waited_for),
        TEST(nobody_is_waited_for_where_both_have_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
