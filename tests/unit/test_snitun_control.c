#include "base/ip.h"
#include "tests/unit/snitun_side.h"

#include <string.h>

static struct side_frame frames[SIDE_FRAMES_MAX];

static struct snitun_counters counters(const struct side *side)
{
    struct snitun_counters counters;
    snitun_session_counters(side->session, &counters);
    return counters;
}

static struct snitun_channel *unannounced(struct side *side, const char *caller)
{
    struct adit_ip ip = {0};
    assert_true(!caller || ip_parse(caller, &ip));
    struct snitun_channel *channel = snitun_channel_open(side->session, &ip);
    assert_non_null(channel);
    return channel;
}

/* ---- NEW ---- */

static void check_new(struct side *side)
{
    static const char *const callers[] = {"203.0.113.7", "2001:db8::42", NULL};
    static const uint8_t v4[] = {'4', 203, 0, 113, 7};
    static const uint8_t v6[17] = {'6', 0x20, 1, 0x0d, 0xb8, [16] = 0x42};
    static const uint8_t unknown[] = {'4', 0, 0, 0, 0};
    bool v2 = side->keys.protocol_version >= 2;
    for (size_t i = 0; i < 3; i++) {
        struct snitun_channel *channel = unannounced(side, callers[i]);
        assert_int_equal(side_control(side, frames), 1);
        assert_int_equal(frames[0].header.flag, SNITUN_FLAG_NEW);
        assert_memory_equal(frames[0].header.id, channel->id, SNITUN_ID_LEN);
        const uint8_t *said = v2 ? frames[0].payload : frames[0].header.extra;
        assert_int_equal(frames[0].header.size, !v2 ? 0 : i == 1 ? 32 : 16);
        if (i == 1 && v2)
            assert_memory_equal(said, v6, sizeof v6);
        else
            assert_memory_equal(said, i == 0 ? v4 : unknown, sizeof v4);
    }
}

static void a_new_names_the_caller_as_its_version_can(void **state)
{
    (void)state;
    side_each(SNITUN_SERVER, check_new);
}

static void unused_bytes_of_a_new_are_random(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_SERVER);
    unannounced(&side, "203.0.113.7");
    unannounced(&side, "203.0.113.7");
    assert_int_equal(side_control(&side, frames), 2);
    assert_memory_not_equal(frames[0].header.id, frames[1].header.id, SNITUN_ID_LEN);
    assert_memory_not_equal(frames[0].header.extra, frames[1].header.extra, SNITUN_EXTRA_LEN);
    assert_memory_equal(frames[0].payload, frames[1].payload, 5);
    assert_memory_not_equal(frames[0].payload + 5, frames[1].payload + 5, 11);
    side_stop(&side);
}

static void no_data_goes_before_its_new(void **state)
{
    (void)state;
    struct side side = {0};
    size_t limit;
    side_simple(&side, SNITUN_SERVER);
    struct snitun_channel *channel = unannounced(&side, "203.0.113.7");
    snitun_channel_ready(channel);
    assert_null(snitun_turn(side.session, &limit));
    side_only(&side, SNITUN_FLAG_NEW);
    assert_ptr_equal(snitun_turn(side.session, &limit), channel);
    side_stop(&side);
}

static void the_server_opens_no_more_channels_than_it_may(void **state)
{
    (void)state;
    const struct adit_ip caller = {.family = 4};
    struct side side = {.options = {.channels_max = 2}};
    side_simple(&side, SNITUN_SERVER);
    struct snitun_channel *first = side_open(&side, "203.0.113.7");
    side_open(&side, "203.0.113.7");
    assert_null(snitun_channel_open(side.session, &caller));
    snitun_channel_close(first);
    assert_int_equal(snitun_session_channels(side.session), 1);
    assert_null(snitun_channel_open(side.session, &caller)); /* its CLOSE still waits */
    side_only(&side, SNITUN_FLAG_CLOSE);
    side_open(&side, "203.0.113.7");
    side_stop(&side);
}

static void no_channel_opens_without_randomness(void **state)
{
    (void)state;
    const struct adit_ip caller = {.family = 4};
    struct side side = {0};
    side_simple(&side, SNITUN_SERVER);
    side.random_fails = true;
    assert_null(snitun_channel_open(side.session, &caller));
    assert_int_equal(snitun_session_error(side.session), SNITUN_OK);
    side_stop(&side);
}

