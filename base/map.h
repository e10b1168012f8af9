/*
 * An intrusive hash map: entries embed a map_node, the caller compares keys. Hashes are keyed with
 * a seed, so that who chooses the keys cannot choose the bucket. No memory while empty.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node **buckets;
    size_t bucket_count; /* 0 or a power of two */
    size_t count;
};

/* SipHash-2-4 under a 16-byte seed. */
uint64_t map_hash(const uint8_t seed[16], const void *key, size_t len);

typedef bool map_match_fn(const struct map_node *node, const void *key);

void map_init(struct map *map);
void map_clear(struct map *map); /* frees the buckets; the entries are the caller's */

/* The node with that hash for which match is true, or NULL. */
struct map_node *map_find(const struct map *map, uint64_t hash, map_match_fn *match,
                          const void *key);

/* False without memory. The key must not be there yet. Not during a walk. */
bool map_insert(struct map *map, struct map_node *node, uint64_t hash);
void map_remove(struct map *map, struct map_node *node);

/* Visits every node once, in no order. The node answered last may be removed, no other. */
struct map_walk {
    size_t bucket;
    struct map_node *next;
};
struct map_walk map_walk_start(const struct map *map);
struct map_node *map_walk_next(const struct map *map, struct map_walk *walk);

/* The entry that embeds a node; through a number, so that it serves const nodes as well. */
#define container_of(pointer, type, member) ((type *)((uintptr_t)(pointer)-offsetof(type, member)))

#endif
