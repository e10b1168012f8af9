/*
 * Packet devices of the simulator: what io/device.h promises of them, and what a scenario can do to
 * them.
 */
#include "sim_fixture.h"

enum { SEED = 1 };

static struct io_device *device;

static struct {
    uint8_t bytes[IO_DEVICE_PACKET_MAX];
    struct offload offload;
    ssize_t len;
    size_t read;
    size_t readables;
    size_t refusals;
    struct cidr refused;
    int why_refused;
    int failed;
    int error;
    int answer;
} seen;

static const uint8_t ping[] = {0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2};
static const struct offload whole;

static void readable(void *arg)
{
    (void)arg;
    seen.readables++;
    for (;;) {
        ssize_t len = io_device_read(device, seen.bytes, sizeof seen.bytes, &seen.offload);
        if (len < 0) {
            seen.len = len;
            return;
        }
        seen.read++;
    }
}

static void failed(void *arg, int error)
{
    (void)arg;
    seen.failed = error;
}

static void refused(void *arg, const struct cidr *to, int error)
{
    (void)arg;
    seen.refusals++;
    seen.refused = *to;
    seen.why_refused = error;
}

static const struct io_device_handler handler = {
    .readable = readable, .failed = failed, .refused = refused};

static void open_with(struct io_loop *loop, void *arg)
{
    char why[200] = "";
    device = io_device_open(loop, arg, &handler, NULL, &seen.error, why, sizeof why);
    if (device == NULL)
        assert_string_not_equal(why, "");
}

static void open_device(const char *name)
{
    struct io_device_address address = {.prefix_len = 24};
    assert_true(ip_parse("10.9.0.1", &address.ip));
    struct io_device_config config = {.name = name,
                                      .mtu = 1500,
                                      .segments = true,
                                      .addresses = &address,
                                      .address_count = 1,
                                      .hook_file = "/etc/adit/hook"};
    pair_on(&pair, 0, open_with, &config);
}

static void close_on(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    io_device_close(device);
    device = NULL;
}

static int setup(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    pair_open(&pair, SEED);
    open_device("adit0");
    assert_non_null(device);
    return 0;
}

static int teardown(void **state)
{
    if (device != NULL)
        pair_on(&pair, 0, close_on, NULL);
    return pair_hang_up(state);
}

static struct cidr cidr_of(const char *text)
{
    struct cidr cidr;
    assert_true(cidr_parse(text, &cidr));
    return cidr;
}

static void write_ping(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    seen.answer = io_device_write(device, ping, sizeof ping, &whole);
}

static void a_packet_of_the_hosts_programs_is_read(void **state)
{
    (void)state;
    struct offload offload = {.checksum = true, .checksum_at = 10};
    assert_true(
        sim_device_send(sim_host_device(pair.hosts[0], "adit0"), ping, sizeof ping, &offload));
    pair_run_ms(&pair, 10);
    assert_int_equal(seen.read, 1);
    assert_int_equal(seen.len, IO_AGAIN);
    assert_memory_equal(seen.bytes, ping, sizeof ping);
    assert_true(seen.offload.checksum);
    assert_int_equal(seen.offload.checksum_at, 10);
}

static void a_device_that_nobody_reads_drops_packets(void **state)
{
    (void)state;
    struct io_device *kernel = sim_host_device(pair.hosts[0], "adit0");
    size_t sent = 0;
    while (sim_device_send(kernel, ping, sizeof ping, NULL))
        sent++;
    pair_run_ms(&pair, 10);
    assert_int_equal(seen.read, sent);
    assert_true(sim_device_send(kernel, ping, sizeof ping, NULL));
}

static void count_writes(void *arg)
{
    (*(size_t *)arg)++;
}

static void a_packet_that_is_written_is_received(void **state)
{
    (void)state;
    struct io_device *kernel = sim_host_device(pair.hosts[0], "adit0");
    uint8_t bytes[100];
    size_t told = 0;
    struct offload offload;
    sim_device_on_written(kernel, count_writes, &told);
    pair_on(&pair, 0, write_ping, NULL);
    pair_run_ms(&pair, 1);
    assert_int_equal(told, 1);
    assert_int_equal(sim_device_receive(kernel, bytes, sizeof bytes, &offload), sizeof ping);
    assert_memory_equal(bytes, ping, sizeof ping);
    assert_int_equal(sim_device_receive(kernel, bytes, sizeof bytes, &offload), 0);
}

static void a_full_kernel_takes_no_packet(void **state)
{
    (void)state;
    sim_host_set_device_room(pair.hosts[0], 1);
    pair_on(&pair, 0, write_ping, NULL);
    assert_int_equal(seen.answer, 0);
    pair_on(&pair, 0, write_ping, NULL);
    assert_int_equal(seen.answer, IO_AGAIN);
}

static void write_garbage(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    static const uint8_t garbage[20];
    struct offload cut = {.cut = OFFLOAD_TCP4, .segment = 10, .header_len = 10, .checksum = true};
    assert_int_equal(io_device_write(device, garbage, sizeof garbage, &whole), IO_E_OTHER);
    assert_int_equal(io_device_write(device, ping, sizeof ping, &cut), IO_E_OTHER);
}

