/*
 * TLS between a stream's owner and its socket: called by the stream where `tls` is set.
 */
#ifndef IO_REAL_TLS_FILTER_H
#define IO_REAL_TLS_FILTER_H

#include "io/real/stream.h"

/* True until the handshake is done. */
bool tls_filter_is_opening(const struct io_stream *stream);

/* Goes on with the handshake: 0 = done, IO_AGAIN, or an error. */
int tls_filter_handshake(struct io_stream *stream);

/* As io_read(), io_send() and io_shutdown(). */
ssize_t tls_filter_read(struct io_stream *stream, void *buf, size_t len);
int tls_filter_send(struct io_stream *stream, const void *bytes, size_t len);
void tls_filter_finish(struct io_stream *stream);

/* Plain bytes that wait for the end of the handshake. */
size_t tls_filter_queued(const struct io_stream *stream);

void tls_filter_free(struct io_stream *stream);

#endif
