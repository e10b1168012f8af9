/*
 * What the helper process of a simulated device does: addresses, routes, everything, the hook.
 */
#ifndef IO_SIM_ROUTES_H
#define IO_SIM_ROUTES_H

#include "io/sim/device.h"

/* The entry of a list with this address or prefix, or NULL. */
struct device_entry *routes_find(const struct list *head, const struct cidr *to);

/* Gives it an address, without waiting. */
void routes_address(struct io_device *device, const struct io_device_address *address);

/* Does the next of what waits: device->work. Asks for ENTRY_SETTLE: device->settle. */
void routes_work(void *device);
void routes_settle(void *device);

/* Ends the blocks of this device; of devices whose process died, where it is NULL. */
void routes_unblock(struct sim_host *host, const struct io_device *device);

/*
 * True when a connection to this address would lead into a device of its host, or is blocked, so
 * that it cannot be made but past it.
 */
bool routes_take(const struct sim_host *host, const struct adit_ip *to);

/* The host goes. */
void routes_free(struct sim_host *host);

#endif
