/*
 * Large segments between two devices, each in a namespace of its own: what one gives is written to
 * the other as it is.
 */
#include "netns.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOTAL = 4000000, PORT = 99, PIECE = 1000, PIECES = 20 };

static struct world *world;
static int netns[2];
static struct tap taps[2];
static size_t cut[2][OFFLOAD_UDP + 1]; /* packets by what they left for later */

static void pass_on(struct tap *tap, const uint8_t *packet, size_t len,
                    const struct offload *offload)
{
    cut[tap - taps][offload->cut]++;
    int error = io_device_write(((struct tap *)tap->arg)->device, packet, len, offload);
    if (error != 0)
        fail_msg("%zu bytes, cut %d: %s", len, offload->cut, io_error_text(error));
}

static int setup(void **state)
{
    memset(taps, 0, sizeof(taps));
    memset(cut, 0, sizeof(cut));
    int result = world_setup(state);
    world = *state;
    return result;
}

static void open_both(enum io_device_kind kind, uint16_t mtu)
{
    static const char *const texts[2][2] = {{"10.9.0.1", "fd00:9::1"}, {"10.9.0.2", "fd00:9::2"}};
    for (int i = 0; i < 2; i++) {
        struct io_device_address addresses[2] = {{.prefix_len = 24}, {.prefix_len = 64}};
        struct io_device_config config = netns_config();
        assert_true(ip_parse(texts[i][0], &addresses[0].ip) &&
                    ip_parse(texts[i][1], &addresses[1].ip));
        config.addresses = addresses;
        config.kind = kind;
        config.mtu = mtu;
        netns[i] = netns_enter_new();
        if (!netns_open(&taps[i], world->loop, &config))
            fail_msg("%s", taps[i].why);
    }
    for (int i = 0; i < 2; i++) {
        taps[i].packet = pass_on;
        taps[i].arg = &taps[1 - i];
    }
}

static int teardown(void **state)
{
    for (int i = 0; i < 2; i++) {
        taps[i].packet = NULL;
        netns_close(&taps[i]);
        close(netns[i]);
    }
    return world_teardown(state);
}

static struct addr address(const char *text)
{
    struct addr addr = {.port = PORT};
    assert_true(ip_parse(text, &addr.ip));
    return addr;
}

static bool all_came(const void *arg)
{
    return ((const struct end *)arg)->received == TOTAL;
}

/* TCP from the first namespace to the second. */
static void carry(const char *to)
{
    int error;
    struct end near = {0};
    struct end far = {.check = true};
    struct door door = {.at = address(to)};
    netns_enter(netns[1]);
    door.listener = io_listen(world->loop, &door.at, &door_handler, &door, &error);
    assert_non_null(door.listener);
    netns_enter(netns[0]);
    pair_connect(world, &door, &near, &far);
    uint8_t *bytes = malloc(TOTAL);
    pattern_fill(bytes, 0, TOTAL);
    assert_int_equal(io_send(near.stream, bytes, TOTAL), 0);
    free(bytes);
    world_run(world, all_came, &far);
    io_abort(near.stream);
    io_abort(far.stream);
    io_listener_close(door.listener);
}

static void tcp_over_ip4_comes_in_large_segments(void **state)
{
    (void)state;
    open_both(IO_DEVICE_IP, 1500);
    carry("10.9.0.2");
    assert_true(cut[0][OFFLOAD_TCP4] > 0);
    assert_true(taps[0].longest > 16000);
    assert_true(taps[0].packets < TOTAL / 10000);
}

static void tcp_over_ip6_comes_in_large_segments(void **state)
{
    (void)state;
    open_both(IO_DEVICE_IP, 1500);
    carry("fd00:9::2");
    assert_true(cut[0][OFFLOAD_TCP6] > 0);
    assert_true(taps[0].longest > 16000);
}

static void frames_of_ethernet_are_as_large(void **state)
{
    (void)state;
    open_both(IO_DEVICE_ETHERNET, 1500);
    carry("10.9.0.2");
    assert_true(cut[0][OFFLOAD_TCP4] > 0);
    assert_true(taps[0].longest > 16000);
}

static void a_large_mtu_needs_no_cutting(void **state)
{
    (void)state;
    open_both(IO_DEVICE_IP, IO_DEVICE_PACKET_MAX);
    carry("10.9.0.2");
    assert_int_equal(cut[0][OFFLOAD_TCP4], 0);
    assert_true(taps[0].longest > 16000);
}

static void without_segments_every_packet_fits_the_mtu(void **state)
{
    (void)state;
    open_both(IO_DEVICE_IP, 1500);
    netns_close(&taps[0]);
    struct io_device_config config = netns_config();
    config.segments = false;
    netns_enter(netns[0]);
    assert_true(netns_open(&taps[0], world->loop, &config));
    carry("10.9.0.2");
    assert_int_equal(taps[0].longest, 1500);
}

static int udp_socket(int where, const char *at)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct addr addr = address(at);
    memcpy(&name.sin_addr, addr.ip.bytes, 4);
    netns_enter(netns[where]);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(where == 0 ? connect(fd, (const struct sockaddr *)&name, sizeof(name))
                                : bind(fd, (const struct sockaddr *)&name, sizeof(name)),
                     0);
    return fd;
}

struct receiver {
    int fd;
    size_t *came;
};

static bool datagrams_came(const void *arg)
{
    const struct receiver *receiver = arg;
    char bytes[2 * PIECE];
    ssize_t got;
    while ((got = recv(receiver->fd, bytes, sizeof(bytes), 0)) > 0) {
        assert_int_equal(got, PIECE);
        ++*receiver->came;
    }
    return *receiver->came == PIECES;
}

/* Linux cuts them itself before 6.2; they must come in any case. */
static void udp_that_is_to_be_cut_comes_whole(void **state)
{
    (void)state;
    static const char bytes[PIECES * PIECE];
    size_t came = 0;
    int piece = PIECE;
    open_both(IO_DEVICE_IP, 1500);
    struct receiver receiver = {.fd = udp_socket(1, "10.9.0.2"), .came = &came};
    int fd = udp_socket(0, "10.9.0.2");
    assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &piece, sizeof(piece)), 0);
    assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    world_run(world, datagrams_came, &receiver);
    assert_true(cut[0][OFFLOAD_UDP] == 1 || taps[0].longest == PIECE + 28);
    close(fd);
    close(receiver.fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(tcp_over_ip4_comes_in_large_segments),
        CASE(tcp_over_ip6_comes_in_large_segments),
        CASE(frames_of_ethernet_are_as_large),
        CASE(a_large_mtu_needs_no_cutting),
        CASE(without_segments_every_packet_fits_the_mtu),
        CASE(udp_that_is_to_be_cut_comes_whole),
    };
    return netns_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : NETNS_SKIPPED;
}
