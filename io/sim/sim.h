/*
 * A world in which roles run without a kernel: hosts with processes, loops, links, TCP, names, a
 * helper pool, clocks and disks, all driven by one queue of events and one seed. The same seed
 * gives the same run, event by event; sim_hash() tells. What a process sees is io/io.h.
 *
 * Everything happens in one thread, inside sim_step(). A scenario acts on a process through
 * sim_process_call(), as its loop would, and on the world from its own events.
 */
#ifndef IO_SIM_SIM_H
#define IO_SIM_SIM_H

#include "io/device.h"
#include "io/io.h"

#include <stdio.h>

struct sim_world;
struct sim_host;
struct sim_process;
struct sim_conn;

/* ---- World, time, chance ---- */

struct sim_world *sim_world_new(uint64_t seed);

/* Every process must have ended (sim_process_end()). */
void sim_world_free(struct sim_world *world);

uint64_t sim_now_us(const struct sim_world *world);
uint64_t sim_random_below(struct sim_world *world, uint64_t bound);

/* From low to high, both included. */
uint64_t sim_random_between(struct sim_world *world, uint64_t low, uint64_t high);

/* True in `per_10000` of 10,000 cases. */
bool sim_chance(struct sim_world *world, unsigned per_10000);

/* Something that happens at a time. Events of the same time happen in the order they were set. */
struct sim_event {
    struct sim_world *world;
    void (*fire)(void *arg);
    void *arg;
    uint64_t at_us;
    size_t slot; /* place in the heap + 1; 0 = not set */
};
void sim_event_init(struct sim_event *event, struct sim_world *world, void (*fire)(void *arg),
                    void *arg);
void sim_event_at(struct sim_event *event, uint64_t at_us); /* sets, or moves */
void sim_event_in(struct sim_event *event, uint64_t delay_us);
void sim_event_cancel(struct sim_event *event);

/* The next event; false when there is none. */
bool sim_step(struct sim_world *world);

/*
 * Steps until until(arg) is true (true), or the time is at_us or nothing is left or a check failed
 * (false). until may be NULL.
 */
bool sim_run(struct sim_world *world, uint64_t at_us, bool (*until)(void *arg), void *arg);

/* check(arg) is called after every event. Stop with sim_fail(). */
void sim_set_check(struct sim_world *world, void (*check)(void *arg), void *arg);

