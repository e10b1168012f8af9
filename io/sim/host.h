/*
 * A simulated machine: its addresses, its way into the network, what listens on it, its disk and
 * its process.
 */
#ifndef IO_SIM_HOST_H
#define IO_SIM_HOST_H

#include "base/map.h"
#include "io/device.h"
#include "io/sim/world.h"

enum { HOST_NAME_MAX_LEN = 32, HOST_ADDRESSES_MAX = 4, HOST_DEVICE_ROOM = 500 };

struct disk;

struct sim_host {
    struct list node; /* of the world's hosts */
    struct sim_world *world;
    char name[HOST_NAME_MAX_LEN];
    uint64_t id;
    struct adit_ip addresses[HOST_ADDRESSES_MAX];
    size_t address_count;
    struct sim_access access;
    uint64_t out_free_us; /* when the link has sent what it was given */
    uint64_t in_free_us;
    uint64_t stalled_until_us;
    size_t send_buffer;
    size_t receive_buffer;
    size_t files_max;
    size_t backlog;
    bool hole_out;
    bool hole_in;
    bool refusing;
    bool unreachable;
    bool powered;
    double wall_offset_s;
    uint16_t next_port;
    struct list ports; /* what listens: struct port */
    struct disk *disk;
    struct sim_process *process; /* NULL = none */

    struct list devices; /* packet devices: struct io_device */
    struct list routes;  /* of others than our devices */
    bool privileged;     /* may open devices */
    bool blocked[2];     /* IPv4, IPv6: leaves past a device alone */
    void *blocker[2];    /* the device that asked for it, NULL = one of a process that died */
    size_t device_room;  /* packets that a device takes before somebody receives them */
    bool no_udp_segments;
    char foreign_link[IO_DEVICE_NAME_MAX];
    struct sim_event hook_end; /* of the hook that runs */
    uint64_t hooks;            /* that ran */
    struct host_hook {
        size_t count; /* arguments */
        char text[256];
    } hook, next_hook; /* the last one that ran, and one that waits for its end */
    bool hook_waits;
};

struct sim_host *host_find(struct sim_world *world, const struct adit_ip *ip);
bool host_has(const struct sim_host *host, const struct adit_ip *ip);

/* The address with which the host speaks to an address of a family; false when it has none. */
bool host_source(const struct sim_host *host, uint8_t family, struct adit_ip *ip);
uint16_t host_free_port(struct sim_host *host);
void host_free_all(struct sim_world *world);

#endif
