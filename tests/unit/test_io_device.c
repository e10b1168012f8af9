/*
 * Devices of the kernel: how they are made and go, and the packets of one.
 */
#include "io/real/capability.h"
#include "io/real/process.h"
#include "netns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct world *world;
static struct tap tap;
static int netns;

static int setup(void **state)
{
    memset(&tap, 0, sizeof(tap));
    netns = netns_enter_new();
    int result = world_setup(state);
    world = *state;
    return result;
}

static int teardown(void **state)
{
    netns_close(&tap);
    close(netns);
    return world_teardown(state);
}

static void open_as(const struct io_device_config *config)
{
    if (!netns_open(&tap, world->loop, config))
        fail_msg("%s", tap.why);
}

static void refused_with(const struct io_device_config *config, int error, const char *why)
{
    assert_false(netns_open(&tap, world->loop, config));
    assert_int_equal(tap.error, error);
    if (strstr(tap.why, why) == NULL)
        fail_msg("%s", tap.why);
}

/* ---- Making one ---- */

static void it_has_its_name_mtu_and_addresses_and_is_up(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    config.mtu = 1400;
    open_as(&config);
    assert_string_equal(io_device_name(tap.device), "adit0");
    assert_true(netns_shows("ip link show dev adit0", "mtu 1400"));
    assert_true(netns_shows("ip link show dev adit0", ",UP"));
    assert_true(netns_shows("ip -d link show dev adit0", "gso_max_size 32000"));
    assert_true(netns_shows("ip -4 addr show dev adit0", "inet 10.9.0.1/24"));
    assert_true(netns_shows("ip -6 addr show dev adit0", "inet6 fd00:9::1/64"));
    assert_false(netns_shows("ip -6 addr show dev adit0", "tentative"));
    assert_false(netns_shows("ip -6 addr show dev adit0", "fe80:"));
}

static void it_is_gone_when_it_is_closed(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    open_as(&config);
    netns_close(&tap);
    assert_false(netns_shows("ip link", "adit0"));
    open_as(&config);
}

static void a_pattern_gets_a_number(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    config.name = "adit%d";
    netns_shell("ip tuntap add adit0 mode tun");
    open_as(&config);
    assert_string_equal(io_device_name(tap.device), "adit1");
}

static void a_name_that_is_taken_is_refused(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    netns_shell("ip tuntap add adit0 mode tun");
    refused_with(&config, IO_E_IN_USE, "device adit0: making it: there is one of that name");
    config.name = "lo";
    refused_with(&config, IO_E_IN_USE, "there is one of that name");
}

static void what_cannot_be_a_name_is_refused(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    config.name = "a_name_of_16_cha";
    refused_with(&config, IO_E_TOO_LARGE, "making it");
    config.name = "a/b";
    refused_with(&config, IO_E_OTHER, "making it");
    config.name = "";
    refused_with(&config, IO_E_TOO_LARGE, "making it");
}

static void an_mtu_that_packets_do_not_fit_is_refused(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    config.mtu = IO_DEVICE_PACKET_MAX + 1;
    refused_with(&config, IO_E_TOO_LARGE, "MTU");
    config.mtu = IO_DEVICE_PACKET_MAX - 17;
    config.kind = IO_DEVICE_ETHERNET;
    refused_with(&config, IO_E_TOO_LARGE, "MTU");
    config.mtu = 67;
    refused_with(&config, IO_E_TOO_LARGE, "MTU");
    config.kind = IO_DEVICE_IP;
    config.mtu = 1279;
    refused_with(&config, IO_E_OTHER, "IPv6 needs an MTU of 1280");
    assert_false(netns_shows("ip link", "adit0"));
}