/* ---- CLOSE ---- */

static void check_closing(struct side *side)
{
    struct snitun_channel *channel = side_opened(side, 1);
    snitun_channel_close(channel);
    assert_int_equal(snitun_session_channels(side->session), 0);
    struct snitun_frame frame = side_only(side, SNITUN_FLAG_CLOSE);
    assert_memory_equal(frame.id, side_id(1), SNITUN_ID_LEN);
    /* The other side's crosses ours: nothing to close any more. */
    side_frame_in(side, SNITUN_FLAG_CLOSE, side_id(1), NULL, SNITUN_NEED_MORE);
    side_silent(side);
}

static void closing_a_channel_sends_one_close(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_closing);
}

static void a_channel_closed_before_its_new_leaves_no_trace(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_SERVER);
    snitun_channel_close(unannounced(&side, "203.0.113.7"));
    assert_int_equal(snitun_session_channels(side.session), 0);
    side_silent(&side);
    side_stop(&side);
}

static void nothing_of_a_channel_follows_its_close(void **state)
{
    (void)state;
    struct side side = {0};
    size_t limit;
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channel = side_opened(&side, 1);
    snitun_channel_ready(channel);
    assert_true(snitun_channel_backlog(channel, SNITUN_PAUSE_AT));
    snitun_channel_close(channel);
    assert_null(snitun_turn(side.session, &limit));
    side_only(&side, SNITUN_FLAG_CLOSE);
    side_silent(&side);
    side_stop(&side);
}

static void a_channel_the_other_side_closed_sends_nothing(void **state)
{
    (void)state;
    struct side side = {0};
    size_t limit;
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channel = side_opened(&side, 1);
    assert_true(snitun_channel_backlog(channel, SNITUN_PAUSE_AT));
    snitun_channel_ready(channel);
    side_frame_in(&side, SNITUN_FLAG_CLOSE, side_id(1), NULL, SNITUN_CLOSED);
    assert_false(snitun_wants_to_send(side.session));
    snitun_channel_ready(channel);
    assert_true(snitun_channel_backlog(channel, 0));
    assert_false(snitun_channel_backlog(channel, SNITUN_BACKLOG_MAX + 1));
    assert_null(snitun_turn(side.session, &limit));
    side_silent(&side);
    snitun_channel_idle(channel);
    side_stop(&side); /* frees it */
}

/* ---- PAUSE and RESUME ---- */

static void check_flow(struct side *side)
{
    struct snitun_channel *channel = side_opened(side, 1);
    assert_true(snitun_channel_backlog(channel, SNITUN_PAUSE_AT - 1));
    side_silent(side);
    assert_true(snitun_channel_backlog(channel, SNITUN_PAUSE_AT));
    if (side->keys.protocol_version == 0) {
        side_silent(side);
        return;
    }
    assert_memory_equal(side_only(side, SNITUN_FLAG_PAUSE).id, side_id(1), SNITUN_ID_LEN);
    assert_true(snitun_channel_backlog(channel, 2 * SNITUN_PAUSE_AT));
    assert_true(snitun_channel_backlog(channel, SNITUN_RESUME_AT + 1));
    side_silent(side);
    assert_true(snitun_channel_backlog(channel, SNITUN_RESUME_AT));
    assert_memory_equal(side_only(side, SNITUN_FLAG_RESUME).id, side_id(1), SNITUN_ID_LEN);
    assert_true(snitun_channel_backlog(channel, 0));
    side_silent(side);
}

static void a_backlog_pauses_and_resumes_once_each(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_flow);
}

static void a_pause_not_sent_yet_is_taken_back(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channel = side_opened(&side, 1);
    assert_true(snitun_channel_backlog(channel, SNITUN_PAUSE_AT));
    assert_true(snitun_wants_to_send(side.session));
    assert_true(snitun_channel_backlog(channel, 0));
    assert_false(snitun_wants_to_send(side.session));
    side_silent(&side);
    assert_true(snitun_channel_backlog(channel, SNITUN_PAUSE_AT));
    side_only(&side, SNITUN_FLAG_PAUSE);
    assert_true(snitun_channel_backlog(channel, 0));
    assert_true(snitun_channel_backlog(channel, SNITUN_PAUSE_AT));
    side_silent(&side);
    side_stop(&side);
}

