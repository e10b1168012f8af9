/*
 * io_listener on simulated TCP.
 */
#ifndef IO_SIM_LISTENER_H
#define IO_SIM_LISTENER_H

#include "io/sim/loop.h"

/* The process was killed: its listeners lose their sockets. */
void listener_kill_all(struct io_loop *loop, bool power);

#endif
