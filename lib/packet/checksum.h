/*
 * The internet checksum (RFC 1071): of what a device left unfinished, of what is cut and joined.
 *
 * A sum here is a plain sum of 16-bit words in the machine's byte order, as the checksum does not
 * depend on it, in 64 bits: there is room for the carries of more than any packet has.
 */
#ifndef PACKET_CHECKSUM_H
#define PACKET_CHECKSUM_H

#include "base/offload.h"
#include "lib/packet/packet.h"

/* sum plus that of len bytes; these begin at an even offset of what is summed. */
uint64_t packet_checksum_add(uint64_t sum, const void *bytes, size_t len);

/* The sum in 16 bits, not complemented. */
uint16_t packet_checksum_fold(uint64_t sum);

/* Stores or reads 16 bits of a checksum in a header. */
void packet_checksum_store(uint8_t *at, uint16_t folded);
uint16_t packet_checksum_load(const uint8_t *at);

/* The sum of the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) for so many bytes of transport. */
uint64_t packet_checksum_pseudo(const struct packet *packet, size_t transport_len);

/* Writes the checksum of an IPv4 header into it. */
void packet_checksum_ipv4(uint8_t *header, size_t header_len);

/* The offsets of an unfinished checksum lie inside of a packet of len bytes. */
bool packet_checksum_fits(const struct offload *offload, size_t len);

/*
 * Writes the checksum that the device left unfinished, if it did. False, and nothing written, when
 * it does not fit.
 */
bool packet_checksum_finish(uint8_t *bytes, size_t len, const struct offload *offload);

/*
 * Writes the checksum of len bytes of TCP or UDP at transport, header first, into them, whatever
 * stood there. They are a copy of, or a piece of, what packet has.
 */
void packet_checksum_transport(const struct packet *packet, uint8_t *transport, size_t len);

/*
 * Leaves it as a device does: the sum of the pseudo-header in place of the checksum. Returns what
 * to tell about it.
 */
struct offload packet_checksum_leave(const struct packet *packet, uint8_t *transport, size_t len);

/* The checksums of the IPv4 header and of TCP are right. The packet has payload_at. */
bool packet_checksum_tcp_right(const struct packet *packet);

#endif
