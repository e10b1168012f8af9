/*
 * A process: loops that live and die together, and what the kernel counts for it.
 */
#ifndef IO_SIM_PROCESS_H
#define IO_SIM_PROCESS_H

#include "io/sim/host.h"

/* A process's view of its host's disk; a ghost has none. */
struct io_disk {
    struct disk *disk;
    struct sim_process *process;
};

struct sim_process {
    struct sim_host *host; /* a ghost's for the world and the clocks alone */
    struct list loops;     /* struct io_loop */
    struct io_loop *main;
    struct io_disk disk;
    struct list parcels; /* struct io_parcel */
    bool ghost;
    bool ending; /* since this time: */
    uint64_t ending_since_ms;
    size_t files;    /* descriptors in use */
    size_t working;  /* submitted, not yet done */
    uint64_t random; /* what io_random() answers from */
};

/* Takes a descriptor; false when there is none left. */
bool process_take_file(struct sim_process *process);
void process_drop_file(struct sim_process *process);

#endif
