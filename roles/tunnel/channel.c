#include "io/log.h"
#include "roles/tunnel/internal.h"

#include "base/map.h"

#include <stdlib.h>

static void touch(struct tunnel_channel *channel)
{
    struct tunnel *tunnel = channel->tunnel;

    channel->active_ms = io_now_ms(tunnel->hub->loop);
    list_remove(&channel->in_tunnel);
    list_append(&tunnel->channels, &channel->in_tunnel);
}

struct tunnel_channel *channel_new(struct tunnel *tunnel, struct snitun_channel *snitun,
                                   const struct adit_ip *caller)
{
    struct tunnel_channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL)
        return NULL;
    channel->tunnel = tunnel;
    channel->snitun = snitun;
    channel->caller = *caller;
    channel->opened_ms = io_now_ms(tunnel->hub->loop);
    chain_init(&channel->waiting);
    list_init(&channel->in_tunnel);
    tunnel->channel_count++;
    touch(channel);
    snitun_channel_set_user(snitun, channel);
    return channel;
}

static void release(struct tunnel_channel *channel)
{
    struct tunnel *tunnel = channel->tunnel;

    if (channel->snitun != NULL)
        snitun_channel_close(channel->snitun);
    if (tunnel->handler->left != NULL)
        tunnel->handler->left(tunnel->arg, &channel->caller);
    chain_clear(&channel->waiting, &tunnel->hub->pool);
    list_remove(&channel->in_tunnel);
    free(channel);
    tunnel->channel_count--;
    tunnel->emptied = tunnel->channel_count == 0;
    tunnel_want_pump(tunnel);
}

void channel_end(struct tunnel_channel *channel, bool at_once)
{
    if (channel->stream == NULL)
        channel->tunnel->handler->abandoned(channel->tunnel->arg, channel);
    else if (at_once)
        io_abort(channel->stream);
    else
        io_close(channel->stream);
    release(channel);
}

/* The channel whose sink is furthest behind in this loop. */
static struct tunnel_channel *greediest(struct tunnel_hub *hub)
{
    struct tunnel_channel *worst = NULL;

    for (struct list *t = hub->tunnels.next; t != &hub->tunnels; t = t->next) {
        struct tunnel *tunnel = container_of(t, struct tunnel, in_hub);
        for (struct list *c = tunnel->channels.next; c != &tunnel->channels; c = c->next) {
            struct tunnel_channel *channel = container_of(c, struct tunnel_channel, in_tunnel);
            if (worst == NULL || channel->backlog > worst->backlog)
                worst = channel;
        }
    }
    return worst;
}

/* The tunnel whose own stream is furthest behind in this loop. */
static struct tunnel *greediest_tunnel(struct tunnel_hub *hub)
{
    struct tunnel *worst = NULL;

    for (struct list *t = hub->tunnels.next; t != &hub->tunnels; t = t->next) {
        struct tunnel *tunnel = container_of(t, struct tunnel, in_hub);
        if (!tunnel->over &&
            (worst == NULL || io_queued(tunnel->stream) > io_queued(worst->stream)))
            worst = tunnel;
    }
    return worst;
}

static void log_cut(const struct tunnel_hub *hub, const char *what, const struct adit_ip *whose,
                    size_t behind)
{
    char address[IP_TEXT_MAX];

    ip_format(whose, address);
    log_overload(hub->loop, LOG_WARN, "memory-budget",
                 "closed the %s of %s, whose reader is %zu bytes behind: "
                 "the memory budget of %zu bytes is used up",
                 what, address, behind, hub->memory_max);
}

static void cut_tunnel(struct tunnel_hub *hub, struct tunnel *tunnel)
{
    struct addr peer = io_stream_peer(tunnel->stream);

    log_cut(hub, "multiplexer", &peer.ip, io_queued(tunnel->stream));
    tunnel_cut(tunnel);
}

static void cut_channel(struct tunnel_hub *hub, struct tunnel_channel *channel)
{
    log_cut(hub, "channel", &channel->caller, channel->backlog);
    hub->channels_closed_for_memory++;
    channel_end(channel, true);
}

/* Ends the greediest of all that waits. False when nothing is left. */
static bool relieve(struct tunnel_hub *hub)
{
    struct tunnel_channel *channel = greediest(hub);
    struct tunnel *tunnel = greediest_tunnel(hub);
    size_t of_channel = channel == NULL ? 0 : channel->backlog;
    size_t of_tunnel = tunnel == NULL ? 0 : io_queued(tunnel->stream);
    size_t most = of_channel > of_tunnel ? of_channel : of_tunnel;

    if (io_drop_closed(hub->loop, most)) {
        log_overload(hub->loop, LOG_WARN, "memory-budget",
                     "cut a closed connection whose reader is behind: "
                     "the memory budget of %zu bytes is used up",
                     hub->memory_max);
        return true;
    }
    if (hub->relieve != NULL && hub->relieve(hub->relieve_arg, most))
        return true;
    if (tunnel != NULL && of_tunnel > of_channel)
        cut_tunnel(hub, tunnel);
    else if (channel != NULL && of_channel > 0)
        cut_channel(hub, channel);
    else
        return false;
    return true;
}

