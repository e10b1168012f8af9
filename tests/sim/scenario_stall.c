/*
 * One channel whose reader stops for a minute while others of the same peer go on: they keep their
 * rate, and from version 1 on nobody is dropped. And an echo beside a bulk transfer on one peer
 * over a slow line: it stays quick.
 */
#include "tests/sim/phone.h"
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    START_S = 5,
    OTHERS = 2,
    WARM_S = 8,
    WINDOW_S = 12,
    STALL_S = 60,
    LATER_S = 8, /* after the stall began: its effect is there */
    KEEP_PERCENT = 90,
    LINE_BYTES_PER_S = 400 * 1000,
    LATENCY_US = 8 * 1000,
    BUFFER = 96 * 1024,
    OTHER_BYTES = 8 * 1000 * 1000,       /* enough for both windows … */
    OTHER_BYTES_LONG = 40 * 1000 * 1000, /* … or until the stalled one is done */
    STALLED_BYTES = 6 * 1000 * 1000,
    COMPLETE_S = 120,
    NAP_S = 30,                       /* later still, and the reader has not gone on */
    BEHIND_MAX = 2 * SNITUN_PAUSE_AT, /* PAUSE, what was under way then, and buffers */
    ECHO_BYTES_PER_S = 10 * 1000 * 1000 / 8,
    SEGMENT = 3 * 1448,      /* a packet of 64 KB would hold up such lines for 52 ms and more */
    ECHO_BUFFER = 64 * 1024, /* what a sender that watches for congestion would have on its way */
    ECHOES = 100,
    ECHO_US = TOWN_SECOND_US / 20, /* from one to the next, at most */
    ECHO_MAX_US = 10 * TOWN_SECOND_US,
    QUIET_TIMES = 3,
    MORE_US = 50 * 1000,
    END_S = 300,
};

static void set_host(struct sim_host *host, uint64_t bytes_per_s, size_t buffer)
{
    struct sim_access access = {.latency_us = LATENCY_US,
                                .bytes_per_s = bytes_per_s,
                                .segment_max = bytes_per_s == 0 ? 0 : SEGMENT};
    sim_host_set_access(host, &access);
    sim_host_set_buffers(host, buffer, buffer);
}

/* ---- A reader that stops ---- */

struct stall {
    struct town town;
    bool up; /* devices send, and an endpoint stops; else devices receive, and one of them stops */
    struct transfer *others[OTHERS];
    struct transfer *stalled;
};

static uint64_t got(const struct stall *stall, const struct transfer *transfer)
{
    return stall->up ? transfer->up_got : transfer->down_got;
}

static struct transfer *begin(struct stall *stall, uint64_t bytes)
{
    struct town *town = &stall->town;
    struct transfer *transfer = transfer_new(&town->transfers, &town->households[0].service, 0, 0);
    transfer->end = stall->up ? TRANSFER_ANSWERER_CLOSES : TRANSFER_CALLER_CLOSES;
    *(stall->up ? &transfer->up_len : &transfer->down_len) = bytes;
    transfer->slow = false;
    town_call(town, transfer);
    return transfer;
}

/* Bytes that the others got in a window. */
static uint64_t measure(struct stall *stall)
{
    uint64_t before = 0;
    uint64_t after = 0;
    for (int i = 0; i < OTHERS; i++)
        before += got(stall, stall->others[i]);
    town_run_seconds(&stall->town, WINDOW_S);
    for (int i = 0; i < OTHERS; i++)
        after += got(stall, stall->others[i]);
    return after - before;
}

static bool stalled_ended(void *arg)
{
    const struct stall *stall = arg;
    return stall->stalled->caller != TRANSFER_RUNNING &&
           stall->stalled->answerer != TRANSFER_RUNNING;
}

static bool none_calls(void *arg)
{
    const struct stall *stall = arg;
    return stall->town.transfers.running == 0;
}

/* The others would go on for long. */
static void end_stall(struct stall *stall)
{
    struct town *town = &stall->town;
    party_stop(&town->server);
    if (!sim_run(town->world, sim_now_us(town->world) + END_S * UINT64_C(1000000), none_calls,
                 stall))
        sim_fail(town->world, "devices do not notice that the server is gone");
    town_end(town);
}

