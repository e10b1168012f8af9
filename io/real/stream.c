#include "io/real/stream.h"

#include "base/map.h"
#include "io/real/kernel_error.h"
#include "io/real/linger.h"
#include "io/real/socket.h"
#include "io/real/tls_filter.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FLUSH_PIECES = 16 };

static int fd_of(const struct io_stream *stream)
{
    return stream->source.fd;
}

/* ---- Reading ---- */

static size_t take_unread(struct io_stream *stream, void *buf, size_t len)
{
    struct stream_unread *unread = stream->unread;
    size_t have = unread->end - unread->at;
    if (len > have)
        len = have;
    memcpy(buf, unread->bytes + unread->at, len);
    unread->at += len;
    if (unread->at == unread->end) {
        free(unread);
        stream->unread = NULL;
    }
    return len;
}

/* The kernel forgets the option when it likes, so it is set again with each read. */
static void acknowledge(struct io_stream *stream)
{
    static const int at_once = 1;
    setsockopt(fd_of(stream), IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof(at_once));
}

ssize_t stream_read(struct io_stream *stream, void *buf, size_t len)
{
    stream->touched = true;
    if (stream->unread != NULL)
        return (ssize_t)take_unread(stream, buf, len);
    if (stream->ended)
        return stream->error;
    if (stream->drained || stream->connecting || len == 0)
        return IO_AGAIN;
    ssize_t got;
    do {
        got = recv(fd_of(stream), buf, len, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        if (stream->prompt)
            acknowledge(stream);
        /* Less than asked for is all there is, and what comes later is an edge of its own; only an
         * end or a reset that was told already may stand behind the bytes. */
        stream->drained = stream->tcp && (size_t)got < len && !stream->last_seen;
        return got;
    }
    if (got < 0 && errno == EAGAIN) {
        stream->drained = true;
        return IO_AGAIN;
    }
    stream->ended = true;
    if (got < 0)
        stream->error = kernel_error(errno);
    return stream->error;
}

ssize_t io_read(struct io_stream *stream, void *buf, size_t len)
{
    return stream->tls == NULL ? stream_read(stream, buf, len) : tls_filter_read(stream, buf, len);
}

int io_unread(struct io_stream *stream, const void *bytes, size_t len)
{
    if (len == 0)
        return 0;
    struct stream_unread *old = stream->unread;
    size_t old_len = old == NULL ? 0 : old->end - old->at;
    struct stream_unread *unread = malloc(sizeof(*unread) + len + old_len);
    if (unread == NULL)
        return IO_E_NO_MEMORY;
    unread->at = 0;
    unread->end = len + old_len;
    memcpy(unread->bytes, bytes, len);
    if (old != NULL)
        memcpy(unread->bytes + len, old->bytes + old->at, old_len);
    free(old);
    stream->unread = unread;
    return 0;
}

void io_again(struct io_stream *stream)
{
    source_again(&stream->source, SOURCE_AGAIN);
}

/* ---- Sending ---- */

static void set_unsent_max(struct io_stream *stream)
{
    int max = (int)stream->pace.unsent_max;
    setsockopt(fd_of(stream), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &max, sizeof(max));
}

/* It follows the other side's window and the path: asked now and then. */
static void ask_packet(struct io_stream *stream)
{
    int packet = 0;
    socklen_t len = sizeof(packet);
    if (getsockopt(fd_of(stream), IPPROTO_TCP, TCP_MAXSEG, &packet, &len) == 0 && packet > 0)
        pace_set_packet(&stream->pace, (size_t)packet);
}

void stream_start_pace(struct io_stream *stream)
{
    pace_start(&stream->pace);
    set_unsent_max(stream);
    ask_packet(stream);
}

static void note_full(struct io_stream *stream)
{
    if (stream->pace.unsent_max == 0)
        return;
    pace_full(&stream->pace, io_now_ms(stream->source.loop));
    ask_packet(stream);
}

/*
 * The kernel looks at the limit when it begins a buffer, of 64 KiB, and fills that without looking
 * again. On a slow line that is too much: there each write is the end of a buffer.
 */
static int write_flags(const struct io_stream *stream)
{
    size_t max = stream->pace.unsent_max;
    return MSG_NOSIGNAL | (max > 0 && max < PACE_MOST ? MSG_EOR : 0);
}

/* Returns how many bytes the kernel took, 0 when it takes none now, or an error. */
static ssize_t write_now(struct io_stream *stream, struct iovec *pieces, int count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
    ssize_t sent;
    do {
        sent = sendmsg(fd_of(stream), &message, write_flags(stream));
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    int error = kernel_error(errno);
    if (error == IO_AGAIN)
        return 0;
    stream->error = error == IO_E_NO_MEMORY ? IO_E_NO_MEMORY : IO_E_RESET;
    return stream->error;
}

int stream_send(struct io_stream *stream, const void *bytes, size_t len)
{
    if (stream->error != 0 || stream->finishing)
        return IO_E_RESET;
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    ssize_t sent = 0;
    if (stream->queue.len == 0 && !stream->connecting && len > 0)
        sent = write_now(stream, &piece, 1);
    if (sent < 0)
        return (int)sent;
    if ((size_t)sent == len)
        return 0;
    note_full(stream);
    const uint8_t *rest = (const uint8_t *)bytes + sent;
    struct pool *pool = &stream->source.loop->core.pool;
    return chain_append(&stream->queue, pool, rest, len - (size_t)sent) ? 0 : IO_E_NO_MEMORY;
}

static void send_end(struct io_stream *stream)
{
    if (stream->finished)
        return;
    stream->finished = true;
    shutdown(fd_of(stream), SHUT_WR);
}

int stream_flush(struct io_stream *stream)
{
    struct pool *pool = &stream->source.loop->core.pool;
    while (stream->queue.len > 0) {
        struct iovec pieces[FLUSH_PIECES];
        int count = chain_peek(&stream->queue, pieces, FLUSH_PIECES);
        ssize_t sent = write_now(stream, pieces, count);
        if (sent < 0) {
            chain_clear(&stream->queue, pool);
            return (int)sent;
        }
        if (sent == 0) {
            note_full(stream);
            return 0;
        }
        if (pace_room(&stream->pace, io_now_ms(stream->source.loop)))
            set_unsent_max(stream);
        chain_consume(&stream->queue, pool, (size_t)sent);
    }
    if (stream->finishing)
        send_end(stream);
    return 0;
}

void stream_finish(struct io_stream *stream)
{
    stream->finishing = true;
    if (stream->queue.len == 0 && !stream->connecting && stream->error == 0)
        send_end(stream);
}

int io_send(struct io_stream *stream, const void *bytes, size_t len)
{
    return stream->tls == NULL ? stream_send(stream, bytes, len)
                               : tls_filter_send(stream, bytes, len);
}

size_t io_queued(const struct io_stream *stream)
{
    return stream->queue.len + (stream->tls == NULL ? 0 : tls_filter_queued(stream));
}

size_t io_send_at_once(const struct io_stream *stream)
{
    return pace_at_once(&stream->pace);
}

size_t io_unacked(const struct io_stream *stream)
{
    int unacked = 0;
    if (!stream->connecting && ioctl(fd_of(stream), SIOCOUTQ, &unacked) != 0)
        unacked = 0;
    return io_queued(stream) + (size_t)unacked;
}

uint64_t io_rtt_us(const struct io_stream *stream)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    if (!stream->tcp || getsockopt(fd_of(stream), IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return 0;
    return info.tcpi_rtt;
}

void io_shutdown(struct io_stream *stream)
{
    if (stream->tls != NULL)
        tls_filter_finish(stream);
    else
        stream_finish(stream);
}

/* ---- What the loop tells ---- */

/* False when a callback has closed the stream; it may be gone then. */
static bool alive(const struct io_loop *loop, const struct io_stream *stream)
{
    return source_alive(loop, &stream->source) && stream->linger == NULL;
}

/* Connecting, or shaking hands. */
static bool is_opening(const struct io_stream *stream)
{
    return stream->connecting || (stream->tls != NULL && tls_filter_is_opening(stream));
}

/*
 * A port of this machine that nobody listens on can be given to the socket that calls it; then it
 * has called itself.
 */
static bool is_own_echo(const struct io_stream *stream)
{
    struct addr local = socket_local(fd_of(stream));
    return addr_equal(&local, &stream->peer);
}

/* Returns the error of the connection, 0 when it stands. */
static int finish_connect(struct io_stream *stream)
{
    int error = kernel_error(socket_error(fd_of(stream)));
    if (error == 0 && stream->tcp && is_own_echo(stream))
        error = IO_E_REFUSED;
    stream->connecting = false;
    stream->error = error;
    stream->ended = error != 0;
    return error;
}

/*
 * An owner that does not read, because it is paused or has read the end, would not learn of a
 * reset. Bytes that came before the reset are still its to read; else it is told.
 */
static bool is_reset(struct io_stream *stream)
{
    if (stream->error != 0)
        return false;
    stream->error = kernel_error(socket_error(fd_of(stream)));
    if (stream->error == 0)
        return false;
    int waiting = 0;
    return stream->ended || ioctl(fd_of(stream), FIONREAD, &waiting) != 0 || waiting == 0;
}

/*
 * Ends the connecting or the handshake and tells the owner how that went. False when there is
 * nothing more to tell in this round.
 */
static bool dispatch_opening(const struct io_loop *loop, struct io_stream *stream, uint32_t what)
{
    size_t queued = io_queued(stream);
    int error;
    if (stream->connecting)
        error = what & ~(uint32_t)SOURCE_AGAIN ? finish_connect(stream) : IO_AGAIN;
    else
        error = tls_filter_handshake(stream);
    if (error == IO_AGAIN)
        return false;
    if (error != 0) {
        stream->handler->failed(stream->arg, error);
        return false;
    }
    if (stream->handler->connected != NULL)
        stream->handler->connected(stream->arg);
    if (alive(loop, stream) && io_queued(stream) < queued)
        stream->handler->sent(stream->arg);
    return alive(loop, stream) && !is_opening(stream);
}

/* Sends from the queue and tells that it has become shorter. False when the stream is gone. */
static bool dispatch_queue(const struct io_loop *loop, struct io_stream *stream, int *error)
{
    size_t queued = stream->queue.len;
    bool owes_end = stream->finishing && !stream->finished;
    *error = queued > 0 || owes_end ? stream_flush(stream) : 0;
    if (*error == 0 && stream->queue.len < queued && !is_opening(stream))
        stream->handler->sent(stream->arg);
    return alive(loop, stream);
}

static void dispatch(struct source *source, uint32_t what)
{
    struct io_loop *loop = source->loop;
    struct io_stream *stream = container_of(source, struct io_stream, source);
    if (what & (SOURCE_END | SOURCE_ERROR))
        stream->last_seen = true;
    if (what & (SOURCE_READ | SOURCE_END | SOURCE_ERROR))
        stream->drained = false;
    if (stream->linger != NULL) {
        if (stream->connecting && finish_connect(stream) != 0)
            linger_end(stream);
        else
            linger_dispatch(stream);
        return;
    }
    if (is_opening(stream) && !dispatch_opening(loop, stream, what))
        return;
    int error;
    if (!dispatch_queue(loop, stream, &error))
        return;
    bool had_ended = stream->ended;
    stream->touched = false;
    if (what & ~(uint32_t)SOURCE_WRITE) {
        stream->handler->readable(stream->arg);
        if (!alive(loop, stream))
            return;
    }
    bool told = stream->touched && stream->ended; /* io_read() has answered the error, if any */
    if (error == 0 && (what & SOURCE_ERROR) && (!stream->touched || had_ended)) {
        error = is_reset(stream) ? stream->error : 0;
        told = false;
    }
    if (error != 0 && !told)
        stream->handler->failed(stream->arg, error);
}

_Static_assert(sizeof(struct io_stream) <= 300, "100,000 idle streams are 30 MB");

int stream_watch(struct io_stream *stream, struct io_loop *loop, int fd)
{
    return source_add(&stream->source, loop, fd, WATCH_EDGES, dispatch);
}
