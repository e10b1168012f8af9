#include "base/encode.h"
#include "roles/vpn/internal.h"

#include <stdlib.h>
#include <string.h>

struct vpn_peer *vpn_peer_find(const struct vpn *vpn, const uint8_t key[QUICKTUN_KEY_LEN])
{
    for (size_t i = 0; i < VPN_PEERS_MAX; i++) {
        struct vpn_peer *peer = vpn->peers[i];
        if (peer != NULL && peer->config.keyed &&
            memcmp(peer->config.public_key, key, QUICKTUN_KEY_LEN) == 0)
            return peer;
    }
    return NULL;
}

struct vpn_peer *vpn_peer_expected(const struct vpn *vpn)
{
    for (size_t i = 0; vpn->peer_count == 1 && i < VPN_PEERS_MAX; i++)
        if (vpn->peers[i] != NULL)
            return vpn->peers[i];
    return vpn->stranger;
}

struct quicktun_options vpn_peer_options(const struct vpn_peer *peer)
{
    struct quicktun_options options = peer->config.options;
    options.mode = peer->vpn->config.kind == IO_DEVICE_IP ? QUICKTUN_IP : QUICKTUN_ETHERNET;
    options.peer_key = peer->config.keyed ? peer->config.public_key : NULL;
    options.password = peer->password;
    options.ask = peer->ask;
    options.meter_every_ms = VPN_METER_MS;
    return options;
}

/* ---- Dialling ---- */

static bool dials(const struct vpn_peer *peer)
{
    return peer->config.host[0] != '\0' && !peer->vpn->stopping;
}

/* The first attempt comes soon and spread, so that a thousand peers are no storm. */
static void retry(struct vpn_peer *peer)
{
    unsigned doublings = peer->failures < 8 ? peer->failures : 8;
    uint64_t most_ms = (uint64_t)VPN_FIRST_RETRY_MS << doublings;
    if (!dials(peer) || peer->dial != NULL || peer->trying != NULL || peer->link != NULL)
        return;
    if (most_ms > VPN_LAST_RETRY_MS)
        most_ms = VPN_LAST_RETRY_MS;
    uint64_t least_ms = peer->failures == 0 ? 0 : most_ms / 2;
    peer->failures++;
    io_timer_set_in(&peer->retry,
                    least_ms + io_random_below(peer->vpn->loop, most_ms - least_ms + 1));
}

static void on_dialled(void *arg, int error, struct io_stream *stream)
{
    struct vpn_peer *peer = arg;
    peer->dial = NULL;
    vpn_routes_name_known(peer);
    peer->lookup_failed = error == IO_E_NOT_FOUND || error == IO_E_NAME_AGAIN;
    if (stream != NULL) {
        peer->trying = vpn_link_new(peer->vpn, stream, peer);
        error = peer->trying == NULL ? IO_E_NO_MEMORY : 0;
    }
    if (error == 0)
        return;
    log_event(peer->vpn->loop, LOG_WARN, "unreachable", "cannot connect to %s at %s:%u: %s",
              peer->config.name, peer->config.host, peer->config.port, io_error_text(error));
    retry(peer);
}

/* A carrier must not go through the tunnel that it carries. */
static struct io_stream *connect_past(void *device, const struct addr *to,
                                      const struct io_stream_handler *handler, void *arg,
                                      int *error)
{
    return io_connect_past(device, to, handler, arg, error);
}

/*
 * Where its name cannot be looked up it is tried at its last address: the servers that know names
 * may be beyond the tunnel that is down.
 */
static void dial(struct vpn_peer *peer)
{
    const struct vpn *vpn = peer->vpn;
    const char *host = peer->config.host;
    uint16_t port = peer->config.port;
    char last[IP_TEXT_MAX];
    if (peer->lookup_failed && peer->last.ip.family != 0) {
        ip_format(&peer->last.ip, last);
        host = last;
        peer->lookup_failed = false;
    }
    peer->dial = vpn->past ? io_dial_by(vpn->loop, connect_past, vpn->device, host, port,
                                        VPN_DIAL_MS, on_dialled, peer)
                           : io_dial(vpn->loop, host, port, VPN_DIAL_MS, on_dialled, peer);
    if (peer->dial == NULL)
        retry(peer);
}

static void on_retry(void *arg)
{
    struct vpn_peer *peer = arg;
    if (dials(peer) && peer->link == NULL && peer->trying == NULL && peer->dial == NULL)
        dial(peer);
}

/* ---- Its one link ---- */

/*
 * Both ends dialled at once. Each keeps the connection that the end with the larger key made, or
 * one end would close the one and the other end the other.
 */
static bool keeps_former(const struct vpn_peer *peer, const struct vpn_link *link)
{
    const struct vpn_link *former = peer->link;
    const uint8_t *own = quicktun_context_public(peer->vpn->context);
    if (former->over || former->dialled == link->dialled || !peer->config.keyed ||
        link->proven_ms - former->proven_ms > VPN_CROSSING_MS)
        return false;
    bool we_dial = memcmp(own, peer->config.public_key, QUICKTUN_KEY_LEN) > 0;
    return former->dialled == we_dial;
}

