#include "roles/vpn/mesh.h"

#include "roles/vpn/networks.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)MESH_ID_LEN == PATH_ID_LEN, "one kind of id");

/* When what was used until now has been earned again, in microseconds. */
struct budget {
    uint64_t earned_us;
};

struct peer {
    bool up;
    bool has_id;
    uint8_t id[MESH_ID_LEN];
    const struct cidr *accept;
    size_t accept_count;
    struct budget hear;
    struct budget tell;
    uint64_t heard;
    uint64_t refused;
};

struct mesh {
    struct networks networks;
    mesh_route_fn *route;
    void *arg;
    uint8_t ids[MESH_PATH_MAX * MESH_ID_LEN]; /* of the update that mesh_next() answered */
    struct peer peers[];
};

/* ---- Budgets ---- */

static uint64_t short_by_us(const struct budget *budget, uint64_t now_ms, unsigned per_s,
                            unsigned burst)
{
    uint64_t cost_us = 1000000 / per_s;
    uint64_t from_us = now_ms * 1000 > budget->earned_us ? now_ms * 1000 : budget->earned_us;
    uint64_t allowed_us = now_ms * 1000 + burst * cost_us;

    return from_us + cost_us > allowed_us ? from_us + cost_us - allowed_us : 0;
}

static void spend(struct budget *budget, uint64_t now_ms, unsigned per_s)
{
    if (budget->earned_us < now_ms * 1000)
        budget->earned_us = now_ms * 1000;
    budget->earned_us += 1000000 / per_s;
}

/* ---- The mesh ---- */

struct mesh *mesh_new(const uint8_t id[MESH_ID_LEN], size_t peer_count, const uint8_t seed[16],
                      mesh_route_fn *route, void *arg)
{
    struct mesh *mesh = calloc(1, sizeof(*mesh) + peer_count * sizeof(mesh->peers[0]));

    if (mesh == NULL)
        return NULL;
    if (!networks_begin(&mesh->networks, peer_count, seed)) {
        free(mesh);
        return NULL;
    }
    mesh->route = route;
    mesh->arg = arg;
    memcpy(mesh->ids, id, MESH_ID_LEN);
    return mesh;
}

void mesh_free(struct mesh *mesh)
{
    if (mesh == NULL)
        return;
    networks_end(&mesh->networks);
    free(mesh);
}

size_t mesh_networks(const struct mesh *mesh)
{
    return mesh->networks.by_prefix.count;
}

void mesh_counters(const struct mesh *mesh, unsigned peer, struct mesh_counters *counters)
{
    const struct peer *of = &mesh->peers[peer];

    *counters =
        (struct mesh_counters){mesh->networks.peers[peer].path_count, of->heard, of->refused};
}

/* Forgets a path; its network may be gone with it. */
static void lose(struct mesh *mesh, struct network_path **at)
{
    struct network_path *path = *at;
    struct network *network = path->network;
    bool best = path == network->paths;

    networks_take_path(&mesh->networks, at);
    if (network->paths == NULL && !network->own)
        networks_left(&mesh->networks, network, path->peer);
    mesh->route(mesh->arg, &network->cidr, path->peer, 0);
    free(path);
    if (best)
        networks_changed(&mesh->networks, network);
    networks_tidy(&mesh->networks, network);
}

/* ---- Our own networks ---- */

static bool is_inside(const struct cidr *inner, const struct cidr *outer)
{
    return outer->prefix_len <= inner->prefix_len && cidr_contains(outer, &inner->ip);
}

static bool is_ours(const struct mesh *mesh, const struct cidr *prefix)
{
    for (const struct list *at = mesh->networks.owned.next; at != &mesh->networks.owned;
         at = at->next)
        if (is_inside(prefix, &container_of(at, struct network, owned)->cidr))
            return true;
    return false;
}

static void lose_inside(struct mesh *mesh, unsigned peer, const struct cidr *outer)
{
    struct list *paths = &mesh->networks.peers[peer].paths;

    for (struct list *at = paths->next, *next = at->next; at != paths; at = next, next = at->next) {
        struct network *network = container_of(at, struct network_path, of_peer)->network;
        if (outer == NULL || is_inside(&network->cidr, outer))
            lose(mesh, networks_path(network, peer));
    }
}

bool mesh_own(struct mesh *mesh, const struct cidr *prefix)
{
    struct network *network =
        prefix->prefix_len == 0 ? NULL : networks_add(&mesh->networks, prefix);

    if (network == NULL)
        return false;
    if (network->own)
        return true;
    networks_own(&mesh->networks, network, true);
    for (size_t i = 0; i < mesh->networks.peer_count; i++)
        lose_inside(mesh, (unsigned)i, prefix);
    networks_changed(&mesh->networks, network);
    return true;
}

