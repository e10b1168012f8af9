/*
 * Large transfers where nothing fails, over links that are much faster than the loops behind them,
 * or so slow that every buffer on the way is full: none may come to a stand, no connection may be
 * taken for dead.
 */
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"

enum {
    TRANSFERS = 2,
    START_S = 5,
    BUFFER_MIN = 512 * 1024,
    BUFFER_MAX = 4 * 1024 * 1024,
    THIN_BUFFER = 48 * 1024, /* 4 s of the slow link */
    FAST_BYTES_PER_S = 1000 * 1000 * 1000,
    FAST_BYTES_MIN = 1000 * 1000,
    FAST_BYTES_MAX = 3 * 1000 * 1000,
    FAST_S = 8, /* less than the silence after which a ping would wake what sleeps */
    SLOW_BYTES_PER_S = 12 * 1000,
    SLOW_BYTES_MIN = 300 * 1000,
    SLOW_BYTES_MAX = 1500 * 1000,
    SLOW_LATENCY_US = 200 * 1000,
    SLOW_MORE_S = 30, /* beside what the link needs */
    GIVE_UP_S = 1000,
};

/* What is received bounds what is on its way: a thin link must not hold it for too long. */
static void set_buffers(struct sim_host *host, bool slow)
{
    struct sim_world *world = sim_host_world(host);
    sim_host_set_buffers(host, sim_random_between(world, BUFFER_MIN, BUFFER_MAX),
                         slow ? THIN_BUFFER : sim_random_between(world, BUFFER_MIN, BUFFER_MAX));
}

static void set_links(struct town *town, bool slow)
{
    struct sim_access fast = {.latency_us = 1000, .bytes_per_s = FAST_BYTES_PER_S};
    struct sim_access thin = {.latency_us = SLOW_LATENCY_US, .bytes_per_s = SLOW_BYTES_PER_S};
    struct household *household = &town->households[0];
    struct sim_host *const hosts[] = {town->server_host, household->publisher.home, household->site,
                                      town->website.site, town->device_hosts[0]};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        set_buffers(hosts[i], slow);
        sim_host_set_access(hosts[i], &fast);
    }
    if (slow)
        sim_host_set_access(household->publisher.home, &thin);
}

static struct transfer *draw_transfer(struct town *town, bool slow)
{
    struct sim_world *world = town->world;
    uint64_t len = slow ? sim_random_between(world, SLOW_BYTES_MIN, SLOW_BYTES_MAX)
                        : sim_random_between(world, FAST_BYTES_MIN, FAST_BYTES_MAX);
    bool routed = !slow && sim_chance(world, 3000);
    const struct household *target = routed ? &town->website : &town->households[0];
    struct transfer *transfer = transfer_new(&town->transfers, &target->service, 0, 0);
    transfer->end = sim_chance(world, 5000) ? TRANSFER_CALLER_CLOSES : TRANSFER_ANSWERER_CLOSES;
    transfer->slow = false;
    if (sim_chance(world, 5000))
        transfer->up_len = len;
    else
        transfer->down_len = len;
    return transfer;
}

static bool is_quiet(void *arg)
{
    return town_is_quiet(arg);
}

static void run_transfer(struct town *town, bool slow)
{
    struct transfer *transfer = draw_transfer(town, slow);
    uint64_t len = transfer->up_len + transfer->down_len;
    /* The home's link carries everything to the server and to the site: twice. */
    uint64_t limit_s = slow ? 2 * len / SLOW_BYTES_PER_S + SLOW_MORE_S : FAST_S;
    town_call(town, transfer);
    if (!sim_run(town->world, sim_now_us(town->world) + limit_s * TOWN_SECOND_US, is_quiet, town))
        sim_fail(town->world, "%s bytes did not come through in %u s", slow ? "slow" : "fast",
                 (unsigned)limit_s);
}

static void run(struct sim_world *world)
{
    struct town town;
    bool slow = sim_chance(world, 3000);
    town_build(&town, world, 1, 1, 0);
    set_links(&town, slow);
    town_run_seconds(&town, START_S);
    sim_set_weather(world, &(struct sim_weather){.slow_loop = slow ? 0 : 300, .split = 500});
    town_calm(&town, GIVE_UP_S * UINT64_C(1000));
    for (int i = 0; i < TRANSFERS && sim_failure(world) == NULL; i++)
        run_transfer(&town, slow);
    town_check_calm(&town);
    if (outlet_connections(&town.households[0].publisher) != 1)
        sim_fail(world, "the publisher lost its connection, though nothing failed");
    sim_set_weather(world, &(struct sim_weather){0});
    town_end(&town);
}

static const enum sim_fault faults[] = {SIM_SPLIT, SIM_SLOW_LOOP, SIM_FAULT_KINDS};

const struct scenario scenario_bulk = {
    .name = "bulk",
    .about = "large transfers over links that are much too fast or much too slow",
    .one_in = 1,
    .run = run,
    .faults = faults,
};
