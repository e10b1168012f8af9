/* The learning switch (roles/vpn/stations.h). */
#include "roles/vpn/stations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { PORTS = 3, OURS = 0, THEIRS = 1, HOSTILE = 2 };

static const uint8_t seed[16] = {9};
static const uint8_t laptop[] = {0x02, 0, 0, 0, 0, 1};
static const uint8_t printer[] = {0x02, 0, 0, 0, 0, 2};

static int make(void **state)
{
    *state = stations_new(PORTS, seed);
    return *state == NULL;
}

static int end(void **state)
{
    stations_free(*state);
    return 0;
}

/* An address that nobody else has. */
static const uint8_t *invented(unsigned number)
{
    static uint8_t mac[STATIONS_MAC_LEN];

    mac[0] = 0x0a;
    mac[3] = (uint8_t)(number >> 16);
    mac[4] = (uint8_t)(number >> 8);
    mac[5] = (uint8_t)number;
    return mac;
}

static void fill(struct stations *stations, unsigned port, uint64_t now_ms)
{
    for (unsigned i = 0; i < STATIONS_MAX; i++)
        assert_int_equal(stations_hear(stations, port, invented(i), now_ms), STATIONS_LEARNED);
}

static void what_was_not_heard_is_flooded(void **state)
{
    assert_int_equal(stations_find(*state, laptop, 0), STATIONS_FLOOD);
}

static void a_station_is_found_where_it_was_heard(void **state)
{
    assert_int_equal(stations_hear(*state, THEIRS, laptop, 1000), STATIONS_LEARNED);
    assert_int_equal(stations_hear(*state, OURS, printer, 1000), STATIONS_LEARNED);
    assert_int_equal(stations_hear(*state, OURS, printer, 1001), STATIONS_KNOWN);
    assert_int_equal(stations_find(*state, laptop, 1001), THEIRS);
    assert_int_equal(stations_find(*state, printer, 1001), OURS);
    assert_int_equal(stations_count(*state, OURS), 1);
}

