/*
 * lib/packet/cut.h and join.h: what is cut is right, and what is cut and joined is as it was.
 */
#include "base/cursor.h"
#include "lib/packet/checksum.h"
#include "lib/packet/cut.h"
#include "lib/packet/join.h"
#include "lib/packet/tcp.h"
#include "tests/unit/packet_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PIECES_MAX = 4096 };

static uint8_t big[PACKET_MAX + 100];
static uint8_t pieces[4 * PACKET_MAX + 100];
static size_t lens[PIECES_MAX];
static struct packet read_pieces[PIECES_MAX];
static struct offload offload;

/* A segment as a device gives it: the checksum unfinished. */
static struct packet segment_of(const struct recipe *recipe, uint16_t segment)
{
    struct packet packet;
    size_t len = packet_make(recipe, big);
    assert_true(packet_parse(&packet, recipe->link, big, len));
    offload = packet_checksum_leave(&packet, big + packet.transport_at, len - packet.transport_at);
    offload.cut = recipe->udp ? OFFLOAD_UDP : recipe->ipv6 ? OFFLOAD_TCP6 : OFFLOAD_TCP4;
    offload.segment = segment;
    offload.header_len = packet.payload_at;
    return packet;
}

/* Into pieces, one behind the other; reads and checks each. Returns how many. */
static size_t cut(const struct packet *packet)
{
    struct packet_cut state;
    uint8_t *at = pieces;
    size_t count = 0;
    enum packet_link link = packet->ip_at > 0 ? PACKET_ETHERNET : PACKET_IP;
    assert_true(packet_cut_start(&state, packet, &offload));
    for (size_t len; (len = packet_cut_next(&state)) > 0; count++) {
        assert_true(count < PIECES_MAX);
        at[len] = 0xa5;
        packet_cut_write(&state, at);
        assert_int_equal(at[len], 0xa5);
        assert_true(packet_parse(&read_pieces[count], link, at, len));
        assert_int_equal(read_pieces[count].end, len);
        assert_true(packet_right(at, packet->ip_at, packet->transport_at, len));
        lens[count] = len;
        at += len;
    }
    return count;
}

static const uint8_t *tcp_of(size_t piece)
{
    return read_pieces[piece].bytes + read_pieces[piece].transport_at;
}

/* ---- Cutting ---- */

static void every_header_of_a_piece_is_right(void **state)
{
    (void)state;
    struct recipe recipe = {.id = 0xfffe,
                            .sequence = 0xffffff00,
                            .tcp_options_len = 12,
                            .flags = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR,
                            .payload_len = 2500};
    struct packet packet = segment_of(&recipe, 1000);
    assert_int_equal(cut(&packet), 3);
    static const uint16_t ids[] = {0xfffe, 0xffff, 0};
    static const uint32_t sequences[] = {0xffffff00, 0x2e8, 0x6d0};
    static const uint8_t flags[] = {TCP_ACK | TCP_CWR, TCP_ACK, TCP_ACK | TCP_PSH | TCP_FIN};
    static const size_t expected[] = {1052, 1052, 552};
    size_t done = 0;
    for (size_t i = 0; i < 3; i++) {
        const struct packet *piece = &read_pieces[i];
        assert_int_equal(lens[i], expected[i]);
        assert_int_equal(packet_field(piece->bytes + 4, 2), ids[i]);
        assert_int_equal(packet_field(tcp_of(i) + TCP_SEQUENCE_AT, 4), sequences[i]);
        assert_int_equal(tcp_of(i)[TCP_FLAGS_AT], flags[i]);
        size_t payload_len = piece->end - piece->payload_at;
        assert_memory_equal(piece->bytes + 52, big + 52 + done, payload_len);
        done += payload_len;
    }
    assert_int_equal(done, 2500);
}

static void udp_pieces_have_lengths_of_their_own(void **state)
{
    (void)state;
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        struct recipe recipe = {.udp = true, .ipv6 = ipv6, .payload_len = 2001};
        struct packet packet = segment_of(&recipe, 1000);
        assert_int_equal(cut(&packet), 3);
        assert_int_equal(packet_field(tcp_of(0) + 4, 2), 1008);
        assert_int_equal(packet_field(tcp_of(2) + 4, 2), 9);
    }
}

static void options_extension_headers_and_tags_stand_in_each_piece(void **state)
{
    (void)state;
    struct recipe recipe = {.ip_options_len = 12, .payload_len = 300};
    struct packet packet = segment_of(&recipe, 100);
    assert_int_equal(cut(&packet), 3);
    recipe = (struct recipe){.ipv6 = true, .extensions = 2, .payload_len = 300};
    packet = segment_of(&recipe, 100);
    assert_int_equal(cut(&packet), 3);
    assert_int_equal(read_pieces[2].transport_at, 56);
    recipe = (struct recipe){.link = PACKET_ETHERNET, .vlan = true, .payload_len = 300};
    packet = segment_of(&recipe, 100);
    assert_int_equal(cut(&packet), 3);
    assert_int_equal(read_pieces[2].ip_at, 18);
}