static void packets_that_the_kernel_would_refuse_are_refused(void **state)
{
    (void)state;
    pair_on(&pair, 0, write_garbage, NULL);
}

static void route_on(struct io_loop *loop, void *arg)
{
    (void)loop;
    assert_int_equal(io_device_route(device, arg, true), 0);
}

static void route_off(struct io_loop *loop, void *arg)
{
    (void)loop;
    assert_int_equal(io_device_route(device, arg, false), 0);
}

static void routes_come_and_go(void **state)
{
    (void)state;
    struct io_device *kernel = sim_host_device(pair.hosts[0], "adit0");
    struct cidr to = cidr_of("10.20.0.0/16");
    pair_on(&pair, 0, route_on, &to);
    pair_on(&pair, 0, route_on, &to);
    pair_run_ms(&pair, 10);
    assert_true(sim_device_has_route(kernel, &to));
    assert_int_equal(sim_device_routes(kernel), 1);
    pair_on(&pair, 0, route_off, &to);
    pair_run_ms(&pair, 10);
    assert_int_equal(sim_device_routes(kernel), 0);
    assert_int_equal(seen.refusals, 0);
}

static void a_route_of_somebody_else_is_refused(void **state)
{
    (void)state;
    struct cidr to = cidr_of("10.20.0.0/16");
    sim_host_add_route(pair.hosts[0], &to);
    pair_on(&pair, 0, route_on, &to);
    pair_run_ms(&pair, 10);
    assert_int_equal(seen.refusals, 1);
    assert_int_equal(seen.why_refused, IO_E_EXISTS);
    assert_true(ip_equal(&seen.refused.ip, &to.ip));
    assert_int_equal(sim_device_routes(sim_host_device(pair.hosts[0], "adit0")), 0);
}

static void swap_addresses(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    struct io_device_address first = {.prefix_len = 24};
    struct io_device_address second = {.prefix_len = 64};
    assert_true(ip_parse("10.9.0.1", &first.ip) && ip_parse("fd00:9::1", &second.ip));
    assert_int_equal(io_device_address(device, &second, true), 0);
    assert_int_equal(io_device_address(device, &first, false), 0);
}

static void addresses_come_and_go(void **state)
{
    (void)state;
    struct io_device *kernel = sim_host_device(pair.hosts[0], "adit0");
    struct cidr first = {.prefix_len = 24};
    assert_true(ip_parse("10.9.0.1", &first.ip));
    assert_true(sim_device_has_address(kernel, &first));
    assert_int_equal(sim_device_mtu(kernel), 1500);
    assert_true(sim_device_segments(kernel));
    pair_on(&pair, 0, swap_addresses, NULL);
    pair_run_ms(&pair, 10);
    assert_false(sim_device_has_address(kernel, &first));
    assert_int_equal(sim_device_addresses(kernel), 1);
}

static void fill(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    struct cidr to = cidr_of("10.20.0.0/16");
    for (int i = 0; i < IO_DEVICE_WAITING_MAX; i++)
        assert_int_equal(io_device_route(device, &to, i % 2 == 0), 0);
    assert_int_equal(io_device_route(device, &to, true), IO_E_FULL);
}

static void requests_that_wait_are_bounded(void **state)
{
    (void)state;
    pair_run_ms(&pair, 10);
    pair_on(&pair, 0, fill, NULL);
}

/* ---- Names, privileges, the device taken away ---- */

static void again_with(const char *name)
{
    pair_on(&pair, 0, close_on, NULL);
    open_device(name);
}

static void a_name_that_is_taken_is_refused(void **state)
{
    (void)state;
    sim_host_set_foreign_link(pair.hosts[0], "eth0");
    again_with("eth0");
    assert_null(device);
    assert_int_equal(seen.error, IO_E_IN_USE);
}

static void a_pattern_gets_a_number(void **state)
{
    (void)state;
    sim_host_set_foreign_link(pair.hosts[0], "adit0");
    again_with("adit%d");
    assert_non_null(device);
    assert_string_equal(io_device_name(device), "adit1");
}

static void without_privileges_there_is_no_device(void **state)
{
    (void)state;
    sim_host_set_privileged(pair.hosts[0], false);
    again_with("adit0");
    assert_null(device);
    assert_int_equal(seen.error, IO_E_DENIED);
}

static void a_device_that_is_taken_away_is_told(void **state)
{
    (void)state;
    sim_device_take_away(sim_host_device(pair.hosts[0], "adit0"));
    pair_run_ms(&pair, 10);
    assert_int_equal(seen.failed, IO_E_NOT_FOUND);
    assert_null(sim_host_device(pair.hosts[0], "adit0"));
    pair_on(&pair, 0, write_ping, NULL);
    assert_int_equal(seen.answer, IO_E_NOT_FOUND);
}

/* ---- Everything ---- */

struct wish {
    bool on;
    bool block;
};

static void everything(struct io_loop *loop, void *arg)
{
    (void)loop;
    const struct wish *wish = arg;
    assert_int_equal(io_device_everything(device, 4, wish->on, wish->block), 0);
}