/* Records the first invariant that broke; sim_run() stops. */
void sim_fail(struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *sim_failure(const struct sim_world *world); /* NULL = none */

/* What happened so far, as a number; and as lines. */
uint64_t sim_hash(const struct sim_world *world);
void sim_trace_to(struct sim_world *world, FILE *out);
void sim_trace(struct sim_world *world, const char *what, uint64_t a, uint64_t b, uint64_t c);

/* ---- Faults: counted by kind ---- */

enum sim_fault {
    SIM_SPLIT,       /* a segment shorter than it could be */
    SIM_SHORT_READ,  /* a read answered less than there was */
    SIM_SHORT_WRITE, /* the kernel took less than it had room for */
    SIM_SPURIOUS,    /* an event without a cause */
    SIM_DELAY,       /* a packet late by many round trips */
    SIM_STALL,       /* a host's link held everything for a while */
    SIM_CUT_BOTH,    /* a connection reset, seen by both sides */
    SIM_CUT_ONE,     /* seen by one side at first */
    SIM_NAT_FORGOT,  /* a connection that silently carries nothing any more */
    SIM_HOLE_OUT,    /* a host's packets vanish on their way out */
    SIM_HOLE_IN,     /* … on their way in */
    SIM_REFUSED,     /* a connection refused */
    SIM_UNREACHABLE, /* a host that cannot be reached, told so */
    SIM_BACKLOG,     /* a full accept queue dropped a connection request */
    SIM_NO_FILES,    /* a process out of descriptors */
    SIM_RESET_ATE,   /* a reset destroyed bytes that had arrived */
    SIM_LOOKUP,      /* a name that could not be looked up */
    SIM_SLOW_HELPER, /* blocking work that took long */
    SIM_SLOW_LOOP,   /* a loop that came late to its work */
    SIM_HUNG,        /* a process that does nothing for long, and its kernel all it should */
    SIM_KILL,        /* a process killed */
    SIM_POWER,       /* a host lost power */
    SIM_DISK_LOST,   /* a write that did not survive that */
    SIM_DISK_FULL,   /* a write refused */
    SIM_WALL_JUMP,   /* the wall clock set */
    SIM_FLIPPED,     /* bytes that somebody on the path changed */
    SIM_DROPPED,     /* … took away */
    SIM_REPLAYED,    /* … said again */
    SIM_REORDERED,   /* … put in another order */
    SIM_FAULT_KINDS,
};
const char *sim_fault_name(enum sim_fault fault);
void sim_fault(struct sim_world *world, enum sim_fault fault);
uint64_t sim_faults(const struct sim_world *world, enum sim_fault fault);

/* What a scenario counts of its own, by numbers below SIM_TALLIES that it chooses. */
enum { SIM_TALLIES = 32 };
void sim_tally(struct sim_world *world, unsigned which);
uint64_t sim_tallied(const struct sim_world *world, unsigned which);

/* How likely things go wrong by themselves, in 10,000ths of the occasions; zeros are calm. */
struct sim_weather {
    unsigned split;
    unsigned short_read;
    unsigned short_write;
    unsigned spurious;
    unsigned delay;
    unsigned stall;
    unsigned refuse;
    unsigned lookup_fails;
    unsigned slow_helper;
    unsigned slow_loop;
    unsigned disk_full;
};
void sim_set_weather(struct sim_world *world, const struct sim_weather *weather);

struct sim_totals {
    uint64_t events;
    uint64_t connections;
    uint64_t payload_bytes; /* that arrived */
    uint64_t packets;
    uint64_t packets_lost;
};
struct sim_totals sim_totals(const struct sim_world *world);

/* ---- Hosts ---- */

/* `address` is a literal; more may be added. The name is for traces. */
struct sim_host *sim_host_new(struct sim_world *world, const char *name, const char *address);
void sim_host_add_address(struct sim_host *host, const char *address);
struct sim_world *sim_host_world(const struct sim_host *host);
const char *sim_host_name(const struct sim_host *host);

/* The way between a host and the middle of the network; drawn from the seed where not set. */
struct sim_access {
    uint64_t latency_us;
    uint64_t jitter_us;   /* up to this much more */
    uint64_t bytes_per_s; /* each way; 0 = no limit */
    size_t segment_max;   /* payload of a packet; 0 = as drawn for each connection, up to 64 KiB */
};
void sim_host_set_access(struct sim_host *host, const struct sim_access *access);

/* Kernel buffers of a connection's end on this host; 0 = drawn from the seed for each. */
void sim_host_set_buffers(struct sim_host *host, size_t send, size_t receive);
void sim_host_set_files_max(struct sim_host *host, size_t files); /* 0 = no limit */
void sim_host_set_backlog(struct sim_host *host, size_t connections);

/* From now on: packets out, packets in vanish. */
void sim_host_set_holes(struct sim_host *host, bool out, bool in);
void sim_host_set_refusing(struct sim_host *host, bool refusing);
void sim_host_set_unreachable(struct sim_host *host, bool unreachable);

/* Nothing leaves or arrives for a while, nothing is lost. */
void sim_host_stall(struct sim_host *host, uint64_t for_us);
double sim_host_wall_s(const struct sim_host *host);

/* Sets the wall clock forth or back. */
void sim_host_jump_wall(struct sim_host *host, double jump_s);

/* A random live connection between two hosts (NULL = any), or NULL. */
struct sim_conn *sim_conn_pick(struct sim_world *world, const struct sim_host *a,
                               const struct sim_host *b);

/* Bytes of one direction, from its start: what a process wrote, and what of it is acknowledged. */
struct sim_flow {
    uint64_t written;
    uint64_t acked;
};
struct sim_flow sim_conn_flow(const struct sim_conn *conn, const struct sim_host *from);

enum sim_cut { SIM_CUT_RESET_BOTH, SIM_CUT_RESET_ONE, SIM_CUT_FORGET };
void sim_conn_cut(struct sim_conn *conn, enum sim_cut how);
size_t sim_conn_count(const struct sim_world *world);

/*
 * Shows every byte that arrives, once and in its order: to `to`, on the connection of a number that
 * no other has. NULL ends it.
 */
struct sim_sight {
    uint64_t conn;
    struct addr from;
    struct addr to;
    const uint8_t *bytes;
    size_t len;
};
void sim_watch(struct sim_world *world, void (*watch)(void *arg, const struct sim_sight *sight),
               void *arg);

/* Names: without an entry IO_E_NOT_FOUND. count 0 removes. */
void sim_name_set(struct sim_world *world, const char *name, const char *const *addresses,
                  size_t count);

/* ---- Processes ---- */

/*
 * A process on a host that has none: start(loop, arg) is the first callback of its first loop.
 * A host without power gets it again.
 */
struct sim_process *sim_host_start(struct sim_host *host,
                                   void (*start)(struct io_loop *loop, void *arg), void *arg);
struct sim_process *sim_host_process(const struct sim_host *host); /* NULL = none */
struct sim_host *sim_process_host(const struct sim_process *process);
struct io_loop *sim_process_loop(const struct sim_process *process);

/* fn(loop, arg) on the process's first loop, soon. */
void sim_process_call(struct sim_process *process, void (*fn)(struct io_loop *loop, void *arg),
                      void *arg);

/*
 * The same from outside of the world: steps it until fn has returned (true). False after a second
 * of its time, or when a check failed; fn is not called later then.
 */
bool sim_process_call_wait(struct sim_process *process, void (*fn)(struct io_loop *loop, void *arg),
                           void *arg);

/*
 * SIM_KILL_PROCESS: the kernel closes what was open (end, or reset where bytes were unread).
 * SIM_KILL_POWER: silence; what the disk had not synced may be lost.
 *
 * The process goes on as a ghost, so that its owner can wind it down and free its memory: nothing
 * it does reaches the world, its streams have failed. It is ended with sim_process_end().
 */
enum sim_kill { SIM_KILL_PROCESS, SIM_KILL_POWER };
void sim_process_kill(struct sim_process *process, enum sim_kill how);

/* No loop of it runs for so long; its connections are acknowledged and accepted meanwhile. */
void sim_process_hang(struct sim_process *process, uint64_t for_us);

/*
 * What is left on its loops: timers, tasks, streams (lingering ones not), listeners, lookups, work,
 * messages, buffers. 0 = nothing; else why[] says what.
 */
size_t sim_process_leaks(const struct sim_process *process, char *why, size_t why_len);

/* True while closed streams still linger. */
bool sim_process_lingers(const struct sim_process *process);

/*
 * For a process whose roles are gone, to be called until it is false: ends the closed streams that
 * io_real_run() would wait for no longer (io_close()), and says whether there are others.
 */
bool sim_process_waits(struct sim_process *process);

/* Bytes of pooled buffers out, over all loops. */
size_t sim_process_pool_bytes(const struct sim_process *process);
size_t sim_process_files(const struct sim_process *process);
void sim_process_end(struct sim_process *process);

/* ---- Packet devices ---- */

/*
 * The kernel of a host as its devices see it. A packet that is sent here is one that the host's
 * programs would send; what is received here is what they would get.
 */

/* The open device of that name, or NULL. It stays valid until its process closes it or ends. */
struct io_device *sim_host_device(const struct sim_host *host, const char *name);

/* Gives the device a packet to read; false when its queue is full. offload NULL: complete as it is.
 */
bool sim_device_send(struct io_device *device, const void *packet, size_t len,
                     const struct offload *offload);

/* The oldest packet that was written to it, at most max bytes, which are enough; 0 = none. */
size_t sim_device_receive(struct io_device *device, void *packet, size_t max,
                          struct offload *offload);

/* written(arg) is called as an event of the world when there are packets to be received. */
void sim_device_on_written(struct io_device *device, void (*written)(void *arg), void *arg);

/* As `ip link del`. */
void sim_device_take_away(struct io_device *device);

/* Packets that a device takes before somebody receives them; then writing answers IO_AGAIN. */
void sim_host_set_device_room(struct sim_host *host, size_t packets);

/* False, as of Linux before 6.2: UDP that is to be cut is refused when it is written. */
void sim_host_set_udp_segments(struct sim_host *host, bool can);

/* False: io_device_open() answers IO_E_DENIED. */
void sim_host_set_privileged(struct sim_host *host, bool privileged);

/* A device of somebody else's: its name is taken. */
void sim_host_set_foreign_link(struct sim_host *host, const char *name);

/* A route of somebody else's: ours to the same prefix is refused with IO_E_EXISTS. */
void sim_host_add_route(struct sim_host *host, const struct cidr *to);

/* What was asked for and done. */
bool sim_device_segments(const struct io_device *device);
uint16_t sim_device_mtu(const struct io_device *device);
bool sim_device_has_route(const struct io_device *device, const struct cidr *to);
size_t sim_device_routes(const struct io_device *device); /* how many */
bool sim_device_has_address(const struct io_device *device, const struct cidr *address);
size_t sim_device_addresses(const struct io_device *device);
bool sim_device_everything(const struct io_device *device, unsigned family);

/*
 * True while a family of the host is blocked, by a device or by one of a process that was killed.
 * While it is, and while a device has everything, io_connect() answers IO_E_UNREACHABLE for other
 * hosts, and io_connect_past() works.
 */
bool sim_host_blocked(const struct sim_host *host, unsigned family);

/* How often a hook was run on the host, and the arguments of the last run, NULL after them. */
uint64_t sim_host_hooks(const struct sim_host *host);
const char *sim_host_hook_argument(const struct sim_host *host, size_t index);

/* ---- Disks ---- */

/* Places a file that is synced. */
void sim_disk_put(struct sim_host *host, const char *path, const void *bytes, size_t len,
                  unsigned mode);

/* The content now, NUL terminated, or NULL. Valid until the file is written. */
const char *sim_disk_get(const struct sim_host *host, const char *path, size_t *len);

/*
 * The same for what io/file.h sees; directories above it are made. bytes NULL makes a directory.
 * sim_tree_next() answers the first name in a directory that sorts behind `after` (NULL = at all).
 */
void sim_tree_put(struct sim_host *host, const char *path, const void *bytes, size_t len);
const void *sim_tree_get(const struct sim_host *host, const char *path, size_t *len);
const char *sim_tree_next(const struct sim_host *host, const char *directory, const char *after);

/* A number that no other content of any file of the host has, or had; 0 = there is no such name. */
uint64_t sim_tree_change(const struct sim_host *host, const char *path);

/* The host loses power, or its process is killed, at the n-th step of writing; 0 = not. */
void sim_disk_fail_at(struct sim_host *host, unsigned steps);
void sim_disk_kill_at(struct sim_host *host, unsigned steps, enum sim_kill how);

#endif
