/*
 * The simulated network: what TCP shows of ends, resets, windows, losses and silence.
 */
#include "sim_fixture.h"

static const char big[300000];

static void bytes_arrive_in_order_after_the_latency(void **state)
{
    (void)state;
    pair_connect(&pair);
    side_send(&pair, &pair.near, "one ", 4);
    side_send(&pair, &pair.near, "two", 3);
    pair_run_ms(&pair, 9);
    assert_int_equal(pair.far.received, 0);
    pair_run_ms(&pair, 4);
    assert_int_equal(pair.far.received, 7);
    assert_memory_equal(pair.far.bytes, "one two", 7);
}

static void the_end_comes_after_the_last_byte(void **state)
{
    (void)state;
    pair_connect(&pair);
    side_send(&pair, &pair.near, big, sizeof big);
    side_close(&pair, &pair.near);
    pair_run_ms(&pair, 3000);
    assert_int_equal(pair.far.received, sizeof big);
    assert_true(pair.far.ended);
    assert_int_equal(pair.far.error, 0);
}

static void a_reset_drops_what_was_not_sent(void **state)
{
    (void)state;
    pair_connect(&pair);
    pair.far.paused = true;
    side_send(&pair, &pair.near, big, sizeof big);
    pair_run_ms(&pair, 1000);
    side_abort(&pair, &pair.near);
    pair_run_ms(&pair, 1000);
    side_read(&pair, &pair.far);
    pair_run_ms(&pair, 1000);
    assert_int_equal(pair.far.error, IO_E_RESET);
    assert_false(pair.far.ended);
    assert_true(pair.far.received <= 65536);
}

/* Some systems keep what arrived before a reset, some do not: seeds decide. */
static void a_reset_may_eat_unread_bytes(void **state)
{
    (void)state;
    unsigned kept = 0;
    unsigned eaten = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair other;
        pair_open(&other, seed);
        pair_connect(&other);
        other.far.paused = true;
        side_send(&other, &other.near, "bytes", 5);
        pair_run_ms(&other, 100);
        side_abort(&other, &other.near);
        pair_run_ms(&other, 100);
        if (other.far.error == 0)
            side_read(&other, &other.far);
        assert_int_equal(other.far.error, IO_E_RESET);
        kept += other.far.received == 5 ? 1 : 0;
        eaten += other.far.received == 0 ? 1 : 0;
        side_abort(&other, &other.far);
        pair_close(&other);
    }
    assert_true(kept > 0);
    assert_true(eaten > 0);
    assert_int_equal(kept + eaten, 20);
}

static void bytes_for_a_closed_end_are_answered_with_a_reset(void **state)
{
    (void)state;
    pair_connect(&pair);
    side_abort(&pair, &pair.far);
    pair_run_ms(&pair, 100);
    assert_int_equal(pair.near.error, IO_E_RESET);
}

static void a_window_that_is_full_stops_the_sender(void **state)
{
    (void)state;
    pair_connect(&pair);
    pair.far.paused = true;
    side_send(&pair, &pair.near, big, sizeof big);
    pair_run_ms(&pair, 5000);
    size_t queued = io_queued(pair.near.stream);
    assert_int_equal(io_unacked(pair.near.stream), sizeof big - 65536);
    assert_int_equal(queued, sizeof big - 2 * 65536);
    side_read(&pair, &pair.far);
    pair_run_ms(&pair, 5000);
    assert_int_equal(pair.far.received, sizeof big);
    assert_int_equal(io_unacked(pair.near.stream), 0);
    assert_true(pair.near.sents > 0);
}

/* A window that was filled by short segments does not open in pieces of their size for ever. */
static void short_segments_beget_no_short_ones(void **state)
{
    (void)state;
    struct sim_access access = {.latency_us = 5000, .segment_max = 1000};
    sim_host_set_access(pair.hosts[0], &access);
    pair_connect(&pair);
    for (int i = 0; i < 100; i++)
        side_send(&pair, &pair.near, "a few", 5);
    uint64_t before = sim_totals(pair.world).packets;
    side_send(&pair, &pair.near, big, sizeof big);
    pair_run_ms(&pair, 3000);
    assert_int_equal(pair.far.received, 500 + sizeof big);
    /* With their acknowledgements; a loop that wakes late may leave a short one at its turn. */
    assert_in_range(sim_totals(pair.world).packets - before, 600, 2 * (sizeof big / 536) + 250);
}

static void what_a_hole_swallowed_comes_again(void **state)
{
    (void)state;
    pair_connect(&pair);
    sim_host_set_holes(pair.hosts[0], true, false);
    side_send(&pair, &pair.near, big, 10000);
    pair_run_ms(&pair, 3000);
    assert_int_equal(pair.far.received, 0);
    assert_int_equal(pair.near.error, 0);
    sim_host_set_holes(pair.hosts[0], false, false);
    pair_run_ms(&pair, 7000);
    assert_int_equal(pair.far.received, 10000);
    assert_true(sim_totals(pair.world).packets_lost > 0);
}