static void check_kept(struct stall *stall, uint64_t before, uint64_t during)
{
    struct sim_world *world = stall->town.world;
    const struct snitun_keys *keys = &stall->town.households[0].token.keys;
    sim_trace(world, "rates", before, during, keys->protocol_version);
    if (during * 100 < before * KEEP_PERCENT)
        sim_fail(world, "version %u, %s: others got %" PRIu64 " bytes, then %" PRIu64,
                 keys->protocol_version, stall->up ? "up" : "down", before, during);
    for (int i = 0; i < OTHERS; i++)
        if (stall->others[i]->caller != TRANSFER_RUNNING)
            sim_fail(world, "another channel was dropped");
}

/* A source is told to stop, so that what waits for its reader stays small. */
static void check_behind(struct stall *stall)
{
    const struct snitun_keys *keys = &stall->town.households[0].token.keys;
    const struct transfer *transfer = stall->stalled;
    uint64_t sent = stall->up ? transfer->up_sent : transfer->down_sent;
    uint64_t behind = sent - got(stall, transfer);
    sim_trace(stall->town.world, "behind", behind, 0, keys->protocol_version);
    if (keys->protocol_version > 0 && behind > BEHIND_MAX)
        sim_fail(stall->town.world, "version %u, %s: %" PRIu64 " bytes wait for who does not read",
                 keys->protocol_version, stall->up ? "up" : "down", behind);
}

static void run_stall(struct sim_world *world)
{
    struct stall stall = {.up = sim_chance(world, 5000)};
    struct town *town = &stall.town;
    town_build(town, world, 1, TOWN_DEVICES_MAX, 0);
    struct household *household = &town->households[0];
    set_host(town->server_host, 0, BUFFER);
    set_host(household->publisher.home, LINE_BYTES_PER_S, BUFFER);
    set_host(household->site, 0, BUFFER);
    for (size_t i = 0; i < town->device_count; i++)
        set_host(town->device_hosts[i], 0, BUFFER);
    town_run_seconds(town, START_S);
    town_calm(town, (WARM_S + 2 * WINDOW_S + LATER_S + STALL_S + COMPLETE_S) * UINT64_C(1000));
    stall.stalled = begin(&stall, STALLED_BYTES);
    stall.stalled->nap_from_us = sim_now_us(world) + (WARM_S + WINDOW_S) * UINT64_C(1000000);
    stall.stalled->nap_ms = STALL_S * UINT64_C(1000);
    uint64_t other_bytes = sim_chance(world, 1500) ? OTHER_BYTES_LONG : OTHER_BYTES;
    for (int i = 0; i < OTHERS; i++)
        stall.others[i] = begin(&stall, other_bytes);
    town_run_seconds(town, WARM_S);
    uint64_t before = measure(&stall);
    town_run_seconds(town, LATER_S);
    check_kept(&stall, before, measure(&stall));
    town_run_seconds(town, NAP_S);
    check_behind(&stall);
    (void)sim_run(world, sim_now_us(world) + (STALL_S + COMPLETE_S) * UINT64_C(1000000),
                  stalled_ended, &stall);
    if (household->token.keys.protocol_version > 0)
        transfer_must_be_complete(stall.stalled);
    end_stall(&stall);
}

/* ---- An echo ---- */

struct echo_town {
    struct town town;
    struct outlet outlet;
    struct booth booth;
    struct phone quick;
    struct phone bulk;
    unsigned echoes_before;
};

static bool echo_came(void *arg)
{
    const struct echo_town *echo = arg;
    return echo->quick.echoes > echo->echoes_before;
}

