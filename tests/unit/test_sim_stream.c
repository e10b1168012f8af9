/*
 * Streams and listeners of the simulator: what io.h promises of them.
 */
#include "io/pace.h"
#include "sim_fixture.h"

static int setup(void **state)
{
    pair_setup(state);
    pair_connect(&pair);
    return 0;
}

static const char big[300000];

static void both_sides_know_their_addresses(void **state)
{
    (void)state;
    struct addr near_local = io_stream_local(pair.near.stream);
    struct addr far_peer = io_stream_peer(pair.far.stream);
    struct addr near_peer = io_stream_peer(pair.near.stream);
    assert_true(addr_equal(&near_local, &far_peer));
    char text[ADDR_TEXT_MAX];
    addr_format(&near_peer, text);
    assert_string_equal(text, "192.0.2.2:80");
}

static void unread_two(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct side *side = arg;
    assert_int_equal(io_unread(side->stream, "bc", 2), 0);
    assert_int_equal(io_unread(side->stream, "a", 1), 0);
}

static void bytes_put_back_come_first(void **state)
{
    (void)state;
    pair.far.paused = true;
    side_send(&pair, &pair.near, "def", 3);
    pair_run_ms(&pair, 100);
    pair_on(&pair, 1, unread_two, &pair.far);
    side_read(&pair, &pair.far);
    assert_int_equal(pair.far.received, 6);
    assert_memory_equal(pair.far.bytes, "abcdef", 6);
}

static void ask_again(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct side *side = arg;
    size_t before = side->readables;
    io_again(side->stream);
    assert_int_equal(side->readables, before);
}

static void again_is_called_in_a_later_round(void **state)
{
    (void)state;
    pair_run_ms(&pair, 100);
    size_t before = pair.near.readables;
    pair_on(&pair, 0, ask_again, &pair.near);
    pair_run_ms(&pair, 1);
    assert_int_equal(pair.near.readables, before + 1);
}

static void bytes_without_a_reader_make_one_event_until_there_are_more(void **state)
{
    (void)state;
    pair.far.paused = true;
    side_send(&pair, &pair.near, "x", 1);
    pair_run_ms(&pair, 100);
    size_t before = pair.far.readables;
    pair_run_ms(&pair, 10000);
    assert_int_equal(pair.far.readables, before);
    side_send(&pair, &pair.near, "y", 1);
    pair_run_ms(&pair, 100);
    assert_int_equal(pair.far.readables, before + 1);
}

static void a_closed_stream_still_sends_what_was_queued(void **state)
{
    (void)state;
    pair.far.paused = true;
    side_send(&pair, &pair.near, big, sizeof big);
    side_close(&pair, &pair.near);
    pair_run_ms(&pair, 2000);
    assert_true(sim_process_lingers(pair.processes[0]));
    side_read(&pair, &pair.far);
    pair_run_ms(&pair, 2000);
    assert_int_equal(pair.far.received, sizeof big);
    assert_true(pair.far.ended);
}

struct watcher {
    uint64_t conn;
    size_t seen;
    uint8_t bytes[SIDE_KEEP_MAX];
};

static void collect(void *arg, const struct sim_sight *sight)
{
    struct watcher *watcher = arg;
    struct addr far = io_stream_local(pair.far.stream);
    if (!addr_equal(&sight->to, &far) || watcher->seen + sight->len > sizeof watcher->bytes)
        return;
    assert_true(watcher->seen == 0 || watcher->conn == sight->conn);
    watcher->conn = sight->conn;
    memcpy(watcher->bytes + watcher->seen, sight->bytes, sight->len);
    watcher->seen += sight->len;
}

static void a_watcher_sees_every_byte_once_also_after_losses(void **state)
{
    (void)state;
    struct watcher watcher = {0};
    sim_watch(pair.world, collect, &watcher);
    side_send(&pair, &pair.near, "abc", 3);
    pair_run_ms(&pair, 100);
    sim_host_set_holes(pair.hosts[0], true, false);
    side_send(&pair, &pair.near, "def", 3);
    pair_run_ms(&pair, 1000);
    assert_int_equal(watcher.seen, 3);
    sim_host_set_holes(pair.hosts[0], false, false);
    pair_run_ms(&pair, 5000);
    assert_int_equal(watcher.seen, 6);
    assert_memory_equal(watcher.bytes, "abcdef", 6);
    sim_watch(pair.world, NULL, NULL);
}

