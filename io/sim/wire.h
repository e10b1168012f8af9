/*
 * One direction between two hosts: packets arrive in the order sent, each after the time that the
 * links on the way take, or never.
 */
#ifndef IO_SIM_WIRE_H
#define IO_SIM_WIRE_H

#include "io/sim/host.h"

enum packet_kind {
    PACKET_REQUEST, /* SYN */
    PACKET_ANSWER,  /* SYN, ACK */
    PACKET_DATA,    /* bytes, an end, an acknowledgement, a probe */
    PACKET_RESET,
    PACKET_UNREACHABLE, /* ICMP */
};

struct packet {
    uint64_t arrives_us;
    uint64_t offset;
    uint64_t ack;
    uint64_t edge;
    uint64_t stamp_us; /* when it was sent; as TCP's timestamps (RFC 7323) */
    uint64_t echo_us;  /* the stamp of what it acknowledges */
    uint64_t gap_us;   /* the stamp of the newest that came behind a gap */
    uint32_t len;
    uint8_t kind;
    bool fin;
    bool probe; /* to be acknowledged in any case */
};

struct wire {
    struct sim_world *world;
    struct packet *packets; /* a ring */
    size_t first;
    size_t count;
    size_t room;
    struct sim_event event;
    uint64_t last_us;
    void (*arrived)(void *arg, const struct packet *packet);
    void *arg;
};

void wire_init(struct wire *wire, struct sim_world *world,
               void (*arrived)(void *arg, const struct packet *packet), void *arg);
void wire_clear(struct wire *wire);

/* True while no packet gets from one host to the other. */
bool wire_hole(const struct sim_host *from, const struct sim_host *to);

/* Sends a packet from a host to another one (NULL = nobody there). False: it is lost. */
bool wire_send(struct wire *wire, struct sim_host *from, struct sim_host *to,
               const struct packet *packet);

#endif
