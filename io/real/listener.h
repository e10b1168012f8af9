/*
 * What a listener listens on, for those that accept by other means.
 */
#ifndef IO_REAL_LISTENER_H
#define IO_REAL_LISTENER_H

#include "io/io.h"

/* io_listen() on a TCP socket, which it owns from then on, also when this fails. */
struct io_listener *listener_listen(struct io_loop *loop, int fd, const struct addr *at,
                                    const struct io_listener_handler *handler, void *arg,
                                    int *error);

/* Stays the listener's. Any thread. */
int listener_fd(const struct io_listener *listener);

#endif
