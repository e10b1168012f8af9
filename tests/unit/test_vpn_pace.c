/* When the queue of a peer is full. */
#include "roles/vpn/pace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { BYTES_MAX = 1000, AGE_MAX_MS = 50 };

static bool full(struct vpn_pace *pace, size_t queued, uint64_t now_ms)
{
    return vpn_pace_full(pace, queued, BYTES_MAX, AGE_MAX_MS, now_ms);
}

static void so_many_bytes_are_full(void **state)
{
    (void)state;
    struct vpn_pace pace = {0};
    vpn_pace_sent(&pace, 1000, 100);
    assert_false(full(&pace, 999, 100));
    assert_true(full(&pace, 1000, 100));
    assert_false(full(&pace, 10, 101));
}

static void what_waits_too_long_is_full(void **state)
{
    (void)state;
    struct vpn_pace pace = {0};
    vpn_pace_sent(&pace, 100, 1000);
    vpn_pace_sent(&pace, 100, 1030);
    assert_false(full(&pace, 200, 1049));
    assert_false(full(&pace, 200, 1050));
    assert_true(full(&pace, 200, 1051));
    assert_false(full(&pace, 100, 1051)); /* the first hundred have gone */
    assert_false(full(&pace, 100, 1079));
    assert_false(full(&pace, 100, 1080));
    assert_true(full(&pace, 1, 1081));
    assert_false(full(&pace, 0, 1082));
}

static void who_slept_is_not_late_before_the_stream_had_its_turn(void **state)
{
    (void)state;
    struct vpn_pace pace = {0};
    vpn_pace_sent(&pace, 100, 1000);
    assert_false(full(&pace, 100, 1001));
    assert_false(full(&pace, 100, 5000));
    assert_false(full(&pace, 100, 5000));
    assert_false(full(&pace, 0, 5001));
    vpn_pace_sent(&pace, 100, 5001);
    assert_false(full(&pace, 100, 5051));
}

static void more_times_than_are_kept_make_it_late_sooner(void **state)
{
    (void)state;
    struct vpn_pace pace = {0};
    for (unsigned i = 0; i < 10 * VPN_PACE_MARKS; i++)
        vpn_pace_sent(&pace, 1, 1000 + i);
    /* The newest mark stands for all that came after its time. */
    assert_false(full(&pace, 1, 1000 + 10 * VPN_PACE_MARKS));
    assert_true(full(&pace, 1, 1001 + 10 * VPN_PACE_MARKS));
    assert_false(full(&pace, 0, 1002 + 10 * VPN_PACE_MARKS));
    vpn_pace_sent(&pace, 1, 2000);
    assert_false(full(&pace, 1, 2049));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_bytes_are_full),
        cmocka_unit_test(what_waits_too_long_is_full),
        cmocka_unit_test(who_slept_is_not_late_before_the_stream_had_its_turn),
        cmocka_unit_test(more_times_than_are_kept_make_it_late_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
