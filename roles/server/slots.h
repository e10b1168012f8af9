/*
 * The peers of one worker by number, so that other workers can name one without holding it. A slot
 * that is used again has another generation. One thread.
 */
#ifndef ROLES_SERVER_SLOTS_H
#define ROLES_SERVER_SLOTS_H

#include "roles/server/hosts.h"

struct server_peer;

struct slot {
    struct server_peer *peer; /* NULL = free */
    uint64_t generation;
    uint32_t next_free;
};

struct slots {
    struct slot *at;
    uint32_t count;
    uint32_t first_free; /* count = none */
    uint32_t worker;
    uint64_t generation;
};

void slots_init(struct slots *slots, uint32_t worker);
void slots_clear(struct slots *slots);

/* False without memory. */
bool slots_take(struct slots *slots, struct server_peer *peer, struct peer_ref *ref);
void slots_give_back(struct slots *slots, struct peer_ref ref);

/* NULL when that peer is gone. */
struct server_peer *slots_look_up(const struct slots *slots, struct peer_ref ref);

#endif
