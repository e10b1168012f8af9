#include "io/sim/stream.h"
#include "io/pace.h"

#include "io/sim/conn.h"
#include "io/sim/routes.h"
#include "io/tls.h"

#include <assert.h>
#include <stdlib.h>

enum { DROP_LEN = 16 * 1024 };

struct io_stream {
    struct list node; /* of the loop's streams */
    struct io_loop *loop;
    struct loop_source source;
    struct tcp_end *end; /* NULL = the process was killed */
    const struct io_stream_handler *handler;
    void *arg;
    struct addr peer;
    struct addr local;
    struct chain queue;  /* what the kernel has not taken */
    struct pace pace;    /* of a multiplexed stream */
    struct chain unread; /* what was put back */
    unsigned news;       /* enum tcp_news, to be told */
    bool connected;
    bool told_failed;
    bool ending;       /* the end follows the queue */
    bool lingering;    /* closed by its owner */
    size_t dropped;    /* bytes read while lingering */
    uint64_t moved_ms; /* when something came last while lingering, or was not acknowledged yet */
    struct io_timer linger;
    struct io_tls *tls;
};

static void call(void *arg);
static void linger_expired(void *arg);

static void note(void *arg, unsigned news)
{
    struct io_stream *stream = arg;
    stream->news |= news;
    loop_source_ready(&stream->source);
}

static struct io_stream *stream_new(struct io_loop *loop)
{
    struct io_stream *stream = world_alloc(sizeof *stream);
    stream->loop = loop;
    chain_init(&stream->queue);
    chain_init(&stream->unread);
    loop_source_init(&stream->source, loop, call, stream);
    io_timer_init(&stream->linger, loop, linger_expired, stream);
    list_append(&loop->streams, &stream->node);
    return stream;
}

static void stream_own(struct io_stream *stream, struct tcp_end *end)
{
    stream->end = end;
    stream->peer = end->other->addr;
    stream->local = end->addr;
    tcp_set_owner(end, note, stream);
}

/* The stream goes; its connection has been dealt with. */
static void stream_free(struct io_stream *stream)
{
    struct pool *pool = &stream->loop->core.pool;
    chain_clear(&stream->queue, pool);
    chain_clear(&stream->unread, pool);
    io_timer_stop(&stream->linger);
    loop_source_remove(&stream->source);
    list_remove(&stream->node);
    if (stream->tls != NULL)
        io_tls_unref(stream->tls);
    free(stream);
}

/* … and its descriptor with it. */
static void stream_finish(struct io_stream *stream)
{
    process_drop_file(stream->loop->process);
    stream_free(stream);
}

static struct io_stream *connect_to(struct io_loop *loop, const struct addr *to,
                                    const struct io_stream_handler *handler, void *arg, int *error)
{
    struct sim_process *process = loop->process;
    if (process->ghost) {
        *error = IO_E_UNREACHABLE;
        return NULL;
    }
    if (!process_take_file(process)) {
        *error = IO_E_NO_FILES;
        return NULL;
    }
    struct tcp_end *end = conn_open(process->host, to, NULL, NULL, error);
    if (end == NULL) {
        process_drop_file(process);
        return NULL;
    }
    struct io_stream *stream = stream_new(loop);
    stream_own(stream, end);
    io_stream_set_handler(stream, handler, arg);
    return stream;
}

struct io_stream *io_connect(struct io_loop *loop, const struct addr *to,
                             const struct io_stream_handler *handler, void *arg, int *error)
{
    if (!loop->process->ghost && routes_take(loop->process->host, &to->ip)) {
        *error = IO_E_UNREACHABLE;
        return NULL;
    }
    return connect_to(loop, to, handler, arg, error);
}

struct io_stream *io_connect_past(struct io_device *device, const struct addr *to,
                                  const struct io_stream_handler *handler, void *arg, int *error)
{
    return connect_to(device->loop, to, handler, arg, error);
}

int io_pair(struct io_loop *loop, struct io_stream *ends[2])
{
    struct sim_process *process = loop->process;
    if (process->ghost || !process_take_file(process))
        return IO_E_NO_FILES;
    if (!process_take_file(process)) {
        process_drop_file(process);
        return IO_E_NO_FILES;
    }
    struct tcp_end *end = conn_pair(process->host);
    ends[0] = stream_accepted(loop, end);
    ends[1] = stream_accepted(loop, end->other);
    return 0;
}

struct io_stream *stream_accepted(struct io_loop *loop, struct tcp_end *end)
{
    struct io_stream *stream = stream_new(loop);
    stream_own(stream, end);
    stream->connected = true;
    note(stream, TCP_READABLE | (end->error != 0 ? TCP_FAILED : 0));
    return stream;
}

