#include "tests/unit/snitun_side.h"

#include <string.h>

enum { START = 1000000, HOUR_MS = 3600 * 1000 };

static void start_established(struct side *side, enum snitun_role role)
{
    side->now_ms = START;
    side_simple(side, role);
}

static int tick_at(struct side *side, uint64_t now_ms)
{
    side->now_ms = now_ms;
    return snitun_tick(side->session, now_ms);
}

/* The tick when it is due. */
static int tick(struct side *side)
{
    return tick_at(side, snitun_deadline(side->session));
}

static uint32_t rtt_ms(const struct side *side)
{
    struct snitun_counters counters;
    snitun_session_counters(side->session, &counters);
    return counters.rtt_ms;
}

static void a_silent_line_is_pinged_and_then_dead(void **state)
{
    (void)state;
    for (int role = SNITUN_CLIENT; role <= SNITUN_SERVER; role++) {
        struct side side = {0};
        start_established(&side, (enum snitun_role)role);
        uint64_t due = snitun_deadline(side.session);
        assert_in_range(due, START + SNITUN_PING_AFTER_MS * 9 / 10, START + SNITUN_PING_AFTER_MS);
        assert_int_equal(tick_at(&side, due - 1), 0);
        assert_false(snitun_wants_to_send(side.session));
        assert_int_equal(tick_at(&side, due), 0);
        assert_memory_equal(side_only(&side, SNITUN_FLAG_PING).extra, "ping", 4);
        assert_int_equal(snitun_deadline(side.session), START + SNITUN_DEAD_AFTER_MS);
        assert_int_equal(tick_at(&side, START + SNITUN_DEAD_AFTER_MS - 1), 0);
        side_silent(&side);
        assert_int_equal(tick(&side), SNITUN_E_DEAD);
        side_stop(&side);
    }
}

static void pings_come_at_different_times(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_SERVER);
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    for (int i = 0; i < 200; i++) {
        struct snitun_session *session =
            snitun_session_new(side.context, SNITUN_CLIENT, &side.keys, NULL, 0);
        uint32_t after_ms = session->alive.ping_after_ms;
        least = after_ms < least ? after_ms : least;
        most = after_ms > most ? after_ms : most;
        snitun_session_free(session);
    }
    assert_in_range(least, SNITUN_PING_AFTER_MS * 9 / 10, SNITUN_PING_AFTER_MS * 93 / 100);
    assert_in_range(most, SNITUN_PING_AFTER_MS * 97 / 100, SNITUN_PING_AFTER_MS);
    side_stop(&side);
}

static void a_byte_is_a_sign_of_life(void **state)
{
    (void)state;
    struct side side = {0};
    uint8_t wire[SNITUN_HEADER_MAX];
    start_established(&side, SNITUN_CLIENT);
    side_header(&side, SNITUN_FLAG_PING, side_id(1), 0, "pong", wire);
    for (size_t i = 0; i < sizeof wire; i++) {
        side.now_ms += SNITUN_DEAD_AFTER_MS / 2;
        side_feed(&side, wire + i, 1, SNITUN_NEED_MORE);
        assert_true(snitun_deadline(side.session) > side.now_ms);
    }
    assert_int_equal(tick_at(&side, side.now_ms), 0);
    side_silent(&side);
    side_stop(&side);
}

static void no_byte_is_no_sign_of_life(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_event event;
    size_t consumed;
    start_established(&side, SNITUN_CLIENT);
    uint64_t due = snitun_deadline(side.session);
    assert_int_equal(snitun_receive(side.session, START + 5000, NULL, 0, &consumed, &event), 0);
    assert_int_equal(snitun_deadline(side.session), due);
    side_stop(&side);
}

static void progress_is_a_sign_of_life(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    assert_int_equal(tick(&side), 0);
    side_only(&side, SNITUN_FLAG_PING);
    for (int i = 0; i < 10; i++) {
        side.now_ms += SNITUN_PING_AFTER_MS / 2;
        snitun_progress(side.session, side.now_ms);
        assert_int_equal(tick_at(&side, side.now_ms), 0);
        side_silent(&side);
    }
    side_stop(&side);
}

/* A machine acknowledges what its program never answers: who sends on for ever still asks. */
static void progress_does_not_put_a_ping_off(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    uint64_t ping_at = snitun_deadline(side.session);
    assert_false(snitun_asked(side.session));
    snitun_progress(side.session, ping_at - 1);
    assert_int_equal(snitun_deadline(side.session), ping_at);
    assert_int_equal(tick(&side), 0);
    assert_true(snitun_asked(side.session));
    struct snitun_frame ping = side_only(&side, SNITUN_FLAG_PING);
    assert_int_equal(snitun_deadline(side.session), ping_at - 1 + SNITUN_DEAD_AFTER_MS);
    side_frame_in(&side, SNITUN_FLAG_PING, ping.id, "pong", SNITUN_PONG);
    assert_false(snitun_asked(side.session));
    side_stop(&side);
}

