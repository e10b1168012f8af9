/*
 * Cuts a large segment of TCP or UDP into packets as the network has them, for a peer that did not
 * agree to segmented packets. Each piece is written straight to where it is sent from:
 *
 *     if (!packet_cut_start(&cut, &packet, &offload))
 *         drop it;
 *     while ((len = packet_cut_next(&cut)) > 0)
 *         packet_cut_write(&cut, place for len bytes);
 *
 * A packet that is not to be cut is one piece. Every piece is complete, checksums included.
 */
#ifndef PACKET_CUT_H
#define PACKET_CUT_H

#include "base/offload.h"
#include "lib/packet/packet.h"

struct packet_cut {
    struct packet packet;
    struct offload offload;
    size_t segment;  /* bytes of payload in each piece but the last */
    size_t done;     /* bytes of payload in the pieces so far */
    unsigned pieces; /* so far */
    bool whole;      /* the packet is one piece, as it is but for its checksum */
};

/*
 * False when the packet is not what offload says: then there is nothing of it. Its bytes stay where
 * they are, unchanged, until the last piece is written.
 */
bool packet_cut_start(struct packet_cut *cut, const struct packet *packet,
                      const struct offload *offload);

/* Bytes of the next piece; 0 when all are written. */
size_t packet_cut_next(const struct packet_cut *cut);

/* Writes the next piece, packet_cut_next() bytes. */
void packet_cut_write(struct packet_cut *cut, uint8_t *out);

#endif
