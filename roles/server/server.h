/*
 * The public server: devices and peers on one port (or two), the host-name table, fixed routes.
 * Policies are here; the wire is lib/snitun, the kernel is io.
 */
#ifndef ROLES_SERVER_SERVER_H
#define ROLES_SERVER_SERVER_H

#include "base/hostname.h"
#include "base/ip.h"
#include "io/io.h"

#include <jansson.h>

/* A name that goes to a fixed place instead of a peer. */
struct server_route {
    char name[HOSTNAME_MAX + 1]; /* normalised */
    char host[HOST_TEXT_MAX];
    uint16_t port;
};

/* How many and how long, before and after authentication. server_limits_default() fills it. */
struct server_limits {
    uint32_t early_per_address; /* unauthenticated connections of an IPv4 address or IPv6 /64 */
    uint32_t early_per_worker;  /* unauthenticated connections of a worker */
    size_t early_bytes;         /* bytes they may hold in a worker */
    uint32_t token_ms;          /* until a whole token */
    uint32_t hello_ms;          /* until a whole ClientHello */
    uint32_t challenge_ms;      /* until the challenge is answered */
    uint32_t channel_idle_ms;   /* a channel without traffic */
    uint32_t channels_per_peer;
    uint32_t channels_per_address; /* of devices, an IPv4 address or IPv6 /64 */
    size_t memory;                 /* budget of all workers for queued bytes; 0 = 1 GiB */
};
void server_limits_default(struct server_limits *limits);

/* All of it is copied by server_start() and server_reload(). */
struct server_config {
    struct addr *listen; /* devices and peers */
    size_t listen_count;
    struct addr *peer_listen; /* peers alone; then `listen` takes devices alone */
    size_t peer_listen_count;
    const char *fernet_key_file;
    unsigned workers; /* at least 1 */
    struct cidr *trust_proxy;
    size_t trust_proxy_count;
    struct server_route *routes;
    size_t route_count;
    uint32_t drain_ms;
    struct server_limits limits;
    /* Of a session master that is asked what was revoked; none of it is reloaded: */
    const char *master_url; /* as io_http_url_check() wants it, or NULL */
    const char *server_key_file;
    const char *master_ca_file; /* trusted instead of the system's authorities, or NULL */
    uint32_t master_interval_ms;
};

struct server;

/*
 * Reads the key file, binds, starts the workers and logs `ready`. stopped(arg) comes after
 * server_stop(), when the last connection is gone. Returns NULL with one line for a person in
 * why[why_len].
 */
struct server *server_start(struct io_loop *loop, const struct server_config *config,
                            void (*stopped)(void *arg), void *arg, char *why, size_t why_len);

/* The addresses bound, port 0 resolved, in the order of the configuration. */
size_t server_addresses(const struct server *server, struct addr *out, size_t max);

/*
 * What a session master in this process has revoked, instead of one that is asked: tokens for the
 * name, normalised, that are valid until then or less. Their peers are ended by
 * server_end_revoked(), which comes after the last of several. False without memory.
 */
bool server_revoke(struct server *server, const char *name, double valid_after_s);
void server_end_revoked(struct server *server);

/* Since when, Unix seconds, and from where a peer serves the name; false when none does. Any
 * thread. */
bool server_serves(struct server *server, const char *name, double *since_s, struct adit_ip *from);

/*
 * Keys, routes, trusted fronts and limits again; connections are kept, addresses and workers stay.
 * Returns 0, or -1 with why; then everything is as before.
 */
int server_reload(struct server *server, const struct server_config *config, char *why,
                  size_t why_len);

/*
 * Stops to accept. Peers without channels are closed spread over half of drain_ms, others at their
 * last channel, all at the end of drain_ms. A second call ends at once.
 */
void server_stop(struct server *server);

/* Frees a server whose stopped() came. */
void server_free(struct server *server);

/*
 * Asks every worker for its state; answer(arg, json) comes once, later or at once, on the server's
 * loop with an object that is the callee's: {"role": "server", "uptime_s", "workers": [...],
 * "peers": [...], "counters": {...}}. Without memory the workers are not asked, and json may be
 * NULL.
 */
void server_status(struct server *server, void (*answer)(void *arg, json_t *status), void *arg);

#endif
