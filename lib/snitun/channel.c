#include "lib/snitun/channel.h"

#include "lib/snitun/control.h"
#include "lib/snitun/schedule.h"

#include <stdlib.h>
#include <string.h>

static uint64_t id_hash(const struct snitun_session *session, const uint8_t id[SNITUN_ID_LEN])
{
    return map_hash(session->context->map_seed, id, SNITUN_ID_LEN);
}

static bool id_matches(const struct map_node *node, const void *key)
{
    const struct snitun_channel *channel = container_of(node, const struct snitun_channel, node);
    return memcmp(channel->id, key, sizeof channel->id) == 0;
}

struct snitun_channel *snitun_channel_find(const struct snitun_session *session,
                                           const uint8_t id[SNITUN_ID_LEN])
{
    struct map_node *node = map_find(&session->channels, id_hash(session, id), id_matches, id);
    return node ? container_of(node, struct snitun_channel, node) : NULL;
}

bool snitun_channel_over_limit(const struct snitun_session *session)
{
    return session->held + session->closing >= session->channels_max;
}

struct snitun_channel *snitun_channel_new(struct snitun_session *session,
                                          const uint8_t id[SNITUN_ID_LEN])
{
    struct snitun_channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return NULL;
    if (!map_insert(&session->channels, &channel->node, id_hash(session, id))) {
        free(channel);
        return NULL;
    }
    channel->session = session;
    memcpy(channel->id, id, sizeof channel->id);
    list_init(&channel->scheduled);
    list_init(&channel->queued);
    session->held++;
    session->counters.channels_opened++;
    return channel;
}

struct snitun_channel *snitun_channel_open(struct snitun_session *session,
                                           const struct adit_ip *caller)
{
    if (session->role != SNITUN_SERVER || !snitun_session_running(session) ||
        snitun_channel_over_limit(session))
        return NULL;
    uint8_t id[SNITUN_ID_LEN];
    struct snitun_context *context = session->context;
    if (context->random(context->random_arg, id, sizeof id) || snitun_channel_find(session, id))
        return NULL;
    struct snitun_channel *channel = snitun_channel_new(session, id);
    if (!channel)
        return NULL;
    channel->caller = *caller;
    channel->new_due = true;
    snitun_control_update(channel);
    return channel;
}

/* Takes an open channel out of everything that sends and receives. */
static void detach(struct snitun_channel *channel)
{
    struct snitun_session *session = channel->session;
    if (session->receiver.channel == channel)
        session->receiver.channel = NULL;
    snitun_schedule_remove(channel);
    list_remove(&channel->queued);
    map_remove(&session->channels, &channel->node);
}

void snitun_channel_ended(struct snitun_channel *channel)
{
    detach(channel);
    channel->ended = true;
    list_append(&channel->session->ended, &channel->scheduled);
}

void snitun_channel_close(struct snitun_channel *channel)
{
    struct snitun_session *session = channel->session;
    session->held--;
    if (channel->ended) {
        list_remove(&channel->scheduled);
        free(channel);
        return;
    }
    detach(channel);
    if (channel->new_due || session->error) {
        free(channel);
        return;
    }
    channel->closing = true;
    session->closing++;
    snitun_control_update(channel);
}

void snitun_channel_closed(struct snitun_channel *channel)
{
    channel->session->closing--;
    list_remove(&channel->queued);
    free(channel);
}

static void free_closing(struct snitun_session *session)
{
    struct list *queue = &session->control.channels;
    for (struct list *node = queue->next, *next; node != queue; node = next) {
        next = node->next;
        struct snitun_channel *channel = container_of(node, struct snitun_channel, queued);
        if (channel->closing)
            snitun_channel_closed(channel);
    }
}

void snitun_channel_free_all(struct snitun_session *session)
{
    free_closing(session);
    while (!list_empty(&session->ended)) {
        struct list *node = session->ended.next;
        list_remove(node);
        free(container_of(node, struct snitun_channel, scheduled));
    }
    struct map_walk walk = map_walk_start(&session->channels);
    for (struct map_node *node; (node = map_walk_next(&session->channels, &walk)) != NULL;) {
        struct snitun_channel *channel = container_of(node, struct snitun_channel, node);
        detach(channel);
        free(channel);
    }
    map_clear(&session->channels);
}

/* ---- What the caller says and asks about a channel ---- */

void snitun_channel_set_user(struct snitun_channel *channel, void *user)
{
    channel->user = user;
}

void *snitun_channel_user(const struct snitun_channel *channel)
{
    return channel->user;
}

void snitun_channel_ready(struct snitun_channel *channel)
{
    channel->ready = true;
    snitun_schedule_update(channel);
}

void snitun_channel_idle(struct snitun_channel *channel)
{
    channel->ready = false;
    snitun_schedule_update(channel);
}

bool snitun_channel_paused(const struct snitun_channel *channel)
{
    return channel->paused;
}

bool snitun_channel_backlog(struct snitun_channel *channel, size_t bytes)
{
    if (channel->session->version >= 1 && !channel->ended) {
        if (bytes >= SNITUN_PAUSE_AT)
            channel->pause_wanted = true;
        else if (bytes <= SNITUN_RESUME_AT)
            channel->pause_wanted = false;
        snitun_control_update(channel);
    }
    return bytes <= SNITUN_BACKLOG_MAX;
}
