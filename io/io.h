/*
 * The one way to the kernel. Two implementations stand behind this header and are chosen when a
 * program is linked: io/real (libevent, sockets, threads) and io/sim (a deterministic network,
 * clock, disk and helper pool from one seed). Callers see no errno and no descriptor.
 *
 * Rules that hold everywhere:
 * - An object belongs to the loop it was made on and is used from that loop's callbacks alone.
 *   io_post() is the only call that another loop may make.
 * - Callbacks come from the loop, never from inside a call that the owner makes. A callback may
 *   close or free anything, its own object included; nothing is called after the close.
 * - Descriptors are edge triggered: `readable` says that there may be bytes; read until IO_AGAIN,
 *   or ask with io_again() to be called in the next round and let others have their turn.
 */
#ifndef IO_IO_H
#define IO_IO_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct io_loop;
struct io_stream;
struct io_listener;

/* Errors, negative where a call can also return a count. */
enum io_error {
    IO_OK = 0,
    IO_AGAIN = -1,     /* nothing to read now */
    IO_E_REFUSED = -2, /* connection refused */
    IO_E_RESET = -3,   /* reset by the other side, or broken pipe */
    IO_E_TIMEOUT = -4,
    IO_E_UNREACHABLE = -5,
    IO_E_NO_MEMORY = -6,
    IO_E_NO_FILES = -7, /* out of descriptors */
    IO_E_DENIED = -8,
    IO_E_IN_USE = -9,     /* address in use */
    IO_E_NOT_FOUND = -10, /* file or host name */
    IO_E_EXISTS = -11,
    IO_E_TOO_LARGE = -12,
    IO_E_EXPOSED = -13, /* a secret file that others may read */
    IO_E_NO_SPACE = -14,
    IO_E_READ_ONLY = -15,
    IO_E_ADDRESS = -16,    /* not an address of this machine */
    IO_E_NAME_AGAIN = -17, /* the name could not be looked up now */
    IO_E_FULL = -18,       /* a bounded queue is full */
    IO_E_OTHER = -19,
    IO_E_TLS = -20,     /* io_stream_tls_error() says more */
    IO_E_KIND = -21,    /* another kind of file stands there, or a symbolic link */
    IO_E_STOPPED = -22, /* io_file_interrupt() */
};

/* One line for a person, static: "connection refused". */
const char *io_error_text(int error);

/* The same of io_listen(), with what can be done. */
const char *io_listen_error_text(int error);

/* ---- Time and randomness ---- */

/* Milliseconds since boot, sleep included; read once a round of the loop. */
uint64_t io_now_ms(const struct io_loop *loop);

/* Unix time in seconds. May jump. */
double io_wall_s(const struct io_loop *loop);

/* Cryptographic randomness; cannot fail. */
void io_random(struct io_loop *loop, void *buf, size_t len);

/* The same as an adit_random_fn; arg is the loop. */
int io_random_fn(void *loop, void *buf, size_t len);

/* A number from 0 to bound - 1; for jitter. */
uint64_t io_random_below(struct io_loop *loop, uint64_t bound);

/* ---- Timers and tasks: embedded in their owner, no allocation ---- */

struct io_timer {
    struct io_loop *loop;
    void (*fire)(void *arg);
    void *arg;
    uint64_t at_ms;
    /* The loop's pairing heap (io/core.c): */
    uint64_t order;
    struct io_timer *child;
    struct io_timer *next;
    struct io_timer **link; /* NULL = not armed */
};

void io_timer_init(struct io_timer *timer, struct io_loop *loop, void (*fire)(void *arg),
                   void *arg);

/* Arms, or moves, the timer. Fires once, at or after at_ms; a time in the past fires next round. */
void io_timer_set(struct io_timer *timer, uint64_t at_ms);
void io_timer_set_in(struct io_timer *timer, uint64_t delay_ms);
void io_timer_stop(struct io_timer *timer);
bool io_timer_armed(const struct io_timer *timer);

/* Work for the end of this round, once however often it is queued. */
struct io_task {
    struct io_loop *loop;
    void (*run)(void *arg);
    void *arg;
    struct io_task *next;
    struct io_task **link; /* NULL = not queued */
};

void io_task_init(struct io_task *task, struct io_loop *loop, void (*run)(void *arg), void *arg);
void io_task_queue(struct io_task *task);
void io_task_cancel(struct io_task *task);

/* ---- Loops, messages, blocking work ---- */

/*
 * Another loop beside this one (a thread in io/real): start(new_loop, arg) is its first callback.
 * `name` is shown in ps. Returns NULL with *error set.
 */
struct io_loop *io_worker_start(struct io_loop *loop, const char *name,
                                void (*start)(struct io_loop *loop, void *arg), void *arg,
                                int *error);

/*
 * Ends a worker that has closed all it owned and waits for it. Called on the loop that started it.
 */
void io_worker_join(struct io_loop *worker);

