/*
 * A multiplexer connection on a loop: joins one SniTun session to the stream that carries it, and
 * each of its channels to the stream of a device or an endpoint. Server and publisher share it.
 *
 * Bytes flow without a stop in between: from the carrying stream into the hub's wire buffer and on
 * to the channel's stream; from a channel's stream into the wire buffer, behind its frame header,
 * and on to the carrying stream. What a sink does not take waits in that stream's own queue.
 */
#ifndef ROLES_TUNNEL_TUNNEL_H
#define ROLES_TUNNEL_TUNNEL_H

#include "adit/snitun.h"
#include "base/chain.h"
#include "base/list.h"
#include "io/io.h"

/* What the tunnels of one loop share. */
struct tunnel_hub {
    struct io_loop *loop;
    struct snitun_context *snitun;
    uint8_t *wire;    /* one batch of frames, in or out */
    struct pool pool; /* for what arrives before an endpoint is connected */
    struct list tunnels;
    size_t memory_max; /* bytes that may wait for sinks in this loop */
    size_t doomed;     /* of them, in tunnels that were cut and go at the end of the round */
    uint64_t channels_closed_for_memory;
    /*
     * Ends whatever else of the loop has the longest queue, if that is longer than longer_than
     * bytes; false when there is none. NULL = there is nothing else.
     */
    bool (*relieve)(void *arg, size_t longer_than);
    void *relieve_arg;
};

/* 0, or -1 without memory. */
int tunnel_hub_init(struct tunnel_hub *hub, struct io_loop *loop, size_t memory_max);
void tunnel_hub_clear(struct tunnel_hub *hub); /* after its last tunnel */

/* To be asked whenever a queue of the loop grew: ends the greediest while memory_max is passed. */
void tunnel_hub_keep_budget(struct tunnel_hub *hub);

struct tunnel;
struct tunnel_channel;

/* Why a tunnel ended. */
enum tunnel_end {
    TUNNEL_END_CLOSED,   /* the other side closed */
    TUNNEL_END_IO,       /* the carrying stream failed: an io_error */
    TUNNEL_END_PROTOCOL, /* a snitun_error */
};

/*
 * Called from the loop. Only emptied, woke and ended may free the tunnel; after ended it is to be
 * freed.
 */
struct tunnel_handler {
    void (*established)(void *arg);
    void (*answered)(void *arg); /* our newest ping was answered; may be NULL */
    /* Client: attach a stream to the channel now or later, or refuse it. */
    void (*opened)(void *arg, struct tunnel_channel *channel);
    /* Client: a channel without a stream is over; forget it. */
    void (*abandoned)(void *arg, struct tunnel_channel *channel);
    /* Server: a channel of tunnel_open() ended; to free nothing. May be NULL. */
    void (*left)(void *arg, const struct adit_ip *caller);
    void (*emptied)(void *arg); /* the last channel ended */
    void (*woke)(void *arg);    /* of tunnel_wake_at() */
    void (*ended)(void *arg, enum tunnel_end end, int error);
};

struct tunnel_options {
    struct snitun_options snitun;
    uint32_t channel_idle_ms;
};

/*
 * Takes over the stream, also when it fails. What is queued on the stream already (a client's
 * token) goes first. NULL without memory.
 */
struct tunnel *tunnel_new(struct tunnel_hub *hub, struct io_stream *stream, enum snitun_role role,
                          const struct snitun_keys *keys, const struct tunnel_options *options,
                          const struct tunnel_handler *handler, void *arg);

/* Ends every channel and the stream. NULL is allowed. */
void tunnel_free(struct tunnel *tunnel);

struct snitun_session *tunnel_session(struct tunnel *tunnel);
struct io_stream *tunnel_stream(struct tunnel *tunnel);
size_t tunnel_channels(const struct tunnel *tunnel);

/* Calls handler->woke once, at or after at_ms; UINT64_MAX takes it back. */
void tunnel_wake_at(struct tunnel *tunnel, uint64_t at_ms);

/*
 * Pings the other side now and remembers when, to ask later whether anything was heard since.
 */
void tunnel_probe(struct tunnel *tunnel);
bool tunnel_heard_since_probe(const struct tunnel *tunnel);

/* ---- Channels ---- */

/* Its end is known already; the owner is told at the end of this round of the loop. */
bool tunnel_is_over(const struct tunnel *tunnel);

/*
 * Server: opens a channel for a device and takes over the stream. Returns 0, or -1 and the stream
 * stays the caller's: no memory, too many channels, not established or just over.
 */
int tunnel_open(struct tunnel *tunnel, struct io_stream *device, const struct adit_ip *caller);

/*
 * Client: joins an opened channel to a connected endpoint; takes over the stream. What arrived
 * meanwhile follows what was sent to the stream already (a PROXY header). The channel may be gone
 * after it.
 */
void tunnel_attach(struct tunnel_channel *channel, struct io_stream *endpoint);

/* Ends a channel that was opened by the other side and not attached. */
void tunnel_refuse(struct tunnel_channel *channel);

void tunnel_channel_set_user(struct tunnel_channel *channel, void *user);
void *tunnel_channel_user(const struct tunnel_channel *channel);

/* Who calls; family 0 = unknown. */
const struct adit_ip *tunnel_channel_caller(const struct tunnel_channel *channel);

/* For status: calls visit for each channel. Bytes are payload from and to the other side. */
struct tunnel_channel_state {
    struct adit_ip caller;
    uint64_t received;
    uint64_t sent;
    size_t backlog;
    uint64_t age_ms;
    uint64_t idle_ms;
    bool paused;
};
void tunnel_each_channel(struct tunnel *tunnel,
                         void (*visit)(void *arg, const struct tunnel_channel_state *state),
                         void *arg);

#endif
