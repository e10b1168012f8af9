/*
 * What a process may do beyond its user's rights (capabilities(7)).
 */
#ifndef IO_REAL_CAPABILITY_H
#define IO_REAL_CAPABILITY_H

#include <stdbool.h>

/* True when this process may change the network. */
bool capability_network(void);

/* From now on changing the network is all that is in force; false when that is refused. */
bool capability_only_network(void);

/* … and nothing else can come into force again, also not for programs that it starts. */
bool capability_no_others(void);

/* Everything that capability_only_network() has left: for a program that is started next. */
bool capability_restore(void);

#endif
