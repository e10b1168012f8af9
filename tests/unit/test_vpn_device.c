/* The device of a VPN: whether there is one, and what routes and addresses it gets. */
#include "vpn_fixture.h"

#include "lib/packet/checksum.h"
#include "roles/vpn/internal.h"

static uint8_t packet[2000];

/* ---- The device ---- */

static void a_device_that_is_taken_away_ends_it(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    sim_device_take_away(ends_device(&ends, 0));
    ends_run_ms(&ends, 1000);
    assert_true(ends.all[0].stopped);
}

static void without_privileges_it_does_not_start(void **state)
{
    (void)state;
    sim_host_set_privileged(ends.all[0].host, false);
    assert_false(ends_start(&ends, 0));
    assert_non_null(strstr(ends.all[0].why, "adit0"));
}

static void a_name_that_is_taken_is_named(void **state)
{
    (void)state;
    sim_host_set_foreign_link(ends.all[0].host, "adit0");
    assert_false(ends_start(&ends, 0));
    assert_non_null(strstr(ends.all[0].why, "adit0"));
}

static void an_address_that_is_in_use_is_named(void **state)
{
    (void)state;
    ends.all[0].config.listen_count = 1;
    ends.all[0].listen.ip = (struct adit_ip){.family = 4, .bytes = {203, 0, 113, 1}};
    assert_false(ends_start(&ends, 0));
    assert_non_null(strstr(ends.all[0].why, "203.0.113.1:2998"));
}

static void routes_of_peers_lead_into_the_device(void **state)
{
    (void)state;
    struct cidr route;
    assert_true(cidr_parse("10.20.0.0/16", &route));
    ends.all[0].allowed[0][1] = route;
    ends.all[0].peers[0].allowed_count = 2;
    assert_true(ends_start(&ends, 0));
    ends_run_ms(&ends, 10);
    assert_true(sim_device_has_route(ends_device(&ends, 0), &route));
    assert_int_equal(sim_device_routes(ends_device(&ends, 0)), 2);
}

static void routes_that_there_was_no_room_for_follow(void **state)
{
    (void)state;
    enum { MANY = IO_DEVICE_WAITING_MAX + 100 };
    struct cidr *many = calloc(MANY, sizeof *many);
    assert_non_null(many);
    for (unsigned i = 0; i < MANY; i++)
        many[i] =
            (struct cidr){.ip = {.family = 4, .bytes = {172, 16, (uint8_t)(i >> 8), (uint8_t)i}},
                          .prefix_len = 32};
    ends.all[0].peers[0].allowed = many;
    ends.all[0].peers[0].allowed_count = MANY;
    bool started = ends_start(&ends, 0);
    free(many);
    assert_true(started);
    for (int s = 0; s < 60 && sim_device_routes(ends_device(&ends, 0)) < MANY; s++)
        ends_run_ms(&ends, 1000);
    assert_int_equal(sim_device_routes(ends_device(&ends, 0)), MANY);
}

static void a_full_tunnel_is_carried_past_itself(void **state)
{
    (void)state;
    ends.all[1].config.block_leaks = true;
    ends.all[1].allowed[0][0] = (struct cidr){.ip = {.family = 4}};
    ends_connect_all(&ends);
    assert_true(sim_device_everything(ends_device(&ends, 1), 4));
    ends_expect_pass(&ends, 1, 0);
}

static void a_full_tunnel_waits_for_the_name_of_its_peer(void **state)
{
    (void)state;
    struct end *end = &ends.all[1];
    const char *address = "192.0.2.1";
    end->allowed[0][0] = (struct cidr){.ip = {.family = 4}};
    snprintf(end->peers[0].host, HOST_TEXT_MAX, "home.example");
    sim_name_set(ends.world, "home.example", &address, 1);
    ends_start_all(&ends);
    struct io_device *device = ends_device(&ends, 1);
    assert_false(sim_device_everything(device, 4));
    assert_true(ends_connected(&ends, 1, 0));
    assert_true(sim_device_everything(device, 4));
    ends_expect_pass(&ends, 1, 0);
}

static void a_full_tunnel_waits_for_no_name_for_ever(void **state)
{
    (void)state;
    struct end *end = &ends.all[1];
    end->allowed[0][0] = (struct cidr){.ip = {.family = 4}};
    snprintf(end->peers[0].host, HOST_TEXT_MAX, "nowhere.example");
    assert_true(ends_start(&ends, 1));
    struct io_device *device = ends_device(&ends, 1);
    assert_false(sim_device_everything(device, 4));
    ends_run_ms(&ends, 10100);
    assert_true(sim_device_everything(device, 4));
}

/* ---- Network configuration ---- */