void io_stream_set_handler(struct io_stream *stream, const struct io_stream_handler *handler,
                           void *arg)
{
    assert(handler == NULL ||
           (handler->readable != NULL && handler->sent != NULL && handler->failed != NULL));
    stream->handler = handler;
    stream->arg = arg;
}

struct io_loop *io_stream_loop(const struct io_stream *stream)
{
    return stream->loop;
}

struct addr io_stream_peer(const struct io_stream *stream)
{
    return stream->peer;
}

struct addr io_stream_local(const struct io_stream *stream)
{
    return stream->local;
}

void io_stream_set_multiplexed(struct io_stream *stream)
{
    pace_start(&stream->pace);
    if (stream->end != NULL)
        stream->end->not_sent_max = stream->pace.unsent_max;
}

/* Here everything is acknowledged at once. */
void io_stream_set_prompt(struct io_stream *stream)
{
    (void)stream;
}

void stream_set_tls(struct io_stream *stream, struct io_tls *tls)
{
    stream->tls = tls;
    note(stream, TCP_CONNECTED);
}

/* ---- Reading ---- */

ssize_t io_read(struct io_stream *stream, void *buf, size_t len)
{
    assert(len > 0);
    if (stream->unread.len > 0)
        return (ssize_t)chain_take(&stream->unread, &stream->loop->core.pool, buf, len);
    if (!stream->connected)
        return IO_AGAIN;
    ssize_t got = stream->end == NULL ? IO_E_RESET : tcp_read(stream->end, buf, len);
    if (got < 0 && got != IO_AGAIN)
        stream->told_failed = true;
    return got;
}

/* In front of what was put back before. */
int io_unread(struct io_stream *stream, const void *bytes, size_t len)
{
    struct pool *pool = &stream->loop->core.pool;
    struct chain chain;
    chain_init(&chain);
    bool done = chain_append(&chain, pool, bytes, len);
    struct iovec piece;
    while (done && chain_peek(&stream->unread, &piece, 1) > 0) {
        done = chain_append(&chain, pool, piece.iov_base, piece.iov_len);
        chain_consume(&stream->unread, pool, piece.iov_len);
    }
    if (!done)
        abort(); /* the simulator itself is out of memory */
    stream->unread = chain;
    return 0;
}

void io_again(struct io_stream *stream)
{
    note(stream, TCP_READABLE);
}

/* ---- Sending ---- */

/*
 * Gives the kernel what it takes now. It may have taken less than it had room for; then there will
 * be no news of its own about room.
 */
static size_t give(struct io_stream *stream, const void *bytes, size_t len)
{
    ssize_t taken = stream->end == NULL ? IO_E_RESET : tcp_write(stream->end, bytes, len);
    if (taken < 0)
        return 0; /* the failure is told by itself */
    uint64_t now_ms = io_now_ms(stream->loop);
    if (taken > 0 && pace_room(&stream->pace, now_ms))
        stream->end->not_sent_max = stream->pace.unsent_max;
    if ((size_t)taken == len)
        return len;
    pace_full(&stream->pace, now_ms);
    if (tcp_room(stream->end) > 0)
        note(stream, TCP_WRITABLE);
    return (size_t)taken;
}

static bool broken(const struct io_stream *stream)
{
    return stream->end == NULL || stream->end->error != 0;
}

/* The queue has become empty: the end follows, if it is to. */
static void follow_up(struct io_stream *stream)
{
    if (stream->ending && stream->queue.len == 0 && stream->connected && stream->end != NULL)
        tcp_shutdown(stream->end);
}

int io_send(struct io_stream *stream, const void *bytes, size_t len)
{
    if (broken(stream)) {
        stream->told_failed = true;
        return IO_E_RESET;
    }
    if (stream->ending)
        return IO_E_RESET;
    size_t taken = stream->queue.len == 0 ? give(stream, bytes, len) : 0;
    const uint8_t *rest = bytes;
    if (!chain_append(&stream->queue, &stream->loop->core.pool, rest + taken, len - taken))
        return IO_E_NO_MEMORY;
    return 0;
}

/* True when the queue has become shorter. */
static bool flush(struct io_stream *stream)
{
    size_t before = stream->queue.len;
    struct iovec piece;
    while (chain_peek(&stream->queue, &piece, 1) > 0) {
        size_t taken = give(stream, piece.iov_base, piece.iov_len);
        chain_consume(&stream->queue, &stream->loop->core.pool, taken);
        if (taken < piece.iov_len)
            break;
    }
    follow_up(stream);
    return stream->queue.len < before;
}

size_t io_queued(const struct io_stream *stream)
{
    return stream->queue.len;
}

size_t io_send_at_once(const struct io_stream *stream)
{
    return pace_at_once(&stream->pace);
}

size_t io_unacked(const struct io_stream *stream)
{
    return stream->queue.len + (stream->end == NULL ? 0 : tcp_unacked(stream->end));
}

