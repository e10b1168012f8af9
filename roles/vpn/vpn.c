#include "roles/vpn/vpn.h"

#include "base/encode.h"
#include "roles/vpn/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_stopped(void *arg)
{
    struct vpn *vpn = arg;
    vpn->stopped(vpn->arg);
}

size_t vpn_addresses(const struct vpn *vpn, struct addr *out, size_t max)
{
    size_t count = vpn->listener_count < max ? vpn->listener_count : max;
    for (size_t i = 0; i < count; i++)
        out[i] = io_listener_addr(vpn->listeners[i]);
    return count;
}

/* ---- The device ---- */

void vpn_fail(struct vpn *vpn, const char *why)
{
    log_event(vpn->loop, LOG_ERROR, "device", "%s: %s", vpn->config.name, why);
    vpn->failed = true;
    vpn_stop(vpn);
}

static void on_device_failed(void *arg, int error)
{
    vpn_fail(arg, io_error_text(error));
}

static void on_refused(void *arg, const struct cidr *to, int error)
{
    struct vpn *vpn = arg;
    char text[CIDR_TEXT_MAX];
    cidr_format(to, text);
    log_event(vpn->loop, LOG_WARN, "route", "%s into %s was refused: %s", text,
              io_device_name(vpn->device), io_error_text(error));
}

static const struct io_device_handler device_handler = {
    .readable = vpn_packets_readable, .failed = on_device_failed, .refused = on_refused};

static bool open_device(struct vpn *vpn, char *why, size_t why_len)
{
    const struct vpn_config *config = &vpn->config;
    const struct io_device_config device = {.name = config->name,
                                            .kind = config->kind,
                                            .mtu = config->mtu,
                                            .addresses = config->addresses,
                                            .address_count = config->address_count,
                                            .segments = true,
                                            .hook_file = config->hook_file};
    int error = 0;
    char inner[256] = "";
    vpn->device =
        io_device_open(vpn->loop, &device, &device_handler, vpn, &error, inner, sizeof inner);
    if (vpn->device == NULL)
        snprintf(why, why_len, "no device %s: %s", config->name,
                 inner[0] == '\0' ? io_error_text(error) : inner);
    return vpn->device != NULL;
}

/* ---- Start ---- */

static void on_reap(void *arg)
{
    vpn_link_reap(arg);
}

static bool is_full_tunnel(const struct vpn_config *config)
{
    for (size_t i = 0; i < config->peer_count; i++)
        for (size_t j = 0; j < config->peers[i].allowed_count; j++)
            if (config->peers[i].allowed[j].prefix_len == 0)
                return true;
    return false;
}

static bool make_parts(struct vpn *vpn, const struct vpn_config *config)
{
    uint8_t seed[16];
    io_random(vpn->loop, seed, sizeof seed);
    vpn->context = quicktun_context_new(vpn->config.secret, io_random_fn, vpn->loop);
    vpn->quota = quota_new(seed);
    vpn->join = vpn_packets_join(vpn);
    vpn->wire.bytes = malloc(VPN_WIRE_ROOM);
    vpn->wire.room = VPN_WIRE_ROOM;
    vpn->scratch = malloc(PACKET_MAX);
    if (vpn->config.kind == IO_DEVICE_ETHERNET) {
        io_random(vpn->loop, seed, sizeof seed);
        vpn->stations = stations_new(VPN_PEERS_MAX + 1, seed);
    }
    return vpn->context != NULL && vpn->quota != NULL && vpn->join != NULL &&
           vpn->wire.bytes != NULL && vpn->scratch != NULL &&
           (vpn->config.kind == IO_DEVICE_IP || vpn->stations != NULL) &&
           vpn_routes_start(vpn, config);
}

/* What the sessions of a peer are to keep does not contradict itself. */
static bool check_peer(const struct vpn *vpn, const struct vpn_peer *peer, char *why,
                       size_t why_len)
{
    const char *text = NULL;
    struct quicktun_options options = vpn_peer_options(peer);
    if (quicktun_options_check(vpn->context, &options, &text) == QUICKTUN_OK)
        return true;
    snprintf(why, why_len, "peer %s: %s", peer->config.name, text);
    return false;
}

/* A new peer, in the list: 0, or -1 with why. */
static int make_peer(struct vpn *vpn, const struct vpn_peer_config *config, struct list *peers,
                     char *why, size_t why_len)
{
    struct vpn_peer *peer = vpn_peer_new(vpn, config);
    if (peer == NULL) {
        snprintf(why, why_len, "out of memory");
        return -1;
    }
    list_append(peers, &peer->node);
    return check_peer(vpn, peer, why, why_len) ? 0 : -1;
}

