#include "lib/quicktun/messages.h"

#include "base/cursor.h"
#include "lib/quicktun/session.h"

#include <string.h>

static void take(struct cursor *cursor, uint8_t *out, size_t len)
{
    const uint8_t *bytes = cursor_take(cursor, len);
    if (bytes)
        memcpy(out, bytes, len);
}

bool quicktun_message_read_network(const uint8_t arguments[QUICKTUN_NETWORK_LEN],
                                   struct quicktun_network *network)
{
    struct cursor cursor = cursor_over(arguments, QUICKTUN_NETWORK_LEN);
    *network = (struct quicktun_network){.mode = cursor_u8(&cursor)};
    take(&cursor, network->ipv4.address, sizeof network->ipv4.address);
    take(&cursor, network->ipv4.netmask, sizeof network->ipv4.netmask);
    take(&cursor, network->ipv4.peer, sizeof network->ipv4.peer);
    take(&cursor, network->ipv4.peer_netmask, sizeof network->ipv4.peer_netmask);
    take(&cursor, network->ipv4.dns, sizeof network->ipv4.dns);
    take(&cursor, network->ipv6.address, sizeof network->ipv6.address);
    take(&cursor, network->ipv6.netmask, sizeof network->ipv6.netmask);
    take(&cursor, network->ipv6.peer, sizeof network->ipv6.peer);
    take(&cursor, network->ipv6.peer_netmask, sizeof network->ipv6.peer_netmask);
    take(&cursor, network->ipv6.dns, sizeof network->ipv6.dns);
    return network->mode <= QUICKTUN_ETHERNET;
}

static uint8_t *put(uint8_t *at, const uint8_t *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

void quicktun_message_write_network(const struct quicktun_network *network,
                                    uint8_t out[QUICKTUN_NETWORK_LEN])
{
    uint8_t *at = out;
    *at++ = network->mode;
    at = put(at, network->ipv4.address, sizeof network->ipv4.address);
    at = put(at, network->ipv4.netmask, sizeof network->ipv4.netmask);
    at = put(at, network->ipv4.peer, sizeof network->ipv4.peer);
    at = put(at, network->ipv4.peer_netmask, sizeof network->ipv4.peer_netmask);
    at = put(at, network->ipv4.dns, sizeof network->ipv4.dns);
    at = put(at, network->ipv6.address, sizeof network->ipv6.address);
    at = put(at, network->ipv6.netmask, sizeof network->ipv6.netmask);
    at = put(at, network->ipv6.peer, sizeof network->ipv6.peer);
    at = put(at, network->ipv6.peer_netmask, sizeof network->ipv6.peer_netmask);
    put(at, network->ipv6.dns, sizeof network->ipv6.dns);
}

/* Bytes of a network or mask of that family; 0 for one that we don't know. */
static size_t address_len(uint8_t family)
{
    switch (family) {
    case 0:
        return 6;
    case 4:
        return 4;
    case 6:
        return 16;
    default:
        return 0;
    }
}

int quicktun_message_read_route(const uint8_t *arguments, size_t len, struct quicktun_route *route)
{
    struct cursor cursor = cursor_over(arguments, len);
    uint8_t family = cursor_u8(&cursor);
    uint8_t valid = cursor_u8(&cursor);
    size_t address = address_len(family);
    *route = (struct quicktun_route){.family = family, .valid = valid != 0};
    if (cursor.failed)
        return QUICKTUN_E_ROUTE;
    if (address == 0)
        return 0;
    take(&cursor, route->network, address);
    take(&cursor, route->mask, address);
    size_t left = cursor_left(&cursor);
    route->ids = cursor_take(&cursor, left);
    route->id_count = left / QUICKTUN_ROUTE_ID_LEN;
    bool whole = !cursor.failed && left % QUICKTUN_ROUTE_ID_LEN == 0;
    if (!whole || valid > 1 || (valid && route->id_count == 0))
        return QUICKTUN_E_ROUTE;
    return 1;
}

size_t quicktun_message_write_route(const struct quicktun_route *route,
                                    uint8_t out[QUICKTUN_ROUTE_FIXED_MAX])
{
    size_t address = address_len(route->family);
    if (address == 0)
        return 0;
    out[0] = route->family;
    out[1] = route->valid;
    uint8_t *at = put(out + 2, route->network, address);
    at = put(at, route->mask, address);
    return (size_t)(at - out);
}

bool quicktun_message_deliverable(const struct quicktun_session *session, const uint8_t *packet,
                                  size_t len)
{
    if (len == 0)
        return false;
    uint8_t version = packet[0] >> 4;
    return session->options.mode == QUICKTUN_ETHERNET || version == 4 || version == 6;
}
