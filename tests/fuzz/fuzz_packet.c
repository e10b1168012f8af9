/*
 * Input: a byte (bit 0: frames instead of IP packets), then packets: kind (1), number (2), length
 * (2), bytes. The kind says what is done with one: bits 0-1 join it, accept it as a peer's
 * segmented packet of that gso_size, or cut it as bits 2-3 say, with its own headers in front of
 * the payload or (bit 4) as many bytes as the number says. What holds of every input: nothing
 * points outside of a packet; what is accepted or joined may be handed to the kernel, can be cut as
 * it would, and its pieces are whole packets with the payload that went in; the kernel's header
 * says of a packet what was meant.
 */
#include "base/cursor.h"
#include "io/offload.h"
#include "io/real/vnet.h"
#include "lib/packet/checksum.h"
#include "lib/packet/cut.h"
#include "lib/packet/join.h"
#include "lib/packet/segmented.h"
#include "tests/fuzz/fuzz.h"

enum { PACKETS_MAX = 200 };

struct run {
    enum packet_link link;
    struct packet_join join;
    uint8_t *packets[PACKETS_MAX];
    size_t count;
    size_t payload_in, payload_out; /* of what goes through the join */
};

static size_t payload_of(const struct packet *packet)
{
    return packet->payload_at > 0 ? (size_t)(packet->end - packet->payload_at) : 0;
}

static void check_packet(const struct packet *packet)
{
    FUZZ_CHECK(packet->end <= packet->len);
    FUZZ_CHECK(packet->ip_at <= packet->transport_at || packet->transport_at == 0);
    FUZZ_CHECK(packet->transport_at <= packet->end && packet->payload_at <= packet->end);
    FUZZ_CHECK(packet->payload_at == 0 || packet->payload_at > packet->transport_at);
    FUZZ_CHECK(packet->source.family == packet->version);
}

/* Cuts it and looks at the pieces. Returns how much payload they have. */
static size_t cut(enum packet_link link, const struct packet *packet, const struct offload *offload,
                  bool must)
{
    struct packet_cut cut;
    size_t payload = 0;
    if (!packet_cut_start(&cut, packet, offload)) {
        FUZZ_CHECK(!must);
        return 0;
    }
    for (size_t len; (len = packet_cut_next(&cut)) > 0;) {
        struct packet piece;
        uint8_t *bytes = malloc(len);
        FUZZ_CHECK(bytes != NULL && len <= packet->len);
        packet_cut_write(&cut, bytes);
        if (!must && offload->checksum && offload->cut == OFFLOAD_WHOLE) {
            free(bytes); /* the checksum may be anywhere */
            return 0;
        }
        FUZZ_CHECK(packet_parse(&piece, link, bytes, len));
        FUZZ_CHECK(piece.payload_at == packet->payload_at);
        FUZZ_CHECK(offload->cut == OFFLOAD_WHOLE || piece.end == len);
        if (offload->cut == OFFLOAD_TCP4 || offload->cut == OFFLOAD_TCP6)
            FUZZ_CHECK(packet_checksum_tcp_right(&piece));
        payload += payload_of(&piece);
        free(bytes);
    }
    FUZZ_CHECK(payload == payload_of(packet));
    return payload;
}

/* By the header that goes to the kernel and comes from there. True when it may. */
static bool hand_over(enum packet_link link, const uint8_t *bytes, size_t len,
                      const struct offload *offload)
{
    struct virtio_net_hdr header;
    struct offload again;
    if (!vnet_write(offload, bytes, len, link == PACKET_ETHERNET, &header))
        return false;
    FUZZ_CHECK(vnet_read(&header, bytes, len, &again));
    FUZZ_CHECK(again.cut == offload->cut && again.checksum == offload->checksum);
    if (offload->checksum)
        FUZZ_CHECK(again.checksum_start == offload->checksum_start &&
                   again.checksum_at == offload->checksum_at);
    if (offload->cut != OFFLOAD_WHOLE)
        FUZZ_CHECK(again.segment == offload->segment && again.header_len == offload->header_len);
    return true;
}

static void deliver(void *arg, const uint8_t *bytes, size_t len, const struct offload *offload)
{
    struct run *run = arg;
    struct packet packet;
    uint8_t *copy = fuzz_copy(bytes, len);
    FUZZ_CHECK(packet_parse(&packet, run->link, copy, len));
    FUZZ_CHECK(hand_over(run->link, copy, len, offload));
    run->payload_out += cut(run->link, &packet, offload, true);
    free(copy);
}

static void take(struct run *run, uint8_t kind, uint16_t number, const uint8_t *bytes, size_t len)
{
    struct packet packet;
    struct offload offload = {0};
    uint8_t *copy = fuzz_copy(bytes, len);
    run->packets[run->count++] = copy;
    if (!packet_parse(&packet, run->link, copy, len))
        return;
    check_packet(&packet);
    if (kind & 2) {
        offload.cut = (enum offload_cut)(kind >> 2 & 3);
        offload.segment = number;
        offload.checksum = number & 1;
        offload.checksum_start = number & 63;
        offload.checksum_at = (uint16_t)(number >> 6);
        offload.header_len = kind & 16 ? number : packet.payload_at;
        if (kind & 32) { /* as it should be, but for the size of a segment */
            offload.checksum = true;
            offload.checksum_start = packet.transport_at;
            offload.checksum_at =
                (uint16_t)(packet.transport_at + (packet.protocol == PACKET_PROTOCOL_UDP ? 6 : 16));
        }
        hand_over(run->link, copy, len, &offload);
        cut(run->link, &packet, &offload, false);
        return;
    }
    if (kind & 1 && !packet_segmented_accept(&packet, number, &offload))
        return;
    run->payload_in += payload_of(&packet);
    packet_join_add(&run->join, &packet, &offload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    struct cursor cursor = cursor_over(data, size);
    run.link = cursor_u8(&cursor) & 1 ? PACKET_ETHERNET : PACKET_IP;
    run.count = 0;
    run.payload_in = run.payload_out = 0;
    run.join.deliver = deliver;
    run.join.arg = &run;
    while (cursor_left(&cursor) > 0 && run.count < PACKETS_MAX) {
        uint8_t kind = cursor_u8(&cursor);
        uint16_t number = cursor_u16(&cursor);
        size_t len = cursor_u16(&cursor);
        const uint8_t *bytes = cursor_take(&cursor, len);
        if (bytes)
            take(&run, kind, number, bytes, len);
    }
    packet_join_flush(&run.join);
    FUZZ_CHECK(run.payload_in == run.payload_out);
    while (run.count > 0)
        free(run.packets[--run.count]);
    return 0;
}
