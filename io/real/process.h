/*
 * What a process asks of the machine once, before it opens anything: limits and hardening. User,
 * memory and supervisor are the program's affair (cli/process.h, cli/memory.h); a filter of system
 * calls and of paths belongs after the user has changed and before the first byte of the network is
 * read.
 */
#ifndef IO_REAL_PROCESS_H
#define IO_REAL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* No core dumps and no debugger of the same user: memory holds keys. False when refused. */
bool io_process_no_dumps(void);

/*
 * Raises the limit of open files to what the hard limit allows. Returns the limit now in force, 0
 * when it cannot be told.
 */
uint64_t io_process_raise_files(void);

/* Processors that this process may use: its affinity and its cgroups' cpu.max. At least 1. */
unsigned io_process_processors(void);

/*
 * How many processors control groups (version 2) allow, rounded up; UINT_MAX where no limit is
 * set or can be read. `list` is like /proc/self/cgroup, `mount` like /sys/fs/cgroup.
 */
unsigned io_process_cgroup_processors(const char *list, const char *mount);

#endif
