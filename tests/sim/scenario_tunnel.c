/*
 * A town in which everything goes wrong for a while; then everything is whole again and has to
 * work.
 */
#include "base/map.h"
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"

#include <string.h>

enum {
    CALLS_MAX = 16,
    CALM_CALLS = 6,
    BYTES_MAX = 150 * 1000,
    MANY_BYTES_MIN = 2 * 1000 * 1000, /* enough for PAUSE */
    MANY_BYTES_MAX = 4 * 1000 * 1000,
    TWINS_PER_10000 = 2000,
    START_S = 5,
    ROUGH_MIN_S = 5,
    ROUGH_MAX_S = 120,
    AWAY_MAX_S = 20,  /* of who is killed */
    SERVER_FILES = 3, /* it starts with, and no connection */
    CALM_GIVE_UP_S = 600,
    NOTICE_S = 40, /* after which a dead connection is noticed on both sides */
    STATUS_S = 5,
    RECONNECT_S = 100, /* handshake 30 s, longest wait 60 s, and a connection */
};

struct rough_town {
    struct town town;
    struct sim_event call;
    uint64_t calls_left;
    bool told;
    json_int_t early; /* connections that the server counts as nobody's yet */
};

/* ---- Calls ---- */

/*
 * No second one has to come through: version 0 cannot stop what a slow reader leaves, so two of
 * them may be more than the server's memory holds.
 */
static bool many_may_wait(const struct rough_town *rough)
{
    const struct list *head = &rough->town.transfers.all;
    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct transfer *transfer = container_of(at, struct transfer, node);
        if (transfer->id >= rough->town.first_calm && transfer->down_len >= MANY_BYTES_MIN)
            return false;
    }
    return true;
}

static struct transfer *draw_transfer(struct rough_town *rough)
{
    struct town *town = &rough->town;
    struct sim_world *world = town->world;
    size_t which = sim_random_below(world, town->household_count);
    const struct service *service = &town->households[which].service;
    if (sim_chance(world, 300) && many_may_wait(rough))
        return transfer_new_slow(&town->transfers, service,
                                 sim_random_between(world, MANY_BYTES_MIN, MANY_BYTES_MAX));
    if (sim_chance(world, 1000))
        return transfer_new(&town->transfers, &town->website.service, BYTES_MAX, BYTES_MAX);
    if (!sim_chance(world, 500))
        return transfer_new(&town->transfers, service, BYTES_MAX, BYTES_MAX);
    struct transfer *transfer = transfer_new(&town->transfers, &town->unknown, BYTES_MAX, 0);
    transfer->end = TRANSFER_ANSWERER_CLOSES;
    return transfer;
}

static void plan_call(void *arg)
{
    struct rough_town *rough = arg;
    if (rough->calls_left == 0)
        return;
    rough->calls_left--;
    town_call(&rough->town, draw_transfer(rough));
    sim_event_in(&rough->call, sim_random_below(rough->town.world, 4 * TOWN_SECOND_US));
}

static bool all_ended(void *arg)
{
    const struct rough_town *rough = arg;
    return rough->calls_left == 0 && rough->call.slot == 0 && town_is_quiet(&rough->town);
}

static void run_calls(struct rough_town *rough, uint64_t calls, uint64_t seconds,
                      bool (*until)(void *arg))
{
    struct sim_world *world = rough->town.world;
    rough->calls_left = calls;
    sim_event_in(&rough->call, sim_random_below(world, 5 * TOWN_SECOND_US));
    (void)sim_run(world, sim_now_us(world) + seconds * TOWN_SECOND_US, until, rough);
    rough->calls_left = 0;
}

/* ---- What goes wrong ---- */

static void restart(struct sim_world *world, struct party *party)
{
    enum sim_kill how = sim_chance(world, 5000) ? SIM_KILL_POWER : SIM_KILL_PROCESS;
    party_restart(party, how, sim_random_below(world, AWAY_MAX_S * TOWN_SECOND_US));
}

static void restart_or_cycle(struct sim_world *world, struct party *party)
{
    if (sim_chance(world, 5000))
        restart(world, party);
    else
        party_cycle(party);
}

