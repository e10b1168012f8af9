#include "roles/vpn/mesh.h"

#include "base/list.h"
#include "base/map.h"
#include "roles/vpn/path.h"

#include <stdlib.h>
#include <string.h>

enum { NOBODY = -1 };

/* A way to a network that a peer has announced. */
struct path {
    struct path *next; /* of the network, the shortest first */
    struct list of_peer;
    struct network *network;
    unsigned peer;
    unsigned length;
    uint8_t ids[]; /* length of them, the peer's own first */
};

struct network {
    struct map_node node;
    struct list changed; /* in mesh.networks */
    struct list owned;   /* in mesh.owned, or in no list */
    struct cidr cidr;
    struct path *paths;
    bool own;
    int left_by; /* without paths: the peer that is charged for it, or NOBODY */
    size_t told_count;
    uint8_t told[]; /* a bit a peer: it knows a path from us */
};

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
    struct list paths;
    size_t path_count;
    size_t left_count; /* networks left behind that it is charged for */
    struct list *next; /* in mesh.networks, the first that it may have to be told of */
    struct budget hear;
    struct budget tell;
    uint64_t heard;
    uint64_t refused;
};

struct mesh {
    struct map by_prefix;
    struct list networks; /* by their last change, the oldest first */
    struct list owned;
    mesh_route_fn *route;
    void *arg;
    uint8_t seed[16];
    uint8_t ids[MESH_PATH_MAX * MESH_ID_LEN]; /* of the update that mesh_next() answered */
    size_t peer_count;
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

/* ---- Networks ---- */

static struct network *network_at(const struct list *changed)
{
    return container_of(changed, struct network, changed);
}

static bool match(const struct map_node *node, const void *prefix)
{
    const struct cidr *mine = &container_of(node, struct network, node)->cidr;
    const struct cidr *other = prefix;

    return mine->prefix_len == other->prefix_len && ip_equal(&mine->ip, &other->ip);
}

static uint64_t hash_of(const struct mesh *mesh, const struct cidr *prefix)
{
    uint8_t key[2 + sizeof(prefix->ip.bytes)] = {prefix->ip.family, prefix->prefix_len};

    memcpy(key + 2, prefix->ip.bytes, sizeof(prefix->ip.bytes));
    return map_hash(mesh->seed, key, sizeof(key));
}

static struct network *find(const struct mesh *mesh, const struct cidr *prefix)
{
    struct map_node *node = map_find(&mesh->by_prefix, hash_of(mesh, prefix), match, prefix);

    return node == NULL ? NULL : container_of(node, struct network, node);
}

/* Who was to hear of this network next, hears of the one after it. */
static void step_over(struct mesh *mesh, const struct network *network)
{
    for (size_t i = 0; i < mesh->peer_count; i++)
        if (mesh->peers[i].next == &network->changed)
            mesh->peers[i].next = network->changed.next;
}

/* What is announced of the network is another thing now: everybody is to hear of it. */
static void changed(struct mesh *mesh, struct network *network)
{
    step_over(mesh, network);
    list_remove(&network->changed);
    list_append(&mesh->networks, &network->changed);
    for (size_t i = 0; i < mesh->peer_count; i++)
        if (mesh->peers[i].next == &mesh->networks)
            mesh->peers[i].next = &network->changed;
}

static struct network *find_or_add(struct mesh *mesh, const struct cidr *prefix)
{
    struct network *network = find(mesh, prefix);

    if (network != NULL)
        return network;
    network = calloc(1, sizeof(*network) + (mesh->peer_count + 7) / 8);
    if (network == NULL)
        return NULL;
    if (!map_insert(&mesh->by_prefix, &network->node, hash_of(mesh, prefix))) {
        free(network);
        return NULL;
    }
    network->cidr = *prefix;
    network->left_by = NOBODY;
    list_init(&network->changed);
    list_init(&network->owned);
    changed(mesh, network);
    return network;
}

static void uncharge(struct mesh *mesh, struct network *network)
{
    if (network->left_by != NOBODY)
        mesh->peers[network->left_by].left_count--;
    network->left_by = NOBODY;
}

static void free_if_idle(struct mesh *mesh, struct network *network)
{
    if (network->own || network->paths != NULL || network->told_count > 0)
        return;
    uncharge(mesh, network);
    step_over(mesh, network);
    list_remove(&network->changed);
    map_remove(&mesh->by_prefix, &network->node);
    free(network);
}

static bool was_told(const struct network *network, unsigned peer)
{
    return (network->told[peer / 8] & 1 << peer % 8) != 0;
}

static void set_told(struct network *network, unsigned peer, bool told)
{
    if (was_told(network, peer) == told)
        return;
    network->told[peer / 8] ^= (uint8_t)(1 << peer % 8);
    network->told_count += told ? 1 : -1;
}

/* ---- Paths ---- */

static struct path **path_of(struct network *network, unsigned peer)
{
    struct path **at = &network->paths;

