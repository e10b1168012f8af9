#include "tests/unit/snitun_side.h"

#include <string.h>

enum { SMALL = 50 };

/* The channel whose turn it is sends as much as it may, at most `most` bytes. */
static size_t send_turn(struct side *side, struct snitun_channel *expected, size_t most)
{
    uint8_t header[SNITUN_HEADER_MAX];
    size_t limit = 0;
    struct snitun_channel *channel = snitun_turn(side->session, &limit);
    assert_ptr_equal(channel, expected);
    size_t len = limit < most ? limit : most;
    assert_int_equal(snitun_data(side->session, channel, len, header), 0);
    struct snitun_frame frame = side_read(side, header);
    assert_int_equal(frame.flag, SNITUN_FLAG_DATA);
    assert_int_equal(frame.size, len);
    assert_memory_equal(frame.id, channel->id, SNITUN_ID_LEN);
    return len;
}

/* Bytes that each channel sent in so many turns; `most(n)` caps the frames of the nth. */
static void run(struct side *side, struct snitun_channel **channels, size_t count, unsigned turns,
                size_t (*most)(size_t n), uint64_t *sent)
{
    uint8_t header[SNITUN_HEADER_MAX];
    for (unsigned i = 0; i < turns; i++) {
        size_t limit;
        struct snitun_channel *channel = snitun_turn(side->session, &limit);
        assert_non_null(channel);
        size_t n = 0;
        while (n < count && channels[n] != channel)
            n++;
        assert_true(n < count);
        size_t len = most(n) < limit ? most(n) : limit;
        assert_int_equal(snitun_data(side->session, channel, len, header), 0);
        side_read(side, header);
        sent[n] += len;
    }
}

static void a_channel_alone_may_send_large_frames(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channel = side_opened(&side, 1);
    snitun_channel_ready(channel);
    for (int i = 0; i < 5; i++)
        assert_int_equal(send_turn(&side, channel, SIZE_MAX), SNITUN_FRAME_ALONE);
    struct snitun_counters counters;
    snitun_session_counters(side.session, &counters);
    assert_int_equal(counters.payload_sent, 5 * SNITUN_FRAME_ALONE);
    side_stop(&side);
}

static void channels_take_turns_with_small_frames(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channels[3];
    for (unsigned i = 0; i < 3; i++) {
        channels[i] = side_opened(&side, i);
        snitun_channel_ready(channels[i]);
    }
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(send_turn(&side, channels[i % 3], SIZE_MAX), SNITUN_FRAME_SHARED);
    side_stop(&side);
}

/* The caller knows how fast the line is; the engine keeps it within its bounds. */
static void a_fast_line_gets_larger_frames_by_turns(void **state)
{
    static const struct {
        size_t asked;
        size_t got;
    } cases[] = {{32 * 1024, 32 * 1024}, {SIZE_MAX, SNITUN_FRAME_ALONE}, {0, SNITUN_FRAME_SHARED}};

    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channels[3];
    for (unsigned i = 0; i < 3; i++) {
        channels[i] = side_opened(&side, i);
        snitun_channel_ready(channels[i]);
    }
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        snitun_session_set_frame_shared(side.session, cases[c].asked);
        for (unsigned i = 0; i < 9; i++)
            assert_int_equal(send_turn(&side, channels[i % 3], SIZE_MAX), cases[c].got);
    }
    side_stop(&side);
}

static void a_paused_or_idle_neighbour_does_not_make_frames_small(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channel = side_opened(&side, 1);
    struct snitun_channel *paused = side_opened(&side, 2);
    side_opened(&side, 3); /* idle */
    snitun_channel_ready(channel);
    snitun_channel_ready(paused);
    side_frame_in(&side, SNITUN_FLAG_PAUSE, side_id(2), NULL, SNITUN_NEED_MORE);
    assert_int_equal(send_turn(&side, channel, SIZE_MAX), SNITUN_FRAME_ALONE);
    side_frame_in(&side, SNITUN_FLAG_RESUME, side_id(2), NULL, SNITUN_NEED_MORE);
    assert_int_equal(send_turn(&side, channel, SIZE_MAX), SNITUN_FRAME_SHARED);
    assert_int_equal(send_turn(&side, paused, SIZE_MAX), SNITUN_FRAME_SHARED);
    side_stop(&side);
}

