/*
 * The kernel's side of packet devices, for those who make and end hosts and processes.
 */
#ifndef IO_SIM_DEVICE_H
#define IO_SIM_DEVICE_H

#include "io/sim/loop.h"

/* The process was killed: its devices are gone. What was to be blocked stays so, but for power. */
void device_kill_all(struct io_loop *loop, bool power);

struct io_loop *device_loop(const struct io_device *device);

/* How many devices of a loop are open. */
size_t device_count(const struct io_loop *loop);

/*
 * True when a connection to this address would lead into a device of its host, or is blocked, so
 * that it cannot be made but past it.
 */
bool device_takes(const struct sim_host *host, const struct adit_ip *to);

void device_free_all(struct sim_host *host);

#endif
