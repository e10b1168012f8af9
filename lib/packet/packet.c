#include "lib/packet/packet.h"

#include "base/cursor.h"

#include <string.h>

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_VLAN = 0x8100,         /* IEEE 802.1Q */
    ETHERTYPE_SERVICE_VLAN = 0x88a8, /* IEEE 802.1ad */
    /* Extension headers of IPv6 (RFC 8200, 4; RFC 4302). */
    NEXT_HOP_BY_HOP = 0,
    NEXT_ROUTING = 43,
    NEXT_FRAGMENT = 44,
    NEXT_AUTHENTICATION = 51,
    NEXT_DESTINATION = 60,
    EXTENSIONS_MAX = 8, /* nobody has more than one of each; hostile ones cost time */
    IPV4_OFFSET_MASK = 0x1fff,
    IPV4_MORE_FRAGMENTS = 0x2000,
    IPV6_OFFSET_MASK = 0xfff8,
};

/* ---- TCP and UDP ---- */

static void read_tcp(struct packet *packet, struct cursor cursor)
{
    cursor_take(&cursor, 12); /* ports, sequence and acknowledgement numbers */
    size_t header_len = (size_t)(cursor_u8(&cursor) >> 4) * 4;
    size_t there = packet->end - packet->transport_at;
    if (!cursor.failed && header_len >= PACKET_TCP_LEN && header_len <= there)
        packet->payload_at = (uint16_t)(packet->transport_at + header_len);
}

static void read_udp(struct packet *packet, struct cursor cursor)
{
    cursor_take(&cursor, 4); /* ports */
    size_t len = cursor_u16(&cursor);
    size_t there = packet->end - packet->transport_at;
    if (!cursor.failed && len >= PACKET_UDP_LEN && len <= there)
        packet->payload_at = (uint16_t)(packet->transport_at + PACKET_UDP_LEN);
}

static void read_transport(struct packet *packet, struct cursor cursor)
{
    packet->transport_at = (uint16_t)(cursor.at - packet->bytes);
    if (packet->protocol == PACKET_PROTOCOL_TCP)
        read_tcp(packet, cursor);
    else if (packet->protocol == PACKET_PROTOCOL_UDP)
        read_udp(packet, cursor);
}

/* ---- IPv4 and IPv6 ---- */

static struct adit_ip read_address(struct cursor *cursor, uint8_t family, size_t len)
{
    struct adit_ip ip = {.family = family};
    const uint8_t *bytes = cursor_take(cursor, len);
    if (bytes)
        memcpy(ip.bytes, bytes, len);
    return ip;
}

static bool read_ipv4(struct packet *packet, struct cursor cursor)
{
    size_t there = cursor_left(&cursor);
    size_t header_len = (size_t)(cursor_u8(&cursor) & 0xf) * 4;
    cursor_take(&cursor, 1);
    size_t total_len = cursor_u16(&cursor);
    cursor_take(&cursor, 2);
    uint16_t fragment = cursor_u16(&cursor);
    cursor_take(&cursor, 1);
    packet->protocol = cursor_u8(&cursor);
    cursor_take(&cursor, 2);
    packet->source = read_address(&cursor, 4, 4);
    packet->destination = read_address(&cursor, 4, 4);
    if (cursor.failed || header_len < PACKET_IPV4_LEN || total_len < header_len ||
        total_len > there)
        return false;
    cursor_take(&cursor, header_len - PACKET_IPV4_LEN);
    cursor.end -= there - total_len;
    packet->end = (uint16_t)(packet->ip_at + total_len);
    packet->fragment = (fragment & (IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS)) != 0;
    if ((fragment & IPV4_OFFSET_MASK) == 0)
        read_transport(packet, cursor);
    return true;
}

/* Skips extension headers; false when the packet has no beginning of a transport header. */
static bool skip_extensions(struct packet *packet, struct cursor *cursor)
{
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        struct cursor header = *cursor;
        uint8_t next = cursor_u8(&header);
        uint8_t units = cursor_u8(&header);
        uint16_t offset = cursor_u16(&header);
        switch (packet->protocol) {
        case NEXT_HOP_BY_HOP:
        case NEXT_ROUTING:
        case NEXT_DESTINATION:
            cursor_take(cursor, ((size_t)units + 1) * 8);
            break;
        case NEXT_AUTHENTICATION:
            cursor_take(cursor, ((size_t)units + 2) * 4);
            break;
        case NEXT_FRAGMENT:
            packet->fragment = true;
            cursor_take(cursor, 8);
            break;
        default:
            return true;
        }
        if (cursor->failed)
            return false;
        bool later = packet->protocol == NEXT_FRAGMENT && (offset & IPV6_OFFSET_MASK) != 0;
        packet->protocol = next;
        if (later)
            return false;
    }
    return false;
}

static bool read_ipv6(struct packet *packet, struct cursor cursor)
{
    cursor_take(&cursor, 4);
    size_t payload_len = cursor_u16(&cursor);
    packet->protocol = cursor_u8(&cursor);
    cursor_take(&cursor, 1);
    packet->source = read_address(&cursor, 6, 16);
    packet->destination = read_address(&cursor, 6, 16);
    if (cursor.failed || payload_len > cursor_left(&cursor))
        return false;
    cursor.end = cursor.at + payload_len;
    packet->end = (uint16_t)(cursor.end - packet->bytes);
    if (skip_extensions(packet, &cursor))
        read_transport(packet, cursor);
    return true;
}

static bool read_ip(struct packet *packet, struct cursor cursor, unsigned version)
{
    packet->ip_at = (uint16_t)(cursor.at - packet->bytes);
    packet->version = (uint8_t)version;
    if (version == 4)
        return read_ipv4(packet, cursor);
    return version == 6 && read_ipv6(packet, cursor);
}

/* ---- What a packet begins with ---- */

static bool read_frame(struct packet *packet, struct cursor cursor)
{
    cursor_take(&cursor, 12); /* addresses */
    uint16_t type = cursor_u16(&cursor);
    if (cursor.failed)
        return false;
    if (type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN) {
        cursor_take(&cursor, 2);
        type = cursor_u16(&cursor);
    }
    unsigned version = type == ETHERTYPE_IPV4 ? 4 : type == ETHERTYPE_IPV6 ? 6 : 0;
    bool ip = cursor_left(&cursor) > 0 && *cursor.at >> 4 == version;
    if (!ip || !read_ip(packet, cursor, version))
        *packet = (struct packet){.bytes = packet->bytes, .len = packet->len};
    return true;
}

bool packet_parse(struct packet *packet, enum packet_link link, uint8_t *bytes, size_t len)
{
    *packet = (struct packet){.bytes = bytes, .len = len};
    if (len == 0 || len > PACKET_MAX)
        return false;
    struct cursor cursor = cursor_over(bytes, len);
    return link == PACKET_ETHERNET ? read_frame(packet, cursor)
                                   : read_ip(packet, cursor, *bytes >> 4);
}
