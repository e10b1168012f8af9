#include "lib/packet/join.h"

#include "base/cursor.h"
#include "lib/packet/checksum.h"
#include "lib/packet/tcp.h"

#include <string.h>

enum { IPV4_DO_NOT_FRAGMENT = 0x40 }; /* in the byte at 6 */

static const struct offload complete;

/* ---- Delivering ---- */

/* Writes the pieces behind the headers of the first. Returns the length of it all. */
static size_t put_together(struct packet_join *join, const struct packet_join_flow *flow)
{
    const struct packet *first = &flow->first;
    uint8_t *at = join->joined + first->payload_at;
    memcpy(join->joined, first->bytes, first->payload_at);
    for (size_t i = 0; i < flow->count; i++) {
        memcpy(at, flow->pieces[i].payload, flow->pieces[i].len);
        at += flow->pieces[i].len;
    }
    return (size_t)(at - join->joined);
}

static void deliver_joined(struct packet_join *join, const struct packet_join_flow *flow)
{
    const struct packet *first = &flow->first;
    const uint8_t *last_payload = flow->pieces[flow->count - 1].payload;
    const uint8_t *last_tcp = last_payload - (first->payload_at - first->transport_at);
    size_t len = put_together(join, flow);
    uint8_t *ip = join->joined + first->ip_at;
    uint8_t *tcp = join->joined + first->transport_at;
    if (first->version == 4) {
        store_u16(ip + 2, (uint16_t)(len - first->ip_at));
        packet_checksum_ipv4(ip, PACKET_IPV4_LEN);
    } else {
        store_u16(ip + 4, (uint16_t)(len - first->ip_at - PACKET_IPV6_LEN));
    }
    tcp[TCP_FLAGS_AT] |= last_tcp[TCP_FLAGS_AT] & TCP_PSH;
    struct offload offload = packet_checksum_leave(first, tcp, len - first->transport_at);
    offload.cut = first->version == 4 ? OFFLOAD_TCP4 : OFFLOAD_TCP6;
    offload.segment = (uint16_t)flow->pieces[0].len;
    offload.header_len = first->payload_at;
    join->deliver(join->arg, join->joined, len, &offload);
}

static void flush(struct packet_join *join, struct packet_join_flow *flow)
{
    if (flow->count == 1)
        join->deliver(join->arg, flow->first.bytes, flow->first.len, &complete);
    else if (flow->count > 1)
        deliver_joined(join, flow);
    flow->count = 0;
}

void packet_join_flush(struct packet_join *join)
{
    for (size_t i = 0; i < PACKET_JOIN_FLOWS; i++)
        flush(join, &join->flows[(join->oldest + i) % PACKET_JOIN_FLOWS]);
    join->oldest = 0;
}

/* ---- Which flow ---- */

static bool same_addresses(const struct packet *a, const struct packet *b)
{
    return a->version == b->version &&
           memcmp(a->source.bytes, b->source.bytes, sizeof a->source.bytes) == 0 &&
           memcmp(a->destination.bytes, b->destination.bytes, sizeof a->destination.bytes) == 0;
}

static const uint8_t *transport(const struct packet *packet)
{
    return packet->bytes + packet->transport_at;
}

/* Of a flow's TCP: the same ports, or something of which nobody can say. */
static bool may_be_of(const struct packet_join_flow *flow, const struct packet *packet)
{
    if (flow->count == 0 || !same_addresses(&flow->first, packet))
        return false;
    if (packet->fragment || packet->payload_at == 0)
        return true;
    return packet->protocol == PACKET_PROTOCOL_TCP &&
           memcmp(transport(&flow->first), transport(packet), TCP_SEQUENCE_AT) == 0;
}

/* A place that is not in use, or that of the flow held longest, which is sent on. */
static struct packet_join_flow *make_place(struct packet_join *join)
{
    for (size_t i = 0; i < PACKET_JOIN_FLOWS; i++)
        if (join->flows[i].count == 0)
            return &join->flows[i];
    struct packet_join_flow *flow = &join->flows[join->oldest];
    join->oldest = (join->oldest + 1) % PACKET_JOIN_FLOWS;
    flush(join, flow);
    return flow;
}

/* ---- Which segments ---- */

static size_t payload_len(const struct packet *packet)
{
    return packet->end - packet->payload_at;
}

static bool joinable(const struct packet *packet)
{
    size_t ip_len = packet->version == 4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN;
    return packet->protocol == PACKET_PROTOCOL_TCP && !packet->fragment && packet->payload_at > 0 &&
           packet->payload_at < packet->end && packet->end == packet->len &&
           packet->transport_at == packet->ip_at + ip_len &&
           (transport(packet)[TCP_FLAGS_AT] & ~TCP_PSH) == TCP_ACK;
}

