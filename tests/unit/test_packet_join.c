/*
 * lib/packet/join.h.
 */
#include "base/cursor.h"
#include "lib/packet/checksum.h"
#include "lib/packet/cut.h"
#include "lib/packet/join.h"
#include "lib/packet/segmented.h"
#include "lib/packet/tcp.h"
#include "tests/unit/packet_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BUFFER_LEN = 1 << 21, GIVEN_MAX = 128 };

struct given {
    uint8_t *bytes;
    size_t len;
    struct offload offload;
};

static uint8_t *buffer; /* what was received; packets lie one behind the other */
static size_t used;
static struct packet_join *join;
static struct given out[GIVEN_MAX];
static size_t out_count;
static const struct offload complete;

static void keep(void *arg, const uint8_t *bytes, size_t len, const struct offload *offload)
{
    (void)arg;
    assert_true(out_count < GIVEN_MAX);
    out[out_count] = (struct given){.bytes = malloc(len), .len = len, .offload = *offload};
    assert_non_null(out[out_count].bytes);
    memcpy(out[out_count++].bytes, bytes, len);
}

static void forget(void)
{
    while (out_count > 0)
        free(out[--out_count].bytes);
    used = 0;
}

static int setup(void **state)
{
    (void)state;
    buffer = malloc(BUFFER_LEN);
    join = calloc(1, sizeof *join);
    if (!buffer || !join)
        return -1;
    join->deliver = keep;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    forget();
    free(buffer);
    free(join);
    return 0;
}

/* ---- Adding ---- */

static struct packet put(const struct recipe *recipe)
{
    struct packet packet;
    assert_true(used + PACKET_MAX < BUFFER_LEN);
    size_t len = packet_make(recipe, buffer + used);
    assert_true(packet_parse(&packet, recipe->link, buffer + used, len));
    used += len + 3;
    return packet;
}

static struct packet add(const struct recipe *recipe)
{
    struct packet packet = put(recipe);
    packet_join_add(join, &packet, &complete);
    return packet;
}

/* The next segment of a flow. */
static void go_on(struct recipe *recipe)
{
    recipe->sequence += (uint32_t)recipe->payload_len;
    recipe->id++;
    recipe->payload++;
}

static void add_many(struct recipe *recipe, size_t count)
{
    for (size_t i = 0; i < count; i++, go_on(recipe))
        add(recipe);
}

static struct recipe bulk(void)
{
    return (struct recipe){
        .flags = TCP_ACK, .tcp_options_len = 12, .ttl = 64, .window = 500, .payload_len = 1000};
}

/* Payload bytes of what came out as the nth. */
static size_t payload_of(size_t n)
{
    struct packet packet;
    assert_true(n < out_count);
    assert_true(packet_parse(&packet, PACKET_IP, out[n].bytes, out[n].len));
    return packet.end - packet.payload_at;
}

static void assert_whole(size_t n, const struct packet *packet)
{
    assert_true(n < out_count);
    assert_int_equal(out[n].offload.cut, OFFLOAD_WHOLE);
    assert_false(out[n].offload.checksum);
    assert_int_equal(out[n].len, packet->len);
    assert_memory_equal(out[n].bytes, packet->bytes, packet->len);
}

/* ---- What is joined ---- */

static void segments_of_a_flow_become_one(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    add_many(&recipe, 10);
    assert_int_equal(out_count, 0);
    packet_join_flush(join);
    assert_int_equal(out_count, 1);
    assert_int_equal(payload_of(0), 10000);
    struct offload expected = {.cut = OFFLOAD_TCP4,
                               .segment = 1000,
                               .header_len = 52,
                               .checksum = true,
                               .checksum_start = 20,
                               .checksum_at = 36};
    assert_true(packet_same_offload(&out[0].offload, &expected));
    assert_int_equal(packet_field(out[0].bytes + 2, 2), 10052);
    assert_true(packet_checksum_finish(out[0].bytes, out[0].len, &out[0].offload));
    assert_true(packet_right(out[0].bytes, 0, 20, out[0].len));
}

