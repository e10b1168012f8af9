/*
 * What the files of the server share. One `struct server_worker` a loop; nothing is shared between
 * workers but the host-name table, the quota and the replay memory. Settings are immutable
 * snapshots: a reload posts a new one to each worker.
 *
 *   accepted -> early.c (PROXY header, ClientHello or token) -> peer.c (multiplexer)
 *                                                            -> peer.c's channel, or route.c
 */
#ifndef ROLES_SERVER_INTERNAL_H
#define ROLES_SERVER_INTERNAL_H

#include "adit/clienthello.h"
#include "adit/proxyheader.h"
#include "adit/snitun_token.h"
#include "base/list.h"
#include "roles/quota.h"
#include "roles/server/changes.h"
#include "roles/server/hosts.h"
#include "roles/server/replay.h"
#include "roles/server/revoked.h"
#include "roles/server/server.h"
#include "roles/server/slots.h"
#include "roles/tunnel/tunnel.h"

#include <stdatomic.h>

enum {
    /* First bytes of a connection that are looked at: PROXY header and ClientHello. */
    EARLY_BYTES_MAX = CLIENTHELLO_MAX + PROXYHEADER_V2_MAX,
    SERVER_WORKERS_MAX = 256,
    SERVER_HANDOVERS_MAX = 1024, /* on their way to one worker; more are refused */
    SERVER_OLDER_MAX =
        4, /* superseded peers of a name in a worker; the oldest is closed for more */
    SERVER_PROBE_MS = 5000,      /* a superseded peer answers a ping within, or is closed */
    SERVER_RECLAIM_MS = 5000,    /* it looks so often whether its names are free again */
    SERVER_CLOCK_LOOK_MS = 500,  /* how soon a worker notices that the wall clock was set */
    SERVER_CLOCK_STEP_MS = 100,  /* by less than this it was not */
    SERVER_EXHAUSTED_MS = 200,   /* without descriptors: pause before accepting again */
    SERVER_EARLY_SAFE_MS = 3000, /* so long an early connection is kept when others wait, too */
};

/* Why a connection was refused or a peer closed; each is counted and is a class of log lines. */
enum refusal {
    REFUSED_PROTOCOL, /* neither a ClientHello nor a token */
    REFUSED_PROXY_HEADER,
    REFUSED_HELLO,
    REFUSED_NO_NAME,
    REFUSED_UNKNOWN_NAME,
    REFUSED_TOKEN,
    REFUSED_TOKEN_EXPIRED,
    REFUSED_KEY_USED, /* aes-gcm, second use */
    REFUSED_REVOKED,
    REFUSED_CHALLENGE,
    REFUSED_CALLER,       /* outside the peer's whitelist */
    REFUSED_CALLER_QUOTA, /* its address has as many channels as it may */
    REFUSED_TIMEOUT,      /* before authentication */
    REFUSED_ADDRESS_QUOTA,
    REFUSED_EARLY_LIMIT, /* it was the oldest unknown one, and others waited */
    REFUSED_EARLY_BYTES,
    REFUSED_HANDOVER,  /* the other worker's queue is full */
    REFUSED_ROUTE,     /* a fixed route's target could not be reached */
    REFUSED_RESOURCES, /* no memory, or too many channels */
    REFUSALS,
};

struct server_counters {
    uint64_t accepted;
    uint64_t devices; /* joined to a channel */
    uint64_t routed;  /* joined to a fixed route */
    uint64_t peers;   /* authenticated */
    uint64_t token_trials;
    uint64_t handed_over;
    uint64_t exhausted;        /* times accepting paused for descriptors or memory */
    uint64_t early_limit;      /* times it paused for as many early connections as may be */
    uint64_t payload_received; /* of peers that are gone */
    uint64_t payload_sent;
    uint64_t refused[REFUSALS];
};

struct server_worker;
struct snapshot;

/* Holds a reference while it is on its way. */
struct snapshot_news {
    struct io_message message;
    struct snapshot *settings;
    struct server_worker *worker;
};

