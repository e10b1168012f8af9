#include "tests/sim/everything.h"

enum {
    SECOND_US = TOWN_SECOND_US,
    VALID_S = 24 * 3600,
    CLOCK_MAX_S = 3600,
    LARGE_MAX = 120 * 1000,
    BYTES_MAX = 60 * 1000,
    MANY_BYTES_MIN = 2 * 1000 * 1000, /* enough for PAUSE */
    MANY_BYTES_MAX = 3 * 1000 * 1000,
    TURN_US = 20 * 1000,
    LOAD_US = 500 * 1000,  /* between bursts of packets */
    ERRAND_US = SECOND_US, /* how often it is looked how the files are */
    CALL_US = 3 * SECOND_US,
    AWAY_MAX_S = 20,
    STEPS_MAX = 100, /* of writing, until the power fails */
    SETTLES_S = 40,  /* the longest that anything goes on when nothing new goes wrong */
    OVER_S = 1100,   /* longer than any TCP tries */
};

static const char dead_address[] = "192.0.2.250";
static const char hostile_name[] = "host-y.example.com";

const char *const everything_tallies[] = {
    [VILLAIN_FLIPPED] = "flipped",
    [VILLAIN_REPEATED] = "repeated",
    [VILLAIN_LEFT_OUT] = "left-out",
    [VILLAIN_REORDERED] = "reordered",
    [VILLAIN_RAVED] = "raved",
    [VILLAIN_ENDLESS] = "endless",
    [TALLY_MASTER] = "master-killed",
    [TALLY_SERVER] = "server-killed",
    [TALLY_PUBLISHER] = "publisher-killed",
    [TALLY_ENDPOINT] = "endpoint-killed",
    [TALLY_END] = "vpn-killed",
    [TALLY_PATH] = "path-killed",
    [TALLY_SENDER] = "sender-killed",
    [TALLY_RECEIVER] = "receiver-killed",
    [TALLY_AT_SERVER] = "stranger-at-server",
    [TALLY_AT_MASTER] = "stranger-at-master",
    [TALLY_AT_VPN] = "stranger-at-vpn",
    [TALLY_AT_RECEIVER] = "stranger-at-receiver",
    [TALLY_DEAD_ADDRESS] = "dead-address",
    [TALLY_DISABLED] = "disabled",
    [TALLY_REMOVED] = "removed",
    [TALLY_LET_IN] = "let-in",
    [TALLY_SHUT_OUT] = "shut-out",
    [TALLY_OLD_TOKEN] = "old-token",
    [TALLY_KEPT] = "files-kept",
    NULL,
};

/* ---- What people want ---- */

static const struct service *draw_service(struct everything *all)
{
    struct sim_world *world = all->world;
    struct town *town = &all->town;
    if (sim_chance(world, 1000))
        return &town->website.service;
    if (sim_chance(world, 500))
        return &town->unknown;
    if (all->has_gang && sim_chance(world, 2000))
        return &all->lies;
    return &town->households[sim_random_below(world, town->household_count)].service;
}

void everything_call(struct everything *all, const struct service *service)
{
    struct sim_world *world = all->world;
    struct transfers *transfers = &all->town.transfers;
    struct transfer *transfer =
        sim_chance(world, 200)
            ? transfer_new_slow(transfers, service,
                                sim_random_between(world, MANY_BYTES_MIN, MANY_BYTES_MAX))
            : transfer_new(transfers, service, BYTES_MAX, BYTES_MAX);
    if (service->unknown) {
        transfer->end = TRANSFER_ANSWERER_CLOSES;
        transfer->down_len = 0;
    }
    town_call(&all->town, transfer);
}

static void on_call(void *arg)
{
    struct everything *all = arg;
    everything_call(all, draw_service(all));
    sim_event_in(&all->call, sim_random_below(all->world, 2 * CALL_US));
}

bool everything_has_arrived(const struct everything *all)
{
    return all->whole && all->courier.kept > all->kept_before;
}

