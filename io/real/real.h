/*
 * The kernel's implementation of io.h: how a program makes its first loop and runs it.
 */
#ifndef IO_REAL_REAL_H
#define IO_REAL_REAL_H

#include "io/io.h"
#include "io/log.h"

enum { IO_REAL_HELPERS = 2 };

struct io_real_options {
    enum log_level log_level; /* above it nothing is written */
    log_sink_fn *log_sink;    /* called from every worker's thread; NULL = standard error */
    void *log_sink_arg;
    unsigned helpers; /* threads that may block, started when needed; 0 = IO_REAL_HELPERS */
    /*
     * io_listen() on this loop takes over the sockets that the process was started with
     * (sd_listen_fds(3)) where one listens on the address: who connects while the process is
     * restarted waits in it.
     */
    bool inherit;
};

/*
 * The first loop, for the calling thread; io_worker_start() makes more. options may be NULL.
 * SIGPIPE is ignored from here on. NULL with *error set.
 */
struct io_loop *io_real_new(const struct io_real_options *options, int *error);

/*
 * Runs the loop until io_real_stop(), then until what io_submit() was given is done and closed
 * streams have been waited for as io_close() says, IO_LINGER_MS at most.
 */
void io_real_run(struct io_loop *loop);

/* Called on the loop, or before it runs: then the run ends at once. */
void io_real_stop(struct io_loop *loop);

/*
 * Blocks the signal in this thread, and in those it starts later, and calls fn(arg) on the loop
 * when it comes. Returns 0 or an error. Before io_worker_start().
 */
int io_real_on_signal(struct io_loop *loop, int signo, void (*fn)(void *arg), void *arg);

/* An inherited socket that no io_listen() has taken, which is closed; false: there is no more. */
bool io_real_drop_inherited(struct io_loop *loop, struct addr *at);

/* Workers must have been joined, streams and listeners closed. */
void io_real_free(struct io_loop *loop);

#endif
