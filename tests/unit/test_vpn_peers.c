/* Peers of a VPN: who is let in, what replaces what, what a reload and an end do. */
#include "vpn_ends.h"

#include "lib/packet/checksum.h"
#include "roles/vpn/internal.h"

static struct ends ends;
static uint8_t packet[2000];

static int teardown(void **state)
{
    (void)state;
    ends_close(&ends);
    return 0;
}

static int two(void **state)
{
    (void)state;
    ends_open(&ends, 2);
    return 0;
}

static int three(void **state)
{
    (void)state;
    ends_open(&ends, 3);
    return 0;
}

static void connect_all(void)
{
    ends_start_all(&ends);
    for (size_t i = 1; i < ends.count; i++)
        assert_true(ends_connected(&ends, 0, i));
}

static void assert_packets_pass(size_t from, size_t to)
{
    size_t len = ends_packet(packet, (unsigned)from + 1, (unsigned)to + 1, 100, 'p');
    ends_send(&ends, from, packet, len);
    ends_expect(&ends, to, packet, len);
}

/* ---- A connection without a VPN behind it ---- */

enum { CALLS_MAX = 40 };

struct call {
    struct io_stream *stream;
    bool connected;
    bool over;
};

static struct call calls[CALLS_MAX];
static const uint8_t *greeting;
static size_t greeting_len;

static void call_connected(void *arg)
{
    struct call *call = arg;
    call->connected = true;
    if (greeting_len > 0)
        (void)io_send(call->stream, greeting, greeting_len);
}

static void call_readable(void *arg)
{
    struct call *call = arg;
    uint8_t bytes[512];
    ssize_t got;
    while ((got = io_read(call->stream, bytes, sizeof bytes)) > 0)
        ;
    call->over = call->over || got != IO_AGAIN;
}

static void call_sent(void *arg)
{
    (void)arg;
}

static void call_failed(void *arg, int error)
{
    (void)error;
    ((struct call *)arg)->over = true;
}

static const struct io_stream_handler call_handler = {.connected = call_connected,
                                                      .readable = call_readable,
                                                      .sent = call_sent,
                                                      .failed = call_failed};

static uint8_t callee = 1; /* 192.0.2.1 */

static void open_calls(struct io_loop *loop, void *arg)
{
    struct addr to = {.ip = {.family = 4, .bytes = {192, 0, 2, callee}}, .port = END_PORT};
    for (size_t i = 0; i < *(size_t *)arg; i++) {
        int error;
        calls[i] = (struct call){0};
        calls[i].stream = io_connect(loop, &to, &call_handler, &calls[i], &error);
        assert_non_null(calls[i].stream);
    }
}

static void close_calls(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (calls[i].stream != NULL)
            io_abort(calls[i].stream);
        calls[i] = (struct call){0};
    }
}

/* From the second host, which must run no VPN. */
static void call_many(size_t count, const uint8_t *hello, size_t hello_len)
{
    greeting = hello;
    greeting_len = hello_len;
    ends_on(&ends, 1, open_calls, &count);
    ends_run_ms(&ends, 500);
}

static size_t calls_over(size_t count)
{
    size_t over = 0;
    for (size_t i = 0; i < count; i++)
        over += calls[i].over;
    return over;
}

static int hang_up(void **state)
{
    callee = 1;
    ends_on(&ends, 1, close_calls, NULL);
    return teardown(state);
}

static void who_says_nothing_is_closed_after_ten_seconds(void **state)
{
    (void)state;
    assert_true(ends_start(&ends, 0));
    call_many(1, NULL, 0);
    assert_true(calls[0].connected);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 1);
    ends_run_ms(&ends, 9000);
    assert_false(calls[0].over);
    ends_run_ms(&ends, 1000);
    assert_true(calls[0].over);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 0);
    assert_int_equal(ends_number(&ends, 0, "counters.refused"), 1);
}

static void who_talks_nonsense_is_closed_at_once(void **state)
{
    (void)state;
    static const uint8_t nonsense[] = "\x80\x08\x51GET / HTTP/1.1\r\n\r\n";
    assert_true(ends_start(&ends, 0));
    call_many(1, nonsense, sizeof nonsense);
    assert_true(calls[0].over);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 0);
}

