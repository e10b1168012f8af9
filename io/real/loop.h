/*
 * A loop of io/real: an event_base of libevent, the common core, and what other threads hand in.
 * libevent's callbacks only note what became ready; after the wait the clock is read once, and
 * then everything that is ready is called. So callbacks never run inside libevent.
 */
#ifndef IO_REAL_LOOP_H
#define IO_REAL_LOOP_H

#include "base/list.h"
#include "io/core.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>

enum { LOOP_RANDOM_LEN = 512 };

/* A descriptor on a loop. It may be called for the same readiness again: see source_again(). */
struct source {
    struct event event;
    struct list ready; /* in the loop's ready list, or alone */
    struct io_loop *loop;
    void (*dispatch)(struct source *source, short what);
    short what; /* EV_*, noted for dispatch */
};

struct io_loop {
    struct io_core core;
    struct event_base *base;
    struct list ready;      /* sources to be called in this or the next round */
    struct source *current; /* being called; NULL once it is off the loop */

    struct source timer;
    uint64_t timer_at_ms; /* what the timerfd is set to; UINT64_MAX = nothing */

    struct source wake; /* the eventfd of `posts` */
    pthread_mutex_t lock;
    struct io_message *posts; /* under lock */
    struct io_message **posts_end;

    struct signal_source *signals; /* of io_real_on_signal() */
    struct helpers *helpers;
    size_t jobs; /* of io_submit(), not answered */

    struct list lingering; /* streams after io_close() */
    size_t lingering_count;

    bool stopping;
    pthread_t thread; /* of a worker */

    size_t random_left;
    uint8_t random[LOOP_RANDOM_LEN];
};

/* A loop that uses these helpers, with the log of another one. NULL with *error set. */
struct io_loop *loop_new(log_sink_fn *sink, void *sink_arg, enum log_level max_level,
                         struct helpers *helpers, int *error);
void loop_free(struct io_loop *loop);

/* Runs until loop->stopping, then winds down as io_real_run() says. */
void loop_run(struct io_loop *loop);

/* Waits until something happens, and calls what is to be called for it. */
void loop_round(struct io_loop *loop);

/*
 * Watches a descriptor, EV_* in events. The source has no other state to be set up. Returns 0 or
 * an error.
 */
int source_add(struct source *source, struct io_loop *loop, int fd, short events,
               void (*dispatch)(struct source *source, short what));

/* Off the loop: not called any more. The descriptor stays open. */
void source_remove(struct source *source);

/* Calls it in the next round with these events as well. */
void source_again(struct source *source, short what);

int source_fd(const struct source *source);

/* False when a callback took the source being dispatched off the loop. */
bool source_alive(const struct io_loop *loop, const struct source *source);

#endif
