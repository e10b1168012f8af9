/*
 * Three things that must agree: which peer has which prefix (allowed.h), what the mesh knows, and
 * the routes of the kernel into the device. The kernel has a route for every prefix that has an
 * owner, whether that one is connected or not: what is for a peer that is away goes nowhere else.
 */
#include "roles/vpn/internal.h"

#include <string.h>

/* ---- The kernel's routes ---- */

static void refused(struct vpn *vpn, const struct cidr *to, int error)
{
    char text[CIDR_TEXT_MAX];
    cidr_format(to, text);
    log_event(vpn->loop, LOG_WARN, "route", "no route to %s: %s", text, io_error_text(error));
}

/* The kernel made one for the network of an address of ours. */
static bool is_own_network(const struct vpn *vpn, const struct cidr *to)
{
    for (size_t i = 0; i < vpn->config.address_count; i++)
        if (vpn->config.addresses[i].prefix_len == to->prefix_len &&
            cidr_contains(to, &vpn->config.addresses[i].ip))
            return true;
    return false;
}

static bool ask_kernel(void *arg, const struct cidr *to, bool add)
{
    struct vpn *vpn = arg;
    bool everything = to->prefix_len == 0;
    if (is_own_network(vpn, to))
        return true;
    if (everything && vpn->names_open)
        return false;
    return (everything ? io_device_everything(vpn->device, to->ip.family, add,
                                              add && vpn->config.block_leaks)
                       : io_device_route(vpn->device, to, add)) == 0;
}

void vpn_routes_settle(struct vpn *vpn)
{
    io_task_cancel(&vpn->settle);
    if (vpn->allowed == NULL || vpn->device == NULL)
        return;
    allowed_settle(vpn->allowed, ask_kernel, vpn);
    if (allowed_unsettled(vpn->allowed) && !vpn->names_open)
        io_timer_set_in(&vpn->settle_later, VPN_SETTLE_MS);
}

static void on_settle(void *arg)
{
    vpn_routes_settle(arg);
}

/*
 * A name that a peer is connected by could not be looked up any more once everything goes into a
 * tunnel that is not there yet. So at the start the rules for everything wait for such names.
 */
static bool is_named(const struct vpn_peer_config *config)
{
    struct adit_ip ip;
    return config->host[0] != '\0' && !ip_parse(config->host, &ip);
}

static void close_names(void *arg)
{
    struct vpn *vpn = arg;
    io_timer_stop(&vpn->names_late);
    vpn->names_open = false;
    vpn_routes_settle(vpn);
}

static void open_names(struct vpn *vpn, const struct vpn_config *config)
{
    io_timer_init(&vpn->names_late, vpn->loop, close_names, vpn);
    for (size_t i = 0; vpn->past && i < config->peer_count; i++)
        vpn->names_open |= is_named(&config->peers[i]);
    if (vpn->names_open)
        io_timer_set_in(&vpn->names_late, VPN_DIAL_MS);
}

void vpn_routes_name_known(struct vpn_peer *peer)
{
    struct vpn *vpn = peer->vpn;
    peer->name_known = true;
    if (!vpn->names_open || vpn->stopping)
        return;
    for (size_t i = 0; i < VPN_PEERS_MAX; i++)
        if (vpn->peers[i] != NULL && !vpn->peers[i]->name_known && is_named(&vpn->peers[i]->config))
            return;
    close_names(vpn);
}

static bool own(struct vpn *vpn, const struct cidr *prefix, unsigned peer, unsigned rank)
{
    io_task_queue(&vpn->settle);
    return allowed_add(vpn->allowed, prefix, peer, rank);
}

static void disown(struct vpn *vpn, const struct cidr *prefix, unsigned peer)
{
    io_task_queue(&vpn->settle);
    allowed_remove(vpn->allowed, prefix, peer);
}

/* ---- allowed_ips ---- */

bool vpn_routes_add(struct vpn_peer *peer)
{
    const struct vpn_peer_config *config = &peer->config;
    size_t added = 0;
    if (peer->vpn->allowed == NULL)
        return true;
    while (added < config->allowed_count &&
           own(peer->vpn, &config->allowed[added], peer->number, ALLOWED_CONFIGURED))
        added++;
    if (added == config->allowed_count)
        return true;
    while (added-- > 0)
        disown(peer->vpn, &config->allowed[added], peer->number);
    return false;
}

void vpn_routes_remove(struct vpn_peer *peer)
{
    for (size_t i = 0; peer->vpn->allowed != NULL && i < peer->config.allowed_count; i++)
        disown(peer->vpn, &peer->config.allowed[i], peer->number);
}

/* ---- The mesh ---- */

static bool is_configured(const struct vpn_peer *peer, const struct cidr *to)
{
    for (size_t i = 0; i < peer->config.allowed_count; i++)
        if (peer->config.allowed[i].prefix_len == to->prefix_len &&
            ip_equal(&peer->config.allowed[i].ip, &to->ip))
            return true;
    return false;
}

/* What is configured stays the peer's, learned or not. */
static void on_route(void *arg, const struct cidr *to, unsigned number, unsigned length)
{
    struct vpn *vpn = arg;
    const struct vpn_peer *peer = vpn->peers[number];
    if (peer == NULL || is_configured(peer, to))
        return;
    if (length == 0)
        disown(vpn, to, number);
    else if (!own(vpn, to, number, length))
        refused(vpn, to, IO_E_NO_MEMORY);
}

static bool takes_part(const struct vpn_peer *peer)
{
    return peer->vpn->mesh != NULL &&
           (peer->config.announce || peer->config.accept_route_count > 0);
}

