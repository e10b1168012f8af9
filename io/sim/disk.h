/*
 * The disk of a host: files by path, and of each what would be left without power.
 */
#ifndef IO_SIM_DISK_H
#define IO_SIM_DISK_H

#include "io/sim/host.h"

struct disk *disk_new(struct sim_host *host);
void disk_free(struct disk *disk);

/* What was not synced is, file by file, there as a whole, in part, or as before. */
void disk_lose_power(struct disk *disk);

#endif
