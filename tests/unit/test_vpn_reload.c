/* A reload of a VPN: peers that come, go and change, and what is under way meanwhile. */
#include "vpn_calls.h"
#include "vpn_fixture.h"

static struct calls calls;
static char why[256];
static int result;

static void reload(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct end *end = arg;
    result = vpn_reload(end->vpn, &end->config, why, sizeof why);
}

static void stop_and_reload(struct io_loop *loop, void *arg)
{
    struct end *end = arg;
    vpn_stop(end->vpn);
    reload(loop, arg);
}

/* ---- Peers ---- */

static void a_peer_that_is_added_leaves_the_others_alone(void **state)
{
    (void)state;
    ends.all[0].config.peer_count = 1;
    ends_start_all(&ends);
    assert_true(ends_connected(&ends, 0, 1));
    ends.all[0].config.peer_count = 2;
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, 0);
    assert_true(ends_connected(&ends, 0, 2));
    ends_expect_pass(&ends, 2, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
}

static void a_peer_that_is_removed_takes_its_routes_along(void **state)
{
    (void)state;
    struct cidr route;
    assert_true(cidr_parse("10.9.0.3", &route));
    ends_connect_all(&ends);
    assert_true(sim_device_has_route(ends_device(&ends, 0), &route));
    ends.all[0].config.peer_count = 1;
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, 0);
    ends_run_ms(&ends, 1000);
    assert_false(sim_device_has_route(ends_device(&ends, 0), &route));
    assert_int_equal(ends_number(&ends, 2, "peers.0.packets_received"), 0);
    assert_false(ends_text_is(&ends, 2, "peers.0.state", "connected"));
    ends_expect_pass(&ends, 1, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
}

static void a_peer_that_is_changed_connects_anew(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    ends.all[0].peers[1].options.pad_to = 64;
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, 0);
    assert_true(ends_connected(&ends, 0, 2));
    ends_expect_pass(&ends, 2, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
}

static void what_cannot_change_is_named_and_nothing_changes(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    ends.all[0].config.mtu = 1300;
    ends.all[0].config.peer_count = 0;
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, -1);
    assert_string_equal(why, "the device cannot change without a restart");
    ends_expect_pass(&ends, 1, 0);
}

/* ---- A connection that has not said yet whose it is ---- */

static void call_and_reload(struct vpn_peer_config *peer)
{
    calls_open(&calls, &ends, 1, 0, 1);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 1);
    peer->ask_password = "another";
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, 0);
    ends_run_ms(&ends, 500);
    assert_true(calls.all[0].over);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 0);
    calls_close(&calls);
}

/* It would ask for a password that is no more. */
static void who_was_met_by_the_terms_of_the_only_peer_is_closed_with_these(void **state)
{
    (void)state;
    ends.all[0].peers[0].ask_password = "one";
    assert_true(ends_start(&ends, 0));
    call_and_reload(&ends.all[0].peers[0]);
}

static void be_stranger(struct vpn_peer_config *peer)
{
    peer->keyed = false;
    peer->options.weak_unproven_peer = true;
    peer->ask_password = "sesame";
}

static void who_was_met_by_the_terms_for_strangers_is_closed_with_these(void **state)
{
    (void)state;
    be_stranger(&ends.all[0].peers[0]);
    assert_true(ends_start(&ends, 0));
    call_and_reload(&ends.all[0].peers[0]);
}

/* The reload comes between accepting it and its first packet. */
static void who_is_on_the_way_in_gets_the_new_terms(void **state)
{
    (void)state;
    struct end *end = &ends.all[0];
    be_stranger(&end->peers[0]);
    ends.all[1].config.secret = NULL;
    ends.all[1].peers[0].password = "another";
    ends_start_all(&ends);
    for (int i = 0; i < 10000 && ends_number(&ends, 0, "counters.early") == 0; i++)
        ends_run_ms(&ends, 1);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 1);
    end->peers[0].ask_password = "another";
    ends_on(&ends, 0, reload, end);
    assert_int_equal(result, 0);
    assert_true(ends_connected(&ends, 0, 1));
}

static void other_terms_for_strangers_end_no_connection_of_a_known_peer(void **state)
{
    (void)state;
    be_stranger(&ends.all[0].peers[1]);
    assert_true(ends_start(&ends, 0));
    assert_true(ends_start(&ends, 1));
    assert_true(ends_connected(&ends, 0, 1));
    ends.all[0].peers[1].ask_password = "another";
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, 0);
    ends_run_ms(&ends, 1000);
    assert_true(ends_connected(&ends, 0, 1));
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
}

