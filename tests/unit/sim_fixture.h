/* The simulated pair of hosts that each test has anew. */
#ifndef TESTS_UNIT_SIM_FIXTURE_H
#define TESTS_UNIT_SIM_FIXTURE_H

#include "sim_pair.h"

extern struct pair pair;

/*
 * For cmocka_unit_test_setup_teardown(). pair_hang_up() resets what a test left of the connection,
 * pair_teardown() has it that nothing was left.
 */
int pair_setup(void **state);
int pair_hang_up(void **state);
int pair_teardown(void **state);

#endif
