#include "lib/packet/cut.h"

#include "base/cursor.h"
#include "lib/packet/checksum.h"
#include "lib/packet/tcp.h"

#include <string.h>

/* ---- What is to be cut ---- */

/* The packet is of the protocol that offload says, whole, and has payload. */
static bool as_said(const struct packet *packet, enum offload_cut cut)
{
    if (packet->payload_at == 0 || packet->fragment || packet->payload_at == packet->end)
        return false;
    switch (cut) {
    case OFFLOAD_TCP4:
        return packet->version == 4 && packet->protocol == PACKET_PROTOCOL_TCP;
    case OFFLOAD_TCP6:
        return packet->version == 6 && packet->protocol == PACKET_PROTOCOL_TCP;
    case OFFLOAD_UDP:
        return packet->protocol == PACKET_PROTOCOL_UDP;
    default:
        return false;
    }
}

bool packet_cut_start(struct packet_cut *cut, const struct packet *packet,
                      const struct offload *offload)
{
    *cut = (struct packet_cut){.packet = *packet, .offload = *offload};
    cut->whole = offload->cut == OFFLOAD_WHOLE;
    cut->segment = offload->segment;
    if (cut->whole)
        return !offload->checksum || packet_checksum_fits(offload, packet->len);
    return offload->segment > 0 && as_said(packet, offload->cut);
}

/* ---- The pieces ---- */

static size_t left(const struct packet_cut *cut)
{
    return (size_t)(cut->packet.end - cut->packet.payload_at) - cut->done;
}

static size_t next_payload(const struct packet_cut *cut)
{
    return left(cut) < cut->segment ? left(cut) : cut->segment;
}

size_t packet_cut_next(const struct packet_cut *cut)
{
    if (cut->whole)
        return cut->pieces == 0 ? cut->packet.len : 0;
    return left(cut) > 0 ? cut->packet.payload_at + next_payload(cut) : 0;
}

/* ip_len is that of the IP packet. */
static void write_ip(const struct packet_cut *cut, uint8_t *ip, size_t ip_len)
{
    if (cut->packet.version == 6) {
        store_u16(ip + 4, (uint16_t)(ip_len - PACKET_IPV6_LEN));
        return;
    }
    struct cursor id = cursor_over(ip + 4, 2);
    store_u16(ip + 2, (uint16_t)ip_len);
    store_u16(ip + 4, (uint16_t)(cursor_u16(&id) + cut->pieces));
    packet_checksum_ipv4(ip, (size_t)(*ip & 0xf) * 4);
}

static void write_tcp(const struct packet_cut *cut, uint8_t *tcp, bool last)
{
    struct cursor sequence = cursor_over(tcp + TCP_SEQUENCE_AT, 4);
    store_u32(tcp + TCP_SEQUENCE_AT, (uint32_t)(cursor_u32(&sequence) + cut->done));
    if (!last)
        tcp[TCP_FLAGS_AT] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (cut->pieces > 0)
        tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
}

void packet_cut_write(struct packet_cut *cut, uint8_t *out)
{
    const struct packet *packet = &cut->packet;
    if (cut->whole) {
        memcpy(out, packet->bytes, packet->len);
        (void)packet_checksum_finish(out, packet->len, &cut->offload); /* it fits, as start saw */
        cut->pieces++;
        return;
    }
    size_t payload = next_payload(cut);
    size_t transport_len = (size_t)(packet->payload_at - packet->transport_at) + payload;
    uint8_t *transport = out + packet->transport_at;
    bool tcp = packet->protocol == PACKET_PROTOCOL_TCP;
    memcpy(out, packet->bytes, packet->payload_at);
    memcpy(out + packet->payload_at, packet->bytes + packet->payload_at + cut->done, payload);
    write_ip(cut, out + packet->ip_at, packet->transport_at - packet->ip_at + transport_len);
    if (tcp)
        write_tcp(cut, transport, payload == left(cut));
    else
        store_u16(transport + UDP_LEN_AT, (uint16_t)transport_len);
    packet_checksum_transport(packet, transport, transport_len);
    cut->done += payload;
    cut->pieces++;
}
