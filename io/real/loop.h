/*
 * A loop of io/real: an epoll instance, the common core, and what other threads hand in. The wait
 * only notes what became ready; then the clock is read once, and everything that is ready is
 * called. So a callback may close anything, whatever the same wait has told of it.
 */
#ifndef IO_REAL_LOOP_H
#define IO_REAL_LOOP_H

#include "base/list.h"
#include "io/core.h"

#include <pthread.h>
#include <sys/epoll.h>

enum { LOOP_RANDOM_LEN = 512 };

/* What became ready. */
enum source_event {
    SOURCE_READ = EPOLLIN,
    SOURCE_WRITE = EPOLLOUT,
    SOURCE_END = EPOLLRDHUP | EPOLLHUP, /* the other side's end; there may be bytes first */
    SOURCE_ERROR = EPOLLERR,
    SOURCE_AGAIN = 1 << 29, /* of source_again(): nothing new is known */
};

/* How a descriptor is watched. */
enum source_watch {
    WATCH_EDGES,      /* each change of everything, once */
    WATCH_READ_EDGES, /* bytes that came, once */
    WATCH_READ,       /* bytes, as long as there are some */
};

/* A descriptor on a loop. It may be called for the same readiness again: see source_again(). */
struct source {
    struct list ready; /* in the loop's ready list, or alone */
    struct io_loop *loop;
    void (*dispatch)(struct source *source, uint32_t what);
    int fd;
    uint32_t what; /* of enum source_event, noted for dispatch */
};

struct io_loop {
    struct io_core core;
    int epoll_fd;
    struct event_base *guest;  /* libevent's, of loop_event_base(), or NULL */
    struct event *guest_watch; /* of epoll_fd, in the guest's wait */
    struct list ready;         /* sources to be called in this or the next round */
    struct source *current;    /* being called; NULL once it is off the loop */

    struct source timer;
    uint64_t timer_at_ms; /* what the timerfd is set to; UINT64_MAX = nothing */

    struct source wake; /* the eventfd of `posts` */
    pthread_mutex_t lock;
    struct io_message *posts; /* under lock */
    struct io_message **posts_end;

    struct signal_source *signals; /* of io_real_on_signal() */
    struct helpers *helpers;
    struct inherited *inherited; /* listening sockets, of the first loop; or NULL */
    size_t jobs;                 /* of io_submit(), not answered */

    struct list lingering; /* streams after io_close() */
    struct list flushed;   /* of them those that have sent everything */
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

/*
 * An event_base that is served by this loop, for libraries that want one; made when it is first
 * asked for. Where there is one, the loop waits in it, and it watches the loop's epoll instance.
 * NULL without memory.
 */
struct event_base *loop_event_base(struct io_loop *loop);

/* Waits until something happens, and calls what is to be called for it. */
void loop_round(struct io_loop *loop);

/*
 * Watches a descriptor. The source has no other state to be set up. Returns 0 or an error; then
 * source->fd is set all the same.
 */
int source_add(struct source *source, struct io_loop *loop, int fd, enum source_watch watch,
               void (*dispatch)(struct source *source, uint32_t what));

/* Off the loop: not called any more. The descriptor stays open. */
void source_remove(struct source *source);

/* Calls it in the next round with these events as well. */
void source_again(struct source *source, uint32_t what);

/* False when a callback took the source being dispatched off the loop. */
bool source_alive(const struct io_loop *loop, const struct source *source);

#endif
