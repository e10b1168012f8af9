#include "base/map.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_FIRST = 8 };

static uint64_t load_le64(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = len; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], unsigned rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
}

uint64_t map_hash(const uint8_t seed[16], const void *key, size_t len)
{
    uint64_t k0 = load_le64(seed, 8);
    uint64_t k1 = load_le64(seed + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    const uint8_t *bytes = key;
    size_t whole = len / 8 * 8;
    for (size_t at = 0; at < whole; at += 8)
        sip_word(v, load_le64(bytes + at, 8));
    uint64_t last = (uint64_t)len << 56;
    if (len > whole)
        last |= load_le64(bytes + whole, len - whole);
    sip_word(v, last);
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_clear(struct map *map)
{
    free(map->buckets);
    map_init(map);
}

static struct map_node **bucket_of(const struct map *map, uint64_t hash)
{
    return &map->buckets[hash & (map->bucket_count - 1)];
}

static void link_node(struct map *map, struct map_node *node)
{
    struct map_node **bucket = bucket_of(map, node->hash);
    node->next = *bucket;
    *bucket = node;
}

struct map_node *map_find(const struct map *map, uint64_t hash, map_match_fn *match,
                          const void *key)
{
    if (map->count == 0)
        return NULL;
    for (struct map_node *node = *bucket_of(map, hash); node != NULL; node = node->next)
        if (node->hash == hash && match(node, key))
            return node;
    return NULL;
}

static bool grow(struct map *map)
{
    struct map grown = {0};
    grown.bucket_count = map->bucket_count == 0 ? BUCKETS_FIRST : map->bucket_count * 2;
    grown.buckets = calloc(grown.bucket_count, sizeof(*grown.buckets));
    if (grown.buckets == NULL)
        return false;
    struct map_walk walk = map_walk_start(map);
    struct map_node *node;
    while ((node = map_walk_next(map, &walk)) != NULL)
        link_node(&grown, node);
    grown.count = map->count;
    free(map->buckets);
    *map = grown;
    return true;
}

bool map_insert(struct map *map, struct map_node *node, uint64_t hash)
{
    /* A map that cannot grow any more still takes entries: its buckets become longer. */
    if (map->count >= map->bucket_count && !grow(map) && map->bucket_count == 0)
        return false;
    node->hash = hash;
    link_node(map, node);
    map->count++;
    return true;
}

void map_remove(struct map *map, struct map_node *node)
{
    struct map_node **link = bucket_of(map, node->hash);
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->next = NULL;
    map->count--;
    if (map->count == 0)
        map_clear(map);
}

/* The first node in a bucket from walk->bucket on, which is left behind. */
static struct map_node *next_chain(const struct map *map, struct map_walk *walk)
{
    while (walk->bucket < map->bucket_count) {
        struct map_node *node = map->buckets[walk->bucket++];
        if (node != NULL)
            return node;
    }
    return NULL;
}

struct map_walk map_walk_start(const struct map *map)
{
    struct map_walk walk = {0};
    walk.next = next_chain(map, &walk);
    return walk;
}

struct map_node *map_walk_next(const struct map *map, struct map_walk *walk)
{
    struct map_node *node = walk->next;
    if (node != NULL)
        walk->next = node->next != NULL ? node->next : next_chain(map, walk);
    return node;
}
