/*
 * The name table of the world.
 */
#ifndef IO_SIM_NAMES_H
#define IO_SIM_NAMES_H

#include "io/sim/world.h"

enum { NAMES_ADDRESSES_MAX = 8 };

/* The addresses of a name, in its order; 0 where there are none. */
size_t names_find(const struct sim_world *world, const char *name,
                  struct adit_ip out[NAMES_ADDRESSES_MAX]);
void names_free_all(struct sim_world *world);

#endif
