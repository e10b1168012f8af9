#include "tests/sim/chaos.h"

#include "base/map.h"

#include <stdlib.h>

enum { SECOND_US = 1000 * 1000, STARVED_FILES = 9, DISK_FULL = 200 };

struct piece {
    struct list node;
    struct chaos *chaos;
    struct chaos_target target;
    chaos_strike_fn *strike;
    chaos_undo_fn *undo;
    uint64_t mean_us;
    bool harmed;
    struct sim_event again;
    struct sim_event mend;
};

void chaos_init(struct chaos *chaos, struct sim_world *world)
{
    chaos->world = world;
    list_init(&chaos->pieces);
}

static void plan(struct piece *piece)
{
    sim_event_in(&piece->again, 1 + sim_random_below(piece->chaos->world, 2 * piece->mean_us));
}

static void mend(void *arg)
{
    struct piece *piece = arg;
    piece->harmed = false;
    piece->undo(piece->chaos, &piece->target);
}

static void strike(void *arg)
{
    struct piece *piece = arg;
    uint64_t undo_in_us = piece->strike(piece->chaos, &piece->target);
    if (undo_in_us > 0) {
        piece->harmed = true;
        sim_event_in(&piece->mend, undo_in_us);
    }
    plan(piece);
}

void chaos_add(struct chaos *chaos, chaos_strike_fn *strike_fn, chaos_undo_fn *undo,
               const struct chaos_target *target, uint64_t mean_us)
{
    struct piece *piece = calloc(1, sizeof *piece);
    if (piece == NULL)
        abort();
    piece->chaos = chaos;
    piece->target = *target;
    piece->strike = strike_fn;
    piece->undo = undo;
    piece->mean_us = mean_us;
    sim_event_init(&piece->again, chaos->world, strike, piece);
    sim_event_init(&piece->mend, chaos->world, mend, piece);
    list_append(&chaos->pieces, &piece->node);
    plan(piece);
}

void chaos_stop(struct chaos *chaos)
{
    while (!list_empty(&chaos->pieces)) {
        struct piece *piece = container_of(chaos->pieces.next, struct piece, node);
        list_remove(&piece->node);
        sim_event_cancel(&piece->again);
        sim_event_cancel(&piece->mend);
        if (piece->harmed)
            piece->undo(chaos, &piece->target);
        free(piece);
    }
    sim_set_weather(chaos->world, &(struct sim_weather){0});
}

/* ---- Pieces ---- */

static uint64_t cut(struct chaos *chaos, const struct chaos_target *target)
{
    struct sim_conn *conn = sim_conn_pick(chaos->world, target->a, target->b);
    if (conn != NULL)
        sim_conn_cut(conn, sim_chance(chaos->world, 5000) ? SIM_CUT_RESET_BOTH : SIM_CUT_RESET_ONE);
    return 0;
}

void chaos_cuts(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, cut, NULL, target, mean_us);
}

static uint64_t forget(struct chaos *chaos, const struct chaos_target *target)
{
    struct sim_conn *conn = sim_conn_pick(chaos->world, target->a, target->b);
    if (conn != NULL)
        sim_conn_cut(conn, SIM_CUT_FORGET);
    return 0;
}

void chaos_forgets(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, forget, NULL, target, mean_us);
}

static uint64_t dig(struct chaos *chaos, const struct chaos_target *target)
{
    uint64_t way = sim_random_below(chaos->world, 3);
    sim_host_set_holes(target->a, way != 0, way != 1);
    return sim_random_between(chaos->world, SECOND_US / 10, 40 * SECOND_US);
}

static void fill(struct chaos *chaos, const struct chaos_target *target)
{
    (void)chaos;
    sim_host_set_holes(target->a, false, false);
}

void chaos_holes(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, dig, fill, target, mean_us);
}

static uint64_t stall(struct chaos *chaos, const struct chaos_target *target)
{
    sim_host_stall(target->a, sim_random_between(chaos->world, SECOND_US / 10, 8 * SECOND_US));
    return 0;
}

