#include "io/sim/world.h"

#include "io/sim/conn.h"
#include "io/sim/host.h"
#include "io/sim/names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *world_alloc(size_t len)
{
    void *memory = calloc(1, len);
    if (memory == NULL)
        abort();
    return memory;
}

void *world_realloc(void *old, size_t len)
{
    void *memory = realloc(old, len);
    if (memory == NULL)
        abort();
    return memory;
}

uint64_t world_random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

struct sim_world *sim_world_new(uint64_t seed)
{
    struct sim_world *world = world_alloc(sizeof *world);
    world->seed = seed;
    world->random = seed * 0x2545f4914f6cdd1d + 1;
    world->now_us = 1000000 + sim_random_below(world, 3600 * UINT64_C(1000000));
    list_init(&world->hosts);
    list_init(&world->conns);
    list_init(&world->names);
    return world;
}

void sim_world_free(struct sim_world *world)
{
    conn_free_all(world);
    host_free_all(world);
    names_free_all(world);
    free(world->heap);
    free(world);
}

uint64_t sim_now_us(const struct sim_world *world)
{
    return world->now_us;
}

uint64_t sim_random_below(struct sim_world *world, uint64_t bound)
{
    return bound == 0 ? 0 : world_random_next(&world->random) % bound;
}

uint64_t sim_random_between(struct sim_world *world, uint64_t low, uint64_t high)
{
    return low + sim_random_below(world, high - low + 1);
}

bool sim_chance(struct sim_world *world, unsigned per_10000)
{
    return per_10000 != 0 && sim_random_below(world, 10000) < per_10000;
}

/* ---- The queue ---- */

