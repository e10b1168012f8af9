/*
 * Publishers that take names from each other. The newest one that has answered its challenge gets
 * every new device at once, name by name; the older one keeps its channels until its token's end,
 * if it still answers, and is gone soon if it does not. When the newer one has gone, an older one
 * that is still there gets the new devices again.
 */
#include "tests/sim/gang.h"
#include "tests/sim/phone.h"
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAMES = 4,
    CLAIMANTS = 4,
    CALLS_MAX = CLAIMANTS * NAMES,
    NOBODY = -1,
    ANYBODY = -2,
    START_S = 4,
    CONNECT_S = 20,
    ANSWER_US = 3 * TOWN_SECOND_US, /* connections and round trips of 250 ms */
    PROBE_US = 5 * TOWN_SECOND_US,  /* a superseded peer answers a ping within */
    AGAIN_US = 5 * TOWN_SECOND_US,  /* and serves names that are free again within, later on */
    EXPIRY_US = TOWN_SECOND_US,     /* after its token's end a peer is closed within */
    LATE_US = TOWN_SECOND_US / 2,   /* on its way to who sees it */
    VALID_MIN_S = 90,
    VALID_MAX_S = 200,
    JUMP_MAX_S = 40,
    END_S = 300,
};

static const char *const names[NAMES] = {"host-k.example.com", "host-l.example.com",
                                         "host-m.example.com", "host-n.example.com"};

struct claimant {
    struct outlet outlet;
    struct booth booth;
    double valid_s; /* by the server's clock */
    bool named[NAMES];
    bool silent; /* nothing gets to it, nor from it */
    bool up;
};

/* A call that was answered, and by whom. */
struct held {
    struct phone phone;
    size_t claimant;
};

struct quarrel {
    struct town town;
    struct gang impostor;
    struct claimant claimants[CLAIMANTS];
    int owner[NAMES];
    struct held calls[CALLS_MAX];
    size_t call_count;
};

static void wait_us(struct quarrel *quarrel, uint64_t us)
{
    (void)sim_run(quarrel->town.world, sim_now_us(quarrel->town.world) + us, NULL, NULL);
}

/* ---- Claims ---- */

static void draw_names(struct quarrel *quarrel, struct claimant *claimant)
{
    for (size_t i = 0; i < NAMES; i++)
        claimant->named[i] = sim_chance(quarrel->town.world, 5000);
    claimant->named[sim_random_below(quarrel->town.world, NAMES)] = true;
}

static void set_credential(struct quarrel *quarrel, struct claimant *claimant)
{
    struct snitun_token token = {.valid = claimant->valid_s};
    char aliases[NAMES][SNITUN_TOKEN_NAME_MAX + 1];
    outlet_draw_keys(quarrel->town.world, &token);
    token.aliases = aliases;
    for (size_t i = 0; i < NAMES; i++) {
        if (!claimant->named[i])
            continue;
        char *at = token.hostname[0] == '\0' ? token.hostname : aliases[token.alias_count++];
        snprintf(at, sizeof token.hostname, "%s", names[i]);
    }
    outlet_set_credential(&claimant->outlet, &quarrel->town.keyring, &token);
}

static bool is_connected(void *arg)
{
    const struct claimant *claimant = arg;
    return outlet_is_connected(&claimant->outlet);
}

/* Those who lose a name to it may have fallen silent before. */
static void fall_silent(struct quarrel *quarrel, size_t newest)
{
    for (size_t i = 0; i < newest; i++) {
        struct claimant *older = &quarrel->claimants[i];
        bool loses = false;
        for (size_t n = 0; n < NAMES; n++)
            loses = loses || (quarrel->owner[n] == (int)i && quarrel->claimants[newest].named[n]);
        if (!loses || !older->up || !sim_chance(quarrel->town.world, 4000))
            continue;
        older->silent = true;
        sim_host_set_holes(older->outlet.home, true, true);
    }
}

static void claim(struct quarrel *quarrel, size_t number)
{
    struct town *town = &quarrel->town;
    struct claimant *claimant = &quarrel->claimants[number];
    char address[ADDR_TEXT_MAX];
    struct addr at;
    snprintf(address, sizeof address, "203.0.113.%zu:8443", number + 151);
    (void)addr_parse(address, &at);
    ip_format(&at.ip, address);
    booth_start(&claimant->booth, sim_host_new(town->world, "booth", address), &at,
                (uint8_t)number);
    snprintf(address, sizeof address, "203.0.113.%zu", number + 171);
    outlet_init(&claimant->outlet, town->world, address, TOWN_SERVER_NAME, town->server_at.port,
                &at);
    claimant->valid_s = sim_host_wall_s(town->server_host) +
                        (double)sim_random_between(town->world, VALID_MIN_S, VALID_MAX_S);
    draw_names(quarrel, claimant);
    set_credential(quarrel, claimant);
    fall_silent(quarrel, number);
    outlet_start(&claimant->outlet);
    if (!sim_run(town->world, sim_now_us(town->world) + CONNECT_S * UINT64_C(1000000), is_connected,
                 claimant))
        sim_fail(town->world, "claimant %zu does not connect", number);
    claimant->up = true;
    for (size_t n = 0; n < NAMES; n++)
        if (claimant->named[n])
            quarrel->owner[n] = (int)number;
}

