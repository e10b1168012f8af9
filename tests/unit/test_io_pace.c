/* How much of a stream may wait unsent: it follows the time in which the line takes half of it. */
#include "io/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The kernel is full for so long, so many times. */
static void wait_for_room(struct pace *pace, uint64_t took_ms, int times)
{
    for (uint64_t now_ms = 1000; times > 0; times--) {
        pace_full(pace, now_ms);
        pace_room(pace, now_ms + took_ms);
    }
}

static void starts_with_the_most(void **state)
{
    struct pace pace;
    (void)state;
    pace_start(&pace);
    assert_int_equal(pace.unsent_max, PACE_MOST);
}

static void is_halved_down_to_the_least_on_a_slow_line(void **state)
{
    struct pace pace;
    (void)state;
    pace_start(&pace);
    wait_for_room(&pace, PACE_SLOW_MS + 1, 1);
    assert_int_equal(pace.unsent_max, PACE_MOST / 2);
    wait_for_room(&pace, PACE_SLOW_MS + 1, 20);
    assert_int_equal(pace.unsent_max, PACE_LEAST);
}

static void is_doubled_up_to_the_most_on_a_fast_line(void **state)
{
    struct pace pace;
    (void)state;
    pace_start(&pace);
    wait_for_room(&pace, 1000, 20);
    wait_for_room(&pace, PACE_FAST_MS, 1);
    assert_int_equal(pace.unsent_max, 2 * PACE_LEAST);
    wait_for_room(&pace, 0, 20);
    assert_int_equal(pace.unsent_max, PACE_MOST);
}

static void stays_where_the_line_is_neither(void **state)
{
    struct pace pace;
    (void)state;
    pace_start(&pace);
    wait_for_room(&pace, 1000, 1);
    for (uint64_t took_ms = PACE_FAST_MS + 1; took_ms <= PACE_SLOW_MS; took_ms++)
        wait_for_room(&pace, took_ms, 1);
    assert_int_equal(pace.unsent_max, PACE_MOST / 2);
}

static void counts_from_when_it_was_full_first(void **state)
{
    struct pace pace;
    (void)state;
    pace_start(&pace);
    pace_full(&pace, 10);
    pace_full(&pace, 10 + PACE_SLOW_MS);
    assert_true(pace_room(&pace, 11 + PACE_SLOW_MS));
    assert_int_equal(pace.unsent_max, PACE_MOST / 2);
}

static void says_nothing_of_room_that_was_there(void **state)
{
    struct pace pace;
    (void)state;
    pace_start(&pace);
    pace_full(&pace, 0);
    assert_true(pace_room(&pace, 1000));
    assert_false(pace_room(&pace, 2000));
    assert_int_equal(pace.unsent_max, PACE_MOST / 2);
}

static void stays_away_from_a_stream_without_a_pace(void **state)
{
    struct pace pace = {0};
    (void)state;
    wait_for_room(&pace, 1000, 3);
    wait_for_room(&pace, 0, 3);
    assert_int_equal(pace.unsent_max, 0);
}

static size_t at_once(size_t unsent_max, size_t packet)
{
    struct pace pace;
    pace_start(&pace);
    pace.unsent_max = unsent_max;
    pace_set_packet(&pace, packet);
    return pace_at_once(&pace);
}

static void whole_pieces_are_sent_at_once(void **state)
{
    (void)state;
    assert_int_equal(at_once(PACE_MOST, 1448), 2 * 45 * 1448);
    assert_int_equal(at_once(PACE_MOST, 65483), 2 * 65483);
    assert_int_equal(at_once(PACE_MOST, 32741), 4 * 32741);
    assert_int_equal(at_once(PACE_MOST / 2, 1448), 45 * 1448);
}

static void less_than_a_piece_is_left_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(at_once(PACE_LEAST, 1448), PACE_LEAST);
    assert_int_equal(at_once(65482, 65483), 65482);
    assert_int_equal(at_once(PACE_MOST, 1000000), PACE_MOST);
    assert_int_equal(at_once(PACE_MOST, 0), PACE_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_the_most),
        cmocka_unit_test(is_halved_down_to_the_least_on_a_slow_line),
        cmocka_unit_test(is_doubled_up_to_the_most_on_a_fast_line),
        cmocka_unit_test(stays_where_the_line_is_neither),
        cmocka_unit_test(counts_from_when_it_was_full_first),
        cmocka_unit_test(whole_pieces_are_sent_at_once),
        cmocka_unit_test(less_than_a_piece_is_left_as_it_is),
        cmocka_unit_test(says_nothing_of_room_that_was_there),
        cmocka_unit_test(stays_away_from_a_stream_without_a_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