static void a_backlog_past_the_cap_asks_for_the_end(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channel = side_opened(&side, 1);
    assert_true(snitun_channel_backlog(channel, SNITUN_BACKLOG_MAX));
    assert_false(snitun_channel_backlog(channel, SNITUN_BACKLOG_MAX + 1));
    side_stop(&side);
}

static void a_pause_stops_the_channel_until_a_resume(void **state)
{
    (void)state;
    struct side side = {0};
    size_t limit;
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channel = side_opened(&side, 1);
    snitun_channel_ready(channel);
    for (int i = 0; i < 2; i++) {
        side_frame_in(&side, SNITUN_FLAG_PAUSE, side_id(1), NULL, SNITUN_NEED_MORE);
        assert_true(snitun_channel_paused(channel));
        assert_null(snitun_turn(side.session, &limit));
        assert_false(snitun_wants_to_send(side.session));
    }
    for (int i = 0; i < 2; i++) {
        side_frame_in(&side, SNITUN_FLAG_RESUME, side_id(1), NULL, SNITUN_NEED_MORE);
        assert_false(snitun_channel_paused(channel));
        assert_ptr_equal(snitun_turn(side.session, &limit), channel);
        assert_true(snitun_wants_to_send(side.session));
    }
    side_stop(&side);
}

/* ---- Pings ---- */

static void check_pongs(struct side *side)
{
    side_frame_in(side, SNITUN_FLAG_PING, side_id(1), "ping", SNITUN_NEED_MORE);
    side_frame_in(side, SNITUN_FLAG_PING_SEED, side_id(2), "ping", SNITUN_NEED_MORE);
    assert_true(snitun_wants_to_send(side->session));
    assert_int_equal(side_control(side, frames), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(frames[i].header.flag, SNITUN_FLAG_PING);
        assert_memory_equal(frames[i].header.extra, "pong", 4);
        assert_memory_equal(frames[i].header.id, side_id(1 + i), SNITUN_ID_LEN);
    }
    assert_false(snitun_wants_to_send(side->session));
}

static void pings_of_both_flags_are_answered_in_order(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_pongs);
    side_each(SNITUN_SERVER, check_pongs);
}

static void pings_past_the_ring_are_dropped_and_counted(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < SNITUN_PONGS_MAX + 5; i++)
            side_frame_in(&side, SNITUN_FLAG_PING, side_id(i), "ping", SNITUN_NEED_MORE);
        assert_int_equal(counters(&side).pings_dropped, 5 * (round + 1));
        assert_int_equal(side_control(&side, frames), SNITUN_PONGS_MAX);
        for (unsigned i = 0; i < SNITUN_PONGS_MAX; i++)
            assert_memory_equal(frames[i].header.id, side_id(i), SNITUN_ID_LEN);
    }
    side_stop(&side);
}

/* The ring goes round: answers leave while others come. */
static void pongs_keep_their_order_over_many_rounds(void **state)
{
    (void)state;
    struct side side = {0};
    uint8_t wire[SNITUN_HEADER_MAX];
    unsigned answered = 0;
    side_simple(&side, SNITUN_CLIENT);
    for (unsigned i = 0; i < 100; i++) {
        side_frame_in(&side, SNITUN_FLAG_PING, side_id(i), "ping", SNITUN_NEED_MORE);
        if (i >= 10) {
            assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), sizeof wire);
            assert_memory_equal(side_read(&side, wire).id, side_id(answered++), SNITUN_ID_LEN);
        }
    }
    assert_int_equal(counters(&side).pings_dropped, 0);
    side_stop(&side);
}

/* ---- Refused channels ---- */

static void a_channel_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct side side = {.options = {.channels_max = 2}};
    uint8_t wire[SNITUN_CONTROL_MAX];
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *first = side_opened(&side, 1);
    side_opened(&side, 2);
    side_feed(&side, wire, side_new(&side, side_id(3), "203.0.113.7", wire), SNITUN_NEED_MORE);
    assert_memory_equal(side_only(&side, SNITUN_FLAG_CLOSE).id, side_id(3), SNITUN_ID_LEN);
    assert_int_equal(counters(&side).channels_refused, 1);
    snitun_channel_close(first);
    side_only(&side, SNITUN_FLAG_CLOSE);
    side_opened(&side, 4);
    side_stop(&side);
}

