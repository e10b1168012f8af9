#include "roles/tunnel/internal.h"

#include "base/map.h"

#include <stdlib.h>

enum { LOOK_EVERY_MS = 1000 }; /* for acknowledgements, while nothing is heard */

int tunnel_hub_init(struct tunnel_hub *hub, struct io_loop *loop, size_t memory_max)
{
    hub->loop = loop;
    hub->memory_max = memory_max;
    hub->doomed = 0;
    hub->channels_closed_for_memory = 0;
    hub->relieve = NULL;
    pool_init(&hub->pool);
    list_init(&hub->tunnels);
    hub->snitun = snitun_context_new(io_random_fn, loop);
    hub->wire = malloc(TUNNEL_WIRE_LEN);
    if (hub->snitun != NULL && hub->wire != NULL)
        return 0;
    tunnel_hub_clear(hub);
    return -1;
}

void tunnel_hub_clear(struct tunnel_hub *hub)
{
    snitun_context_free(hub->snitun);
    free(hub->wire);
    pool_clear(&hub->pool);
    hub->snitun = NULL;
    hub->wire = NULL;
}

void tunnel_want_pump(struct tunnel *tunnel)
{
    io_task_queue(&tunnel->pump);
}

void tunnel_finish(struct tunnel *tunnel, enum tunnel_end how, int error)
{
    if (tunnel->over)
        return;
    tunnel->over = true;
    tunnel->end = how;
    tunnel->error = error;
    tunnel_want_pump(tunnel);
}

void tunnel_cut(struct tunnel *tunnel)
{
    tunnel->doomed = io_queued(tunnel->stream);
    tunnel->hub->doomed += tunnel->doomed;
    tunnel_finish(tunnel, TUNNEL_END_IO, IO_E_NO_MEMORY);
}

/* When the timer is due: for the session, the owner, or the channel idle for longest. */
static uint64_t due_ms(const struct tunnel *tunnel)
{
    uint64_t due = snitun_deadline(tunnel->session);

    if (tunnel->wake_at_ms < due)
        due = tunnel->wake_at_ms;
    if (tunnel->silent && tunnel->looked_ms + LOOK_EVERY_MS < due && io_unacked(tunnel->stream) > 0)
        due = tunnel->looked_ms + LOOK_EVERY_MS;
    if (!list_empty(&tunnel->channels)) {
        struct tunnel_channel *oldest =
            container_of(tunnel->channels.next, struct tunnel_channel, in_tunnel);
        uint64_t idle_at = oldest->active_ms + tunnel->channel_idle_ms;
        if (idle_at < due)
            due = idle_at;
    }
    return due;
}

/* Deadlines that move away are noticed when the timer fires; those that come nearer, here. */
static void rearm(struct tunnel *tunnel)
{
    uint64_t due = due_ms(tunnel);

    if (!io_timer_armed(&tunnel->timer) || due < tunnel->timer.at_ms)
        io_timer_set(&tunnel->timer, due);
}

static void end_idle_channels(struct tunnel *tunnel, uint64_t now_ms)
{
    while (!list_empty(&tunnel->channels)) {
        struct tunnel_channel *oldest =
            container_of(tunnel->channels.next, struct tunnel_channel, in_tunnel);
        if (oldest->active_ms + tunnel->channel_idle_ms > now_ms)
            return;
        channel_end(oldest, false);
    }
}

/*
 * Acknowledged bytes are a sign of life while a long frame of ours is on its way: of the time when
 * they came. What was acknowledged before the line fell silent says nothing, so only what a look
 * finds that follows closely on another one counts. Nor does the acknowledgement of a ping: a
 * machine gives it for a program that hangs.
 */
static void look_for_progress(struct tunnel *tunnel, uint64_t now_ms)
{
    int64_t acked = (int64_t)tunnel->sent - (int64_t)io_unacked(tunnel->stream);
    bool counts = !snitun_asked(tunnel->session) || tunnel->acked < tunnel->before_ping;

    if (tunnel->silent && counts && acked > tunnel->acked &&
        now_ms - tunnel->looked_ms <= 2 * LOOK_EVERY_MS)
        snitun_progress(tunnel->session, now_ms);
    tunnel->acked = acked;
    tunnel->looked_ms = now_ms;
    tunnel->silent = true;
}

