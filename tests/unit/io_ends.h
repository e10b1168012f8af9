/*
 * Two ends of a connection over loopback, and the world in which they are, for tests of io/real:
 * made anew for each test.
 */
#ifndef TESTS_UNIT_IO_ENDS_H
#define TESTS_UNIT_IO_ENDS_H

#include "io_world.h"

enum { MEGABYTE = 1024 * 1024 };

extern struct world *world;
extern struct door door; /* open; pair_connect() goes through it */
extern struct end near;
extern struct end far;

/* For cmocka_unit_test_setup_teardown(). A test closes the streams, and may close the door. */
int ends_setup(void **state);
int ends_teardown(void **state);

/* For world_run(), of a struct end: its other side's end was read, or it has failed. */
bool ends_has_ended(const void *end);
bool ends_has_failed(const void *end);

/* For world_run(), of NULL: no closed stream is left. */
bool ends_none_lingers(const void *arg);

/* Sends the bytes `at` to `at` + len of the pattern, whatever the kernel takes. */
void ends_send(struct io_stream *stream, size_t at, size_t len);

/* Resets both. */
void ends_abort(void);

#endif