static uint64_t restart_household(struct chaos *chaos, const struct chaos_target *target)
{
    (void)target;
    struct town *town = container_of(chaos, struct town, chaos);
    struct household *household =
        &town->households[sim_random_below(chaos->world, town->household_count)];
    struct party *parties[] = {&household->publisher.party, &household->endpoint,
                               &household->twin.party};
    uint64_t count = household->has_twin ? 3 : 2;
    restart_or_cycle(chaos->world, parties[sim_random_below(chaos->world, count)]);
    return 0;
}

/* ---- What users do meanwhile ---- */

static void status_came(void *arg, json_t *status)
{
    struct sim_world *world = arg;
    const char *role = json_string_value(json_object_get(status, "role"));
    if (role == NULL || strcmp(role, "server") != 0)
        sim_fail(world, "the server's status says no role");
    json_decref(status);
}

static void use_server(struct io_loop *loop, void *arg)
{
    struct town *town = arg;
    struct server *server = party_role(&town->server);
    if (server != NULL && loop == sim_process_loop(party_process(&town->server)))
        server_status(server, status_came, town->world);
}

static void use_publisher(struct io_loop *loop, void *arg)
{
    struct household *household = arg;
    struct publish *publish = party_role(&household->publisher.party);
    char why[256];
    if (publish != NULL && loop == sim_process_loop(party_process(&household->publisher.party)) &&
        publish_reload(publish, why, sizeof why) != 0)
        sim_fail(household->world, "reload: %s", why);
}

static uint64_t use(struct chaos *chaos, const struct chaos_target *target)
{
    (void)target;
    struct town *town = container_of(chaos, struct town, chaos);
    struct household *household =
        &town->households[sim_random_below(chaos->world, town->household_count)];
    if (party_is_up(&town->server))
        sim_process_call(party_process(&town->server), use_server, town);
    if (party_is_up(&household->publisher.party))
        sim_process_call(party_process(&household->publisher.party), use_publisher, household);
    return 0;
}

static void go_rough(struct town *town)
{
    struct chaos *chaos = &town->chaos;
    struct chaos_target server = {
        .a = town->server_host, .party = &town->server, .least = SERVER_FILES, .most = AWAY_MAX_S};
    chaos_weather(chaos, false);
    chaos_cuts(chaos, &server, 15 * TOWN_SECOND_US);
    chaos_stalls(chaos, &server, 60 * TOWN_SECOND_US);
    chaos_holes(chaos, &server, 120 * TOWN_SECOND_US);
    chaos_refusals(chaos, &server, 60 * TOWN_SECOND_US);
    chaos_unreachable(chaos, &server, 90 * TOWN_SECOND_US);
    chaos_wall_jumps(chaos, &server, 120 * TOWN_SECOND_US);
    chaos_restarts(chaos, &server, 150 * TOWN_SECOND_US);
    chaos_add(chaos, restart_household, NULL, &server, 60 * TOWN_SECOND_US);
    chaos_starves(chaos, &server, 60 * TOWN_SECOND_US);
    chaos_add(chaos, use, NULL, &server, 20 * TOWN_SECOND_US);
    struct chaos_target website = {.a = town->website.site};
    chaos_cuts(chaos, &website, 60 * TOWN_SECOND_US);
    chaos_holes(chaos, &website, 120 * TOWN_SECOND_US);
    chaos_refusals(chaos, &website, 60 * TOWN_SECOND_US);
    for (size_t i = 0; i < town->household_count; i++) {
        const struct household *household = &town->households[i];
        struct chaos_target home = {.a = household->publisher.home};
        struct chaos_target site = {.a = household->site};
        struct chaos_target link = {.a = household->publisher.home, .b = town->server_host};
        chaos_forgets(chaos, &link, 60 * TOWN_SECOND_US);
        chaos_cuts(chaos, &link, 60 * TOWN_SECOND_US);
        chaos_cuts(chaos, &site, 30 * TOWN_SECOND_US);
        chaos_holes(chaos, &home, 90 * TOWN_SECOND_US);
        chaos_stalls(chaos, &home, 60 * TOWN_SECOND_US);
        chaos_refusals(chaos, &site, 60 * TOWN_SECOND_US);
        struct chaos_target second = {.a = household->twin.home};
        if (household->has_twin) {
            chaos_holes(chaos, &second, 60 * TOWN_SECOND_US);
            chaos_cuts(chaos, &second, 30 * TOWN_SECOND_US);
        }
    }
}