void mesh_disown(struct mesh *mesh, const struct cidr *prefix)
{
    struct network *network = networks_find(&mesh->networks, prefix);

    if (network == NULL || !network->own)
        return;
    networks_own(&mesh->networks, network, false);
    networks_changed(&mesh->networks, network);
    networks_tidy(&mesh->networks, network);
}

/* ---- Peers come and go ---- */

void mesh_up(struct mesh *mesh, unsigned peer, const struct cidr *accept, size_t accept_count)
{
    struct peer *of = &mesh->peers[peer];

    mesh_down(mesh, peer);
    of->up = true;
    of->has_id = false;
    of->accept = accept;
    of->accept_count = accept_count;
    mesh->networks.peers[peer].next = mesh->networks.all.next;
    of->hear = (struct budget){0};
    of->tell = (struct budget){0};
}

void mesh_down(struct mesh *mesh, unsigned peer)
{
    struct peer *of = &mesh->peers[peer];

    if (!of->up)
        return;
    of->up = false;
    of->accept = NULL;
    of->accept_count = 0;
    mesh->networks.peers[peer].next = NULL;
    for (struct list *at = mesh->networks.all.next, *next; at != &mesh->networks.all; at = next) {
        next = at->next;
        networks_set_told(networks_at(at), peer, false);
        networks_tidy(&mesh->networks, networks_at(at));
    }
    lose_inside(mesh, peer, NULL);
}

/* ---- Hearing ---- */

static bool is_accepted(const struct peer *peer, const struct cidr *prefix)
{
    for (size_t i = 0; i < peer->accept_count; i++)
        if (is_inside(prefix, &peer->accept[i]))
            return true;
    return false;
}

/* The sender's own id stands first, and stays the same. */
static bool is_from(struct peer *peer, const uint8_t *first)
{
    if (!peer->has_id)
        memcpy(peer->id, first, MESH_ID_LEN);
    peer->has_id = true;
    return memcmp(peer->id, first, MESH_ID_LEN) == 0;
}

/* Is what is announced a way for us? */
static enum mesh_heard judge(const struct mesh *mesh, struct peer *peer, const struct cidr *prefix,
                             const struct quicktun_route *update)
{
    if (update->id_count > MESH_PATH_MAX)
        return MESH_TOO_LONG;
    /* A peer whose id is not known yet is told of its own networks: no offence. */
    if (path_has(update->ids, update->id_count, mesh->ids))
        return MESH_LOOP;
    if (path_repeats(update->ids, update->id_count) || !is_from(peer, update->ids))
        return MESH_MALFORMED;
    if (!is_accepted(peer, prefix))
        return MESH_NOT_ACCEPTED;
    if (is_ours(mesh, prefix))
        return MESH_OURS;
    return MESH_TAKEN;
}

/* May a network be charged to the peer on top? The one that it left itself is charged already. */
static bool has_room(const struct mesh *mesh, const struct network *network, unsigned peer)
{
    const struct networks_peer *of = &mesh->networks.peers[peer];

    return of->path_count + of->left_count < MESH_ROUTES_MAX ||
           (network != NULL && network->left_by == (int)peer);
}

static void withdraw(struct mesh *mesh, unsigned peer, const struct cidr *prefix)
{
    struct network *network = networks_find(&mesh->networks, prefix);
    struct network_path **at = network == NULL ? NULL : networks_path(network, peer);

    if (at != NULL && *at != NULL)
        lose(mesh, at);
}

/* Takes a path that is new, or another than the peer's former one. */
static enum mesh_heard learn(struct mesh *mesh, unsigned peer, const struct cidr *prefix,
                             const struct quicktun_route *update)
{
    struct network *network = networks_find(&mesh->networks, prefix);
    struct network_path **at = network == NULL ? NULL : networks_path(network, peer);
    struct network_path *former = at == NULL ? NULL : *at;

    if (former != NULL && former->length == update->id_count &&
        memcmp(former->ids, update->ids, update->id_count * MESH_ID_LEN) == 0)
        return MESH_TAKEN;
    if (former == NULL && !has_room(mesh, network, peer))
        return MESH_FULL;
    network = networks_add(&mesh->networks, prefix);
    if (network == NULL)
        return MESH_NO_MEMORY;
    struct network_path *path = networks_make_path(network, peer, update->ids, update->id_count);
    if (path == NULL) {
        networks_tidy(&mesh->networks, network);
        return MESH_NO_MEMORY;
    }
    const struct network_path *best = network->paths;
    if (former != NULL)
        networks_take_path(&mesh->networks, at);
    networks_put_path(&mesh->networks, path);
    if (former == NULL || former->length != path->length)
        mesh->route(mesh->arg, &network->cidr, peer, path->length);
    if (network->paths != best)
        networks_changed(&mesh->networks, network);
    free(former);
    return MESH_TAKEN;
}