/* ---- Routes and addresses ---- */

static bool is_open(void *arg)
{
    return !sim_device_everything(arg, 4);
}

static void a_full_tunnel_stays_closed_while_its_peer_changes(void **state)
{
    (void)state;
    struct end *end = &ends.all[1];
    end->config.block_leaks = true;
    end->allowed[0][0] = (struct cidr){.ip = {.family = 4}};
    ends_start_all(&ends);
    assert_true(ends_connected(&ends, 1, 0));
    struct io_device *device = ends_device(&ends, 1);
    end->peers[0].options.pad_to = 64;
    ends_on(&ends, 1, reload, end);
    assert_int_equal(result, 0);
    assert_false(sim_run(ends.world, sim_now_us(ends.world) + 5 * END_SECOND_US, is_open, device));
    assert_true(ends_connected(&ends, 1, 0));
    end->config.peer_count = 0;
    ends_on(&ends, 1, reload, end);
    ends_run_ms(&ends, 100);
    assert_false(sim_device_everything(device, 4));
}

/* The other end says what the configuration says already, and then it is no longer believed. */
static void an_address_of_the_configuration_outlives_the_peer_that_says_it_too(void **state)
{
    (void)state;
    struct end *end = &ends.all[1];
    struct cidr own = {.ip = end->address.ip, .prefix_len = end->address.prefix_len};
    ends.all[0].peers[0].network.addresses[0] = end->address;
    end->peers[0].accept_network = true;
    ends_start_all(&ends);
    assert_true(ends_connected(&ends, 1, 0));
    ends_run_ms(&ends, 100);
    end->peers[0].accept_network = false;
    ends_on(&ends, 1, reload, end);
    ends_run_ms(&ends, 100);
    assert_true(sim_device_has_address(ends_device(&ends, 1), &own));
}

static void an_address_of_two_peers_outlives_one_of_them(void **state)
{
    (void)state;
    struct cidr said = {.ip = {.family = 4, .bytes = {10, 8, 0, 7}}, .prefix_len = 32};
    for (size_t i = 1; i < 3; i++) {
        ends.all[i].peers[0].network.addresses[0] =
            (struct io_device_address){.ip = said.ip, .prefix_len = said.prefix_len};
        ends.all[0].peers[i - 1].accept_network = true;
    }
    ends_start_all(&ends);
    assert_true(ends_connected(&ends, 0, 1));
    assert_true(ends_connected(&ends, 0, 2));
    ends_run_ms(&ends, 100);
    ends.all[0].config.peer_count = 1;
    ends_on(&ends, 0, reload, &ends.all[0]);
    ends_run_ms(&ends, 100);
    assert_true(sim_device_has_address(ends_device(&ends, 0), &said));
    ends.all[0].config.peer_count = 0;
    ends_on(&ends, 0, reload, &ends.all[0]);
    ends_run_ms(&ends, 100);
    assert_false(sim_device_has_address(ends_device(&ends, 0), &said));
}

/* ---- The end ---- */

static void what_has_ended_takes_no_reload(void **state)
{
    (void)state;
    ends.all[0].config.peer_count = 1;
    ends_start_all(&ends);
    ends.all[0].config.peer_count = 2;
    ends_on(&ends, 0, stop_and_reload, &ends.all[0]);
    assert_int_equal(result, -1);
    assert_string_equal(why, "it is stopping");
    ends_run_ms(&ends, 100);
    assert_true(ends.all[0].stopped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_peer_that_is_added_leaves_the_others_alone, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_is_removed_takes_its_routes_along, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_is_changed_connects_anew, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_change_is_named_and_nothing_changes, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(
            who_was_met_by_the_terms_of_the_only_peer_is_closed_with_these, ends_two,
            ends_teardown),
        cmocka_unit_test_setup_teardown(who_was_met_by_the_terms_for_strangers_is_closed_with_these,
                                        ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(who_is_on_the_way_in_gets_the_new_terms, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(other_terms_for_strangers_end_no_connection_of_a_known_peer,
                                        ends_three, ends_teardown),
        cmocka_unit_test_setup_teardown(a_full_tunnel_stays_closed_while_its_peer_changes, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(
            an_address_of_the_configuration_outlives_the_peer_that_says_it_too, ends_two,
            ends_teardown),
        cmocka_unit_test_setup_teardown(an_address_of_two_peers_outlives_one_of_them, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(what_has_ended_takes_no_reload, ends_three, ends_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
