/*
 * A socket that listens, and its queue of connections that wait to be accepted.
 */
#ifndef IO_SIM_PORT_H
#define IO_SIM_PORT_H

#include "io/sim/tcp.h"

struct port {
    struct list node; /* of the host's ports */
    struct sim_host *host;
    struct addr addr;  /* family 0: a Unix socket */
    char *path;        /* of a Unix socket */
    struct list queue; /* ends that wait to be accepted */
    size_t queue_len;
    size_t backlog;
    void (*arrived)(void *arg);
    void *arg;
};

/* Binds; port 0 picks one. arrived(arg) is called when a connection waits. NULL with *error set. */
struct port *port_open(struct sim_host *host, const struct addr *at, void (*arrived)(void *arg),
                       void *arg, int *error);

/* The oldest connection that waits, or NULL. */
struct tcp_end *port_accept(struct port *port);

/* Who waits gets a reset; or nothing, without power. */
void port_close(struct port *port, bool power);

enum port_verdict { PORT_TAKEN, PORT_REFUSED, PORT_DROPPED };

/* What becomes of a connection request to this end. */
enum port_verdict port_request(struct tcp_end *end);

/* The request was taken: the end waits to be accepted. */
void port_queue(struct tcp_end *end);

#endif
