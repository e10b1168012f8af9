/*
 * The path-vector mesh over Routing information update (docs/protocols/quicktun.md, Routes): which
 * networks can be reached through which peer, when machines are joined by more than one way.
 *
 * A router announces its own networks, and of each network that it has learned the shortest path,
 * with its own id in front; of two as short, the one of the peer with the lower number. It takes no
 * path with its own id in it, so none goes in a circle, and none longer than MESH_PATH_MAX, so a
 * network that is gone is forgotten by all after as many steps at most.
 *
 * Split horizon: a path is announced neither to the peer that it was learned of nor to any peer
 * whose id is in it, because that one would not take it; if it had heard another one before, that
 * is withdrawn.
 *
 * What a peer announces is taken inside of its accept_routes alone, never inside of a network of
 * our own, and never for everything (0.0.0.0/0): that is for the configuration. An announcement
 * that is refused withdraws what the peer announced for that network before.
 *
 * Memory: a peer is charged for each network that it has announced, until the last peer that was
 * told of it was told of its end as well; at most MESH_ROUTES_MAX. What is to be sent is no queue,
 * but a place in the one list of networks by their last change; however often a network changes, a
 * slow peer hears of its last state.
 *
 * One thread. now_ms is any clock that never runs backwards. Peers are numbers below the count
 * given to mesh_new().
 */
#ifndef ROLES_VPN_MESH_H
#define ROLES_VPN_MESH_H

#include "base/ip.h"

#include <adit/quicktun.h>

enum {
    MESH_ID_LEN = 4,
    MESH_PATH_MAX = 32,     /* routers in a path, the first and the last included */
    MESH_ROUTES_MAX = 4096, /* networks that a peer may announce */
    /* Updates received of a peer: so many at once and a second on top, or it is a flood. */
    MESH_HEAR_BURST = 3 * MESH_ROUTES_MAX,
    MESH_HEAR_PER_S = 512,
    /* Updates sent to a peer: well below what it takes. */
    MESH_TELL_BURST = 2 * MESH_ROUTES_MAX,
    MESH_TELL_PER_S = 256,
};

struct mesh;

/*
 * A network can be reached through this peer by a path of so many routers, or, with length 0,
 * cannot any more. Told of every path that is taken, not of the shortest alone: packets may come
 * from each such peer (allowed.h, whose order of ranks and peers is the order of the paths). It
 * must not call the mesh.
 */
typedef void mesh_route_fn(void *arg, const struct cidr *to, unsigned peer, unsigned length);

/* id: ours, like no other router's in the mesh; seed: random. NULL without memory. */
struct mesh *mesh_new(const uint8_t id[MESH_ID_LEN], size_t peer_count, const uint8_t seed[16],
                      mesh_route_fn *route, void *arg);
void mesh_free(struct mesh *mesh); /* calls nothing */

/* Announces a network of our own, and forgets what peers announced in it; or withdraws it. False
 * without memory, and for one with a prefix of length 0. */
bool mesh_own(struct mesh *mesh, const struct cidr *network);
void mesh_disown(struct mesh *mesh, const struct cidr *network);

/*
 * The tunnel to a peer is up, or up anew: all is announced to it. accept[0..accept_count) are its
 * accept_routes, borrowed until mesh_down(). The tunnel is down: what was learned of it is gone.
 */
void mesh_up(struct mesh *mesh, unsigned peer, const struct cidr *accept, size_t accept_count);
void mesh_down(struct mesh *mesh, unsigned peer);

enum mesh_heard {
    MESH_TAKEN,        /* also a withdrawal, and one of what was not announced */
    MESH_LOOP,         /* our id is in the path: it is no way for us */
    MESH_NOT_ACCEPTED, /* outside of accept_routes */
    MESH_OURS,         /* inside of a network of our own */
    MESH_TOO_LONG,     /* a path of more than MESH_PATH_MAX */
    MESH_MALFORMED, /* holes in the mask, an id twice, the sender's id is another than before, … */
    MESH_NO_ROUTER, /* family 0: Ethernet has no routes here */
    MESH_FULL,      /* the peer has announced MESH_ROUTES_MAX */
    MESH_NO_MEMORY,
    MESH_FLOOD, /* too many updates: nothing was done with it; close the connection */
};

/* What came of a peer that is up. Calls `route` for what it changes. */
enum mesh_heard mesh_hear(struct mesh *mesh, unsigned peer, const struct quicktun_route *update,
                          uint64_t now_ms);
const char *mesh_heard_text(enum mesh_heard heard); /* one line, static */

/*
 * The next update for a peer that is up, to be sent with quicktun_send_route(); false when there is
 * none now. *update borrows from the mesh. When it was sent, call mesh_told() before anything else;
 * when there was no room, nothing.
 */
bool mesh_next(struct mesh *mesh, unsigned peer, struct quicktun_route *update, uint64_t now_ms);
void mesh_told(struct mesh *mesh, unsigned peer, uint64_t now_ms);

/* Milliseconds until mesh_next() may answer again: 0 = now; UINT64_MAX = nothing waits. */
uint64_t mesh_wait_ms(struct mesh *mesh, unsigned peer, uint64_t now_ms);

struct mesh_counters {
    size_t learned;   /* networks that this peer announces, and that were taken */
    uint64_t heard;   /* updates that came since mesh_new() */
    uint64_t refused; /* of them, those answered with more than MESH_LOOP */
};
void mesh_counters(const struct mesh *mesh, unsigned peer, struct mesh_counters *counters);

/* Networks that take memory, ours and withdrawn ones included. */
size_t mesh_networks(const struct mesh *mesh);

#endif
