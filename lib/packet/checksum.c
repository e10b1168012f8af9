#include "lib/packet/checksum.h"

#include "lib/packet/tcp.h"

#include <string.h>

/* Two words of 64 bits, which every processor adds at once that has registers for it. */
typedef uint64_t pair __attribute__((vector_size(16)));

enum { STRIDE = 2 * sizeof(pair) };

/*
 * Words of 32 bits are added as two of 16 would be: 2^16 = 1 in the arithmetic of the checksum
 * (modulo 2^16 - 1), so every position that is a multiple of 16 bits counts the same. They go into
 * sums of 64 bits, those of the lower halves and those of the upper ones apart.
 */
uint64_t packet_checksum_add(uint64_t sum, const void *bytes, size_t len)
{
    static const pair half = {32, 32};
    const uint8_t *at = bytes;
    pair lower = {0};
    pair upper = {0};
    for (; len >= STRIDE; at += STRIDE, len -= STRIDE) {
        pair words[2];
        memcpy(words, at, STRIDE);
        lower += (words[0] & UINT32_MAX) + (words[1] & UINT32_MAX);
        upper += (words[0] >> half) + (words[1] >> half);
    }
    lower += upper;
    sum += lower[0] + lower[1];
    for (; len >= 4; at += 4, len -= 4) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
    }
    uint8_t rest[4] = {0}; /* the byte behind an odd one counts as zero */
    uint32_t word;
    for (size_t i = 0; i < len; i++)
        rest[i] = at[i];
    memcpy(&word, rest, sizeof word);
    return sum + word;
}

uint16_t packet_checksum_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

void packet_checksum_store(uint8_t *at, uint16_t folded)
{
    memcpy(at, &folded, sizeof folded);
}

uint16_t packet_checksum_load(const uint8_t *at)
{
    uint16_t folded;
    memcpy(&folded, at, sizeof folded);
    return folded;
}

/* A number as a header has it, big-endian. */
static uint64_t number(uint64_t sum, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                        (uint8_t)value};
    return packet_checksum_add(sum, bytes, sizeof bytes);
}

uint64_t packet_checksum_pseudo(const struct packet *packet, size_t transport_len)
{
    size_t addresses = packet->version == 4 ? 8 : 32;
    const uint8_t *source = packet->bytes + packet->ip_at + (packet->version == 4 ? 12 : 8);
    uint64_t sum = packet_checksum_add(0, source, addresses);
    return number(number(sum, (uint32_t)transport_len), packet->protocol);
}

void packet_checksum_ipv4(uint8_t *header, size_t header_len)
{
    packet_checksum_store(header + 10, 0);
    uint16_t folded = packet_checksum_fold(packet_checksum_add(0, header, header_len));
    packet_checksum_store(header + 10, (uint16_t)~folded);
}

/* 0xffff is the same number as 0, which says in UDP that there is no checksum (RFC 768). */
static void store_complement(uint8_t *at, uint64_t sum)
{
    uint16_t checksum = (uint16_t)~packet_checksum_fold(sum);
    packet_checksum_store(at, checksum ? checksum : 0xffff);
}

bool packet_checksum_fits(const struct offload *offload, size_t len)
{
    return len >= 2 && offload->checksum_start <= len && offload->checksum_at <= len - 2;
}

bool packet_checksum_finish(uint8_t *bytes, size_t len, const struct offload *offload)
{
    if (!offload->checksum)
        return true;
    if (!packet_checksum_fits(offload, len))
        return false;
    uint8_t *start = bytes + offload->checksum_start;
    uint64_t sum = packet_checksum_add(0, start, len - offload->checksum_start);
    store_complement(bytes + offload->checksum_at, sum);
    return true;
}

static size_t checksum_at(const struct packet *packet)
{
    return packet->protocol == PACKET_PROTOCOL_TCP ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;
}

void packet_checksum_transport(const struct packet *packet, uint8_t *transport, size_t len)
{
    uint8_t *at = transport + checksum_at(packet);
    packet_checksum_store(at, 0);
    uint64_t sum = packet_checksum_pseudo(packet, len);
    store_complement(at, packet_checksum_add(sum, transport, len));
}

struct offload packet_checksum_leave(const struct packet *packet, uint8_t *transport, size_t len)
{
    uint64_t sum = packet_checksum_pseudo(packet, len);
    packet_checksum_store(transport + checksum_at(packet), packet_checksum_fold(sum));
    return (struct offload){
        .checksum = true,
        .checksum_start = packet->transport_at,
        .checksum_at = (uint16_t)(packet->transport_at + checksum_at(packet)),
    };
}

bool packet_checksum_tcp_right(const struct packet *packet)
{
    const uint8_t *ip = packet->bytes + packet->ip_at;
    size_t header_len = (size_t)(*ip & 0xf) * 4;
    if (packet->version == 4 &&
        packet_checksum_fold(packet_checksum_add(0, ip, header_len)) != 0xffff)
        return false;
    size_t len = packet->end - packet->transport_at;
    uint64_t sum = packet_checksum_pseudo(packet, len);
    sum = packet_checksum_add(sum, packet->bytes + packet->transport_at, len);
    return packet_checksum_fold(sum) == 0xffff;
}