/* Settings at one moment. */
struct snapshot {
    atomic_uint references;
    struct snitun_keyring keyring;
    struct server_limits limits;
    size_t memory_per_worker;
    uint32_t drain_ms;
    struct snapshot_news *news; /* one a worker: brings it this snapshot */
    struct cidr *trust_proxy;
    size_t trust_proxy_count;
    struct server_route *routes;
    size_t route_count;
};

/* Reads the key file. NULL with why. */
struct snapshot *snapshot_new(struct io_loop *loop, const struct server_config *config,
                              unsigned workers, char *why, size_t why_len);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);
bool snapshot_trusts(const struct snapshot *snapshot, const struct adit_ip *ip);
const struct server_route *snapshot_route(const struct snapshot *snapshot, const char *name);

/* A listening socket and whom it serves. */
enum door { DOOR_BOTH, DOOR_DEVICES, DOOR_PEERS };

struct server_listener {
    struct server_worker *worker;
    struct io_listener *listener;
    enum door door;
};

/* What the server tells a worker, each once: so the messages can be embedded. */
enum order {
    ORDER_OPEN, /* starts to accept */
    ORDER_STOP,
    ORDER_CUT, /* ends everything at once */
    ORDERS,
};

struct server_worker {
    struct server *server;
    struct io_loop *loop;
    uint32_t index;
    struct snapshot *settings;
    int failure; /* of worker_run(), read when it said that it is ready */
    struct tunnel_hub hub;
    uint8_t *scratch; /* EARLY_BYTES_MAX: the first bytes of a connection, during one call */
    struct server_listener *listeners;
    size_t listener_count;
    struct io_timer resume_accepting;
    struct io_timer make_room;
    struct io_timer clock_look;
    double clock_offset_s; /* of the wall clock to the loop's, as peers were scheduled by */
    struct list early;
    uint32_t early_count; /* peers until their challenge is answered included */
    bool full;            /* … are as many as may be: accepting pauses */
    size_t early_bytes;
    struct list peers;
    struct list walks;      /* over the peers */
    struct list superseded; /* of the peers those that lost a name, the oldest first */
    struct list routes;
    struct slots slots;
    struct io_message orders[ORDERS];
    struct io_message ready; /* to the server, as is the next one */
    struct io_message idle;
    struct lost_name *notice; /* for the next name that is taken from another peer */
    bool stopping;
    uint64_t stop_at_ms; /* the end of draining */
    bool told_idle;
    struct io_task idle_check;
    struct server_counters counters;
    atomic_uint handovers;  /* posted to this worker, not yet taken */
    atomic_uint peer_count; /* for spreading: set by this worker, read by all */
};

struct server {
    struct io_loop *loop;
    struct snapshot *settings;
    struct io_listener **listeners; /* bound here, paused: the workers accept */
    enum door *doors;
    size_t listener_count;
    struct server_worker *workers;
    unsigned worker_count;
    unsigned workers_ready;
    unsigned workers_idle; /* stopped and empty */
    struct hosts *hosts;
    struct quota *quota;   /* of those that are not authenticated, by address */
    struct quota *callers; /* of devices with a channel or a fixed route, by address */
    struct replay *replay;
    struct revoked *revoked;
    struct changes *changes; /* NULL without a session master */
    uint64_t started_ms;
    struct io_timer drain_end;
    bool stopping;
    bool cut;
    bool joined; /* the workers are gone */
    void (*stopped)(void *arg);
    void *arg;
};

/* What the workers post to the server's loop. */
void server_worker_ready(struct io_loop *loop, void *server);
void server_worker_idle(struct io_loop *loop, void *server);

/*
 * Must have answered true before a worker claims a name: then whoever loses the name can be told.
 * False without memory.
 */
bool server_may_claim(struct server_worker *worker);

