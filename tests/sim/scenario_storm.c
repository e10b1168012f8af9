/*
 * Many publishers lose their server at once, and come back without a storm: their first wait is
 * spread over FIRST_WAIT_MS, later ones over more. In some worlds they are ten thousand, in most a
 * few hundred, and what the server and its line can take is in proportion.
 */
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"

#include <stdlib.h>

enum {
    CROWD = 50, /* of a process, at an address of its own: the server counts by address */
    CROWDS_FEW = 6,
    CROWDS_MANY = 200,
    MANY_PER_10000 = 50,
    CONNECT_S = 30,
    DOWN_MAX_S = 40,
    DOWN_LONG_S = 400, /* after which each waits as long as it ever does */
    LONG_PER_10000 = 1000,
    FIRST_WAIT_MS = 3000,
    BACK_S = 20 + 60, /* noticed, and the longest wait */
    DEVIATIONS = 5,   /* from an even spread over FIRST_WAIT_MS */
    VALID_S = 3600,
    /* Within FIRST_WAIT_MS each of them sends a kilobyte, and a thinner line holds that for longer
     * than anyone waits, whatever the server behind it does. */
    LINE_MIN_BYTES_PER_S = 200, /* for each of them */
    LINE_DOUBLINGS_MAX = 6,
    LATENCY_MAX_US = 60 * 1000,
    EARLY_SHARE = 20, /* of the publishers, where the server takes few at once … */
    EARLY_MIN = 16,
    BACKLOG_MIN = 2,
    BACKLOG_MAX = 128,
};

struct storm;

struct crowd {
    struct storm *storm;
    struct party party;
    size_t number;
    char credentials[CROWD][OUTLET_CREDENTIAL_MAX];
};

struct storm {
    struct town town;
    struct crowd *crowds;
    size_t crowd_count;
    size_t publishers;
    uint64_t attempts_before;
    unsigned attempts_worst; /* in a second */
};

/* ---- A crowd: many publishers in one process ---- */

struct crowd_life {
    struct life *life;
    struct publish *publishers[CROWD];
    size_t running;
};

static void publisher_stopped(void *arg)
{
    struct crowd_life *crowd = arg;
    if (--crowd->running == 0)
        party_stopped(crowd->life);
}

static void *crowd_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                         size_t why_len)
{
    const struct crowd *crowd = arg;
    struct crowd_life *alive = calloc(1, sizeof *alive);
    if (alive == NULL)
        abort();
    alive->life = life;
    for (size_t i = 0; i < CROWD; i++) {
        struct publish_config config = {
            .server_host = TOWN_SERVER_NAME,
            .server_port = crowd->storm->town.server_at.port,
            .credential_text = crowd->credentials[i],
            .to_host = "127.0.0.1",
            .to_port = 80,
            .memory = OUTLET_MEMORY,
        };
        alive->publishers[i] = publish_start(loop, &config, publisher_stopped, alive, why, why_len);
        if (alive->publishers[i] == NULL)
            abort();
        alive->running++;
    }
    return alive;
}

static void crowd_stop(void *role)
{
    struct crowd_life *alive = role;
    for (size_t i = 0; i < CROWD; i++)
        publish_stop(alive->publishers[i]);
}

static void crowd_free(void *role)
{
    struct crowd_life *alive = role;
    for (size_t i = 0; i < CROWD; i++)
        publish_free(alive->publishers[i]);
    free(alive);
}

static const struct party_ops crowd_ops = {
    .name = "crowd", .start = crowd_start, .stop = crowd_stop, .free = crowd_free};

static void write_credential(const struct crowd *crowd, size_t i, char out[OUTLET_CREDENTIAL_MAX])
{
    struct sim_world *world = crowd->storm->town.world;
    struct snitun_token token = {.valid = sim_host_wall_s(crowd->party.host) + VALID_S};
    snprintf(token.hostname, sizeof token.hostname, "p%zu-%zu.example.com", crowd->number, i);
    outlet_draw_keys(world, &token);
    outlet_credential(world, &crowd->storm->town.keyring, sim_host_wall_s(crowd->party.host),
                      &token, out, OUTLET_CREDENTIAL_MAX);
}

static void crowd_come(struct storm *storm, size_t number)
{
    struct crowd *crowd = &storm->crowds[number];
    char address[IP_TEXT_MAX];
    snprintf(address, sizeof address, "198.18.0.%zu", number + 1);
    crowd->storm = storm;
    crowd->number = number;
    party_init(&crowd->party, sim_host_new(storm->town.world, "crowd", address), &crowd_ops, crowd);
    for (size_t i = 0; i < CROWD; i++)
        write_credential(crowd, i, crowd->credentials[i]);
    party_start(&crowd->party);
}

/* ---- The storm ---- */

static bool is_connected(const struct storm *storm, size_t number)
{
    const struct crowd_life *alive = party_role(&storm->crowds[number / CROWD].party);
    return outlet_publish_is_in_state(alive->publishers[number % CROWD], "connected");
}

