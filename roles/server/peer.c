#include "roles/server/internal.h"

#include "base/encode.h"
#include "base/map.h"
#include "io/log.h"

#include <stdlib.h>
#include <string.h>

enum peer_state {
    PEER_CHALLENGED, /* its token was good, the challenge is not answered */
    PEER_SERVING,
    PEER_PROBED,     /* another peer took a name: is this one still there? */
    PEER_SUPERSEDED, /* it is; it keeps its channels, and waits for the name to be free again */
};

struct server_peer {
    struct server_worker *worker;
    struct tunnel *tunnel;
    struct list link;
    struct list in_superseded;
    struct peer_ref ref; /* valid from PEER_SERVING on */
    char **names;        /* normalised, the primary first */
    size_t name_count;
    struct cidr *whitelist;
    size_t whitelist_count;
    double valid_s;
    uint64_t probe_due_ms;
    uint64_t drain_at_ms;
    uint64_t since_ms;
    struct addr source;
    struct ticket ticket;
    enum snitun_cipher cipher;
    uint8_t protocol_version;
    enum peer_state state;
};

static const char *primary(const struct server_peer *peer)
{
    return peer->names[0];
}

static void free_names(struct server_peer *peer)
{
    for (size_t i = 0; i < peer->name_count; i++)
        free(peer->names[i]);
    free(peer->names);
}

static struct server_peer *at(const struct server_worker *worker, struct list *link)
{
    return link == &worker->peers ? NULL : container_of(link, struct server_peer, link);
}

/* The peer goes: nobody may come to it. */
static void pass_by(struct server_worker *worker, struct server_peer *peer)
{
    for (struct list *w = worker->walks.next; w != &worker->walks; w = w->next) {
        struct peer_walk *walk = container_of(w, struct peer_walk, in_worker);

        if (walk->next == peer)
            walk->next = at(worker, peer->link.next);
    }
}

static void add_payload(struct server_peer *peer, uint64_t *received, uint64_t *sent)
{
    struct snitun_counters counters;

    snitun_session_counters(tunnel_session(peer->tunnel), &counters);
    *received += counters.payload_received;
    *sent += counters.payload_sent;
}

static void forget(struct server_peer *peer)
{
    struct server_worker *worker = peer->worker;

    if (peer->state != PEER_CHALLENGED) {
        for (size_t i = 0; i < peer->name_count; i++)
            hosts_release(worker->server->hosts, peer->names[i], peer->ref);
        slots_give_back(&worker->slots, peer->ref);
    }
    ticket_give_back(worker, &peer->ticket);
    pass_by(worker, peer);
    list_remove(&peer->link);
    list_remove(&peer->in_superseded);
    atomic_fetch_sub(&worker->peer_count, 1);
    free_names(peer);
    free(peer->whitelist);
    free(peer);
    worker_check_idle(worker);
}

static void end(struct server_peer *peer, const char *why)
{
    struct server_worker *worker = peer->worker;
    char from[ADDR_TEXT_MAX];

    if (peer->state != PEER_CHALLENGED) {
        addr_format(&peer->source, from);
        log_event(worker->loop, LOG_INFO, "peer-gone", "%s from %s: %s", primary(peer), from, why);
        add_payload(peer, &worker->counters.payload_received, &worker->counters.payload_sent);
    }
    tunnel_free(peer->tunnel);
    forget(peer);
}

/* The nearest of expiry, probe and drain. */
static void schedule(struct server_peer *peer)
{
    struct io_loop *loop = peer->worker->loop;
    double left_s = peer->valid_s - io_wall_s(loop);
    uint64_t now_ms = io_now_ms(loop);
    uint64_t at_ms = left_s <= 0 ? now_ms : now_ms + (uint64_t)(left_s * 1000) + 1;

    if (peer->state == PEER_PROBED && peer->probe_due_ms < at_ms)
        at_ms = peer->probe_due_ms;
    if (peer->state == PEER_SUPERSEDED && now_ms + SERVER_RECLAIM_MS < at_ms)
        at_ms = now_ms + SERVER_RECLAIM_MS;
    if (peer->drain_at_ms < at_ms)
        at_ms = peer->drain_at_ms;
    tunnel_wake_at(peer->tunnel, at_ms);
}

static void note_name(struct server_peer *peer, const char *name)
{
    hosts_note(peer->worker->server->hosts, name, peer->ref, io_wall_s(peer->worker->loop),
               &peer->source.ip);
}