static void connect_past(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    struct addr to;
    assert_true(addr_parse("192.0.2.2:80", &to));
    pair.near.stream = io_connect_past(device, &to, &side_handler, &pair.near, &pair.near.error);
}

static void only_what_goes_past_leaves_when_everything_goes_in(void **state)
{
    (void)state;
    struct wish wish = {.on = true};
    pair_on(&pair, 0, everything, &wish);
    pair_run_ms(&pair, 10);
    assert_true(sim_device_everything(sim_host_device(pair.hosts[0], "adit0"), 4));
    assert_false(sim_device_everything(sim_host_device(pair.hosts[0], "adit0"), 6));
    pair_connect(&pair);
    assert_null(pair.near.stream);
    assert_int_equal(pair.near.error, IO_E_UNREACHABLE);
    pair.near.error = 0;
    pair_on(&pair, 0, connect_past, NULL);
    pair_run_ms(&pair, 1000);
    assert_true(pair.near.connected);
}

static void kill_and_start(void)
{
    sim_process_kill(pair.processes[0], SIM_KILL_PROCESS);
    pair_run_ms(&pair, 10);
    assert_int_equal(seen.failed, IO_E_NOT_FOUND);
    io_device_close(device);
    device = NULL;
    sim_process_end(pair.processes[0]);
}

static void start(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void a_block_outlives_a_process_that_is_killed(void **state)
{
    (void)state;
    struct wish wish = {.on = true, .block = true};
    pair_on(&pair, 0, everything, &wish);
    pair_run_ms(&pair, 10);
    kill_and_start();
    assert_true(sim_host_blocked(pair.hosts[0], 4));
    pair.processes[0] = sim_host_start(pair.hosts[0], start, NULL);
    pair_run_ms(&pair, 10);
    assert_true(sim_host_blocked(pair.hosts[0], 4));
    open_device("adit0");
    pair_run_ms(&pair, 10);
    assert_false(sim_host_blocked(pair.hosts[0], 4));
}

static void without_a_block_traffic_leaves_after_a_kill(void **state)
{
    (void)state;
    struct wish wish = {.on = true};
    pair_on(&pair, 0, everything, &wish);
    pair_run_ms(&pair, 10);
    kill_and_start();
    assert_false(sim_host_blocked(pair.hosts[0], 4));
    pair.processes[0] = sim_host_start(pair.hosts[0], start, NULL);
}

static void a_close_ends_the_block(void **state)
{
    (void)state;
    struct wish wish = {.on = true, .block = true};
    pair_on(&pair, 0, everything, &wish);
    pair_run_ms(&pair, 10);
    assert_true(sim_host_blocked(pair.hosts[0], 4));
    pair_on(&pair, 0, close_on, NULL);
    assert_false(sim_host_blocked(pair.hosts[0], 4));
}

/* ---- The hook ---- */

static void hook_thrice(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    static const struct adit_ip servers[] = {{.family = 4, .bytes = {192, 0, 2, 53}},
                                             {.family = 4, .bytes = {192, 0, 2, 54}}};
    assert_int_equal(io_device_hook(device, servers, 1), 0);
    assert_int_equal(io_device_hook(device, servers, 0), 0);
    assert_int_equal(io_device_hook(device, servers, 2), 0);
}

static void one_hook_runs_at_a_time_and_then_the_newest(void **state)
{
    (void)state;
    pair_on(&pair, 0, hook_thrice, NULL);
    assert_int_equal(sim_host_hooks(pair.hosts[0]), 1);
    assert_string_equal(sim_host_hook_argument(pair.hosts[0], 0), "dns");
    assert_string_equal(sim_host_hook_argument(pair.hosts[0], 1), "adit0");
    assert_string_equal(sim_host_hook_argument(pair.hosts[0], 2), "192.0.2.53");
    assert_null(sim_host_hook_argument(pair.hosts[0], 3));
    pair_run_ms(&pair, 5000);
    assert_int_equal(sim_host_hooks(pair.hosts[0]), 2);
    assert_string_equal(sim_host_hook_argument(pair.hosts[0], 3), "192.0.2.54");
    assert_null(sim_host_hook_argument(pair.hosts[0], 4));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_packet_of_the_hosts_programs_is_read),
        CASE(a_device_that_nobody_reads_drops_packets),
        CASE(a_packet_that_is_written_is_received),
        CASE(a_full_kernel_takes_no_packet),
        CASE(packets_that_the_kernel_would_refuse_are_refused),
        CASE(routes_come_and_go),
        CASE(a_route_of_somebody_else_is_refused),
        CASE(addresses_come_and_go),
        CASE(requests_that_wait_are_bounded),
        CASE(a_name_that_is_taken_is_refused),
        CASE(a_pattern_gets_a_number),
        CASE(without_privileges_there_is_no_device),
        CASE(a_device_that_is_taken_away_is_told),
        CASE(only_what_goes_past_leaves_when_everything_goes_in),
        CASE(a_block_outlives_a_process_that_is_killed),
        CASE(without_a_block_traffic_leaves_after_a_kill),
        CASE(a_close_ends_the_block),
        CASE(one_hook_runs_at_a_time_and_then_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