/* Says beforehand that a worker will be joined: several then wait for their streams at once. */
void io_worker_end(struct io_loop *worker);

/*
 * Calls fn(to, arg) on the loop `to`, in the order posted; may be called from any loop. Bounds are
 * the caller's. Returns 0 or IO_E_NO_MEMORY.
 */
int io_post(struct io_loop *to, void (*fn)(struct io_loop *loop, void *arg), void *arg);

/*
 * The same with a message that is embedded in what it is about, so that it cannot fail. Its owner
 * sets fn and arg; from the post until fn is called it belongs to the loop, then it may be posted
 * again or freed.
 */
struct io_message {
    void (*fn)(struct io_loop *loop, void *arg);
    void *arg;
    struct io_message *next; /* the loop's; NULL at first */
};
void io_post_message(struct io_loop *to, struct io_message *message);

/*
 * Runs work(arg) on the helper pool, where it may block, then done(loop, arg) on this loop.
 * Returns 0, or IO_E_FULL when too much waits already (IO_SUBMIT_MAX).
 */
enum { IO_SUBMIT_MAX = 1024 };
int io_submit(struct io_loop *loop, void (*work)(void *arg),
              void (*done)(struct io_loop *loop, void *arg), void *arg);

/*
 * Looks up a host name, or reads a literal address, and answers once, later:
 * done(arg, error, addrs, count); addrs is valid during the call. Cancel forgets it.
 */
struct io_lookup;
typedef void io_lookup_fn(void *arg, int error, const struct addr *addrs, size_t count);
struct io_lookup *io_lookup(struct io_loop *loop, const char *host, uint16_t port,
                            io_lookup_fn *done, void *arg);
void io_lookup_cancel(struct io_lookup *lookup);

/* ---- Streams ---- */

/*
 * All but `connected` must be there. An error that io_read() or io_send() has answered is not told
 * by `failed` as well; bytes that came before a reset can still be read.
 */
struct io_stream_handler {
    void (*connected)(void *arg);         /* of io_connect(); may be NULL elsewhere */
    void (*readable)(void *arg);          /* bytes, or the end, may be read */
    void (*sent)(void *arg);              /* io_queued() has become smaller */
    void (*failed)(void *arg, int error); /* reset, or could not connect; close it */
};

enum {
    IO_FLUSH_MS = 120000,              /* without progress of what is queued, after io_close() */
    IO_LINGER_MS = 5000,               /* until the other side's end, after the queue is empty */
    IO_LINGER_DRAIN_MAX = 1024 * 1024, /* bytes read and dropped after io_close() */
    IO_LINGER_STILL_MS = 1000,         /* without news, where its loop has ended */
};

/* Starts to connect. `connected` or `failed` follows. NULL with *error set. */
struct io_stream *io_connect(struct io_loop *loop, const struct addr *to,
                             const struct io_stream_handler *handler, void *arg, int *error);

/*
 * Two streams of this loop that are connected with each other inside of this process. Returns 0 or
 * an error.
 */
int io_pair(struct io_loop *loop, struct io_stream *ends[2]);

void io_stream_set_handler(struct io_stream *stream, const struct io_stream_handler *handler,
                           void *arg);
struct io_loop *io_stream_loop(const struct io_stream *stream);

/* The other side, and this side. family 0 for a Unix socket. */
struct addr io_stream_peer(const struct io_stream *stream);
struct addr io_stream_local(const struct io_stream *stream);

/*
 * Keeps what the kernel has not sent small, as the line is slow or fast (io/pace.h), so that a
 * short frame is never far behind a long one.
 */
void io_stream_set_multiplexed(struct io_stream *stream);

/*
 * Acknowledges what is read at once: for another side that sends a message in several writes and
 * has its kernel hold the last piece back until the ones before are acknowledged (Nagle), which
 * ours would do after 40 ms.
 */
void io_stream_set_prompt(struct io_stream *stream);

/*
 * Of a multiplexed stream: how many bytes to send at once, so that what is more urgent and comes
 * next is not far behind them. 8 KiB on a slow line to 128 KiB, less what would be left over behind
 * the whole pieces that the kernel sends.
 */
size_t io_send_at_once(const struct io_stream *stream);

/* Bytes read, 0 at the end, IO_AGAIN, or an error. */
ssize_t io_read(struct io_stream *stream, void *buf, size_t len);

/* Puts bytes back: the next reads answer them first. Returns 0 or IO_E_NO_MEMORY. */
int io_unread(struct io_stream *stream, const void *bytes, size_t len);

/* Asks for one more `readable` in the next round. */
void io_again(struct io_stream *stream);

/*
 * Sends bytes; what the kernel does not take now is copied to the stream's queue and follows by
 * itself. The caller bounds the queue: look at io_queued() and wait for `sent`. Returns 0,
 * IO_E_NO_MEMORY or IO_E_RESET.
 */
int io_send(struct io_stream *stream, const void *bytes, size_t len);
size_t io_queued(const struct io_stream *stream);

