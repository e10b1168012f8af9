#include "lib/packet/segmented.h"

#include "lib/packet/checksum.h"
#include "lib/packet/tcp.h"

/* The transport header stands right behind the IP header, and the packet ends with its payload. */
static bool plain(const struct packet *packet)
{
    size_t header_len = packet->version == 4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN;
    return packet->payload_at > 0 && !packet->fragment && packet->end == packet->len &&
           packet->transport_at == packet->ip_at + header_len;
}

static size_t payload_len(const struct packet *packet)
{
    return packet->end - packet->payload_at;
}

static bool tcp_fits(const struct packet *packet, uint16_t gso_size)
{
    uint8_t flags = packet->bytes[packet->transport_at + TCP_FLAGS_AT];
    return payload_len(packet) <= gso_size ||
           (gso_size >= PACKET_SEGMENT_MIN && (flags & (TCP_SYN | TCP_RST | TCP_URG)) == 0);
}

static bool udp_fits(const struct packet *packet, uint16_t gso_size)
{
    const uint8_t *len = packet->bytes + packet->transport_at + UDP_LEN_AT;
    if ((size_t)(len[0] << 8 | len[1]) != payload_len(packet) + PACKET_UDP_LEN)
        return false;
    return payload_len(packet) <= gso_size ||
           (gso_size >= PACKET_SEGMENT_MIN &&
            payload_len(packet) <= (size_t)gso_size * PACKET_UDP_SEGMENTS_MAX);
}

bool packet_segmented_fits(const struct packet *packet, uint16_t gso_size)
{
    if (gso_size == 0 || !plain(packet))
        return false;
    return packet->protocol == PACKET_PROTOCOL_TCP ? tcp_fits(packet, gso_size)
                                                   : udp_fits(packet, gso_size);
}

/* The device left the checksum of TCP or UDP unfinished, and no other one. */
static bool transport_unfinished(const struct packet *packet, const struct offload *offload)
{
    size_t at = packet->protocol == PACKET_PROTOCOL_TCP ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;
    return offload->checksum && offload->checksum_start == packet->transport_at &&
           offload->checksum_at == packet->transport_at + at;
}

uint16_t packet_segmented_size(const struct packet *packet, const struct offload *offload)
{
    if (!plain(packet) || !transport_unfinished(packet, offload))
        return 0;
    uint16_t size = offload->segment;
    if (offload->cut == OFFLOAD_WHOLE)
        size = payload_len(packet) > 0 ? (uint16_t)payload_len(packet) : 1;
    return packet_segmented_fits(packet, size) ? size : 0;
}

static enum offload_cut cut_of(const struct packet *packet)
{
    if (packet->protocol == PACKET_PROTOCOL_UDP)
        return OFFLOAD_UDP;
    return packet->version == 4 ? OFFLOAD_TCP4 : OFFLOAD_TCP6;
}

bool packet_segmented_accept(const struct packet *packet, uint16_t gso_size,
                             struct offload *offload)
{
    if (!packet_segmented_fits(packet, gso_size))
        return false;
    size_t transport_len = packet->end - packet->transport_at;
    *offload = packet_checksum_leave(packet, packet->bytes + packet->transport_at, transport_len);
    if (payload_len(packet) > gso_size) {
        offload->cut = cut_of(packet);
        offload->segment = gso_size;
        offload->header_len = packet->payload_at;
    }
    return true;
}
