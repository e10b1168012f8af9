#include "roles/publish/internal.h"

#include "base/encode.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

/* Our answer to the challenge is on its way; only a pong shows that the server took it. */
static void on_established(void *arg)
{
    struct link *link = arg;

    tunnel_probe(link->tunnel);
}

static void on_answered(void *arg)
{
    struct link *link = arg;

    if (link->state != LINK_HANDSHAKE)
        return;
    link->state = LINK_CONNECTED;
    attempt_accepted(link);
}

static void on_opened(void *arg, struct tunnel_channel *channel)
{
    struct link *link = arg;

    on_answered(link);
    endpoint_open(link->publish, channel);
}

static void on_abandoned(void *arg, struct tunnel_channel *channel)
{
    (void)arg;
    endpoint_abandon(channel);
}

static void end_if_empty(struct link *link)
{
    if (link->state == LINK_RETIRED && !io_timer_armed(&link->grace) &&
        tunnel_channels(link->tunnel) == 0)
        link_close(link);
}

static void on_emptied(void *arg)
{
    end_if_empty(arg);
}

static void on_grace_over(void *arg)
{
    end_if_empty(arg);
}

static void on_ended(void *arg, enum tunnel_end how, int error)
{
    attempt_ended(arg, how, error);
}

static const struct tunnel_handler tunnel_handler = {
    .established = on_established,
    .answered = on_answered,
    .opened = on_opened,
    .abandoned = on_abandoned,
    .emptied = on_emptied,
    .ended = on_ended,
};

/* Sends the token and starts the multiplexer behind it. Returns 0 or an io_error. */
static int begin(struct link *link, struct io_stream *stream)
{
    const struct publish_config *config = &link->publish->config;
    struct credential *credential = &link->grant.credential;
    struct tunnel_options options = {
        .snitun = {.channels_max = config->channels_max, .handshake_ms = PUBLISH_HANDSHAKE_MS},
        .channel_idle_ms = config->channel_idle_ms,
    };
    int error = io_send(stream, credential->token, strlen(credential->token));

    if (error != IO_OK) {
        io_abort(stream);
        return error;
    }
    wipe(credential->token, sizeof(credential->token));
    link->tunnel = tunnel_new(&link->publish->hub, stream, SNITUN_CLIENT, &credential->keys,
                              &options, &tunnel_handler, link);
    link->state = LINK_HANDSHAKE;
    return link->tunnel == NULL ? IO_E_NO_MEMORY : IO_OK;
}

static void on_dialled(void *arg, int error, struct io_stream *stream)
{
    struct link *link = arg;
    char why[PUBLISH_WHY_MAX];

    link->dial = NULL;
    if (stream == NULL) {
        attempt_unreachable(link, error);
    } else if (attempt_spend(link->publish, why, sizeof(why)) != 0) {
        io_close(stream);
        attempt_unspent(link, why);
    } else {
        error = begin(link, stream);
        if (error != IO_OK)
            attempt_unreachable(link, error);
    }
}

struct link *link_open(struct publish *publish)
{
    struct link *link = calloc(1, sizeof(*link));

    if (link == NULL)
        return NULL;
    link->publish = publish;
    link->grant = publish->grant;
    link->state = LINK_CONNECTING;
    io_timer_init(&link->grace, publish->loop, on_grace_over, link);
    link->dial = io_dial(publish->loop, link->grant.server_host, link->grant.server_port,
                         PUBLISH_DIAL_MS, on_dialled, link);
    if (link->dial == NULL) {
        wipe(link, sizeof(*link));
        free(link);
        return NULL;
    }
    list_init(&link->in_publish);
    list_append(&publish->links, &link->in_publish);
    return link;
}

static void close_tunnel(struct link *link)
{
    struct publish *publish = link->publish;
    struct snitun_counters counters;

    snitun_session_counters(tunnel_session(link->tunnel), &counters);
    publish->counters.payload_received += counters.payload_received;
    publish->counters.payload_sent += counters.payload_sent;
    tunnel_free(link->tunnel);
}

void link_close(struct link *link)
{
    struct publish *publish = link->publish;

    if (publish->current == link)
        publish->current = NULL;
    if (publish->next == link)
        publish->next = NULL;
    if (link->dial != NULL)
        io_dial_cancel(link->dial);
    if (link->tunnel != NULL)
        close_tunnel(link);
    io_timer_stop(&link->grace);
    list_remove(&link->in_publish);
    wipe(link, sizeof(*link));
    free(link);
}

static void close_oldest_retired(struct publish *publish)
{
    struct link *oldest = NULL;
    unsigned count = 0;

    for (struct list *p = publish->links.prev; p != &publish->links; p = p->prev) {
        struct link *link = container_of(p, struct link, in_publish);

        if (link->state == LINK_RETIRED) {
            oldest = link;
            count++;
        }
    }
    if (count > PUBLISH_RETIRED_MAX)
        link_close(oldest);
}

void link_retire(struct link *link)
{
    link->state = LINK_RETIRED;
    io_timer_set_in(&link->grace, PUBLISH_GRACE_MS);
    close_oldest_retired(link->publish);
}
