/*
 * lib/packet/packet.h and checksum.h.
 */
#include "base/cursor.h"
#include "lib/packet/checksum.h"
#include "tests/unit/packet_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t bytes[PACKET_MAX + 100];

static struct packet parsed(enum packet_link link, size_t len)
{
    struct packet packet;
    assert_true(packet_parse(&packet, link, bytes, len));
    return packet;
}

static void assert_refused(size_t len)
{
    struct packet packet;
    assert_false(packet_parse(&packet, PACKET_IP, bytes, len));
}

/* ---- Headers ---- */

static void ipv4_tcp_is_read(void **state)
{
    (void)state;
    struct recipe recipe = {
        .host = 7, .ip_options_len = 8, .tcp_options_len = 12, .payload_len = 5};
    size_t len = packet_make(&recipe, bytes);
    struct packet packet = parsed(PACKET_IP, len);
    assert_int_equal(packet.version, 4);
    assert_int_equal(packet.protocol, PACKET_PROTOCOL_TCP);
    assert_false(packet.fragment);
    assert_int_equal(packet.ip_at, 0);
    assert_int_equal(packet.transport_at, 28);
    assert_int_equal(packet.payload_at, 60);
    assert_int_equal(packet.end, 65);
    assert_int_equal(packet.source.family, 4);
    assert_memory_equal(packet.source.bytes, "\x0a\x09\0\7\0\0\0", 7);
    assert_memory_equal(packet.destination.bytes, "\x0a\x09\0\xfa\0", 5);
}

static void ipv6_udp_is_read_behind_extension_headers(void **state)
{
    (void)state;
    struct recipe recipe = {
        .ipv6 = true, .udp = true, .host = 7, .extensions = 3, .payload_len = 9};
    size_t len = packet_make(&recipe, bytes);
    struct packet packet = parsed(PACKET_IP, len);
    assert_int_equal(packet.version, 6);
    assert_int_equal(packet.protocol, PACKET_PROTOCOL_UDP);
    assert_int_equal(packet.transport_at, 64);
    assert_int_equal(packet.payload_at, 72);
    assert_int_equal(packet.end, 81);
    assert_int_equal(packet.source.family, 6);
    assert_int_equal(packet.source.bytes[15], 7);
    assert_int_equal(packet.destination.bytes[15], 250);
}

static void a_frame_is_read_with_and_without_a_tag(void **state)
{
    (void)state;
    struct recipe recipe = {.link = PACKET_ETHERNET, .payload_len = 1};
    struct packet packet = parsed(PACKET_ETHERNET, packet_make(&recipe, bytes));
    assert_int_equal(packet.ip_at, 14);
    assert_int_equal(packet.payload_at, 54);
    recipe.vlan = true;
    recipe.ipv6 = true;
    size_t len = packet_make(&recipe, bytes);
    packet = parsed(PACKET_ETHERNET, len);
    assert_int_equal(packet.ip_at, 18);
    assert_int_equal(packet.payload_at, 78);
    bytes[12] = 0x88; /* 802.1ad */
    bytes[13] = 0xa8;
    assert_int_equal(parsed(PACKET_ETHERNET, len).ip_at, 18);
}

static void padding_behind_the_packet_is_not_of_it(void **state)
{
    (void)state;
    struct recipe recipe = {.link = PACKET_ETHERNET, .udp = true, .payload_len = 1};
    size_t len = packet_make(&recipe, bytes);
    struct packet packet = parsed(PACKET_ETHERNET, len + 17);
    assert_int_equal(packet.end, len);
    assert_int_equal(packet.len, len + 17);
}

