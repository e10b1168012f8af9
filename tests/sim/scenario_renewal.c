/*
 * Publishers that get their tokens from a session master, for as long as a token is good many times
 * over. Renewing one drops no channel, and nobody notices that the master is away or that clocks
 * are set a little; then everything is killed and started again, in every order, and comes back.
 *
 * A token is renewed after half of its time, and an eighth more at most. Clocks that differ by
 * twice CLOCK_MAX_S, a master that is away for AWAY_MAX_S and the waits between attempts leave time
 * to spare before it ends.
 */
#include "tests/sim/clocks.h"
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"

enum {
    VALID_S = 600,
    START_S = 10,
    QUIET_S = 1800, /* three renewals at least */
    RENEWALS_MIN = 3,
    CLOCK_MAX_S = 30, /* off the right time */
    AWAY_MAX_S = 30,
    ORDERS = 6,         /* of three */
    BETWEEN_MAX_S = 30, /* from one kill to the next */
    DOWN_MAX_S = 20,
    BACK_S =
        20 + 60 + 60 + 20, /* noticed, two of the longest waits, an answer that does not come */
    LOAD_BYTES = 10 * 1000,
    LONG_S = 25,
    CALM_MS = 120 * 1000,
    CALLS_AFTER = 5,
    TALLY_RENEWED = ORDERS, /* while the master had been away since the last time */
};

static const char *const tallies[] = {
    "master-server-home", "master-home-server", "server-master-home",    "server-home-master",
    "home-master-server", "home-server-master", "renewed-after-absence", NULL};

enum who { MASTER, SERVER, HOME };

/* As the tallies have them. */
static const enum who orders[ORDERS][3] = {{MASTER, SERVER, HOME}, {MASTER, HOME, SERVER},
                                           {SERVER, MASTER, HOME}, {SERVER, HOME, MASTER},
                                           {HOME, MASTER, SERVER}, {HOME, SERVER, MASTER}};

struct renewal {
    struct town town;
    struct chancery chancery;
    struct clocks clocks; /* of master, server and the first home */
};

static void call(struct renewal *renewal)
{
    struct town *town = &renewal->town;
    size_t which = sim_random_below(town->world, town->household_count);
    town_call(town, transfer_new(&town->transfers, &town->households[which].service, LOAD_BYTES,
                                 LOAD_BYTES));
}

/* So that somebody talks to each home whenever a token is renewed. */
static void call_for_long(struct renewal *renewal)
{
    struct town *town = &renewal->town;
    for (size_t i = 0; i < town->household_count; i++) {
        struct transfer *transfer =
            transfer_new(&town->transfers, &town->households[i].service, LOAD_BYTES, LOAD_BYTES);
        transfer->end = TRANSFER_CALLER_CLOSES;
        transfer->down_len++; /* who gets nothing does not nap */
        transfer->slow = false;
        transfer->nap_from_us = sim_now_us(town->world);
        transfer->nap_ms = LONG_S * 1000;
        town_call(town, transfer);
    }
}

static struct party *party_of(struct renewal *renewal, enum who who)
{
    switch (who) {
    case MASTER:
        return &renewal->chancery.master;
    case SERVER:
        return &renewal->town.server;
    default:
        return &renewal->town.households[0].publisher.party;
    }
}

static enum sim_kill some_kill(struct sim_world *world)
{
    return sim_chance(world, 5000) ? SIM_KILL_POWER : SIM_KILL_PROCESS;
}

static void lose_master(struct renewal *renewal)
{
    struct sim_world *world = renewal->town.world;
    party_restart(&renewal->chancery.master, some_kill(world),
                  sim_random_between(world, 1, AWAY_MAX_S) * TOWN_SECOND_US);
}

/* A connection between a home and the master ends in the middle of whatever it is in. */
static void cut_a_question(struct renewal *renewal)
{
    struct sim_conn *conn = sim_conn_pick(renewal->town.world, NULL, renewal->chancery.host);
    if (conn != NULL)
        sim_conn_cut(conn, sim_chance(renewal->town.world, 5000) ? SIM_CUT_RESET_BOTH
                                                                 : SIM_CUT_RESET_ONE);
}

static void check_connected(const struct town *town, size_t which)
{
    if (!outlet_is_connected(&town->households[which].publisher))
        sim_fail(town->world, "%s is not connected", town->households[which].name);
}

static void run_quietly(struct renewal *renewal)
{
    struct town *town = &renewal->town;
    struct sim_world *world = town->world;
    for (int s = 0; s < QUIET_S && sim_failure(world) == NULL; s++) {
        if (sim_chance(world, 300))
            call(renewal);
        if (s % LONG_S == 0)
            call_for_long(renewal);
        if (sim_chance(world, 30))
            clocks_set_one(&renewal->clocks);
        if (sim_chance(world, 40) && party_is_up(&renewal->chancery.master))
            lose_master(renewal);
        if (sim_chance(world, 5000))
            cut_a_question(renewal);
        town_run_seconds(town, 1);
        check_connected(town, (size_t)s % town->household_count);
    }
}

