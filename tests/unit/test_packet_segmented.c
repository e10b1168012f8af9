/*
 * lib/packet/segmented.h.
 */
#include "base/cursor.h"
#include "lib/packet/checksum.h"
#include "lib/packet/cut.h"
#include "lib/packet/segmented.h"
#include "lib/packet/tcp.h"
#include "tests/unit/packet_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t bytes[PACKET_MAX + 100];
static struct packet packet;
static struct offload offload;

static void make(const struct recipe *recipe)
{
    size_t len = packet_make(recipe, bytes);
    assert_true(packet_parse(&packet, recipe->link, bytes, len));
}

static bool accepts(const struct recipe *recipe, uint16_t gso_size)
{
    make(recipe);
    return packet_segmented_accept(&packet, gso_size, &offload);
}

static void assert_offload(enum offload_cut cut, uint16_t segment, uint16_t header_len,
                           uint16_t start, uint16_t at)
{
    struct offload expected = {.cut = cut,
                               .segment = segment,
                               .header_len = header_len,
                               .checksum = true,
                               .checksum_start = start,
                               .checksum_at = at};
    assert_true(packet_same_offload(&offload, &expected));
}

static void the_device_hears_what_the_packet_says(void **state)
{
    (void)state;
    struct recipe recipe = {.flags = TCP_ACK, .tcp_options_len = 12, .payload_len = 20000};
    assert_true(accepts(&recipe, 1400));
    assert_offload(OFFLOAD_TCP4, 1400, 52, 20, 36);
    recipe.ipv6 = true;
    assert_true(accepts(&recipe, 1400));
    assert_offload(OFFLOAD_TCP6, 1400, 72, 40, 56);
    recipe.link = PACKET_ETHERNET;
    recipe.vlan = true;
    assert_true(accepts(&recipe, 1400));
    assert_offload(OFFLOAD_TCP6, 1400, 90, 58, 74);
    recipe.udp = true;
    assert_true(accepts(&recipe, 1400));
    assert_offload(OFFLOAD_UDP, 1400, 66, 58, 64);
}

static void the_kernel_can_finish_the_checksum(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct recipe recipe = {.link = i & 1 ? PACKET_ETHERNET : PACKET_IP,
                                .ipv6 = i & 2,
                                .udp = i & 4,
                                .payload_len = 1000};
        make(&recipe);
        store_u16(bytes + packet.transport_at + (recipe.udp ? 6 : 16), 0x1234); /* a peer's */
        assert_true(packet_segmented_accept(&packet, 300, &offload));
        assert_true(packet_checksum_finish(bytes, packet.len, &offload));
        assert_true(packet_right(bytes, packet.ip_at, packet.transport_at, packet.end));
    }
}

static void what_fits_into_one_piece_is_whole(void **state)
{
    (void)state;
    struct recipe recipe = {.flags = TCP_SYN, .payload_len = 0};
    assert_true(accepts(&recipe, 1));
    assert_offload(OFFLOAD_WHOLE, 0, 0, 20, 36);
    recipe.payload_len = 100;
    assert_true(accepts(&recipe, 100));
    assert_offload(OFFLOAD_WHOLE, 0, 0, 20, 36);
    recipe.udp = true;
    assert_true(accepts(&recipe, 100));
    assert_offload(OFFLOAD_WHOLE, 0, 0, 20, 26);
}

static void no_peer_makes_us_cut_into_thousands(void **state)
{
    (void)state;
    struct recipe recipe = {.flags = TCP_ACK, .payload_len = 32000};
    assert_false(accepts(&recipe, 0));
    assert_false(accepts(&recipe, 1));
    assert_false(accepts(&recipe, PACKET_SEGMENT_MIN - 1));
    assert_true(accepts(&recipe, PACKET_SEGMENT_MIN));
    assert_true(accepts(&recipe, UINT16_MAX));
    recipe.udp = true;
    assert_false(accepts(&recipe, 499));
    assert_true(accepts(&recipe, 500));
}

static void what_must_not_be_cut_is_refused(void **state)
{
    (void)state;
    static const uint8_t flags[] = {TCP_SYN, TCP_RST, TCP_URG};
    struct recipe recipe = {.payload_len = 2000};
    for (size_t i = 0; i < sizeof flags; i++) {
        recipe.flags = TCP_ACK | flags[i];
        assert_false(accepts(&recipe, 1000));
    }
    recipe.flags = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR;
    assert_true(accepts(&recipe, 1000));
    make(&recipe);
    packet.bytes[6] = 0x20; /* a fragment */
    assert_true(packet_parse(&packet, PACKET_IP, bytes, packet.len));
    assert_false(packet_segmented_accept(&packet, 1000, &offload));
}