static enum mesh_heard hear(struct mesh *mesh, unsigned peer, const struct quicktun_route *update)
{
    struct cidr prefix;
    enum mesh_heard heard;

    if (update->family != 4 && update->family != 6)
        return MESH_NO_ROUTER;
    if (!path_network(update, &prefix))
        return MESH_MALFORMED;
    heard = update->valid ? judge(mesh, &mesh->peers[peer], &prefix, update) : MESH_TAKEN;
    if (update->valid && heard == MESH_TAKEN)
        heard = learn(mesh, peer, &prefix, update);
    if (!update->valid || heard != MESH_TAKEN)
        withdraw(mesh, peer, &prefix);
    return heard;
}

enum mesh_heard mesh_hear(struct mesh *mesh, unsigned peer, const struct quicktun_route *update,
                          uint64_t now_ms)
{
    struct peer *of = &mesh->peers[peer];
    enum mesh_heard heard = MESH_FLOOD;

    if (short_by_us(&of->hear, now_ms, MESH_HEAR_PER_S, MESH_HEAR_BURST) == 0) {
        spend(&of->hear, now_ms, MESH_HEAR_PER_S);
        heard = hear(mesh, peer, update);
    }
    of->heard++;
    of->refused += heard > MESH_LOOP;
    return heard;
}

const char *mesh_heard_text(enum mesh_heard heard)
{
    static const char *const texts[] = {
        [MESH_TAKEN] = "taken",
        [MESH_LOOP] = "it leads through this router",
        [MESH_NOT_ACCEPTED] = "it is outside of the peer's accept_routes",
        [MESH_OURS] = "it is inside of a network of this router's own",
        [MESH_TOO_LONG] = "its path has more routers than are taken",
        [MESH_MALFORMED] = "its mask or its path makes no sense",
        [MESH_NO_ROUTER] = "Ethernet addresses are not routed",
        [MESH_FULL] = "the peer has announced as many networks as it may",
        [MESH_NO_MEMORY] = "no memory",
        [MESH_FLOOD] = "the peer sends more updates than it may",
    };

    return texts[heard];
}

/* ---- Telling ---- */

/* Would the peer take our path to it? Its own id is in each that was learned of it. */
static bool is_for(const struct network *network, const struct peer *peer)
{
    const struct network_path *best = network->paths;

    if (network->own)
        return true;
    return best != NULL && best->length < MESH_PATH_MAX &&
           !(peer->has_id && path_has(best->ids, best->length, peer->id));
}

/* The network that the peer is to be told of next, or NULL. */
static struct network *due(struct mesh *mesh, unsigned peer)
{
    struct list **next = &mesh->networks.peers[peer].next;

    for (; *next != &mesh->networks.all; *next = (*next)->next) {
        struct network *network = networks_at(*next);
        if (is_for(network, &mesh->peers[peer]) || networks_told(network, peer))
            return network;
    }
    return NULL;
}

uint64_t mesh_wait_ms(struct mesh *mesh, unsigned peer, uint64_t now_ms)
{
    uint64_t short_us =
        short_by_us(&mesh->peers[peer].tell, now_ms, MESH_TELL_PER_S, MESH_TELL_BURST);

    return due(mesh, peer) == NULL ? UINT64_MAX : (short_us + 999) / 1000;
}

bool mesh_next(struct mesh *mesh, unsigned peer, struct quicktun_route *update, uint64_t now_ms)
{
    const struct network *network = mesh_wait_ms(mesh, peer, now_ms) == 0 ? due(mesh, peer) : NULL;

    if (network == NULL)
        return false;
    *update = (struct quicktun_route){
        .valid = is_for(network, &mesh->peers[peer]), .ids = mesh->ids, .id_count = 1};
    path_put_network(&network->cidr, update);
    if (update->valid && !network->own) {
        const struct network_path *best = network->paths;
        memcpy(mesh->ids + MESH_ID_LEN, best->ids, best->length * MESH_ID_LEN);
        update->id_count += best->length;
    }
    return true;
}

void mesh_told(struct mesh *mesh, unsigned peer, uint64_t now_ms)
{
    struct list **next = &mesh->networks.peers[peer].next;
    struct network *network = networks_at(*next);

    *next = (*next)->next;
    spend(&mesh->peers[peer].tell, now_ms, MESH_TELL_PER_S);
    networks_set_told(network, peer, is_for(network, &mesh->peers[peer]));
    networks_tidy(&mesh->networks, network);
}