static void on_errand(void *arg)
{
    struct everything *all = arg;
    courier_go_on(&all->courier);
    if (everything_has_arrived(all))
        courier_stop_sender(&all->courier);
    else
        sim_event_in(&all->errand, ERRAND_US);
}

/* ---- The operator ---- */

/* A token that the master might have given just now, in the hands of somebody else. */
static void steal(struct everything *all, size_t which)
{
    uint64_t now_s = (uint64_t)sim_host_wall_s(all->chancery.host);
    struct snitun_token token = {.valid = (double)(now_s + VALID_S)};
    snprintf(token.hostname, sizeof token.hostname, "%s", all->town.households[which].name);
    outlet_draw_keys(all->world, &token);
    outlet_set_credential(&all->thief, &all->town.keyring, &token);
    all->has_thief = true;
}

static uint64_t operate(struct chaos *chaos, const struct chaos_target *target)
{
    struct everything *all = target->arg;
    size_t which = sim_random_below(chaos->world, all->town.household_count);
    const struct household *household = &all->town.households[which];
    switch (all->standing[which]) {
    case DISABLED:
        chancery_enable(&all->chancery, household->name, true);
        break;
    case REMOVED:
        chancery_add(&all->chancery, household->name, STORE_HOST, household->publisher.home);
        break;
    case LET_IN:
        steal(all, which);
        all->standing[which] = sim_chance(chaos->world, 5000) ? DISABLED : REMOVED;
        if (all->standing[which] == DISABLED)
            chancery_enable(&all->chancery, household->name, false);
        else
            chancery_remove(&all->chancery, household->name);
        sim_tally(chaos->world, all->standing[which] == DISABLED ? TALLY_DISABLED : TALLY_REMOVED);
        return 0;
    }
    all->standing[which] = LET_IN;
    sim_tally(chaos->world, TALLY_LET_IN);
    return 0;
}

/* ---- What goes wrong ---- */

static uint64_t set_a_clock(struct chaos *chaos, const struct chaos_target *target)
{
    struct everything *all = target->arg;
    (void)chaos;
    clocks_set_one(&all->clocks);
    return 0;
}

static uint64_t fail_disk(struct chaos *chaos, const struct chaos_target *target)
{
    sim_disk_kill_at(target->a, 1 + (unsigned)sim_random_below(chaos->world, STEPS_MAX),
                     sim_chance(chaos->world, 5000) ? SIM_KILL_POWER : SIM_KILL_PROCESS);
    return 0;
}

/* An address that does not answer is one of the name's, or the only one. */
static uint64_t misname(struct chaos *chaos, const struct chaos_target *target)
{
    struct sim_world *world = chaos->world;
    bool master = sim_chance(world, 3000);
    const char *const addresses[] = {dead_address, master ? CHANCERY_ADDRESS : TOWN_SERVER_ADDRESS};
    (void)target;
    sim_name_set(world, master ? CHANCERY_NAME : TOWN_SERVER_NAME, addresses,
                 1 + sim_random_below(world, 2));
    sim_tally(world, TALLY_DEAD_ADDRESS);
    return sim_random_between(world, SECOND_US, 20 * SECOND_US);
}

/* It may stay beside the right one. */
static void name_right(struct chaos *chaos, const struct chaos_target *target)
{
    const char *const server[] = {dead_address, TOWN_SERVER_ADDRESS};
    const char *const master[] = {dead_address, CHANCERY_ADDRESS};
    size_t skip = sim_chance(chaos->world, 5000) ? 1 : 0;
    (void)target;
    sim_name_set(chaos->world, TOWN_SERVER_NAME, server + skip, 2 - skip);
    sim_name_set(chaos->world, CHANCERY_NAME, master + skip, 2 - skip);
}