static void drop_closed(struct io_loop *loop, void *arg)
{
    const size_t *queued = arg;
    assert_false(io_drop_closed(loop, *queued));
    assert_true(io_drop_closed(loop, *queued - 1));
    assert_false(io_drop_closed(loop, 0));
    assert_int_equal(io_buffered(loop), 0);
}

static void a_closed_stream_that_holds_much_can_be_dropped(void **state)
{
    (void)state;
    pair.far.paused = true;
    side_send(&pair, &pair.near, big, sizeof big);
    pair_run_ms(&pair, 1000);
    size_t queued = io_queued(pair.near.stream);
    assert_true(queued > 0);
    side_close(&pair, &pair.near);
    pair_run_ms(&pair, 1000);
    pair_on(&pair, 0, drop_closed, &queued);
    assert_false(sim_process_lingers(pair.processes[0]));
    pair_run_ms(&pair, 1000);
    side_read(&pair, &pair.far);
    assert_int_equal(pair.far.error, IO_E_RESET);
}

static void drop_open(struct io_loop *loop, void *arg)
{
    (void)arg;
    assert_false(io_drop_closed(loop, 0));
}

static void an_open_stream_is_not_dropped(void **state)
{
    (void)state;
    pair.far.paused = true;
    side_send(&pair, &pair.near, big, sizeof big);
    pair_on(&pair, 0, drop_open, NULL);
    side_read(&pair, &pair.far);
    pair_run_ms(&pair, 2000);
    assert_int_equal(pair.far.error, 0);
}

/* What the other side still sends would answer the close with a reset, which eats the bytes. */
static void a_closed_stream_drains_so_that_no_reset_eats_its_bytes(void **state)
{
    (void)state;
    side_send(&pair, &pair.far, big, 60000);
    pair_run_ms(&pair, 4);
    pair.far.paused = true;
    side_send(&pair, &pair.near, "the last words", 14);
    side_close(&pair, &pair.near);
    pair_run_ms(&pair, 1000);
    side_read(&pair, &pair.far);
    assert_int_equal(pair.far.received, 14);
    assert_true(pair.far.ended);
}

static void a_close_that_is_not_answered_ends_after_a_while(void **state)
{
    (void)state;
    side_close(&pair, &pair.near);
    pair_run_ms(&pair, IO_LINGER_MS - 1000);
    assert_true(sim_process_lingers(pair.processes[0]));
    pair_run_ms(&pair, 2000);
    assert_false(sim_process_lingers(pair.processes[0]));
    assert_int_equal(sim_process_files(pair.processes[0]), 0);
}

static void an_ending_process_waits_only_until_all_is_acknowledged(void **state)
{
    (void)state;
    side_send(&pair, &pair.near, "the last words", 14);
    side_close(&pair, &pair.near);
    sim_host_set_holes(pair.hosts[1], true, false);
    assert_true(sim_process_waits(pair.processes[0]));
    pair_run_ms(&pair, 3 * IO_LINGER_STILL_MS);
    assert_true(sim_process_waits(pair.processes[0]));
    sim_host_set_holes(pair.hosts[1], false, false);
    pair_run_ms(&pair, IO_LINGER_STILL_MS + 500);
    (void)sim_process_waits(pair.processes[0]);
    pair_run_ms(&pair, 10);
    assert_false(sim_process_waits(pair.processes[0]));
    assert_int_equal(sim_process_files(pair.processes[0]), 0);
    assert_int_equal(pair.far.received, 14);
    assert_true(pair.far.ended);
}

static void set_multiplexed(struct io_loop *loop, void *arg)
{
    (void)loop;
    io_stream_set_multiplexed(((struct side *)arg)->stream);
}

static void a_multiplexed_stream_keeps_little_unsent_in_the_kernel(void **state)
{
    (void)state;
    side_abort(&pair, &pair.near);
    side_abort(&pair, &pair.far);
    sim_host_set_buffers(pair.hosts[0], 1024 * 1024, 65536);
    pair.near = (struct side){.bytes = pair.near.bytes};
    pair.far = (struct side){.bytes = pair.far.bytes, .paused = true};
    pair_connect(&pair);
    pair_on(&pair, 0, set_multiplexed, &pair.near);
    side_send(&pair, &pair.near, big, sizeof big);
    pair_run_ms(&pair, 1000);
    size_t unsent = sizeof big - 65536 - io_queued(pair.near.stream);
    assert_in_range(unsent, PACE_LEAST / 2, PACE_MOST);
}

/* ---- From loop to loop ---- */

struct move {
    struct io_parcel *parcel;
    struct io_loop *worker;
};

