#include "io/offload.h"

enum {
    ETHERNET_LEN = 14,
    VLAN_LEN = 4,
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_IP6 = 0x86dd,
    ETHERTYPE_VLAN = 0x8100,
    IP4_LEN_MIN = 20,
    IP4_FRAGMENT = 0x3fff, /* more fragments, and the offset */
    IP6_LEN = 40,
    IP6_HOP_BY_HOP = 0,
    IP6_ROUTING = 43,
    IP6_DESTINATION = 60,
    TCP = 6,
    TCP_LEN_MIN = 20,
    TCP_CHECKSUM = 16,
    UDP = 17,
    UDP_LEN = 8,
    UDP_CHECKSUM = 6,
};

struct headers {
    uint8_t version;
    uint8_t protocol;
    size_t transport; /* offset */
};

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static bool read_ip4(const uint8_t *packet, size_t len, size_t at, struct headers *headers)
{
    const uint8_t *ip = packet + at;
    if (len - at < IP4_LEN_MIN || ip[0] >> 4 != 4)
        return false;
    size_t header_len = (size_t)(ip[0] & 15) * 4;
    if (header_len < IP4_LEN_MIN || header_len > len - at || get16(ip + 2) != len - at ||
        (get16(ip + 6) & IP4_FRAGMENT) != 0)
        return false;
    *headers = (struct headers){.version = 4, .protocol = ip[9], .transport = at + header_len};
    return true;
}

static bool read_ip6(const uint8_t *packet, size_t len, size_t at, struct headers *headers)
{
    const uint8_t *ip = packet + at;
    if (len - at < IP6_LEN || ip[0] >> 4 != 6 || get16(ip + 4) != len - at - IP6_LEN)
        return false;
    uint8_t next = ip[6];
    at += IP6_LEN;
    while (next == IP6_HOP_BY_HOP || next == IP6_ROUTING || next == IP6_DESTINATION) {
        if (len - at < 8)
            return false;
        size_t header_len = ((size_t)packet[at + 1] + 1) * 8;
        if (header_len > len - at)
            return false;
        next = packet[at];
        at += header_len;
    }
    *headers = (struct headers){.version = 6, .protocol = next, .transport = at};
    return true;
}

static bool read_ethernet(const uint8_t *packet, size_t len, struct headers *headers)
{
    size_t at = ETHERNET_LEN;
    if (len < ETHERNET_LEN + VLAN_LEN)
        return false;
    unsigned type = get16(packet + at - 2);
    if (type == ETHERTYPE_VLAN) {
        at += VLAN_LEN;
        type = get16(packet + at - 2);
    }
    if (type == ETHERTYPE_IP4)
        return read_ip4(packet, len, at, headers);
    return type == ETHERTYPE_IP6 && read_ip6(packet, len, at, headers);
}

static bool read_headers(const uint8_t *packet, size_t len, bool ethernet, struct headers *headers)
{
    if (ethernet)
        return read_ethernet(packet, len, headers);
    return read_ip4(packet, len, 0, headers) || read_ip6(packet, len, 0, headers);
}

size_t offload_payload(const uint8_t *packet, size_t len, size_t at, bool tcp)
{
    size_t header_len = UDP_LEN;
    if (at > len || len - at < (tcp ? (size_t)TCP_LEN_MIN : UDP_LEN))
        return 0;
    if (tcp)
        header_len = (size_t)(packet[at + 12] >> 4) * 4;
    if ((tcp && header_len < TCP_LEN_MIN) || header_len > len - at)
        return 0;
    return at + header_len;
}

static bool checksum_fits(const struct offload *offload, size_t len)
{
    return offload->checksum_start <= offload->checksum_at &&
           (size_t)offload->checksum_at + 2 <= len;
}

static bool protocol_fits(const struct offload *offload, const struct headers *headers)
{
    bool tcp = headers->protocol == TCP;
    switch (offload->cut) {
    case OFFLOAD_TCP4:
        return tcp && headers->version == 4;
    case OFFLOAD_TCP6:
        return tcp && headers->version == 6;
    case OFFLOAD_UDP:
        return headers->protocol == UDP;
    default:
        return false;
    }
}

bool offload_fits(const struct offload *offload, const uint8_t *packet, size_t len, bool ethernet)
{
    struct headers headers;
    if (offload->checksum && !checksum_fits(offload, len))
        return false;
    if (offload->cut == OFFLOAD_WHOLE)
        return true;
    if (!offload->checksum || offload->segment == 0 ||
        !read_headers(packet, len, ethernet, &headers) || !protocol_fits(offload, &headers))
        return false;
    bool tcp = headers.protocol == TCP;
    if (offload->checksum_start != headers.transport ||
        offload->checksum_at != headers.transport + (tcp ? TCP_CHECKSUM : UDP_CHECKSUM))
        return false;
    size_t payload = offload_payload(packet, len, headers.transport, tcp);
    return payload != 0 && payload == offload->header_len && payload < len &&
           len - payload <= (size_t)offload->segment * OFFLOAD_PIECES_MAX;
}