uint64_t io_rtt_us(const struct io_stream *stream)
{
    return stream->end == NULL ? 0 : stream->end->rtt_us;
}

void io_shutdown(struct io_stream *stream)
{
    stream->ending = true;
    follow_up(stream);
}

/* ---- Closing ---- */

static void close_end(struct io_stream *stream)
{
    if (stream->end != NULL)
        tcp_close(stream->end);
    stream_finish(stream);
}

void io_abort(struct io_stream *stream)
{
    if (stream->end != NULL)
        tcp_reset(stream->end);
    stream_finish(stream);
}

static void linger(struct io_stream *stream)
{
    struct io_loop *loop = stream->loop;
    if (flush(stream) || !io_timer_armed(&stream->linger))
        io_timer_set_in(&stream->linger, stream->queue.len > 0 ? IO_FLUSH_MS : IO_LINGER_MS);
    ssize_t got = IO_AGAIN;
    uint8_t drop[DROP_LEN];
    while (stream->queue.len == 0 && stream->dropped <= IO_LINGER_DRAIN_MAX &&
           (got = io_read(stream, drop, sizeof drop)) > 0) {
        stream->dropped += (size_t)got;
        stream->moved_ms = io_now_ms(loop);
    }
    if (broken(stream) || got == 0 || stream->dropped > IO_LINGER_DRAIN_MAX)
        close_end(stream);
    loop_settle(loop);
}

/* A plain end would make what is missing look whole. */
static void end_linger(struct io_stream *stream)
{
    if (stream->queue.len > 0)
        io_abort(stream);
    else
        close_end(stream);
}

static void linger_expired(void *arg)
{
    struct io_stream *stream = arg;
    struct io_loop *loop = stream->loop;
    end_linger(stream);
    loop_settle(loop);
}

void io_close(struct io_stream *stream)
{
    if (broken(stream) || (!stream->connected && stream->queue.len == 0)) {
        close_end(stream);
        return;
    }
    chain_clear(&stream->unread, &stream->loop->core.pool);
    stream->lingering = true;
    stream->handler = NULL;
    stream->ending = true;
    if (stream->loop->calling == &stream->source)
        stream->loop->calling = NULL;
    note(stream, TCP_WRITABLE);
}

bool io_drop_closed(struct io_loop *loop, size_t longer_than)
{
    struct io_stream *longest = NULL;
    for (struct list *at = loop->streams.next; at != &loop->streams; at = at->next) {
        struct io_stream *stream = container_of(at, struct io_stream, node);
        if (stream->lingering && stream->queue.len > longer_than) {
            longest = stream;
            longer_than = stream->queue.len;
        }
    }
    if (longest != NULL)
        io_abort(longest);
    return longest != NULL;
}

/* ---- What the loop tells ---- */

/*
 * Bytes that came before a reset are still the owner's to read, unless sending finds it out first;
 * a read then answers the error. Without such bytes the owner hears of it by `failed`, or by
 * `readable` and a read before that.
 */
static bool failure_is_due(struct io_stream *stream)
{
    if (stream->told_failed || !broken(stream))
        return false;
    if (stream->end != NULL && tcp_readable(stream->end) > 0 && stream->queue.len == 0)
        return false;
    if (stream->connected && sim_chance(loop_world(stream->loop), 5000)) {
        note(stream, TCP_FAILED | TCP_READABLE);
        return false;
    }
    stream->told_failed = true;
    return true;
}

static bool alive(const struct io_stream *stream, const struct io_loop *loop)
{
    return loop_source_alive(&stream->source, loop);
}

static bool spurious(struct io_stream *stream)
{
    struct sim_world *world = loop_world(stream->loop);
    if (!stream->connected || !sim_chance(world, world->weather.spurious))
        return false;
    sim_fault(world, SIM_SPURIOUS);
    return true;
}

static void tell_connected(struct io_stream *stream)
{
    note(stream, TCP_WRITABLE);
    if (stream->handler->connected != NULL)
        stream->handler->connected(stream->arg);
}

static void call(void *arg)
{
    struct io_stream *stream = arg;
    struct io_loop *loop = stream->loop;
    unsigned news = stream->news;
    stream->news = 0;
    if ((news & TCP_FAILED) != 0 && stream->end != NULL && tcp_readable(stream->end) > 0)
        news |= TCP_READABLE;
    if ((news & TCP_CONNECTED) != 0)
        stream->connected = true;
    if (stream->lingering) {
        linger(stream);
        return;
    }
    if (stream->handler == NULL)
        return;
    if ((news & TCP_CONNECTED) != 0)
        tell_connected(stream);
    if (alive(stream, loop) && (news & TCP_WRITABLE) != 0 && (flush(stream) || spurious(stream)))
        stream->handler->sent(stream->arg);
    if (alive(stream, loop) && ((news & TCP_READABLE) != 0 || spurious(stream)))
        stream->handler->readable(stream->arg);
    if (alive(stream, loop) && (news & TCP_FAILED) != 0 && failure_is_due(stream))
        stream->handler->failed(stream->arg, stream->end == NULL ? IO_E_RESET : stream->end->error);
}

