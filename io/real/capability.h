/*
 * What a process may do beyond its user's rights (capabilities(7)).
 */
#ifndef IO_REAL_CAPABILITY_H
#define IO_REAL_CAPABILITY_H

#include <stdbool.h>

/* True when this process may change the network. */
bool capability_network(void);

/*
 * From now on changing the network is all that is in force, until capability_restore(). False when
 * that is refused.
 */
bool capability_only_network(void);

/* The same for good, also for programs that it starts. */
bool capability_no_others(void);

/* None at all, for good, ambient ones included. Another user id does the same. */
bool capability_drop_all(void);

/* What was in force before capability_only_network(), or could have been. */
bool capability_restore(void);

#endif