/* Whoever took names from it may have left: then they are served here again. */
static void reclaim(struct server_peer *peer)
{
    struct server_worker *worker = peer->worker;
    bool has_all = true;

    for (size_t i = 0; i < peer->name_count; i++) {
        const char *name = peer->names[i];
        bool anew;

        if (!hosts_reclaim(worker->server->hosts, name, peer->ref, &anew)) {
            has_all = false;
        } else if (anew) {
            note_name(peer, name);
            log_event(worker->loop, LOG_INFO, "peer-again",
                      "%s: the newer connection has left, the older one serves it", name);
        }
    }
    if (!has_all)
        return;
    peer->state = PEER_SERVING;
    list_remove(&peer->in_superseded);
}

static void on_woke(void *arg)
{
    struct server_peer *peer = arg;
    uint64_t now_ms = io_now_ms(peer->worker->loop);

    if (io_wall_s(peer->worker->loop) >= peer->valid_s) {
        end(peer, "its token has expired");
        return;
    }
    if (peer->drain_at_ms <= now_ms) {
        end(peer, peer->worker->stopping ? "the server is stopping" : "out of memory");
        return;
    }
    if (peer->state == PEER_PROBED && peer->probe_due_ms <= now_ms) {
        if (!tunnel_heard_since_probe(peer->tunnel)) {
            end(peer, "superseded by a newer connection, and silent");
            return;
        }
        peer->state = PEER_SUPERSEDED;
    }
    if (peer->state == PEER_SUPERSEDED && !peer->worker->stopping)
        reclaim(peer);
    schedule(peer);
}

static void on_established(void *arg)
{
    struct server_peer *peer = arg;
    struct server_worker *worker = peer->worker;
    char from[ADDR_TEXT_MAX];
    bool claimed = slots_take(&worker->slots, peer, &peer->ref);

    if (claimed)
        peer->state = PEER_SERVING;
    for (size_t i = 0; claimed && i < peer->name_count; i++)
        claimed = server_may_claim(worker) &&
                  hosts_claim(worker->server->hosts, peer->names[i], peer->ref);
    if (!claimed) {
        server_refused(worker, REFUSED_RESOURCES, &peer->source.ip, "out of memory, as %s",
                       primary(peer));
        peer->drain_at_ms = 0;
        schedule(peer);
        return;
    }
    for (size_t i = 0; i < peer->name_count; i++)
        note_name(peer, peer->names[i]);
    ticket_give_back(worker, &peer->ticket);
    worker->counters.peers++;
    addr_format(&peer->source, from);
    log_event(worker->loop, LOG_INFO, "peer", "%s from %s, %s, version %u, %zu more names",
              primary(peer), from, snitun_cipher_name(peer->cipher), peer->protocol_version,
              peer->name_count - 1);
    schedule(peer);
}

static void on_emptied(void *arg)
{
    struct server_peer *peer = arg;

    if (peer->worker->stopping)
        end(peer, "the server is stopping");
}

static void on_left(void *arg, const struct adit_ip *caller)
{
    const struct server_peer *peer = arg;

    caller_give_back(peer->worker, caller);
}

static void on_ended(void *arg, enum tunnel_end how, int error)
{
    struct server_peer *peer = arg;

    if (peer->state == PEER_CHALLENGED)
        server_refused(peer->worker, REFUSED_CHALLENGE, &peer->source.ip, "as %s: %s",
                       primary(peer),
                       how == TUNNEL_END_PROTOCOL ? snitun_error_text(error)
                                                  : "it left before the challenge was answered");
    if (how == TUNNEL_END_CLOSED)
        end(peer, "it closed the connection");
    else if (how == TUNNEL_END_IO)
        end(peer, io_error_text(error));
    else
        end(peer, snitun_error_text(error));
}

static const struct tunnel_handler tunnel_handler = {
    .established = on_established,
    .left = on_left,
    .emptied = on_emptied,
    .woke = on_woke,
    .ended = on_ended,
};

/* Fills peer->names from the token, each name once. */
static bool copy_names(struct server_peer *peer, const struct snitun_token *token)
{
    peer->names = calloc(1 + token->alias_count, sizeof(*peer->names));
    if (peer->names == NULL)
        return false;
    for (size_t i = 0; i <= token->alias_count; i++) {
        const char *name = i == 0 ? token->hostname : token->aliases[i - 1];
        char normal[HOSTNAME_MAX + 1];

        if (!hostname_normalise(name, strlen(name), normal))
            return false;
        peer->names[i] = strdup(normal);
        if (peer->names[i] == NULL)
            return false;
        peer->name_count++;
    }
    return true;
}