static int with_network(void **state)
{
    ends_two(state);
    struct vpn_network *network = &ends.all[0].peers[0].network;
    network->addresses[0] =
        (struct io_device_address){.ip = {.family = 4, .bytes = {10, 8, 0, 7}}, .prefix_len = 20};
    network->dns[0] = (struct adit_ip){.family = 4, .bytes = {10, 8, 0, 1}};
    ends.all[1].config.hook_file = "/etc/adit/hook";
    assert_true(cidr_parse("10.8.0.0/16", &ends.all[1].allowed[0][1]));
    ends.all[1].peers[0].allowed_count = 2;
    return 0;
}

static void a_network_is_taken_where_that_is_wanted(void **state)
{
    (void)state;
    struct cidr address = {.ip = {.family = 4, .bytes = {10, 8, 0, 7}}, .prefix_len = 20};
    ends.all[1].peers[0].accept_network = true;
    ends_connect_all(&ends);
    ends_run_ms(&ends, 100);
    assert_true(sim_device_has_address(ends_device(&ends, 1), &address));
    assert_int_equal(sim_host_hooks(ends.all[1].host), 1);
    assert_string_equal(sim_host_hook_argument(ends.all[1].host, 0), "dns");
    assert_string_equal(sim_host_hook_argument(ends.all[1].host, 1), "adit0");
    assert_string_equal(sim_host_hook_argument(ends.all[1].host, 2), "10.8.0.1");
    assert_null(sim_host_hook_argument(ends.all[1].host, 3));
}

/* The peer's answer to everything is another one: three at once. */
static void change_minds(struct io_loop *loop, void *arg)
{
    struct vpn *vpn = arg;
    struct quicktun_network network = {
        .mode = QUICKTUN_IP, .ipv4 = {.address = {10, 8, 0, 8}, .netmask = {255, 255, 240, 0}}};
    (void)loop;
    for (; network.ipv4.address[3] <= 10; network.ipv4.address[3]++)
        vpn_network_heard(vpn->peers[0]->link, &network);
}

static void of_networks_that_change_quickly_the_last_is_taken(void **state)
{
    (void)state;
    struct cidr last = {.ip = {.family = 4, .bytes = {10, 8, 0, 10}}, .prefix_len = 20};
    ends.all[1].peers[0].accept_network = true;
    ends_connect_all(&ends);
    ends_on(&ends, 1, change_minds, ends.all[1].vpn);
    ends_run_ms(&ends, 100);
    struct io_device *device = ends_device(&ends, 1);
    assert_false(sim_device_has_address(device, &last));
    ends_run_ms(&ends, VPN_NETWORK_MS);
    assert_true(sim_device_has_address(device, &last));
    assert_int_equal(sim_device_addresses(device), 2);
}

static void a_network_is_not_taken_else(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    ends_run_ms(&ends, 100);
    assert_int_equal(sim_device_addresses(ends_device(&ends, 1)), 1);
    assert_int_equal(sim_host_hooks(ends.all[1].host), 0);
}

/* The peer names a network that has half of all addresses in it. */
static void a_network_that_leads_elsewhere_is_not_taken_with_its_address(void **state)
{
    (void)state;
    struct cidr told = {.ip = {.family = 4, .bytes = {10, 8, 0, 7}}, .prefix_len = 1};
    struct cidr alone = {.ip = told.ip, .prefix_len = 32};
    ends.all[0].peers[0].network.addresses[0].prefix_len = told.prefix_len;
    ends.all[1].peers[0].accept_network = true;
    ends_connect_all(&ends);
    ends_run_ms(&ends, 100);
    assert_false(sim_device_has_address(ends_device(&ends, 1), &told));
    assert_true(sim_device_has_address(ends_device(&ends, 1), &alone));
}

static void an_address_that_no_machine_can_have_is_not_taken(void **state)
{
    (void)state;
    ends.all[0].peers[0].network.addresses[0].ip.bytes[0] = 224;
    ends.all[0].peers[0].network.dns[0].bytes[0] = 127;
    ends.all[1].peers[0].accept_network = true;
    ends_connect_all(&ends);
    ends_run_ms(&ends, 100);
    assert_int_equal(sim_device_addresses(ends_device(&ends, 1)), 1);
    assert_int_equal(sim_host_hooks(ends.all[1].host), 0);
}

/* ---- The mesh ---- */

static int mesh_of_three(void **state)
{
    ends_three(state);
    static struct cidr accept;
    assert_true(cidr_parse("10.0.0.0/8", &accept));
    static struct cidr own;
    assert_true(cidr_parse("10.77.0.0/16", &own));
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < ends.all[i].config.peer_count; j++) {
            ends.all[i].peers[j].accept_routes = &accept;
            ends.all[i].peers[j].accept_route_count = 1;
        }
    }
    ends.all[2].config.announce = &own;
    ends.all[2].config.announce_count = 1;
    return 0;
}

