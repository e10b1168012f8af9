/* How a stream ends: closes, half-closes and resets, and callbacks that close. */
#include "io_ends.h"

#include "io/real/linger.h"

#include <sys/resource.h>

static void close_sends_what_is_queued(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    far.check = true;
    ends_send(near.stream, 0, 16 * MEGABYTE);
    io_close(near.stream);
    far.paused = false;
    io_again(far.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 16 * MEGABYTE);
    io_close(far.stream);
    world_run(world, ends_none_lingers, NULL);
}

/* The other side has sent bytes that nobody reads: an early close would reset the connection. */
static void close_with_unread_bytes_resets_nothing(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    near.paused = true;
    far.check = true;
    ends_send(far.stream, 0, 300000);
    ends_send(near.stream, 0, 200000);
    io_close(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 200000);
    io_close(far.stream);
    world_run(world, ends_none_lingers, NULL);
}

static void close_drops_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_close(near.stream);
    ends_send(far.stream, 0, 64 * MEGABYTE);
    world_run(world, ends_has_failed, &far);
    assert_int_equal(far.error, IO_E_RESET);
    assert_true(ends_none_lingers(NULL));
    io_close(far.stream);
}

/* Makes the loop believe that time has passed. */
static void pass_ms(uint64_t ms)
{
    io_core_set_now(&world->loop->core, io_now_ms(world->loop) + ms);
    io_core_fire_timers(&world->loop->core);
}

static void close_waits_for_the_other_sides_end_for_a_while(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_close(near.stream);
    world_run(world, ends_has_ended, &far);
    pass_ms(IO_LINGER_MS - 100);
    assert_false(ends_none_lingers(NULL));
    pass_ms(100);
    assert_true(ends_none_lingers(NULL));
    io_close(far.stream);
}

static void a_closed_stream_can_be_dropped_for_its_memory(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    ends_send(near.stream, 0, 16 * MEGABYTE);
    assert_true(io_queued(near.stream) > 0);
    assert_false(io_drop_closed(world->loop, 0)); /* its owner still has it */
    io_close(near.stream);
    assert_false(io_drop_closed(world->loop, 16 * MEGABYTE));
    assert_true(io_drop_closed(world->loop, 0));
    assert_int_equal(io_buffered(world->loop), 0);
    assert_true(ends_none_lingers(NULL));
    far.paused = false;
    io_again(far.stream);
    world_run(world, ends_has_failed, &far);
    assert_int_equal(far.error, IO_E_RESET);
    io_close(far.stream);
}

static void may_open(rlim_t files)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= files)
        return;
    limit.rlim_cur = files;
    if (limit.rlim_cur > limit.rlim_max || setrlimit(RLIMIT_NOFILE, &limit) != 0)
        skip();
}

static void who_only_waits_for_an_end_goes_before_who_has_bytes_to_send(void **state)
{
    (void)state;
    static struct io_stream *others[LINGER_COUNT_MAX];
    may_open(2 * LINGER_COUNT_MAX + 256);
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    far.check = true;
    ends_send(near.stream, 0, 16 * MEGABYTE);
    assert_true(io_queued(near.stream) > 0);
    io_close(near.stream);
    for (size_t i = 0; i < LINGER_COUNT_MAX; i++) {
        struct io_stream *ends[2];
        assert_int_equal(io_pair(world->loop, ends), 0);
        io_close(ends[0]);
        others[i] = ends[1];
    }
    assert_int_equal(world->loop->lingering_count, LINGER_COUNT_MAX);
    far.paused = false;
    io_again(far.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 16 * MEGABYTE);
    io_close(far.stream);
    for (size_t i = 0; i < LINGER_COUNT_MAX; i++)
        io_abort(others[i]);
    world_run(world, ends_none_lingers, NULL);
}

static void a_queue_that_nobody_takes_ends_in_a_reset(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    ends_send(near.stream, 0, 16 * MEGABYTE);
    io_close(near.stream);
    pass_ms(IO_FLUSH_MS - 100);
    assert_false(ends_none_lingers(NULL));
    pass_ms(100);
    assert_true(ends_none_lingers(NULL));
    assert_int_equal(io_buffered(world->loop), 0);
    far.paused = false;
    far.check = true;
    io_again(far.stream);
    world_run(world, ends_has_ended, &far);
    /* Cut short, and known to be. */
    assert_int_equal(far.error, IO_E_RESET);
    assert_true(far.received < 16 * MEGABYTE);
    io_close(far.stream);
}

static void close_after_the_end_was_read_leaves_nothing_behind(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_shutdown(near.stream);
    world_run(world, ends_has_ended, &far);
    io_close(far.stream);
    assert_true(ends_none_lingers(NULL));
    io_close(near.stream);
    world_run(world, ends_none_lingers, NULL);
}

static void abort_resets(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_abort(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, IO_E_RESET);
    assert_int_equal(io_send(far.stream, "x", 1), IO_E_RESET);
    io_close(far.stream);
}

