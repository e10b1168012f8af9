/* The ends of a VPN that each test has anew, two or three. */
#ifndef TESTS_UNIT_VPN_FIXTURE_H
#define TESTS_UNIT_VPN_FIXTURE_H

#include "vpn_ends.h"

extern struct ends ends;

/* For cmocka_unit_test_setup_teardown(). */
int ends_two(void **state);
int ends_three(void **state);
int ends_teardown(void **state);

#endif
