/*
 * Connections that go past a device which takes everything: a host and a gateway, in namespaces of
 * their own, joined by a cable.
 */
#include "netns.h"

#include <unistd.h>

enum { PORT = 99 };

static struct world *world;
static struct tap tap;
static struct door door;
static int gateway;
static int host;

static void open_door(const char *at)
{
    int error;
    door = (struct door){.at = {.port = PORT}};
    assert_true(ip_parse(at, &door.at.ip));
    netns_enter(gateway);
    door.listener = io_listen(world->loop, &door.at, &door_handler, &door, &error);
    assert_non_null(door.listener);
    netns_enter(host);
}

/* 198.51.100.1 and 2001:db8:1::1 are behind the gateway: only a default route leads there. */
static int setup(void **state)
{
    struct io_device_config config = netns_config();
    memset(&tap, 0, sizeof(tap));
    gateway = netns_enter_new();
    host = netns_enter_new();
    netns_shell("ip link add cable type veth peer name cable netns /proc/%d/fd/%d", getpid(),
                gateway);
    netns_shell("ip addr add 192.0.2.2/24 dev cable && ip link set cable up && "
                "ip route add default via 192.0.2.1 && "
                "ip addr add 2001:db8::2/64 dev cable nodad && "
                "ip -6 route add default via 2001:db8::1");
    netns_enter(gateway);
    netns_shell("ip addr add 192.0.2.1/24 dev cable && ip link set cable up && "
                "ip addr add 2001:db8::1/64 dev cable nodad && "
                "ip addr add 198.51.100.1/32 dev lo && ip addr add 2001:db8:1::1/128 dev lo");
    /* The kernel says in its own time that an address may be listened on. */
    netns_shell("while ip -6 addr show scope global tentative | grep -q inet6; do :; done");
    netns_enter(host);
    int result = world_setup(state);
    world = *state;
    if (!netns_open(&tap, world->loop, &config))
        fail_msg("%s", tap.why);
    for (unsigned family = 4; family <= 6; family += 2)
        assert_int_equal(io_device_everything(tap.device, family, true, true), 0);
    netns_settle(world, &tap);
    return result;
}

static int teardown(void **state)
{
    if (door.listener != NULL)
        io_listener_close(door.listener);
    door.listener = NULL;
    netns_close(&tap);
    close(host);
    close(gateway);
    return world_teardown(state);
}

static bool went_in(const void *arg)
{
    (void)arg;
    return tap.packets > 0;
}

static void a_plain_connection_goes_into_the_device(void **state)
{
    (void)state;
    int error;
    struct end near = {0};
    open_door("198.51.100.1");
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    assert_non_null(near.stream);
    world_run(world, went_in, NULL);
    assert_memory_equal(tap.last + 16, door.at.ip.bytes, 4);
    assert_int_equal(door.count, 0);
    io_abort(near.stream);
}

struct both {
    const struct end *near;
    const struct end *far;
};

static bool both_there(const void *arg)
{
    const struct both *both = arg;
    return both->near->connected && both->far->received == 5;
}

static void connect_past(const char *to)
{
    int error;
    struct end near = {0};
    struct end far = {0};
    struct both both = {&near, &far};
    open_door(to);
    door.accept_into = &far;
    near.stream = io_connect_past(tap.device, &door.at, &end_handler, &near, &error);
    assert_non_null(near.stream);
    assert_int_equal(io_send(near.stream, "hello", 5), 0);
    world_run(world, both_there, &both);
    assert_memory_equal(far.first, "hello", 5);
    assert_int_equal(tap.packets, 0);
    io_abort(near.stream);
    io_abort(far.stream);
}

static void a_connection_past_it_does_not(void **state)
{
    (void)state;
    connect_past("198.51.100.1");
}

static void over_ip6_neither(void **state)
{
    (void)state;
    connect_past("2001:db8:1::1");
}

static void filter_reverse_paths(int how)
{
    netns_shell("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo %d >$f; done", how);
}

static void a_loose_filter_of_reverse_paths_lets_it_past(void **state)
{
    (void)state;
    filter_reverse_paths(2);
    connect_past("198.51.100.1");
}

static void a_strict_filter_of_reverse_paths_lets_it_past(void **state)
{
    (void)state;
    filter_reverse_paths(1);
    connect_past("198.51.100.1");
}

static void accept_past(int filter)
{
    int error;
    struct end near = {0};
    struct end far = {0};
    struct both both = {&near, &far};
    struct addr from = {.port = PORT};
    door = (struct door){.at = {.port = PORT}, .accept_into = &far};
    assert_true(ip_parse("192.0.2.2", &door.at.ip) && ip_parse("198.51.100.1", &from.ip));
    filter_reverse_paths(filter);
    door.listener = io_listen_past(tap.device, &door.at, &door_handler, &door, &error);
    assert_non_null(door.listener);
    netns_enter(gateway);
    netns_shell("echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce; "
                "ip route change 192.0.2.0/24 dev cable src 198.51.100.1");
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    netns_enter(host);
    assert_non_null(near.stream);
    assert_int_equal(io_send(near.stream, "hello", 5), 0);
    world_run(world, both_there, &both);
    assert_int_equal(tap.packets, 0);
    io_abort(near.stream);
    io_abort(far.stream);
}

static void what_is_accepted_past_it_answers_past_it(void **state)
{
    (void)state;
    accept_past(0);
}

static void a_strict_filter_lets_callers_in_past_it(void **state)
{
    (void)state;
    accept_past(1);
}

static void an_address_of_another_machine_cannot_be_listened_on(void **state)
{
    (void)state;
    int error;
    struct addr at = {.port = PORT};
    assert_true(ip_parse("198.51.100.1", &at.ip));
    assert_null(io_listen_past(tap.device, &at, &door_handler, &door, &error));
    assert_int_equal(error, IO_E_ADDRESS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_plain_connection_goes_into_the_device),
        CASE(a_connection_past_it_does_not),
        CASE(over_ip6_neither),
        CASE(a_loose_filter_of_reverse_paths_lets_it_past),
        CASE(a_strict_filter_of_reverse_paths_lets_it_past),
        CASE(what_is_accepted_past_it_answers_past_it),
        CASE(a_strict_filter_lets_callers_in_past_it),
        CASE(an_address_of_another_machine_cannot_be_listened_on),
    };
    return netns_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : NETNS_SKIPPED;
}