static uint32_t number(const uint8_t *at, size_t len)
{
    struct cursor cursor = cursor_over(at, len);
    return len == 2 ? cursor_u16(&cursor) : cursor_u32(&cursor);
}

/* As the kernel numbers what it cuts; where nobody may fragment, the number says nothing
 * (RFC 6864, 4.1). */
static bool same_ipv4(const uint8_t *first, const uint8_t *ip, size_t count)
{
    bool free = (first[6] & IPV4_DO_NOT_FRAGMENT) != 0;
    return memcmp(first, ip, 2) == 0 && memcmp(first + 6, ip + 6, 4) == 0 &&
           (free || (uint16_t)(number(first + 4, 2) + count) == number(ip + 4, 2));
}

static bool same_ipv6(const uint8_t *first, const uint8_t *ip)
{
    return memcmp(first, ip, 4) == 0 && memcmp(first + 6, ip + 6, 2) == 0;
}

/* All but ports, which are known to be, sequence number and checksum; PSH is not set in first. */
static bool same_tcp(const uint8_t *first, const uint8_t *tcp, size_t header_len)
{
    return memcmp(first + TCP_ACKNOWLEDGEMENT_AT, tcp + TCP_ACKNOWLEDGEMENT_AT, 5) == 0 &&
           first[TCP_FLAGS_AT] == (tcp[TCP_FLAGS_AT] & ~TCP_PSH) &&
           memcmp(first + TCP_WINDOW_AT, tcp + TCP_WINDOW_AT, 2) == 0 &&
           memcmp(first + TCP_URGENT_AT, tcp + TCP_URGENT_AT, header_len - TCP_URGENT_AT) == 0;
}

static bool follows(const struct packet_join_flow *flow, const struct packet *packet)
{
    const struct packet *first = &flow->first;
    const uint8_t *first_ip = first->bytes + first->ip_at;
    const uint8_t *ip = packet->bytes + packet->ip_at;
    if (first->ip_at != packet->ip_at || first->payload_at != packet->payload_at ||
        memcmp(first->bytes, packet->bytes, packet->ip_at) != 0)
        return false;
    if (!(packet->version == 4 ? same_ipv4(first_ip, ip, flow->count) : same_ipv6(first_ip, ip)))
        return false;
    const uint8_t *tcp = transport(packet);
    uint32_t sequence = number(transport(first) + TCP_SEQUENCE_AT, 4);
    return same_tcp(transport(first), tcp, packet->payload_at - packet->transport_at) &&
           number(tcp + TCP_SEQUENCE_AT, 4) == (uint32_t)(sequence + flow->payload_len);
}

static bool has_room(const struct packet_join_flow *flow, const struct packet *packet)
{
    return flow->count < PACKET_JOIN_PIECES && payload_len(packet) <= flow->pieces[0].len &&
           flow->first.payload_at + flow->payload_len + payload_len(packet) <= PACKET_MAX;
}

static bool verify(struct packet_join_flow *flow, const struct packet *packet)
{
    flow->verified = flow->verified || packet_checksum_tcp_right(&flow->first);
    return flow->verified && packet_checksum_tcp_right(packet);
}

/* ---- Adding ---- */

/* A segment shorter than those before it, or with PSH, is the last one. */
static bool is_last(const struct packet_join_flow *flow, const struct packet *packet)
{
    return payload_len(packet) < flow->pieces[0].len ||
           (transport(packet)[TCP_FLAGS_AT] & TCP_PSH) != 0;
}

static void append(struct packet_join *join, struct packet_join_flow *flow,
                   const struct packet *packet)
{
    flow->pieces[flow->count].payload = packet->bytes + packet->payload_at;
    flow->pieces[flow->count].len = payload_len(packet);
    flow->count++;
    flow->payload_len += payload_len(packet);
    if (is_last(flow, packet))
        flush(join, flow);
}

static void begin(struct packet_join *join, const struct packet *packet)
{
    struct packet_join_flow *flow = make_place(join);
    flow->first = *packet;
    flow->payload_len = 0;
    flow->verified = false;
    append(join, flow, packet);
}

void packet_join_add(struct packet_join *join, const struct packet *packet,
                     const struct offload *offload)
{
    bool can = offload->cut == OFFLOAD_WHOLE && !offload->checksum && joinable(packet);
    for (size_t i = 0; i < PACKET_JOIN_FLOWS && packet->version != 0; i++) {
        struct packet_join_flow *flow = &join->flows[i];
        if (!may_be_of(flow, packet))
            continue;
        if (can && follows(flow, packet) && has_room(flow, packet) && verify(flow, packet)) {
            append(join, flow, packet);
            return;
        }
        flush(join, flow);
    }
    if (can)
        begin(join, packet);
    else
        join->deliver(join->arg, packet->bytes, packet->len, offload);
}