/* Counts it and logs one line: "closed ADDRESS: WHY". `from` may be NULL. */
void server_refused(struct server_worker *worker, enum refusal refusal, const struct adit_ip *from,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
const char *server_refusal_name(enum refusal refusal);

/* A place among the unauthenticated: held from accept until a route or a proved challenge. */
struct ticket {
    bool counted;
    bool has_address;
    struct adit_ip address;
};
void ticket_take(struct server_worker *worker, struct ticket *ticket);
bool ticket_take_address(struct server_worker *worker, struct ticket *ticket,
                         const struct adit_ip *address);
void ticket_give_back(struct server_worker *worker, struct ticket *ticket);

/*
 * A place among the devices of an address; a trusted front stands for many and has as many as it
 * wants.
 */
bool caller_take(struct server_worker *worker, const struct adit_ip *caller);
void caller_give_back(struct server_worker *worker, const struct adit_ip *caller);

/* ---- worker.c ---- */

void worker_init(struct server_worker *worker, struct server *server, uint32_t index);

/* The first that runs on its loop. */
void worker_run(struct io_loop *loop, void *worker);

/* Something of the worker ended: when it is stopping and empty, the server is told. */
void worker_check_idle(struct server_worker *worker);

/*
 * So many early connections more or less, or another limit. While they are as many as may be, the
 * worker accepts none: further ones wait in the kernel, or for another worker, and the oldest are
 * ended when they have been there for SERVER_EARLY_SAFE_MS.
 */
void worker_count_early(struct server_worker *worker, int change);

/* After its loop is gone. */
void worker_clear(struct server_worker *worker);

/* ---- early.c: before authentication ---- */

void early_accepted(struct server_listener *listener, struct io_stream *stream);
/* When the oldest was accepted. There must be one. */
uint64_t early_oldest_ms(const struct server_worker *worker);
/* Resets it, so that its descriptor is free and a publisher does not take this for an answer. */
void early_end_oldest(struct server_worker *worker);
void early_end_all(struct server_worker *worker);

/* ---- device.c: a device whose name is known ---- */

/* Takes over the stream, whose ClientHello has been put back. */
void device_route(struct server_worker *worker, struct io_stream *stream, const struct addr *caller,
                  const char *name);

/* Refuses a device with a TLS alert. */
void device_refuse(struct server_worker *worker, struct io_stream *stream,
                   const struct adit_ip *caller, enum refusal refusal, const char *name);

/* ---- admit.c ---- */

/*
 * A client whose token was opened: finds the worker that is to have it. Takes over stream, ticket
 * and what the token owns.
 */
void admit_client(struct server_worker *worker, struct io_stream *stream, const struct addr *source,
                  struct snitun_token *token, struct ticket *ticket);

/* ---- peer.c ---- */

/* Starts the multiplexer on this worker. Takes over stream and ticket. */
void peer_begin(struct server_worker *worker, struct io_stream *stream, const struct addr *source,
                const struct snitun_token *token, struct ticket *ticket);

/* Joins a device to a new channel; takes over the stream. */
void peer_join(struct server_peer *peer, struct io_stream *device, const struct addr *caller);
void peer_name_lost(struct server_peer *peer, const char *name);
void peer_clock_set_all(struct server_worker *worker); /* expiry is at another time now */
/* Ends the peers whose tokens were revoked; posted to the worker's loop. */
void peer_end_revoked(struct io_loop *loop, void *worker);
void peer_drain_all(struct server_worker *worker);
void peer_end_all(struct server_worker *worker);
json_t *peer_status(struct server_peer *peer);

/*
 * A walk over the peers of a worker that takes many rounds: who goes meanwhile is left out, who
 * comes is found at the end. A walk that was begun is to be walked until it answers NULL.
 */
struct peer_walk {
    struct list in_worker;
    struct server_peer *next;
};
void peer_walk_begin(struct server_worker *worker, struct peer_walk *walk);
struct server_peer *peer_walk_on(struct server_worker *worker, struct peer_walk *walk);

/* What the peers of a worker come to. */
struct peer_sums {
    size_t peers;
    size_t channels;
    uint64_t received;
    uint64_t sent;
};
void peer_add_up(struct server_worker *worker, struct peer_sums *sums);

/* ---- route.c: fixed routes ---- */

void route_join(struct server_worker *worker, struct io_stream *device, const struct addr *caller,
                const struct server_route *route);
void route_end_all(struct server_worker *worker);

/* Ends the route whose sink is furthest behind, if by more than so many bytes; else false. */
bool route_end_greediest(void *worker, size_t longer_than);

#endif