static void on_timer(void *arg)
{
    struct tunnel *tunnel = arg;
    uint64_t now_ms = io_now_ms(tunnel->hub->loop);
    bool asked;
    int error;

    look_for_progress(tunnel, now_ms);
    asked = snitun_asked(tunnel->session);
    error = snitun_tick(tunnel->session, now_ms);
    if (error != SNITUN_OK) {
        tunnel_finish(tunnel, TUNNEL_END_PROTOCOL, error);
        return;
    }
    if (!asked)
        tunnel->before_ping = (int64_t)tunnel->sent;
    end_idle_channels(tunnel, now_ms);
    tunnel_want_pump(tunnel);
    if (tunnel->wake_at_ms <= now_ms) {
        tunnel->wake_at_ms = UINT64_MAX;
        io_timer_set(&tunnel->timer, due_ms(tunnel));
        tunnel->handler->woke(tunnel->arg);
        return;
    }
    io_timer_set(&tunnel->timer, due_ms(tunnel));
}

static void on_opened(struct tunnel *tunnel, const struct snitun_event *event)
{
    struct tunnel_channel *channel = NULL;

    /* The session forgets those that the other side closed; here they may still be connecting. */
    if (tunnel->channel_count < tunnel->channels_max)
        channel = channel_new(tunnel, event->channel, &event->caller);
    if (channel == NULL) {
        snitun_channel_close(event->channel);
        return;
    }
    rearm(tunnel);
    tunnel->handler->opened(tunnel->arg, channel);
}

static void on_event(struct tunnel *tunnel, const struct snitun_event *event)
{
    switch (event->type) {
    case SNITUN_ESTABLISHED:
        rearm(tunnel);
        tunnel->handler->established(tunnel->arg);
        break;
    case SNITUN_OPENED:
        on_opened(tunnel, event);
        break;
    case SNITUN_PONG:
        if (tunnel->handler->answered != NULL)
            tunnel->handler->answered(tunnel->arg);
        break;
    case SNITUN_DATA:
        channel_received(snitun_channel_user(event->channel), event->data, event->len);
        break;
    case SNITUN_CLOSED:
        channel_closed(snitun_channel_user(event->channel));
        break;
    case SNITUN_NEED_MORE:
        break;
    }
}

static int receive(struct tunnel *tunnel, const uint8_t *in, size_t len)
{
    uint64_t now_ms = io_now_ms(tunnel->hub->loop);
    struct snitun_event event;
    size_t consumed;

    do {
        int error = snitun_receive(tunnel->session, now_ms, in, len, &consumed, &event);
        if (error != SNITUN_OK)
            return error;
        on_event(tunnel, &event);
        in += consumed;
        len -= consumed;
    } while (event.type != SNITUN_NEED_MORE);
    return SNITUN_OK;
}

static void on_readable(void *arg)
{
    struct tunnel *tunnel = arg;

    for (int batch = 0; batch < TUNNEL_BATCHES_PER_ROUND && !tunnel->over; batch++) {
        ssize_t got = io_read(tunnel->stream, tunnel->hub->wire, TUNNEL_WIRE_LEN);
        int error;

        if (got == IO_AGAIN)
            break;
        if (got <= 0) {
            tunnel_finish(tunnel, got == 0 ? TUNNEL_END_CLOSED : TUNNEL_END_IO, (int)got);
            return;
        }
        tunnel->heard_since_probe = true;
        tunnel->silent = false;
        error = receive(tunnel, tunnel->hub->wire, (size_t)got);
        if (error != SNITUN_OK)
            tunnel_finish(tunnel, TUNNEL_END_PROTOCOL, error);
        if (batch == TUNNEL_BATCHES_PER_ROUND - 1)
            io_again(tunnel->stream);
    }
    if (snitun_wants_to_send(tunnel->session))
        tunnel_want_pump(tunnel);
}

static void on_pump(void *arg)
{
    struct tunnel *tunnel = arg;

    if (!tunnel->over)
        tunnel_send(tunnel);
    if (tunnel->over) {
        tunnel->handler->ended(tunnel->arg, tunnel->end, tunnel->error);
        return;
    }
    rearm(tunnel);
    if (tunnel->emptied) {
        tunnel->emptied = false;
        if (tunnel->handler->emptied != NULL)
            tunnel->handler->emptied(tunnel->arg);
    }
}

static void on_sent(void *arg)
{
    struct tunnel *tunnel = arg;

    if (io_queued(tunnel->stream) == 0)
        tunnel_want_pump(tunnel);
}

static void on_failed(void *arg, int error)
{
    tunnel_finish(arg, TUNNEL_END_IO, error);
}

static const struct io_stream_handler stream_handler = {
    .readable = on_readable,
    .sent = on_sent,
    .failed = on_failed,
};

