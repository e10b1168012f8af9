/*
 * What a packet may leave for later: offload_fits(), which nothing of a peer's gets past.
 */
#include "io/offload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PAYLOAD = 3000, SEGMENT = 1000, ROOM = 256 };

/* A packet with room in front of it and behind its end to be spoilt. */
struct packet {
    uint8_t bytes[PAYLOAD + ROOM];
    size_t len;
    bool ethernet;
    struct offload offload;
};

static void put16(uint8_t *at, size_t number)
{
    at[0] = (uint8_t)(number >> 8);
    at[1] = (uint8_t)number;
}

/* The transport's header at an offset, payload behind it. */
static void finish(struct packet *packet, size_t at, bool tcp)
{
    size_t header_len = tcp ? 32 : 8;
    if (tcp)
        packet->bytes[at + 12] = 8 << 4;
    packet->len = at + header_len + PAYLOAD;
    packet->offload.segment = SEGMENT;
    packet->offload.header_len = (uint16_t)(at + header_len);
    packet->offload.checksum = true;
    packet->offload.checksum_start = (uint16_t)at;
    packet->offload.checksum_at = (uint16_t)(at + (tcp ? 16 : 6));
}

static struct packet ip4(size_t at, bool tcp)
{
    struct packet packet = {.offload.cut = tcp ? OFFLOAD_TCP4 : OFFLOAD_UDP};
    packet.bytes[at] = 0x45;
    packet.bytes[at + 9] = tcp ? 6 : 17;
    finish(&packet, at + 20, tcp);
    put16(packet.bytes + at + 2, packet.len - at);
    return packet;
}

/* With extension headers, each of 8 bytes. */
static struct packet ip6(size_t at, bool tcp, const uint8_t *extensions, size_t count)
{
    struct packet packet = {.offload.cut = tcp ? OFFLOAD_TCP6 : OFFLOAD_UDP};
    uint8_t *next = &packet.bytes[at + 6];
    packet.bytes[at] = 0x60;
    for (size_t i = 0; i < count; i++) {
        *next = extensions[i];
        next = &packet.bytes[at + 40 + 8 * i];
    }
    *next = tcp ? 6 : 17;
    finish(&packet, at + 40 + 8 * count, tcp);
    put16(packet.bytes + at + 4, packet.len - at - 40);
    return packet;
}

static bool fits(const struct packet *packet)
{
    return offload_fits(&packet->offload, packet->bytes, packet->len, packet->ethernet);
}

static void what_the_kernel_makes_fits(void **state)
{
    (void)state;
    static const uint8_t extensions[] = {0, 60, 43};
    struct packet packets[] = {ip4(0, true), ip4(0, false), ip6(0, true, NULL, 0),
                               ip6(0, false, NULL, 0), ip6(0, true, extensions, 3)};
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
        assert_true(fits(&packets[i]));
}

static void frames_fit_with_and_without_a_vlan(void **state)
{
    (void)state;
    struct packet plain = ip4(14, true);
    put16(plain.bytes + 12, 0x0800);
    plain.ethernet = true;
    assert_true(fits(&plain));
    struct packet tagged = ip6(18, true, NULL, 0);
    put16(tagged.bytes + 12, 0x8100);
    put16(tagged.bytes + 16, 0x86dd);
    tagged.ethernet = true;
    assert_true(fits(&tagged));
    put16(tagged.bytes + 16, 0x0806);
    assert_false(fits(&tagged));
    plain.ethernet = false;
    assert_false(fits(&plain));
}

static void what_is_complete_fits_whatever_it_is(void **state)
{
    (void)state;
    static const struct offload whole;
    uint8_t byte = 0xff;
    assert_true(offload_fits(&whole, &byte, 1, false));
    assert_true(offload_fits(&whole, &byte, 1, true));
}

static void a_checksum_stands_inside_of_what_it_sums(void **state)
{
    (void)state;
    static const uint8_t bytes[40];
    struct offload offload = {.checksum = true, .checksum_start = 20, .checksum_at = 38};
    assert_true(offload_fits(&offload, bytes, 40, false));
    assert_false(offload_fits(&offload, bytes, 39, false));
    offload.checksum_at = 19;
    assert_false(offload_fits(&offload, bytes, 40, false));
    offload.checksum_start = offload.checksum_at = UINT16_MAX;
    assert_false(offload_fits(&offload, bytes, 40, false));
}

