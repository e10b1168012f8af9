/*
 * A packet device of a simulated host: the object that its process has, and the kernel's side of
 * it.
 */
#ifndef IO_SIM_DEVICE_H
#define IO_SIM_DEVICE_H

#include "io/device.h"
#include "io/sim/loop.h"

struct device_packet {
    struct list node;
    struct offload offload;
    size_t len;
    uint8_t bytes[];
};

/* A route or an address, and in the queue what is to become of it. */
struct device_entry {
    struct list node;
    enum { ENTRY_ROUTE, ENTRY_ADDRESS, ENTRY_EVERYTHING, ENTRY_SETTLE } kind;
    struct cidr to; /* of ENTRY_EVERYTHING the family alone */
    bool on;
    bool block;
    int error; /* why it was refused */
};

struct io_device {
    struct list node; /* of the loop's devices */
    struct list here; /* of the host's devices */
    struct io_loop *loop;
    struct sim_host *host; /* NULL = the process was killed */
    struct loop_source source;
    const struct io_device_handler *handler;
    void *arg;
    char name[IO_DEVICE_NAME_MAX];
    enum io_device_kind kind;
    bool segments;
    uint16_t mtu;
    bool has_hook;
    int gone;        /* why it was taken away; then it is told */
    bool readable;   /* to be told */
    struct list in;  /* from the kernel */
    struct list out; /* to the kernel */
    size_t in_count;
    size_t out_count;
    struct list routes;
    struct list addresses;
    bool everything[2]; /* IPv4, IPv6 */
    struct list waiting;
    size_t waiting_count;
    struct sim_event work; /* the helper process does the next of `waiting` */
    struct list refused;   /* to be told */
    struct io_task settle;
    struct sim_event took; /* tells the scenario of a packet in `out` */
    void (*written)(void *arg);
    void *written_arg;
};

/* 0 for IPv4, 1 for IPv6. */
size_t device_family(unsigned family);

struct device_packet *device_packet_new(const void *bytes, size_t len,
                                        const struct offload *offload);

/* Frees packets or entries: both start with their node. */
void device_free_list(struct list *head);

void device_tell_readable(struct io_device *device);

/* It is gone, and its process is told. */
void device_take_away(struct io_device *device);

/* The process was killed: its devices are gone. What was to be blocked stays so, but for power. */
void device_kill_all(struct io_loop *loop, bool power);

/* How many devices of a loop are open. */
size_t device_count(const struct io_loop *loop);

#endif