static void refusals_past_the_ring_get_no_close(void **state)
{
    (void)state;
    struct side side = {.options = {.channels_max = 1}};
    side_start(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 1);
    side_establish(&side);
    side_opened(&side, 0);
    for (unsigned i = 1; i <= 2 * SNITUN_REFUSALS_MAX; i++)
        side_frame_in(&side, SNITUN_FLAG_NEW, side_id(i), "4abcd", SNITUN_NEED_MORE);
    assert_int_equal(side_control(&side, frames), SNITUN_REFUSALS_MAX);
    assert_int_equal(counters(&side).channels_refused, 2 * SNITUN_REFUSALS_MAX);
    side_stop(&side);
}

/* ---- Order and room ---- */

static void pongs_then_refusals_then_our_ping_then_channels(void **state)
{
    (void)state;
    static const uint8_t flags[] = {SNITUN_FLAG_PING, SNITUN_FLAG_CLOSE, SNITUN_FLAG_PING,
                                    SNITUN_FLAG_PAUSE};
    struct side side = {.options = {.channels_max = 1}};
    uint8_t wire[SNITUN_CONTROL_MAX];
    side_simple(&side, SNITUN_CLIENT);
    assert_true(snitun_channel_backlog(side_opened(&side, 1), SNITUN_PAUSE_AT));
    side_feed(&side, wire, side_new(&side, side_id(3), "203.0.113.7", wire), SNITUN_NEED_MORE);
    snitun_ping(side.session);
    side_frame_in(&side, SNITUN_FLAG_PING, side_id(9), "ping", SNITUN_NEED_MORE);
    assert_int_equal(side_control(&side, frames), 4);
    for (size_t i = 0; i < sizeof flags; i++)
        assert_int_equal(frames[i].header.flag, flags[i]);
    assert_memory_equal(frames[0].header.extra, "pong", 4);
    assert_memory_equal(frames[2].header.extra, "ping", 4);
    side_stop(&side);
}

static void channels_speak_first_come_first_served(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channels[3];
    for (unsigned i = 0; i < 3; i++)
        channels[i] = side_opened(&side, i);
    assert_true(snitun_channel_backlog(channels[2], SNITUN_PAUSE_AT));
    snitun_channel_close(channels[0]);
    assert_true(snitun_channel_backlog(channels[1], SNITUN_PAUSE_AT));
    assert_int_equal(side_control(&side, frames), 3);
    assert_int_equal(frames[0].header.id[2], 2);
    assert_int_equal(frames[1].header.id[2], 0);
    assert_int_equal(frames[2].header.id[2], 1);
    side_stop(&side);
}

/* Frames come whole, as many as fit, and the rest the next time. */
static void check_room(struct side *side)
{
    bool v2 = side->keys.protocol_version >= 2;
    size_t header_len = snitun_header_len(side->session);
    size_t new_len = header_len + (v2 ? header_len : 0); /* an IPv6 caller takes 32 bytes */
    uint8_t wire[3 * SNITUN_CONTROL_MAX];
    assert_true(new_len <= SNITUN_CONTROL_MAX);
    for (int i = 0; i < 3; i++)
        unannounced(side, "2001:db8::1");
    side_frame_in(side, SNITUN_FLAG_PING, side_id(9), "ping", SNITUN_NEED_MORE);
    assert_int_equal(snitun_control(side->session, 0, wire, header_len - 1), 0);
    assert_int_equal(snitun_control(side->session, 0, wire, header_len + new_len - 1), header_len);
    assert_int_equal(side_read(side, wire).flag, SNITUN_FLAG_PING);
    assert_int_equal(snitun_control(side->session, 0, wire, 2 * new_len), 2 * new_len);
    assert_true(snitun_wants_to_send(side->session));
    assert_int_equal(snitun_control(side->session, 0, wire, sizeof wire), new_len);
    assert_false(snitun_wants_to_send(side->session));
}

static void only_whole_frames_are_written(void **state)
{
    (void)state;
    side_each(SNITUN_SERVER, check_room);
}