static void a_route_that_is_learned_leads_into_the_device(void **state)
{
    (void)state;
    struct cidr route;
    assert_true(cidr_parse("10.77.0.0/16", &route));
    ends_connect_all(&ends);
    ends_run_ms(&ends, 500);
    assert_true(sim_device_has_route(ends_device(&ends, 0), &route));
    assert_true(sim_device_has_route(ends_device(&ends, 1), &route));
    assert_int_equal(ends_number(&ends, 1, "peers.0.routes_learned"), 1);
    ends_stop(&ends, 2);
    ends_run_ms(&ends, 500);
    assert_false(sim_device_has_route(ends_device(&ends, 0), &route));
    assert_false(sim_device_has_route(ends_device(&ends, 1), &route));
}

/* From the first end to an address; returns the length. */
static size_t packet_to(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    struct packet parsed;
    size_t len = ends_packet(packet, 1, 2, 100, 'p');
    uint8_t *transport = packet + PACKET_IPV4_LEN;
    memcpy(packet + 16, (uint8_t[]){a, b, c, d}, 4);
    memset(packet + 10, 0, 2);
    memset(transport + 6, 0, 2);
    packet_checksum_ipv4(packet, PACKET_IPV4_LEN);
    assert_true(packet_parse(&parsed, PACKET_IP, packet, len));
    packet_checksum_transport(&parsed, transport, len - PACKET_IPV4_LEN);
    return len;
}

/* The second end has 10.77.0.0/16 by configuration; the third one announces more than that. */
static int mesh_that_overlaps(void **state)
{
    static struct cidr announced[2];
    mesh_of_three(state);
    assert_true(cidr_parse("10.77.0.0/16", &announced[0]));
    assert_true(cidr_parse("10.77.5.0/24", &announced[1]));
    ends.all[0].allowed[0][1] = announced[0];
    ends.all[0].peers[0].allowed_count = 2;
    ends.all[2].config.announce = announced;
    ends.all[2].config.announce_count = 2;
    return 0;
}

static void what_is_learned_stands_in_for_allowed_ips_of_who_is_gone(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    ends_run_ms(&ends, 500);
    size_t len = packet_to(10, 77, 1, 1);
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 1, packet, len);
    ends_expect_nothing(&ends, 2);
    ends_stop(&ends, 1);
    ends_run_ms(&ends, 500);
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 2, packet, len);
}

static void a_part_of_allowed_ips_goes_to_the_peer_it_was_learned_of(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    ends_run_ms(&ends, 500);
    size_t len = packet_to(10, 77, 5, 1);
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 2, packet, len);
    ends_expect_nothing(&ends, 1);
    ends_stop(&ends, 2);
    ends_run_ms(&ends, 500);
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 1, packet, len);
}

static void what_is_not_accepted_takes_nothing_of_allowed_ips(void **state)
{
    (void)state;
    static struct cidr accept;
    assert_true(cidr_parse("10.78.0.0/16", &accept));
    ends.all[0].peers[1].accept_routes = &accept;
    ends_connect_all(&ends);
    ends_run_ms(&ends, 500);
    size_t len = packet_to(10, 77, 5, 1);
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 1, packet, len);
    ends_expect_nothing(&ends, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_device_that_is_taken_away_ends_it, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(without_privileges_it_does_not_start, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_taken_is_named, ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(an_address_that_is_in_use_is_named, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(routes_of_peers_lead_into_the_device, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(routes_that_there_was_no_room_for_follow, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_full_tunnel_is_carried_past_itself, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_full_tunnel_waits_for_the_name_of_its_peer, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_full_tunnel_waits_for_no_name_for_ever, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_network_is_taken_where_that_is_wanted, with_network,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(of_networks_that_change_quickly_the_last_is_taken,
                                        with_network, ends_teardown),
        cmocka_unit_test_setup_teardown(a_network_is_not_taken_else, with_network, ends_teardown),
        cmocka_unit_test_setup_teardown(
            a_network_that_leads_elsewhere_is_not_taken_with_its_address, with_network,
            ends_teardown),
        cmocka_unit_test_setup_teardown(an_address_that_no_machine_can_have_is_not_taken,
                                        with_network, ends_teardown),
        cmocka_unit_test_setup_teardown(a_route_that_is_learned_leads_into_the_device,
                                        mesh_of_three, ends_teardown),
        cmocka_unit_test_setup_teardown(what_is_learned_stands_in_for_allowed_ips_of_who_is_gone,
                                        mesh_that_overlaps, ends_teardown),
        cmocka_unit_test_setup_teardown(a_part_of_allowed_ips_goes_to_the_peer_it_was_learned_of,
                                        mesh_that_overlaps, ends_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_accepted_takes_nothing_of_allowed_ips,
                                        mesh_that_overlaps, ends_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