static void flows_between_each_other_are_joined(void **state)
{
    (void)state;
    struct recipe a = bulk();
    struct recipe b = bulk();
    struct recipe c = bulk();
    b.ipv6 = true;
    c.source_port = 7;
    for (int i = 0; i < 5; i++) {
        add(&a);
        add(&b);
        add(&c);
        go_on(&a);
        go_on(&b);
        go_on(&c);
    }
    packet_join_flush(join);
    assert_int_equal(out_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(payload_of(i), 5000);
    assert_int_equal(out[1].offload.cut, OFFLOAD_TCP6);
}

static void a_shorter_segment_and_push_end_it_at_once(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    add_many(&recipe, 2);
    recipe.payload_len = 10;
    add_many(&recipe, 1);
    assert_int_equal(out_count, 1);
    assert_int_equal(payload_of(0), 2010);
    recipe.payload_len = 1000;
    add_many(&recipe, 2);
    recipe.flags |= TCP_PSH;
    add_many(&recipe, 1);
    assert_int_equal(out_count, 2);
    assert_int_equal(payload_of(1), 3000);
    assert_int_equal(out[1].bytes[20 + TCP_FLAGS_AT], TCP_ACK | TCP_PSH);
    struct packet alone = add(&recipe);
    assert_int_equal(out_count, 3);
    assert_whole(2, &alone);
}

static void a_segment_alone_stays_as_it_is(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    struct packet packet = put(&recipe);
    packet.bytes[30] ^= 1; /* nobody needs its checksum */
    packet_join_add(join, &packet, &complete);
    packet_join_flush(join);
    assert_int_equal(out_count, 1);
    assert_whole(0, &packet);
    packet_join_flush(join);
    assert_int_equal(out_count, 1);
}

static void ids_count_only_where_fragments_may_be(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    recipe.id = 0xffff;
    add_many(&recipe, 3);
    packet_join_flush(join);
    assert_int_equal(out_count, 1);
    for (int i = 0; i < 2; i++) {
        add(&recipe);
        go_on(&recipe);
        recipe.id = 9; /* says nothing */
        recipe.do_not_fragment = i == 0;
    }
    packet_join_flush(join);
    assert_int_equal(out_count, 3); /* the flag differs */
    recipe.do_not_fragment = true;
    add(&recipe);
    go_on(&recipe);
    recipe.id = 9;
    add(&recipe);
    packet_join_flush(join);
    assert_int_equal(out_count, 4);
}

/* ---- What is not ---- */

static void change_nothing(struct recipe *r)
{
    (void)r;
}
static void change_ttl(struct recipe *r)
{
    r->ttl--;
}
static void change_window(struct recipe *r)
{
    r->window++;
}
static void change_acknowledgement(struct recipe *r)
{
    r->acknowledgement++;
}
static void change_options(struct recipe *r)
{
    r->tcp_options_len += 4;
}
static void change_ip_options(struct recipe *r)
{
    r->ip_options_len = 4;
}
static void change_sequence(struct recipe *r)
{
    r->sequence++;
}
static void change_back(struct recipe *r)
{
    r->sequence -= 1000;
}
static void change_id(struct recipe *r)
{
    r->id++;
}
static void change_size(struct recipe *r)
{
    r->payload_len++;
}
static void change_to_fin(struct recipe *r)
{
    r->flags |= TCP_FIN;
}
static void change_to_urg(struct recipe *r)
{
    r->flags |= TCP_URG;
}
static void change_to_cwr(struct recipe *r)
{
    r->flags |= TCP_CWR;
}
static void change_to_ece(struct recipe *r)
{
    r->flags |= 0x40;
}
static void change_to_no_ack(struct recipe *r)
{
    r->flags = 0;
}
static void change_to_nothing(struct recipe *r)
{
    r->payload_len = 0;
}

static void what_differs_is_not_joined(void **state)
{
    (void)state;
    void (*const changes[])(struct recipe *) = {
        change_ttl,     change_window,     change_acknowledgement,
        change_options, change_ip_options, change_sequence,
        change_back,    change_id,         change_size,
        change_to_fin,  change_to_urg,     change_to_cwr,
        change_to_ece,  change_to_no_ack,  change_to_nothing};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct recipe recipe = bulk();
        struct packet first = add(&recipe);
        go_on(&recipe);
        changes[i](&recipe);
        struct packet second = add(&recipe);
        packet_join_flush(join);
        assert_int_equal(out_count, 2);
        assert_whole(0, &first);
        assert_whole(1, &second);
        forget();
    }
    struct recipe recipe = bulk();
    add(&recipe);
    go_on(&recipe);
    change_nothing(&recipe);
    add(&recipe);
    packet_join_flush(join);
    assert_int_equal(out_count, 1);
}