/* ---- The run ---- */

/* Everything is whole: every publisher has to be back in time. */
static void must_reconnect(struct town *town)
{
    town_run_seconds(town, NOTICE_S);
    for (uint64_t passed_s = NOTICE_S;; passed_s++) {
        const struct household *away = NULL;
        for (size_t i = 0; i < town->household_count; i++)
            away =
                outlet_is_connected(&town->households[i].publisher) ? away : &town->households[i];
        if (away == NULL || sim_failure(town->world) != NULL)
            return;
        if (passed_s == RECONNECT_S) {
            sim_fail(town->world, "the publisher of %s is not back after %d s", away->name,
                     RECONNECT_S);
            return;
        }
        town_run_seconds(town, 1);
    }
}

/* ---- Who has left is not counted any more ---- */

static void early_came(void *arg, json_t *status)
{
    struct rough_town *rough = arg;
    const json_t *counters = json_object_get(status, "counters");
    rough->early = json_integer_value(json_object_get(counters, "early"));
    rough->told = true;
    json_decref(status);
}

static void ask_early(struct io_loop *loop, void *arg)
{
    struct rough_town *rough = arg;
    (void)loop;
    server_status(party_role(&rough->town.server), early_came, rough);
}

static bool was_told(void *arg)
{
    const struct rough_town *rough = arg;
    return rough->told;
}

static void must_count_nobody(struct rough_town *rough)
{
    struct town *town = &rough->town;
    town_run_seconds(town, NOTICE_S);
    if (sim_failure(town->world) != NULL)
        return;
    sim_process_call(party_process(&town->server), ask_early, rough);
    if (!sim_run(town->world, sim_now_us(town->world) + STATUS_S * TOWN_SECOND_US, was_told, rough))
        sim_fail(town->world, "the server does not tell its state");
    else if (rough->early != 0)
        sim_fail(town->world, "nobody is there, and %" JSON_INTEGER_FORMAT " are counted",
                 rough->early);
}

static void run(struct sim_world *world)
{
    struct rough_town rough = {0};
    struct town *town = &rough.town;
    town_build(town, world, TOWN_HOUSEHOLDS_MAX, TOWN_DEVICES_MAX, TWINS_PER_10000);
    sim_event_init(&rough.call, world, plan_call, &rough);
    town_run_seconds(town, START_S);
    go_rough(town);
    run_calls(&rough, sim_random_between(world, 1, CALLS_MAX),
              sim_random_between(world, ROUGH_MIN_S, ROUGH_MAX_S), NULL);
    chaos_stop(&town->chaos);
    must_reconnect(town);
    town_calm(town, CALM_GIVE_UP_S * UINT64_C(1000));
    run_calls(&rough, CALM_CALLS, CALM_GIVE_UP_S, all_ended);
    town_check_calm(town);
    must_count_nobody(&rough);
    town_end(town);
}

static const enum sim_fault faults[] = {
    SIM_SPLIT,       SIM_SHORT_READ, SIM_SHORT_WRITE, SIM_SPURIOUS,  SIM_DELAY,   SIM_STALL,
    SIM_CUT_BOTH,    SIM_CUT_ONE,    SIM_NAT_FORGOT,  SIM_HOLE_OUT,  SIM_HOLE_IN, SIM_REFUSED,
    SIM_UNREACHABLE, SIM_RESET_ATE,  SIM_LOOKUP,      SIM_SLOW_LOOP, SIM_KILL,    SIM_POWER,
    SIM_WALL_JUMP,   SIM_NO_FILES,   SIM_FAULT_KINDS,
};

const struct scenario scenario_tunnel = {
    .name = "tunnel",
    .about = "server, publishers, endpoints and devices while everything goes wrong",
    .one_in = 1,
    .run = run,
    .faults = faults,
};
