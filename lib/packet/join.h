/*
 * Joins consecutive TCP segments of a flow into one large segment, so that the device is written to
 * once for many of them. The pieces stay where they lie, in the buffer that they were received in,
 * until packet_join_flush() at the end of what was read at once:
 *
 *     for each packet received: packet_join_add(&join, &packet, &offload);
 *     packet_join_flush(&join);
 *
 * What is cut again by the kernel gives the same packets: joined are only segments with the same
 * headers, of one size but the last, next to each other, with nothing but ACK set and at the end
 * PSH, and whose checksums are right. Everything else is delivered as it came. Packets of a flow
 * stay in order; those of different flows may overtake each other.
 */
#ifndef PACKET_JOIN_H
#define PACKET_JOIN_H

#include "base/offload.h"
#include "lib/packet/packet.h"

enum {
    PACKET_JOIN_FLOWS = 8,   /* that are held at once; one more sends the longest held on */
    PACKET_JOIN_PIECES = 64, /* in one joined segment */
};

/* bytes belong to the join or to the packet that was added, and hold during the call. */
typedef void packet_join_deliver_fn(void *arg, const uint8_t *bytes, size_t len,
                                    const struct offload *offload);

struct packet_join_flow {
    struct packet first;
    size_t count; /* of pieces; 0 = not in use */
    size_t payload_len;
    bool verified; /* the checksum of the first; those of the others are */
    struct {
        const uint8_t *payload;
        size_t len;
    } pieces[PACKET_JOIN_PIECES];
};

/* Start from zeros but for deliver and arg. */
struct packet_join {
    packet_join_deliver_fn *deliver;
    void *arg;
    size_t oldest; /* of the flows */
    struct packet_join_flow flows[PACKET_JOIN_FLOWS];
    uint8_t joined[PACKET_MAX];
};

/*
 * Takes a packet, the result of packet_parse(), whose bytes must stay until packet_join_flush(),
 * and delivers what must not wait. offload is of a packet that packet_segmented_accept() passed;
 * zeros for any other.
 */
void packet_join_add(struct packet_join *join, const struct packet *packet,
                     const struct offload *offload);

/* Delivers all that waits. */
void packet_join_flush(struct packet_join *join);

#endif