/* Whatever byte of the second packet's headers is another one, with checksums that are right. */
static void every_byte_of_a_header_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * 72; i++) {
        struct recipe recipe = bulk();
        recipe.ipv6 = i >= 72;
        struct packet first = add(&recipe);
        go_on(&recipe);
        struct packet second = put(&recipe);
        uint8_t *transport = second.bytes + second.transport_at;
        second.bytes[i % 72] ^= 4;
        bool checksum = i == 10 || i == 11 || i % 72 / 2 == second.transport_at / 2 + 8u;
        bool payload = i % 72 >= second.payload_at;
        if (!checksum && !payload && packet_parse(&second, PACKET_IP, second.bytes, second.len)) {
            if (!recipe.ipv6)
                packet_checksum_ipv4(second.bytes, 20);
            packet_checksum_transport(&second, transport, second.len - second.transport_at);
            packet_join_add(join, &second, &complete);
            packet_join_flush(join);
            assert_int_equal(out_count, 2);
            assert_whole(0, &first);
            assert_whole(1, &second);
        }
        packet_join_flush(join);
        forget();
    }
}

static void wrong_checksums_are_delivered_as_they_came(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    for (size_t wrong = 0; wrong < 3; wrong++) {
        struct packet packets[3];
        for (size_t i = 0; i < 3; i++, go_on(&recipe)) {
            packets[i] = put(&recipe);
            if (i == wrong)
                packets[i].bytes[500] ^= 1;
            packet_join_add(join, &packets[i], &complete);
        }
        packet_join_flush(join);
        size_t expected = wrong == 1 ? 3 : 2;
        assert_int_equal(out_count, expected);
        assert_whole(wrong == 0 ? 0 : expected - (wrong == 1 ? 2 : 1), &packets[wrong]);
        forget();
    }
}

static void frames_with_other_ethernet_headers_are_not_joined(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    recipe.link = PACKET_ETHERNET;
    add_many(&recipe, 2);
    recipe.vlan = true;
    add_many(&recipe, 2);
    struct packet other = put(&recipe);
    other.bytes[5]++;
    packet_join_add(join, &other, &complete);
    packet_join_flush(join);
    assert_int_equal(out_count, 3);
    assert_whole(2, &other);
}

static void padding_behind_a_segment_keeps_it_apart(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    add(&recipe);
    go_on(&recipe);
    struct packet padded = put(&recipe);
    padded.len++;
    packet_join_add(join, &padded, &complete);
    assert_int_equal(out_count, 2);
    assert_whole(1, &padded);
}

/* ---- Order ---- */

static void what_is_not_joined_comes_behind_what_waits(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    struct recipe other = bulk();
    other.source_port++;
    add_many(&recipe, 3);
    add_many(&other, 3);
    recipe.payload_len = 0;
    struct packet acknowledgement = add(&recipe);
    assert_int_equal(out_count, 2);
    assert_int_equal(payload_of(0), 3000);
    assert_whole(1, &acknowledgement);
    packet_join_flush(join);
    assert_int_equal(out_count, 3);
}