static bool all_connected(const struct storm *storm)
{
    size_t number = 0;
    while (number < storm->publishers && is_connected(storm, number))
        number++;
    return number == storm->publishers;
}

static void must_be_connected(const struct storm *storm, int after_s)
{
    size_t count = 0;
    for (size_t i = 0; i < storm->publishers; i++)
        count += is_connected(storm, i) ? 1 : 0;
    if (count < storm->publishers)
        sim_fail(storm->town.world, "only %zu of %zu publishers are connected after %d s", count,
                 storm->publishers, after_s);
}

/* One second, in which the attempts to connect are counted. */
static void count_second(struct storm *storm)
{
    town_run_seconds(&storm->town, 1);
    uint64_t attempts = sim_totals(storm->town.world).connections;
    unsigned in_second = (unsigned)(attempts - storm->attempts_before);
    storm->attempts_before = attempts;
    if (in_second > storm->attempts_worst)
        storm->attempts_worst = in_second;
}

static void check_attempts(const struct storm *storm)
{
    double even = (double)storm->publishers * 1000 / FIRST_WAIT_MS;
    double over = storm->attempts_worst - even;
    if (over > 0 && over * over > DEVIATIONS * DEVIATIONS * even)
        sim_fail(storm->town.world, "%u attempts in a second by %zu publishers",
                 storm->attempts_worst, storm->publishers);
}

static void lose_server(struct storm *storm)
{
    struct town *town = &storm->town;
    bool is_long = sim_chance(town->world, LONG_PER_10000);
    uint64_t down_s = 1 + sim_random_below(town->world, is_long ? DOWN_LONG_S : DOWN_MAX_S);
    storm->attempts_before = sim_totals(town->world).connections;
    party_kill(&town->server, SIM_KILL_PROCESS);
    for (uint64_t s = 0; s < down_s && sim_failure(town->world) == NULL; s++)
        count_second(storm);
    party_start(&town->server);
    for (int s = 0; s < BACK_S && !all_connected(storm); s++)
        count_second(storm);
    must_be_connected(storm, BACK_S);
    check_attempts(storm);
}

static bool crowds_are_over(void *arg)
{
    const struct storm *storm = arg;
    for (size_t i = 0; i < storm->crowd_count; i++)
        if (!party_is_over(&storm->crowds[i].party))
            return false;
    return true;
}

/* In some worlds it takes few connections at once that it does not know: the others wait. */
static void set_server(struct storm *storm)
{
    struct town *town = &storm->town;
    struct sim_world *world = town->world;
    size_t few = storm->publishers / EARLY_SHARE;
    struct sim_access line = {
        .latency_us = sim_random_below(world, LATENCY_MAX_US),
        .bytes_per_s = storm->publishers * LINE_MIN_BYTES_PER_S
                       << sim_random_below(world, LINE_DOUBLINGS_MAX + 1),
    };
    sim_host_set_access(town->server_host, &line);
    sim_host_set_backlog(town->server_host, sim_random_between(world, BACKLOG_MIN, BACKLOG_MAX));
    town->early_per_worker =
        sim_chance(world, 5000) ? (unsigned)(few < EARLY_MIN ? EARLY_MIN : few) : 0;
}

static struct storm *storm_new(struct sim_world *world)
{
    struct storm *storm = calloc(1, sizeof *storm);
    if (storm == NULL)
        abort();
    storm->crowd_count =
        sim_chance(world, MANY_PER_10000) ? CROWDS_MANY : sim_random_between(world, 1, CROWDS_FEW);
    storm->publishers = storm->crowd_count * CROWD;
    storm->crowds = calloc(storm->crowd_count, sizeof *storm->crowds);
    if (storm->crowds == NULL)
        abort();
    return storm;
}

static void run(struct sim_world *world)
{
    struct storm *storm = storm_new(world);
    town_build(&storm->town, world, 1, 1, 0);
    set_server(storm);
    for (size_t i = 0; i < storm->crowd_count; i++)
        crowd_come(storm, i);
    town_run_seconds(&storm->town, CONNECT_S);
    must_be_connected(storm, CONNECT_S);
    if (sim_failure(world) == NULL)
        lose_server(storm);
    for (size_t i = 0; i < storm->crowd_count; i++)
        party_stop(&storm->crowds[i].party);
    (void)sim_run(world, sim_now_us(world) + UINT64_C(100) * TOWN_SECOND_US, crowds_are_over,
                  storm);
    town_end(&storm->town);
    free(storm->crowds);
    free(storm);
}

static const enum sim_fault faults[] = {SIM_KILL, SIM_FAULT_KINDS};

const struct scenario scenario_storm = {
    .name = "storm",
    .about = "up to ten thousand publishers whose server goes and comes back",
    .one_in = 1,
    .run = run,
    .faults = faults,
};
