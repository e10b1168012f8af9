/* Packets between ends of a VPN: where they go, which are dropped, who holds whom up. */
#include "vpn_fixture.h"

#include "lib/packet/checksum.h"
#include "lib/packet/tcp.h"

static uint8_t packet[IO_DEVICE_PACKET_MAX];

static int two_segmented(void **state)
{
    ends_two(state);
    *state = &ends;
    return 0;
}

static void packets_pass_both_ways(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    size_t len = ends_packet(packet, 2, 1, 100, 'a');
    ends_send(&ends, 1, packet, len);
    ends_expect(&ends, 0, packet, len);
    len = ends_packet(packet, 1, 2, 1400, 'b');
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 1, packet, len);
    assert_int_equal(ends_number(&ends, 0, "peers.0.packets_sent"), 1);
    assert_int_equal(ends_number(&ends, 0, "peers.0.packets_received"), 1);
    assert_int_equal(ends_number(&ends, 0, "peers.0.bytes_received"), 128);
}

static void many_small_packets_keep_their_order(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    for (unsigned i = 0; i < 200; i++) {
        size_t len = ends_packet(packet, 2, 1, 10 + i * 7, (uint8_t)i);
        ends_send(&ends, 1, packet, len);
    }
    for (unsigned i = 0; i < 200; i++) {
        size_t len = ends_packet(packet, 2, 1, 10 + i * 7, (uint8_t)i);
        ends_expect(&ends, 0, packet, len);
    }
}

static void the_longest_prefix_picks_the_peer(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    size_t len = ends_packet(packet, 1, 3, 50, 'c');
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 2, packet, len);
    ends_expect_nothing(&ends, 1);
}

static void a_packet_for_nobody_is_dropped(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    size_t len = ends_packet(packet, 1, 77, 50, 'c');
    ends_send(&ends, 0, packet, len);
    ends_expect_nothing(&ends, 1);
    assert_int_equal(ends_number(&ends, 0, "counters.drops.no_peer"), 1);
}

static void a_source_that_is_another_peers_is_dropped(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    size_t len = ends_packet(packet, 3, 1, 50, 'd');
    ends_send(&ends, 1, packet, len);
    ends_expect_nothing(&ends, 0);
    assert_int_equal(ends_number(&ends, 0, "peers.0.drops.source"), 1);
}

static void what_is_no_packet_is_dropped(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    memset(packet, 0x4f, 60);
    ends_send(&ends, 1, packet, 60);
    ends_expect_nothing(&ends, 0);
    assert_int_equal(ends_number(&ends, 1, "counters.drops.malformed"), 1);
}

static void packets_for_a_peer_that_is_away_are_dropped(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    ends_stop(&ends, 2);
    ends_run_ms(&ends, 1000);
    size_t len = ends_packet(packet, 1, 3, 50, 'e');
    ends_send(&ends, 0, packet, len);
    ends_run_ms(&ends, 100);
    assert_int_equal(ends_number(&ends, 0, "peers.1.drops.no_tunnel"), 1);
}

/* ---- Segments ---- */

enum { SEGMENT = 1000, SEGMENTS = 20 };