static size_t as_much_as_it_may(size_t n)
{
    (void)n;
    return SIZE_MAX;
}

static size_t only_the_first_is_greedy(size_t n)
{
    return n == 0 ? SIZE_MAX : 1000;
}

static size_t one_byte_at_a_time_from_the_first(size_t n)
{
    return n == 0 ? 1 : SIZE_MAX;
}

static size_t five_sizes(size_t n)
{
    static const size_t sizes[] = {16384, 10000, 4096, 1460, 512};
    return sizes[n % 5];
}

static void ready_channels(struct side *side, struct snitun_channel **channels, unsigned count)
{
    side_simple(side, SNITUN_CLIENT);
    for (unsigned i = 0; i < count; i++) {
        channels[i] = side_opened(side, i);
        snitun_channel_ready(channels[i]);
    }
}

static void all_greedy_channels_send_the_same(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_channel *channels[SMALL];
    uint64_t sent[SMALL] = {0};
    ready_channels(&side, channels, SMALL);
    run(&side, channels, SMALL, SMALL * 100, as_much_as_it_may, sent);
    for (unsigned i = 1; i < SMALL; i++) {
        int64_t difference = (int64_t)(sent[i] - sent[0]);
        assert_in_range(difference + SNITUN_FRAME_SHARED, 0, 2 * SNITUN_FRAME_SHARED);
    }
    side_stop(&side);
}

/*
 * One channel always has more; 50 send frames of 1000 bytes. Bytes are shared, not frames: the
 * greedy one gets a fifty-first part, give or take what headers cost.
 */
static void one_greedy_channel_among_50_small_ones_gets_its_share(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_channel *channels[1 + SMALL];
    uint64_t sent[1 + SMALL] = {0};
    ready_channels(&side, channels, 1 + SMALL);
    run(&side, channels, 1 + SMALL, 100000, only_the_first_is_greedy, sent);
    uint64_t least = sent[1];
    uint64_t most = sent[1];
    for (unsigned i = 2; i <= SMALL; i++) {
        least = sent[i] < least ? sent[i] : least;
        most = sent[i] > most ? sent[i] : most;
    }
    assert_true(most - least <= 2 * SNITUN_FRAME_SHARED);
    assert_in_range(sent[0], least, least + least / 10); /* 60 bytes of header on 1000 */
    side_stop(&side);
}

/* The echo beside a bulk transfer: what a channel waits for is one visit of each other one. */
static void a_channel_that_gets_ready_waits_one_round_at_most(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_channel *channels[1 + SMALL];
    uint8_t header[SNITUN_HEADER_MAX];
    ready_channels(&side, channels, 1 + SMALL);
    for (unsigned round = 0; round < 50; round++) {
        snitun_channel_idle(channels[0]);
        size_t limit;
        for (unsigned i = 0; i < round; i++) {
            struct snitun_channel *channel = snitun_turn(side.session, &limit);
            assert_int_equal(snitun_data(side.session, channel, limit, header), 0);
        }
        snitun_channel_ready(channels[0]);
        size_t waited = 0;
        struct snitun_channel *channel;
        while ((channel = snitun_turn(side.session, &limit)) != channels[0]) {
            assert_int_equal(snitun_data(side.session, channel, limit, header), 0);
            waited += limit;
        }
        assert_true(waited <= (SMALL + 1) * SNITUN_FRAME_SHARED);
        assert_int_equal(snitun_data(side.session, channel, 100, header), 0);
    }
    side_stop(&side);
}

static void frames_of_any_size_share_bytes_evenly(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_channel *channels[5];
    uint64_t sent[5] = {0};
    ready_channels(&side, channels, 5);
    run(&side, channels, 5, 50000, five_sizes, sent);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t wire = sent[i] + sent[i] / five_sizes(i) * 60;
        uint64_t first = sent[0] + sent[0] / five_sizes(0) * 60;
        int64_t difference = (int64_t)(wire - first);
        assert_in_range(difference + 2 * SNITUN_FRAME_SHARED, 0, 4 * SNITUN_FRAME_SHARED);
    }
    side_stop(&side);
}

