/*
 * The two ends of a transfer on simulated loops: a caller that connects and says which transfer it
 * wants, and answerers that serve it. What is between them is the scenario's matter.
 */
#ifndef TESTS_SIM_CALLER_H
#define TESTS_SIM_CALLER_H

#include "tests/sim/transfer.h"

/*
 * Calls from a loop, in one of its callbacks. The caller ends by itself, at the latest after
 * give_up_ms; transfers->running tells how many have not.
 */
void caller_start(struct transfer *transfer, struct io_loop *loop, const struct addr *to,
                  uint64_t give_up_ms);

#endif