void chaos_stalls(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, stall, NULL, target, mean_us);
}

static uint64_t refuse(struct chaos *chaos, const struct chaos_target *target)
{
    sim_host_set_refusing(target->a, true);
    return sim_random_between(chaos->world, SECOND_US / 10, 10 * SECOND_US);
}

static void accept_again(struct chaos *chaos, const struct chaos_target *target)
{
    (void)chaos;
    sim_host_set_refusing(target->a, false);
}

void chaos_refusals(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, refuse, accept_again, target, mean_us);
}

static uint64_t lose_route(struct chaos *chaos, const struct chaos_target *target)
{
    sim_host_set_unreachable(target->a, true);
    return sim_random_between(chaos->world, SECOND_US / 10, 10 * SECOND_US);
}

static void find_route(struct chaos *chaos, const struct chaos_target *target)
{
    (void)chaos;
    sim_host_set_unreachable(target->a, false);
}

void chaos_unreachable(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, lose_route, find_route, target, mean_us);
}

static uint64_t jump(struct chaos *chaos, const struct chaos_target *target)
{
    double seconds = (double)sim_random_below(chaos->world, 7200) - 3600;
    sim_host_jump_wall(target->a, seconds);
    return 0;
}

void chaos_wall_jumps(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, jump, NULL, target, mean_us);
}

static uint64_t starve(struct chaos *chaos, const struct chaos_target *target)
{
    sim_host_set_files_max(
        target->a, sim_random_between(chaos->world, target->least, target->least + STARVED_FILES));
    return sim_random_between(chaos->world, SECOND_US, 10 * SECOND_US);
}

static void feed(struct chaos *chaos, const struct chaos_target *target)
{
    (void)chaos;
    sim_host_set_files_max(target->a, 0);
}

void chaos_starves(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, starve, feed, target, mean_us);
}

static uint64_t hang(struct chaos *chaos, const struct chaos_target *target)
{
    struct sim_process *process = party_process(target->party);
    if (process != NULL)
        sim_process_hang(process, sim_random_between(chaos->world, SECOND_US, 40 * SECOND_US));
    return 0;
}

void chaos_hangs(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, hang, NULL, target, mean_us);
}

static uint64_t end_life(struct chaos *chaos, const struct chaos_target *target)
{
    uint64_t away_us = sim_random_below(chaos->world, target->most * SECOND_US);
    switch (sim_random_below(chaos->world, 3)) {
    case 0:
        party_cycle(target->party);
        break;
    case 1:
        party_restart(target->party, SIM_KILL_PROCESS, away_us);
        break;
    default:
        party_restart(target->party, SIM_KILL_POWER, away_us);
    }
    return 0;
}

void chaos_restarts(struct chaos *chaos, const struct chaos_target *target, uint64_t mean_us)
{
    chaos_add(chaos, end_life, NULL, target, mean_us);
}

void chaos_weather(struct chaos *chaos, bool full_disks)
{
    struct sim_world *world = chaos->world;
    uint64_t strength = sim_random_below(world, 4); /* 0 = calm */
    struct sim_weather weather = {
        .split = (unsigned)(strength * sim_random_below(world, 1000)),
        .short_read = (unsigned)(strength * sim_random_below(world, 1000)),
        .short_write = (unsigned)(strength * sim_random_below(world, 1000)),
        .spurious = (unsigned)(strength * sim_random_below(world, 300)),
        .delay = (unsigned)(strength * sim_random_below(world, 50)),
        .stall = (unsigned)(strength * sim_random_below(world, 3)),
        .refuse = (unsigned)(strength * sim_random_below(world, 300)),
        .lookup_fails = (unsigned)(strength * sim_random_below(world, 1000)),
        .slow_helper = (unsigned)(strength * sim_random_below(world, 1000)),
        .slow_loop = (unsigned)(strength * sim_random_below(world, 30)),
    };
    if (full_disks && sim_chance(world, 3000))
        weather.disk_full = DISK_FULL;
    sim_set_weather(world, &weather);
}