static void fragments_of_the_same_addresses_come_behind_what_waits(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    add_many(&recipe, 3);
    struct recipe other = bulk();
    other.host = 9;
    add_many(&other, 3);
    struct packet fragment = put(&recipe);
    fragment.bytes[6] |= 0x20;
    assert_true(packet_parse(&fragment, PACKET_IP, fragment.bytes, fragment.len));
    packet_join_add(join, &fragment, &complete);
    assert_int_equal(out_count, 2);
    assert_whole(1, &fragment);
    packet_join_flush(join);
    assert_int_equal(out_count, 3);
}

static void udp_and_frames_without_ip_keep_nobody_from_joining(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    recipe.link = PACKET_ETHERNET;
    struct recipe datagram = recipe;
    datagram.udp = true;
    add_many(&recipe, 2);
    struct packet udp = add(&datagram);
    struct packet arp = put(&recipe);
    store_u16(arp.bytes + 12, 0x0806);
    assert_true(packet_parse(&arp, PACKET_ETHERNET, arp.bytes, arp.len));
    packet_join_add(join, &arp, &complete);
    add_many(&recipe, 2);
    packet_join_flush(join);
    assert_int_equal(out_count, 3);
    assert_whole(0, &udp);
    assert_whole(1, &arp);
    assert_int_equal(out[2].offload.segment, 1000);
}

static void segmented_packets_pass_in_order(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    add_many(&recipe, 2);
    recipe.payload_len = 5000;
    struct packet segmented = put(&recipe);
    struct offload offload;
    assert_true(packet_segmented_accept(&segmented, 1000, &offload));
    packet_join_add(join, &segmented, &offload);
    assert_int_equal(out_count, 2);
    assert_int_equal(payload_of(0), 2000);
    assert_true(packet_same_offload(&out[1].offload, &offload));
    assert_memory_equal(out[1].bytes, segmented.bytes, segmented.len);
}

/* ---- Bounds ---- */

static void one_flow_more_sends_the_longest_held_on(void **state)
{
    (void)state;
    struct recipe flows[PACKET_JOIN_FLOWS + 2];
    for (size_t i = 0; i < PACKET_JOIN_FLOWS + 2; i++) {
        flows[i] = bulk();
        flows[i].source_port = (uint16_t)i;
        add_many(&flows[i], 2);
    }
    assert_int_equal(out_count, 2);
    packet_join_flush(join);
    assert_int_equal(out_count, PACKET_JOIN_FLOWS + 2);
    for (size_t i = 0; i < out_count; i++)
        assert_int_equal(packet_field(out[i].bytes + 20, 2), i);
}

static void a_joined_segment_has_bounds(void **state)
{
    (void)state;
    struct recipe recipe = bulk();
    add_many(&recipe, 66); /* 52 + 65 * 1000 is what fits into 65535 */
    packet_join_flush(join);
    assert_int_equal(out_count, 2);
    assert_int_equal(payload_of(0), 1000 * PACKET_JOIN_PIECES);
    forget();
    recipe.payload_len = 1400;
    add_many(&recipe, 50);
    packet_join_flush(join);
    assert_int_equal(out_count, 2);
    assert_int_equal(payload_of(0), 46 * 1400);
}

/* ---- Everything at once ---- */

enum { FLOWS = 12, ROUNDS = 300, PACKETS = 60 };

struct expected {
    struct packet packets[PACKETS];
    size_t count, met;
};

static struct expected expected[FLOWS];

/* What came out, cut as the kernel would, is the next of its flow, byte for byte. */
static void meet(const uint8_t *piece, size_t len)
{
    size_t flow = packet_field(piece + (*piece >> 4 == 4 ? 20 : 40), 2);
    assert_true(flow < FLOWS && expected[flow].met < expected[flow].count);
    const struct packet *packet = &expected[flow].packets[expected[flow].met++];
    assert_int_equal(len, packet->len);
    assert_memory_equal(piece, packet->bytes, len);
}

