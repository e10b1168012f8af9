/*
 * Network configuration: what a peer is told to set up, and what is taken of one that we trust with
 * it (accept_network). One address of each family of a peer, with its network where that leads to
 * the peer by the configuration; it is taken back when the peer says another one or leaves the
 * configuration, not when it is away for a while.
 */
#include "roles/vpn/internal.h"

#include <stdio.h>
#include <string.h>

/* ---- Masks ---- */

static void put_mask(uint8_t *mask, size_t len, unsigned prefix_len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned bits = prefix_len >= 8 ? 8 : prefix_len;
        mask[i] = (uint8_t)(0xff00U >> bits);
        prefix_len -= bits;
    }
}

/* False for one with holes. */
static bool mask_prefix(const uint8_t *mask, size_t len, uint8_t *prefix_len)
{
    uint8_t expected[16];
    unsigned count = 0;
    while (count < 8 * len && (mask[count / 8] & (0x80 >> count % 8)) != 0)
        count++;
    put_mask(expected, len, count);
    *prefix_len = (uint8_t)count;
    return memcmp(mask, expected, len) == 0;
}

/* ---- Telling ---- */

static const struct io_device_address *own_address(const struct vpn *vpn, uint8_t family)
{
    for (size_t i = 0; i < vpn->config.address_count; i++)
        if (vpn->config.addresses[i].ip.family == family)
            return &vpn->config.addresses[i];
    return NULL;
}

/* One family's part. peer is our own address, as the other end sees it. */
static void tell_family(const struct vpn *vpn, const struct vpn_network *network, size_t at,
                        size_t len, uint8_t *address, uint8_t *mask, uint8_t *peer,
                        uint8_t *peer_mask, uint8_t *dns)
{
    const struct io_device_address *theirs = &network->addresses[at];
    const struct io_device_address *ours = own_address(vpn, at == 0 ? 4 : 6);
    if (network->dns[at].family != 0)
        memcpy(dns, network->dns[at].bytes, len);
    if (theirs->ip.family == 0)
        return;
    memcpy(address, theirs->ip.bytes, len);
    put_mask(mask, len, theirs->prefix_len);
    if (ours != NULL) {
        memcpy(peer, ours->ip.bytes, len);
        put_mask(peer_mask, len, ours->prefix_len);
    }
}

static bool says_nothing(const struct vpn_network *network)
{
    return network->addresses[0].ip.family == 0 && network->addresses[1].ip.family == 0 &&
           network->dns[0].family == 0 && network->dns[1].family == 0;
}

void vpn_network_tell(struct vpn_link *link)
{
    const struct vpn *vpn = link->vpn;
    const struct vpn_network *network = &link->peer->config.network;
    struct quicktun_network told = {.mode = vpn->config.kind == IO_DEVICE_IP ? QUICKTUN_IP
                                                                             : QUICKTUN_ETHERNET};
    if (says_nothing(network))
        return;
    tell_family(vpn, network, 0, 4, told.ipv4.address, told.ipv4.netmask, told.ipv4.peer,
                told.ipv4.peer_netmask, told.ipv4.dns);
    tell_family(vpn, network, 1, 16, told.ipv6.address, told.ipv6.netmask, told.ipv6.peer,
                told.ipv6.peer_netmask, told.ipv6.dns);
    if (!quicktun_send_network(link->session, vpn_wire_lend(link), &told))
        log_event(vpn->loop, LOG_WARN, "network", "%s was not told its network",
                  link->peer->config.name);
}

/* ---- Taking ---- */

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static struct adit_ip ip_of(const uint8_t *bytes, size_t len)
{
    struct adit_ip ip = {.family = len == 4 ? 4 : 6};
    memcpy(ip.bytes, bytes, len);
    return ip;
}

/* An address that one machine can have: neither loopback nor a group's nor of the link. */
static bool is_usable(const struct adit_ip *ip)
{
    const uint8_t *at = ip->bytes;
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (ip->family == 4)
        return at[0] != 0 && at[0] != 127 && at[0] < 224;
    return at[0] != 0xff && !(at[0] == 0xfe && (at[1] & 0xc0) == 0x80) &&
           memcmp(at, mapped, sizeof mapped) != 0 && !is_zero(at, 15);
}

static bool same_address(const struct io_device_address *a, const struct io_device_address *b)
{
    return a->prefix_len == b->prefix_len && ip_equal(&a->ip, &b->ip);
}

/* Also by the configuration, or by another peer. */
static bool is_said_elsewhere(const struct vpn_peer *peer, size_t at)
{
    const struct vpn *vpn = peer->vpn;
    const struct io_device_address *address = &peer->granted.addresses[at];
    for (size_t i = 0; i < vpn->config.address_count; i++)
        if (same_address(&vpn->config.addresses[i], address))
            return true;
    for (size_t i = 0; i < VPN_PEERS_MAX; i++)
        if (vpn->peers[i] != NULL && vpn->peers[i] != peer &&
            same_address(&vpn->peers[i]->granted.addresses[at], address))
            return true;
    return false;
}

static void drop_address(struct vpn_peer *peer, size_t at)
{
    struct io_device_address *address = &peer->granted.addresses[at];
    if (address->ip.family != 0 && !is_said_elsewhere(peer, at))
        (void)io_device_address(peer->vpn->device, address, false);
    *address = (struct io_device_address){0};
}

