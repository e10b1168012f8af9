/* Peers of a VPN: how long who is not proven may stay, what replaces what, who is let in. */
#include "vpn_calls.h"

#include "roles/vpn/internal.h"
#include "vpn_fixture.h"

static struct calls calls;
static uint8_t packet[2000];

static int hang_up(void **state)
{
    calls_close(&calls);
    calls = (struct calls){0};
    return ends_teardown(state);
}

/* ---- A connection without a VPN behind it ---- */

static void who_says_nothing_is_closed_after_ten_seconds(void **state)
{
    (void)state;
    assert_true(ends_start(&ends, 0));
    calls_open(&calls, &ends, 1, 0, 1);
    assert_true(calls.all[0].connected);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 1);
    ends_run_ms(&ends, 9000);
    assert_false(calls.all[0].over);
    ends_run_ms(&ends, 1000);
    assert_true(calls.all[0].over);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 0);
    assert_int_equal(ends_number(&ends, 0, "counters.refused"), 1);
}

static void who_talks_nonsense_is_closed_at_once(void **state)
{
    (void)state;
    static const uint8_t nonsense[] = "\x80\x08\x51GET / HTTP/1.1\r\n\r\n";
    assert_true(ends_start(&ends, 0));
    calls.greeting = nonsense;
    calls.greeting_len = sizeof nonsense;
    calls_open(&calls, &ends, 1, 0, 1);
    assert_true(calls.all[0].over);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 0);
}

static void an_address_holds_so_many_unproven_connections(void **state)
{
    (void)state;
    assert_true(ends_start(&ends, 0));
    calls_open(&calls, &ends, 1, 0, 20);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 16);
    assert_int_equal(calls_over(&calls), 4);
}

static void all_together_hold_so_many(void **state)
{
    (void)state;
    ends.all[0].config.limits.early_per_address = 100;
    ends.all[0].config.limits.early_max = 30;
    assert_true(ends_start(&ends, 0));
    calls_open(&calls, &ends, 1, 0, 40);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 30);
    assert_int_equal(calls_over(&calls), 10);
    ends_run_ms(&ends, 11000);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 0);
}

static void who_holds_all_places_keeps_no_peer_out(void **state)
{
    (void)state;
    ends.all[0].config.limits.early_per_address = 100;
    ends.all[0].config.limits.early_max = 30;
    assert_true(ends_start(&ends, 0));
    calls_open(&calls, &ends, 1, 0, 30);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 30);
    assert_true(ends_start(&ends, 2));
    ends_run_ms(&ends, 1000);
    assert_true(ends_text_is(&ends, 0, "peers.1.state", "connected"));
    assert_int_equal(calls_over(&calls), 1);
    assert_true(calls.all[0].over);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 29);
}

/*
 * A peer's key is no secret: somebody holds all places with it, and calls again and again, so that
 * whoever comes has to give way soon.
 */
static void who_claims_a_key_in_all_places_keeps_no_peer_out(void **state)
{
    (void)state;
    static struct calls silent;
    uint8_t start[2 + 57] = {0x80, 57, 1};
    memcpy(start + 3, ends.all[1].public_key, QUICKTUN_KEY_LEN);
    memset(start + 3 + QUICKTUN_KEY_LEN, 7, 24);
    ends.all[0].config.limits.early_per_address = 100;
    ends.all[0].config.limits.early_max = 30;
    assert_true(ends_start(&ends, 0));
    calls.greeting = start;
    calls.greeting_len = sizeof start;
    calls_open(&calls, &ends, 1, 0, 29);
    calls_open(&silent, &ends, 1, 0, 1);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 30);
    assert_true(ends_start(&ends, 2));
    for (int i = 0; i < 800; i++) {
        ends_run_ms(&ends, 5);
        calls_again(&silent);
    }
    assert_true(ends_text_is(&ends, 0, "peers.1.state", "connected"));
    calls_close(&silent);
}

