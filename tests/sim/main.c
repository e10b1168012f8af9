/*
 * Runs scenarios in simulated worlds: build/tests/sim --seeds 1-200 [--scenario NAME]. A failing
 * seed is told with the command that runs it again, exactly.
 */
#include "tests/sim/scenario.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct scenario *const scenarios[] = {
    &scenario_echo,      &scenario_tunnel, &scenario_bulk,      &scenario_hostile,
    &scenario_reconnect, &scenario_storm,  &scenario_supersede, &scenario_stall,
    &scenario_send,      &scenario_vpn,    &scenario_renewal,   &scenario_revocation,
    &scenario_world};

enum {
    SCENARIO_COUNT = sizeof scenarios / sizeof scenarios[0],
    SEEDS_FOR_RATES = 200,          /* fewer say nothing about how often a fault comes */
    KEEP_BYTES = 256 * 1024 * 1024, /* of memory, from one world to the next */
};

struct options {
    uint64_t first;
    uint64_t last;
    const char *scenario;
    const char *program;
    bool verbose;
    bool trace;
};

struct sums {
    uint64_t seeds;
    uint64_t failed;
    uint64_t simulated_us;
    struct sim_totals totals;
    uint64_t seeds_with[SIM_FAULT_KINDS];
    uint64_t tallied[SIM_TALLIES];
    uint64_t seeds_tallied[SIM_TALLIES];
};

/* Runs one seed; returns the hash of the run. */
static uint64_t run_seed(const struct scenario *scenario, uint64_t seed,
                         const struct options *options, struct sums *sums)
{
    struct sim_world *world = sim_world_new(seed);
    uint64_t start_us = sim_now_us(world);
    if (options->trace)
        sim_trace_to(world, stdout);
    scenario->run(world);

    struct sim_totals totals = sim_totals(world);
    uint64_t hash = sim_hash(world);
    sums->seeds++;
    sums->simulated_us += sim_now_us(world) - start_us;
    sums->totals.events += totals.events;
    sums->totals.connections += totals.connections;
    sums->totals.payload_bytes += totals.payload_bytes;
    for (int fault = 0; fault < SIM_FAULT_KINDS; fault++)
        sums->seeds_with[fault] += sim_faults(world, (enum sim_fault)fault) > 0 ? 1 : 0;
    for (unsigned which = 0; which < SIM_TALLIES; which++) {
        sums->tallied[which] += sim_tallied(world, which);
        sums->seeds_tallied[which] += sim_tallied(world, which) > 0 ? 1 : 0;
    }
    if (options->verbose)
        printf("%s seed %" PRIu64 ": %.1f s, %" PRIu64 " bytes, %" PRIu64
               " events, hash %016" PRIx64 "\n",
               scenario->name, seed, (double)(sim_now_us(world) - start_us) / 1e6,
               totals.payload_bytes, totals.events, hash);
    if (sim_failure(world) != NULL) {
        sums->failed++;
        printf("FAILED %s seed %" PRIu64 ": %s\n  again: %s --scenario %s --seeds %" PRIu64
               " --trace\n",
               scenario->name, seed, sim_failure(world), options->program, scenario->name, seed);
        fflush(stdout);
        return hash; /* the world stays as it broke off */
    }
    sim_world_free(world);
    fflush(stdout);
    return hash;
}

/* The same seed must give the same run, or no failure could be looked at again. */
static bool is_deterministic(const struct scenario *scenario, const struct options *options,
                             uint64_t first)
{
    struct options quiet = *options;
    quiet.trace = false;
    quiet.verbose = false;
    struct sums unused = {0};
    uint64_t second = run_seed(scenario, options->first, &quiet, &unused);
    if (first != second)
        printf("FAILED %s seed %" PRIu64 ": two runs differ: %016" PRIx64 ", %016" PRIx64 "\n",
               scenario->name, options->first, first, second);
    return first == second;
}

