/*
 * Segmented packets between ends that agreed on them (docs/protocols/quicktun.md, Segmented
 * packet): a packet whose transport checksum is unfinished, together with gso_size. One with more
 * than gso_size bytes of payload is cut where it leaves. No header of a peer's device comes with
 * it: the receiver builds its own, from what the packet itself says.
 */
#ifndef PACKET_SEGMENTED_H
#define PACKET_SEGMENTED_H

#include "base/offload.h"
#include "lib/packet/packet.h"

enum {
    PACKET_SEGMENT_MIN = 128,     /* payload of a piece: no peer makes us cut into thousands */
    PACKET_UDP_SEGMENTS_MAX = 64, /* pieces of UDP: what every Linux accepts */
};

/*
 * What a peer accepts as a segmented packet: TCP or UDP behind an IP header without options or
 * extension headers, nothing behind it, neither a fragment nor something that must not be cut. The
 * sender cuts what does not fit.
 */
bool packet_segmented_fits(const struct packet *packet, uint16_t gso_size);

/*
 * gso_size of a packet that a device gave, 0 when it has to be sent otherwise: cut, or with its
 * checksum finished. A small packet with an unfinished checksum can be sent segmented, too.
 */
uint16_t packet_segmented_size(const struct packet *packet, const struct offload *offload);

/*
 * What to tell the device about a packet of a peer's. The checksum in the packet is replaced by the
 * beginning that the device wants. False when it does not fit: drop it.
 */
bool packet_segmented_accept(const struct packet *packet, uint16_t gso_size,
                             struct offload *offload);

#endif
