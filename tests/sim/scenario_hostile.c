/*
 * A hostile peer with valid tokens on the server, a hostile server for a publisher of its own, and
 * beside them an honest household whose transfers must all come through as if nothing were. No
 * nonce may come twice under a key.
 */
#include "base/map.h"
#include "tests/sim/gang.h"
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"
#include "tests/sim/wiretap.h"

enum {
    HONEST_MAX = 2,
    START_S = 5,
    CALLS = 6,
    VISITS = 6,
    BYTES_MAX = 100 * 1000,
    ATTACK_S = 60,
    GIVE_UP_S = 300,
    VISIT_BYTES_MAX = 300 * 1000,
    VICTIM = 'v' - 'a', /* its number among the households */
    GCM_PER_10000 = 4000,
    VICTIM_GCM_PER_10000 = 1500, /* who has one connection is of little use to the villains */
    POWER_PER_10000 = 2000,
};

static const char hostile_name[] = "host-x.example.com";
static const char hostile_server_name[] = "tunnel.example.org";

struct hostile_town {
    struct town town;
    struct wiretap tap;
    struct gang client;
    struct gang server;
    struct household victim; /* publishes through the hostile server */
    struct service lies;     /* calls to what the hostile client claims */
    struct sim_event call;
    uint64_t calls_left;
    uint64_t visits_left;
};

static void check(void *arg)
{
    struct hostile_town *hostile = arg;
    town_check(&hostile->town);
    outlet_check_memory(&hostile->victim.publisher);
}

/* ---- Before the attack ---- */

/* It uses aes-gcm: one connection, and never again. */
static void use_gcm(const struct town *town, struct household *household)
{
    struct snitun_keys keys = household->token.keys;
    keys.cipher = SNITUN_AES_GCM;
    household_renew(household, &town->keyring, &keys);
}

static void renew_some(struct hostile_town *hostile)
{
    struct town *town = &hostile->town;
    for (size_t i = 0; i < town->household_count; i++)
        if (sim_chance(town->world, GCM_PER_10000))
            use_gcm(town, &town->households[i]);
}

static void start_gangs(struct hostile_town *hostile)
{
    struct town *town = &hostile->town;
    struct sim_world *world = town->world;
    static const char *const addresses[] = {"192.0.2.66"};
    struct addr at;
    (void)addr_parse("192.0.2.66:443", &at);
    gang_start(&hostile->client, sim_host_new(world, "villain", "203.0.113.99"), &town->keyring,
               SNITUN_CLIENT, &town->server_at, hostile_name);
    gang_start(&hostile->server, sim_host_new(world, "villain", addresses[0]), &town->keyring,
               SNITUN_SERVER, &at, NULL);
    sim_name_set(world, hostile_server_name, addresses, 1);
    household_start(&hostile->victim, &town->transfers, VICTIM, &town->keyring, hostile_server_name,
                    at.port, false);
    hostile->victim.answerers.anything = true;
    if (sim_chance(world, VICTIM_GCM_PER_10000))
        use_gcm(town, &hostile->victim);
}

/* ---- During the attack ---- */

static void plan_call(void *arg)
{
    struct hostile_town *hostile = arg;
    struct town *town = &hostile->town;
    uint64_t left = hostile->calls_left + hostile->visits_left;
    if (left == 0)
        return;
    if (sim_random_below(town->world, left) < hostile->calls_left) {
        size_t which = sim_random_below(town->world, town->household_count);
        hostile->calls_left--;
        town_call(town, transfer_new(&town->transfers, &town->households[which].service, BYTES_MAX,
                                     BYTES_MAX));
    } else {
        hostile->visits_left--;
        town_call(town,
                  transfer_new(&town->transfers, &hostile->lies, VISIT_BYTES_MAX, VISIT_BYTES_MAX));
    }
    sim_event_in(&hostile->call, sim_random_below(town->world, 8 * TOWN_SECOND_US));
}

static bool all_ended(void *arg)
{
    const struct hostile_town *hostile = arg;
    return hostile->call.slot == 0 && town_is_quiet(&hostile->town);
}

static void attack(struct hostile_town *hostile)
{
    struct town *town = &hostile->town;
    struct sim_weather weather = {.split = 500, .short_read = 500, .short_write = 500};
    sim_set_weather(town->world, &weather);
    town_calm(town, GIVE_UP_S * UINT64_C(1000));
    hostile->calls_left = CALLS;
    hostile->visits_left = VISITS;
    sim_event_in(&hostile->call, 0);
    town_run_seconds(town, ATTACK_S);
    (void)sim_run(town->world, sim_now_us(town->world) + GIVE_UP_S * UINT64_C(1000000), all_ended,
                  hostile);
    town_check_calm(town);
}

static void must_be_undisturbed(const struct hostile_town *hostile)
{
    const struct town *town = &hostile->town;
    for (size_t i = 0; i < town->household_count; i++)
        if (outlet_connections(&town->households[i].publisher) != 1)
            sim_fail(town->world, "%s did not keep its connection", town->households[i].name);
    bool lasting = hostile->victim.token.keys.cipher != SNITUN_AES_GCM;
    if (hostile->client.villains.established == 0 ||
        (lasting && hostile->server.villains.established == 0))
        sim_fail(town->world, "the villains did not come to anything");
}

/* ---- After it ---- */

/* A used aes-gcm credential must stay used, whatever happens to its owner's machine. */
static void lose_power(struct hostile_town *hostile)
{
    struct town *town = &hostile->town;
    for (size_t i = 0; i < town->household_count; i++)
        if (sim_chance(town->world, POWER_PER_10000))
            party_restart(&town->households[i].publisher.party, SIM_KILL_POWER, TOWN_SECOND_US);
    town_run_seconds(town, START_S);
}

static bool is_over(void *arg)
{
    const struct hostile_town *hostile = arg;
    return household_is_over(&hostile->victim) && party_is_over(&hostile->client.party) &&
           party_is_over(&hostile->server.party);
}

static void end(struct hostile_town *hostile)
{
    struct town *town = &hostile->town;
    gang_stop(&hostile->client);
    gang_stop(&hostile->server);
    household_stop(&hostile->victim);
    if (!sim_run(town->world, sim_now_us(town->world) + GIVE_UP_S * UINT64_C(1000000), is_over,
                 hostile))
        sim_fail(town->world, "the villains, or their victim, do not end");
    wiretap_end(&hostile->tap);
    gang_end(&hostile->client);
    gang_end(&hostile->server);
    sim_set_check(town->world, town_check, town);
    town_end(town);
}

static void run(struct sim_world *world)
{
    struct hostile_town hostile = {0};
    struct town *town = &hostile.town;
    town_build(town, world, HONEST_MAX, TOWN_DEVICES_MAX, 0);
    renew_some(&hostile);
    wiretap_init(&hostile.tap, town);
    household_name_service(&hostile.lies, hostile_name);
    hostile.lies.lies = true;
    sim_event_init(&hostile.call, world, plan_call, &hostile);
    start_gangs(&hostile);
    sim_set_check(world, check, &hostile);
    town_run_seconds(town, START_S);
    attack(&hostile);
    must_be_undisturbed(&hostile);
    lose_power(&hostile);
    end(&hostile);
}

static const enum sim_fault faults[] = {SIM_SPLIT, SIM_SHORT_READ, SIM_SHORT_WRITE, SIM_POWER,
                                        SIM_FAULT_KINDS};

const struct scenario scenario_hostile = {
    .name = "hostile",
    .about = "a hostile peer and a hostile server beside honest ones",
    .one_in = 1,
    .run = run,
    .faults = faults,
    .tallies = villain_deed_names,
};
