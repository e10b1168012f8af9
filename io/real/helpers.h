/*
 * A small pool of threads for what can block. It belongs to all loops together.
 */
#ifndef IO_REAL_HELPERS_H
#define IO_REAL_HELPERS_H

#include "io/real/loop.h"

/* Embedded in what is to be done. */
struct job {
    struct io_message answer; /* posted to the loop when the work is over */
    struct list node;         /* in the queue, or among those that run */
    struct io_loop *loop;     /* NULL = nobody waits any more */
    bool running;
    void (*work)(struct job *job);
    void (*discard)(struct job *job); /* instead of an answer, on any thread */
};

struct helpers;

/* NULL without memory. Threads are started when jobs come. */
struct helpers *helpers_new(unsigned threads_max);

/* Ends the threads; one that is stuck in a job ends by itself later. */
void helpers_close(struct helpers *helpers);

/* Queues a job whose answer, work and discard are set. Returns 0, IO_E_FULL, IO_E_NO_MEMORY. */
int helpers_submit(struct helpers *helpers, struct io_loop *loop, struct job *job);

/* Takes a job back out of the queue; false when it runs or has been answered. */
bool helpers_withdraw(struct helpers *helpers, struct job *job);

/* Discards every job of a loop that is about to end, now or when its work is over. */
void helpers_forget_loop(struct helpers *helpers, struct io_loop *loop);

#endif
