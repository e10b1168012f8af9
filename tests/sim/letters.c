#include "tests/sim/letters.h"

#include "base/cursor.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    IP_LEN = 20,
    UDP_LEN = 8,
    NUMBER_AT = IP_LEN + UDP_LEN,
    TTL_AT = 8,
    IP_SUM_AT = 10,
    FROM_AT = 12,
    TO_AT = 16,
    UDP_SUM_AT = IP_LEN + 6,
    TTL = 16,
    PORT = 2998,
};

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint64_t add(uint64_t sum, const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    for (uint32_t word; at + sizeof word <= len; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        sum += be32toh(word);
    }
    for (; at < len; at++)
        sum += (uint64_t)bytes[at] << (at % 2 == 0 ? 8 : 0);
    return sum;
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint16_t udp_sum(const uint8_t *packet, size_t len)
{
    return fold(add(add(17 + len - IP_LEN, packet + FROM_AT, 8), packet + IP_LEN, len - IP_LEN));
}

static void seal_header(uint8_t *packet)
{
    put16(packet + IP_SUM_AT, 0);
    put16(packet + IP_SUM_AT, fold(add(0, packet, IP_LEN)));
}

/* The whole packet as it was sent. */
static void compose(const struct letters *letters, size_t number, uint8_t *packet)
{
    const struct letter *letter = &letters->all[number];
    uint64_t pattern = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    memset(packet, 0, NUMBER_AT);
    packet[0] = 0x45;
    put16(packet + 2, letter->len);
    packet[TTL_AT] = TTL;
    packet[9] = 17;
    memcpy(packet + FROM_AT, letter->from.bytes, 4);
    memcpy(packet + TO_AT, letter->to.bytes, 4);
    seal_header(packet);
    put16(packet + IP_LEN, PORT);
    put16(packet + IP_LEN + 2, PORT);
    put16(packet + IP_LEN + 4, letter->len - IP_LEN);
    for (size_t i = 0; i < 8; i++)
        packet[NUMBER_AT + i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    for (size_t i = LETTER_MIN; i < letter->len; i += sizeof pattern) {
        size_t left = letter->len - i;
        pattern ^= pattern << 13;
        pattern ^= pattern >> 7;
        pattern ^= pattern << 17;
        memcpy(packet + i, &pattern, left < sizeof pattern ? left : sizeof pattern);
    }
    put16(packet + UDP_SUM_AT, udp_sum(packet, letter->len));
}

size_t letters_write(struct letters *letters, const struct adit_ip *from, const struct adit_ip *to,
                     uint8_t *packet, size_t len)
{
    if (letters->count == letters->room) {
        letters->room = letters->room == 0 ? 1024 : 2 * letters->room;
        letters->all = realloc(letters->all, letters->room * sizeof *letters->all);
        if (letters->all == NULL)
            abort();
    }
    letters->all[letters->count] = (struct letter){.from = *from, .to = *to, .len = len};
    compose(letters, letters->count, packet);
    return letters->count++;
}

struct adit_ip letter_to(const uint8_t *packet)
{
    struct adit_ip to = {.family = 4};
    memcpy(to.bytes, packet + TO_AT, 4);
    return to;
}

bool letter_hop(uint8_t *packet)
{
    packet[TTL_AT]--;
    seal_header(packet);
    return packet[TTL_AT] > 0;
}

/* Whole, from TTL_AT on as it was sent but for the hops. */
static bool is_same(const struct letters *letters, size_t number, const uint8_t *packet)
{
    uint8_t sent[LETTER_MAX];
    compose(letters, number, sent);
    sent[TTL_AT] = packet[TTL_AT];
    seal_header(sent);
    return memcmp(sent, packet, letters->all[number].len) == 0;
}

bool letters_got(struct letters *letters, const uint8_t *packet, size_t len)
{
    struct cursor cursor = cursor_over(packet + NUMBER_AT, 8);
    if (len < LETTER_MIN || packet[0] != 0x45) {
        sim_fail(letters->world, "a packet of %zu bytes came that nobody sent", len);
        return false;
    }
    uint64_t number = cursor_u64(&cursor);
    if (number >= letters->count || letters->all[number].len != len ||
        !is_same(letters, number, packet))
        sim_fail(letters->world, "a packet came that nobody sent so");
    else if (letters->all[number].forged)
        sim_fail(letters->world, "a packet came from an address that is not its sender's");
    else if (letters->all[number].got++ > 0)
        sim_fail(letters->world, "packet %" PRIu64 " came twice", number);
    else
        letters->got++;
    return sim_failure(letters->world) == NULL;
}

void letters_end(struct letters *letters)
{
    free(letters->all);
    *letters = (struct letters){0};
}