static void groups_and_broadcast_are_flooded(void **state)
{
    static const uint8_t all[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t group[] = {0x01, 0x00, 0x5e, 0, 0, 1};

    assert_int_equal(stations_find(*state, all, 0), STATIONS_FLOOD);
    assert_int_equal(stations_find(*state, group, 0), STATIONS_FLOOD);
}

static void no_station_has_the_address_of_a_group_or_zeros(void **state)
{
    static const uint8_t group[] = {0x03, 0, 0, 0, 0, 1};
    static const uint8_t zeros[STATIONS_MAC_LEN];

    assert_int_equal(stations_hear(*state, OURS, group, 0), STATIONS_INVALID);
    assert_int_equal(stations_hear(*state, OURS, zeros, 0), STATIONS_INVALID);
    assert_int_equal(stations_count(*state, OURS), 0);
}

static void a_silent_station_is_forgotten(void **state)
{
    stations_hear(*state, OURS, laptop, 1000);
    assert_int_equal(stations_find(*state, laptop, 1000 + STATIONS_AGE_MS - 1), OURS);
    assert_int_equal(stations_find(*state, laptop, 1000 + STATIONS_AGE_MS), STATIONS_FLOOD);
    assert_int_equal(stations_hear(*state, OURS, laptop, 1000 + STATIONS_AGE_MS), STATIONS_LEARNED);
    assert_int_equal(stations_find(*state, laptop, 1000 + STATIONS_AGE_MS), OURS);
    assert_int_equal(stations_count(*state, OURS), 1);
}

static void a_station_that_speaks_stays(void **state)
{
    for (uint64_t now_ms = 0; now_ms < 4 * (uint64_t)STATIONS_AGE_MS; now_ms += 100000)
        stations_hear(*state, OURS, laptop, now_ms);
    assert_int_equal(stations_find(*state, laptop, 4 * (uint64_t)STATIONS_AGE_MS), OURS);
}

static void a_station_moves(void **state)
{
    stations_hear(*state, OURS, laptop, 0);
    assert_int_equal(stations_hear(*state, THEIRS, laptop, 1), STATIONS_MOVED);
    assert_int_equal(stations_find(*state, laptop, 1), THEIRS);
    assert_int_equal(stations_count(*state, OURS), 0);
    assert_int_equal(stations_count(*state, THEIRS), 1);
    stations_forget(*state, OURS);
    assert_int_equal(stations_find(*state, laptop, 1), THEIRS);
}

static void a_peer_that_is_gone_is_forgotten(void **state)
{
    stations_hear(*state, OURS, laptop, 0);
    stations_hear(*state, THEIRS, printer, 0);
    stations_forget(*state, OURS);
    assert_int_equal(stations_find(*state, laptop, 0), STATIONS_FLOOD);
    assert_int_equal(stations_find(*state, printer, 0), THEIRS);
}

static void a_port_holds_so_many_and_no_more(void **state)
{
    fill(*state, HOSTILE, 0);
    assert_int_equal(stations_hear(*state, HOSTILE, invented(STATIONS_MAX), 1), STATIONS_FULL);
    assert_int_equal(stations_find(*state, invented(STATIONS_MAX), 1), STATIONS_FLOOD);
    assert_int_equal(stations_find(*state, invented(0), 1), HOSTILE);
    assert_int_equal(stations_count(*state, HOSTILE), STATIONS_MAX);
}

static void inventing_addresses_costs_nobody_else_a_station(void **state)
{
    stations_hear(*state, OURS, laptop, 0);
    stations_hear(*state, THEIRS, printer, 0);
    for (unsigned i = 0; i < 100000; i++)
        stations_hear(*state, HOSTILE, invented(i), 1);
    assert_int_equal(stations_find(*state, laptop, 1), OURS);
    assert_int_equal(stations_find(*state, printer, 1), THEIRS);
    assert_int_equal(stations_count(*state, HOSTILE), STATIONS_MAX);
    assert_int_equal(stations_hear(*state, OURS, invented(0x100000), 1), STATIONS_LEARNED);
}

static void a_full_port_takes_no_station_of_another(void **state)
{
    fill(*state, HOSTILE, 0);
    stations_hear(*state, OURS, laptop, 0);
    assert_int_equal(stations_hear(*state, HOSTILE, laptop, 1), STATIONS_FULL);
    assert_int_equal(stations_find(*state, laptop, 1), OURS);
}

static void silent_stations_make_room_for_new_ones(void **state)
{
    fill(*state, OURS, 0);
    stations_hear(*state, OURS, invented(5), 1000);
    assert_int_equal(stations_hear(*state, OURS, laptop, STATIONS_AGE_MS), STATIONS_LEARNED);
    assert_int_equal(stations_count(*state, OURS), 2);
    assert_int_equal(stations_find(*state, invented(5), STATIONS_AGE_MS), OURS);
    assert_int_equal(stations_find(*state, invented(6), STATIONS_AGE_MS), STATIONS_FLOOD);
}

static void a_silent_station_of_another_port_is_new_here(void **state)
{
    stations_hear(*state, OURS, laptop, 0);
    assert_int_equal(stations_hear(*state, THEIRS, laptop, STATIONS_AGE_MS), STATIONS_LEARNED);
    assert_int_equal(stations_find(*state, laptop, STATIONS_AGE_MS), THEIRS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_not_heard_is_flooded, make, end),
        cmocka_unit_test_setup_teardown(a_station_is_found_where_it_was_heard, make, end),
        cmocka_unit_test_setup_teardown(groups_and_broadcast_are_flooded, make, end),
        cmocka_unit_test_setup_teardown(no_station_has_the_address_of_a_group_or_zeros, make, end),
        cmocka_unit_test_setup_teardown(a_silent_station_is_forgotten, make, end),
        cmocka_unit_test_setup_teardown(a_station_that_speaks_stays, make, end),
        cmocka_unit_test_setup_teardown(a_station_moves, make, end),
        cmocka_unit_test_setup_teardown(a_peer_that_is_gone_is_forgotten, make, end),
        cmocka_unit_test_setup_teardown(a_port_holds_so_many_and_no_more, make, end),
        cmocka_unit_test_setup_teardown(inventing_addresses_costs_nobody_else_a_station, make, end),
        cmocka_unit_test_setup_teardown(a_full_port_takes_no_station_of_another, make, end),
        cmocka_unit_test_setup_teardown(silent_stations_make_room_for_new_ones, make, end),
        cmocka_unit_test_setup_teardown(a_silent_station_of_another_port_is_new_here, make, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
