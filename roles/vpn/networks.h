/*
 * The networks of a mesh (mesh.h): the paths to each, who was told of it, who is charged for its
 * memory, and the order in which peers are told: by the last change, the oldest first. A peer has a
 * place in that order; what changes moves to its end, and so is told once, as it is then.
 */
#ifndef ROLES_VPN_NETWORKS_H
#define ROLES_VPN_NETWORKS_H

#include "base/ip.h"
#include "base/list.h"
#include "base/map.h"
#include "roles/vpn/path.h"

enum { NETWORKS_NOBODY = -1 };

/* A way to a network that a peer has announced. */
struct network_path {
    struct network_path *next; /* of the network, the shortest first */
    struct list of_peer;
    struct network *network;
    unsigned peer;
    unsigned length;
    uint8_t ids[]; /* so many, the peer's own first */
};

struct network {
    struct map_node node;
    struct list changed; /* in networks.all */
    struct list owned;   /* in networks.owned, or in no list */
    struct cidr cidr;
    struct network_path *paths;
    bool own;
    int left_by; /* without paths: the peer that is charged for it, or NETWORKS_NOBODY */
    size_t told_count;
    uint8_t told[]; /* a bit a peer: it knows a path from us */
};

/* A peer's share of them. */
struct networks_peer {
    struct list paths;
    size_t path_count;
    size_t left_count; /* networks without paths that it is charged for */
    struct list *next; /* in networks.all, the first that it may have to be told of; NULL = down */
};

struct networks {
    struct map by_prefix;
    struct list all;
    struct list owned;
    uint8_t seed[16];
    size_t peer_count;
    struct networks_peer *peers;
};

/* False without memory, and then there is nothing to end. */
bool networks_begin(struct networks *networks, size_t peer_count, const uint8_t seed[16]);
void networks_end(struct networks *networks);

struct network *networks_find(const struct networks *networks, const struct cidr *prefix);

/* The one of that prefix, made where it was not there; NULL without memory. */
struct network *networks_add(struct networks *networks, const struct cidr *prefix);

/* What is announced of it is another thing now. */
void networks_changed(struct networks *networks, struct network *network);

/* Frees it where it is not our own, has no path and nobody knows of it. */
void networks_tidy(struct networks *networks, struct network *network);

/* Our own: it is charged to nobody. */
void networks_own(struct networks *networks, struct network *network, bool own);

bool networks_told(const struct network *network, unsigned peer);
void networks_set_told(struct network *network, unsigned peer, bool told);

/* ---- Paths ---- */

/* Where the peer's path is linked in; there is NULL when it has none. */
struct network_path **networks_path(struct network *network, unsigned peer);

/* A new path, in no list yet, or NULL without memory. */
struct network_path *networks_make_path(struct network *network, unsigned peer, const uint8_t *ids,
                                        size_t length);

/* Puts it among the others of its network, by length and peer; takes it out, for the caller to
 * free. */
void networks_put_path(struct networks *networks, struct network_path *path);
void networks_take_path(struct networks *networks, struct network_path **at);

/* The network has lost its last path, which was this peer's: it is charged until all know. */
void networks_left(struct networks *networks, struct network *network, unsigned peer);

static inline struct network *networks_at(const struct list *changed)
{
    return container_of(changed, struct network, changed);
}

#endif
