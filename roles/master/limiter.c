#include "roles/master/limiter.h"

#include "base/list.h"
#include "base/map.h"
#include "base/network.h"

#include <stdlib.h>
#include <string.h>

enum { MINUTE_MS = 60000 };

struct bucket {
    struct map_node node;
    struct list by_age; /* the one not seen for longest first */
    struct adit_ip network;
    uint64_t seen_ms;
    uint64_t left_ms; /* a request costs cost_ms of it; it fills by a millisecond a millisecond */
};

struct limiter {
    struct map by_network;
    struct list by_age;
    uint64_t cost_ms; /* of a request */
    uint8_t seed[16];
};

static bool match(const struct map_node *node, const void *network)
{
    return ip_equal(&container_of(node, struct bucket, node)->network, network);
}

struct limiter *limiter_new(const uint8_t seed[16], uint32_t per_minute)
{
    struct limiter *limiter = calloc(1, sizeof(*limiter));

    if (limiter == NULL)
        return NULL;
    map_init(&limiter->by_network);
    list_init(&limiter->by_age);
    memcpy(limiter->seed, seed, sizeof(limiter->seed));
    limiter->cost_ms = per_minute >= MINUTE_MS ? 1 : MINUTE_MS / per_minute;
    return limiter;
}

static void forget(struct limiter *limiter, struct bucket *bucket)
{
    map_remove(&limiter->by_network, &bucket->node);
    list_remove(&bucket->by_age);
    free(bucket);
}

static struct bucket *oldest(const struct limiter *limiter)
{
    return container_of(limiter->by_age.next, struct bucket, by_age);
}

void limiter_free(struct limiter *limiter)
{
    if (limiter == NULL)
        return;
    while (!list_empty(&limiter->by_age))
        forget(limiter, oldest(limiter));
    map_clear(&limiter->by_network);
    free(limiter);
}

static struct bucket *add(struct limiter *limiter, const struct adit_ip *network, uint64_t hash,
                          uint64_t now_ms)
{
    struct bucket *bucket = calloc(1, sizeof(*bucket));

    if (bucket == NULL)
        return NULL;
    if (limiter->by_network.count == LIMITER_ADDRESSES_MAX)
        forget(limiter, oldest(limiter));
    if (!map_insert(&limiter->by_network, &bucket->node, hash)) {
        free(bucket);
        return NULL;
    }
    bucket->network = *network;
    bucket->seen_ms = now_ms;
    bucket->left_ms = MINUTE_MS;
    list_init(&bucket->by_age);
    return bucket;
}

unsigned limiter_ask(struct limiter *limiter, const struct adit_ip *from, uint64_t now_ms)
{
    struct adit_ip network = network_of(from);
    uint64_t hash = map_hash(limiter->seed, network.bytes, sizeof(network.bytes));
    struct map_node *node = map_find(&limiter->by_network, hash, match, &network);
    struct bucket *bucket = node == NULL ? add(limiter, &network, hash, now_ms)
                                         : container_of(node, struct bucket, node);

    if (bucket == NULL)
        return 0;
    list_remove(&bucket->by_age);
    list_append(&limiter->by_age, &bucket->by_age);
    bucket->left_ms += now_ms - bucket->seen_ms;
    if (bucket->left_ms > MINUTE_MS)
        bucket->left_ms = MINUTE_MS;
    bucket->seen_ms = now_ms;
    if (bucket->left_ms < limiter->cost_ms)
        return (unsigned)((limiter->cost_ms - bucket->left_ms + 999) / 1000);
    bucket->left_ms -= limiter->cost_ms;
    return 0;
}
