/*
 * A real loop on loopback for tests of io: runs until a condition holds, and fails the test when it
 * does not within a generous limit.
 */
#ifndef TESTS_UNIT_IO_WORLD_H
#define TESTS_UNIT_IO_WORLD_H

#include "io/real/real.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    WORLD_LIMIT_MS = 100000, /* what takes longer hangs; a busy machine takes its time */
    WORLD_LOG_MAX = 256,
};

struct world {
    struct io_loop *loop;
    struct io_timer limit;
    bool expired;
    size_t log_lines;
    char log[WORLD_LOG_MAX][LOG_LINE_MAX];
};

/* For cmocka_unit_test_setup_teardown(); the world is *state. */
int world_setup(void **state);
int world_teardown(void **state);

/* Runs rounds until done(arg) is true at the end of one. */
void world_run(struct world *world, bool (*done)(const void *arg), const void *arg);

/* One end of a connection that collects what comes. */
struct end {
    struct io_stream *stream;
    bool connected;
    bool ended;  /* the other side's end was read */
    bool paused; /* does not read */
    bool check;  /* compares with pattern bytes instead of keeping them */
    bool sent;   /* `sent` came since it was set to false */
    int error;   /* of `failed` or of io_read() */
    size_t received;
    size_t calls;                         /* of `readable` */
    uint8_t first[64];                    /* the first bytes received */
    void (*on_readable)(struct end *end); /* instead of reading, or NULL */
    void *arg;
};
extern const struct io_stream_handler end_handler;

/* Byte number `at` of a stream that repeats itself in no power of two. */
uint8_t pattern(size_t at);
void pattern_fill(uint8_t *out, size_t at, size_t len);

/* A listener whose connections become `accepted`, one after the other. */
struct door {
    struct io_listener *listener;
    struct addr at;
    struct end *accept_into; /* next connection; NULL = refuse it */
    size_t count;
    int exhausted;
};
extern const struct io_listener_handler door_handler;
void door_open(struct world *world, struct door *door); /* on loopback */

/* Connects `near` and accepts `far`. */
void pair_connect(struct world *world, struct door *door, struct end *near, struct end *far);

struct addr loopback(uint16_t port);

#endif