/* A silent line gets one ping for each silence, not one for each tick. */
static void one_ping_for_each_silence(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(tick(&side), 0);
        struct snitun_frame ping = side_only(&side, SNITUN_FLAG_PING);
        assert_int_equal(tick_at(&side, side.now_ms + 100), 0);
        side_silent(&side);
        side_frame_in(&side, SNITUN_FLAG_PING, ping.id, "pong", SNITUN_PONG);
        assert_int_equal(rtt_ms(&side), 100);
    }
    side_stop(&side);
}

/* ---- Our pings ---- */

static void check_ping(struct side *side)
{
    snitun_ping(side->session);
    snitun_ping(side->session);
    assert_true(snitun_wants_to_send(side->session));
    struct snitun_frame ping = side_only(side, SNITUN_FLAG_PING);
    assert_memory_equal(ping.extra, "ping", 4);
    assert_int_equal(ping.size, 0);
    side->now_ms += 123;
    side_frame_in(side, SNITUN_FLAG_PING_SEED, ping.id, "pong", SNITUN_PONG);
    assert_int_equal(rtt_ms(side), 123);
    side_silent(side);
}

static void a_ping_asked_for_goes_at_once_and_measures(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_ping);
    side_each(SNITUN_SERVER, check_ping);
}

static void pings_have_ids_of_their_own(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    snitun_ping(side.session);
    struct snitun_frame first = side_only(&side, SNITUN_FLAG_PING);
    snitun_ping(side.session);
    struct snitun_frame second = side_only(&side, SNITUN_FLAG_PING);
    assert_memory_not_equal(first.id, second.id, SNITUN_ID_LEN);
    /* Only the newest one's pong counts, and once. */
    side.now_ms += 50;
    side_frame_in(&side, SNITUN_FLAG_PING, first.id, "pong", SNITUN_NEED_MORE);
    assert_int_equal(rtt_ms(&side), 0);
    side_frame_in(&side, SNITUN_FLAG_PING, second.id, "pong", SNITUN_PONG);
    assert_int_equal(rtt_ms(&side), 50);
    side.now_ms += 50;
    side_frame_in(&side, SNITUN_FLAG_PING, second.id, "pong", SNITUN_NEED_MORE);
    assert_int_equal(rtt_ms(&side), 50);
    side_stop(&side);
}

static void a_pong_nobody_asked_for_measures_nothing(void **state)
{
    (void)state;
    struct side side = {0};
    static const uint8_t zeros[SNITUN_ID_LEN];
    start_established(&side, SNITUN_CLIENT);
    side_frame_in(&side, SNITUN_FLAG_PING, zeros, "pong", SNITUN_NEED_MORE);
    assert_int_equal(rtt_ms(&side), 0);
    side_stop(&side);
}

static void a_pong_within_a_millisecond_counts_as_one(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    snitun_ping(side.session);
    struct snitun_frame ping = side_only(&side, SNITUN_FLAG_PING);
    side_frame_in(&side, SNITUN_FLAG_PING, ping.id, "pong", SNITUN_PONG);
    assert_int_equal(rtt_ms(&side), 1);
    side_stop(&side);
}

static void a_pong_after_months_is_the_longest_rtt(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    snitun_ping(side.session);
    struct snitun_frame ping = side_only(&side, SNITUN_FLAG_PING);
    side.now_ms += (uint64_t)UINT32_MAX + 1;
    side_frame_in(&side, SNITUN_FLAG_PING, ping.id, "pong", SNITUN_PONG);
    assert_int_equal(rtt_ms(&side), UINT32_MAX);
    side_stop(&side);
}

/* ---- The clock leaps ---- */

static void who_sleeps_for_hours_asks_before_it_gives_up(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    assert_int_equal(tick_at(&side, START + 8 * (uint64_t)HOUR_MS), 0);
    side_only(&side, SNITUN_FLAG_PING);
    uint64_t dead_at = snitun_deadline(side.session);
    assert_in_range(dead_at - side.now_ms, SNITUN_DEAD_AFTER_MS - SNITUN_PING_AFTER_MS,
                    SNITUN_DEAD_AFTER_MS - SNITUN_PING_AFTER_MS * 9 / 10);
    assert_int_equal(tick_at(&side, dead_at - 1), 0);
    assert_int_equal(tick_at(&side, dead_at), SNITUN_E_DEAD);
    side_stop(&side);
}

static void who_was_stopped_for_seconds_asks_before_it_gives_up(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    assert_int_equal(tick_at(&side, START + SNITUN_DEAD_AFTER_MS + 3000), 0);
    side_only(&side, SNITUN_FLAG_PING);
    assert_int_equal(tick(&side), SNITUN_E_DEAD);
    side_stop(&side);
}