static void other_frames_are_frames_without_a_packet(void **state)
{
    (void)state;
    struct recipe recipe = {.link = PACKET_ETHERNET};
    size_t len = packet_make(&recipe, bytes);
    store_u16(bytes + 12, 0x0806); /* ARP */
    assert_int_equal(parsed(PACKET_ETHERNET, len).version, 0);
    store_u16(bytes + 12, 0x86dd); /* says IPv6, is IPv4 */
    assert_int_equal(parsed(PACKET_ETHERNET, len).version, 0);
    store_u16(bytes + 12, 0x0800);
    struct packet packet = parsed(PACKET_ETHERNET, len - 1);
    assert_int_equal(packet.version, 0);
    assert_int_equal(packet.source.family, 0);
    assert_int_equal(packet.end, 0);
    assert_int_equal(parsed(PACKET_ETHERNET, 14).version, 0);
    assert_false(packet_parse(&packet, PACKET_ETHERNET, bytes, 13));
    store_u16(bytes + 12, 0x8100);
    assert_int_equal(parsed(PACKET_ETHERNET, 15).version, 0);
}

static void a_mapped_address_stays_ipv6(void **state)
{
    (void)state;
    struct recipe recipe = {.ipv6 = true};
    size_t len = packet_make(&recipe, bytes);
    memcpy(bytes + 8, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x09\0\2", 16);
    assert_int_equal(parsed(PACKET_IP, len).source.family, 6);
}

/* ---- Hostile lengths ---- */

static void ip_headers_that_lie_are_refused(void **state)
{
    (void)state;
    struct recipe recipe = {.payload_len = 4};
    size_t len = packet_make(&recipe, bytes);
    assert_refused(0);
    assert_refused(len - 1);
    assert_refused(19);
    assert_refused(PACKET_MAX + 1);
    bytes[0] = 0x44; /* a header of 16 bytes */
    assert_refused(len);
    bytes[0] = 0x35;
    assert_refused(len);
    bytes[0] = 0x4f; /* a header longer than the packet */
    store_u16(bytes + 2, 44);
    assert_refused(44);
    bytes[0] = 0x45;
    store_u16(bytes + 2, 19);
    assert_refused(len);
    recipe.ipv6 = true;
    len = packet_make(&recipe, bytes);
    assert_refused(len - 1);
    assert_refused(39);
    store_u16(bytes + 4, (uint16_t)(len - 39));
    assert_refused(len);
}

static void transport_headers_that_lie_have_no_payload(void **state)
{
    (void)state;
    struct recipe recipe = {.payload_len = 4};
    size_t len = packet_make(&recipe, bytes);
    bytes[20 + 12] = 0x40; /* a header of 16 bytes */
    struct packet packet = parsed(PACKET_IP, len);
    assert_int_equal(packet.transport_at, 20);
    assert_int_equal(packet.payload_at, 0);
    bytes[20 + 12] = 0x70; /* 28, more than there is */
    assert_int_equal(parsed(PACKET_IP, len).payload_at, 0);
    recipe.udp = true;
    len = packet_make(&recipe, bytes);
    store_u16(bytes + 24, 7);
    assert_int_equal(parsed(PACKET_IP, len).payload_at, 0);
    store_u16(bytes + 24, 13);
    assert_int_equal(parsed(PACKET_IP, len).payload_at, 0);
    store_u16(bytes + 24, 12);
    assert_int_equal(parsed(PACKET_IP, len).payload_at, 28);
}

static void fragments_are_known(void **state)
{
    (void)state;
    struct recipe recipe = {.payload_len = 40};
    size_t len = packet_make(&recipe, bytes);
    store_u16(bytes + 6, 0x2000); /* the first of several */
    assert_true(parsed(PACKET_IP, len).fragment);
    assert_int_equal(parsed(PACKET_IP, len).transport_at, 20);
    store_u16(bytes + 6, 0x0001); /* the last */
    assert_true(parsed(PACKET_IP, len).fragment);
    assert_int_equal(parsed(PACKET_IP, len).transport_at, 0);
    recipe.ipv6 = true;
    recipe.extensions = 1;
    len = packet_make(&recipe, bytes);
    bytes[6] = 44;
    store_u16(bytes + 42, 0x0001);
    assert_true(parsed(PACKET_IP, len).fragment);
    assert_int_equal(parsed(PACKET_IP, len).transport_at, 48);
    store_u16(bytes + 42, 0x0009);
    assert_true(parsed(PACKET_IP, len).fragment);
    assert_int_equal(parsed(PACKET_IP, len).protocol, PACKET_PROTOCOL_TCP);
    assert_int_equal(parsed(PACKET_IP, len).transport_at, 0);
}

static void extension_headers_end(void **state)
{
    (void)state;
    struct recipe recipe = {.ipv6 = true, .extensions = 7, .payload_len = 4};
    size_t len = packet_make(&recipe, bytes);
    assert_int_equal(parsed(PACKET_IP, len).transport_at, 96);
    recipe.extensions = 9;
    assert_int_equal(parsed(PACKET_IP, packet_make(&recipe, bytes)).transport_at, 0);
    recipe.extensions = 1;
    len = packet_make(&recipe, bytes);
    bytes[41] = 200; /* past the end */
    assert_int_equal(parsed(PACKET_IP, len).transport_at, 0);
    bytes[6] = 51; /* Authentication counts otherwise: (0 + 2) * 4 */
    bytes[41] = 0;
    assert_int_equal(parsed(PACKET_IP, len).transport_at, 48);
}

/* Every byte of some packets, changed to everything: nothing points outside. */
static void offsets_stay_inside(void **state)
{
    (void)state;
    static const struct recipe recipes[] = {
        {.payload_len = 3, .ip_options_len = 4},
        {.ipv6 = true, .extensions = 2, .payload_len = 3},
        {.link = PACKET_ETHERNET, .vlan = true, .udp = true, .payload_len = 3},
    };
    for (size_t r = 0; r < sizeof recipes / sizeof *recipes; r++) {
        size_t len = packet_make(&recipes[r], bytes);
        for (size_t i = 0; i < len * 256; i++) {
            struct packet packet;
            uint8_t was = bytes[i / 256];
            bytes[i / 256] = (uint8_t)i;
            if (packet_parse(&packet, recipes[r].link, bytes, len)) {
                assert_true(packet.end <= len && packet.payload_at <= packet.end);
                assert_true(packet.payload_at == 0 || packet.transport_at > 0);
                assert_true(packet.transport_at <= packet.end);
            }
            bytes[i / 256] = was;
        }
    }
}

/* ---- Checksums ---- */

static void sums_are_those_of_bytes_in_pairs(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t i = 0; i < 4096; i++)
        bytes[i] = (uint8_t)packet_draw(&seed, 256);
    memset(bytes + 1024, 0xff, 256);
    for (unsigned round = 0; round < 4000; round++) {
        size_t at = packet_draw(&seed, 1500);
        size_t len = packet_draw(&seed, round % 2 ? 100 : 2000);
        uint32_t slow = 0;
        for (size_t i = 0; i < len; i++)
            slow += i % 2 ? bytes[at + i] : (uint32_t)bytes[at + i] << 8;
        while (slow >> 16)
            slow = (slow & 0xffff) + (slow >> 16);
        uint8_t stored[2];
        size_t half = len / 2 & ~(size_t)1;
        uint64_t sum = packet_checksum_add(0, bytes + at, half);
        sum = packet_checksum_add(sum, bytes + at + half, len - half);
        packet_checksum_store(stored, packet_checksum_fold(sum));
        assert_int_equal(packet_field(stored, 2), slow);
    }
}

