#include "link.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct link links[LINKS_MAX];

void links_init(void)
{
    for (int i = 0; i < LINKS_MAX; i++)
        links[i].fd = -1;
}

void links_open(struct snitun_channel *channel, const char *endpoint)
{
    struct link *link = links;
    while (link < links + LINKS_MAX && link->fd >= 0)
        link++;
    int fd = link < links + LINKS_MAX ? dial(endpoint, true) : -1;
    if (fd < 0) {
        snitun_channel_close(channel);
        return;
    }
    *link = (struct link){.channel = channel, .fd = fd};
    snitun_channel_set_user(channel, link);
}

void links_end(void)
{
    for (int i = 0; i < LINKS_MAX; i++)
        link_end(&links[i]);
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

/* Twice what is needed: megabytes may come, and are not copied with each frame. */
static bool link_grow(struct link *link, size_t needed)
{
    if (needed <= link->room)
        return true;
    uint8_t *queue = realloc(link->queue, 2 * needed);
    if (queue == NULL)
        return false;
    link->queue = queue;
    link->room = 2 * needed;
    return true;
}

void link_deliver(struct link *link, const uint8_t *data, size_t len)
{
    if (!link_grow(link, link->queued + len)) {
        link_end(link);
        return;
    }
    memcpy(link->queue + link->queued, data, len);
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
        link->room = 0;
    }
    if (link->channel != NULL)
        snitun_channel_backlog(link->channel, link->queued);
}

static void link_serve(struct link *link, short happened)
{
    if (link->queued > 0 && happened & (POLLOUT | POLLHUP | POLLERR))
        link_drain(link);
    if (link->channel != NULL && happened & (POLLIN | POLLHUP | POLLERR)) {
        link->readable = true;
        snitun_channel_ready(link->channel); /* it is read when its turn comes */
    }
}

void links_ask(struct pollfd *fds)
{
    for (int i = 0; i < LINKS_MAX; i++) {
        const struct link *link = &links[i];
        bool listen = link->channel != NULL && !link->readable;
        short events = (short)((listen ? POLLIN : 0) | (link->queued > 0 ? POLLOUT : 0));
        /* Who is asked for nothing is left out: poll() would tell of a hang-up in any case. */
        fds[i] = (struct pollfd){events != 0 ? link->fd : -1, events, 0};
    }
}

void links_serve(const struct pollfd *fds)
{
    for (int i = 0; i < LINKS_MAX; i++)
        link_serve(&links[i], fds[i].revents);
}
