/*
 * All roles in one world (everything.h). For a while everything goes wrong: processes are killed,
 * stop or hang, power goes, disks are full and lose what was not synced, clocks are set, names lead
 * to addresses that do not answer, and the network does what networks do. Then the world is whole,
 * and every promise must hold:
 * - hosts that are let in are served in time, those that are shut out are not, and not for an old
 *   token either;
 * - each end of the VPN reaches each;
 * - files arrive, and what was acknowledged is there after the power has failed;
 * - callers get all and nothing but what was sent to them, at any time; from now on all of it;
 * - who is not let in is shown out;
 * - a world in which nobody wants anything does next to nothing, and at its end nothing is left.
 */
#include "tests/sim/everything.h"
#include "tests/sim/scenario.h"

enum {
    SECOND_US = TOWN_SECOND_US,
    START_S = 8,
    ROUGH_MIN_S = 20,
    ROUGH_MAX_S = 80,
    CALM_CALLS = 5,
    CALM_S = 600,
    /* What was revoked is known to the server: an answer that does not come, and the next one. */
    WITHIN_S = 20 + 30 + 30,
    /* Until then an old token may be in the way of a new one; then two of the longest waits, and
     * attempts that hang. */
    BACK_S = WITHIN_S + 60 + 60 + 30 + 20,
    /* A lost connection holds a part for its silence of 180 s; the tries in between fail. */
    FILES_S = 180 + 60 + 60,
    THIEF_S = 20,
    SHOWN_OUT_S = 220, /* the last of those who say again what they heard */
    IDLE_S = 20,
    IDLE_EVENTS_PER_S = 400,
};

/* ---- What was promised ---- */

static bool stand_as_they_should(void *arg)
{
    const struct everything *all = arg;
    for (size_t i = 0; i < all->town.household_count; i++)
        if (all->standing[i] == LET_IN ? !town_is_published(&all->town, i)
                                       : town_serves(&all->town, i))
            return false;
    return true;
}

static void must_not_be_served(const struct everything *all)
{
    for (size_t i = 0; i < all->town.household_count; i++)
        if (all->standing[i] != LET_IN && town_serves(&all->town, i))
            sim_fail(all->world, "%s is still served after %d s", all->town.households[i].name,
                     WITHIN_S);
}

static void must_be_served(const struct everything *all)
{
    for (size_t i = 0; i < all->town.household_count; i++)
        if (all->standing[i] == LET_IN && !town_is_published(&all->town, i))
            sim_fail(all->world, "%s is not back after %d s", all->town.households[i].name, BACK_S);
}

static bool has_arrived(void *arg)
{
    return everything_has_arrived(arg);
}

/* By a try that ended when everything was whole. */
static void must_arrive(struct everything *all, uint64_t until_us)
{
    if (!sim_run(all->world, until_us, has_arrived, all))
        sim_fail(all->world, "the files do not arrive: %s", all->courier.why);
}

static void must_hold(struct everything *all)
{
    struct sim_world *world = all->world;
    uint64_t whole_us = sim_now_us(world);
    overlay_must_reach(&all->overlay, whole_us + OVERLAY_BACK_S * (uint64_t)SECOND_US);
    (void)sim_run(world, whole_us + WITHIN_S * (uint64_t)SECOND_US, NULL, NULL);
    must_not_be_served(all);
    (void)sim_run(world, whole_us + BACK_S * (uint64_t)SECOND_US, stand_as_they_should, all);
    must_be_served(all);
    must_arrive(all, whole_us + FILES_S * (uint64_t)SECOND_US);
}

/* A token from before somebody was shut out is no way in, let in again or not. */
static void try_old_token(struct everything *all)
{
    if (!all->has_thief)
        return;
    outlet_start(&all->thief);
    for (int s = 0; s < THIEF_S && sim_failure(all->world) == NULL; s++) {
        town_run_seconds(&all->town, 1);
        if (outlet_is_connected(&all->thief))
            sim_fail(all->world, "a token from before was taken");
    }
    party_stop(&all->thief.party);
    sim_tally(all->world, TALLY_OLD_TOKEN);
}

static bool is_quiet(void *arg)
{
    return town_is_quiet(arg);
}

static void must_come_through(struct everything *all)
{
    struct town *town = &all->town;
    town_calm(town, CALM_S * UINT64_C(1000));
    everything_call(all, &town->website.service);
    everything_call(all, &town->unknown);
    for (int i = 0; i < CALM_CALLS; i++) {
        size_t which = sim_random_below(all->world, town->household_count);
        if (all->standing[which] == LET_IN)
            everything_call(all, &town->households[which].service);
        town_run_seconds(town, 1);
    }
    (void)sim_run(all->world, sim_now_us(all->world) + CALM_S * (uint64_t)SECOND_US, is_quiet,
                  town);
    town_check_calm(town);
}

static bool shown_out(void *arg)
{
    return stranger_was_shown_out(arg);
}

static void must_be_shown_out(struct everything *all)
{
    stranger_stay(&all->stranger);
    (void)sim_run(all->world, sim_now_us(all->world) + SHOWN_OUT_S * (uint64_t)SECOND_US, shown_out,
                  &all->stranger);
    party_stop(&all->stranger.party);
}

static void must_be_idle(struct everything *all)
{
    town_run_seconds(&all->town, START_S);
    uint64_t before = sim_totals(all->world).events;
    town_run_seconds(&all->town, IDLE_S);
    uint64_t events = sim_totals(all->world).events - before;
    if (events > IDLE_S * IDLE_EVENTS_PER_S)
        sim_fail(all->world, "%u events in %d s in which nothing was to be done", (unsigned)events,
                 IDLE_S);
}

static void run(struct sim_world *world)
{
    static struct everything all; /* outlives a world that broke off */
    everything_build(&all, world);
    town_run_seconds(&all.town, START_S);
    everything_begin(&all);
    everything_go_rough(&all);
    town_run_seconds(&all.town, sim_random_between(world, ROUGH_MIN_S, ROUGH_MAX_S));
    everything_calm_down(&all);
    must_hold(&all);
    try_old_token(&all);
    must_come_through(&all);
    must_be_shown_out(&all);
    must_be_idle(&all);
    everything_count(&all);
    everything_end(&all);
}

static const enum sim_fault faults[] = {
    SIM_SPLIT,       SIM_SHORT_READ, SIM_SHORT_WRITE, SIM_SPURIOUS,  SIM_DELAY,       SIM_STALL,
    SIM_CUT_BOTH,    SIM_CUT_ONE,    SIM_NAT_FORGOT,  SIM_HOLE_OUT,  SIM_HOLE_IN,     SIM_REFUSED,
    SIM_UNREACHABLE, SIM_NO_FILES,   SIM_RESET_ATE,   SIM_LOOKUP,    SIM_SLOW_HELPER, SIM_SLOW_LOOP,
    SIM_HUNG,        SIM_KILL,       SIM_POWER,       SIM_DISK_LOST, SIM_DISK_FULL,   SIM_WALL_JUMP,
    SIM_FLIPPED,     SIM_DROPPED,    SIM_REPLAYED,    SIM_REORDERED, SIM_FAULT_KINDS,
};

const struct scenario scenario_world = {
    .name = "world",
    .about = "all roles at once while everything goes wrong, and strangers at every port",
    .one_in = 1,
    .run = run,
    .faults = faults,
    .tallies = everything_tallies,
};
