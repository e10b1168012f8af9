/*
 * A host is disabled or removed, let in again, and again; meanwhile the master and the server are
 * killed and started, and clocks are set by up to an hour. What must hold:
 * - WITHIN_S after it was revoked, and after master and server have been up again for as long, the
 *   host has no tunnel, until it is let in again;
 * - while the master is away, nothing changes;
 * - who is let in again comes back, but not with a token from before;
 * - the other hosts lose nothing, unless the server itself was killed.
 */
#include "tests/sim/clocks.h"
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"

#include <string.h>

enum {
    VALID_S = 24 * 3600,
    START_S = 10,
    ROUNDS = 3,
    WITHIN_S = 60,
    AWAY_MAX_S = 120,
    OUT_MAX_S = 200, /* how long it stays revoked */
    CLOCK_MAX_S = 3600,
    BACK_S = 60 + 60 + 30 + 20, /* two of the longest waits, until the server asks, a time-out */
    THIEF_S = 20,
    LOAD_BYTES = 20 * 1000,
    CALM_MS = 120 * 1000,
};

enum tally {
    TALLY_DISABLED,
    TALLY_REMOVED,
    TALLY_MASTER_AWAY, /* when it was revoked */
    TALLY_MASTER_KILLED,
    TALLY_SERVER_KILLED,
    TALLY_HOME_KILLED,
    TALLY_STOLEN, /* an old token was tried */
};
static const char *const tallies[] = {
    "disabled",      "removed",     "master-away", "master-killed",
    "server-killed", "home-killed", "old-token",   NULL};

struct revocation {
    struct town town;
    struct chancery chancery;
    struct outlet thief;   /* has a token from before */
    bool out;              /* the first household is revoked */
    uint64_t out_since_us; /* or since master and server are up, where that is later */
    struct clocks clocks;
};

static const char *victim_of(const struct revocation *revocation)
{
    return revocation->town.households[0].name;
}

/* After every event. */
static void check(void *arg)
{
    struct revocation *revocation = arg;
    struct sim_world *world = revocation->town.world;
    town_check(&revocation->town);
    if (!revocation->out)
        return;
    if (!party_is_up(&revocation->chancery.master) || !party_is_up(&revocation->town.server))
        revocation->out_since_us = sim_now_us(world);
    else if (sim_now_us(world) > revocation->out_since_us + WITHIN_S * TOWN_SECOND_US &&
             town_serves(&revocation->town, 0))
        sim_fail(world, "%s is still served after %d s", victim_of(revocation), WITHIN_S);
}

static void call(struct revocation *revocation, size_t which)
{
    struct town *town = &revocation->town;
    town_call(town, transfer_new(&town->transfers, &town->households[which].service, LOAD_BYTES,
                                 LOAD_BYTES));
}

static enum sim_kill some_kill(struct sim_world *world)
{
    return sim_chance(world, 5000) ? SIM_KILL_POWER : SIM_KILL_PROCESS;
}

/* Seconds in which others are called; by chance somebody is killed for a while. */
static void run_loaded(struct revocation *revocation, uint64_t seconds, bool kill_server)
{
    struct town *town = &revocation->town;
    struct sim_world *world = town->world;
    for (uint64_t s = 0; s < seconds && sim_failure(world) == NULL; s++) {
        uint64_t down_us = sim_random_below(world, 20 * TOWN_SECOND_US);
        if (town->household_count > 1 && sim_chance(world, 1000))
            call(revocation, 1 + sim_random_below(world, town->household_count - 1));
        if (sim_chance(world, 50) && party_is_up(&revocation->chancery.master)) {
            party_restart(&revocation->chancery.master, some_kill(world), down_us);
            sim_tally(world, TALLY_MASTER_KILLED);
        }
        if (kill_server && sim_chance(world, 50) && party_is_up(&town->server)) {
            party_restart(&town->server, some_kill(world), down_us);
            sim_tally(world, TALLY_SERVER_KILLED);
        }
        if (sim_chance(world, 50) && party_is_up(&town->households[0].publisher.party)) {
            party_restart(&town->households[0].publisher.party, some_kill(world), down_us);
            sim_tally(world, TALLY_HOME_KILLED);
        }
        if (sim_chance(world, 30))
            clocks_set_one(&revocation->clocks);
        town_run_seconds(town, 1);
    }
}

/* A token for the victim, minted by the same key, of a publisher that keeps it. */
static void steal(struct revocation *revocation)
{
    struct town *town = &revocation->town;
    /* As the master mints: whole seconds. */
    uint64_t now_s = (uint64_t)sim_host_wall_s(revocation->chancery.host);
    struct snitun_token token = {.valid = (double)(now_s + VALID_S)};
    snprintf(token.hostname, sizeof token.hostname, "%s", victim_of(revocation));
    outlet_draw_keys(town->world, &token);
    outlet_set_credential(&revocation->thief, &town->keyring, &token);
}

static void revoke(struct revocation *revocation, bool removed)
{
    if (removed)
        chancery_remove(&revocation->chancery, victim_of(revocation));
    else
        chancery_enable(&revocation->chancery, victim_of(revocation), false);
    revocation->out = true;
    revocation->out_since_us = sim_now_us(revocation->town.world);
    sim_tally(revocation->town.world, removed ? TALLY_REMOVED : TALLY_DISABLED);
}