/* ---- From loop to loop ---- */

struct io_parcel {
    struct list node; /* of the process's parcels */
    struct sim_process *process;
    struct tcp_end *end; /* NULL = killed */
    struct addr peer;
    struct addr local;
    uint8_t *unread;
    size_t unread_len;
};

struct io_parcel *io_detach(struct io_stream *stream)
{
    if (stream->queue.len > 0 || stream->tls != NULL)
        return NULL;
    struct io_parcel *parcel = world_alloc(sizeof *parcel);
    struct pool *pool = &stream->loop->core.pool;
    parcel->process = stream->loop->process;
    parcel->end = stream->end;
    parcel->peer = stream->peer;
    parcel->local = stream->local;
    parcel->unread_len = stream->unread.len;
    parcel->unread = world_alloc(parcel->unread_len + 1);
    chain_take(&stream->unread, pool, parcel->unread, parcel->unread_len);
    list_append(&parcel->process->parcels, &parcel->node);
    if (parcel->end != NULL)
        tcp_set_owner(parcel->end, NULL, NULL);
    stream_free(stream);
    return parcel;
}

static void parcel_free(struct io_parcel *parcel)
{
    list_remove(&parcel->node);
    free(parcel->unread);
    free(parcel);
}

struct io_stream *io_attach(struct io_loop *loop, struct io_parcel *parcel,
                            const struct io_stream_handler *handler, void *arg)
{
    struct io_stream *stream = stream_new(loop);
    stream->connected = true;
    stream->peer = parcel->peer;
    stream->local = parcel->local;
    if (parcel->end != NULL)
        stream_own(stream, parcel->end);
    io_stream_set_handler(stream, handler, arg);
    if (parcel->unread_len > 0)
        (void)io_unread(stream, parcel->unread, parcel->unread_len);
    note(stream, TCP_READABLE | (broken(stream) ? TCP_FAILED : 0));
    parcel_free(parcel);
    return stream;
}

void io_parcel_discard(struct io_parcel *parcel)
{
    if (parcel->end != NULL)
        tcp_reset(parcel->end);
    process_drop_file(parcel->process);
    parcel_free(parcel);
}

/* ---- The end of a process ---- */

static void kill_end(struct tcp_end **end, bool power)
{
    if (*end == NULL)
        return;
    if (power)
        tcp_close(*end);
    else
        tcp_vanish(*end);
    *end = NULL;
}

void stream_kill_all(struct io_loop *loop, bool power)
{
    for (struct list *at = loop->streams.next; at != &loop->streams; at = at->next) {
        struct io_stream *stream = container_of(at, struct io_stream, node);
        kill_end(&stream->end, power);
        note(stream, TCP_FAILED);
    }
}

void stream_kill_parcels(struct sim_process *process, bool power)
{
    for (struct list *at = process->parcels.next; at != &process->parcels; at = at->next)
        kill_end(&container_of(at, struct io_parcel, node)->end, power);
}

size_t stream_lingering(const struct io_loop *loop)
{
    size_t count = 0;
    for (struct list *at = loop->streams.next; at != &loop->streams; at = at->next)
        count += container_of(at, struct io_stream, node)->lingering ? 1 : 0;
    return count;
}

void stream_end_lingering(struct io_loop *loop)
{
    struct list *next;
    for (struct list *at = loop->streams.next; at != &loop->streams; at = next) {
        struct io_stream *stream = container_of(at, struct io_stream, node);
        next = at->next;
        if (stream->lingering)
            end_linger(stream);
    }
}

static bool is_still(struct io_stream *stream, uint64_t since_ms, uint64_t now_ms)
{
    if (stream->queue.len > 0 || (stream->end != NULL && !tcp_end_acked(stream->end)))
        stream->moved_ms = now_ms;
    if (stream->moved_ms < since_ms)
        stream->moved_ms = since_ms;
    return now_ms - stream->moved_ms >= IO_LINGER_STILL_MS;
}

void stream_end_still(struct io_loop *loop, uint64_t since_ms)
{
    uint64_t now_ms = loop_world(loop)->now_us / 1000;
    struct list *next;
    for (struct list *at = loop->streams.next; at != &loop->streams; at = next) {
        struct io_stream *stream = container_of(at, struct io_stream, node);
        next = at->next;
        if (stream->lingering && is_still(stream, since_ms, now_ms))
            end_linger(stream);
    }
}