struct tunnel *tunnel_new(struct tunnel_hub *hub, struct io_stream *stream, enum snitun_role role,
                          const struct snitun_keys *keys, const struct tunnel_options *options,
                          const struct tunnel_handler *handler, void *arg)
{
    struct tunnel *tunnel = calloc(1, sizeof(*tunnel));

    if (tunnel == NULL)
        goto err_stream;
    tunnel->session =
        snitun_session_new(hub->snitun, role, keys, &options->snitun, io_now_ms(hub->loop));
    if (tunnel->session == NULL)
        goto err_tunnel;
    tunnel->hub = hub;
    tunnel->stream = stream;
    tunnel->handler = handler;
    tunnel->arg = arg;
    tunnel->wake_at_ms = UINT64_MAX;
    tunnel->channel_idle_ms = options->channel_idle_ms;
    tunnel->channels_max =
        options->snitun.channels_max == 0 ? SNITUN_CHANNELS_MAX : options->snitun.channels_max;
    list_init(&tunnel->channels);
    list_init(&tunnel->in_hub);
    list_append(&hub->tunnels, &tunnel->in_hub);
    io_timer_init(&tunnel->timer, hub->loop, on_timer, tunnel);
    io_task_init(&tunnel->pump, hub->loop, on_pump, tunnel);
    io_stream_set_handler(stream, &stream_handler, tunnel);
    io_stream_set_multiplexed(stream);
    io_again(stream);
    rearm(tunnel);
    tunnel_want_pump(tunnel);
    return tunnel;

err_tunnel:
    free(tunnel);
err_stream:
    io_abort(stream);
    return NULL;
}

void tunnel_free(struct tunnel *tunnel)
{
    if (tunnel == NULL)
        return;
    while (!list_empty(&tunnel->channels))
        channel_end(container_of(tunnel->channels.next, struct tunnel_channel, in_tunnel), false);
    if (tunnel->over && tunnel->end != TUNNEL_END_CLOSED)
        io_abort(tunnel->stream);
    else
        io_close(tunnel->stream);
    tunnel->hub->doomed -= tunnel->doomed;
    snitun_session_free(tunnel->session);
    io_timer_stop(&tunnel->timer);
    io_task_cancel(&tunnel->pump);
    list_remove(&tunnel->in_hub);
    free(tunnel);
}

struct snitun_session *tunnel_session(struct tunnel *tunnel)
{
    return tunnel->session;
}

struct io_stream *tunnel_stream(struct tunnel *tunnel)
{
    return tunnel->stream;
}

size_t tunnel_channels(const struct tunnel *tunnel)
{
    return tunnel->channel_count;
}

void tunnel_wake_at(struct tunnel *tunnel, uint64_t at_ms)
{
    tunnel->wake_at_ms = at_ms;
    rearm(tunnel);
}

void tunnel_probe(struct tunnel *tunnel)
{
    tunnel->heard_since_probe = false;
    snitun_ping(tunnel->session);
    tunnel_want_pump(tunnel);
}

bool tunnel_heard_since_probe(const struct tunnel *tunnel)
{
    return tunnel->heard_since_probe;
}

bool tunnel_is_over(const struct tunnel *tunnel)
{
    return tunnel->over;
}

int tunnel_open(struct tunnel *tunnel, struct io_stream *device, const struct adit_ip *caller)
{
    struct snitun_channel *opened;
    struct tunnel_channel *channel;

    opened = tunnel->over ? NULL : snitun_channel_open(tunnel->session, caller);
    if (opened == NULL)
        return -1;
    channel = channel_new(tunnel, opened, caller);
    if (channel == NULL) {
        snitun_channel_close(opened);
        return -1;
    }
    channel_join(channel, device);
    rearm(tunnel);
    return 0;
}

void tunnel_each_channel(struct tunnel *tunnel,
                         void (*visit)(void *arg, const struct tunnel_channel_state *state),
                         void *arg)
{
    uint64_t now_ms = io_now_ms(tunnel->hub->loop);

    for (struct list *c = tunnel->channels.next; c != &tunnel->channels; c = c->next) {
        struct tunnel_channel *channel = container_of(c, struct tunnel_channel, in_tunnel);
        struct tunnel_channel_state state = {
            .caller = channel->caller,
            .received = channel->received,
            .sent = channel->sent,
            .backlog = channel->backlog,
            .age_ms = now_ms - channel->opened_ms,
            .idle_ms = now_ms - channel->active_ms,
            .paused = channel->snitun != NULL && snitun_channel_paused(channel->snitun),
        };
        visit(arg, &state);
    }
}
