#include "io_world.h"

#include "io/real/linger.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { MEGABYTE = 1024 * 1024 };

static struct world *world;
static struct door door;
static struct end near;
static struct end far;

static int setup(void **state)
{
    world_setup(state);
    world = *state;
    door_open(world, &door);
    near = (struct end){0};
    far = (struct end){0};
    return 0;
}

static int teardown(void **state)
{
    if (door.listener != NULL)
        io_listener_close(door.listener);
    return world_teardown(state);
}

static bool has_ended(const void *arg)
{
    const struct end *end = arg;
    return end->ended || end->error != 0;
}

static bool has_failed(const void *arg)
{
    const struct end *end = arg;
    return end->error != 0;
}

static bool none_lingers(const void *arg)
{
    (void)arg;
    return list_empty(&world->loop->lingering);
}

static void close_both(void)
{
    io_abort(near.stream);
    io_abort(far.stream);
}

/* Sends pattern bytes, whatever the kernel takes. */
static void send_pattern(struct io_stream *stream, size_t len)
{
    static uint8_t bytes[MEGABYTE];
    for (size_t at = 0; at < len;) {
        size_t piece = len - at < sizeof(bytes) ? len - at : sizeof(bytes);
        pattern_fill(bytes, at, piece);
        assert_int_equal(io_send(stream, bytes, piece), 0);
        at += piece;
    }
}

/* ---- Connecting ---- */

static void both_ends_know_their_addresses(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    struct addr near_local = io_stream_local(near.stream);
    struct addr near_peer = io_stream_peer(near.stream);
    struct addr far_local = io_stream_local(far.stream);
    struct addr far_peer = io_stream_peer(far.stream);
    assert_true(addr_equal(&near_local, &far_peer));
    assert_true(addr_equal(&near_peer, &far_local));
    assert_true(addr_equal(&near_peer, &door.at));
    close_both();
}

static void connecting_to_a_closed_port_is_refused(void **state)
{
    (void)state;
    io_listener_close(door.listener);
    door.listener = NULL;
    int error = 0;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    if (near.stream != NULL) {
        world_run(world, has_failed, &near);
        error = near.error;
        io_close(near.stream);
    }
    assert_int_equal(error, IO_E_REFUSED);
    assert_false(near.connected);
}

static void bytes_sent_while_connecting_follow(void **state)
{
    (void)state;
    int error;
    far.check = true;
    door.accept_into = &far;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    send_pattern(near.stream, 100000);
    assert_int_equal(io_queued(near.stream), 100000);
    io_shutdown(near.stream);
    world_run(world, has_ended, &far);
    assert_int_equal(far.received, 100000);
    assert_true(near.sent);
    close_both();
}

static void an_end_asked_for_while_connecting_follows(void **state)
{
    (void)state;
    int error;
    door.accept_into = &far;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    io_shutdown(near.stream);
    world_run(world, has_ended, &far);
    assert_int_equal(far.received, 0);
    assert_int_equal(far.error, 0);
    close_both();
}

static void a_stream_closed_while_connecting_sends_what_was_queued(void **state)
{
    (void)state;
    int error;
    far.check = true;
    door.accept_into = &far;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    send_pattern(near.stream, 100000);
    io_close(near.stream);
    world_run(world, has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 100000);
    assert_false(near.connected);
    io_close(far.stream);
    world_run(world, none_lingers, NULL);
}

static void a_closed_stream_that_cannot_connect_is_gone(void **state)
{
    (void)state;
    io_listener_close(door.listener);
    door.listener = NULL;
    int error;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    if (near.stream == NULL)
        return;
    send_pattern(near.stream, 100000);
    io_close(near.stream);
    world_run(world, none_lingers, NULL);
    assert_int_equal(near.error, 0);
}

static void a_stream_closed_while_connecting_is_gone(void **state)
{
    (void)state;
    int error;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    io_close(near.stream);
    loop_round(world->loop);
    assert_false(near.connected);
}

/* ---- Order and completeness ---- */

static bool holds_queue(const void *arg)
{
    (void)arg;
    return io_queued(near.stream) > 0;
}

static bool queue_is_empty(const void *arg)
{
    (void)arg;
    return io_queued(near.stream) == 0;
}

static bool all_is_acknowledged(const void *arg)
{
    (void)arg;
    return io_unacked(near.stream) == 0;
}

static void look_again(void *arg)
{
    io_timer_set_in(arg, 5);
}

