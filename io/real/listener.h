/*
 * What a listener listens on, for those that accept by other means.
 */
#ifndef IO_REAL_LISTENER_H
#define IO_REAL_LISTENER_H

#include "io/io.h"

/* Stays the listener's. Any thread. */
int listener_fd(const struct io_listener *listener);

#endif
