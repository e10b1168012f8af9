/*
 * Which peer a packet goes to, and which peers it may come from, by longest prefix of IP mode: the
 * allowed_ips of the configuration and the routes that were learned (mesh.h).
 *
 * A prefix may have several owners. The first by rank, then by number of the peer, is where packets
 * go; a packet may come from each of them, because the peer's way back need not be ours. What is
 * less specific does not count: with 10.0.0.0/8 of one peer and 10.1.0.0/16 of another, the first
 * may send nothing as 10.1.2.3.
 *
 * A binary trie with its paths compressed: at most two nodes a prefix; looking up allocates nothing
 * and looks at one node a bit at worst. One thread.
 */
#ifndef ROLES_VPN_ALLOWED_H
#define ROLES_VPN_ALLOWED_H

#include "base/ip.h"

enum { ALLOWED_CONFIGURED = 0 }; /* rank of allowed_ips; of what was learned: length of the path */

struct allowed;

/* Best first. */
struct allowed_owner {
    struct allowed_owner *next;
    unsigned peer;
    unsigned rank;
};

struct allowed *allowed_new(void); /* NULL without memory */
void allowed_free(struct allowed *allowed);

/* A peer owns a prefix from now on; if it did already, its rank changes. False without memory. */
bool allowed_add(struct allowed *allowed, const struct cidr *prefix, unsigned peer, unsigned rank);

/* Nothing when the peer does not own it. */
void allowed_remove(struct allowed *allowed, const struct cidr *prefix, unsigned peer);

/*
 * The kernel is to have a route for each prefix with an owner. Calls ask(arg, prefix, add) for each
 * prefix where it has not, or has one that is owned no more, in the order in which that came about;
 * true = done, false = to be asked again the next time. What came and went meanwhile is not asked.
 * ask() changes nothing here.
 */
void allowed_settle(struct allowed *allowed,
                    bool (*ask)(void *arg, const struct cidr *prefix, bool add), void *arg);

/* Something would be asked. */
bool allowed_unsettled(const struct allowed *allowed);

/*
 * The owners of the longest prefix that holds the address, or NULL. Held until the next change. A
 * caller may take the first whose tunnel is up, so that a route learned of another peer stands in
 * for an allowed_ips whose peer is gone; if none is up, the packet must not go elsewhere.
 *
 * An address out of a packet is to be given as it stands there: ip_from_bytes() would turn an
 * IPv4-mapped source in an IPv6 packet into an IPv4 address.
 */
const struct allowed_owner *allowed_find(const struct allowed *allowed, const struct adit_ip *ip);

/* May a packet with this source come from this peer? */
bool allowed_from(const struct allowed *allowed, const struct adit_ip *source, unsigned peer);

/* Prefixes that have an owner. */
size_t allowed_count(const struct allowed *allowed);

#endif
