/*
 * What tunnel.c (the carrying stream), send.c (what goes out on it) and channel.c (the channels'
 * streams) share.
 */
#ifndef ROLES_TUNNEL_INTERNAL_H
#define ROLES_TUNNEL_INTERNAL_H

#include "roles/tunnel/tunnel.h"

enum {
    /* Room for one whole frame after another one: larger batches fall out of the L2 cache. */
    TUNNEL_WIRE_LEN = 2 * (SNITUN_HEADER_MAX + SNITUN_FRAME_ALONE) + 8 * SNITUN_CONTROL_MAX,
    TUNNEL_BATCHES_PER_ROUND = 2, /* then the other tunnels of the loop have their turn */
};

struct tunnel {
    struct tunnel_hub *hub;
    struct io_stream *stream;
    struct snitun_session *session;
    const struct tunnel_handler *handler;
    void *arg;
    struct list in_hub;
    struct list channels; /* the one idle for longest first */
    size_t channel_count;
    size_t channels_max;
    struct io_timer timer;
    struct io_task pump;
    uint64_t wake_at_ms;
    uint64_t sent; /* bytes given to the stream */
    int64_t acked; /* of them, when last looked at: */
    uint64_t looked_ms;
    int64_t before_ping; /* sent when the session last asked */
    uint32_t channel_idle_ms;
    size_t doomed; /* bytes of its queue when it was cut */
    enum tunnel_end end;
    int error;
    bool over;    /* `end` and `error` are to be told */
    bool emptied; /* to be told */
    bool silent;  /* nothing was heard since then */
    bool heard_since_probe;
};

struct tunnel_channel {
    struct tunnel *tunnel;
    struct snitun_channel *snitun; /* NULL: the other side closed it, bytes still wait */
    struct io_stream *stream;      /* NULL: not attached yet */
    void *user;
    struct list in_tunnel;
    struct chain waiting; /* received before the stream was attached */
    struct adit_ip caller;
    uint64_t opened_ms;
    uint64_t active_ms;
    uint64_t received;
    uint64_t sent;
    size_t backlog;
    bool deaf; /* the stream takes no more, but has bytes that came before its reset */
};

/* Something is to be sent or told: runs the pump at the end of the round. */
void tunnel_want_pump(struct tunnel *tunnel);

/* Sends until the stream takes no more: then its devices are not read either. */
void tunnel_send(struct tunnel *tunnel);

/* The owner is told with the next pump. */
void tunnel_finish(struct tunnel *tunnel, enum tunnel_end how, int error);

/* Ends the tunnel for the memory of its queue. */
void tunnel_cut(struct tunnel *tunnel);

/* A channel for the session's one; NULL without memory. */
struct tunnel_channel *channel_new(struct tunnel *tunnel, struct snitun_channel *snitun,
                                   const struct adit_ip *caller);

/* Joins the channel to a stream of its own. */
void channel_join(struct tunnel_channel *channel, struct io_stream *stream);

/* Payload from the other side. The channel may be gone after it. */
void channel_received(struct tunnel_channel *channel, const uint8_t *bytes, size_t len);

/* The other side closed the channel: what waits is still delivered. */
void channel_closed(struct tunnel_channel *channel);

/*
 * Reads payload for one frame: bytes, or 0 when there are none now; then the channel may be gone.
 */
size_t channel_read(struct tunnel_channel *channel, uint8_t *out, size_t max);

/* Ends a channel; its device or endpoint still gets what waits, or nothing with `at_once`. */
void channel_end(struct tunnel_channel *channel, bool at_once);

#endif