/* All that may happen to a host and the party on it. */
static void trouble(struct chaos *chaos, struct sim_host *host, struct party *party, size_t files,
                    uint64_t mean_us)
{
    struct chaos_target target = {.a = host, .party = party, .least = files, .most = AWAY_MAX_S};
    chaos_restarts(chaos, &target, mean_us);
    chaos_hangs(chaos, &target, 4 * mean_us);
    chaos_cuts(chaos, &target, mean_us / 2);
    chaos_forgets(chaos, &target, 2 * mean_us);
    chaos_holes(chaos, &target, 2 * mean_us);
    chaos_stalls(chaos, &target, 2 * mean_us);
    chaos_refusals(chaos, &target, 3 * mean_us);
    chaos_unreachable(chaos, &target, 3 * mean_us);
    if (files > 0)
        chaos_starves(chaos, &target, mean_us);
}

void everything_go_rough(struct everything *all)
{
    struct chaos *chaos = &all->town.chaos;
    struct courier *courier = &all->courier;
    uint64_t mean_us = sim_random_between(all->world, 40, 120) * SECOND_US;
    struct chaos_target any = {.a = courier->receiver_host, .arg = all};
    struct chaos_target sender = {.party = &courier->sender, .most = 1};
    chaos_weather(chaos, true);
    trouble(chaos, all->town.server_host, &all->town.server, 3, mean_us);
    trouble(chaos, all->chancery.host, &all->chancery.master, 1, mean_us);
    for (size_t i = 0; i < all->town.household_count; i++) {
        struct household *household = &all->town.households[i];
        trouble(chaos, household->publisher.home, &household->publisher.party, 2, 2 * mean_us);
        trouble(chaos, household->site, &household->endpoint, 0, 4 * mean_us);
    }
    for (size_t i = 0; i < all->overlay.count; i++)
        trouble(chaos, all->overlay.ends[i].host, &all->overlay.ends[i].party, 3, 2 * mean_us);
    overlay_trouble(&all->overlay, chaos, mean_us);
    trouble(chaos, courier->receiver_host, &courier->receiver, 3, mean_us);
    trouble(chaos, courier->sender_host, &courier->sender, 2, mean_us);
    chaos_restarts(chaos, &sender, mean_us / 8);
    chaos_add(chaos, fail_disk, NULL, &any, mean_us / 4);
    chaos_add(chaos, set_a_clock, NULL, &any, mean_us / 4);
    chaos_add(chaos, misname, name_right, &any, mean_us / 2);
    chaos_add(chaos, operate, NULL, &any, mean_us / 3);
}

void everything_calm_down(struct everything *all)
{
    chaos_stop(&all->town.chaos);
    sim_disk_fail_at(all->courier.receiver_host, 0);
    overlay_set_load(&all->overlay, 0);
    overlay_calm(&all->overlay);
    sim_event_cancel(&all->call);
    if (all->has_gang)
        gang_stop(&all->gang);
    town_run_seconds(&all->town, SETTLES_S);
    all->whole = true;
    all->kept_before = all->courier.kept;
}

/* After every event. */
static void check(void *arg)
{
    struct everything *all = arg;
    town_check(&all->town);
    overlay_check(&all->overlay);
}

/* ---- From start to end ---- */

static void build_strangers(struct everything *all)
{
    struct sim_world *world = all->world;
    struct addr master = {.port = CHANCERY_PORT};
    (void)ip_parse(CHANCERY_ADDRESS, &master.ip);
    stranger_init(&all->stranger, world, "198.51.100.66");
    stranger_add_port(&all->stranger, &all->town.server_at, "the server", TALLY_AT_SERVER);
    stranger_add_port(&all->stranger, &master, "the master", TALLY_AT_MASTER);
    stranger_add_port(&all->stranger, &all->overlay.ends[0].at, "the VPN", TALLY_AT_VPN);
    stranger_add_port(&all->stranger, &all->courier.listen, "the receiver", TALLY_AT_RECEIVER);
    household_name_service(&all->lies, hostile_name);
    all->lies.lies = true;
    all->has_gang = sim_chance(world, 6000);
    outlet_init(&all->thief, world, "203.0.113.99", TOWN_SERVER_NAME, all->town.server_at.port,
                &all->town.households[0].endpoint_at);
}