static bool copy_whitelist(struct server_peer *peer, const struct snitun_token *token)
{
    if (token->whitelist_count == 0)
        return true;
    peer->whitelist = calloc(token->whitelist_count, sizeof(*peer->whitelist));
    if (peer->whitelist == NULL)
        return false;
    for (size_t i = 0; i < token->whitelist_count; i++)
        peer->whitelist[i] = (struct cidr){token->whitelist[i].ip, token->whitelist[i].prefix_len};
    peer->whitelist_count = token->whitelist_count;
    return true;
}

static struct server_peer *peer_new(struct server_worker *worker, const struct addr *source,
                                    const struct snitun_token *token)
{
    struct server_peer *peer = calloc(1, sizeof(*peer));

    if (peer == NULL)
        return NULL;
    if (!copy_names(peer, token) || !copy_whitelist(peer, token)) {
        free_names(peer);
        free(peer->whitelist);
        free(peer);
        return NULL;
    }
    peer->worker = worker;
    peer->source = *source;
    peer->valid_s = token->valid;
    peer->drain_at_ms = UINT64_MAX;
    peer->since_ms = io_now_ms(worker->loop);
    peer->cipher = token->keys.cipher;
    peer->protocol_version = token->keys.protocol_version;
    list_init(&peer->link);
    list_init(&peer->in_superseded);
    return peer;
}

void peer_begin(struct server_worker *worker, struct io_stream *stream, const struct addr *source,
                const struct snitun_token *token, struct ticket *ticket)
{
    const struct server_limits *limits = &worker->settings->limits;
    struct tunnel_options options = {
        .snitun = {.channels_max = limits->channels_per_peer, .handshake_ms = limits->challenge_ms},
        .channel_idle_ms = limits->channel_idle_ms,
    };
    struct server_peer *peer = peer_new(worker, source, token);

    if (peer == NULL) {
        io_abort(stream);
        goto err;
    }
    peer->tunnel = tunnel_new(&worker->hub, stream, SNITUN_SERVER, &token->keys, &options,
                              &tunnel_handler, peer);
    if (peer->tunnel == NULL)
        goto err_peer;
    peer->ticket = *ticket;
    list_append(&worker->peers, &peer->link);
    atomic_fetch_add(&worker->peer_count, 1);
    schedule(peer);
    return;

err_peer:
    free_names(peer);
    free(peer->whitelist);
    free(peer);
err:
    server_refused(worker, REFUSED_RESOURCES, &source->ip, "out of memory");
    ticket_give_back(worker, ticket);
}

static bool welcomes(const struct server_peer *peer, const struct adit_ip *caller)
{
    for (size_t i = 0; i < peer->whitelist_count; i++)
        if (cidr_contains(&peer->whitelist[i], caller))
            return true;
    return peer->whitelist_count == 0;
}

void peer_join(struct server_peer *peer, struct io_stream *device, const struct addr *caller)
{
    struct server_worker *worker = peer->worker;

    if (tunnel_is_over(peer->tunnel)) {
        device_refuse(worker, device, &caller->ip, REFUSED_UNKNOWN_NAME, primary(peer));
        return;
    }
    if (!welcomes(peer, &caller->ip)) {
        device_refuse(worker, device, &caller->ip, REFUSED_CALLER, primary(peer));
        return;
    }
    if (!caller_take(worker, &caller->ip)) {
        device_refuse(worker, device, &caller->ip, REFUSED_CALLER_QUOTA, primary(peer));
    } else if (tunnel_open(peer->tunnel, device, &caller->ip) != 0) {
        caller_give_back(worker, &caller->ip);
        device_refuse(worker, device, &caller->ip, REFUSED_RESOURCES, primary(peer));
    } else {
        worker->counters.devices++;
    }
}

/* A token may be used again and again, and each use would leave one more behind. */
static void bound_superseded(struct server_peer *newest)
{
    struct server_worker *worker = newest->worker;
    struct server_peer *oldest = NULL;
    unsigned count = 0;

    if (list_empty(&newest->in_superseded))
        list_append(&worker->superseded, &newest->in_superseded);
    for (struct list *p = worker->superseded.prev; p != &worker->superseded; p = p->prev) {
        struct server_peer *peer = container_of(p, struct server_peer, in_superseded);

        if (strcmp(primary(peer), primary(newest)) != 0)
            continue;
        oldest = peer;
        count++;
    }
    if (count > SERVER_OLDER_MAX)
        end(oldest, "superseded, and too many newer connections are, too");
}

