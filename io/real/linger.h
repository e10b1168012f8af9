/*
 * Streams that their owner has closed: what is queued is sent, then the end, then what still comes
 * is dropped until the other side's end.
 */
#ifndef IO_REAL_LINGER_H
#define IO_REAL_LINGER_H

#include "io/real/stream.h"

/*
 * Of a loop. When there are more, the oldest goes: of those that have sent everything, else of all.
 */
enum { LINGER_COUNT_MAX = 4096 };

/* The stream's descriptor may have become ready. */
void linger_dispatch(struct io_stream *stream);

/* Ends one: with a reset where bytes are still queued. */
void linger_end(struct io_stream *stream);

/*
 * For a loop that has ended at since_ms, to be called every LINGER_LOOK_MS: ends the streams that
 * were still for IO_LINGER_STILL_MS since everything of theirs was acknowledged.
 */
enum { LINGER_LOOK_MS = 50 };
void linger_end_still(struct io_loop *loop, uint64_t since_ms);

/* Ends all of a loop at once. */
void linger_end_all(struct io_loop *loop);

#endif