static void another_offload_than_the_headers_say_does_not_fit(void **state)
{
    (void)state;
    const struct packet good = ip4(0, true);
    for (int cut = OFFLOAD_WHOLE - 1; cut <= OFFLOAD_UDP + 1; cut++) {
        struct packet packet = good;
        packet.offload.cut = (enum offload_cut)cut;
        assert_int_equal(fits(&packet), cut == OFFLOAD_TCP4 || cut == OFFLOAD_WHOLE);
    }
    for (int delta = -1; delta <= 1; delta += 2) {
        struct packet packet = good;
        packet.offload.header_len = (uint16_t)(good.offload.header_len + delta);
        assert_false(fits(&packet));
        packet = good;
        packet.offload.checksum_start = (uint16_t)(good.offload.checksum_start + delta);
        assert_false(fits(&packet));
        packet = good;
        packet.offload.checksum_at = (uint16_t)(good.offload.checksum_at + delta);
        assert_false(fits(&packet));
        packet = good;
        packet.len = (size_t)((ssize_t)good.len + delta);
        assert_false(fits(&packet));
    }
    struct packet unsummed = good;
    unsummed.offload.checksum = false;
    assert_false(fits(&unsummed));
}

static void headers_that_contradict_themselves_do_not_fit(void **state)
{
    (void)state;
    const struct packet good = ip4(0, true);
    static const struct {
        size_t at;
        uint8_t byte;
    } spoilt[] = {{0, 0x44}, {0, 0x4f}, {0, 0x65}, {6, 0x20},   {7, 1},
                  {9, 17},   {2, 0},    {32, 0},   {32, 4 << 4}};
    for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
        struct packet packet = good;
        packet.bytes[spoilt[i].at] = spoilt[i].byte;
        assert_false(fits(&packet));
    }
    struct packet dont_fragment = good;
    dont_fragment.bytes[6] = 0x40;
    assert_true(fits(&dont_fragment));
}

static void the_number_of_pieces_is_bounded(void **state)
{
    (void)state;
    struct packet packet = ip4(0, true);
    packet.offload.segment = 0;
    assert_false(fits(&packet));
    packet.offload.segment = PAYLOAD / OFFLOAD_PIECES_MAX;
    assert_false(fits(&packet));
    packet.offload.segment = PAYLOAD / OFFLOAD_PIECES_MAX + 1;
    assert_true(fits(&packet));
    packet.offload.segment = UINT16_MAX;
    assert_true(fits(&packet));
}

static void there_is_a_payload_to_cut(void **state)
{
    (void)state;
    struct packet packet = ip4(0, true);
    packet.len = packet.offload.header_len;
    put16(packet.bytes + 2, packet.len);
    assert_false(fits(&packet));
    packet.len++;
    put16(packet.bytes + 2, packet.len);
    assert_true(fits(&packet));
}

/* Under AddressSanitizer: each prefix has an end of its own. */
static void headers_that_end_early_are_not_read_past_their_end(void **state)
{
    (void)state;
    static const uint8_t extensions[] = {0, 60, 43};
    const struct packet packets[] = {ip4(0, true), ip6(0, false, extensions, 3)};
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        for (size_t len = 1; len < packets[i].offload.header_len; len++) {
            uint8_t *copy = test_malloc(len);
            memcpy(copy, packets[i].bytes, len);
            assert_false(offload_fits(&packets[i].offload, copy, len, false));
            assert_false(offload_fits(&packets[i].offload, copy, len, true));
            test_free(copy);
        }
    }
}

static void the_payload_begins_behind_whole_headers(void **state)
{
    (void)state;
    uint8_t bytes[64] = {[12] = 6 << 4};
    assert_int_equal(offload_payload(bytes, 64, 0, true), 24);
    assert_int_equal(offload_payload(bytes, 24, 0, true), 24);
    assert_int_equal(offload_payload(bytes, 23, 0, true), 0);
    assert_int_equal(offload_payload(bytes, 19, 0, true), 0);
    assert_int_equal(offload_payload(bytes, 64, 60, true), 0);
    assert_int_equal(offload_payload(bytes, 64, 65, true), 0);
    bytes[12] = 4 << 4;
    assert_int_equal(offload_payload(bytes, 64, 0, true), 0);
    assert_int_equal(offload_payload(bytes, 8, 0, false), 8);
    assert_int_equal(offload_payload(bytes, 7, 0, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_kernel_makes_fits),
        cmocka_unit_test(frames_fit_with_and_without_a_vlan),
        cmocka_unit_test(what_is_complete_fits_whatever_it_is),
        cmocka_unit_test(a_checksum_stands_inside_of_what_it_sums),
        cmocka_unit_test(another_offload_than_the_headers_say_does_not_fit),
        cmocka_unit_test(headers_that_contradict_themselves_do_not_fit),
        cmocka_unit_test(the_number_of_pieces_is_bounded),
        cmocka_unit_test(there_is_a_payload_to_cut),
        cmocka_unit_test(headers_that_end_early_are_not_read_past_their_end),
        cmocka_unit_test(the_payload_begins_behind_whole_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