static void meet_given(const struct given *given)
{
    static uint8_t piece[PACKET_MAX];
    struct packet packet;
    struct packet_cut cut;
    assert_true(packet_parse(&packet, PACKET_IP, given->bytes, given->len));
    assert_true(packet_cut_start(&cut, &packet, &given->offload));
    for (size_t len; (len = packet_cut_next(&cut)) > 0;) {
        packet_cut_write(&cut, piece);
        meet(piece, len);
    }
}

static void change_somehow(struct recipe *recipe, uint64_t *seed)
{
    void (*const changes[])(struct recipe *) = {
        change_ttl, change_window, change_acknowledgement, change_sequence,
        change_id,  change_size,   change_to_fin,          change_to_nothing};
    if (packet_draw(seed, 6) == 0)
        changes[packet_draw(seed, sizeof changes / sizeof *changes)](recipe);
    if (packet_draw(seed, 8) == 0)
        recipe->flags ^= TCP_PSH;
}

static void no_packet_is_lost_changed_or_overtaken_in_its_flow(void **state)
{
    (void)state;
    uint64_t seed = 3;
    size_t joined = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct recipe flows[FLOWS];
        memset(expected, 0, sizeof expected);
        for (size_t i = 0; i < FLOWS; i++) {
            flows[i] = bulk();
            flows[i].source_port = (uint16_t)i;
            flows[i].ipv6 = i % 3 == 0;
            flows[i].payload_len = 1 + packet_draw(&seed, 400);
        }
        for (size_t i = 0; i < PACKETS; i++) {
            size_t flow = packet_draw(&seed, 1 + round % FLOWS);
            struct recipe recipe = flows[flow];
            change_somehow(&recipe, &seed);
            struct packet packet = put(&recipe);
            if (packet_draw(&seed, 20) == 0)
                packet.bytes[packet.len - 1] ^= 1;
            expected[flow].packets[expected[flow].count++] = packet;
            packet_join_add(join, &packet, &complete);
            recipe.flags &= (uint8_t)~TCP_FIN;
            go_on(&recipe);
            recipe.payload_len = flows[flow].payload_len;
            flows[flow] = recipe;
        }
        packet_join_flush(join);
        for (size_t i = 0; i < out_count; i++)
            meet_given(&out[i]);
        for (size_t i = 0; i < FLOWS; i++)
            assert_int_equal(expected[i].met, expected[i].count);
        joined += PACKETS - out_count;
        forget();
    }
    assert_true(joined > ROUNDS * PACKETS / 4);
}

int main(void)
{
#define WITH_JOIN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_JOIN(segments_of_a_flow_become_one),
        WITH_JOIN(flows_between_each_other_are_joined),
        WITH_JOIN(a_shorter_segment_and_push_end_it_at_once),
        WITH_JOIN(a_segment_alone_stays_as_it_is),
        WITH_JOIN(ids_count_only_where_fragments_may_be),
        WITH_JOIN(what_differs_is_not_joined),
        WITH_JOIN(every_byte_of_a_header_counts),
        WITH_JOIN(wrong_checksums_are_delivered_as_they_came),
        WITH_JOIN(frames_with_other_ethernet_headers_are_not_joined),
        WITH_JOIN(padding_behind_a_segment_keeps_it_apart),
        WITH_JOIN(what_is_not_joined_comes_behind_what_waits),
        WITH_JOIN(fragments_of_the_same_addresses_come_behind_what_waits),
        WITH_JOIN(udp_and_frames_without_ip_keep_nobody_from_joining),
        WITH_JOIN(segmented_packets_pass_in_order),
        WITH_JOIN(one_flow_more_sends_the_longest_held_on),
        WITH_JOIN(a_joined_segment_has_bounds),
        WITH_JOIN(no_packet_is_lost_changed_or_overtaken_in_its_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
