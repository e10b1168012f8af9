/*
 * What stands in a tunnelled packet: an IP packet, or an Ethernet frame with one inside. Bytes are
 * hostile: lengths that lie, headers that never end, pieces of packets.
 */
#ifndef PACKET_PACKET_H
#define PACKET_PACKET_H

#include <adit/adit.h>
#include <stdbool.h>

enum {
    PACKET_MAX = 65535, /* bytes of a packet or frame that is looked at */
    PACKET_ETHERNET_LEN = 14,
    PACKET_VLAN_LEN = 4,  /* of one tag, behind the Ethernet addresses */
    PACKET_IPV4_LEN = 20, /* without options */
    PACKET_IPV6_LEN = 40, /* without extension headers */
    PACKET_TCP_LEN = 20,  /* without options */
    PACKET_UDP_LEN = 8,
};

/* IP protocol numbers. */
enum { PACKET_PROTOCOL_TCP = 6, PACKET_PROTOCOL_UDP = 17 };

enum packet_link { PACKET_IP, PACKET_ETHERNET }; /* what a packet begins with */

/* Points into the bytes that were read. Offsets are from the first of them; 0 = there is none. */
struct packet {
    uint8_t *bytes;
    size_t len;            /* of the bytes, what follows the IP packet included */
    uint8_t version;       /* 4 or 6; 0 = a frame that has no well-formed IP packet in it */
    uint8_t protocol;      /* behind the extension headers, as far as these can be read */
    bool fragment;         /* one of several, or one that says that it could be */
    uint16_t ip_at;        /* of the IP header */
    uint16_t transport_at; /* of the protocol's header, where this packet has its beginning */
    uint16_t payload_at;   /* of the payload of TCP or UDP, where all of their header is there */
    uint16_t end;          /* of the IP packet */
    /* As the header has them: family is version, also of an IPv4-mapped address. */
    struct adit_ip source;
    struct adit_ip destination;
};

/*
 * Reads the headers. False: no such packet, it is neither sent nor delivered; that is an IP packet
 * whose IP header contradicts itself or the length, a frame without a whole Ethernet header, or
 * more than PACKET_MAX bytes. What is wrong further behind only leaves offsets at 0.
 */
bool packet_parse(struct packet *packet, enum packet_link link, uint8_t *bytes, size_t len);

#endif