static bool earlier(const struct world_slot *a, const struct world_slot *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_place(struct sim_world *world, size_t at, const struct world_slot *slot)
{
    world->heap[at] = *slot;
    slot->event->slot = at + 1;
}

static void heap_up(struct sim_world *world, size_t at)
{
    struct world_slot slot = world->heap[at];
    while (at > 0 && earlier(&slot, &world->heap[(at - 1) / 2])) {
        heap_place(world, at, &world->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(world, at, &slot);
}

static void heap_down(struct sim_world *world, size_t at)
{
    struct world_slot slot = world->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world->heap_count)
            break;
        if (child + 1 < world->heap_count && earlier(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!earlier(&world->heap[child], &slot))
            break;
        heap_place(world, at, &world->heap[child]);
        at = child;
    }
    heap_place(world, at, &slot);
}

void sim_event_init(struct sim_event *event, struct sim_world *world, void (*fire)(void *arg),
                    void *arg)
{
    *event = (struct sim_event){.world = world, .fire = fire, .arg = arg};
}

void sim_event_at(struct sim_event *event, uint64_t at_us)
{
    struct sim_world *world = event->world;
    sim_event_cancel(event);
    event->at_us = at_us < world->now_us ? world->now_us : at_us;
    if (world->heap_count == world->heap_room) {
        world->heap_room = world->heap_room == 0 ? 256 : 2 * world->heap_room;
        world->heap = world_realloc(world->heap, world->heap_room * sizeof *world->heap);
    }
    const struct world_slot slot = {
        .at_us = event->at_us, .order = world->next_order++, .event = event};
    heap_place(world, world->heap_count++, &slot);
    heap_up(world, event->slot - 1);
}

void sim_event_in(struct sim_event *event, uint64_t delay_us)
{
    sim_event_at(event, event->world->now_us + delay_us);
}

void sim_event_cancel(struct sim_event *event)
{
    if (event->slot == 0)
        return;
    struct sim_world *world = event->world;
    size_t at = event->slot - 1;
    const struct world_slot last = world->heap[--world->heap_count];
    event->slot = 0;
    if (last.event == event)
        return;
    heap_place(world, at, &last);
    heap_down(world, at);
    if (last.event->slot - 1 == at)
        heap_up(world, at);
}

/* ---- Running ---- */

bool sim_step(struct sim_world *world)
{
    if (world->heap_count == 0)
        return false;
    struct sim_event *event = world->heap[0].event;
    world->now_us = event->at_us;
    world->totals.events++;
    sim_event_cancel(event);
    event->fire(event->arg);
    if (world->check != NULL)
        world->check(world->check_arg);
    return true;
}

bool sim_run(struct sim_world *world, uint64_t at_us, bool (*until)(void *arg), void *arg)
{
    for (;;) {
        if (sim_failure(world) != NULL)
            return false;
        if (until != NULL && until(arg))
            return true;
        if (world->heap_count == 0 || world->heap[0].at_us > at_us) {
            if (world->now_us < at_us)
                world->now_us = at_us;
            return false;
        }
        sim_step(world);
    }
}

void sim_set_check(struct sim_world *world, void (*check)(void *arg), void *arg)
{
    world->check = check;
    world->check_arg = arg;
}

void sim_watch(struct sim_world *world, void (*watch)(void *arg, const struct sim_sight *sight),
               void *arg)
{
    world->watch = watch;
    world->watch_arg = arg;
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
    if (world->failure[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(world->failure, sizeof world->failure, format, args);
    va_end(args);
    if (world->trace != NULL)
        fprintf(world->trace, "%12.6f FAILED %s\n", (double)world->now_us / 1e6, world->failure);
}

const char *sim_failure(const struct sim_world *world)
{
    return world->failure[0] == '\0' ? NULL : world->failure;
}

/* ---- Trace ---- */

static void mix(struct sim_world *world, uint64_t value)
{
    world->hash = (world->hash ^ value) * 0x100000001b3;
    world->hash ^= world->hash >> 29;
}

uint64_t sim_hash(const struct sim_world *world)
{
    return world->hash;
}

void sim_trace_to(struct sim_world *world, FILE *out)
{
    world->trace = out;
}

void sim_trace(struct sim_world *world, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    mix(world, world->now_us);
    for (const char *at = what; *at != '\0'; at++)
        mix(world, (unsigned char)*at);
    mix(world, a);
    mix(world, b);
    mix(world, c);
    if (world->trace != NULL)
        fprintf(world->trace, "%12.6f %-12s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                (double)world->now_us / 1e6, what, a, b, c);
}

/* ---- Faults ---- */

static const char *const fault_names[SIM_FAULT_KINDS] = {
    [SIM_SPLIT] = "split",
    [SIM_SHORT_READ] = "short-read",
    [SIM_SHORT_WRITE] = "short-write",
    [SIM_SPURIOUS] = "spurious",
    [SIM_DELAY] = "delay",
    [SIM_STALL] = "stall",
    [SIM_CUT_BOTH] = "cut-both",
    [SIM_CUT_ONE] = "cut-one",
    [SIM_NAT_FORGOT] = "nat-forgot",
    [SIM_HOLE_OUT] = "hole-out",
    [SIM_HOLE_IN] = "hole-in",
    [SIM_REFUSED] = "refused",
    [SIM_UNREACHABLE] = "unreachable",
    [SIM_BACKLOG] = "backlog",
    [SIM_NO_FILES] = "no-files",
    [SIM_RESET_ATE] = "reset-ate",
    [SIM_LOOKUP] = "lookup",
    [SIM_SLOW_HELPER] = "slow-helper",
    [SIM_SLOW_LOOP] = "slow-loop",
    [SIM_HUNG] = "hung",
    [SIM_KILL] = "kill",
    [SIM_POWER] = "power",
    [SIM_DISK_LOST] = "disk-lost",
    [SIM_DISK_FULL] = "disk-full",
    [SIM_WALL_JUMP] = "wall-jump",
    [SIM_FLIPPED] = "flipped",
    [SIM_DROPPED] = "dropped",
    [SIM_REPLAYED] = "replayed",
    [SIM_REORDERED] = "reordered",
};

const char *sim_fault_name(enum sim_fault fault)
{
    return fault_names[fault];
}

void sim_fault(struct sim_world *world, enum sim_fault fault)
{
    world->faults[fault]++;
    sim_trace(world, fault_names[fault], world->faults[fault], 0, 0);
}

uint64_t sim_faults(const struct sim_world *world, enum sim_fault fault)
{
    return world->faults[fault];
}

void sim_set_weather(struct sim_world *world, const struct sim_weather *weather)
{
    world->weather = *weather;
}

void sim_tally(struct sim_world *world, unsigned which)
{
    world->tallies[which]++;
}

uint64_t sim_tallied(const struct sim_world *world, unsigned which)
{
    return world->tallies[which];
}

struct sim_totals sim_totals(const struct sim_world *world)
{
    return world->totals;
}
