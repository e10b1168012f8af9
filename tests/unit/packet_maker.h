/*
 * Makes packets for tests, and looks at their checksums with an implementation of its own, which
 * shares nothing with lib/packet: bytes in pairs, as RFC 1071 begins.
 */
#ifndef UNIT_PACKET_MAKER_H
#define UNIT_PACKET_MAKER_H

#include "base/offload.h"
#include "lib/packet/packet.h"

/* Zeros give an IPv4 TCP segment without flags, options or payload. */
struct recipe {
    enum packet_link link;
    bool vlan;
    bool ipv6;
    bool udp;
    uint8_t ip_options_len;  /* IPv4; a multiple of 4 */
    uint8_t extensions;      /* IPv6: so many destination options headers of 8 bytes */
    uint8_t tcp_options_len; /* a multiple of 4 */
    uint8_t host;            /* last byte of the source address */
    uint8_t flags;
    uint8_t ttl;
    uint16_t id;
    bool do_not_fragment;
    uint16_t source_port;
    uint32_t sequence;
    uint32_t acknowledgement;
    uint16_t window;
    size_t payload_len;
    uint8_t payload; /* the first byte; the others are drawn from it */
};

/* Writes the packet, checksums included. Returns its length. */
size_t packet_make(const struct recipe *recipe, uint8_t *out);

/* Every checksum of a whole IP packet with TCP or UDP right behind its headers is right. */
bool packet_right(const uint8_t *bytes, size_t ip_at, size_t transport_at, size_t end);

/* Field by field: bytes between fields say nothing. */
bool packet_same_offload(const struct offload *a, const struct offload *b);

/* Big-endian fields of a header. */
uint32_t packet_field(const uint8_t *at, size_t len);

/* A generator that replays: not for anything but tests. */
uint32_t packet_draw(uint64_t *state, uint32_t below);

#endif