static void the_round_trip_is_known_of_a_connection_and_not_of_a_pair(void **state)
{
    (void)state;
    struct io_stream *ends[2];
    pair_connect(world, &door, &near, &far);
    assert_in_range(io_rtt_us(near.stream), 1, WORLD_LIMIT_MS * 1000);
    assert_int_equal(io_pair(world->loop, ends), 0);
    assert_int_equal(io_rtt_us(ends[0]), 0);
    io_abort(ends[0]);
    io_abort(ends[1]);
    close_both();
}

static void a_slow_reader_gets_every_byte_in_order(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    far.check = true;
    send_pattern(near.stream, 32 * MEGABYTE);
    assert_true(holds_queue(NULL));
    assert_true(io_unacked(near.stream) > io_queued(near.stream));
    assert_true(io_buffered(world->loop) >= io_queued(near.stream));
    far.paused = false;
    io_again(far.stream);
    world_run(world, queue_is_empty, NULL);
    assert_true(near.sent);
    io_shutdown(near.stream);
    world_run(world, has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 32 * MEGABYTE);
    struct io_timer again; /* an acknowledgement is no event */
    io_timer_init(&again, world->loop, look_again, &again);
    look_again(&again);
    world_run(world, all_is_acknowledged, NULL);
    io_timer_stop(&again);
    close_both();
}

static void close_sends_what_is_queued(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    far.check = true;
    send_pattern(near.stream, 16 * MEGABYTE);
    io_close(near.stream);
    far.paused = false;
    io_again(far.stream);
    world_run(world, has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 16 * MEGABYTE);
    io_close(far.stream);
    world_run(world, none_lingers, NULL);
}

/* The other side has sent bytes that nobody reads: an early close would reset the connection. */
static void close_with_unread_bytes_resets_nothing(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    near.paused = true;
    far.check = true;
    send_pattern(far.stream, 300000);
    send_pattern(near.stream, 200000);
    io_close(near.stream);
    world_run(world, has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 200000);
    io_close(far.stream);
    world_run(world, none_lingers, NULL);
}

static void close_drops_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_close(near.stream);
    send_pattern(far.stream, 64 * MEGABYTE);
    world_run(world, has_failed, &far);
    assert_int_equal(far.error, IO_E_RESET);
    assert_true(none_lingers(NULL));
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
    world_run(world, has_ended, &far);
    pass_ms(IO_LINGER_MS - 100);
    assert_false(none_lingers(NULL));
    pass_ms(100);
    assert_true(none_lingers(NULL));
    io_close(far.stream);
}

static void a_closed_stream_can_be_dropped_for_its_memory(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    send_pattern(near.stream, 16 * MEGABYTE);
    assert_true(io_queued(near.stream) > 0);
    assert_false(io_drop_closed(world->loop, 0)); /* its owner still has it */
    io_close(near.stream);
    assert_false(io_drop_closed(world->loop, 16 * MEGABYTE));
    assert_true(io_drop_closed(world->loop, 0));
    assert_int_equal(io_buffered(world->loop), 0);
    assert_true(none_lingers(NULL));
    far.paused = false;
    io_again(far.stream);
    world_run(world, has_failed, &far);
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
    send_pattern(near.stream, 16 * MEGABYTE);
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
    world_run(world, has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 16 * MEGABYTE);
    io_close(far.stream);
    for (size_t i = 0; i < LINGER_COUNT_MAX; i++)
        io_abort(others[i]);
    world_run(world, none_lingers, NULL);
}

static void a_queue_that_nobody_takes_ends_in_a_reset(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    send_pattern(near.stream, 16 * MEGABYTE);
    io_close(near.stream);
    pass_ms(IO_FLUSH_MS - 100);
    assert_false(none_lingers(NULL));
    pass_ms(100);
    assert_true(none_lingers(NULL));
    assert_int_equal(io_buffered(world->loop), 0);
    far.paused = false;
    far.check = true;
    io_again(far.stream);
    world_run(world, has_ended, &far);
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
    world_run(world, has_ended, &far);
    io_close(far.stream);
    assert_true(none_lingers(NULL));
    io_close(near.stream);
    world_run(world, none_lingers, NULL);
}