static void an_address_holds_so_many_unproven_connections(void **state)
{
    (void)state;
    assert_true(ends_start(&ends, 0));
    call_many(20, NULL, 0);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 16);
    assert_int_equal(calls_over(20), 4);
}

static void all_together_hold_so_many(void **state)
{
    (void)state;
    ends.all[0].config.limits.early_per_address = 100;
    ends.all[0].config.limits.early_max = 30;
    assert_true(ends_start(&ends, 0));
    call_many(40, NULL, 0);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 30);
    assert_int_equal(calls_over(40), 10);
    ends_run_ms(&ends, 11000);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 0);
}

static void who_holds_all_places_keeps_no_peer_out(void **state)
{
    (void)state;
    ends.all[0].config.limits.early_per_address = 100;
    ends.all[0].config.limits.early_max = 30;
    assert_true(ends_start(&ends, 0));
    call_many(30, NULL, 0);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 30);
    assert_true(ends_start(&ends, 2));
    ends_run_ms(&ends, 1000);
    assert_true(ends_text_is(&ends, 0, "peers.1.state", "connected"));
    assert_int_equal(calls_over(30), 1);
    assert_true(calls[0].over);
    assert_int_equal(ends_number(&ends, 0, "counters.early"), 29);
}

static void who_floods_holds_no_peer_up(void **state)
{
    (void)state;
    static uint8_t echoes[60000];
    for (size_t i = 0; i + 3 <= sizeof echoes; i += 3) {
        echoes[i] = 0x80;
        echoes[i + 1] = 1;
        echoes[i + 2] = 200; /* an unknown command */
    }
    connect_all();
    ends_stop(&ends, 1);
    call_many(3, echoes, sizeof echoes - sizeof echoes % 3);
    assert_packets_pass(0, 2);
    ends_run_ms(&ends, 10000);
    assert_int_equal(calls_over(3), 3);
}

/* ---- Replacing ---- */

static void an_unproven_connection_replaces_nothing(void **state)
{
    (void)state;
    connect_all();
    /* The third host calls as the second did: unproven. */
    size_t count = 3;
    greeting_len = 0;
    ends_stop(&ends, 2);
    ends_on(&ends, 2, open_calls, &count);
    ends_run_ms(&ends, 500);
    assert_packets_pass(1, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
    ends_on(&ends, 2, close_calls, NULL);
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
    connect_all();
    struct end *end = &ends.all[1];
    sim_process_kill(end->process, SIM_KILL_POWER);
    drop(end->loop, end);
    ends_run_ms(&ends, 1000);
    sim_process_end(end->process);
    end->process = sim_host_start(end->host, start_again, end);
    ends_run_ms(&ends, 10);
    assert_true(ends_start(&ends, 1));
    ends_run_ms(&ends, 4000);
    assert_packets_pass(1, 0);
    assert_packets_pass(0, 1);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 2);
}

static void a_connection_that_is_cut_is_made_anew(void **state)
{
    (void)state;
    connect_all();
    struct sim_conn *conn = sim_conn_pick(ends.world, ends.all[0].host, ends.all[1].host);
    assert_non_null(conn);
    sim_conn_cut(conn, SIM_CUT_RESET_BOTH);
    ends_run_ms(&ends, 100);
    assert_true(ends_connected(&ends, 0, 1));
    assert_packets_pass(0, 1);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 2);
}

static void a_connection_that_carries_nothing_any_more_is_found_dead(void **state)
{
    (void)state;
    connect_all();
    struct sim_conn *conn = sim_conn_pick(ends.world, ends.all[0].host, ends.all[1].host);
    sim_conn_cut(conn, SIM_CUT_FORGET);
    ends_run_ms(&ends, 25000);
    assert_true(ends_connected(&ends, 0, 1));
    assert_packets_pass(0, 1);
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
    connect_all();
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
    connect_all();
    assert_packets_pass(0, 1);
    ends_run_ms(&ends, 1000);
    assert_in_range(ends_number(&ends, 0, "peers.0.line_rtt_us"), 20000, 21000);
}