static void who_floods_holds_no_peer_up(void **state)
{
    (void)state;
    static uint8_t echoes[60000]; /* commands of three bytes */
    for (size_t i = 0; i + 3 <= sizeof echoes; i += 3) {
        echoes[i] = 0x80;
        echoes[i + 1] = 1;
        echoes[i + 2] = 200; /* an unknown command */
    }
    ends_connect_all(&ends);
    ends_stop(&ends, 1);
    calls.greeting = echoes;
    calls.greeting_len = sizeof echoes;
    calls_open(&calls, &ends, 1, 0, 3);
    ends_expect_pass(&ends, 0, 2);
    ends_run_ms(&ends, 10000);
    assert_int_equal(calls_over(&calls), 3);
}

/* ---- Replacing ---- */

static void an_unproven_connection_replaces_nothing(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    /* The third host calls as the second did: unproven. */
    ends_stop(&ends, 2);
    calls_open(&calls, &ends, 2, 0, 3);
    ends_expect_pass(&ends, 1, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
    calls_close(&calls);
}

static void start_again(struct io_loop *loop, void *arg)
{
    ((struct end *)arg)->loop = loop;
}

static void drop(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct end *end = arg;
    vpn_stop(end->vpn);
}

static void a_peer_that_restarts_without_a_word_is_back_at_once(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    struct end *end = &ends.all[1];
    sim_process_kill(end->process, SIM_KILL_POWER);
    drop(end->loop, end);
    ends_run_ms(&ends, 1000);
    sim_process_end(end->process);
    end->process = sim_host_start(end->host, start_again, end);
    ends_run_ms(&ends, 10);
    assert_true(ends_start(&ends, 1));
    ends_run_ms(&ends, 4000);
    ends_expect_pass(&ends, 1, 0);
    ends_expect_pass(&ends, 0, 1);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 2);
}

/* Ends the peer's connection, or its attempt, and makes another one without waiting. */
static void call_anew(struct io_loop *loop, void *arg)
{
    const struct vpn *vpn = arg;
    struct vpn_peer *peer = vpn->peers[0];
    (void)loop;
    if (peer->link != NULL)
        vpn_link_end(peer->link, "a whim");
    if (peer->trying != NULL)
        vpn_link_end(peer->trying, "a whim");
    vpn_link_reap(peer->vpn);
    io_timer_set_in(&peer->retry, 0);
}

static void a_peer_that_connects_all_the_time_is_held_back(void **state)
{
    (void)state;
    const int calls_made = 100;
    const int every_ms = 200;
    const int lasted_ms = calls_made * every_ms;
    ends_connect_all(&ends);
    for (int i = 0; i < calls_made; i++) {
        ends_on(&ends, 1, call_anew, ends.all[1].vpn);
        ends_run_ms(&ends, every_ms);
    }
    json_int_t taken = ends_number(&ends, 0, "peers.0.connections");
    int later = lasted_ms / (int)VPN_CALL_EVERY_MS;
    assert_in_range(taken, VPN_CALLS_BURST, (int)VPN_CALLS_BURST + later + 2);
    assert_true(ends_connected(&ends, 0, 1));
}

static void a_connection_that_is_cut_is_made_anew(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    struct sim_conn *conn = sim_conn_pick(ends.world, ends.all[0].host, ends.all[1].host);
    assert_non_null(conn);
    sim_conn_cut(conn, SIM_CUT_RESET_BOTH);
    ends_run_ms(&ends, 100);
    assert_true(ends_connected(&ends, 0, 1));
    ends_expect_pass(&ends, 0, 1);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 2);
}

static void a_connection_that_carries_nothing_any_more_is_found_dead(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    struct sim_conn *conn = sim_conn_pick(ends.world, ends.all[0].host, ends.all[1].host);
    sim_conn_cut(conn, SIM_CUT_FORGET);
    ends_run_ms(&ends, 25000);
    assert_true(ends_connected(&ends, 0, 1));
    ends_expect_pass(&ends, 0, 1);
    assert_true(ends_number(&ends, 0, "peers.0.connections") > 1);
}