/* A large TCP segment as a device gives it: to be cut, its checksum unfinished. */
static size_t large_segment(uint8_t *out, unsigned from, unsigned to, struct offload *offload)
{
    size_t payload_len = SEGMENT * SEGMENTS;
    size_t len = PACKET_IPV4_LEN + PACKET_TCP_LEN + payload_len;
    struct packet parsed;
    ends_packet(out, from, to, len - PACKET_IPV4_LEN - PACKET_UDP_LEN, 0);
    out[9] = PACKET_PROTOCOL_TCP;
    out[6] = 0x40;
    packet_checksum_ipv4(out, PACKET_IPV4_LEN);
    memset(out + PACKET_IPV4_LEN, 0, PACKET_TCP_LEN);
    out[PACKET_IPV4_LEN + 1] = 7;
    out[PACKET_IPV4_LEN + 3] = 8;
    out[PACKET_IPV4_LEN + 12] = 0x50;
    out[PACKET_IPV4_LEN + TCP_FLAGS_AT] = TCP_ACK;
    for (size_t i = 0; i < payload_len; i++)
        out[PACKET_IPV4_LEN + PACKET_TCP_LEN + i] = (uint8_t)(i / 3);
    assert_true(packet_parse(&parsed, PACKET_IP, out, len));
    *offload = packet_checksum_leave(&parsed, out + PACKET_IPV4_LEN, len - PACKET_IPV4_LEN);
    offload->cut = OFFLOAD_TCP4;
    offload->segment = SEGMENT;
    offload->header_len = PACKET_IPV4_LEN + PACKET_TCP_LEN;
    return len;
}

/* Sends one, and says in how many packets it went. The other device gets it whole either way. */
static json_int_t send_large_segment(void)
{
    struct offload offload;
    struct offload got;
    static uint8_t arrived[IO_DEVICE_PACKET_MAX];
    size_t len = large_segment(packet, 2, 1, &offload);
    assert_true(sim_device_send(ends_device(&ends, 1), packet, len, &offload));
    ends_run_ms(&ends, 500);
    struct io_device *device = ends_device(&ends, 0);
    assert_int_equal(sim_device_receive(device, arrived, sizeof arrived, &got), len);
    assert_int_equal(got.cut, OFFLOAD_TCP4);
    assert_int_equal(got.segment, SEGMENT);
    assert_memory_equal(arrived, packet, len);
    assert_int_equal(sim_device_receive(device, arrived, sizeof arrived, &got), 0);
    return ends_number(&ends, 1, "peers.0.packets_sent");
}

static void a_large_segment_passes_whole(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    assert_int_equal(send_large_segment(), 1);
}

static void for_another_kind_of_end_it_is_cut_and_here_joined_again(void **state)
{
    (void)state;
    ends.all[1].peers[0].options.segmented = false;
    ends_connect_all(&ends);
    assert_int_equal(send_large_segment(), SEGMENTS);
}

/* A peer's kernel may join what ours does not cut. */
static void datagrams_to_be_cut_are_cut_for_a_kernel_that_does_not(void **state)
{
    (void)state;
    enum { DATAGRAM = 1000, DATAGRAMS = 5 };
    static uint8_t expected[IO_DEVICE_PACKET_MAX];
    sim_host_set_udp_segments(ends.all[0].host, false);
    ends_connect_all(&ends);
    size_t len = ends_packet(packet, 2, 1, (size_t)DATAGRAM * DATAGRAMS, 'd');
    struct offload offload = {.cut = OFFLOAD_UDP,
                              .segment = DATAGRAM,
                              .header_len = PACKET_IPV4_LEN + PACKET_UDP_LEN,
                              .checksum = true,
                              .checksum_start = PACKET_IPV4_LEN,
                              .checksum_at = PACKET_IPV4_LEN + UDP_CHECKSUM_AT};
    assert_true(sim_device_send(ends_device(&ends, 1), packet, len, &offload));
    ends_run_ms(&ends, 500);
    assert_int_equal(ends_number(&ends, 1, "peers.0.packets_sent"), 1);
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        size_t piece = ends_packet(expected, 2, 1, DATAGRAM, 'd');
        expected[5] = (uint8_t)i; /* the kernel numbers them like this */
        packet_checksum_ipv4(expected, PACKET_IPV4_LEN);
        ends_expect(&ends, 0, expected, piece);
    }
    ends_expect_nothing(&ends, 0);
    assert_int_equal(ends_number(&ends, 0, "drops.device"), 0);
}

enum kind { SMALL, LARGE, TO_BE_CUT, KINDS };

