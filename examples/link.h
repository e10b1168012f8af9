/*
 * A channel and the connection to the endpoint that it is joined to.
 */
#ifndef LINK_H
#define LINK_H

#include <adit/snitun.h>

struct link {
    struct snitun_channel *channel; /* NULL once closed: what is queued is still delivered */
    int fd;                         /* -1: this link is free */
    bool readable;                  /* the engine was told that the endpoint has bytes */
    uint8_t *queue;                 /* bytes that the endpoint did not take yet */
    size_t queued;
};

/* Connects to the endpoint; false when that cannot be: the caller closes the channel. */
bool link_start(struct link *link, struct snitun_channel *channel, const char *endpoint);

/* Closes channel and connection, drops what is queued. A free link may be ended again. */
void link_end(struct link *link);

/* Bytes of the channel for the endpoint. May end the link. */
void link_deliver(struct link *link, const uint8_t *data, size_t len);

/* The other side closed the channel: the link ends when its queue is delivered. */
void link_closed(struct link *link);

/* What to ask poll() for; 0 = leave the link out, as poll() tells of a hang-up in any case. */
short link_events(const struct link *link);

/* What poll() told. May end the link. */
void link_serve(struct link *link, short happened);

#endif