/*
 * Sends a packet each so many milliseconds to a peer whose program hangs, while its machine
 * acknowledges. After how many milliseconds the connection was given up; so long at most.
 */
static uint64_t given_up_after_ms(uint64_t every_ms, uint64_t most_ms)
{
    size_t len = ends_packet(packet, 1, 2, 100, 'p');
    uint64_t passed_ms = 0;
    sim_process_hang(ends.all[1].process, 3600 * (uint64_t)END_SECOND_US);
    while (passed_ms < most_ms && ends_text_is(&ends, 0, "peers.0.state", "connected")) {
        ends_send(&ends, 0, packet, len);
        ends_run_ms(&ends, every_ms);
        passed_ms += every_ms;
    }
    sim_process_hang(ends.all[1].process, 0);
    return passed_ms;
}

static void connect_far(uint64_t latency_us)
{
    struct sim_access access = {.latency_us = latency_us};
    sim_host_set_access(ends.all[0].host, &access);
    ends_connect_all(&ends);
    ends_run_ms(&ends, 2000);
}

static void a_peer_that_hangs_is_given_up_though_its_machine_acknowledges(void **state)
{
    (void)state;
    connect_far(5000);
    assert_in_range(given_up_after_ms(100, 120000), 9000, 21000);
}

/* Acknowledgements of what was sent before it was asked come in for a round trip. */
static void a_peer_that_hangs_far_away_is_given_up_a_round_trip_later(void **state)
{
    (void)state;
    connect_far(1000000);
    assert_in_range(given_up_after_ms(100, 120000), 9000, 35000);
}

static void the_round_trip_of_the_line_is_told_in_microseconds(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    ends_expect_pass(&ends, 0, 1);
    ends_run_ms(&ends, 1000);
    assert_in_range(ends_number(&ends, 0, "peers.0.line_rtt_us"), 20000, 21000);
}

static void two_that_dial_each_other_keep_one_connection(void **state)
{
    (void)state;
    ends.all[1].config.listen_count = 1;
    snprintf(ends.all[0].peers[0].host, HOST_TEXT_MAX, "192.0.2.2");
    ends.all[0].peers[0].port = END_PORT;
    ends_connect_all(&ends);
    ends_run_ms(&ends, 30000);
    ends_expect_pass(&ends, 0, 1);
    json_int_t before = ends_number(&ends, 0, "peers.0.connections");
    assert_true(before <= 3);
    ends_run_ms(&ends, 60000);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), before);
    assert_int_equal(sim_conn_count(ends.world), 1);
}

/* Who claims to be a peer that is away must not keep us from dialling it. */
static void who_claims_a_key_does_not_delay_its_owner(void **state)
{
    (void)state;
    uint8_t start[2 + 57] = {0x80, 57, 1};
    memcpy(start + 3, ends.all[0].public_key, QUICKTUN_KEY_LEN);
    memset(start + 3 + QUICKTUN_KEY_LEN, 7, 24);
    ends.all[2].config.listen_count = 1;
    assert_true(ends_start(&ends, 2));
    calls.greeting = start;
    calls.greeting_len = sizeof start;
    for (int i = 0; i < 30; i++) {
        calls_open(&calls, &ends, 1, 2, 1);
        assert_true(calls.all[0].connected);
        calls_close(&calls);
        ends_run_ms(&ends, 500);
        if (i == 10)
            assert_true(ends_start(&ends, 0));
    }
    assert_true(ends_text_is(&ends, 2, "peers.0.state", "connected"));
}

/* ---- Who is let in ---- */

static void a_key_that_is_not_configured_is_refused(void **state)
{
    (void)state;
    ends.all[1].secret[5]++;
    ends_start_all(&ends);
    ends_run_ms(&ends, 20000);
    assert_true(ends_text_is(&ends, 0, "peers.0.state", "absent"));
    assert_true(ends_number(&ends, 0, "counters.refused") > 1);
}