static void lost_acknowledgements_repeat_no_bytes(void **state)
{
    (void)state;
    pair_connect(&pair);
    sim_host_set_holes(pair.hosts[0], false, true);
    side_send(&pair, &pair.near, big, 10000);
    pair_run_ms(&pair, 3000);
    assert_int_equal(pair.far.received, 10000);
    assert_int_equal(io_unacked(pair.near.stream), 10000);
    sim_host_set_holes(pair.hosts[0], false, false);
    pair_run_ms(&pair, 7000);
    assert_int_equal(pair.far.received, 10000);
    assert_int_equal(io_unacked(pair.near.stream), 0);
}

/*
 * The near end's next segment was sent again just before the path was whole; what tells it that
 * the far end has a part of that is an acknowledgement that is seconds old.
 */
static void what_is_missing_comes_as_soon_as_something_behind_it_came(void **state)
{
    (void)state;
    struct sim_access access = {.latency_us = 5000, .segment_max = 536};
    sim_host_set_access(pair.hosts[1], &access);
    pair_connect(&pair);
    sim_host_set_holes(pair.hosts[0], false, true);
    side_send(&pair, &pair.near, big, 300);
    pair_run_ms(&pair, 100);
    assert_int_equal(pair.far.received, 300);
    sim_host_set_holes(pair.hosts[0], true, true);
    side_send(&pair, &pair.far, "x", 1);
    side_send(&pair, &pair.near, big, 9700);
    pair_run_ms(&pair, 6150);
    sim_host_set_holes(pair.hosts[0], false, false);
    pair_run_ms(&pair, 1000);
    assert_int_equal(pair.near.received, 1);
    assert_int_equal(pair.far.received, 10000);
}

static void a_forgotten_connection_is_silent_until_it_times_out(void **state)
{
    (void)state;
    pair_connect(&pair);
    sim_conn_cut(sim_conn_pick(pair.world, NULL, NULL), SIM_CUT_FORGET);
    side_send(&pair, &pair.near, "x", 1);
    pair_run_ms(&pair, 600 * 1000);
    assert_int_equal(pair.near.error, 0);
    pair_run_ms(&pair, 600 * 1000);
    assert_int_equal(pair.near.error, IO_E_TIMEOUT);
    assert_int_equal(pair.far.error, 0);
}

static void a_cut_can_be_seen_by_one_side_alone(void **state)
{
    (void)state;
    pair_connect(&pair);
    sim_conn_cut(sim_conn_pick(pair.world, NULL, NULL), SIM_CUT_RESET_ONE);
    pair_run_ms(&pair, 1000);
    assert_true((pair.near.error == IO_E_RESET) != (pair.far.error == IO_E_RESET));
    struct side *other = pair.near.error == 0 ? &pair.near : &pair.far;
    side_send(&pair, other, "x", 1);
    pair_run_ms(&pair, 1000);
    assert_int_equal(other->error, IO_E_RESET);
}

static void a_port_that_nobody_listens_on_refuses(void **state)
{
    (void)state;
    sim_host_set_refusing(pair.hosts[1], true);
    pair_connect(&pair);
    assert_int_equal(pair.near.error, IO_E_REFUSED);
    assert_int_equal(pair.accepted, 0);
}

static void a_host_without_route_is_unreachable(void **state)
{
    (void)state;
    sim_host_set_unreachable(pair.hosts[1], true);
    pair_connect(&pair);
    assert_int_equal(pair.near.error, IO_E_UNREACHABLE);
}

static void a_silent_host_times_out_after_two_minutes(void **state)
{
    (void)state;
    sim_host_set_holes(pair.hosts[1], false, true);
    uint64_t start_us = sim_now_us(pair.world);
    pair_connect(&pair);
    assert_int_equal(pair.near.error, IO_E_TIMEOUT);
    uint64_t seconds = (sim_now_us(pair.world) - start_us) / SIM_SECOND_US;
    assert_in_range(seconds, 120, 135);
}

static void open_near_again(struct io_loop *loop, void *arg)
{
    struct addr to;
    int error;
    assert_true(addr_parse("192.0.2.2:80", &to));
    *(struct io_stream **)arg = io_connect(loop, &to, &side_handler, &pair.near, &error);
}

static void resume(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    io_listener_resume(pair.listener);
}

static void a_process_out_of_descriptors_accepts_when_it_has_some_again(void **state)
{
    (void)state;
    sim_host_set_files_max(pair.hosts[1], 1); /* the listener has it */
    pair_on(&pair, 0, open_near_again, &pair.near.stream);
    pair_run_ms(&pair, 1000);
    assert_true(pair.near.connected);
    assert_int_equal(pair.accepted, 0);
    assert_int_equal(pair.exhausted, IO_E_NO_FILES);
    sim_host_set_files_max(pair.hosts[1], 2);
    pair_run_ms(&pair, 1000);
    assert_int_equal(pair.accepted, 0);
    pair_on(&pair, 1, resume, NULL);
    pair_run_ms(&pair, 1000);
    assert_int_equal(pair.accepted, 1);
}