/* RFC 1071, 3: 00 01 f2 03 f4 f5 f6 f7 sum to ddf2. */
static void the_sum_of_the_rfc_is_found(void **state)
{
    (void)state;
    uint8_t stored[2];
    uint64_t sum = packet_checksum_add(0, "\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8);
    packet_checksum_store(stored, packet_checksum_fold(sum));
    assert_memory_equal(stored, "\xdd\xf2", 2);
}

static struct offload left_unfinished(const struct packet *packet)
{
    return packet_checksum_leave(packet, bytes + packet->transport_at,
                                 packet->end - packet->transport_at);
}

static void unfinished_checksums_are_finished(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct recipe recipe = {.link = i & 1 ? PACKET_ETHERNET : PACKET_IP,
                                .ipv6 = i & 2,
                                .udp = i & 4,
                                .payload_len = 100 + i,
                                .payload = (uint8_t)i};
        size_t len = packet_make(&recipe, bytes);
        struct packet packet = parsed(recipe.link, len);
        struct offload offload = left_unfinished(&packet);
        assert_false(packet_right(bytes, packet.ip_at, packet.transport_at, len));
        assert_true(packet_checksum_finish(bytes, len, &offload));
        assert_true(packet_right(bytes, packet.ip_at, packet.transport_at, len));
        offload = (struct offload){0};
        bytes[len - 1] ^= 1;
        assert_true(packet_checksum_finish(bytes, len, &offload));
        assert_false(packet_right(bytes, packet.ip_at, packet.transport_at, len));
    }
}