static void free_peers(struct list *peers)
{
    while (!list_empty(peers)) {
        struct vpn_peer *peer = container_of(peers->next, struct vpn_peer, node);
        list_remove(&peer->node);
        vpn_peer_free(peer);
    }
}

static unsigned free_number(const struct vpn *vpn)
{
    unsigned number = 0;
    while (vpn->peers[number] != NULL)
        number++;
    return number;
}

static bool is_weak(const struct quicktun_options *options)
{
    return options->weak_anyone || options->weak_unproven_peer || options->weak_unencrypted ||
           options->weak_long_term_keys || options->weak_disable || options->weak_clear_passwords ||
           options->weak_ethernet_forging;
}

static void log_weak(struct vpn *vpn, const struct vpn_peer *peer)
{
    if (is_weak(&peer->config.options))
        log_event(vpn->loop, LOG_WARN, "weak",
                  "peer %s: a weak_ option is on, so its tunnel protects less than it could",
                  peer->config.name);
}

/* Takes them out of the list, as far as there is memory. */
static bool start_peers(struct vpn *vpn, struct list *peers)
{
    bool started = true;
    while (!list_empty(peers)) {
        struct vpn_peer *peer = container_of(peers->next, struct vpn_peer, node);
        list_remove(&peer->node);
        if (!vpn_peer_start(peer, free_number(vpn))) {
            vpn_peer_free(peer);
            started = false;
        } else {
            log_weak(vpn, peer);
        }
    }
    return started;
}

static bool start_all(struct vpn *vpn, const struct vpn_config *config, char *why, size_t why_len)
{
    struct list peers;
    bool made = true;
    list_init(&peers);
    for (size_t i = 0; made && i < config->peer_count; i++)
        made = make_peer(vpn, &config->peers[i], &peers, why, why_len) == 0;
    if (made && open_device(vpn, why, why_len) && vpn_accept_start(vpn, why, why_len)) {
        made = start_peers(vpn, &peers);
        vpn_routes_settle(vpn);
        if (!made)
            snprintf(why, why_len, "out of memory");
        return made;
    }
    free_peers(&peers);
    return false;
}

static void close_all(struct vpn *vpn)
{
    for (size_t i = 0; i < VPN_PEERS_MAX; i++) {
        struct vpn_peer *peer = vpn->peers[i];
        if (peer != NULL) {
            vpn_peer_stop(peer, "stopping");
            list_append(&vpn->gone, &peer->node);
        }
    }
    for (struct list *at = vpn->links.next; at != &vpn->links; at = at->next)
        vpn_link_end(container_of(at, struct vpn_link, node), "stopping");
    vpn_link_reap(vpn);
    free_peers(&vpn->gone);
    io_task_cancel(&vpn->reap);
    vpn_routes_stop(vpn);
    io_timer_stop(&vpn->wait);
    vpn_accept_stop(vpn);
    if (vpn->device != NULL)
        io_device_close(vpn->device);
    vpn->device = NULL;
}

static void log_ready(struct vpn *vpn)
{
    char key[VPN_FINGERPRINT_MAX];
    vpn_fingerprint(quicktun_context_public(vpn->context), key);
    for (size_t i = 0; i < vpn->listener_count; i++) {
        struct addr at = io_listener_addr(vpn->listeners[i]);
        char text[ADDR_TEXT_MAX];
        addr_format(&at, text);
        log_event(vpn->loop, LOG_INFO, "listening", "%s", text);
    }
    log_event(vpn->loop, LOG_INFO, "ready", "%s, %zu peers, key %s", io_device_name(vpn->device),
              vpn->peer_count, vpn->config.secret == NULL ? "none" : key);
}

