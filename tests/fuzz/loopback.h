/*
 * One connection over loopback at a time, for harnesses of io/real: they say on it what the input
 * has. The loop never waits but where a harness lets it.
 */
#ifndef FUZZ_LOOPBACK_H
#define FUZZ_LOOPBACK_H

#include "io/io.h"
#include "tests/fuzz/fuzz.h"

struct loopback {
    struct io_loop *loop;
    struct io_task tick;
    struct io_stream *stream; /* the caller closes it */
    bool over;                /* the other side has ended it */
    size_t heard;             /* bytes */
};

/* Makes the loop, once for all inputs. */
void loopback_open(struct loopback *loopback);

/* A listener at a free port; who connects to it is the connection. */
struct io_listener *loopback_listen(struct loopback *loopback);

/* Forgets the connection before, and connects to a listener. */
void loopback_call(struct loopback *loopback, const struct io_listener *listener);
void loopback_forget(struct loopback *loopback);

/* Some rounds of the loop that do not wait: what was sent is read, or what was answered. */
void loopback_run(struct loopback *loopback);

/* Says it in pieces of so many bytes, or in longer ones where there would be too many. */
void loopback_say(struct loopback *loopback, const uint8_t *bytes, size_t len, size_t piece);

#endif
