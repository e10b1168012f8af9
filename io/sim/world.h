/*
 * The inside of the simulated world, shared by the files of io/sim alone.
 */
#ifndef IO_SIM_WORLD_H
#define IO_SIM_WORLD_H

#include "base/list.h"
#include "io/sim/sim.h"

enum { WORLD_FAILURE_MAX = 512 };

struct sim_name;

/* An event in the queue; when it comes stands here, too, so that it is found without the event. */
struct world_slot {
    uint64_t at_us;
    uint64_t order; /* among those of the same time */
    struct sim_event *event;
};

struct sim_world {
    uint64_t seed;
    uint64_t random; /* state of the world's own generator */
    uint64_t now_us;
    uint64_t hash;
    uint64_t next_order;
    struct world_slot *heap;
    size_t heap_count;
    size_t heap_room;
    FILE *trace;
    void (*check)(void *arg);
    void *check_arg;
    bool checking;
    void (*watch)(void *arg, const struct sim_sight *sight);
    void *watch_arg;
    char failure[WORLD_FAILURE_MAX];
    uint64_t faults[SIM_FAULT_KINDS];
    uint64_t tallies[SIM_TALLIES];
    struct sim_weather weather;
    struct sim_totals totals;
    struct list hosts;
    struct list conns;
    size_t conn_count;
    uint64_t next_conn;
    uint64_t next_loop;
    struct list names;
};

/* The next number of a generator (splitmix64). */
uint64_t world_random_next(uint64_t *state);

/* Memory that the simulator itself needs; there is no way to go on without it. */
void *world_alloc(size_t len);
void *world_realloc(void *old, size_t len);

#endif