void peer_name_lost(struct server_peer *peer, const char *name)
{
    log_event(peer->worker->loop, LOG_INFO, "peer-superseded", "a newer connection serves %s now",
              name);
    if (peer->state == PEER_CHALLENGED)
        return;
    peer->state = PEER_PROBED;
    peer->probe_due_ms = io_now_ms(peer->worker->loop) + SERVER_PROBE_MS;
    tunnel_probe(peer->tunnel);
    schedule(peer);
    bound_superseded(peer);
}

void peer_clock_set_all(struct server_worker *worker)
{
    for (struct list *p = worker->peers.next; p != &worker->peers; p = p->next)
        schedule(container_of(p, struct server_peer, link));
}

/* Peers without channels leave one after the other, so that they do not all come back at once. */
void peer_drain_all(struct server_worker *worker)
{
    uint64_t now_ms = io_now_ms(worker->loop);

    for (struct list *p = worker->peers.next; p != &worker->peers; p = p->next) {
        struct server_peer *peer = container_of(p, struct server_peer, link);

        peer->drain_at_ms = worker->stop_at_ms;
        if (tunnel_channels(peer->tunnel) == 0)
            peer->drain_at_ms =
                now_ms + io_random_below(worker->loop, worker->settings->drain_ms / 2 + 1);
        schedule(peer);
    }
}

void peer_end_all(struct server_worker *worker)
{
    while (!list_empty(&worker->peers))
        end(container_of(worker->peers.next, struct server_peer, link), "the server is stopping");
}

static bool is_revoked(const struct server_peer *peer)
{
    for (size_t i = 0; i < peer->name_count; i++)
        if (revoked_has(peer->worker->server->revoked, peer->names[i], peer->valid_s))
            return true;
    return false;
}

void peer_end_revoked(struct io_loop *loop, void *arg)
{
    struct server_worker *worker = arg;
    struct list *next;

    (void)loop;
    for (struct list *p = worker->peers.next; p != &worker->peers; p = next) {
        struct server_peer *peer = container_of(p, struct server_peer, link);

        next = p->next;
        if (is_revoked(peer))
            end(peer, "its token was revoked");
    }
}

void peer_walk_begin(struct server_worker *worker, struct peer_walk *walk)
{
    walk->next = at(worker, worker->peers.next);
    list_append(&worker->walks, &walk->in_worker);
}

struct server_peer *peer_walk_on(struct server_worker *worker, struct peer_walk *walk)
{
    struct server_peer *peer = walk->next;

    if (peer == NULL)
        list_remove(&walk->in_worker);
    else
        walk->next = at(worker, peer->link.next);
    return peer;
}

void peer_add_up(struct server_worker *worker, struct peer_sums *sums)
{
    for (struct list *p = worker->peers.next; p != &worker->peers; p = p->next) {
        struct server_peer *peer = container_of(p, struct server_peer, link);

        add_payload(peer, &sums->received, &sums->sent);
        sums->channels += tunnel_channels(peer->tunnel);
        sums->peers++;
    }
}

static const char *state_name(enum peer_state state)
{
    switch (state) {
    case PEER_CHALLENGED:
        return "challenged";
    case PEER_SERVING:
        return "serving";
    case PEER_PROBED:
    case PEER_SUPERSEDED:
        return "superseded";
    }
    return "";
}

json_t *peer_status(struct server_peer *peer)
{
    struct snitun_counters counters;
    char from[ADDR_TEXT_MAX];
    json_t *aliases = json_array();

    for (size_t i = 1; i < peer->name_count; i++)
        json_array_append_new(aliases, json_string(peer->names[i]));
    snitun_session_counters(tunnel_session(peer->tunnel), &counters);
    addr_format(&peer->source, from);
    return json_pack(
        "{s:s, s:o, s:s, s:s, s:s, s:i, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "hostname",
        primary(peer), "alias", aliases, "state", state_name(peer->state), "address", from,
        "cipher", snitun_cipher_name(peer->cipher), "protocol_version", (int)peer->protocol_version,
        "valid", peer->valid_s, "connected_ms",
        (json_int_t)(io_now_ms(peer->worker->loop) - peer->since_ms), "rtt_ms",
        (json_int_t)counters.rtt_ms, "channels", (json_int_t)tunnel_channels(peer->tunnel),
        "channels_opened", (json_int_t)counters.channels_opened, "bytes_received",
        (json_int_t)counters.payload_received, "bytes_sent", (json_int_t)counters.payload_sent,
        "frames_skipped", (json_int_t)counters.frames_skipped, "pings_dropped",
        (json_int_t)counters.pings_dropped);
}
