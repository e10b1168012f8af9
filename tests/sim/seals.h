/*
 * Watches every packet that QuickTunTcp engines of this world encrypt (quicktun_box_seal(), by the
 * linker's --wrap): no nonce may come twice under a key, whoever of the two ends used it.
 */
#ifndef TESTS_SIM_SEALS_H
#define TESTS_SIM_SEALS_H

#include "tests/sim/nonces.h"

/* From now on, until seals_end(), which fails the world where one came twice. */
void seals_begin(struct nonces *nonces);
void seals_end(struct nonces *nonces, struct sim_world *world);

#endif
