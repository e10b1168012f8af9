#include "roles/server/slots.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

void slots_init(struct slots *slots, uint32_t worker)
{
    *slots = (struct slots){.worker = worker};
}

void slots_clear(struct slots *slots)
{
    free(slots->at);
    slots_init(slots, slots->worker);
}

static bool grow(struct slots *slots)
{
    uint32_t count = slots->count == 0 ? FIRST_SLOTS : slots->count * 2;
    struct slot *at = realloc(slots->at, count * sizeof(*at));

    if (at == NULL)
        return false;
    for (uint32_t i = slots->count; i < count; i++)
        at[i] = (struct slot){.next_free = i + 1};
    slots->at = at;
    slots->first_free = slots->count;
    slots->count = count;
    return true;
}

bool slots_take(struct slots *slots, struct server_peer *peer, struct peer_ref *ref)
{
    uint32_t index;

    if (slots->first_free == slots->count && !grow(slots))
        return false;
    index = slots->first_free;
    slots->first_free = slots->at[index].next_free;
    slots->at[index].peer = peer;
    slots->at[index].generation = ++slots->generation;
    *ref = (struct peer_ref){slots->worker, index, slots->generation};
    return true;
}

void slots_give_back(struct slots *slots, struct peer_ref ref)
{
    slots->at[ref.slot].peer = NULL;
    slots->at[ref.slot].next_free = slots->first_free;
    slots->first_free = ref.slot;
}

struct server_peer *slots_look_up(const struct slots *slots, struct peer_ref ref)
{
    if (ref.slot >= slots->count || slots->at[ref.slot].generation != ref.generation)
        return NULL;
    return slots->at[ref.slot].peer;
}