static void let_in(struct revocation *revocation, bool removed)
{
    revocation->out = false;
    if (removed)
        chancery_add(&revocation->chancery, victim_of(revocation), STORE_HOST,
                     revocation->town.households[0].publisher.home);
    else
        chancery_enable(&revocation->chancery, victim_of(revocation), true);
}

/* The master is away when the host is revoked: it is served until the master is back. */
static void revoke_unheard(struct revocation *revocation, bool removed)
{
    struct town *town = &revocation->town;
    struct sim_world *world = town->world;
    uint64_t away_s = sim_random_between(world, 1, AWAY_MAX_S);
    bool served;
    party_kill(&revocation->chancery.master, some_kill(world));
    /* What was asked before is answered, or not any more. */
    town_run_seconds(town, 1);
    served = town_serves(town, 0);
    revoke(revocation, removed);
    sim_tally(world, TALLY_MASTER_AWAY);
    for (uint64_t s = 0; s < away_s && sim_failure(world) == NULL; s++) {
        town_run_seconds(town, 1);
        if (served && !town_serves(town, 0))
            sim_fail(world, "%s lost its tunnel while the master is away", victim_of(revocation));
    }
    party_start(&revocation->chancery.master);
}

static void must_come_back(struct revocation *revocation)
{
    struct town *town = &revocation->town;
    int s = 0;
    while (s < BACK_S && !town_is_published(town, 0) && sim_failure(town->world) == NULL) {
        town_run_seconds(town, 1);
        s++;
    }
    if (!town_is_published(town, 0))
        sim_fail(town->world, "%s is not back after %d s", victim_of(revocation), s);
    sim_trace(town->world, "back", (uint64_t)s, 0, 0);
}

/* A token from before is no way in, whatever the clocks say. */
static void try_old_token(struct revocation *revocation)
{
    struct town *town = &revocation->town;
    outlet_start(&revocation->thief);
    for (int s = 0; s < THIEF_S && sim_failure(town->world) == NULL; s++) {
        town_run_seconds(town, 1);
        if (outlet_is_connected(&revocation->thief))
            sim_fail(town->world, "a token from before was taken for %s", victim_of(revocation));
    }
    party_stop(&revocation->thief.party);
    sim_tally(town->world, TALLY_STOLEN);
}

/* Everybody is up again, and has been for long enough to know everything. */
static void settle(struct revocation *revocation)
{
    struct town *town = &revocation->town;
    for (int s = 0; s < BACK_S && sim_failure(town->world) == NULL; s++) {
        bool up = party_is_up(&revocation->chancery.master) && party_is_up(&town->server) &&
                  party_is_up(&town->households[0].publisher.party);
        town_run_seconds(town, 1);
        if (up && town_is_published(town, 0))
            return;
    }
    must_come_back(revocation);
}

static bool is_over(void *arg)
{
    const struct revocation *revocation = arg;
    return party_is_over(&revocation->thief.party) && town_is_quiet(&revocation->town);
}

static void run_round(struct revocation *revocation, bool kill_server)
{
    struct town *town = &revocation->town;
    struct sim_world *world = town->world;
    bool removed = sim_chance(world, 5000);
    if (kill_server)
        town->first_calm = UINT64_MAX;
    else
        town_calm(town, CALM_MS);
    run_loaded(revocation, sim_random_below(world, 60), kill_server);
    settle(revocation);
    steal(revocation);
    if (sim_chance(world, 3000))
        revoke_unheard(revocation, removed);
    else
        revoke(revocation, removed);
    run_loaded(revocation, sim_random_below(world, OUT_MAX_S), kill_server);
    (void)sim_run(world, sim_now_us(world) + 25 * UINT64_C(1000000), NULL, NULL); /* all are up */
    let_in(revocation, removed);
    town_run_seconds(town, WITHIN_S); /* the server has heard of it, and of what is over for good */
    must_come_back(revocation);
    try_old_token(revocation);
    (void)sim_run(world, sim_now_us(world) + UINT64_C(1000) * CALM_MS, is_over, revocation);
    town_check_calm(town);
}

static void run(struct sim_world *world)
{
    struct revocation revocation = {0};
    struct town *town = &revocation.town;
    town_build_chartered(town, world, TOWN_HOUSEHOLDS_MAX, TOWN_DEVICES_MAX, &revocation.chancery,
                         VALID_S);
    outlet_init(&revocation.thief, world, "203.0.113.99", TOWN_SERVER_NAME, town->server_at.port,
                &town->households[0].endpoint_at);
    clocks_init(&revocation.clocks, world, CLOCK_MAX_S);
    clocks_add(&revocation.clocks, revocation.chancery.host);
    clocks_add(&revocation.clocks, town->server_host);
    clocks_add(&revocation.clocks, town->households[0].publisher.home);
    sim_set_check(world, check, &revocation);
    town_run_seconds(town, START_S);
    for (int i = 0; i < ROUNDS && sim_failure(world) == NULL; i++)
        run_round(&revocation, sim_chance(world, 4000));
    town_end(town);
    chancery_clear(&revocation.chancery);
}

static const enum sim_fault faults[] = {SIM_KILL, SIM_POWER, SIM_WALL_JUMP, SIM_FAULT_KINDS};

const struct scenario scenario_revocation = {
    .name = "revocation",
    .about = "hosts that are shut out and let in again",
    .one_in = 1,
    .run = run,
    .faults = faults,
    .tallies = tallies,
};