/* The payload is chosen so that the checksum would be zero. */
static void a_udp_checksum_is_never_zero(void **state)
{
    (void)state;
    struct recipe recipe = {.udp = true, .payload_len = 2};
    size_t len = packet_make(&recipe, bytes);
    struct packet packet = parsed(PACKET_IP, len);
    uint16_t checksum = packet_checksum_load(bytes + 26);
    uint16_t payload = packet_checksum_load(bytes + 28);
    packet_checksum_store(bytes + 28, packet_checksum_fold((uint64_t)payload + checksum));
    struct offload offload = left_unfinished(&packet);
    assert_true(packet_checksum_finish(bytes, len, &offload));
    assert_int_equal(packet_field(bytes + 26, 2), 0xffff);
    packet_checksum_transport(&packet, bytes + 20, len - 20);
    assert_int_equal(packet_field(bytes + 26, 2), 0xffff);
    assert_true(packet_right(bytes, 0, 20, len));
}

static void a_checksum_outside_of_the_packet_is_refused(void **state)
{
    (void)state;
    struct offload offload = {.checksum = true, .checksum_start = 20, .checksum_at = 36};
    uint8_t small[37] = {0};
    assert_false(packet_checksum_finish(small, sizeof small, &offload));
    offload.checksum_at = 35;
    assert_true(packet_checksum_finish(small, sizeof small, &offload));
    offload.checksum_start = 38;
    assert_false(packet_checksum_finish(small, sizeof small, &offload));
    assert_false(packet_checksum_finish(small, 1, &offload));
}

static void wrong_checksums_are_seen(void **state)
{
    (void)state;
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        struct recipe recipe = {.ipv6 = ipv6, .payload_len = 33, .tcp_options_len = 4};
        size_t len = packet_make(&recipe, bytes);
        struct packet packet = parsed(PACKET_IP, len);
        assert_true(packet_checksum_tcp_right(&packet));
        for (size_t i = ipv6 ? 8 : 12; i < len; i++) { /* addresses and all behind */
            bytes[i] ^= 0x10;
            assert_false(packet_checksum_tcp_right(&packet));
            bytes[i] ^= 0x10;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_tcp_is_read),
        cmocka_unit_test(ipv6_udp_is_read_behind_extension_headers),
        cmocka_unit_test(a_frame_is_read_with_and_without_a_tag),
        cmocka_unit_test(padding_behind_the_packet_is_not_of_it),
        cmocka_unit_test(other_frames_are_frames_without_a_packet),
        cmocka_unit_test(a_mapped_address_stays_ipv6),
        cmocka_unit_test(ip_headers_that_lie_are_refused),
        cmocka_unit_test(transport_headers_that_lie_have_no_payload),
        cmocka_unit_test(fragments_are_known),
        cmocka_unit_test(extension_headers_end),
        cmocka_unit_test(offsets_stay_inside),
        cmocka_unit_test(sums_are_those_of_bytes_in_pairs),
        cmocka_unit_test(the_sum_of_the_rfc_is_found),
        cmocka_unit_test(unfinished_checksums_are_finished),
        cmocka_unit_test(a_udp_checksum_is_never_zero),
        cmocka_unit_test(a_checksum_outside_of_the_packet_is_refused),
        cmocka_unit_test(wrong_checksums_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
