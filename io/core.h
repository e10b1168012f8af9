/*
 * What both implementations of io.h share: timers, tasks, the clock of the round, the buffer pool,
 * relay and log. An implementation's `struct io_loop` starts with a `struct io_core`; on top of it
 * the common code (core.c, relay.c, log.c, dial.c) defines io_now_ms(), io_timer_*, io_task_*,
 * io_random_fn(), io_random_below(), io_buffered(), io_relay(), log_event(), io_error_text() and
 * io_dial(). Everything else in io.h and tls.h is the implementation's.
 *
 * A round of a loop: wait (not at all when io_core_busy()), set the clock with io_core_set_now(),
 * call what became ready, io_core_fire_timers(), io_core_run_tasks(). How long to wait is told by
 * io_core_deadline().
 */
#ifndef IO_CORE_H
#define IO_CORE_H

#include "base/chain.h"
#include "io/io.h"
#include "io/log.h"

enum {
    IO_SCRATCH_LEN = 128 * 1024, /* of io_relay(): stays in the second level cache */
    LOG_CLASSES_MAX = 128,       /* classes counted apart; further ones share the last place */
};

struct io_core;

struct log_class {
    const char *name; /* the literal of the first event */
    enum log_level level;
    unsigned lines;      /* in this second */
    unsigned suppressed; /* since the last line */
    uint64_t since_ms;   /* start of this second */
};

struct log_state {
    log_sink_fn *sink;
    void *sink_arg;
    enum log_level max_level; /* above it nothing is written or counted */
    size_t class_count;
    struct log_class classes[LOG_CLASSES_MAX];
    struct io_timer tell; /* says what was suppressed when nothing else does */
};

/* Part of io_core_init(). */
void log_init(struct io_core *core, log_sink_fn *sink, void *sink_arg, enum log_level max_level);

struct io_task_list {
    struct io_task *first;
    struct io_task **end;
};

struct io_core {
    uint64_t now_ms;
    struct io_timer *timers; /* root of a pairing heap by (at_ms, order) */
    uint64_t timer_order;    /* timers armed so far */
    struct io_task_list tasks;
    struct io_task_list running; /* those of this round that are still to run */
    struct pool pool;
    uint8_t *scratch; /* IO_SCRATCH_LEN bytes, used within one call */
    struct log_state log;
};

/* False without memory. */
bool io_core_init(struct io_core *core, log_sink_fn *sink, void *sink_arg,
                  enum log_level max_level);

/* All chains of the pool must be empty; armed timers and queued tasks are forgotten. */
void io_core_clear(struct io_core *core);

struct io_core *io_core_of(const struct io_loop *loop);
struct io_loop *io_core_loop(struct io_core *core);

/* The clock of the next round; never backwards. */
void io_core_set_now(struct io_core *core, uint64_t now_ms);

/* True when the loop must not wait: tasks are queued. */
bool io_core_busy(const struct io_core *core);

/* When the first timer is due; false when none is armed. */
bool io_core_deadline(const struct io_core *core, uint64_t *at_ms);

/*
 * Fires what is due at core->now_ms, earliest first, in the order armed where times are equal.
 * What is armed meanwhile waits for the next round.
 */
void io_core_fire_timers(struct io_core *core);

/* Runs what is queued; what is queued meanwhile waits for the next round. */
void io_core_run_tasks(struct io_core *core);

#endif
