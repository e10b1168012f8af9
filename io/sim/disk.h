/*
 * The disk of a host: files by path, and of each what would be left without power.
 */
#ifndef IO_SIM_DISK_H
#define IO_SIM_DISK_H

#include "io/sim/host.h"

struct disk *disk_new(struct sim_host *host);
void disk_free(struct disk *disk);

struct io_disk;
struct tree;
struct tree *disk_tree(const struct disk *disk);

/* Before each step of a change: false when the process was killed by it and is a ghost now. */
bool disk_step(struct io_disk *view);

/* Draws whether there is no room for what is written now. */
bool disk_is_full(struct io_disk *view);

/* What was not synced is, file by file, there as a whole, in part, or as before. */
void disk_lose_power(struct disk *disk);

#endif
