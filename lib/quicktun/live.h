/*
 * Values of live connections that nobody else may send: our nonce inputs per private key (rule 1),
 * our outstanding salts per password (rule 8).
 */
#ifndef QUICKTUN_LIVE_H
#define QUICKTUN_LIVE_H

#include "base/map.h"

enum { QUICKTUN_LIVE_LEN = 32 };

struct quicktun_live {
    struct map_node node;
    uint8_t value[QUICKTUN_LIVE_LEN];
    bool listed;
};

/* value is len bytes, QUICKTUN_LIVE_LEN at most, of our own random choice. False without memory. */
bool quicktun_live_add(struct map *map, struct quicktun_live *live, const uint8_t *value,
                       size_t len);

/* Nothing when it is in no map. */
void quicktun_live_remove(struct map *map, struct quicktun_live *live);

/* Is a value of that length and with these bytes live? */
bool quicktun_live_has(const struct map *map, const uint8_t *value, size_t len);

#endif