/* Headers count: who sends byte by byte does not hold the line for 16384 frames a visit. */
static void tiny_frames_pay_for_their_headers(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_channel *channels[2];
    uint64_t sent[2] = {0};
    ready_channels(&side, channels, 2);
    run(&side, channels, 2, 10000, one_byte_at_a_time_from_the_first, sent);
    assert_in_range(sent[1] / 61, sent[0] / 2, sent[0] * 2);
    side_stop(&side);
}

static void an_idle_channel_loses_its_credit_and_keeps_its_debt(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_channel *channels[2];
    uint8_t header[SNITUN_HEADER_MAX];
    size_t limit;
    ready_channels(&side, channels, 2);
    assert_ptr_equal(snitun_turn(side.session, &limit), channels[0]);
    assert_int_equal(snitun_data(side.session, channels[0], 1, header), 0);
    assert_true(channels[0]->deficit > 0);
    snitun_channel_idle(channels[0]);
    assert_int_equal(channels[0]->deficit, 0);
    snitun_channel_ready(channels[0]);
    for (int i = 0; i < 2; i++) {
        struct snitun_channel *channel = snitun_turn(side.session, &limit);
        assert_int_equal(snitun_data(side.session, channel, limit, header), 0);
    }
    assert_true(channels[0]->deficit < 0);
    int32_t debt = channels[0]->deficit;
    snitun_channel_idle(channels[0]);
    assert_int_equal(channels[0]->deficit, debt);
    side_stop(&side);
}

static void a_turn_not_taken_is_offered_again(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_channel *channels[3];
    size_t limit;
    ready_channels(&side, channels, 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(snitun_turn(side.session, &limit), channels[0]);
    snitun_channel_idle(channels[0]);
    assert_null(side.session->schedule.turn);
    assert_ptr_equal(snitun_turn(side.session, &limit), channels[1]);
    snitun_channel_close(channels[1]);
    assert_null(side.session->schedule.turn);
    assert_ptr_equal(snitun_turn(side.session, &limit), channels[2]);
    snitun_channel_idle(channels[2]);
    assert_null(snitun_turn(side.session, &limit));
    side_stop(&side);
}

/* Named while it was alone; its large frame costs it nothing but its place. */
static void a_neighbour_that_gets_ready_after_the_turn_comes_next(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_channel *channels[2];
    uint8_t header[SNITUN_HEADER_MAX];
    size_t limit;
    ready_channels(&side, channels, 2);
    snitun_channel_idle(channels[1]);
    assert_ptr_equal(snitun_turn(side.session, &limit), channels[0]);
    snitun_channel_ready(channels[1]);
    assert_int_equal(snitun_data(side.session, channels[0], limit, header), 0);
    assert_ptr_equal(snitun_turn(side.session, &limit), channels[1]);
    assert_int_equal(limit, SNITUN_FRAME_SHARED);
    side_stop(&side);
}

static void check_data_header(struct side *side)
{
    struct snitun_channel *channel = side_open(side, "203.0.113.7");
    snitun_channel_ready(channel);
    assert_int_equal(send_turn(side, channel, 1), 1);
    assert_int_equal(send_turn(side, channel, 0x1234), 0x1234);
    snitun_channel_idle(channel);
    assert_false(snitun_wants_to_send(side->session));
}

static void data_headers_carry_id_and_size(void **state)
{
    (void)state;
    side_each(SNITUN_SERVER, check_data_header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_alone_may_send_large_frames),
        cmocka_unit_test(channels_take_turns_with_small_frames),
        cmocka_unit_test(a_fast_line_gets_larger_frames_by_turns),
        cmocka_unit_test(a_paused_or_idle_neighbour_does_not_make_frames_small),
        cmocka_unit_test(all_greedy_channels_send_the_same),
        cmocka_unit_test(one_greedy_channel_among_50_small_ones_gets_its_share),
        cmocka_unit_test(a_channel_that_gets_ready_waits_one_round_at_most),
        cmocka_unit_test(frames_of_any_size_share_bytes_evenly),
        cmocka_unit_test(tiny_frames_pay_for_their_headers),
        cmocka_unit_test(an_idle_channel_loses_its_credit_and_keeps_its_debt),
        cmocka_unit_test(a_turn_not_taken_is_offered_again),
        cmocka_unit_test(a_neighbour_that_gets_ready_after_the_turn_comes_next),
        cmocka_unit_test(data_headers_carry_id_and_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