static size_t packet_of(enum kind kind, unsigned i, struct offload *offload)
{
    *offload = (struct offload){.cut = OFFLOAD_WHOLE};
    if (kind == TO_BE_CUT)
        return large_segment(packet, 2, 1, offload);
    return ends_packet(packet, 2, 1, (kind == SMALL ? 30 : 9000) + i, (uint8_t)i);
}

/* What is put into one buffer in one turn. Packets of different flows may overtake each other. */
static void packets_of_all_kinds_follow_each_other(void **state)
{
    (void)state;
    enum { TURNS = 8 };
    static uint8_t arrived[IO_DEVICE_PACKET_MAX];
    struct offload offload;
    unsigned counts[KINDS] = {0};
    ends.all[1].peers[0].options.segmented = *state != NULL;
    ends_connect_all(&ends);
    for (unsigned i = 0; i < TURNS * KINDS; i++) {
        size_t len = packet_of(i % KINDS, i / KINDS, &offload);
        assert_true(sim_device_send(ends_device(&ends, 1), packet, len, &offload));
    }
    ends_run_ms(&ends, 500);
    for (unsigned i = 0; i < TURNS * KINDS; i++) {
        size_t got = sim_device_receive(ends_device(&ends, 0), arrived, sizeof arrived, &offload);
        enum kind kind = got > 15000 ? TO_BE_CUT : got > 8000 ? LARGE : SMALL;
        assert_int_equal(got, packet_of(kind, counts[kind]++, &offload));
        assert_memory_equal(arrived, packet, got);
    }
    assert_int_equal(ends_number(&ends, 0, "peers.0.connections"), 1);
}

/* ---- A slow peer ---- */

static void a_full_peer_holds_nobody_up(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    sim_host_stall(ends.all[2].host, 5 * END_SECOND_US);
    for (unsigned i = 0; i < 3000; i++) {
        size_t len = ends_packet(packet, 1, 3, 1400, (uint8_t)i);
        ends_send(&ends, 0, packet, len);
        if (i % 10 == 0)
            ends_run_ms(&ends, 1);
    }
    size_t len = ends_packet(packet, 1, 2, 60, 'f');
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 1, packet, len);
    assert_true(ends_number(&ends, 0, "peers.1.drops.full") > 1000);
    assert_true(ends_number(&ends, 0, "peers.1.queued") <= 256 * 1024 + 64 * 1024);
    assert_int_equal(ends_number(&ends, 0, "peers.0.drops.full"), 0);
}

static void what_waits_too_long_fills_the_queue(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    sim_host_stall(ends.all[1].host, 5 * END_SECOND_US);
    /* More than the kernels between them hold, less than the bound in bytes. */
    for (unsigned i = 0; i < 110; i++) {
        size_t len = ends_packet(packet, 1, 2, 1400, (uint8_t)i);
        ends_send(&ends, 0, packet, len);
    }
    ends_run_ms(&ends, 100);
    assert_int_equal(ends_number(&ends, 0, "peers.0.drops.full"), 0);
    assert_true(ends_number(&ends, 0, "peers.0.queued") > 0);
    for (int i = 0; i < 2; i++) {
        ends_send(&ends, 0, packet, ends_packet(packet, 1, 2, 1400, 'z'));
        ends_run_ms(&ends, 10);
    }
    assert_int_equal(ends_number(&ends, 0, "peers.0.drops.full"), 1);
}

static void while_one_peer_is_alone_nothing_is_lost_on_it(void **state)
{
    (void)state;
    enum { PACKETS = 60, LARGE_LEN = 20000 };
    ends.all[0].config.limits.queue_ms = 1000;
    ends_connect_all(&ends);
    sim_host_set_device_room(ends.all[1].host, PACKETS);
    sim_host_stall(ends.all[1].host, END_SECOND_US / 60);
    for (unsigned i = 0; i < PACKETS; i++) {
        size_t len = ends_packet(packet, 1, 2, LARGE_LEN, (uint8_t)i);
        ends_send(&ends, 0, packet, len);
    }
    ends_run_ms(&ends, 10);
    assert_true(ends_number(&ends, 0, "peers.0.packets_sent") < PACKETS);
    for (unsigned i = 0; i < PACKETS; i++) {
        size_t len = ends_packet(packet, 1, 2, LARGE_LEN, (uint8_t)i);
        ends_expect(&ends, 1, packet, len);
    }
    assert_int_equal(ends_number(&ends, 0, "peers.0.drops.full"), 0);
}