static void a_half_closed_stream_still_receives(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    near.check = true;
    io_shutdown(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(io_send(near.stream, "x", 1), IO_E_RESET);
    ends_send(far.stream, 0, 3 * MEGABYTE);
    io_close(far.stream);
    world_run(world, ends_has_ended, &near);
    assert_int_equal(near.error, 0);
    assert_int_equal(near.received, 3 * MEGABYTE);
    io_close(near.stream);
    world_run(world, ends_none_lingers, NULL);
}

/* ---- Resets that the owner does not look for ---- */

static void a_reset_reaches_an_owner_that_does_not_read(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    io_abort(near.stream);
    world_run(world, ends_has_failed, &far);
    assert_int_equal(far.error, IO_E_RESET);
    io_close(far.stream);
}

static void a_reset_reaches_an_owner_that_has_read_the_end(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_shutdown(near.stream);
    world_run(world, ends_has_ended, &far);
    io_abort(near.stream);
    world_run(world, ends_has_failed, &far);
    io_close(far.stream);
}

static void bytes_before_a_reset_are_still_read(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    far.check = true;
    ends_send(near.stream, 0, 1000);
    size_t calls = far.calls;
    while (far.calls == calls)
        loop_round(world->loop);
    io_abort(near.stream);
    calls = far.calls;
    while (far.calls == calls)
        loop_round(world->loop);
    assert_int_equal(far.error, 0);
    far.paused = false;
    io_again(far.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.received, 1000);
    assert_int_equal(far.error, IO_E_RESET);
    io_close(far.stream);
}

static void a_queue_that_cannot_be_sent_is_told(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    near.paused = true;
    far.paused = true;
    ends_send(near.stream, 0, 32 * MEGABYTE);
    io_abort(far.stream);
    world_run(world, ends_has_failed, &near);
    assert_int_equal(near.error, IO_E_RESET);
    assert_int_equal(io_queued(near.stream), 0);
    io_close(near.stream);
}

/* ---- Callbacks that close ---- */

static void close_in_callback(struct end *end)
{
    io_close(end->stream);
    end->stream = NULL;
}

static void abort_in_callback(struct end *end)
{
    io_abort(end->stream);
    end->stream = NULL;
}

static bool stream_is_gone(const void *arg)
{
    const struct end *end = arg;
    return end->stream == NULL;
}

static void readable_may_close(void **state)
{
    (void)state;
    void (*const ways[])(struct end *) = {close_in_callback, abort_in_callback};
    for (size_t i = 0; i < 2; i++) {
        near = (struct end){0};
        far = (struct end){.on_readable = ways[i]};
        pair_connect(world, &door, &near, &far);
        /* A queue that is sent and a reset are to be told in the same round, after the close. */
        ends_send(near.stream, 0, 1000);
        world_run(world, stream_is_gone, &far);
        world_run(world, ends_has_ended, &near);
        assert_int_equal(far.error, 0);
        assert_int_equal(far.calls, 1);
        io_close(near.stream);
        world_run(world, ends_none_lingers, NULL);
    }
}

/* Closes the other end of the pair, which is ready in the same round. */
static void close_the_other(struct end *end)
{
    struct end *other = end->arg;
    if (other->stream != NULL)
        io_abort(other->stream);
    other->stream = NULL;
    io_abort(end->stream);
    end->stream = NULL;
}

static void readable_may_close_another_stream_that_is_ready(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    near.on_readable = close_the_other;
    near.arg = &far;
    far.on_readable = close_the_other;
    far.arg = &near;
    io_again(near.stream);
    io_again(far.stream);
    loop_round(world->loop);
    assert_null(near.stream);
    assert_null(far.stream);
    assert_int_equal(near.calls + far.calls, 1);
}

static void connected_closes(void *arg)
{
    struct end *end = arg;
    end->connected = true;
    io_close(end->stream);
    end->stream = NULL;
}

static void connected_may_close(void **state)
{
    (void)state;
    struct io_stream_handler handler = end_handler;
    handler.connected = connected_closes;
    int error;
    door.accept_into = &far;
    near.stream = io_connect(world->loop, &door.at, &handler, &near, &error);
    io_send(near.stream, "hello", 5);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.received, 5);
    assert_int_equal(near.calls, 0);
    io_close(far.stream);
    world_run(world, ends_none_lingers, NULL);
}

static void sent_closes(void *arg)
{
    struct end *end = arg;
    end->sent = true;
    io_abort(end->stream);
    end->stream = NULL;
}

static void sent_may_close(void **state)
{
    (void)state;
    struct io_stream_handler handler = end_handler;
    handler.sent = sent_closes;
    pair_connect(world, &door, &near, &far);
    io_stream_set_handler(near.stream, &handler, &near);
    ends_send(near.stream, 0, 32 * MEGABYTE);
    ends_send(far.stream, 0, 1000);
    world_run(world, stream_is_gone, &near);
    world_run(world, ends_has_ended, &far);
    io_close(far.stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ends_setup, ends_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(close_sends_what_is_queued),
        TEST(close_with_unread_bytes_resets_nothing),
        TEST(close_drops_a_bounded_number_of_bytes),
        TEST(close_waits_for_the_other_sides_end_for_a_while),
        TEST(a_closed_stream_can_be_dropped_for_its_memory),
        TEST(who_only_waits_for_an_end_goes_before_who_has_bytes_to_send),
        TEST(a_queue_that_nobody_takes_ends_in_a_reset),
        TEST(close_after_the_end_was_read_leaves_nothing_behind),
        TEST(abort_resets),
        TEST(a_half_closed_stream_still_receives),
        TEST(a_reset_reaches_an_owner_that_does_not_read),
        TEST(a_reset_reaches_an_owner_that_has_read_the_end),
        TEST(bytes_before_a_reset_are_still_read),
        TEST(a_queue_that_cannot_be_sent_is_told),
        TEST(readable_may_close),
        TEST(readable_may_close_another_stream_that_is_ready),
        TEST(connected_may_close),
        TEST(sent_may_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
