#include "roles/vpn/path.h"

#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static size_t address_len(uint8_t family)
{
    return family == 4 ? 4 : 16;
}

/* Ones at the front of a mask; -1 when one follows a zero. */
static int mask_bits(const uint8_t *mask, size_t len)
{
    unsigned bits = 0;

    while (bits < len * 8 && (mask[bits / 8] & 0x80 >> bits % 8) != 0)
        bits++;
    for (unsigned bit = bits; bit < len * 8; bit++)
        if ((mask[bit / 8] & 0x80 >> bit % 8) != 0)
            return -1;
    return (int)bits;
}

bool path_network(const struct quicktun_route *update, struct cidr *network)
{
    size_t len = address_len(update->family);
    int bits = mask_bits(update->mask, len);

    if (bits <= 0)
        return false;
    if (len == 16 && memcmp(update->network, mapped_prefix, sizeof(mapped_prefix)) == 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((update->network[i] & ~update->mask[i]) != 0)
            return false;
    *network = (struct cidr){.ip = {.family = update->family}, .prefix_len = (uint8_t)bits};
    memcpy(network->ip.bytes, update->network, len);
    return true;
}

void path_put_network(const struct cidr *network, struct quicktun_route *update)
{
    update->family = network->ip.family;
    memset(update->mask, 0, sizeof(update->mask));
    memset(update->mask, 0xff, network->prefix_len / 8);
    if (network->prefix_len % 8 != 0)
        update->mask[network->prefix_len / 8] = (uint8_t)(0xff00 >> network->prefix_len % 8);
    memcpy(update->network, network->ip.bytes, sizeof(update->network));
}

bool path_has(const uint8_t *ids, size_t count, const uint8_t id[PATH_ID_LEN])
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(ids + i * PATH_ID_LEN, id, PATH_ID_LEN) == 0)
            return true;
    return false;
}

bool path_repeats(const uint8_t *ids, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        if (path_has(ids + (i + 1) * PATH_ID_LEN, count - i - 1, ids + i * PATH_ID_LEN))
            return true;
    return false;
}
