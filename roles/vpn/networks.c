#include "roles/vpn/networks.h"

#include <stdlib.h>
#include <string.h>

static bool match(const struct map_node *node, const void *prefix)
{
    const struct cidr *mine = &container_of(node, struct network, node)->cidr;
    const struct cidr *other = prefix;

    return mine->prefix_len == other->prefix_len && ip_equal(&mine->ip, &other->ip);
}

static uint64_t hash_of(const struct networks *networks, const struct cidr *prefix)
{
    uint8_t key[2 + sizeof(prefix->ip.bytes)] = {prefix->ip.family, prefix->prefix_len};

    memcpy(key + 2, prefix->ip.bytes, sizeof(prefix->ip.bytes));
    return map_hash(networks->seed, key, sizeof(key));
}

bool networks_begin(struct networks *networks, size_t peer_count, const uint8_t seed[16])
{
    struct networks_peer *peers = calloc(peer_count, sizeof(*peers));

    if (peers == NULL)
        return false;
    for (size_t i = 0; i < peer_count; i++)
        list_init(&peers[i].paths);
    *networks = (struct networks){.peer_count = peer_count, .peers = peers};
    memcpy(networks->seed, seed, sizeof(networks->seed));
    map_init(&networks->by_prefix);
    list_init(&networks->all);
    list_init(&networks->owned);
    return true;
}

void networks_end(struct networks *networks)
{
    while (!list_empty(&networks->all)) {
        struct network *network = networks_at(networks->all.next);
        while (network->paths != NULL) {
            struct network_path *path = network->paths;
            network->paths = path->next;
            free(path);
        }
        list_remove(&network->changed);
        free(network);
    }
    map_clear(&networks->by_prefix);
    free(networks->peers);
}

struct network *networks_find(const struct networks *networks, const struct cidr *prefix)
{
    struct map_node *node =
        map_find(&networks->by_prefix, hash_of(networks, prefix), match, prefix);

    return node == NULL ? NULL : container_of(node, struct network, node);
}

/* Who was to hear of this network next, hears of the one after it. */
static void step_over(struct networks *networks, const struct network *network)
{
    for (size_t i = 0; i < networks->peer_count; i++)
        if (networks->peers[i].next == &network->changed)
            networks->peers[i].next = network->changed.next;
}

void networks_changed(struct networks *networks, struct network *network)
{
    step_over(networks, network);
    list_remove(&network->changed);
    list_append(&networks->all, &network->changed);
    for (size_t i = 0; i < networks->peer_count; i++)
        if (networks->peers[i].next == &networks->all)
            networks->peers[i].next = &network->changed;
}

struct network *networks_add(struct networks *networks, const struct cidr *prefix)
{
    struct network *network = networks_find(networks, prefix);

    if (network != NULL)
        return network;
    network = calloc(1, sizeof(*network) + (networks->peer_count + 7) / 8);
    if (network == NULL)
        return NULL;
    if (!map_insert(&networks->by_prefix, &network->node, hash_of(networks, prefix))) {
        free(network);
        return NULL;
    }
    network->cidr = *prefix;
    network->left_by = NETWORKS_NOBODY;
    list_init(&network->changed);
    list_init(&network->owned);
    networks_changed(networks, network);
    return network;
}

static void uncharge(struct networks *networks, struct network *network)
{
    if (network->left_by != NETWORKS_NOBODY)
        networks->peers[network->left_by].left_count--;
    network->left_by = NETWORKS_NOBODY;
}

void networks_tidy(struct networks *networks, struct network *network)
{
    if (network->own || network->paths != NULL || network->told_count > 0)
        return;
    uncharge(networks, network);
    step_over(networks, network);
    list_remove(&network->changed);
    map_remove(&networks->by_prefix, &network->node);
    free(network);
}

void networks_own(struct networks *networks, struct network *network, bool own)
{
    network->own = own;
    list_remove(&network->owned);
    if (own) {
        list_append(&networks->owned, &network->owned);
        uncharge(networks, network);
    }
}

bool networks_told(const struct network *network, unsigned peer)
{
    return (network->told[peer / 8] & 1 << peer % 8) != 0;
}

void networks_set_told(struct network *network, unsigned peer, bool told)
{
    if (networks_told(network, peer) == told)
        return;
    network->told[peer / 8] ^= (uint8_t)(1 << peer % 8);
    network->told_count += told ? 1 : -1;
}

/* ---- Paths ---- */

struct network_path **networks_path(struct network *network, unsigned peer)
{
    struct network_path **at = &network->paths;

    while (*at != NULL && (*at)->peer != peer)
        at = &(*at)->next;
    return at;
}

struct network_path *networks_make_path(struct network *network, unsigned peer, const uint8_t *ids,
                                        size_t length)
{
    struct network_path *path = malloc(sizeof(*path) + length * PATH_ID_LEN);

    if (path == NULL)
        return NULL;
    *path = (struct network_path){.network = network, .peer = peer, .length = (unsigned)length};
    memcpy(path->ids, ids, length * PATH_ID_LEN);
    list_init(&path->of_peer);
    return path;
}

static bool goes_before(const struct network_path *a, const struct network_path *b)
{
    return a->length != b->length ? a->length < b->length : a->peer < b->peer;
}

void networks_put_path(struct networks *networks, struct network_path *path)
{
    struct network_path **at = &path->network->paths;

    while (*at != NULL && goes_before(*at, path))
        at = &(*at)->next;
    path->next = *at;
    *at = path;
    list_append(&networks->peers[path->peer].paths, &path->of_peer);
    networks->peers[path->peer].path_count++;
    uncharge(networks, path->network);
}

void networks_take_path(struct networks *networks, struct network_path **at)
{
    struct network_path *path = *at;

    *at = path->next;
    list_remove(&path->of_peer);
    networks->peers[path->peer].path_count--;
}

void networks_left(struct networks *networks, struct network *network, unsigned peer)
{
    network->left_by = (int)peer;
    networks->peers[peer].left_count++;
}