static void a_password_is_asked_for_and_answered(void **state)
{
    (void)state;
    ends.all[0].peers[0].ask_password = "correct horse";
    ends.all[1].peers[0].password = "correct horse";
    ends_connect_all(&ends);
    ends_expect_pass(&ends, 0, 1);
}

static void a_wrong_password_is_refused(void **state)
{
    (void)state;
    ends.all[0].peers[0].ask_password = "correct horse";
    ends.all[1].peers[0].password = "battery staple";
    ends_start_all(&ends);
    assert_false(ends_connected(&ends, 0, 1));
}

static void each_peer_has_a_password_of_its_own(void **state)
{
    (void)state;
    ends.all[0].peers[0].ask_password = "one";
    ends.all[1].peers[0].password = "one";
    ends.all[0].peers[1].ask_password = "two";
    ends.all[2].peers[0].password = "two";
    ends_connect_all(&ends);
    ends_expect_pass(&ends, 1, 0);
    ends_expect_pass(&ends, 2, 0);
}

/* Who shows no key, next to one who does. */
static void a_stranger_may_be_let_in_by_a_password(void **state)
{
    (void)state;
    struct vpn_peer_config *stranger = &ends.all[0].peers[1];
    stranger->keyed = false;
    stranger->options.weak_unproven_peer = true;
    stranger->ask_password = "sesame";
    ends.all[2].config.secret = NULL;
    ends.all[2].peers[0].password = "sesame";
    ends_connect_all(&ends);
    ends_expect_pass(&ends, 2, 0);
    ends_expect_pass(&ends, 0, 1);
    assert_true(ends_text_is(&ends, 0, "peers.1.protection", "session keys"));
}

static void a_stranger_does_not_pass_for_a_known_peer(void **state)
{
    (void)state;
    struct vpn_peer_config *stranger = &ends.all[0].peers[1];
    stranger->keyed = false;
    stranger->options.weak_unproven_peer = true;
    stranger->ask_password = "sesame";
    ends.all[0].peers[0].ask_password = "another";
    ends.all[1].peers[0].password = "sesame";
    ends_start_all(&ends);
    assert_false(ends_connected(&ends, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_says_nothing_is_closed_after_ten_seconds, ends_two,
                                        hang_up),
        cmocka_unit_test_setup_teardown(who_talks_nonsense_is_closed_at_once, ends_two, hang_up),
        cmocka_unit_test_setup_teardown(an_address_holds_so_many_unproven_connections, ends_two,
                                        hang_up),
        cmocka_unit_test_setup_teardown(all_together_hold_so_many, ends_two, hang_up),
        cmocka_unit_test_setup_teardown(who_holds_all_places_keeps_no_peer_out, ends_three,
                                        hang_up),
        cmocka_unit_test_setup_teardown(who_claims_a_key_in_all_places_keeps_no_peer_out,
                                        ends_three, hang_up),
        cmocka_unit_test_setup_teardown(who_floods_holds_no_peer_up, ends_three, hang_up),
        cmocka_unit_test_setup_teardown(an_unproven_connection_replaces_nothing, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_restarts_without_a_word_is_back_at_once,
                                        ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_connects_all_the_time_is_held_back, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_connection_that_is_cut_is_made_anew, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_connection_that_carries_nothing_any_more_is_found_dead,
                                        ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(
            a_peer_that_hangs_is_given_up_though_its_machine_acknowledges, ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_hangs_far_away_is_given_up_a_round_trip_later,
                                        ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(the_round_trip_of_the_line_is_told_in_microseconds,
                                        ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(two_that_dial_each_other_keep_one_connection, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(who_claims_a_key_does_not_delay_its_owner, ends_three,
                                        hang_up),
        cmocka_unit_test_setup_teardown(a_key_that_is_not_configured_is_refused, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_password_is_asked_for_and_answered, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_wrong_password_is_refused, ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(each_peer_has_a_password_of_its_own, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_stranger_may_be_let_in_by_a_password, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_stranger_does_not_pass_for_a_known_peer, ends_three,
                                        ends_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