static void a_stalled_link_delivers_later(void **state)
{
    (void)state;
    pair_connect(&pair);
    sim_host_stall(pair.hosts[0], 2 * SIM_SECOND_US);
    side_send(&pair, &pair.near, "x", 1);
    pair_run_ms(&pair, 1900);
    assert_int_equal(pair.far.received, 0);
    pair_run_ms(&pair, 200);
    assert_int_equal(pair.far.received, 1);
    assert_int_equal(sim_totals(pair.world).packets_lost, 0);
}

static void a_link_carries_no_more_than_its_rate(void **state)
{
    (void)state;
    struct sim_access slow = {.latency_us = 1000, .bytes_per_s = 100000};
    sim_host_set_access(pair.hosts[0], &slow);
    pair_connect(&pair);
    side_send(&pair, &pair.near, big, sizeof big);
    pair_run_ms(&pair, 1000);
    assert_in_range(pair.far.received, 30000, 101000);
    pair_run_ms(&pair, 3000);
    assert_int_equal(pair.far.received, sizeof big);
}

/*
 * After a loss, a queue may take longer than what is in it waits to be sent again: repetitions that
 * lengthen it leave a link no time for anything else.
 */
static void repetitions_do_not_fill_a_thin_link(void **state)
{
    (void)state;
    enum { BUFFER = 1 << 20, TIMES = 10, SEEDS = 5 }; /* which draw short segments, and long ones */
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_access thin = {.latency_us = 1000, .bytes_per_s = 100000};
        struct pair other;
        pair_open(&other, seed);
        sim_host_set_access(other.hosts[0], &thin);
        for (int i = 0; i < 2; i++)
            sim_host_set_buffers(other.hosts[i], BUFFER, BUFFER);
        pair_connect(&other);
        sim_host_set_holes(other.hosts[0], true, false);
        side_send(&other, &other.near, "x", 1);
        pair_run_ms(&other, 100);
        sim_host_set_holes(other.hosts[0], false, false);
        pair_run_ms(&other, 900);
        for (int i = 0; i < TIMES; i++)
            side_send(&other, &other.near, big, sizeof big);
        pair_run_ms(&other, 40 * 1000);
        assert_int_equal(other.far.received, 1 + TIMES * sizeof big);
        assert_int_equal(io_unacked(other.near.stream), 0);
        side_abort(&other, &other.near);
        side_abort(&other, &other.far);
        pair_close(&other);
    }
}

static void a_link_carries_no_longer_packets_than_its_own(void **state)
{
    (void)state;
    struct sim_access narrow = {.latency_us = 5000, .segment_max = 100};
    sim_host_set_access(pair.hosts[1], &narrow);
    pair_connect(&pair);
    side_send(&pair, &pair.near, big, sizeof big);
    pair_run_ms(&pair, 3000);
    assert_int_equal(pair.far.received, sizeof big);
    assert_true(sim_totals(pair.world).packets >= sizeof big / 100);
}

static void a_killed_process_ends_its_connections(void **state)
{
    (void)state;
    pair_connect(&pair);
    sim_process_kill(pair.processes[1], SIM_KILL_PROCESS);
    pair_run_ms(&pair, 1000);
    assert_true(pair.near.ended);
}

static void nothing(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void a_host_without_power_is_silent_until_it_is_back(void **state)
{
    (void)state;
    pair_connect(&pair);
    sim_process_kill(pair.processes[1], SIM_KILL_POWER);
    pair_run_ms(&pair, 5000);
    assert_false(pair.near.ended);
    assert_int_equal(pair.near.error, 0);
    assert_int_equal(pair.far.error, IO_E_RESET); /* the ghost's streams have failed */
    struct sim_process *next = sim_host_start(pair.hosts[1], nothing, NULL);
    side_send(&pair, &pair.near, "x", 1);
    pair_run_ms(&pair, 5000);
    assert_int_equal(pair.near.error, IO_E_RESET);
    sim_process_end(next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_arrive_in_order_after_the_latency, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(the_end_comes_after_the_last_byte, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_reset_drops_what_was_not_sent, pair_setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_reset_may_eat_unread_bytes, pair_setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(bytes_for_a_closed_end_are_answered_with_a_reset,
                                        pair_setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_window_that_is_full_stops_the_sender, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(short_segments_beget_no_short_ones, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(what_a_hole_swallowed_comes_again, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(lost_acknowledgements_repeat_no_bytes, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(what_is_missing_comes_as_soon_as_something_behind_it_came,
                                        pair_setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_forgotten_connection_is_silent_until_it_times_out,
                                        pair_setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_cut_can_be_seen_by_one_side_alone, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_port_that_nobody_listens_on_refuses, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_host_without_route_is_unreachable, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_silent_host_times_out_after_two_minutes, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_process_out_of_descriptors_accepts_when_it_has_some_again,
                                        pair_setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_stalled_link_delivers_later, pair_setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_link_carries_no_more_than_its_rate, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(repetitions_do_not_fill_a_thin_link, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_link_carries_no_longer_packets_than_its_own, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_killed_process_ends_its_connections, pair_setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_host_without_power_is_silent_until_it_is_back, pair_setup,
                                        pair_hang_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
