/*
 * Two streams joined: what one side sends goes to the other, half-closes included, and a side that
 * does not read slows the other one down.
 */
#ifndef ROLES_SPLICE_SPLICE_H
#define ROLES_SPLICE_SPLICE_H

#include "base/list.h"
#include "io/io.h"

struct splice {
    struct list link; /* in its owner's list */
    struct io_stream *ends[2];
    bool ended[2]; /* that end has sent its last byte */
    struct io_timer idle;
    uint32_t idle_ms;
    void (*over)(void *arg, int error); /* 0 = orderly; called before the streams are closed */
    void *arg;
};

/*
 * Joins two streams and takes them over. It appends itself to `list`, which is ended with
 * splice_end_all(). over(arg, error) may be NULL; io_stream_tls_error() of an end can still be
 * asked there. first_ms: until the first byte has gone to ends[1]; 0 = idle_ms. NULL without
 * memory: the streams are the caller's as before.
 */
struct splice *splice_new(struct io_stream *one, struct io_stream *other, uint32_t first_ms,
                          uint32_t idle_ms, struct list *list, void (*over)(void *arg, int error),
                          void *arg);

void splice_end_all(struct list *list);

#endif
