#include "io/sim/names.h"

#include "base/hostname.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct sim_name {
    struct list node;
    char name[HOSTNAME_MAX + 1];
    struct adit_ip addresses[NAMES_ADDRESSES_MAX];
    size_t count;
};

static struct sim_name *find(const struct sim_world *world, const char *name)
{
    for (struct list *at = world->names.next; at != &world->names; at = at->next) {
        struct sim_name *entry = container_of(at, struct sim_name, node);
        if (strcasecmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

void sim_name_set(struct sim_world *world, const char *name, const char *const *addresses,
                  size_t count)
{
    struct sim_name *entry = find(world, name);
    if (entry == NULL) {
        entry = world_alloc(sizeof *entry);
        snprintf(entry->name, sizeof entry->name, "%s", name);
        list_append(&world->names, &entry->node);
    }
    entry->count = 0;
    for (size_t i = 0; i < count && i < NAMES_ADDRESSES_MAX; i++)
        if (!ip_parse(addresses[i], &entry->addresses[entry->count++]))
            abort();
}

size_t names_find(const struct sim_world *world, const char *name,
                  struct adit_ip out[NAMES_ADDRESSES_MAX])
{
    const struct sim_name *entry = find(world, name);
    if (entry == NULL)
        return 0;
    memcpy(out, entry->addresses, entry->count * sizeof *out);
    return entry->count;
}

void names_free_all(struct sim_world *world)
{
    while (!list_empty(&world->names)) {
        struct sim_name *entry = container_of(world->names.next, struct sim_name, node);
        list_remove(&entry->node);
        free(entry);
    }
}