/* How long one takes. */
static uint64_t measure_us(struct echo_town *echo)
{
    struct sim_world *world = echo->town.world;
    echo->echoes_before = echo->quick.echoes;
    phone_say(&echo->quick);
    if (!sim_run(world, sim_now_us(world) + ECHO_MAX_US, echo_came, echo))
        sim_fail(world, "the echo does not come");
    (void)sim_run(world, sim_now_us(world) + sim_random_below(world, ECHO_US), NULL, NULL);
    return echo->quick.rtt_us;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* 99 of 100 round trips of the echo were no longer. */
static uint64_t measure_p99_us(struct echo_town *echo)
{
    uint64_t rtts[ECHOES];
    for (size_t i = 0; i < ECHOES; i++)
        rtts[i] = measure_us(echo);
    qsort(rtts, ECHOES, sizeof rtts[0], compare);
    return rtts[ECHOES * 99 / 100 - 1];
}

static void build_echo(struct echo_town *echo, struct sim_world *world)
{
    struct town *town = &echo->town;
    struct snitun_token token = {0};
    struct addr at;
    town_build(town, world, 1, 1, 0);
    (void)addr_parse("203.0.113.151:8443", &at);
    booth_start(&echo->booth, sim_host_new(world, "booth", "203.0.113.151"), &at, 1);
    outlet_init(&echo->outlet, world, "203.0.113.171", TOWN_SERVER_NAME, town->server_at.port, &at);
    token.valid = sim_host_wall_s(echo->outlet.home) + 3600;
    snprintf(token.hostname, sizeof token.hostname, "host-e.example.com");
    outlet_draw_keys(world, &token);
    outlet_set_credential(&echo->outlet, &town->keyring, &token);
    set_host(town->server_host, 0, ECHO_BUFFER);
    set_host(echo->outlet.home, ECHO_BYTES_PER_S, ECHO_BUFFER);
    set_host(echo->booth.party.host, 0, ECHO_BUFFER);
    set_host(town->device_hosts[0], 0, ECHO_BUFFER);
    outlet_start(&echo->outlet);
    town_run_seconds(town, START_S);
    phone_call(&echo->quick, town->devices[0], &town->server_at, token.hostname);
    phone_call(&echo->bulk, town->devices[0], &town->server_at, token.hostname);
    town_run_seconds(town, 1);
}

static bool echo_is_over(void *arg)
{
    const struct echo_town *echo = arg;
    return party_is_over(&echo->outlet.party) && party_is_over(&echo->booth.party);
}

static void run_echo(struct sim_world *world)
{
    struct echo_town echo = {0};
    build_echo(&echo, world);
    enum phone_pours way = sim_chance(world, 5000) ? PHONE_POURS_UP : PHONE_POURS_DOWN;
    uint64_t quiet_us = measure_p99_us(&echo);
    phone_pour(&echo.bulk, way);
    town_run_seconds(&echo.town, 3);
    uint64_t poured = phone_poured(&echo.bulk, &echo.booth);
    uint64_t busy_us = measure_p99_us(&echo);
    poured = phone_poured(&echo.bulk, &echo.booth) - poured;
    sim_trace(world, "echo", quiet_us, busy_us, poured);
    if (busy_us > QUIET_TIMES * quiet_us + MORE_US)
        sim_fail(world, "an echo took %" PRIu64 " us alone and %" PRIu64 " us beside a bulk %s",
                 quiet_us, busy_us, way == PHONE_POURS_UP ? "upload" : "download");
    if (poured < ECHO_BYTES_PER_S)
        sim_fail(world, "the bulk transfer came to no more than %" PRIu64 " bytes", poured);
    phone_hang_up(&echo.quick);
    phone_hang_up(&echo.bulk);
    party_stop(&echo.outlet.party);
    booth_stop(&echo.booth);
    if (!sim_run(world, sim_now_us(world) + END_S * UINT64_C(1000000), echo_is_over, &echo))
        sim_fail(world, "publisher and booth do not end");
    town_end(&echo.town);
}

static void run(struct sim_world *world)
{
    if (sim_chance(world, 4000))
        run_echo(world);
    else
        run_stall(world);
}

static const enum sim_fault faults[] = {SIM_FAULT_KINDS};

const struct scenario scenario_stall = {
    .name = "stall",
    .about = "a reader that stops for a minute beside others; an echo beside a bulk transfer",
    .one_in = 1,
    .run = run,
    .faults = faults,
};