/* In a process of user nobody; not where there is no such user, as in some containers. */
static void as_nobody(bool (*fn)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
        if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
            _exit(NETNS_SKIPPED);
        _exit(fn() ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NETNS_SKIPPED)
        skip();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool is_denied(void)
{
    struct io_device_config config = netns_config();
    return !netns_open(&tap, world->loop, &config) && tap.error == IO_E_DENIED &&
           strstr(tap.why, "CAP_NET_ADMIN") != NULL;
}

static void without_privileges_it_is_denied(void **state)
{
    (void)state;
    as_nobody(is_denied);
}

static bool open_with_the_capability(void)
{
    struct io_device_config config = netns_config();
    struct cidr to;
    if (!capability_restore() || !netns_open(&tap, world->loop, &config))
        return false;
    if (!io_process_drop_capabilities() || capability_network() ||
        !cidr_parse("10.20.0.0/16", &to) || io_device_route(tap.device, &to, true) != 0)
        return false;
    netns_settle(world, &tap);
    bool routed = netns_shows("ip route", "10.20.0.0/16 dev adit0");
    netns_close(&tap);
    return routed && !netns_shows("ip link", "adit0");
}

static void the_capability_is_enough_and_can_be_given_up(void **state)
{
    (void)state;
    as_nobody(open_with_the_capability);
}

/* ---- Packets ---- */

static bool has_packet(const void *arg)
{
    (void)arg;
    return tap.packets > 0;
}

static int udp_socket(const char *connect_to)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(inet_pton(AF_INET, connect_to, &name.sin_addr), 1);
    assert_int_equal(connect(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

static void a_packet_of_the_machine_is_read(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    open_as(&config);
    int fd = udp_socket("10.9.0.2");
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    world_run(world, has_packet, NULL);
    assert_int_equal(tap.last_len, 33);
    assert_memory_equal(tap.last + 28, "hello", 5);
    assert_int_equal(tap.last_offload.cut, OFFLOAD_WHOLE);
    assert_true(tap.last_offload.checksum);
    assert_int_equal(tap.last_offload.checksum_start, 20);
    assert_int_equal(tap.last_offload.checksum_at, 26);
    close(fd);
}

static void without_segments_nothing_is_left_for_later(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    config.segments = false;
    open_as(&config);
    int fd = udp_socket("10.9.0.2");
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    world_run(world, has_packet, NULL);
    assert_false(tap.last_offload.checksum);
    close(fd);
}

/* Sends back what comes, from its destination to its source. */
static void turn_round(struct tap *from, const uint8_t *packet, size_t len,
                       const struct offload *offload)
{
    uint8_t back[2048];
    memcpy(back, packet, len);
    memcpy(back + 12, packet + 16, 4);
    memcpy(back + 16, packet + 12, 4);
    memcpy(back + 20, packet + 22, 2);
    memcpy(back + 22, packet + 20, 2);
    from->error = io_device_write(from->device, back, len, offload);
}

static void a_packet_that_is_written_comes_to_the_machine(void **state)
{
    (void)state;
    char bytes[16];
    struct io_device_config config = netns_config();
    open_as(&config);
    tap.packet = turn_round;
    int fd = udp_socket("10.9.0.2");
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    world_run(world, has_packet, NULL);
    assert_int_equal(tap.error, 0);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 5);
    assert_memory_equal(bytes, "hello", 5);
    close(fd);
}

static void what_is_no_packet_is_refused(void **state)
{
    (void)state;
    static const struct offload whole;
    uint8_t bytes[64] = {0x45};
    struct offload cut = {.cut = OFFLOAD_TCP4,
                          .segment = 10,
                          .header_len = 40,
                          .checksum = true,
                          .checksum_start = 20,
                          .checksum_at = 36};
    struct offload outside = {.checksum = true, .checksum_start = 20, .checksum_at = 63};
    struct io_device_config config = netns_config();
    open_as(&config);
    assert_int_equal(io_device_write(tap.device, bytes, sizeof(bytes), &cut), IO_E_OTHER);
    assert_int_equal(io_device_write(tap.device, bytes, sizeof(bytes), &outside), IO_E_OTHER);
    bytes[0] = 0x75;
    assert_int_equal(io_device_write(tap.device, bytes, sizeof(bytes), &whole), IO_E_OTHER);
    netns_shell("ip link set adit0 down");
    bytes[0] = 0x45;
    assert_int_equal(io_device_write(tap.device, bytes, sizeof(bytes), &whole), IO_E_UNREACHABLE);
}

static void again_calls_readable_once_more(void **state)
{
    (void)state;
    struct io_device_config config = netns_config();
    open_as(&config);
    int fd = udp_socket("10.9.0.2");
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    world_run(world, has_packet, NULL);
    size_t before = tap.readables;
    tap.packets = 1; /* the condition holds; one round is run by the next */
    io_device_again(tap.device);
    tap.packets = 0;
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    world_run(world, has_packet, NULL);
    assert_true(tap.readables > before);
    close(fd);
}

static bool has_failed(const void *arg)
{
    (void)arg;
    return tap.failed != 0;
}

static void a_device_that_is_deleted_is_told(void **state)
{
    (void)state;
    static const struct offload whole;
    uint8_t packet[IO_DEVICE_PACKET_MAX] = {0x45};
    struct offload offload;
    struct io_device_config config = netns_config();
    open_as(&config);
    netns_shell("ip link del adit0");
    world_run(world, has_failed, NULL);
    assert_int_equal(tap.failed, IO_E_NOT_FOUND);
    assert_int_equal(io_device_read(tap.device, packet, sizeof(packet), &offload), IO_E_NOT_FOUND);
    assert_int_equal(io_device_write(tap.device, packet, 20, &whole), IO_E_NOT_FOUND);
    netns_close(&tap);
    tap.failed = 0;
    open_as(&config);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_has_its_name_mtu_and_addresses_and_is_up),
        CASE(it_is_gone_when_it_is_closed),
        CASE(a_pattern_gets_a_number),
        CASE(a_name_that_is_taken_is_refused),
        CASE(what_cannot_be_a_name_is_refused),
        CASE(an_mtu_that_packets_do_not_fit_is_refused),
        CASE(without_privileges_it_is_denied),
        CASE(the_capability_is_enough_and_can_be_given_up),
        CASE(a_packet_of_the_machine_is_read),
        CASE(without_segments_nothing_is_left_for_later),
        CASE(a_packet_that_is_written_comes_to_the_machine),
        CASE(what_is_no_packet_is_refused),
        CASE(again_calls_readable_once_more),
        CASE(a_device_that_is_deleted_is_told),
    };
    return netns_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : NETNS_SKIPPED;
}
