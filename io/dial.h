/*
 * Connects to a host by name: looks it up anew and tries its addresses as Happy Eyeballs does
 * (RFC 8305, 4 and 5): families take turns, the next address is tried after
 * IO_DIAL_STAGGER_MS or as soon as the one before has failed, and the first connection wins.
 */
#ifndef IO_DIAL_H
#define IO_DIAL_H

#include "io/io.h"

enum {
    IO_DIAL_STAGGER_MS = 250,
    IO_DIAL_ADDRESSES_MAX = 16, /* addresses tried of a look-up; more are not */
    IO_DIAL_REMEMBER_MS = 5000, /* how long a look-up is remembered */
};

struct io_dial;

/*
 * Answers once, later: done(arg, 0, stream) hands over a connected stream, which must be given a
 * handler or closed in that call; done(arg, error, NULL) says why there is none: the error of the
 * first address that failed, IO_E_TIMEOUT after timeout_ms over all, or that of the look-up. The
 * dial is gone before done is called. host is copied. Returns NULL without memory.
 */
struct io_dial *io_dial(struct io_loop *loop, const char *host, uint16_t port, uint32_t timeout_ms,
                        void (*done)(void *arg, int error, struct io_stream *stream), void *arg);

/* The same with streams that connect(connect_arg, …) begins instead of io_connect(). */
typedef struct io_stream *io_dial_connect_fn(void *connect_arg, const struct addr *to,
                                             const struct io_stream_handler *handler, void *arg,
                                             int *error);
struct io_dial *io_dial_by(struct io_loop *loop, io_dial_connect_fn *connect, void *connect_arg,
                           const char *host, uint16_t port, uint32_t timeout_ms,
                           void (*done)(void *arg, int error, struct io_stream *stream), void *arg);

/*
 * What one host and port were looked up as, for an owner that dials them often. All zeros at first,
 * then its dials' alone; it outlives them.
 */
struct io_dial_memory {
    uint64_t until_ms;
    size_t count;
    struct addr addrs[IO_DIAL_ADDRESSES_MAX]; /* in the order in which they are tried */
};

/*
 * As io_dial(), but begins with the addresses that a look-up less than IO_DIAL_REMEMBER_MS ago has
 * found. Only where all of them have failed, or the last one keeps silent for IO_DIAL_STAGGER_MS,
 * is the name looked up anew, and addresses that were not tried follow. No failure is remembered.
 */
struct io_dial *io_dial_often(struct io_loop *loop, struct io_dial_memory *memory, const char *host,
                              uint16_t port, uint32_t timeout_ms,
                              void (*done)(void *arg, int error, struct io_stream *stream),
                              void *arg);

/* Forgets a dial that has not answered. */
void io_dial_cancel(struct io_dial *dial);

#endif
