/*
 * Faults as pieces that a scenario puts together: each strikes again and again, at times from the
 * seed, until chaos_stop().
 */
#ifndef TESTS_SIM_CHAOS_H
#define TESTS_SIM_CHAOS_H

#include "tests/sim/party.h"

struct chaos {
    struct sim_world *world;
    struct list pieces;
};

struct chaos_target {
    struct sim_host *a; /* the host that is harmed, or one side of the connections; NULL = any */
    struct sim_host *b; /* the other side; NULL = any */
    struct party *party;
    size_t least;  /* descriptors that it keeps */
    uint64_t most; /* seconds that it is away */
    void *arg;     /* of a piece of the scenario's own */
};

/* Harms the target once, and may set `undo_in_us` after which undo is called. */
typedef uint64_t chaos_strike_fn(struct chaos *chaos, const struct chaos_target *target);
typedef void chaos_undo_fn(struct chaos *chaos, const struct chaos_target *target);

void chaos_init(struct chaos *chaos, struct sim_world *world);

/* Strikes about every mean_us. strike answers after how long undo is called; 0 = never. */
void chaos_add(struct chaos *chaos, chaos_strike_fn *strike, chaos_undo_fn *undo,
               const struct chaos_target *target, uint64_t mean_us);

/* The pieces: */
void chaos_cuts(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);
void chaos_forgets(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);
void chaos_holes(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);
void chaos_stalls(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);
void chaos_refusals(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);
void chaos_unreachable(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);
void chaos_wall_jumps(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);

/* Few descriptors are left to the processes of a host for a while; `least` at least. */
void chaos_starves(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);

/* A party's process does nothing for a while; its kernel does what it should. */
void chaos_hangs(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);

/* A party stops, is killed or loses its power, and is back after `most` seconds at most. */
void chaos_restarts(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us);

/*
 * Weather of a strength from the seed: calm in some worlds, rough in others. With full_disks,
 * writes are refused in some.
 */
void chaos_weather(struct chaos *chaos, bool full_disks);

/* Everything is whole again, and stays so. */
void chaos_stop(struct chaos *chaos);

#endif
