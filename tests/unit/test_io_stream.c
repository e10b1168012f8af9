/* A stream: connecting, order and completeness, putting back, moving, the socket beneath. */
#include "io_ends.h"

#include "io/real/stream.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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
    ends_abort();
}

static void connecting_to_a_closed_port_is_refused(void **state)
{
    (void)state;
    io_listener_close(door.listener);
    door.listener = NULL;
    int error = 0;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    if (near.stream != NULL) {
        world_run(world, ends_has_failed, &near);
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
    ends_send(near.stream, 0, 100000);
    assert_int_equal(io_queued(near.stream), 100000);
    io_shutdown(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.received, 100000);
    assert_true(near.sent);
    ends_abort();
}

static void an_end_asked_for_while_connecting_follows(void **state)
{
    (void)state;
    int error;
    door.accept_into = &far;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    io_shutdown(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.received, 0);
    assert_int_equal(far.error, 0);
    ends_abort();
}

static void a_stream_closed_while_connecting_sends_what_was_queued(void **state)
{
    (void)state;
    int error;
    far.check = true;
    door.accept_into = &far;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    ends_send(near.stream, 0, 100000);
    io_close(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 100000);
    assert_false(near.connected);
    io_close(far.stream);
    world_run(world, ends_none_lingers, NULL);
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
    ends_send(near.stream, 0, 100000);
    io_close(near.stream);
    world_run(world, ends_none_lingers, NULL);
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
    ends_abort();
}

static void a_slow_reader_gets_every_byte_in_order(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    far.check = true;
    ends_send(near.stream, 0, 32 * MEGABYTE);
    assert_true(holds_queue(NULL));
    assert_true(io_unacked(near.stream) > io_queued(near.stream));
    assert_true(io_buffered(world->loop) >= io_queued(near.stream));
    far.paused = false;
    io_again(far.stream);
    world_run(world, queue_is_empty, NULL);
    assert_true(near.sent);
    io_shutdown(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 32 * MEGABYTE);
    struct io_timer again; /* an acknowledgement is no event */
    io_timer_init(&again, world->loop, look_again, &again);
    look_again(&again);
    world_run(world, all_is_acknowledged, NULL);
    io_timer_stop(&again);
    ends_abort();
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
    ends_abort();
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
    ends_send(near.stream, 0, 100);
    world_run(world, received_100, &far);
    assert_true(far.calls >= 100);
    ends_abort();
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
    ends_send(near.stream, 0, 40 * MEGABYTE);
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
    ends_abort();
}

static void a_relay_stops_at_its_limit(void **state)
{
    (void)state;
    struct end from = {.paused = true};
    struct end to = {0};
    pair_connect(world, &door, &near, &from);
    pair_connect(world, &door, &to, &far);
    ends_send(near.stream, 0, 1000);
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
    ends_abort();
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
    ends_abort();
}

static void a_multiplexed_stream_keeps_the_kernels_queue_short(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    far.paused = true;
    io_stream_set_multiplexed(near.stream);
    ends_send(near.stream, 0, 32 * MEGABYTE);
    int notsent = 0;
    assert_int_equal(ioctl(near.stream->source.fd, SIOCOUTQNSD, &notsent), 0);
    assert_true(notsent <= 2 * PACE_MOST);
    far.paused = false;
    far.check = true;
    io_again(far.stream);
    io_shutdown(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.received, 32 * MEGABYTE);
    ends_abort();
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
    ends_abort();
}

static size_t awaited;

static bool has_what_is_awaited(const void *end)
{
    return ((const struct end *)end)->received == awaited;
}

static void say_a_byte(struct end *from, struct end *to)
{
    awaited = to->received + 1;
    assert_int_equal(io_send(from->stream, "x", 1), IO_OK);
    world_run(world, has_what_is_awaited, to);
}

/* Whether the kernel acknowledges at once; else it waits for an answer to do it with. */
static bool acknowledges_at_once(const struct end *end)
{
    int at_once = -1;
    socklen_t len = sizeof at_once;
    int fd = end->stream->source.fd;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &at_once, &len), 0);
    return at_once != 0;
}

static void what_a_prompt_stream_reads_is_acknowledged_at_once(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    for (int i = 0; i < 32; i++) {
        say_a_byte(&near, &far);
        say_a_byte(&far, &near);
    }
    assert_false(acknowledges_at_once(&far));
    io_stream_set_prompt(far.stream);
    say_a_byte(&near, &far);
    assert_true(acknowledges_at_once(&far));
    ends_abort();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ends_setup, ends_teardown)

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
        TEST(bytes_put_back_come_first),
        TEST(asking_again_reads_on_in_the_next_round),
        TEST(a_relay_moves_all_and_says_which_side_blocks),
        TEST(a_relay_stops_at_its_limit),
        TEST(accepted_and_connected_sockets_do_not_delay),
        TEST(what_a_prompt_stream_reads_is_acknowledged_at_once),
        TEST(a_multiplexed_stream_keeps_the_kernels_queue_short),
        TEST(what_is_sent_at_once_ends_with_a_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
