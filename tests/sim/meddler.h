/*
 * A machine on the path: whoever connects to it is connected to another address, and it passes on
 * what both sides say. While it is hostile it changes bits, takes bytes away, says bytes again and
 * puts pieces in another order.
 */
#ifndef TESTS_SIM_MEDDLER_H
#define TESTS_SIM_MEDDLER_H

#include "tests/sim/party.h"

struct meddler {
    struct sim_world *world;
    struct party party;
    struct sim_host *host;
    struct addr at;
    struct addr to;
    unsigned per_10000; /* of the pieces that pass, how many it meddles with */
    uint64_t meddled;
};

/* `address` is a literal; it listens at the port that `to` has. It is not started. */
void meddler_init(struct meddler *meddler, struct sim_world *world, const char *address,
                  const struct addr *to);

#endif
