/*
 * The channels, each with the connection to the endpoint that it is joined to.
 */
#ifndef LINK_H
#define LINK_H

#include <adit/snitun.h>
#include <poll.h>

enum { LINKS_MAX = 256 };

struct link {
    struct snitun_channel *channel; /* NULL once closed: what is queued is still delivered */
    int fd;                         /* -1: this link is free */
    bool readable;                  /* the engine was told that the endpoint has bytes */
    uint8_t *queue;                 /* bytes that the endpoint did not take yet */
    size_t queued, room;
};

/* Before anything else. */
void links_init(void);

/* Joins a channel to a new connection to the endpoint, or closes the channel. */
void links_open(struct snitun_channel *channel, const char *endpoint);

/* Fills in what to ask poll() for: LINKS_MAX entries. */
void links_ask(struct pollfd *fds);

/* What poll() told. */
void links_serve(const struct pollfd *fds);

/* Ends all. */
void links_end(void);

/* Closes channel and connection, drops what is queued. A free link may be ended again. */
void link_end(struct link *link);

/* Bytes of the channel for the endpoint. May end the link. */
void link_deliver(struct link *link, const uint8_t *data, size_t len);

/* The other side closed the channel: the link ends when its queue is delivered. */
void link_closed(struct link *link);

#endif