void everything_build(struct everything *all, struct sim_world *world)
{
    *all = (struct everything){0};
    struct town *town = &all->town;
    all->world = world;
    town_build_chartered(town, world, TOWN_HOUSEHOLDS_MAX, TOWN_DEVICES_MAX, &all->chancery,
                         VALID_S);
    overlay_start(&all->overlay, world, TURN_US);
    courier_build(&all->courier, world, LARGE_MAX);
    party_start(&all->courier.receiver);
    build_strangers(all);
    clocks_init(&all->clocks, world, CLOCK_MAX_S);
    clocks_add(&all->clocks, town->server_host);
    clocks_add(&all->clocks, all->chancery.host);
    clocks_add(&all->clocks, all->courier.receiver_host);
    for (size_t i = 0; i < town->household_count; i++)
        clocks_add(&all->clocks, town->households[i].publisher.home);
    for (size_t i = 0; i < all->overlay.count; i++)
        clocks_add(&all->clocks, all->overlay.ends[i].host);
    sim_event_init(&all->call, world, on_call, all);
    sim_event_init(&all->errand, world, on_errand, all);
    sim_set_check(world, check, all);
}

void everything_begin(struct everything *all)
{
    overlay_set_load(&all->overlay, LOAD_US);
    sim_event_in(&all->call, 0);
    sim_event_in(&all->errand, 0);
    party_start(&all->stranger.party);
    if (!all->has_gang)
        return;
    gang_start(&all->gang, sim_host_new(all->world, "villain", "203.0.113.66"), &all->town.keyring,
               SNITUN_CLIENT, &all->town.server_at, hostile_name);
    all->gang.villains.unsettled = true;
}

static void count_killed(struct sim_world *world, enum everything_tally tally,
                         const struct party *party)
{
    for (unsigned i = 0; i < party->killed; i++)
        sim_tally(world, tally);
}

void everything_count(const struct everything *all)
{
    struct sim_world *world = all->world;
    count_killed(world, TALLY_MASTER, &all->chancery.master);
    count_killed(world, TALLY_SERVER, &all->town.server);
    for (size_t i = 0; i < all->town.household_count; i++) {
        count_killed(world, TALLY_PUBLISHER, &all->town.households[i].publisher.party);
        count_killed(world, TALLY_ENDPOINT, &all->town.households[i].endpoint);
        if (all->standing[i] != LET_IN)
            sim_tally(world, TALLY_SHUT_OUT);
    }
    for (size_t i = 0; i < all->overlay.count; i++)
        count_killed(world, TALLY_END, &all->overlay.ends[i].party);
    count_killed(world, TALLY_PATH, &all->overlay.path.party);
    count_killed(world, TALLY_SENDER, &all->courier.sender);
    count_killed(world, TALLY_RECEIVER, &all->courier.receiver);
    for (unsigned i = 0; i < all->courier.kept; i++)
        sim_tally(world, TALLY_KEPT);
}

static bool is_over(void *arg)
{
    const struct everything *all = arg;
    return overlay_is_over(&all->overlay) && party_is_over(&all->courier.receiver) &&
           party_is_over(&all->courier.sender) && party_is_over(&all->stranger.party) &&
           party_is_over(&all->thief.party) && (!all->has_gang || party_is_over(&all->gang.party));
}

void everything_end(struct everything *all)
{
    struct sim_world *world = all->world;
    overlay_stop(&all->overlay);
    party_stop(&all->courier.receiver);
    if (!sim_run(world, sim_now_us(world) + OVER_S * (uint64_t)SECOND_US, is_over, all))
        sim_fail(world, "the VPN, the files or the strangers do not end");
    if (all->has_gang)
        gang_end(&all->gang);
    overlay_end(&all->overlay);
    courier_free(&all->courier);
    sim_set_check(world, NULL, NULL);
    town_end(&all->town);
    chancery_clear(&all->chancery);
}
