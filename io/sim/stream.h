/*
 * io_stream on simulated TCP.
 */
#ifndef IO_SIM_STREAM_H
#define IO_SIM_STREAM_H

#include "io/sim/loop.h"
#include "io/sim/process.h"
#include "io/sim/tcp.h"

struct io_tls;

/* A stream for a connection that was accepted; its descriptor is taken already. */
struct io_stream *stream_accepted(struct io_loop *loop, struct tcp_end *end);

/* A TLS that does nothing but say `connected`; the reference is the stream's. */
void stream_set_tls(struct io_stream *stream, struct io_tls *tls);

/* The process was killed: its streams and parcels lose their connections. */
void stream_kill_all(struct io_loop *loop, bool power);
void stream_kill_parcels(struct sim_process *process, bool power);

/* Streams that were closed and are not yet finished; ends them, with a reset where bytes wait. */
size_t stream_lingering(const struct io_loop *loop);
void stream_end_lingering(struct io_loop *loop);

/*
 * For a loop that has ended at since_ms: ends the streams that were still for IO_LINGER_STILL_MS
 * since everything of theirs was acknowledged.
 */
void stream_end_still(struct io_loop *loop, uint64_t since_ms);

#endif
