/*
 * Inside of a stream, for those that make, filter and end streams.
 */
#ifndef IO_REAL_STREAM_H
#define IO_REAL_STREAM_H

#include "io/pace.h"
#include "io/real/loop.h"

/* Bytes that io_unread() put back; in no pool, because they may change loops. */
struct stream_unread {
    size_t at;
    size_t end;
    uint8_t bytes[];
};

struct io_stream {
    struct source source;
    const struct io_stream_handler *handler;
    void *arg;
    struct chain queue; /* what the kernel did not take yet */
    struct stream_unread *unread;
    struct tls_filter *tls;
    struct linger_state *linger; /* NULL until its owner has closed it */
    struct pace pace;            /* of a multiplexed stream */
    struct addr peer;
    int error;    /* what the connection ended with, IO_E_* */
    bool tcp : 1; /* else a Unix socket */
    bool connecting : 1;
    bool drained : 1;   /* nothing to read until the next edge */
    bool last_seen : 1; /* the other side's end or an error was told; there may be bytes first */
    bool ended : 1;     /* the end was read */
    bool finishing : 1; /* io_shutdown(): the end follows the queue */
    bool finished : 1;  /* the end is out */
    bool touched : 1;   /* the owner has read since the last edge */
    bool prompt : 1;    /* what was read is acknowledged at once */
};

/*
 * A stream over a descriptor, which it owns from then on, also when this fails. `connecting`: tell
 * when it is connected. NULL with *error set.
 */
struct io_stream *stream_new(struct io_loop *loop, int fd, bool tcp, bool connecting, int *error);

/* io_connect() on a TCP socket, which it owns from then on, also when this fails. */
struct io_stream *stream_connect(struct io_loop *loop, int fd, const struct addr *to,
                                 const struct io_stream_handler *handler, void *arg, int *error);

/* Puts a stream over a descriptor on a loop. Returns 0 or an error. */
int stream_watch(struct io_stream *stream, struct io_loop *loop, int fd);

/* What a stream without an owner has: nothing is told. */
extern const struct io_stream_handler stream_no_handler;

/* Closes the descriptor and frees everything; the kernel sends what it has. */
void stream_destroy(struct io_stream *stream);

/* The socket's side of io_read() and io_send(): below TLS. */
ssize_t stream_read(struct io_stream *stream, void *buf, size_t len);
int stream_send(struct io_stream *stream, const void *bytes, size_t len);

/* Sends from the queue what the kernel takes, and the end after it where that was asked for. */
int stream_flush(struct io_stream *stream);

/* From now on it is kept small what waits in the kernel without having been sent. */
void stream_start_pace(struct io_stream *stream);

/* Sends the end, now or after the queue. */
void stream_finish(struct io_stream *stream);

#endif