bool vpn_peer_may_call(struct vpn_peer *peer)
{
    const uint64_t at_once_ms = (uint64_t)(VPN_CALLS_BURST - 1) * VPN_CALL_EVERY_MS;
    uint64_t now = io_now_ms(peer->vpn->loop);
    if (peer->calls_paid_ms < now)
        peer->calls_paid_ms = now;
    if (peer->calls_paid_ms - now > at_once_ms)
        return false;
    peer->calls_paid_ms += VPN_CALL_EVERY_MS;
    return true;
}

bool vpn_peer_adopt(struct vpn_peer *peer, struct vpn_link *link)
{
    if (peer->link != NULL && keeps_former(peer, link))
        return false;
    struct vpn_link *former = peer->link;
    if (former != NULL) {
        vpn_link_end(former, "a newer connection of this peer has replaced it");
        vpn_peer_lost(peer, former);
    }
    if (peer->trying == link)
        peer->trying = NULL;
    if (peer->dial != NULL)
        io_dial_cancel(peer->dial);
    peer->dial = NULL;
    io_timer_stop(&peer->retry);
    peer->link = link;
    peer->connections++;
    return true;
}

void vpn_peer_up(struct vpn_peer *peer)
{
    struct vpn_link *link = peer->link;
    char from[ADDR_TEXT_MAX];
    addr_format(&link->from, from);
    log_event(peer->vpn->loop, LOG_INFO, "connected", "%s at %s%s%s", peer->config.name, from,
              quicktun_session_segmented(link->session) ? ", segmented packets" : "",
              quicktun_session_protection(link->session) == QUICKTUN_SESSION
                  ? ""
                  : ", without session keys");
    peer->failures = 0;
    peer->up_at_ms = io_now_ms(peer->vpn->loop);
    if (link->dialled)
        peer->last = link->from;
    vpn_network_tell(link);
    vpn_routes_up(peer);
}

void vpn_peer_lost(struct vpn_peer *peer, struct vpn_link *link)
{
    /* One that only claimed to be the peer's says nothing about when to dial. */
    if (peer->trying != link && peer->link != link)
        return;
    if (peer->trying == link)
        peer->trying = NULL;
    if (peer->link == link) {
        peer->link = NULL;
        vpn_routes_down(peer);
    }
    retry(peer);
}

/* ---- Life ---- */

static bool make_password(struct quicktun_password **password, const char *text)
{
    if (text == NULL)
        return true;
    *password = quicktun_password_new(text, strlen(text));
    return *password != NULL;
}

struct vpn_peer *vpn_peer_new(struct vpn *vpn, const struct vpn_peer_config *config)
{
    struct vpn_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    if (!vpn_config_copy_peer(&peer->config, config)) {
        free(peer);
        return NULL;
    }
    peer->vpn = vpn;
    list_init(&peer->node);
    io_timer_init(&peer->retry, vpn->loop, on_retry, peer);
    vpn_network_init(peer);
    if (!make_password(&peer->password, config->password) ||
        !make_password(&peer->ask, config->ask_password)) {
        vpn_peer_free(peer);
        return NULL;
    }
    return peer;
}

bool vpn_peer_start(struct vpn_peer *peer, unsigned number)
{
    struct vpn *vpn = peer->vpn;
    peer->number = number;
    vpn->peers[number] = peer;
    if (!vpn_routes_add(peer)) {
        vpn->peers[number] = NULL;
        return false;
    }
    vpn->peer_count++;
    if (!peer->config.keyed)
        vpn->stranger = peer;
    if (dials(peer))
        io_timer_set_in(&peer->retry, 0);
    return true;
}

static void end_links(struct vpn_peer *peer, const char *why)
{
    for (struct list *at = peer->vpn->links.next; at != &peer->vpn->links; at = at->next) {
        struct vpn_link *link = container_of(at, struct vpn_link, node);
        if (link->peer == peer || link->terms == peer)
            vpn_link_end(link, why);
    }
}

void vpn_peer_stop(struct vpn_peer *peer, const char *why)
{
    struct vpn *vpn = peer->vpn;
    if (vpn->peers[peer->number] != peer)
        return;
    peer->config.host[0] = '\0'; /* it is dialled no more */
    io_timer_stop(&peer->retry);
    if (peer->dial != NULL)
        io_dial_cancel(peer->dial);
    peer->dial = NULL;
    end_links(peer, why);
    if (peer->link != NULL)
        vpn_peer_lost(peer, peer->link);
    vpn_network_forget(peer);
    vpn_routes_remove(peer);
    if (vpn->stations != NULL)
        stations_forget(vpn->stations, peer->number + 1);
    if (vpn->stranger == peer)
        vpn->stranger = NULL;
    vpn->peers[peer->number] = NULL;
    vpn->peer_count--;
    vpn_routes_name_known(peer);
}

void vpn_peer_free(struct vpn_peer *peer)
{
    quicktun_password_free(peer->password);
    quicktun_password_free(peer->ask);
    vpn_config_clear_peer(&peer->config);
    free(peer);
}
