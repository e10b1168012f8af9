/*
 * A loop of a process: rounds in which messages, sources that became ready, timers and tasks are
 * called.
 */
#ifndef IO_SIM_LOOP_H
#define IO_SIM_LOOP_H

#include "io/core.h"
#include "io/sim/host.h"

/* Something that the loop calls in the next round after it became ready. */
struct loop_source {
    struct list node; /* in no list while not ready */
    struct io_loop *loop;
    void (*call)(void *arg);
    void *arg;
};

struct io_loop {
    struct io_core core; /* first: io_core_of() */
    struct sim_process *process;
    struct list node; /* of the process's loops */
    uint64_t id;
    struct sim_event round;
    uint64_t held_until_us;  /* something else keeps the thread busy */
    uint64_t empty_since_us; /* start of the second in which empty rounds are counted */
    unsigned empty_rounds;   /* neither messages nor news: timers and tasks alone */
    bool in_round;
    bool joined; /* goes when the last stream has lingered enough */
    uint64_t joined_ms;
    struct sim_event last; /* looks at those again */
    struct list ready;
    struct list batch; /* what is called in this round */
    struct loop_source *calling;
    struct list posts;
    struct list streams;
    struct list listeners;
    struct list devices;
    struct list lookups;
};

struct io_loop *loop_new(struct sim_process *process);
void loop_free(struct io_loop *loop);

void loop_source_init(struct loop_source *source, struct io_loop *loop, void (*call)(void *arg),
                      void *arg);
void loop_source_ready(struct loop_source *source);

/* Is not called any more. */
void loop_source_remove(struct loop_source *source);

/* Inside of a call: true until the source was removed. */
bool loop_source_alive(const struct loop_source *source, const struct io_loop *loop);

/* The joined loop goes if nothing is left on it. */
void loop_settle(struct io_loop *loop);

struct sim_world *loop_world(const struct io_loop *loop);

/* How many messages and timers wait; the loop's own are not counted. */
size_t loop_posts(const struct io_loop *loop);
size_t loop_timers(const struct io_loop *loop);

#endif