static void print_sums(const struct scenario *scenario, const struct sums *sums)
{
    printf("%-10s %" PRIu64 " seeds, %.0f simulated minutes, %.1f MB, %" PRIu64
           " connections, %" PRIu64 " events, %" PRIu64 " failed\n",
           scenario->name, sums->seeds, (double)sums->simulated_us / 60e6,
           (double)sums->totals.payload_bytes / 1e6, sums->totals.connections, sums->totals.events,
           sums->failed);
    printf("           seeds with");
    for (int fault = 0; fault < SIM_FAULT_KINDS; fault++) {
        if (sums->seeds_with[fault] > 0)
            printf(" %s %.1f%%", sim_fault_name((enum sim_fault)fault),
                   100.0 * (double)sums->seeds_with[fault] / (double)sums->seeds);
    }
    printf("\n");
    if (scenario->tallies == NULL)
        return;
    printf("           counted:");
    for (unsigned which = 0; scenario->tallies[which] != NULL; which++)
        printf(" %s %" PRIu64, scenario->tallies[which], sums->tallied[which]);
    printf("\n");
}

/* In 1 % of the seeds at least. */
static bool came(const struct scenario *scenario, const struct sums *sums, const char *what,
                 uint64_t seeds)
{
    if (seeds * 100 >= sums->seeds)
        return true;
    printf("FAILED %s: %s came in %" PRIu64 " of %" PRIu64 " seeds, under 1 %%\n", scenario->name,
           what, seeds, sums->seeds);
    return false;
}

static bool faults_came(const struct scenario *scenario, const struct sums *sums)
{
    bool all = true;
    for (const enum sim_fault *fault = scenario->faults; *fault != SIM_FAULT_KINDS; fault++)
        all = came(scenario, sums, sim_fault_name(*fault), sums->seeds_with[*fault]) && all;
    for (unsigned which = 0; scenario->tallies != NULL && scenario->tallies[which] != NULL; which++)
        all = came(scenario, sums, scenario->tallies[which], sums->seeds_tallied[which]) && all;
    return all;
}

static bool run_scenario(const struct scenario *scenario, const struct options *options)
{
    struct sums sums = {0};
    uint64_t first = run_seed(scenario, options->first, options, &sums);
    for (uint64_t seed = options->first + scenario->one_in; seed <= options->last;
         seed += scenario->one_in)
        (void)run_seed(scenario, seed, options, &sums);
    print_sums(scenario, &sums);
    bool good = sums.failed == 0;
    if (options->last - options->first + 1 >= SEEDS_FOR_RATES)
        good = faults_came(scenario, &sums) && good;
    if (!options->trace)
        good = is_deterministic(scenario, options, first) && good;
    return good;
}

static int usage(const char *program, FILE *out)
{
    fprintf(out,
            "usage: %s --seeds A-B [--scenario NAME] [--verbose] [--trace]\n"
            "       %s --list\n",
            program, program);
    return out == stdout ? 0 : 2;
}

static bool parse_seeds(const char *text, struct options *options)
{
    char *end;
    errno = 0;
    options->first = strtoull(text, &end, 10);
    options->last = options->first;
    if (end != text && *end == '-') {
        text = end + 1;
        options->last = strtoull(text, &end, 10);
    }
    return end != text && *end == '\0' && errno == 0 && options->first <= options->last &&
           options->last < UINT64_MAX;
}

static int list(void)
{
    for (size_t i = 0; i < SCENARIO_COUNT; i++)
        printf("%-10s %s\n", scenarios[i]->name, scenarios[i]->about);
    return 0;
}

static int run(const struct options *options)
{
    bool good = true;
    size_t found = 0;
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        if (options->scenario != NULL && strcmp(options->scenario, scenarios[i]->name) != 0)
            continue;
        found++;
        good = run_scenario(scenarios[i], options) && good;
    }
    if (found == 0) {
        fprintf(stderr, "no scenario is named \"%s\"; --list names them\n", options->scenario);
        return 2;
    }
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 's'},
        {"scenario", required_argument, NULL, 'n'},
        {"verbose", no_argument, NULL, 'v'},
        {"trace", no_argument, NULL, 't'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.first = 1, .last = 0, .program = argv[0]};
    int option;
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 's':
            if (!parse_seeds(optarg, &options))
                return usage(argv[0], stderr);
            break;
        case 'n':
            options.scenario = optarg;
            break;
        case 'v':
            options.verbose = true;
            break;
        case 't':
            options.trace = true;
            break;
        case 'l':
            return list();
        case 'h':
            return usage(argv[0], stdout);
        default:
            return usage(argv[0], stderr);
        }
    }
    if (options.first > options.last || optind < argc)
        return usage(argv[0], stderr);
    int status = run(&options);
    fflush(stdout);
    if (status != 0)
        _exit(status); /* worlds that broke off are no leaks to tell */
    return 0;
}