/* The memory budget beats every other promise. */
void tunnel_hub_keep_budget(struct tunnel_hub *hub)
{
    while (io_buffered(hub->loop) + hub->pool.lent * POOL_BUFFER_LEN >
           hub->memory_max + hub->doomed)
        if (!relieve(hub))
            return;
}

/* Tells the session how far the sink is behind. The channel may be gone after it. */
static void measure_backlog(struct tunnel_channel *channel)
{
    size_t backlog = channel->waiting.len;
    bool grew;

    if (channel->stream != NULL)
        backlog += io_queued(channel->stream);
    if (backlog == channel->backlog)
        return;
    grew = backlog > channel->backlog;
    channel->backlog = backlog;
    if (channel->snitun != NULL && !snitun_channel_backlog(channel->snitun, backlog)) {
        log_event(channel->tunnel->hub->loop, LOG_WARN, "backlog",
                  "closed a channel whose reader is %zu bytes behind", backlog);
        channel_end(channel, true);
        return;
    }
    if (grew)
        tunnel_hub_keep_budget(channel->tunnel->hub);
}

/* IO_AGAIN: what came with the reset was not told yet. */
static bool may_have_bytes(struct io_stream *stream)
{
    uint8_t byte;
    ssize_t got = io_read(stream, &byte, 1);

    return got == IO_AGAIN || (got == 1 && io_unread(stream, &byte, 1) == IO_OK);
}

/*
 * The channel's stream takes no more. A service that answers before it has read everything, and
 * closes, resets the connection: its answer is there and still goes to the other side.
 */
static void stream_failed(struct tunnel_channel *channel, int error)
{
    if (error != IO_E_RESET || !may_have_bytes(channel->stream)) {
        channel_end(channel, true);
        return;
    }
    channel->deaf = true;
    snitun_channel_ready(channel->snitun);
    tunnel_want_pump(channel->tunnel);
}

void channel_received(struct tunnel_channel *channel, const uint8_t *bytes, size_t len)
{
    int error = IO_OK;

    touch(channel);
    channel->received += len;
    if (channel->stream == NULL) {
        if (!chain_append(&channel->waiting, &channel->tunnel->hub->pool, bytes, len))
            error = IO_E_NO_MEMORY;
    } else if (!channel->deaf) {
        error = io_send(channel->stream, bytes, len);
    }
    if (error == IO_OK)
        measure_backlog(channel);
    else if (channel->stream != NULL)
        stream_failed(channel, error);
    else
        channel_end(channel, true);
}

void channel_closed(struct tunnel_channel *channel)
{
    snitun_channel_close(channel->snitun);
    channel->snitun = NULL;
    if (channel->stream != NULL || channel->waiting.len == 0)
        channel_end(channel, false);
}

size_t channel_read(struct tunnel_channel *channel, uint8_t *out, size_t max)
{
    ssize_t got = io_read(channel->stream, out, max);

    if (got > 0) {
        touch(channel);
        channel->sent += (uint64_t)got;
        return (size_t)got;
    }
    if (got == IO_AGAIN)
        snitun_channel_idle(channel->snitun);
    else
        channel_end(channel, got < 0);
    return 0;
}

static void on_readable(void *arg)
{
    struct tunnel_channel *channel = arg;

    snitun_channel_ready(channel->snitun);
    tunnel_want_pump(channel->tunnel);
}

static void on_sent(void *arg)
{
    struct tunnel_channel *channel = arg;
    struct tunnel *tunnel = channel->tunnel;

    touch(channel);
    measure_backlog(channel);
    tunnel_want_pump(tunnel);
}

static void on_failed(void *arg, int error)
{
    stream_failed(arg, error);
}

static const struct io_stream_handler stream_handler = {
    .readable = on_readable,
    .sent = on_sent,
    .failed = on_failed,
};

void channel_join(struct tunnel_channel *channel, struct io_stream *stream)
{
    channel->stream = stream;
    io_stream_set_handler(stream, &stream_handler, channel);
    snitun_channel_ready(channel->snitun);
    tunnel_want_pump(channel->tunnel);
}

/* Sends what arrived before the endpoint was there. False when the stream took no more. */
static bool flush_waiting(struct tunnel_channel *channel, struct io_stream *stream)
{
    struct pool *pool = &channel->tunnel->hub->pool;
    struct iovec piece;

    while (chain_peek(&channel->waiting, &piece, 1) == 1) {
        if (io_send(stream, piece.iov_base, piece.iov_len) != IO_OK)
            return false;
        chain_consume(&channel->waiting, pool, piece.iov_len);
    }
    return true;
}

void tunnel_attach(struct tunnel_channel *channel, struct io_stream *endpoint)
{
    bool flushed = flush_waiting(channel, endpoint);

    if (channel->snitun != NULL && flushed) {
        channel_join(channel, endpoint);
        measure_backlog(channel);
        return;
    }
    channel->stream = endpoint;
    channel_end(channel, !flushed);
}

void tunnel_refuse(struct tunnel_channel *channel)
{
    release(channel);
}

void tunnel_channel_set_user(struct tunnel_channel *channel, void *user)
{
    channel->user = user;
}

void *tunnel_channel_user(const struct tunnel_channel *channel)
{
    return channel->user;
}

const struct adit_ip *tunnel_channel_caller(const struct tunnel_channel *channel)
{
    return &channel->caller;
}
