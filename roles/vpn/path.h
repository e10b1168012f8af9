/*
 * What a Routing information update says, checked: its network as a CIDR block, its path as router
 * ids (docs/protocols/quicktun.md, Routing information update).
 */
#ifndef ROLES_VPN_PATH_H
#define ROLES_VPN_PATH_H

#include "base/ip.h"

#include <adit/quicktun.h>

enum { PATH_ID_LEN = 4 };

/*
 * The network of an update of family 4 or 6. False when its mask has holes or is empty, when bits
 * are set past it, and for IPv4 addresses in IPv6 (::ffff:0:0/96), which would be two names for one
 * network.
 */
bool path_network(const struct quicktun_route *update, struct cidr *network);

/* Writes a network as family, network and mask. */
void path_put_network(const struct cidr *network, struct quicktun_route *update);

bool path_has(const uint8_t *ids, size_t count, const uint8_t id[PATH_ID_LEN]);

/* Is any id in it twice? */
bool path_repeats(const uint8_t *ids, size_t count);

#endif