    while (*at != NULL && (*at)->peer != peer)
        at = &(*at)->next;
    return at;
}

static bool goes_before(const struct path *a, const struct path *b)
{
    return a->length != b->length ? a->length < b->length : a->peer < b->peer;
}

static struct path *make_path(struct network *network, unsigned peer, const uint8_t *ids,
                              size_t length)
{
    struct path *path = malloc(sizeof(*path) + length * MESH_ID_LEN);

    if (path == NULL)
        return NULL;
    *path = (struct path){.network = network, .peer = peer, .length = (unsigned)length};
    memcpy(path->ids, ids, length * MESH_ID_LEN);
    list_init(&path->of_peer);
    return path;
}

static void put_path(struct mesh *mesh, struct path *path)
{
    struct path **at = &path->network->paths;

    while (*at != NULL && goes_before(*at, path))
        at = &(*at)->next;
    path->next = *at;
    *at = path;
    list_append(&mesh->peers[path->peer].paths, &path->of_peer);
    mesh->peers[path->peer].path_count++;
    uncharge(mesh, path->network);
}

static void take_path(struct mesh *mesh, struct path **at)
{
    struct path *path = *at;

    *at = path->next;
    list_remove(&path->of_peer);
    mesh->peers[path->peer].path_count--;
}

/* Forgets a path; its network may be gone with it. */
static void lose(struct mesh *mesh, struct path **at)
{
    struct path *path = *at;
    struct network *network = path->network;
    bool best = path == network->paths;

    take_path(mesh, at);
    if (network->paths == NULL && !network->own) {
        network->left_by = (int)path->peer;
        mesh->peers[path->peer].left_count++;
    }
    mesh->route(mesh->arg, &network->cidr, path->peer, 0);
    free(path);
    if (best)
        changed(mesh, network);
    free_if_idle(mesh, network);
}

/* ---- The mesh ---- */

struct mesh *mesh_new(const uint8_t id[MESH_ID_LEN], size_t peer_count, const uint8_t seed[16],
                      mesh_route_fn *route, void *arg)
{
    struct mesh *mesh = calloc(1, sizeof(*mesh) + peer_count * sizeof(mesh->peers[0]));

    if (mesh == NULL)
        return NULL;
    map_init(&mesh->by_prefix);
    list_init(&mesh->networks);
    list_init(&mesh->owned);
    mesh->route = route;
    mesh->arg = arg;
    memcpy(mesh->seed, seed, sizeof(mesh->seed));
    memcpy(mesh->ids, id, MESH_ID_LEN);
    mesh->peer_count = peer_count;
    for (size_t i = 0; i < peer_count; i++)
        list_init(&mesh->peers[i].paths);
    return mesh;
}

void mesh_free(struct mesh *mesh)
{
    if (mesh == NULL)
        return;
    while (!list_empty(&mesh->networks)) {
        struct network *network = network_at(mesh->networks.next);
        while (network->paths != NULL) {
            struct path *path = network->paths;
            network->paths = path->next;
            free(path);
        }
        list_remove(&network->changed);
        free(network);
    }
    map_clear(&mesh->by_prefix);
    free(mesh);
}

size_t mesh_networks(const struct mesh *mesh)
{
    return mesh->by_prefix.count;
}

void mesh_counters(const struct mesh *mesh, unsigned peer, struct mesh_counters *counters)
{
    const struct peer *of = &mesh->peers[peer];

    *counters = (struct mesh_counters){of->path_count, of->heard, of->refused};
}

/* ---- Our own networks ---- */

static bool is_inside(const struct cidr *inner, const struct cidr *outer)
{
    return outer->prefix_len <= inner->prefix_len && cidr_contains(outer, &inner->ip);
}

static bool is_ours(const struct mesh *mesh, const struct cidr *prefix)
{
    for (const struct list *at = mesh->owned.next; at != &mesh->owned; at = at->next)
        if (is_inside(prefix, &container_of(at, struct network, owned)->cidr))
            return true;
    return false;
}

static void lose_inside(struct mesh *mesh, unsigned peer, const struct cidr *outer)
{
    struct list *paths = &mesh->peers[peer].paths;

    for (struct list *at = paths->next, *next = at->next; at != paths; at = next, next = at->next) {
        struct network *network = container_of(at, struct path, of_peer)->network;
        if (outer == NULL || is_inside(&network->cidr, outer))
            lose(mesh, path_of(network, peer));
    }
}

bool mesh_own(struct mesh *mesh, const struct cidr *prefix)
{
    struct network *network = prefix->prefix_len == 0 ? NULL : find_or_add(mesh, prefix);

    if (network == NULL)
        return false;
    if (network->own)
        return true;
    network->own = true;
    list_append(&mesh->owned, &network->owned);
    uncharge(mesh, network);
    for (size_t i = 0; i < mesh->peer_count; i++)
        lose_inside(mesh, (unsigned)i, prefix);
    changed(mesh, network);
    return true;
}

void mesh_disown(struct mesh *mesh, const struct cidr *prefix)
{
    struct network *network = find(mesh, prefix);

    if (network == NULL || !network->own)
        return;
    network->own = false;
    list_remove(&network->owned);
    changed(mesh, network);
    free_if_idle(mesh, network);
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
    of->next = mesh->networks.next;
    of->hear = (struct budget){0};
    of->tell = (struct budget){0};
}

void mesh_down(struct mesh *mesh, unsigned peer)
{
    struct peer *of = &mesh->peers[peer];

    if (!of->up)
        return;
    of->up = false;
    of->next = NULL;
    of->accept = NULL;
    of->accept_count = 0;
    for (struct list *at = mesh->networks.next, *next; at != &mesh->networks; at = next) {
        next = at->next;
        set_told(network_at(at), peer, false);
        free_if_idle(mesh, network_at(at));
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
    const struct peer *of = &mesh->peers[peer];

    return of->path_count + of->left_count < MESH_ROUTES_MAX ||
           (network != NULL && network->left_by == (int)peer);
}

static void withdraw(struct mesh *mesh, unsigned peer, const struct cidr *prefix)
{
    struct network *network = find(mesh, prefix);
    struct path **at = network == NULL ? NULL : path_of(network, peer);

    if (at != NULL && *at != NULL)
        lose(mesh, at);
}

/* Takes a path that is new, or another than the peer's former one. */
static enum mesh_heard learn(struct mesh *mesh, unsigned peer, const struct cidr *prefix,
                             const struct quicktun_route *update)
{
    struct network *network = find(mesh, prefix);
    struct path **at = network == NULL ? NULL : path_of(network, peer);
    struct path *former = at == NULL ? NULL : *at;

    if (former != NULL && former->length == update->id_count &&
        memcmp(former->ids, update->ids, update->id_count * MESH_ID_LEN) == 0)
        return MESH_TAKEN;
    if (former == NULL && !has_room(mesh, network, peer))
        return MESH_FULL;
    network = find_or_add(mesh, prefix);
    if (network == NULL)
        return MESH_NO_MEMORY;
    struct path *path = make_path(network, peer, update->ids, update->id_count);
    if (path == NULL) {
        free_if_idle(mesh, network);
        return MESH_NO_MEMORY;
    }
    const struct path *best = network->paths;
    if (former != NULL)
        take_path(mesh, at);
    put_path(mesh, path);
    if (former == NULL || former->length != path->length)
        mesh->route(mesh->arg, &network->cidr, peer, path->length);
    if (network->paths != best)
        changed(mesh, network);
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

/* Would the peer take our path to it? */
static bool is_for(const struct network *network, const struct peer *peer, unsigned number)
{
    const struct path *best = network->paths;

    if (network->own)
        return true;
    return best != NULL && best->peer != number && best->length < MESH_PATH_MAX &&
           !(peer->has_id && path_has(best->ids, best->length, peer->id));
}

/* The network that the peer is to be told of next, or NULL. */
static struct network *due(struct mesh *mesh, unsigned peer)
{
    struct peer *of = &mesh->peers[peer];

    for (; of->next != &mesh->networks; of->next = of->next->next) {
        struct network *network = network_at(of->next);
        if (is_for(network, of, peer) || was_told(network, peer))
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
        .valid = is_for(network, &mesh->peers[peer], peer), .ids = mesh->ids, .id_count = 1};
    path_put_network(&network->cidr, update);
    if (update->valid && !network->own) {
        const struct path *best = network->paths;
        memcpy(mesh->ids + MESH_ID_LEN, best->ids, best->length * MESH_ID_LEN);
        update->id_count += best->length;
    }
    return true;
}

void mesh_told(struct mesh *mesh, unsigned peer, uint64_t now_ms)
{
    struct peer *of = &mesh->peers[peer];
    struct network *network = network_at(of->next);

    of->next = of->next->next;
    spend(&of->tell, now_ms, MESH_TELL_PER_S);
    set_told(network, peer, is_for(network, of, peer));
    free_if_idle(mesh, network);
}