/* Bytes handed to the kernel that the other side has not acknowledged, plus io_queued(). */
size_t io_unacked(const struct io_stream *stream);

/*
 * The round trip to the other side's machine in microseconds, as its acknowledgements show it, a
 * mean of the newest ones; 0 = not known.
 */
uint64_t io_rtt_us(const struct io_stream *stream);

/* Bytes of memory that the queues of all streams of this loop hold now, closing ones included. */
size_t io_buffered(const struct io_loop *loop);

/*
 * Ends at once, with a reset, the stream of this loop that its owner has closed and whose queue is
 * longest, if that is longer than longer_than bytes. False when there is none.
 */
bool io_drop_closed(struct io_loop *loop, size_t longer_than);

/* End of file towards the other side, after what is queued. Reading goes on. */
void io_shutdown(struct io_stream *stream);

/*
 * Ends the stream for its owner. What is queued is still sent, then the end; then what the other
 * side still sends is read and dropped, bounded by IO_LINGER_*, so that no reset eats what is on
 * its way. Where its loop has ended, it is waited for only until all of it is acknowledged, and
 * then nothing came for IO_LINGER_STILL_MS: nobody is sending what could provoke a reset.
 */
void io_close(struct io_stream *stream);

/* Ends it at once with a reset; drops what is queued. */
void io_abort(struct io_stream *stream);

/*
 * Moves up to max bytes from one stream to another of the same loop. Returns why it stopped and
 * stores how many bytes were moved; they are in the sink or its queue. IO_RELAY_SINK: the sink's
 * queue is not empty, wait for its `sent`.
 */
enum io_relay_stop { IO_RELAY_SOURCE, IO_RELAY_SINK, IO_RELAY_END, IO_RELAY_MAX, IO_RELAY_FAILED };
enum io_relay_stop io_relay(struct io_stream *from, struct io_stream *to, size_t max,
                            size_t *moved);

/*
 * Takes a stream off its loop, unread bytes and address included, so that another loop can attach
 * it (after io_post). Nothing may be queued. A parcel that nobody attaches must be discarded.
 * NULL without memory: the stream is as before. io_attach() takes the parcel, also when it fails
 * and answers NULL, and calls `readable` in its next round.
 */
struct io_parcel;
struct io_parcel *io_detach(struct io_stream *stream);
struct io_stream *io_attach(struct io_loop *loop, struct io_parcel *parcel,
                            const struct io_stream_handler *handler, void *arg);
void io_parcel_discard(struct io_parcel *parcel);

/* ---- Listeners ---- */

struct io_listener_handler {
    /* A connection: give it a handler in this call, or close it. */
    void (*accepted)(void *arg, struct io_stream *stream);
    /* IO_E_NO_FILES, IO_E_NO_MEMORY: the listener has paused itself; io_listener_resume() it. */
    void (*exhausted)(void *arg, int error);
};

/* Binds and listens; port 0 picks one. IPv6 listens for IPv6 alone. NULL with *error set. */
struct io_listener *io_listen(struct io_loop *loop, const struct addr *at,
                              const struct io_listener_handler *handler, void *arg, int *error);

/* A Unix socket at a path, mode 0600; a stale one is replaced. */
struct io_listener *io_listen_unix(struct io_loop *loop, const char *path,
                                   const struct io_listener_handler *handler, void *arg,
                                   int *error);

/*
 * The same socket on another loop too: called on the new loop, while the original is open.
 * The socket is closed with its last listener.
 */
struct io_listener *io_listener_share(struct io_listener *original, struct io_loop *loop,
                                      const struct io_listener_handler *handler, void *arg,
                                      int *error);

struct addr io_listener_addr(const struct io_listener *listener);
void io_listener_pause(struct io_listener *listener);
void io_listener_resume(struct io_listener *listener);
void io_listener_close(struct io_listener *listener);

/* ---- Files: small ones, whole; these may block ---- */

/* Where files are: the kernel's, or a simulated disk that forgets what was not synced. */
struct io_disk;
struct io_disk *io_disk(struct io_loop *loop);

/*
 * Reads a file into a buffer from malloc(), NUL terminated, at most max bytes (IO_E_TOO_LARGE).
 * Returns 0 or an error. With io_file_read_secret() the owner must be root or the process's user
 * and the mode at most 0640 (IO_E_EXPOSED).
 */
int io_file_read(struct io_disk *disk, const char *path, size_t max, char **text, size_t *len);
int io_file_read_secret(struct io_disk *disk, const char *path, size_t max, char **text,
                        size_t *len);

/*
 * Writes a file whole: temporary name, fsync, rename, fsync of the directory. A file that exists
 * is replaced, or IO_E_EXISTS with `exclusive`.
 */
int io_file_write(struct io_disk *disk, const char *path, const void *bytes, size_t len,
                  unsigned mode, bool exclusive);
int io_file_remove(struct io_disk *disk, const char *path);

#endif