static void what_needs_no_cut_is_one_piece(void **state)
{
    (void)state;
    struct recipe recipe = {.flags = TCP_ACK | TCP_PSH, .payload_len = 100};
    struct packet packet = segment_of(&recipe, 100);
    assert_int_equal(cut(&packet), 1);
    assert_int_equal(tcp_of(0)[TCP_FLAGS_AT], TCP_ACK | TCP_PSH);
    packet = segment_of(&recipe, 0);
    offload.cut = OFFLOAD_WHOLE;
    assert_int_equal(cut(&packet), 1);
    assert_int_equal(lens[0], packet.len);
    size_t len = packet_make(&recipe, big);
    offload = (struct offload){0};
    assert_int_equal(cut(&packet), 1);
    assert_memory_equal(pieces, big, len);
}

static void what_is_not_as_said_is_not_cut(void **state)
{
    (void)state;
    struct packet_cut state_of_cut;
    struct recipe recipe = {.payload_len = 3000};
    struct packet packet = segment_of(&recipe, 1000);
    assert_true(packet_cut_start(&state_of_cut, &packet, &offload));
    offload.segment = 0;
    assert_false(packet_cut_start(&state_of_cut, &packet, &offload));
    offload.segment = 1000;
    offload.cut = OFFLOAD_TCP6;
    assert_false(packet_cut_start(&state_of_cut, &packet, &offload));
    offload.cut = OFFLOAD_UDP;
    assert_false(packet_cut_start(&state_of_cut, &packet, &offload));
    offload.cut = OFFLOAD_TCP4;
    packet.fragment = true;
    assert_false(packet_cut_start(&state_of_cut, &packet, &offload));
    recipe.payload_len = 0;
    packet = segment_of(&recipe, 1000);
    assert_false(packet_cut_start(&state_of_cut, &packet, &offload));
    offload = (struct offload){.checksum = true, .checksum_at = 65000};
    assert_false(packet_cut_start(&state_of_cut, &packet, &offload));
}

/* ---- Cut, then joined ---- */

struct delivered {
    uint8_t bytes[PACKET_MAX];
    size_t len;
    struct offload offload;
    size_t count;
};

static struct delivered delivered;

static void keep(void *arg, const uint8_t *bytes, size_t len, const struct offload *said)
{
    (void)arg;
    memcpy(delivered.bytes, bytes, len);
    delivered.len = len;
    delivered.offload = *said;
    delivered.count++;
}

static struct recipe drawn(uint64_t *seed)
{
    struct recipe recipe = {
        .link = packet_draw(seed, 2) ? PACKET_ETHERNET : PACKET_IP,
        .vlan = packet_draw(seed, 2),
        .ipv6 = packet_draw(seed, 2),
        .tcp_options_len = (uint8_t)(packet_draw(seed, 11) * 4),
        .flags = (uint8_t)(TCP_ACK | (packet_draw(seed, 2) ? TCP_PSH : 0)),
        .id = (uint16_t)packet_draw(seed, 0x10000),
        .do_not_fragment = packet_draw(seed, 2),
        .sequence = packet_draw(seed, UINT32_MAX),
        .acknowledgement = packet_draw(seed, UINT32_MAX),
        .window = (uint16_t)packet_draw(seed, 0x10000),
        .payload_len = 1 + packet_draw(seed, 12000),
        .payload = (uint8_t)packet_draw(seed, 256),
    };
    return recipe;
}

static void what_is_cut_and_joined_is_as_it_was(void **state)
{
    (void)state;
    struct packet_join *join = calloc(1, sizeof *join);
    assert_non_null(join);
    join->deliver = keep;
    uint64_t seed = 2;
    for (unsigned round = 0; round < 600; round++) {
        struct recipe recipe = drawn(&seed);
        size_t at_least = recipe.payload_len / PACKET_JOIN_PIECES + 1;
        uint16_t segment = (uint16_t)(at_least + packet_draw(&seed, 1500));
        struct packet packet = segment_of(&recipe, segment);
        size_t count = cut(&packet);
        assert_int_equal(count, (recipe.payload_len + segment - 1) / segment);
        delivered.count = 0;
        for (size_t i = 0; i < count; i++)
            packet_join_add(join, &read_pieces[i], &(struct offload){0});
        packet_join_flush(join);
        assert_int_equal(delivered.count, 1);
        if (count == 1)
            assert_true(packet_checksum_finish(big, packet.len, &offload));
        else
            assert_true(packet_same_offload(&delivered.offload, &offload));
        assert_int_equal(delivered.len, packet.len);
        assert_memory_equal(delivered.bytes, big, packet.len);
    }
    free(join);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_header_of_a_piece_is_right),
        cmocka_unit_test(udp_pieces_have_lengths_of_their_own),
        cmocka_unit_test(options_extension_headers_and_tags_stand_in_each_piece),
        cmocka_unit_test(what_needs_no_cut_is_one_piece),
        cmocka_unit_test(what_is_not_as_said_is_not_cut),
        cmocka_unit_test(what_is_cut_and_joined_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
