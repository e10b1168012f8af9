/*
 * A connection: two ends and the wires between them. It lasts until no process holds an end and
 * no packet is on its way.
 */
#ifndef IO_SIM_CONN_H
#define IO_SIM_CONN_H

#include "io/sim/tcp.h"

struct sim_conn {
    struct list node;
    struct sim_world *world;
    uint64_t id;
    struct tcp_end ends[2]; /* who asked, who was asked */
    bool forgotten;         /* by a box in the middle: carries nothing any more */
    bool reset_eats;        /* a reset destroys what arrived and was not read */
    struct sim_event end;
};

/* Asks for a connection; TCP_CONNECTED or TCP_FAILED follows. NULL with *error set. */
struct tcp_end *conn_open(struct sim_host *host, const struct addr *to,
                          void (*news)(void *arg, unsigned news), void *arg, int *error);

/* Two ends of a host that are connected already, as those of socketpair(2). Answers the first. */
struct tcp_end *conn_pair(struct sim_host *host);

/* A packet of it was lost: both ends may miss something. */
void conn_lost(struct sim_conn *conn);

/* Lets the connection end when nobody can tell any more that it was there. */
void conn_settle(struct sim_conn *conn);

void conn_free_all(struct sim_world *world);

#endif