static void two_that_dial_each_other_keep_one_connection(void **state)
{
    (void)state;
    ends.all[1].config.listen_count = 1;
    snprintf(ends.all[0].peers[0].host, HOST_TEXT_MAX, "192.0.2.2");
    ends.all[0].peers[0].port = END_PORT;
    connect_all();
    ends_run_ms(&ends, 30000);
    assert_packets_pass(0, 1);
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
    callee = 3;
    for (int i = 0; i < 30; i++) {
        call_many(1, start, sizeof start);
        assert_true(calls[0].connected);
        ends_on(&ends, 1, close_calls, NULL);
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
    connect_all();
    assert_packets_pass(0, 1);
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
    connect_all();
    assert_packets_pass(1, 0);
    assert_packets_pass(2, 0);
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
    connect_all();
    assert_packets_pass(2, 0);
    assert_packets_pass(0, 1);
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

/* ---- Reload ---- */

static char why[256];
static int result;

static void reload(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct end *end = arg;
    result = vpn_reload(end->vpn, &end->config, why, sizeof why);
}

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
    assert_packets_pass(2, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
}

static void a_peer_that_is_removed_takes_its_routes_along(void **state)
{
    (void)state;
    struct cidr route;
    assert_true(cidr_parse("10.9.0.3", &route));
    connect_all();
    assert_true(sim_device_has_route(ends_device(&ends, 0), &route));
    ends.all[0].config.peer_count = 1;
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, 0);
    ends_run_ms(&ends, 1000);
    assert_false(sim_device_has_route(ends_device(&ends, 0), &route));
    assert_int_equal(ends_number(&ends, 2, "peers.0.packets_received"), 0);
    assert_false(ends_text_is(&ends, 2, "peers.0.state", "connected"));
    assert_packets_pass(1, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
}

static void a_peer_that_is_changed_connects_anew(void **state)
{
    (void)state;
    connect_all();
    ends.all[0].peers[1].options.pad_to = 64;
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, 0);
    assert_true(ends_connected(&ends, 0, 2));
    assert_packets_pass(2, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
}

static void what_cannot_change_is_named_and_nothing_changes(void **state)
{
    (void)state;
    connect_all();
    ends.all[0].config.mtu = 1300;
    ends.all[0].config.peer_count = 0;
    ends_on(&ends, 0, reload, &ends.all[0]);
    assert_int_equal(result, -1);
    assert_string_equal(why, "the device cannot change without a restart");
    assert_packets_pass(1, 0);
}

/* ---- The device ---- */

static void a_device_that_is_taken_away_ends_it(void **state)
{
    (void)state;
    connect_all();
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
    connect_all();
    assert_true(sim_device_everything(ends_device(&ends, 1), 4));
    assert_packets_pass(1, 0);
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
    assert_packets_pass(1, 0);
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
    two(state);
    struct vpn_network *network = &ends.all[0].peers[0].network;
    network->addresses[0] =
        (struct io_device_address){.ip = {.family = 4, .bytes = {10, 8, 0, 7}}, .prefix_len = 20};
    network->dns[0] = (struct adit_ip){.family = 4, .bytes = {10, 8, 0, 1}};
    ends.all[1].config.hook_file = "/etc/adit/hook";
    return 0;
}

static void a_network_is_taken_where_that_is_wanted(void **state)
{
    (void)state;
    struct cidr address = {.ip = {.family = 4, .bytes = {10, 8, 0, 7}}, .prefix_len = 20};
    ends.all[1].peers[0].accept_network = true;
    connect_all();
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
    connect_all();
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
    connect_all();
    ends_run_ms(&ends, 100);
    assert_int_equal(sim_device_addresses(ends_device(&ends, 1)), 1);
    assert_int_equal(sim_host_hooks(ends.all[1].host), 0);
}

static void an_address_that_no_machine_can_have_is_not_taken(void **state)
{
    (void)state;
    ends.all[0].peers[0].network.addresses[0].ip.bytes[0] = 224;
    ends.all[0].peers[0].network.dns[0].bytes[0] = 127;
    ends.all[1].peers[0].accept_network = true;
    connect_all();
    ends_run_ms(&ends, 100);
    assert_int_equal(sim_device_addresses(ends_device(&ends, 1)), 1);
    assert_int_equal(sim_host_hooks(ends.all[1].host), 0);
}

/* ---- The mesh ---- */

static int mesh_of_three(void **state)
{
    three(state);
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
    connect_all();
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
    connect_all();
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
    connect_all();
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
    connect_all();
    ends_run_ms(&ends, 500);
    size_t len = packet_to(10, 77, 5, 1);
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 1, packet, len);
    ends_expect_nothing(&ends, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_says_nothing_is_closed_after_ten_seconds, two, hang_up),
        cmocka_unit_test_setup_teardown(who_talks_nonsense_is_closed_at_once, two, hang_up),
        cmocka_unit_test_setup_teardown(an_address_holds_so_many_unproven_connections, two,
                                        hang_up),
        cmocka_unit_test_setup_teardown(all_together_hold_so_many, two, hang_up),
        cmocka_unit_test_setup_teardown(who_holds_all_places_keeps_no_peer_out, three, hang_up),
        cmocka_unit_test_setup_teardown(who_floods_holds_no_peer_up, three, hang_up),
        cmocka_unit_test_setup_teardown(an_unproven_connection_replaces_nothing, three, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_restarts_without_a_word_is_back_at_once, two,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_connection_that_is_cut_is_made_anew, two, teardown),
        cmocka_unit_test_setup_teardown(a_connection_that_carries_nothing_any_more_is_found_dead,
                                        two, teardown),
        cmocka_unit_test_setup_teardown(
            a_peer_that_hangs_is_given_up_though_its_machine_acknowledges, two, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_hangs_far_away_is_given_up_a_round_trip_later,
                                        two, teardown),
        cmocka_unit_test_setup_teardown(the_round_trip_of_the_line_is_told_in_microseconds, two,
                                        teardown),
        cmocka_unit_test_setup_teardown(two_that_dial_each_other_keep_one_connection, two,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_claims_a_key_does_not_delay_its_owner, three, hang_up),
        cmocka_unit_test_setup_teardown(a_key_that_is_not_configured_is_refused, two, teardown),
        cmocka_unit_test_setup_teardown(a_password_is_asked_for_and_answered, two, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_password_is_refused, two, teardown),
        cmocka_unit_test_setup_teardown(each_peer_has_a_password_of_its_own, three, teardown),
        cmocka_unit_test_setup_teardown(a_stranger_may_be_let_in_by_a_password, three, teardown),
        cmocka_unit_test_setup_teardown(a_stranger_does_not_pass_for_a_known_peer, three, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_is_added_leaves_the_others_alone, three,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_is_removed_takes_its_routes_along, three,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_is_changed_connects_anew, three, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_change_is_named_and_nothing_changes, two,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_device_that_is_taken_away_ends_it, two, teardown),
        cmocka_unit_test_setup_teardown(without_privileges_it_does_not_start, two, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_taken_is_named, two, teardown),
        cmocka_unit_test_setup_teardown(an_address_that_is_in_use_is_named, two, teardown),
        cmocka_unit_test_setup_teardown(routes_of_peers_lead_into_the_device, two, teardown),
        cmocka_unit_test_setup_teardown(routes_that_there_was_no_room_for_follow, two, teardown),
        cmocka_unit_test_setup_teardown(a_full_tunnel_is_carried_past_itself, two, teardown),
        cmocka_unit_test_setup_teardown(a_full_tunnel_waits_for_the_name_of_its_peer, two,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_tunnel_waits_for_no_name_for_ever, two, teardown),
        cmocka_unit_test_setup_teardown(a_network_is_taken_where_that_is_wanted, with_network,
                                        teardown),
        cmocka_unit_test_setup_teardown(of_networks_that_change_quickly_the_last_is_taken,
                                        with_network, teardown),
        cmocka_unit_test_setup_teardown(a_network_is_not_taken_else, with_network, teardown),
        cmocka_unit_test_setup_teardown(an_address_that_no_machine_can_have_is_not_taken,
                                        with_network, teardown),
        cmocka_unit_test_setup_teardown(a_route_that_is_learned_leads_into_the_device,
                                        mesh_of_three, teardown),
        cmocka_unit_test_setup_teardown(what_is_learned_stands_in_for_allowed_ips_of_who_is_gone,
                                        mesh_that_overlaps, teardown),
        cmocka_unit_test_setup_teardown(a_part_of_allowed_ips_goes_to_the_peer_it_was_learned_of,
                                        mesh_that_overlaps, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_accepted_takes_nothing_of_allowed_ips,
                                        mesh_that_overlaps, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
