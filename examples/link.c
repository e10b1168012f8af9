#include "link.h"

#include "support.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool link_start(struct link *link, struct snitun_channel *channel, const char *endpoint)
{
    int fd = dial(endpoint, true);
    if (fd < 0)
        return false;
    *link = (struct link){.channel = channel, .fd = fd};
    snitun_channel_set_user(channel, link);
    return true;
}

void link_end(struct link *link)
{
    if (link->fd < 0)
        return;
    if (link->channel != NULL)
        snitun_channel_close(link->channel);
    close(link->fd);
    free(link->queue);
    *link = (struct link){.fd = -1};
}

void link_deliver(struct link *link, const uint8_t *data, size_t len)
{
    uint8_t *queue = realloc(link->queue, link->queued + len);
    if (queue == NULL) {
        link_end(link);
        return;
    }
    memcpy(queue + link->queued, data, len);
    link->queue = queue;
    link->queued += len;
    /* From this the engine pauses the sender; it refuses what a sender that obeys never sends. */
    if (!snitun_channel_backlog(link->channel, link->queued))
        link_end(link);
}

void link_closed(struct link *link)
{
    snitun_channel_close(link->channel);
    link->channel = NULL;
    if (link->queued == 0)
        link_end(link);
}

short link_events(const struct link *link)
{
    bool listen = link->channel != NULL && !link->readable;
    return (short)((listen ? POLLIN : 0) | (link->queued > 0 ? POLLOUT : 0));
}

static void link_drain(struct link *link)
{
    ssize_t sent = send_some(link->fd, link->queue, link->queued);
    if (sent > 0) {
        link->queued -= (size_t)sent;
        memmove(link->queue, link->queue + sent, link->queued);
    }
    if (sent < 0 || (link->channel == NULL && link->queued == 0)) {
        link_end(link);
        return;
    }
    if (link->queued == 0) {
        free(link->queue);
        link->queue = NULL;
    }
    if (link->channel != NULL)
        snitun_channel_backlog(link->channel, link->queued);
}

void link_serve(struct link *link, short happened)
{
    if (link->queued > 0 && happened & (POLLOUT | POLLHUP | POLLERR))
        link_drain(link);
    if (link->channel != NULL && happened & (POLLIN | POLLHUP | POLLERR)) {
        link->readable = true;
        snitun_channel_ready(link->channel); /* it is read when its turn comes */
    }
}
