#include "roles/server/revoked.h"

#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct map_node node;
    double valid_after_s;
    char name[];
};

struct revoked {
    pthread_mutex_t lock;
    struct map by_name;
    uint8_t seed[16];
};

static bool match(const struct map_node *node, const void *name)
{
    return strcmp(container_of(node, struct entry, node)->name, name) == 0;
}

static uint64_t hash_of(const struct revoked *revoked, const char *name)
{
    return map_hash(revoked->seed, name, strlen(name));
}

static struct entry *find(const struct revoked *revoked, const char *name)
{
    struct map_node *node = map_find(&revoked->by_name, hash_of(revoked, name), match, name);

    return node == NULL ? NULL : container_of(node, struct entry, node);
}

struct revoked *revoked_new(const uint8_t seed[16])
{
    struct revoked *revoked = calloc(1, sizeof(*revoked));

    if (revoked == NULL)
        return NULL;
    if (pthread_mutex_init(&revoked->lock, NULL) != 0) {
        free(revoked);
        return NULL;
    }
    map_init(&revoked->by_name);
    memcpy(revoked->seed, seed, sizeof(revoked->seed));
    return revoked;
}

void revoked_free(struct revoked *revoked)
{
    struct map_walk walk;
    struct map_node *node;

    if (revoked == NULL)
        return;
    walk = map_walk_start(&revoked->by_name);
    while ((node = map_walk_next(&revoked->by_name, &walk)) != NULL) {
        map_remove(&revoked->by_name, node);
        free(container_of(node, struct entry, node));
    }
    map_clear(&revoked->by_name);
    pthread_mutex_destroy(&revoked->lock);
    free(revoked);
}

static struct entry *add(struct revoked *revoked, const char *name)
{
    size_t len = strlen(name);
    struct entry *entry = malloc(sizeof(*entry) + len + 1);

    if (entry == NULL)
        return NULL;
    memcpy(entry->name, name, len + 1);
    if (!map_insert(&revoked->by_name, &entry->node, hash_of(revoked, name))) {
        free(entry);
        return NULL;
    }
    return entry;
}

bool revoked_set(struct revoked *revoked, const char *name, double valid_after_s)
{
    struct entry *entry;

    pthread_mutex_lock(&revoked->lock);
    entry = find(revoked, name);
    if (entry == NULL)
        entry = add(revoked, name);
    if (entry != NULL)
        entry->valid_after_s = valid_after_s;
    pthread_mutex_unlock(&revoked->lock);
    return entry != NULL;
}

bool revoked_has(struct revoked *revoked, const char *name, double valid_s)
{
    const struct entry *entry;
    bool has;

    pthread_mutex_lock(&revoked->lock);
    entry = find(revoked, name);
    has = entry != NULL && valid_s <= entry->valid_after_s;
    pthread_mutex_unlock(&revoked->lock);
    return has;
}

size_t revoked_count(struct revoked *revoked)
{
    size_t count;

    pthread_mutex_lock(&revoked->lock);
    count = revoked->by_name.count;
    pthread_mutex_unlock(&revoked->lock);
    return count;
}