struct vpn *vpn_start(struct io_loop *loop, const struct vpn_config *config,
                      void (*stopped)(void *arg), void *arg, char *why, size_t why_len)
{
    struct vpn *vpn = calloc(1, sizeof *vpn);
    if (vpn == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    vpn->loop = loop;
    vpn->stopped = stopped;
    vpn->arg = arg;
    vpn->started_ms = io_now_ms(loop);
    vpn->past = is_full_tunnel(config);
    list_init(&vpn->links);
    list_init(&vpn->gone);
    io_task_init(&vpn->reap, loop, on_reap, vpn);
    io_task_init(&vpn->tell_stopped, loop, on_stopped, vpn);
    vpn_accept_init(vpn);
    io_timer_init(&vpn->wait, loop, vpn_packets_waited, vpn);
    if (!vpn_config_copy(vpn, config) || !make_parts(vpn, config)) {
        snprintf(why, why_len, "out of memory");
    } else if (start_all(vpn, config, why, why_len)) {
        log_ready(vpn);
        return vpn;
    }
    vpn->stopping = true;
    close_all(vpn);
    vpn_free(vpn);
    return NULL;
}

/* ---- Reload ---- */

static const struct vpn_peer_config *find_config(const struct vpn_config *config,
                                                 const struct vpn_peer *peer)
{
    for (size_t i = 0; i < config->peer_count; i++)
        if (vpn_config_same_peer(&config->peers[i], &peer->config))
            return &config->peers[i];
    return NULL;
}

static bool is_there(const struct vpn *vpn, const struct vpn_peer_config *config)
{
    for (size_t i = 0; i < VPN_PEERS_MAX; i++)
        if (vpn->peers[i] != NULL && vpn_config_same_peer(&vpn->peers[i]->config, config))
            return true;
    return false;
}

/* Those that are configured no more, or otherwise. They are freed when their links are. */
static void stop_peers(struct vpn *vpn, const struct vpn_config *config)
{
    for (size_t i = 0; i < VPN_PEERS_MAX; i++) {
        struct vpn_peer *peer = vpn->peers[i];
        if (peer != NULL && find_config(config, peer) == NULL) {
            vpn_peer_stop(peer, "its configuration has changed");
            list_append(&vpn->gone, &peer->node);
        }
    }
    vpn_link_reap(vpn);
    free_peers(&vpn->gone);
}

static bool take_config(struct vpn *vpn, const struct vpn_config *config)
{
    struct cidr *announce = calloc(config->announce_count + 1, sizeof *announce);
    if (announce == NULL || !vpn_routes_reload(vpn, config)) {
        free(announce);
        return false;
    }
    for (size_t i = 0; i < config->announce_count; i++)
        announce[i] = config->announce[i];
    free(vpn->config.announce);
    vpn->config.announce = announce;
    vpn->config.announce_count = config->announce_count;
    vpn->config.limits = config->limits;
    return true;
}

int vpn_reload(struct vpn *vpn, const struct vpn_config *config, char *why, size_t why_len)
{
    const char *fixed = vpn_config_fixed(vpn, config);
    struct list fresh;
    list_init(&fresh);
    if (vpn->stopping) {
        snprintf(why, why_len, "it is stopping");
        return -1;
    }
    if (fixed == NULL && is_full_tunnel(config) && !vpn->past)
        fixed = "a full tunnel where there was none";
    if (fixed != NULL) {
        snprintf(why, why_len, "%s cannot change without a restart", fixed);
        return -1;
    }
    for (size_t i = 0; i < config->peer_count; i++) {
        if (!is_there(vpn, &config->peers[i]) &&
            make_peer(vpn, &config->peers[i], &fresh, why, why_len) != 0) {
            free_peers(&fresh);
            return -1;
        }
    }
    if (!take_config(vpn, config)) {
        free_peers(&fresh);
        snprintf(why, why_len, "out of memory");
        return -1;
    }
    stop_peers(vpn, config);
    bool started = start_peers(vpn, &fresh);
    vpn_routes_settle(vpn);
    if (!started)
        log_event(vpn->loop, LOG_ERROR, "reload", "out of memory: some peers are missing");
    return 0;
}

/* ---- End ---- */

void vpn_stop(struct vpn *vpn)
{
    if (vpn->stopping)
        return;
    vpn->stopping = true;
    close_all(vpn);
    io_task_queue(&vpn->tell_stopped);
}

bool vpn_failed(const struct vpn *vpn)
{
    return vpn->failed;
}

void vpn_free(struct vpn *vpn)
{
    if (vpn == NULL)
        return;
    io_task_cancel(&vpn->tell_stopped);
    quicktun_context_free(vpn->context);
    quota_free(vpn->quota);
    free(vpn->join);
    free(vpn->wire.bytes);
    free(vpn->scratch);
    free(vpn->listeners);
    allowed_free(vpn->allowed);
    stations_free(vpn->stations);
    mesh_free(vpn->mesh);
    vpn_config_clear(vpn);
    free(vpn);
}