static void put_back_and_detach(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct move *move = arg;
    assert_int_equal(io_unread(pair.far.stream, "put back ", 9), 0);
    move->parcel = io_detach(pair.far.stream);
    assert_non_null(move->parcel);
    pair.far.stream = NULL;
}

static void nothing(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void start_worker(struct io_loop *loop, void *arg)
{
    struct move *move = arg;
    int error;
    move->worker = io_worker_start(loop, "worker", nothing, NULL, &error);
}

static void attach(struct io_loop *loop, void *arg)
{
    struct move *move = arg;
    pair.far.stream = io_attach(loop, move->parcel, &side_handler, &pair.far);
    assert_ptr_equal(io_stream_loop(pair.far.stream), move->worker);
}

static void abort_far(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    io_abort(pair.far.stream);
    pair.far.stream = NULL;
}

static void join(struct io_loop *loop, void *arg)
{
    (void)loop;
    io_worker_join(((struct move *)arg)->worker);
}

static void a_stream_moves_to_another_loop_with_what_it_holds(void **state)
{
    (void)state;
    struct move move;
    struct addr before = io_stream_peer(pair.far.stream);
    pair_on(&pair, 1, start_worker, &move);
    pair_on(&pair, 1, put_back_and_detach, &move);
    side_send(&pair, &pair.near, "meanwhile", 9);
    pair_run_ms(&pair, 100);
    assert_int_equal(pair.far.received, 0);
    assert_int_equal(io_post(move.worker, attach, &move), 0);
    pair_run_ms(&pair, 100);
    assert_memory_equal(pair.far.bytes, "put back meanwhile", 18);
    struct addr after = io_stream_peer(pair.far.stream);
    assert_true(addr_equal(&before, &after));
    assert_int_equal(io_post(move.worker, abort_far, NULL), 0);
    pair_on(&pair, 1, join, &move);
    pair_run_ms(&pair, 100);
}

static void discard(struct io_loop *loop, void *arg)
{
    (void)loop;
    io_parcel_discard(((struct move *)arg)->parcel);
}

static void a_discarded_parcel_resets_its_connection(void **state)
{
    (void)state;
    struct move move;
    pair_on(&pair, 1, put_back_and_detach, &move);
    pair_on(&pair, 1, discard, &move);
    pair_run_ms(&pair, 100);
    assert_int_equal(pair.near.error, IO_E_RESET);
    assert_int_equal(sim_process_files(pair.processes[1]), 1);
}

/* ---- Listeners ---- */

static void listen_again(struct io_loop *loop, void *arg)
{
    static const struct io_listener_handler none;
    struct addr at = {.ip = {.family = 4}, .port = 80};
    assert_null(io_listen(loop, &at, &none, NULL, arg));
}

static void a_port_in_use_is_told(void **state)
{
    (void)state;
    int error = 0;
    pair_on(&pair, 1, listen_again, &error);
    assert_int_equal(error, IO_E_IN_USE);
}

static void listen_elsewhere(struct io_loop *loop, void *arg)
{
    static const struct io_listener_handler none;
    struct addr at;
    assert_true(addr_parse("198.51.100.1:80", &at));
    assert_null(io_listen(loop, &at, &none, NULL, arg));
}

static void an_address_of_another_machine_is_told(void **state)
{
    (void)state;
    int error = 0;
    pair_on(&pair, 1, listen_elsewhere, &error);
    assert_int_equal(error, IO_E_ADDRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_sides_know_their_addresses, setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(bytes_put_back_come_first, setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(again_is_called_in_a_later_round, setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(bytes_without_a_reader_make_one_event_until_there_are_more,
                                        setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_closed_stream_still_sends_what_was_queued, setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_watcher_sees_every_byte_once_also_after_losses, setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_closed_stream_that_holds_much_can_be_dropped, setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(an_open_stream_is_not_dropped, setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_closed_stream_drains_so_that_no_reset_eats_its_bytes,
                                        setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(an_ending_process_waits_only_until_all_is_acknowledged,
                                        setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_close_that_is_not_answered_ends_after_a_while, setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_multiplexed_stream_keeps_little_unsent_in_the_kernel,
                                        setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(a_stream_moves_to_another_loop_with_what_it_holds, setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_discarded_parcel_resets_its_connection, setup,
                                        pair_hang_up),
        cmocka_unit_test_setup_teardown(a_port_in_use_is_told, setup, pair_hang_up),
        cmocka_unit_test_setup_teardown(an_address_of_another_machine_is_told, setup, pair_hang_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