/* ---- Calls ---- */

static bool is_answered(void *arg)
{
    const struct phone *phone = arg;
    return phone->state != PHONE_DIALS;
}

static bool may_serve(const struct quarrel *quarrel, const struct held *held, size_t name)
{
    size_t number = held->phone.number;
    return number < CLAIMANTS && quarrel->claimants[number].up &&
           quarrel->claimants[number].named[name];
}

/* The newest claimant of a name answers; nobody where it is gone. */
static void call(struct quarrel *quarrel, size_t name)
{
    struct town *town = &quarrel->town;
    struct held *held = &quarrel->calls[quarrel->call_count++];
    int owner = quarrel->owner[name];
    phone_call(&held->phone, town->devices[0], &town->server_at, names[name]);
    if (!sim_run(town->world, sim_now_us(town->world) + ANSWER_US, is_answered, &held->phone))
        sim_fail(town->world, "%s does not answer", names[name]);
    else if (held->phone.state == PHONE_TALKS && owner == ANYBODY && may_serve(quarrel, held, name))
        quarrel->owner[name] = owner = (int)held->phone.number;
    else if (held->phone.state != PHONE_TALKS || (int)held->phone.number != owner)
        sim_fail(town->world, "%s is answered by %d, not %d", names[name],
                 held->phone.state == PHONE_TALKS ? (int)held->phone.number : NOBODY, owner);
    held->claimant = (size_t)owner;
}

static void call_all(struct quarrel *quarrel, const struct claimant *newest)
{
    for (size_t n = 0; n < NAMES && sim_failure(quarrel->town.world) == NULL; n++) {
        int owner = quarrel->owner[n];
        bool expected = owner != NOBODY && !quarrel->claimants[owner].silent;
        if (expected && (newest->named[n] || sim_chance(quarrel->town.world, 3000)))
            call(quarrel, n);
        if (quarrel->call_count == CALLS_MAX)
            return;
    }
}

/* Calls of those who are up go on, calls of the others are over. */
static void check_calls(struct quarrel *quarrel, const char *when)
{
    struct sim_world *world = quarrel->town.world;
    unsigned before[CALLS_MAX];
    for (size_t i = 0; i < quarrel->call_count; i++) {
        before[i] = quarrel->calls[i].phone.echoes;
        phone_say(&quarrel->calls[i].phone);
    }
    wait_us(quarrel, ANSWER_US);
    for (size_t i = 0; i < quarrel->call_count; i++) {
        const struct held *held = &quarrel->calls[i];
        bool up = quarrel->claimants[held->claimant].up;
        if (up && held->phone.echoes == before[i])
            sim_fail(world, "%s: a call of claimant %zu does not go on", when, held->claimant);
        if (!up && held->phone.state == PHONE_TALKS)
            sim_fail(world, "%s: a call of claimant %zu is not over", when, held->claimant);
    }
}

/* A name that its newest claimant has left is served by any other one that is there, if one is. */
static void serve_again(struct quarrel *quarrel, size_t name)
{
    bool left = false;
    for (size_t i = 0; i < CLAIMANTS; i++)
        left = left || (quarrel->claimants[i].up && quarrel->claimants[i].named[name]);
    if (left && quarrel->call_count < CALLS_MAX) {
        quarrel->owner[name] = ANYBODY;
        call(quarrel, name);
    }
}

/* The superseded who did not answer the ping are gone, with all their names. */
static void bury_silent(struct quarrel *quarrel)
{
    bool any = false;
    for (size_t i = 0; i < CLAIMANTS; i++) {
        struct claimant *claimant = &quarrel->claimants[i];
        if (!claimant->silent || !claimant->up)
            continue;
        any = true;
        claimant->up = false;
        for (size_t n = 0; n < NAMES; n++)
            quarrel->owner[n] = quarrel->owner[n] == (int)i ? NOBODY : quarrel->owner[n];
    }
    if (any)
        wait_us(quarrel, PROBE_US + AGAIN_US + LATE_US);
    for (size_t n = 0; any && n < NAMES; n++)
        if (quarrel->owner[n] == NOBODY && sim_failure(quarrel->town.world) == NULL)
            serve_again(quarrel, n);
}

/* ---- Expiry ---- */