/* The pong may have come while nobody read. */
static void who_sleeps_after_its_ping_asks_again(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    assert_int_equal(tick(&side), 0);
    side_only(&side, SNITUN_FLAG_PING);
    assert_int_equal(tick_at(&side, START + HOUR_MS), 0);
    struct snitun_frame ping = side_only(&side, SNITUN_FLAG_PING);
    side.now_ms += 30;
    side_frame_in(&side, SNITUN_FLAG_PING, ping.id, "pong", SNITUN_PONG);
    assert_int_equal(rtt_ms(&side), 30);
    assert_true(snitun_deadline(side.session) > side.now_ms + SNITUN_PING_AFTER_MS / 2);
    side_stop(&side);
}

static void a_tick_a_little_late_still_ends_a_dead_session(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    assert_int_equal(tick(&side), 0);
    assert_int_equal(tick_at(&side, START + SNITUN_DEAD_AFTER_MS + 3000), SNITUN_E_DEAD);
    side_stop(&side);
}

/* ---- Options ---- */

static void options_set_the_times(void **state)
{
    (void)state;
    struct side side = {.options = {.ping_after_ms = 1000, .dead_after_ms = 3000}};
    start_established(&side, SNITUN_CLIENT);
    assert_in_range(snitun_deadline(side.session), START + 900, START + 1000);
    assert_int_equal(tick(&side), 0);
    assert_int_equal(snitun_deadline(side.session), START + 3000);
    side_stop(&side);
}

static void a_ping_that_would_come_too_late_comes_halfway(void **state)
{
    (void)state;
    struct side side = {.options = {.ping_after_ms = 5000, .dead_after_ms = 3000}};
    start_established(&side, SNITUN_CLIENT);
    assert_in_range(snitun_deadline(side.session), START + 1350, START + 1500);
    side_stop(&side);
}

/* ---- Handshake ---- */

static void check_handshake_time(enum snitun_role role, uint32_t handshake_ms, uint32_t expected_ms)
{
    struct side side = {.now_ms = START, .options = {.handshake_ms = handshake_ms}};
    side_start(&side, role, SNITUN_AES_CBC, 2);
    snitun_progress(side.session, START + 10);
    assert_int_equal(snitun_deadline(side.session), START + expected_ms);
    uint8_t byte = 0;
    side_feed(&side, &byte, 1, SNITUN_NEED_MORE);
    assert_int_equal(tick_at(&side, START + expected_ms - 1), 0);
    assert_int_equal(tick_at(&side, START + expected_ms), SNITUN_E_HANDSHAKE_TIMEOUT);
    side_stop(&side);
}

static void the_handshake_has_its_time_in_both_roles(void **state)
{
    (void)state;
    check_handshake_time(SNITUN_CLIENT, 0, SNITUN_HANDSHAKE_MS);
    check_handshake_time(SNITUN_SERVER, 0, SNITUN_HANDSHAKE_MS);
    check_handshake_time(SNITUN_SERVER, 2500, 2500);
}

static void after_an_error_the_deadline_is_now(void **state)
{
    (void)state;
    struct side side = {0};
    start_established(&side, SNITUN_CLIENT);
    assert_int_equal(tick(&side), 0);
    assert_int_equal(tick(&side), SNITUN_E_DEAD);
    assert_int_equal(snitun_deadline(side.session), 0);
    assert_int_equal(tick(&side), SNITUN_E_DEAD);
    snitun_ping(side.session);
    assert_false(snitun_wants_to_send(side.session));
    side_stop(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_line_is_pinged_and_then_dead),
        cmocka_unit_test(pings_come_at_different_times),
        cmocka_unit_test(a_byte_is_a_sign_of_life),
        cmocka_unit_test(no_byte_is_no_sign_of_life),
        cmocka_unit_test(progress_is_a_sign_of_life),
        cmocka_unit_test(progress_does_not_put_a_ping_off),
        cmocka_unit_test(one_ping_for_each_silence),
        cmocka_unit_test(a_ping_asked_for_goes_at_once_and_measures),
        cmocka_unit_test(pings_have_ids_of_their_own),
        cmocka_unit_test(a_pong_nobody_asked_for_measures_nothing),
        cmocka_unit_test(a_pong_within_a_millisecond_counts_as_one),
        cmocka_unit_test(a_pong_after_months_is_the_longest_rtt),
        cmocka_unit_test(who_sleeps_for_hours_asks_before_it_gives_up),
        cmocka_unit_test(who_was_stopped_for_seconds_asks_before_it_gives_up),
        cmocka_unit_test(who_sleeps_after_its_ping_asks_again),
        cmocka_unit_test(a_tick_a_little_late_still_ends_a_dead_session),
        cmocka_unit_test(options_set_the_times),
        cmocka_unit_test(a_ping_that_would_come_too_late_comes_halfway),
        cmocka_unit_test(the_handshake_has_its_time_in_both_roles),
        cmocka_unit_test(after_an_error_the_deadline_is_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