static bool is_quiet(void *arg)
{
    return town_is_quiet(arg);
}

static void check_nothing_was_lost(struct town *town)
{
    (void)sim_run(town->world, sim_now_us(town->world) + UINT64_C(1000) * CALM_MS, is_quiet, town);
    town_check_calm(town);
}

static void check_renewals(const struct town *town)
{
    for (size_t i = 0; i < town->household_count; i++) {
        uint64_t connections = outlet_connections(&town->households[i].publisher);
        if (connections < 1 + RENEWALS_MIN)
            sim_fail(town->world, "%s was connected %u times", town->households[i].name,
                     (unsigned)connections);
    }
    if (sim_faults(town->world, SIM_KILL) + sim_faults(town->world, SIM_POWER) > 0)
        sim_tally(town->world, TALLY_RENEWED);
}

/* Each is down for a while, one after the other or at once. */
static void restart_all(struct renewal *renewal, size_t order)
{
    struct town *town = &renewal->town;
    struct sim_world *world = town->world;
    town->first_calm = UINT64_MAX;
    for (int i = 0; i < 3 && sim_failure(world) == NULL; i++) {
        call(renewal);
        party_restart(party_of(renewal, orders[order][i]), some_kill(world),
                      sim_random_below(world, DOWN_MAX_S * TOWN_SECOND_US));
        town_run_seconds(town, sim_random_below(world, BETWEEN_MAX_S));
    }
    sim_tally(world, (unsigned)order);
    town_run_seconds(town, DOWN_MAX_S);
}

static bool all_are_served(const struct town *town)
{
    bool all = true;
    for (size_t i = 0; i < town->household_count; i++)
        all = all && town_is_published(town, i);
    return all;
}

static void must_come_back(struct renewal *renewal)
{
    struct town *town = &renewal->town;
    int s = 0;
    while (s < BACK_S && !all_are_served(town) && sim_failure(town->world) == NULL) {
        town_run_seconds(town, 1);
        s++;
    }
    if (!all_are_served(town))
        sim_fail(town->world, "not everybody is back after %d s", s);
    sim_trace(town->world, "back", (uint64_t)s, 0, 0);
    town_calm(town, CALM_MS);
    for (int i = 0; i < CALLS_AFTER; i++) {
        call(renewal);
        town_run_seconds(town, 1);
    }
    check_nothing_was_lost(town);
}

/* What does not make an attempt fail. */
static void set_weather(struct sim_world *world)
{
    unsigned strength = (unsigned)sim_random_below(world, 3);
    sim_set_weather(world, &(struct sim_weather){.split = strength * 500,
                                                 .short_read = strength * 500,
                                                 .short_write = strength * 500,
                                                 .spurious = strength * 200,
                                                 .slow_helper = strength * 500});
}

static void run(struct sim_world *world)
{
    struct renewal renewal = {0};
    town_build_chartered(&renewal.town, world, TOWN_HOUSEHOLDS_MAX, TOWN_DEVICES_MAX,
                         &renewal.chancery, VALID_S);
    clocks_init(&renewal.clocks, world, CLOCK_MAX_S);
    clocks_add(&renewal.clocks, renewal.chancery.host);
    clocks_add(&renewal.clocks, renewal.town.server_host);
    clocks_add(&renewal.clocks, renewal.town.households[0].publisher.home);
    town_run_seconds(&renewal.town, START_S);
    town_calm(&renewal.town, CALM_MS);
    set_weather(world);
    run_quietly(&renewal);
    check_nothing_was_lost(&renewal.town);
    check_renewals(&renewal.town);
    size_t order = sim_random_below(world, ORDERS);
    restart_all(&renewal, order);
    must_come_back(&renewal);
    restart_all(&renewal, (order + 1 + sim_random_below(world, ORDERS - 1)) % ORDERS);
    must_come_back(&renewal);
    sim_set_weather(world, &(struct sim_weather){0});
    town_end(&renewal.town);
    chancery_clear(&renewal.chancery);
}

static const enum sim_fault faults[] = {
    SIM_SPLIT,   SIM_SHORT_READ, SIM_SHORT_WRITE, SIM_SPURIOUS,  SIM_CUT_BOTH,
    SIM_CUT_ONE, SIM_KILL,       SIM_POWER,       SIM_WALL_JUMP, SIM_FAULT_KINDS};

const struct scenario scenario_renewal = {
    .name = "renewal",
    .about = "tokens from a session master, renewed while callers talk",
    .one_in = 1,
    .run = run,
    .faults = faults,
    .tallies = tallies,
};
