#include "roles/server/replay.h"

#include "base/map.h"
#include "lib/crypto/sha256.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Expired keys are looked for each time that so many were added. */
enum { SWEEP_EVERY = 256 };

/* A clock that ran ahead and is set back must not make a key new again. */
static const double keep_after_s = 24 * 60 * 60;

struct used_key {
    struct map_node node;
    uint8_t digest[32];
    double valid_s;
};

struct replay {
    pthread_mutex_t lock;
    struct map by_digest;
    uint8_t seed[16];
    unsigned added;
};

static bool match(const struct map_node *node, const void *digest)
{
    const struct used_key *used = container_of(node, struct used_key, node);

    return memcmp(used->digest, digest, sizeof(used->digest)) == 0;
}

static void forget(struct replay *replay, struct used_key *used)
{
    map_remove(&replay->by_digest, &used->node);
    free(used);
}

/* Everything that expired long before now_s. */
static void sweep(struct replay *replay, double now_s)
{
    struct map_walk walk = map_walk_start(&replay->by_digest);
    struct map_node *node;

    while ((node = map_walk_next(&replay->by_digest, &walk)) != NULL) {
        struct used_key *used = container_of(node, struct used_key, node);
        if (used->valid_s + keep_after_s < now_s)
            forget(replay, used);
    }
}

struct replay *replay_new(const uint8_t seed[16])
{
    struct replay *replay = calloc(1, sizeof(*replay));

    if (replay == NULL)
        return NULL;
    if (pthread_mutex_init(&replay->lock, NULL) != 0) {
        free(replay);
        return NULL;
    }
    map_init(&replay->by_digest);
    memcpy(replay->seed, seed, sizeof(replay->seed));
    return replay;
}

void replay_free(struct replay *replay)
{
    struct map_walk walk;
    struct map_node *node;

    if (replay == NULL)
        return;
    walk = map_walk_start(&replay->by_digest);
    while ((node = map_walk_next(&replay->by_digest, &walk)) != NULL)
        forget(replay, container_of(node, struct used_key, node));
    map_clear(&replay->by_digest);
    pthread_mutex_destroy(&replay->lock);
    free(replay);
}

static bool remember(struct replay *replay, const uint8_t digest[32], uint64_t hash, double valid_s)
{
    struct used_key *used = calloc(1, sizeof(*used));

    if (used == NULL)
        return false;
    memcpy(used->digest, digest, sizeof(used->digest));
    used->valid_s = valid_s;
    if (!map_insert(&replay->by_digest, &used->node, hash)) {
        free(used);
        return false;
    }
    return true;
}

bool replay_first_use(struct replay *replay, const uint8_t aes_key[32], double valid_s,
                      double now_s)
{
    uint8_t digest[32];
    uint64_t hash;
    bool first = false;

    if (sha256(aes_key, 32, digest) != 0)
        return false;
    hash = map_hash(replay->seed, digest, sizeof(digest));
    pthread_mutex_lock(&replay->lock);
    if (map_find(&replay->by_digest, hash, match, digest) == NULL)
        first = remember(replay, digest, hash, valid_s);
    if (++replay->added % SWEEP_EVERY == 0)
        sweep(replay, now_s);
    pthread_mutex_unlock(&replay->lock);
    return first;
}

size_t replay_count(struct replay *replay)
{
    size_t count;

    pthread_mutex_lock(&replay->lock);
    count = replay->by_digest.count;
    pthread_mutex_unlock(&replay->lock);
    return count;
}
