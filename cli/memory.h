/*
 * How much memory this process may use.
 */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include <stddef.h>

/*
 * The machine's memory, or less where a control group (version 1 or 2) limits this process, in
 * bytes. `root` is where /proc and /sys stand: "" but in tests. 0 when nothing can be found out.
 */
size_t memory_total(const char *root, size_t machine);

/* The machine's memory in bytes; 0 when it is unknown. */
size_t memory_of_machine(void);

#endif
