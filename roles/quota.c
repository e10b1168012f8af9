#include "roles/quota.h"

#include "base/map.h"
#include "base/network.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct holder {
    struct map_node node;
    struct adit_ip network;
    uint32_t held;
};

struct quota {
    pthread_mutex_t lock;
    struct map by_network;
    uint8_t seed[16];
};

static bool match(const struct map_node *node, const void *network)
{
    return ip_equal(&container_of(node, struct holder, node)->network, network);
}

static uint64_t hash_of(const struct quota *quota, const struct adit_ip *network)
{
    return map_hash(quota->seed, network->bytes, sizeof(network->bytes));
}

static struct holder *find(const struct quota *quota, const struct adit_ip *network)
{
    struct map_node *node = map_find(&quota->by_network, hash_of(quota, network), match, network);

    return node == NULL ? NULL : container_of(node, struct holder, node);
}

struct quota *quota_new(const uint8_t seed[16])
{
    struct quota *quota = calloc(1, sizeof(*quota));

    if (quota == NULL)
        return NULL;
    if (pthread_mutex_init(&quota->lock, NULL) != 0) {
        free(quota);
        return NULL;
    }
    map_init(&quota->by_network);
    memcpy(quota->seed, seed, sizeof(quota->seed));
    return quota;
}

void quota_free(struct quota *quota)
{
    struct map_walk walk;
    struct map_node *node;

    if (quota == NULL)
        return;
    walk = map_walk_start(&quota->by_network);
    while ((node = map_walk_next(&quota->by_network, &walk)) != NULL) {
        map_remove(&quota->by_network, node);
        free(container_of(node, struct holder, node));
    }
    map_clear(&quota->by_network);
    pthread_mutex_destroy(&quota->lock);
    free(quota);
}

static struct holder *add(struct quota *quota, const struct adit_ip *network)
{
    struct holder *holder = calloc(1, sizeof(*holder));

    if (holder == NULL)
        return NULL;
    holder->network = *network;
    if (!map_insert(&quota->by_network, &holder->node, hash_of(quota, network))) {
        free(holder);
        return NULL;
    }
    return holder;
}

bool quota_take(struct quota *quota, const struct adit_ip *ip, uint32_t max)
{
    struct adit_ip network = network_of(ip);
    struct holder *holder;
    bool taken = false;

    pthread_mutex_lock(&quota->lock);
    holder = find(quota, &network);
    if (holder == NULL && max > 0)
        holder = add(quota, &network);
    if (holder != NULL && holder->held < max) {
        holder->held++;
        taken = true;
    }
    pthread_mutex_unlock(&quota->lock);
    return taken;
}

void quota_give_back(struct quota *quota, const struct adit_ip *ip)
{
    struct adit_ip network = network_of(ip);
    struct holder *holder;

    pthread_mutex_lock(&quota->lock);
    holder = find(quota, &network);
    if (holder != NULL && --holder->held == 0) {
        map_remove(&quota->by_network, &holder->node);
        free(holder);
    }
    pthread_mutex_unlock(&quota->lock);
}