static bool holds_all(const struct cidr *blocks, size_t count,
                      const struct io_device_address *address)
{
    for (size_t i = 0; i < count; i++)
        if (blocks[i].prefix_len <= address->prefix_len && cidr_contains(&blocks[i], &address->ip))
            return true;
    return false;
}

/*
 * The kernel leads the network of an address into the device. In IP mode that is taken as far as
 * the configuration has it there anyway: else a peer could have half of the internet by /1.
 */
static bool may_have_network(const struct vpn_peer *peer, const struct io_device_address *address)
{
    const struct vpn_peer_config *config = &peer->config;
    return peer->vpn->config.kind == IO_DEVICE_ETHERNET ||
           holds_all(config->allowed, config->allowed_count, address) ||
           holds_all(config->accept_routes, config->accept_route_count, address);
}

static void take_address(struct vpn_peer *peer, size_t at, const uint8_t *bytes,
                         const uint8_t *mask, size_t len)
{
    const struct vpn *vpn = peer->vpn;
    struct io_device_address *now = &peer->granted.addresses[at];
    struct io_device_address next = {.ip = ip_of(bytes, len)};
    char text[IP_TEXT_MAX];
    if (is_zero(bytes, len))
        return;
    ip_format(&next.ip, text);
    if (!is_usable(&next.ip) || !mask_prefix(mask, len, &next.prefix_len) || next.prefix_len == 0) {
        log_event(vpn->loop, LOG_WARN, "network", "%s: %s, or its mask, is not taken",
                  peer->config.name, text);
        return;
    }
    if (!may_have_network(peer, &next))
        next.prefix_len = (uint8_t)(8 * len);
    if (same_address(now, &next))
        return;
    drop_address(peer, at);
    int error = io_device_address(vpn->device, &next, true);
    if (error == 0)
        *now = next;
    log_event(vpn->loop, error == 0 ? LOG_INFO : LOG_WARN, "network", "%s: address %s/%u%s%s",
              peer->config.name, text, next.prefix_len, error == 0 ? "" : ": ",
              error == 0 ? "" : io_error_text(error));
}

/* Without servers when there is none any more. */
static void run_hook(struct vpn_peer *peer)
{
    struct vpn *vpn = peer->vpn;
    struct adit_ip servers[IO_DEVICE_DNS_MAX];
    size_t count = 0;
    if (vpn->config.hook_file == NULL)
        return;
    for (size_t i = 0; i < IO_DEVICE_DNS_MAX; i++)
        if (peer->granted.dns[i].family != 0)
            servers[count++] = peer->granted.dns[i];
    int error = io_device_hook(vpn->device, servers, count);
    if (error != 0)
        log_event(vpn->loop, LOG_WARN, "hook", "not run: %s", io_error_text(error));
}

static bool take_dns(struct vpn_peer *peer, size_t at, const uint8_t *bytes, size_t len)
{
    struct adit_ip next = ip_of(bytes, len);
    struct adit_ip *now = &peer->granted.dns[at];
    if (is_zero(bytes, len) || !is_usable(&next) || ip_equal(now, &next))
        return false;
    *now = next;
    return true;
}

static void take(void *arg)
{
    struct vpn_peer *peer = arg;
    const struct quicktun_network *network = &peer->granted.wanted;
    peer->granted.took_ms = io_now_ms(peer->vpn->loop);
    take_address(peer, 0, network->ipv4.address, network->ipv4.netmask, 4);
    take_address(peer, 1, network->ipv6.address, network->ipv6.netmask, 16);
    bool changed = take_dns(peer, 0, network->ipv4.dns, 4);
    changed = take_dns(peer, 1, network->ipv6.dns, 16) || changed;
    if (changed)
        run_hook(peer);
}

void vpn_network_init(struct vpn_peer *peer)
{
    io_timer_init(&peer->granted.take, peer->vpn->loop, take, peer);
}

/* A peer that changes its mind all the time is followed once in VPN_NETWORK_MS. */
void vpn_network_heard(struct vpn_link *link, const struct quicktun_network *network)
{
    struct vpn_peer *peer = link->peer;
    struct vpn_granted *granted = &peer->granted;
    bool ip = peer->vpn->config.kind == IO_DEVICE_IP;
    if (!peer->config.accept_network)
        return;
    if (ip != (network->mode == QUICKTUN_IP)) {
        log_event(peer->vpn->loop, LOG_WARN, "network", "%s: it is configured for the other mode",
                  peer->config.name);
        return;
    }
    granted->wanted = *network;
    if (io_timer_armed(&granted->take))
        return;
    if (granted->took_ms == 0 || io_now_ms(peer->vpn->loop) - granted->took_ms >= VPN_NETWORK_MS)
        take(peer);
    else
        io_timer_set(&granted->take, granted->took_ms + VPN_NETWORK_MS);
}

void vpn_network_forget(struct vpn_peer *peer)
{
    bool had_dns = peer->granted.dns[0].family != 0 || peer->granted.dns[1].family != 0;
    io_timer_stop(&peer->granted.take);
    drop_address(peer, 0);
    drop_address(peer, 1);
    memset(peer->granted.dns, 0, sizeof peer->granted.dns);
    if (had_dns)
        run_hook(peer);
}