static void abort_resets(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_abort(near.stream);
    world_run(world, has_ended, &far);
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
    world_run(world, has_ended, &far);
    assert_int_equal(io_send(near.stream, "x", 1), IO_E_RESET);
    send_pattern(far.stream, 3 * MEGABYTE);
    io_close(far.stream);
    world_run(world, has_ended, &near);
    assert_int_equal(near.error, 0);
    assert_int_equal(near.received, 3 * MEGABYTE);
    io_close(near.stream);
    world_run(world, none_lingers, NULL);
}

/* ---- Resets that the owner does not look for ---- */

static void a_reset_reaches_an_owner_that_does_not_read(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    io_abort(near.stream);
    world_run(world, has_failed, &far);
    assert_int_equal(far.error, IO_E_RESET);
    io_close(far.stream);
}

static void a_reset_reaches_an_owner_that_has_read_the_end(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_shutdown(near.stream);
    world_run(world, has_ended, &far);
    io_abort(near.stream);
    world_run(world, has_failed, &far);
    io_close(far.stream);
}

static void bytes_before_a_reset_are_still_read(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    far.check = true;
    send_pattern(near.stream, 1000);
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
    world_run(world, has_ended, &far);
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
    send_pattern(near.stream, 32 * MEGABYTE);
    io_abort(far.stream);
    world_run(world, has_failed, &near);
    assert_int_equal(near.error, IO_E_RESET);
    assert_int_equal(io_queued(near.stream), 0);
    io_close(near.stream);
}

/* ---- Putting back, asking again, moving ---- */

static bool received_100(const void *arg)
{
    const struct end *end = arg;
    return end->received >= 100;
}

static void bytes_put_back_come_first(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    assert_int_equal(io_unread(far.stream, "cd", 2), 0);
    assert_int_equal(io_unread(far.stream, "ab", 2), 0);
    uint8_t bytes[8];
    assert_int_equal(io_read(far.stream, bytes, 3), 3);
    assert_memory_equal(bytes, "abc", 3);
    assert_int_equal(io_unread(far.stream, "xyz", 3), 0);
    assert_int_equal(io_read(far.stream, bytes, sizeof(bytes)), 4);
    assert_memory_equal(bytes, "xyzd", 4);
    assert_int_equal(io_read(far.stream, bytes, sizeof(bytes)), IO_AGAIN);
    close_both();
}

static void read_one(struct end *end)
{
    uint8_t byte;
    ssize_t got = io_read(end->stream, &byte, 1);
    if (got == IO_AGAIN)
        return;
    assert_int_equal(got, 1);
    assert_int_equal(byte, pattern(end->received));
    end->received++;
    io_again(end->stream);
}

static void asking_again_reads_on_in_the_next_round(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.on_readable = read_one;
    send_pattern(near.stream, 100);
    world_run(world, received_100, &far);
    assert_true(far.calls >= 100);
    close_both();
}

/* Relays as far as it goes; tells how it stopped. */
struct bridge {
    struct end from;
    struct end to;
    enum io_relay_stop stop;
    size_t moved;
};

static void relay_on(struct end *end)
{
    struct bridge *bridge = end->arg;
    size_t moved;
    bridge->stop = io_relay(bridge->from.stream, bridge->to.stream, SIZE_MAX, &moved);
    bridge->moved += moved;
    if (bridge->stop == IO_RELAY_END)
        io_shutdown(bridge->to.stream);
    if (bridge->stop == IO_RELAY_SINK && bridge->to.sent)
        bridge->to.sent = false;
}

static bool blocked_at_sink(const void *arg)
{
    const struct bridge *bridge = arg;
    return bridge->stop == IO_RELAY_SINK;
}

static void a_relay_moves_all_and_says_which_side_blocks(void **state)
{
    (void)state;
    struct bridge bridge = {.stop = IO_RELAY_SOURCE};
    bridge.from.on_readable = relay_on;
    bridge.from.arg = &bridge;
    pair_connect(world, &door, &near, &bridge.from);
    pair_connect(world, &door, &bridge.to, &far);
    far.paused = true;
    far.check = true;
    send_pattern(near.stream, 40 * MEGABYTE);
    io_shutdown(near.stream);
    world_run(world, blocked_at_sink, &bridge);
    assert_true(io_queued(bridge.to.stream) > 0);
    far.paused = false;
    io_again(far.stream);
    while (!far.ended) {
        loop_round(world->loop);
        if (bridge.stop == IO_RELAY_SINK && io_queued(bridge.to.stream) == 0)
            relay_on(&bridge.from);
    }
    assert_int_equal(bridge.stop, IO_RELAY_END);
    assert_int_equal(bridge.moved, 40 * MEGABYTE);
    assert_int_equal(far.received, 40 * MEGABYTE);
    io_abort(bridge.from.stream);
    io_abort(bridge.to.stream);
    close_both();
}

