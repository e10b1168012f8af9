/*
 * Wall clocks of hosts that are set forth and back, each at most so far from the right time.
 */
#ifndef TESTS_SIM_CLOCKS_H
#define TESTS_SIM_CLOCKS_H

#include "io/sim/sim.h"

enum { CLOCKS_MAX = 12 };

struct clocks {
    struct sim_world *world;
    uint64_t off_max_s;
    struct sim_host *hosts[CLOCKS_MAX];
    double off_s[CLOCKS_MAX];
    size_t count;
};

void clocks_init(struct clocks *clocks, struct sim_world *world, uint64_t off_max_s);
void clocks_add(struct clocks *clocks, struct sim_host *host);

/* Sets one of them, by chance. */
void clocks_set_one(struct clocks *clocks);

#endif
