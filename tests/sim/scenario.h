/*
 * A scenario: a small world, what goes wrong in it, and what must hold all the same. One file
 * each, listed in main.c.
 */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "io/sim/sim.h"

struct scenario {
    const char *name;
    const char *about;
    unsigned one_in; /* of the seeds asked for, every so many is run: 1 = all */
    /* Builds, runs and ends everything; sim_fail() where something does not hold. */
    void (*run)(struct sim_world *world);
    /* Kinds of fault that must come in at least 1 % of the seeds; ends with SIM_FAULT_KINDS. */
    const enum sim_fault *faults;
    /*
     * Names of what is counted by sim_tally(), NULL = nothing; ends with NULL. Each is to come in
     * at least 1 % of the seeds, too.
     */
    const char *const *tallies;
};

extern const struct scenario scenario_echo;
extern const struct scenario scenario_tunnel;
extern const struct scenario scenario_bulk;
extern const struct scenario scenario_hostile;
extern const struct scenario scenario_reconnect;
extern const struct scenario scenario_storm;
extern const struct scenario scenario_supersede;
extern const struct scenario scenario_stall;
extern const struct scenario scenario_renewal;
extern const struct scenario scenario_revocation;
extern const struct scenario scenario_send;
extern const struct scenario scenario_vpn;
extern const struct scenario scenario_world;

#endif
