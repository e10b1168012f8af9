#include "io/real/linger.h"

#include "base/map.h"
#include "io/real/tls_filter.h"

#include <stdlib.h>

struct linger_state {
    struct list node;
    struct list in_flushed;
    struct io_timer limit;
    struct io_stream *stream;
    size_t drained;    /* bytes read and dropped */
    uint64_t moved_ms; /* when something came last, or was not acknowledged yet */
    bool flushed;
};

void linger_end(struct io_stream *stream)
{
    struct linger_state *state = stream->linger;
    struct io_loop *loop = stream->source.loop;
    io_timer_stop(&state->limit);
    list_remove(&state->node);
    list_remove(&state->in_flushed);
    loop->lingering_count--;
    free(state);
    /* A plain end would make what is missing look whole. */
    if (stream->queue.len > 0)
        io_abort(stream);
    else
        stream_destroy(stream);
}

static void expired(void *arg)
{
    linger_end(arg);
}

/* Reads and drops. False when nothing more is to be waited for. */
static bool drain(struct io_stream *stream)
{
    struct linger_state *state = stream->linger;
    uint8_t *scratch = stream->source.loop->core.scratch;
    while (state->drained < IO_LINGER_DRAIN_MAX) {
        ssize_t got = stream_read(stream, scratch, IO_SCRATCH_LEN);
        if (got == IO_AGAIN)
            return true;
        if (got <= 0)
            return got == 0 && !state->flushed;
        state->drained += (size_t)got;
        state->moved_ms = io_now_ms(stream->source.loop);
    }
    return !state->flushed;
}

void linger_dispatch(struct io_stream *stream)
{
    struct linger_state *state = stream->linger;
    size_t queued = stream->queue.len;
    int error = stream_flush(stream);
    if (error == 0 && stream->queue.len == 0 && !state->flushed) {
        state->flushed = true;
        list_append(&stream->source.loop->flushed, &state->in_flushed);
        io_timer_set_in(&state->limit, IO_LINGER_MS);
    } else if (stream->queue.len < queued) {
        io_timer_set_in(&state->limit, IO_FLUSH_MS);
    }
    if (error != 0 || !drain(stream))
        linger_end(stream);
}

static bool is_still(struct linger_state *state, uint64_t since_ms, uint64_t now_ms)
{
    if (!state->flushed || io_unacked(state->stream) > 0)
        state->moved_ms = now_ms;
    if (state->moved_ms < since_ms)
        state->moved_ms = since_ms;
    return now_ms - state->moved_ms >= IO_LINGER_STILL_MS;
}

void linger_end_still(struct io_loop *loop, uint64_t since_ms)
{
    uint64_t now_ms = io_now_ms(loop);
    struct list *next;
    for (struct list *node = loop->lingering.next; node != &loop->lingering; node = next) {
        struct linger_state *state = container_of(node, struct linger_state, node);
        next = node->next;
        if (is_still(state, since_ms, now_ms))
            linger_end(state->stream);
    }
}

void linger_end_all(struct io_loop *loop)
{
    while (!list_empty(&loop->lingering))
        linger_end(container_of(loop->lingering.next, struct linger_state, node)->stream);
}

bool io_drop_closed(struct io_loop *loop, size_t longer_than)
{
    struct io_stream *longest = NULL;
    for (struct list *node = loop->lingering.next; node != &loop->lingering; node = node->next) {
        struct io_stream *stream = container_of(node, struct linger_state, node)->stream;
        if (stream->queue.len > longer_than) {
            longest = stream;
            longer_than = stream->queue.len;
        }
    }
    if (longest != NULL)
        linger_end(longest);
    return longest != NULL;
}

/* Who only waits for the other side's end loses nothing, and anybody can make many of those. */
static void end_one(struct io_loop *loop)
{
    if (list_empty(&loop->flushed))
        linger_end(container_of(loop->lingering.next, struct linger_state, node)->stream);
    else
        linger_end(container_of(loop->flushed.next, struct linger_state, in_flushed)->stream);
}

/* False without memory. */
static bool start(struct io_stream *stream)
{
    struct linger_state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return false;
    struct io_loop *loop = stream->source.loop;
    state->stream = stream;
    state->moved_ms = io_now_ms(loop);
    list_init(&state->in_flushed);
    io_timer_init(&state->limit, loop, expired, stream);
    io_timer_set_in(&state->limit, IO_FLUSH_MS);
    list_append(&loop->lingering, &state->node);
    loop->lingering_count++;
    stream->linger = state;
    if (loop->lingering_count > LINGER_COUNT_MAX)
        end_one(loop);
    return true;
}

/* Whether something is still to be sent or read before the descriptor may be closed. */
static bool has_to_linger(const struct io_stream *stream)
{
    if (stream->error != 0)
        return false;
    return stream->queue.len > 0 || !(stream->ended || stream->connecting);
}

void io_close(struct io_stream *stream)
{
    io_stream_set_handler(stream, &stream_no_handler, NULL);
    free(stream->unread);
    stream->unread = NULL;
    io_shutdown(stream);
    if (stream->tls != NULL)
        tls_filter_free(stream);
    stream_finish(stream);
    if (!has_to_linger(stream) || !start(stream))
        stream_destroy(stream);
    else if (!stream->connecting)
        linger_dispatch(stream);
}