/* ---- Ethernet ---- */

static int three_ethernet(void **state)
{
    ends_three(state);
    for (size_t i = 0; i < 3; i++) {
        ends.all[i].config.kind = IO_DEVICE_ETHERNET;
        for (size_t j = 0; j < ends.all[i].config.peer_count; j++)
            ends.all[i].peers[j].allowed_count = 0;
    }
    return 0;
}

static size_t frame(uint8_t *out, uint8_t to, uint8_t from, uint8_t fill)
{
    memset(out, fill, 100);
    memcpy(out, (uint8_t[]){2, 0, 0, 0, 0, to}, 6);
    memcpy(out + 6, (uint8_t[]){2, 0, 0, 0, 0, from}, 6);
    if (to == 0xff)
        memset(out, 0xff, 6);
    out[12] = 0x88;
    out[13] = 0xb5;
    return 100;
}

static void a_switch_learns_where_stations_are(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    size_t len = frame(packet, 0xff, 11, 1);
    ends_send(&ends, 1, packet, len);
    ends_expect(&ends, 0, packet, len);
    ends_expect(&ends, 2, packet, len);
    len = frame(packet, 11, 12, 2);
    ends_send(&ends, 2, packet, len);
    ends_expect(&ends, 1, packet, len);
    ends_expect_nothing(&ends, 0);
    len = frame(packet, 12, 10, 3);
    ends_send(&ends, 0, packet, len);
    ends_expect(&ends, 2, packet, len);
    ends_expect_nothing(&ends, 1);
    assert_int_equal(ends_number(&ends, 0, "peers.0.stations"), 1);
}

/* IEEE 802.1D, 7.12.6: bridges keep them to one line, and find loops by them. */
static void frames_of_a_spanning_tree_pass_to_everybody(void **state)
{
    (void)state;
    ends_connect_all(&ends);
    size_t len = frame(packet, 0xff, 11, 1);
    memcpy(packet, (uint8_t[]){0x01, 0x80, 0xc2, 0, 0, 0}, 6);
    ends_send(&ends, 1, packet, len);
    ends_expect(&ends, 0, packet, len);
    ends_expect(&ends, 2, packet, len);
    ends_expect_nothing(&ends, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packets_pass_both_ways, ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(many_small_packets_keep_their_order, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(the_longest_prefix_picks_the_peer, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_packet_for_nobody_is_dropped, ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(a_source_that_is_another_peers_is_dropped, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_packet_is_dropped, ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(packets_for_a_peer_that_is_away_are_dropped, ends_three,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_large_segment_passes_whole, ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(for_another_kind_of_end_it_is_cut_and_here_joined_again,
                                        ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(packets_of_all_kinds_follow_each_other, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(datagrams_to_be_cut_are_cut_for_a_kernel_that_does_not,
                                        ends_two, ends_teardown),
        cmocka_unit_test_setup_teardown(packets_of_all_kinds_follow_each_other, two_segmented,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_full_peer_holds_nobody_up, ends_three, ends_teardown),
        cmocka_unit_test_setup_teardown(what_waits_too_long_fills_the_queue, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(while_one_peer_is_alone_nothing_is_lost_on_it, ends_two,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(a_switch_learns_where_stations_are, three_ethernet,
                                        ends_teardown),
        cmocka_unit_test_setup_teardown(frames_of_a_spanning_tree_pass_to_everybody, three_ethernet,
                                        ends_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