void vpn_routes_up(struct vpn_peer *peer)
{
    if (!takes_part(peer))
        return;
    peer->in_mesh = true;
    mesh_up(peer->vpn->mesh, peer->number, peer->config.accept_routes,
            peer->config.accept_route_count);
    io_task_queue(&peer->vpn->tell_routes);
}

void vpn_routes_down(struct vpn_peer *peer)
{
    if (!peer->in_mesh)
        return;
    peer->in_mesh = false;
    mesh_down(peer->vpn->mesh, peer->number);
    io_task_queue(&peer->vpn->tell_routes);
}

void vpn_routes_heard(struct vpn_link *link, const struct quicktun_route *update)
{
    struct vpn *vpn = link->vpn;
    if (!link->peer->in_mesh)
        return;
    enum mesh_heard heard = mesh_hear(vpn->mesh, link->peer->number, update, io_now_ms(vpn->loop));
    if (heard > MESH_LOOP)
        log_event(vpn->loop, LOG_WARN, "mesh", "%s: %s", link->peer->config.name,
                  mesh_heard_text(heard));
    if (heard == MESH_FLOOD)
        vpn_link_end(link, "it announces too many routes");
    io_task_queue(&vpn->tell_routes);
}

/* All that may be told to a peer now; false when its queue is full. */
static bool tell(struct vpn_peer *peer)
{
    struct vpn *vpn = peer->vpn;
    struct quicktun_route update;
    uint64_t now = io_now_ms(vpn->loop);
    while (vpn_link_ready(peer->link) && mesh_next(vpn->mesh, peer->number, &update, now)) {
        struct quicktun_wire *wire = vpn_wire_lend(peer->link);
        if (io_queued(peer->link->stream) >= vpn->config.limits.queue_bytes)
            return false;
        if (!quicktun_send_route(peer->link->session, wire, &update)) {
            vpn_wire_flush(vpn);
            wire = vpn_wire_lend(peer->link);
            if (!quicktun_send_route(peer->link->session, wire, &update))
                return false;
        }
        mesh_told(vpn->mesh, peer->number, now);
    }
    return true;
}

static void on_tell(void *arg)
{
    enum { FULL_MS = 50 };
    struct vpn *vpn = arg;
    uint64_t wait_ms = UINT64_MAX;
    for (size_t i = 0; i < VPN_PEERS_MAX; i++) {
        struct vpn_peer *peer = vpn->peers[i];
        if (peer == NULL || !peer->in_mesh)
            continue;
        uint64_t peer_ms =
            tell(peer) ? mesh_wait_ms(vpn->mesh, peer->number, io_now_ms(vpn->loop)) : FULL_MS;
        if (peer_ms < wait_ms)
            wait_ms = peer_ms;
    }
    vpn_wire_flush(vpn);
    if (wait_ms != UINT64_MAX)
        io_timer_set_in(&vpn->tell_later, wait_ms == 0 ? 1 : wait_ms);
}

/* ---- Own networks ---- */

static void router_id(const struct vpn *vpn, uint8_t id[MESH_ID_LEN])
{
    if (vpn->config.has_router_id)
        memcpy(id, vpn->config.router_id, MESH_ID_LEN);
    else
        memcpy(id, quicktun_context_public(vpn->context), MESH_ID_LEN);
}

static bool own_all(struct vpn *vpn, const struct cidr *networks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!mesh_own(vpn->mesh, &networks[i]))
            return false;
    return true;
}

bool vpn_routes_start(struct vpn *vpn, const struct vpn_config *config)
{
    uint8_t id[MESH_ID_LEN];
    uint8_t seed[16];
    io_task_init(&vpn->tell_routes, vpn->loop, on_tell, vpn);
    io_timer_init(&vpn->tell_later, vpn->loop, on_tell, vpn);
    io_task_init(&vpn->settle, vpn->loop, on_settle, vpn);
    io_timer_init(&vpn->settle_later, vpn->loop, on_settle, vpn);
    open_names(vpn, config);
    if (vpn->config.kind != IO_DEVICE_IP)
        return true;
    router_id(vpn, id);
    io_random(vpn->loop, seed, sizeof seed);
    vpn->allowed = allowed_new();
    vpn->mesh = mesh_new(id, VPN_PEERS_MAX, seed, on_route, vpn);
    return vpn->allowed != NULL && vpn->mesh != NULL &&
           own_all(vpn, vpn->config.announce, vpn->config.announce_count);
}

static bool has(const struct cidr *networks, size_t count, const struct cidr *network)
{
    for (size_t i = 0; i < count; i++)
        if (networks[i].prefix_len == network->prefix_len &&
            ip_equal(&networks[i].ip, &network->ip))
            return true;
    return false;
}

bool vpn_routes_reload(struct vpn *vpn, const struct vpn_config *config)
{
    const struct vpn_config *now = &vpn->config;
    if (vpn->mesh == NULL)
        return true;
    if (!own_all(vpn, config->announce, config->announce_count))
        return false;
    for (size_t i = 0; i < now->announce_count; i++)
        if (!has(config->announce, config->announce_count, &now->announce[i]))
            mesh_disown(vpn->mesh, &now->announce[i]);
    io_task_queue(&vpn->tell_routes);
    return true;
}

void vpn_routes_stop(struct vpn *vpn)
{
    io_task_cancel(&vpn->tell_routes);
    io_timer_stop(&vpn->tell_later);
    io_task_cancel(&vpn->settle);
    io_timer_stop(&vpn->settle_later);
    io_timer_stop(&vpn->names_late);
}