/* Owed answers of a session that ends do not stay behind. */
static void a_session_may_end_with_everything_pending(void **state)
{
    (void)state;
    struct side side = {.options = {.channels_max = 3}};
    uint8_t wire[SNITUN_CONTROL_MAX];
    side_simple(&side, SNITUN_CLIENT);
    assert_true(snitun_channel_backlog(side_opened(&side, 1), SNITUN_PAUSE_AT));
    snitun_channel_close(side_opened(&side, 2));
    snitun_channel_ready(side_opened(&side, 3));
    side_frame_in(&side, SNITUN_FLAG_CLOSE, side_id(3), NULL, SNITUN_CLOSED);
    side_frame_in(&side, SNITUN_FLAG_PING, side_id(9), "ping", SNITUN_NEED_MORE);
    side_feed(&side, wire, side_new(&side, side_id(4), "203.0.113.7", wire), SNITUN_NEED_MORE);
    snitun_ping(side.session);
    side_stop(&side);
    snitun_session_free(NULL);
    snitun_context_free(NULL);
}

static void sessions_of_a_context_share_their_spare_memory(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    for (int i = 0; i < 3; i++) {
        side_frame_in(&side, SNITUN_FLAG_PING, side_id(1), "ping", SNITUN_NEED_MORE);
        assert_null(side.context->spare);
        side_only(&side, SNITUN_FLAG_PING);
        assert_non_null(side.context->spare);
    }
    side_stop(&side);
}

/* One spare is enough: what a second session gives back is freed. */
static void two_sessions_may_owe_answers_at_once(void **state)
{
    (void)state;
    struct side sides[2] = {0};
    side_simple(&sides[0], SNITUN_CLIENT);
    side_start(&sides[1], SNITUN_CLIENT, SNITUN_AES_CBC, 2);
    snitun_session_free(sides[1].session);
    sides[1].session = snitun_session_new(sides[0].context, SNITUN_CLIENT, &sides[1].keys, NULL, 0);
    side_establish(&sides[1]);
    for (unsigned i = 0; i < 2; i++)
        side_frame_in(&sides[i], SNITUN_FLAG_PING, side_id(i), "ping", SNITUN_NEED_MORE);
    for (unsigned i = 0; i < 2; i++)
        assert_memory_equal(side_only(&sides[i], SNITUN_FLAG_PING).id, side_id(i), SNITUN_ID_LEN);
    side_stop(&sides[1]);
    side_stop(&sides[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_names_the_caller_as_its_version_can),
        cmocka_unit_test(unused_bytes_of_a_new_are_random),
        cmocka_unit_test(no_data_goes_before_its_new),
        cmocka_unit_test(the_server_opens_no_more_channels_than_it_may),
        cmocka_unit_test(no_channel_opens_without_randomness),
        cmocka_unit_test(closing_a_channel_sends_one_close),
        cmocka_unit_test(a_channel_closed_before_its_new_leaves_no_trace),
        cmocka_unit_test(nothing_of_a_channel_follows_its_close),
        cmocka_unit_test(a_channel_the_other_side_closed_sends_nothing),
        cmocka_unit_test(a_backlog_pauses_and_resumes_once_each),
        cmocka_unit_test(a_pause_not_sent_yet_is_taken_back),
        cmocka_unit_test(a_backlog_past_the_cap_asks_for_the_end),
        cmocka_unit_test(a_pause_stops_the_channel_until_a_resume),
        cmocka_unit_test(pings_of_both_flags_are_answered_in_order),
        cmocka_unit_test(pings_past_the_ring_are_dropped_and_counted),
        cmocka_unit_test(pongs_keep_their_order_over_many_rounds),
        cmocka_unit_test(a_channel_over_the_limit_is_refused),
        cmocka_unit_test(refusals_past_the_ring_get_no_close),
        cmocka_unit_test(pongs_then_refusals_then_our_ping_then_channels),
        cmocka_unit_test(channels_speak_first_come_first_served),
        cmocka_unit_test(only_whole_frames_are_written),
        cmocka_unit_test(a_session_may_end_with_everything_pending),
        cmocka_unit_test(two_sessions_may_owe_answers_at_once),
        cmocka_unit_test(sessions_of_a_context_share_their_spare_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
