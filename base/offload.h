/*
 * What a network device leaves for later in a packet: a checksum that is not finished yet, and the
 * cutting of one large segment into many. Zeros: the packet is complete as it is.
 */
#ifndef BASE_OFFLOAD_H
#define BASE_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

enum offload_cut { OFFLOAD_WHOLE, OFFLOAD_TCP4, OFFLOAD_TCP6, OFFLOAD_UDP };

/* Offsets in bytes from the first byte of the packet. */
struct offload {
    enum offload_cut cut;
    uint16_t segment;    /* bytes of payload in each piece but the last, where it is to be cut */
    uint16_t header_len; /* of all headers in front of the payload, where it is to be cut */
    bool checksum;       /* of [checksum_start, end), to be added to what stands at checksum_at */
    uint16_t checksum_start;
    uint16_t checksum_at;
};

#endif