static void a_relay_stops_at_its_limit(void **state)
{
    (void)state;
    struct end from = {.paused = true};
    struct end to = {0};
    pair_connect(world, &door, &near, &from);
    pair_connect(world, &door, &to, &far);
    send_pattern(near.stream, 1000);
    while (from.calls == 0)
        loop_round(world->loop);
    size_t moved;
    assert_int_equal(io_relay(from.stream, to.stream, 100, &moved), IO_RELAY_MAX);
    assert_int_equal(moved, 100);
    world_run(world, received_100, &far);
    assert_int_equal(far.received, 100);
    assert_int_equal(io_relay(from.stream, to.stream, 0, &moved), IO_RELAY_MAX);
    assert_int_equal(moved, 0);
    io_abort(from.stream);
    io_abort(to.stream);
    close_both();
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
        send_pattern(near.stream, 1000);
        world_run(world, stream_is_gone, &far);
        world_run(world, has_ended, &near);
        assert_int_equal(far.error, 0);
        assert_int_equal(far.calls, 1);
        io_close(near.stream);
        world_run(world, none_lingers, NULL);
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
    world_run(world, has_ended, &far);
    assert_int_equal(far.received, 5);
    assert_int_equal(near.calls, 0);
    io_close(far.stream);
    world_run(world, none_lingers, NULL);
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
    send_pattern(near.stream, 32 * MEGABYTE);
    send_pattern(far.stream, 1000);
    world_run(world, stream_is_gone, &near);
    world_run(world, has_ended, &far);
    io_close(far.stream);
}

/* ---- The socket beneath ---- */

static void accepted_and_connected_sockets_do_not_delay(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    const struct io_stream *streams[] = {near.stream, far.stream};
    for (size_t i = 0; i < 2; i++) {
        int fd = streams[i]->source.fd;
        int on = 0;
        socklen_t len = sizeof(on);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
        assert_int_equal(on, 1);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    }
    close_both();
}

static void a_multiplexed_stream_keeps_the_kernels_queue_short(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    io_stream_set_multiplexed(near.stream);
    send_pattern(near.stream, 32 * MEGABYTE);
    int notsent = 0;
    assert_int_equal(ioctl(near.stream->source.fd, SIOCOUTQNSD, &notsent), 0);
    assert_true(notsent <= 2 * PACE_MOST);
    far.paused = false;
    far.check = true;
    io_again(far.stream);
    io_shutdown(near.stream);
    world_run(world, has_ended, &far);
    assert_int_equal(far.received, 32 * MEGABYTE);
    close_both();
}

static void what_is_sent_at_once_ends_with_a_packet(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    io_stream_set_multiplexed(near.stream);
    int packet = 0;
    socklen_t len = sizeof(packet);
    int fd = near.stream->source.fd;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &packet, &len), 0);
    assert_in_range(packet, 500, PACE_MOST);
    assert_in_range(io_send_at_once(near.stream), PACE_MOST / 2, PACE_MOST);
    assert_int_equal(io_send_at_once(near.stream) % (size_t)packet, 0);
    close_both();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_ends_know_their_addresses),
        TEST(connecting_to_a_closed_port_is_refused),
        TEST(bytes_sent_while_connecting_follow),
        TEST(an_end_asked_for_while_connecting_follows),
        TEST(a_stream_closed_while_connecting_sends_what_was_queued),
        TEST(a_closed_stream_that_cannot_connect_is_gone),
        TEST(a_stream_closed_while_connecting_is_gone),
        TEST(the_round_trip_is_known_of_a_connection_and_not_of_a_pair),
        TEST(a_slow_reader_gets_every_byte_in_order),
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
        TEST(bytes_put_back_come_first),
        TEST(asking_again_reads_on_in_the_next_round),
        TEST(a_relay_moves_all_and_says_which_side_blocks),
        TEST(a_relay_stops_at_its_limit),
        TEST(readable_may_close),
        TEST(readable_may_close_another_stream_that_is_ready),
        TEST(connected_may_close),
        TEST(sent_may_close),
        TEST(accepted_and_connected_sockets_do_not_delay),
        TEST(a_multiplexed_stream_keeps_the_kernels_queue_short),
        TEST(what_is_sent_at_once_ends_with_a_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
