/*
 * Listening sockets that the process was started with, by the protocol of sd_listen_fds(3): they
 * stay open while it is restarted, and nobody who connects meanwhile is refused.
 */
#ifndef IO_REAL_INHERITED_H
#define IO_REAL_INHERITED_H

#include "io/io.h"

enum { INHERITED_MAX = 64 };

struct inherited {
    int fds[INHERITED_MAX]; /* -1: taken, or not one to listen on */
    size_t count;
};

/* Reads the environment, once: it is as if nothing had been inherited afterwards. */
void inherited_read(struct inherited *inherited);

/* The TCP socket that listens on this address, the caller's from now on; -1 when there is none. */
int inherited_take(struct inherited *inherited, const struct addr *at);

/* The address of a socket that nobody has taken, which is closed; false when there is no more. */
bool inherited_drop(struct inherited *inherited, struct addr *at);

#endif
