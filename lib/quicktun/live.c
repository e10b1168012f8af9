#include "lib/quicktun/live.h"

#include <string.h>

/* Our values are random: their first bytes are as good a hash as any. */
static uint64_t hash_of(const uint8_t value[QUICKTUN_LIVE_LEN])
{
    uint64_t hash;
    memcpy(&hash, value, sizeof hash);
    return hash;
}

static void widen(uint8_t out[QUICKTUN_LIVE_LEN], const uint8_t *value, size_t len)
{
    memset(out, 0, QUICKTUN_LIVE_LEN);
    memcpy(out, value, len);
}

static bool same(const struct map_node *node, const void *key)
{
    return memcmp(container_of(node, struct quicktun_live, node)->value, key, QUICKTUN_LIVE_LEN) ==
           0;
}

bool quicktun_live_add(struct map *map, struct quicktun_live *live, const uint8_t *value,
                       size_t len)
{
    widen(live->value, value, len);
    live->listed = map_insert(map, &live->node, hash_of(live->value));
    return live->listed;
}

void quicktun_live_remove(struct map *map, struct quicktun_live *live)
{
    if (live->listed) {
        map_remove(map, &live->node);
        live->listed = false;
    }
}

bool quicktun_live_has(const struct map *map, const uint8_t *value, size_t len)
{
    uint8_t wide[QUICKTUN_LIVE_LEN];
    if (len > sizeof wide)
        return false;
    widen(wide, value, len);
    return map_find(map, hash_of(wide), same, wide) != NULL;
}
