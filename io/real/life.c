/*
 * How a stream comes to a loop, moves to another one, and goes.
 */
#include "base/map.h"
#include "io/real/kernel_error.h"
#include "io/real/socket.h"
#include "io/real/stream.h"
#include "io/real/tls_filter.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void nothing(void *arg)
{
    (void)arg;
}

static void nothing_failed(void *arg, int error)
{
    (void)arg;
    (void)error;
}

const struct io_stream_handler stream_no_handler = {
    .connected = nothing, .readable = nothing, .sent = nothing, .failed = nothing_failed};

struct io_stream *stream_new(struct io_loop *loop, int fd, bool tcp, bool connecting, int *error)
{
    struct io_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        *error = IO_E_NO_MEMORY;
        goto err;
    }
    stream->handler = &stream_no_handler;
    stream->tcp = tcp;
    stream->connecting = connecting;
    *error = stream_watch(stream, loop, fd);
    if (*error != 0)
        goto err;
    return stream;

err:
    free(stream);
    close(fd);
    return NULL;
}

struct io_stream *stream_connect(struct io_loop *loop, int fd, const struct addr *to,
                                 const struct io_stream_handler *handler, void *arg, int *error)
{
    struct sockaddr_storage name;
    socklen_t len = socket_addr_write(to, &name);
    if (connect(fd, (const struct sockaddr *)&name, len) != 0 && errno != EINPROGRESS) {
        /* EAGAIN: no free port of this machine is left. */
        *error = errno == EAGAIN ? IO_E_ADDRESS : kernel_error(errno);
        close(fd);
        return NULL;
    }
    struct io_stream *stream = stream_new(loop, fd, true, true, error);
    if (stream == NULL)
        return NULL;
    stream->peer = *to;
    io_stream_set_handler(stream, handler, arg);
    return stream;
}

struct io_stream *io_connect(struct io_loop *loop, const struct addr *to,
                             const struct io_stream_handler *handler, void *arg, int *error)
{
    int fd = socket_tcp(to);
    if (fd >= 0)
        return stream_connect(loop, fd, to, handler, arg, error);
    *error = kernel_error(errno);
    return NULL;
}

/* The kernel's queue between them is what makes a slow end slow the other one down. */
int io_pair(struct io_loop *loop, struct io_stream *ends[2])
{
    int fds[2];
    int error = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return kernel_error(errno);
    ends[0] = stream_new(loop, fds[0], false, false, &error);
    if (ends[0] == NULL) {
        close(fds[1]);
        return error;
    }
    ends[1] = stream_new(loop, fds[1], false, false, &error);
    if (ends[1] == NULL)
        io_abort(ends[0]);
    return error;
}

void io_stream_set_handler(struct io_stream *stream, const struct io_stream_handler *handler,
                           void *arg)
{
    stream->handler = handler;
    stream->arg = arg;
}

struct io_loop *io_stream_loop(const struct io_stream *stream)
{
    return stream->source.loop;
}

struct addr io_stream_peer(const struct io_stream *stream)
{
    return stream->peer;
}

struct addr io_stream_local(const struct io_stream *stream)
{
    return socket_local(stream->source.fd);
}

void io_stream_set_multiplexed(struct io_stream *stream)
{
    if (stream->tcp)
        stream_start_pace(stream);
}

void io_stream_set_prompt(struct io_stream *stream)
{
    stream->prompt = stream->tcp;
}

/* ---- From loop to loop: the parcel is the stream itself ---- */

struct io_parcel {
    struct io_stream stream;
};

struct io_parcel *io_detach(struct io_stream *stream)
{
    if (stream->tls != NULL || stream->queue.len > 0)
        return NULL;
    source_remove(&stream->source);
    stream->handler = &stream_no_handler;
    return container_of(stream, struct io_parcel, stream);
}

struct io_stream *io_attach(struct io_loop *loop, struct io_parcel *parcel,
                            const struct io_stream_handler *handler, void *arg)
{
    struct io_stream *stream = &parcel->stream;
    if (stream_watch(stream, loop, stream->source.fd) != 0) {
        io_parcel_discard(parcel);
        return NULL;
    }
    io_stream_set_handler(stream, handler, arg);
    io_again(stream);
    return stream;
}

static void reset_on_close(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void io_parcel_discard(struct io_parcel *parcel)
{
    int fd = parcel->stream.source.fd;
    reset_on_close(fd);
    close(fd);
    free(parcel->stream.unread);
    free(parcel);
}

/* ---- The end ---- */

void stream_destroy(struct io_stream *stream)
{
    int fd = stream->source.fd;
    source_remove(&stream->source);
    close(fd);
    if (stream->tls != NULL)
        tls_filter_free(stream);
    chain_clear(&stream->queue, &stream->source.loop->core.pool);
    free(stream->unread);
    free(stream);
}

void io_abort(struct io_stream *stream)
{
    reset_on_close(stream->source.fd);
    stream_destroy(stream);
}
