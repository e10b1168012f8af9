/*
 * The system calls that a process keeps once it runs (seccomp(2)); see sandbox.h.
 */
#ifndef IO_REAL_SYSCALLS_H
#define IO_REAL_SYSCALLS_H

#include <stdbool.h>

/*
 * Ends the process at any call that its threads do not need from now on. `connects` adds what
 * looking names up and connecting need, `writes` what changes files. Returns 0 or an errno.
 */
int syscalls_limit(bool connects, bool writes);

#endif