static void headers_out_of_the_ordinary_are_refused(void **state)
{
    (void)state;
    struct recipe recipe = {.ip_options_len = 4, .payload_len = 2000};
    assert_false(accepts(&recipe, 1000));
    recipe = (struct recipe){.ipv6 = true, .extensions = 1, .payload_len = 2000};
    assert_false(accepts(&recipe, 1000));
    recipe = (struct recipe){.udp = true, .payload_len = 2000};
    make(&recipe);
    store_u16(bytes + 24, 2007); /* UDP says that it is shorter */
    assert_true(packet_parse(&packet, PACKET_IP, bytes, packet.len));
    assert_false(packet_segmented_accept(&packet, 1000, &offload));
    make(&recipe);
    packet.len++; /* a byte behind it */
    assert_false(packet_segmented_accept(&packet, 1000, &offload));
}

static void other_protocols_are_refused(void **state)
{
    (void)state;
    struct recipe recipe = {.payload_len = 2000};
    make(&recipe);
    bytes[9] = 1; /* ICMP */
    assert_true(packet_parse(&packet, PACKET_IP, bytes, packet.len));
    assert_false(packet_segmented_accept(&packet, 1000, &offload));
    recipe.link = PACKET_ETHERNET;
    make(&recipe);
    store_u16(bytes + 12, 0x0806);
    assert_true(packet_parse(&packet, PACKET_ETHERNET, bytes, packet.len));
    assert_false(packet_segmented_accept(&packet, 1000, &offload));
}

/* ---- Sending ---- */

/* As a device gives it. */
static void leave(const struct recipe *recipe, enum offload_cut cut, uint16_t segment)
{
    make(recipe);
    offload = packet_checksum_leave(&packet, bytes + packet.transport_at,
                                    packet.end - packet.transport_at);
    offload.cut = cut;
    offload.segment = segment;
}

static void what_a_device_left_is_sent_with_its_size(void **state)
{
    (void)state;
    struct recipe recipe = {.flags = TCP_ACK, .payload_len = 20000};
    leave(&recipe, OFFLOAD_TCP4, 1400);
    assert_int_equal(packet_segmented_size(&packet, &offload), 1400);
    leave(&recipe, OFFLOAD_TCP4, 100);
    assert_int_equal(packet_segmented_size(&packet, &offload), 0);
    recipe.ip_options_len = 4;
    leave(&recipe, OFFLOAD_TCP4, 1400);
    assert_int_equal(packet_segmented_size(&packet, &offload), 0);
}

static void a_small_packet_with_an_unfinished_checksum_can_go_so_too(void **state)
{
    (void)state;
    struct recipe recipe = {.flags = TCP_SYN};
    leave(&recipe, OFFLOAD_WHOLE, 0);
    assert_int_equal(packet_segmented_size(&packet, &offload), 1);
    recipe.payload_len = 77;
    leave(&recipe, OFFLOAD_WHOLE, 0);
    assert_int_equal(packet_segmented_size(&packet, &offload), 77);
    assert_true(packet_segmented_accept(&packet, 77, &offload));
    offload.checksum = false; /* finished already */
    assert_int_equal(packet_segmented_size(&packet, &offload), 0);
    leave(&recipe, OFFLOAD_WHOLE, 0);
    offload.checksum_start = 0; /* another checksum than TCP's */
    assert_int_equal(packet_segmented_size(&packet, &offload), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_hears_what_the_packet_says),
        cmocka_unit_test(the_kernel_can_finish_the_checksum),
        cmocka_unit_test(what_fits_into_one_piece_is_whole),
        cmocka_unit_test(no_peer_makes_us_cut_into_thousands),
        cmocka_unit_test(what_must_not_be_cut_is_refused),
        cmocka_unit_test(headers_out_of_the_ordinary_are_refused),
        cmocka_unit_test(other_protocols_are_refused),
        cmocka_unit_test(what_a_device_left_is_sent_with_its_size),
        cmocka_unit_test(a_small_packet_with_an_unfinished_checksum_can_go_so_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
