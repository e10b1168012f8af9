/*
 * What the machine gives this process: processors and memory, less where a control group of either
 * version limits them. A group is limited by every group above it too.
 */
#ifndef IO_REAL_MACHINE_H
#define IO_REAL_MACHINE_H

#include <stdint.h>

/* Processors that this process may use: its affinity and its groups' quotas. At least 1. */
unsigned io_machine_processors(void);

/* Bytes of memory that this process may use; 0 when nothing can be found out. */
uint64_t io_machine_memory(void);

/*
 * From now on a thread keeps 16 to 64 KiB of freed memory behind the last that it uses. The C
 * library's own 128 KiB for each thread are as much as a hundred idle peers have.
 */
void io_machine_return_memory(void);

/*
 * The least that the control groups of this process allow: processors, a part of one counted as a
 * whole one, and bytes. UINT64_MAX where no limit is set or can be read. `root` is where /proc and
 * /sys stand: "" but in tests.
 */
uint64_t io_machine_group_processors(const char *root);
uint64_t io_machine_group_memory(const char *root);

#endif
