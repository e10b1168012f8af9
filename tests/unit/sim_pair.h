/*
 * A simulated world with two hosts, for tests of io/sim: what is done on a loop is done in one of
 * its callbacks, as io.h wants it.
 */
#ifndef TESTS_UNIT_SIM_PAIR_H
#define TESTS_UNIT_SIM_PAIR_H

#include "io/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIM_SECOND_US = 1000 * 1000 };

/* One end of a connection that collects what comes. */
struct side {
    struct io_stream *stream;
    bool connected;
    bool ended;
    bool paused; /* does not read */
    int error;   /* of `failed` or of a read */
    size_t received;
    size_t readables;
    size_t sents;
    uint8_t *bytes; /* the first SIDE_KEEP_MAX */
};
enum { SIDE_KEEP_MAX = 4096 };

struct pair {
    struct sim_world *world;
    struct sim_host *hosts[2];
    struct sim_process *processes[2];
    struct io_loop *loops[2];
    struct io_listener *listener; /* on the second host, port 80 */
    struct side near;
    struct side far;
    size_t accepted;
    int exhausted;
};

extern const struct io_stream_handler side_handler;

/* A calm world: 10 ms each way, no limit of rate, buffers of 64 KiB. */
void pair_open(struct pair *pair, uint64_t seed);

/* Ends it; the roles of a test have closed what they opened. */
void pair_close(struct pair *pair);

/* Calls fn(loop, arg) on a side's first loop and returns when that is done. */
void pair_on(struct pair *pair, int side, void (*fn)(struct io_loop *loop, void *arg), void *arg);

void pair_run_ms(struct pair *pair, uint64_t ms);

/* Connects near, on the first host, to far, on the second. */
void pair_connect(struct pair *pair);

/* On the side's loop: sends, reads what is there, closes. */
void side_send(struct pair *pair, struct side *side, const void *bytes, size_t len);
void side_read(struct pair *pair, struct side *side);
void side_close(struct pair *pair, struct side *side);
void side_abort(struct pair *pair, struct side *side);

#endif