/* A clock that is set near a token's end would leave open whether that had come. */
static bool may_jump(const struct quarrel *quarrel)
{
    double now_s = sim_host_wall_s(quarrel->town.server_host);
    for (size_t i = 0; i < CLAIMANTS; i++) {
        const struct claimant *claimant = &quarrel->claimants[i];
        if (claimant->up && fabs(claimant->valid_s - now_s) < 2 * (EXPIRY_US + LATE_US) / 1e6)
            return false;
    }
    return sim_chance(quarrel->town.world, 1500);
}

static void jump(struct quarrel *quarrel)
{
    double seconds = (double)sim_random_below(quarrel->town.world, 2 * JUMP_MAX_S + 1) - JUMP_MAX_S;
    sim_host_jump_wall(quarrel->town.server_host, seconds);
}

/* Until every token has expired, by a clock that jumps: each peer goes in time, and none before. */
static void outlive_all(struct quarrel *quarrel)
{
    struct town *town = &quarrel->town;
    for (int rounds = 0; rounds < VALID_MAX_S && sim_failure(town->world) == NULL; rounds++) {
        bool left = false;
        if (may_jump(quarrel))
            jump(quarrel);
        for (size_t i = 0; i < CLAIMANTS; i++) {
            struct claimant *claimant = &quarrel->claimants[i];
            if (claimant->valid_s <= sim_host_wall_s(town->server_host))
                claimant->up = false;
            left = left || claimant->up;
        }
        if (!left)
            return;
        wait_us(quarrel, EXPIRY_US + LATE_US);
        for (size_t i = 0; i < CLAIMANTS; i++) {
            /* Expired meanwhile: which second it is, is for the next round. */
            struct claimant *claimant = &quarrel->claimants[i];
            if (claimant->valid_s <= sim_host_wall_s(town->server_host))
                continue;
            for (size_t c = 0; c < quarrel->call_count; c++)
                if (quarrel->calls[c].claimant == i && claimant->up &&
                    quarrel->calls[c].phone.state != PHONE_TALKS)
                    sim_fail(town->world, "claimant %zu lost a call before its token's end", i);
        }
        for (size_t c = 0; c < quarrel->call_count; c++) {
            const struct held *held = &quarrel->calls[c];
            if (!quarrel->claimants[held->claimant].up && held->phone.state == PHONE_TALKS)
                sim_fail(town->world, "claimant %zu kept a call after its token's end",
                         held->claimant);
        }
    }
}

/* ---- The run ---- */

static bool is_over(void *arg)
{
    const struct quarrel *quarrel = arg;
    bool over = party_is_over(&quarrel->impostor.party);
    for (size_t i = 0; i < CLAIMANTS; i++)
        over = over && party_is_over(&quarrel->claimants[i].outlet.party) &&
               party_is_over(&quarrel->claimants[i].booth.party);
    return over;
}

static void end(struct quarrel *quarrel)
{
    struct sim_world *world = quarrel->town.world;
    for (size_t i = 0; i < quarrel->call_count; i++)
        phone_hang_up(&quarrel->calls[i].phone);
    for (size_t i = 0; i < CLAIMANTS; i++) {
        sim_host_set_holes(quarrel->claimants[i].outlet.home, false, false);
        party_stop(&quarrel->claimants[i].outlet.party);
        booth_stop(&quarrel->claimants[i].booth);
    }
    gang_stop(&quarrel->impostor);
    if (!sim_run(world, sim_now_us(world) + END_S * UINT64_C(1000000), is_over, quarrel))
        sim_fail(world, "those who quarrelled do not end");
    gang_end(&quarrel->impostor);
    town_end(&quarrel->town);
}

static void run(struct sim_world *world)
{
    struct quarrel *quarrel = calloc(1, sizeof *quarrel);
    if (quarrel == NULL)
        abort();
    struct town *town = &quarrel->town;
    town_build(town, world, 1, 1, 0);
    for (size_t n = 0; n < NAMES; n++)
        quarrel->owner[n] = NOBODY;
    gang_start(&quarrel->impostor, sim_host_new(world, "impostor", "203.0.113.99"), &town->keyring,
               SNITUN_CLIENT, &town->server_at, names[0]);
    quarrel->impostor.villains.impostors = true;
    town_run_seconds(town, START_S);
    for (size_t i = 0; i < CLAIMANTS && sim_failure(world) == NULL; i++) {
        claim(quarrel, i);
        call_all(quarrel, &quarrel->claimants[i]);
        bury_silent(quarrel);
        check_calls(quarrel, "superseded");
    }
    if (sim_failure(world) == NULL)
        outlive_all(quarrel);
    if (sim_failure(world) != NULL)
        return; /* the world stays as it broke off */
    end(quarrel);
    free(quarrel);
}

static const enum sim_fault faults[] = {SIM_HOLE_OUT, SIM_HOLE_IN, SIM_WALL_JUMP, SIM_FAULT_KINDS};

const struct scenario scenario_supersede = {
    .name = "supersede",
    .about = "publishers that take names from each other, and tokens that end",
    .one_in = 1,
    .run = run,
    .faults = faults,
};
