/*
 * What a packet may leave for later (base/offload.h): what both implementations of devices hold
 * before they hand it to the kernel. A peer wrote the packet and the offload: nothing in them is
 * believed.
 */
#ifndef IO_OFFLOAD_H
#define IO_OFFLOAD_H

#include "base/offload.h"

#include <stddef.h>

enum { OFFLOAD_PIECES_MAX = 1024 }; /* that one packet is cut into */

/*
 * True when the offload is one that the packet can have: the checksum is inside of it, and what is
 * to be cut is one TCP or UDP packet over IP, whose headers end where the offload says and say how
 * long it is. Ethernet: with one VLAN tag at most.
 */
bool offload_fits(const struct offload *offload, const uint8_t *packet, size_t len, bool ethernet);

/*
 * Where the payload of a TCP or UDP header begins that stands at `at`, in bytes from the start of
 * the packet; 0 when the header is not whole.
 */
size_t offload_payload(const uint8_t *packet, size_t len, size_t at, bool tcp);

#endif
