/*
 * From the device to the peer whose packet it is, and from a peer to the device. No allocation, no
 * copy where the packet goes to the peer that was used last.
 */
#include "lib/packet/cut.h"
#include "lib/packet/segmented.h"
#include "roles/vpn/internal.h"

#include <stdlib.h>

enum {
    TURN_PACKETS = 64, /* of the device, before the peers have their turn */
    WAIT_MS = 5,       /* then it is seen whether the only peer has become late */
};

/* ---- From the device ---- */

/* The best of the owners whose tunnel is up, or the best at all. */
static struct vpn_peer *choose(const struct vpn *vpn, const struct allowed_owner *owner)
{
    struct vpn_peer *best = owner == NULL ? NULL : vpn->peers[owner->peer];
    for (; owner != NULL; owner = owner->next) {
        struct vpn_peer *peer = vpn->peers[owner->peer];
        if (peer->link != NULL && vpn_link_ready(peer->link))
            return peer;
    }
    return best;
}

/* For the only link the device waits before a packet is read, so that what was read has room. */
static bool is_full(struct vpn_link *link)
{
    const struct vpn_limits *limits = &link->vpn->config.limits;
    uint64_t now = io_now_ms(link->vpn->loop);
    size_t queued = io_queued(link->stream);
    return link->vpn->only == link
               ? vpn_pace_late(&link->pace, queued, limits->queue_ms, now)
               : vpn_pace_full(&link->pace, queued, limits->queue_bytes, limits->queue_ms, now);
}

void vpn_packets_send(struct vpn_peer *peer, const struct packet *packet,
                      const struct offload *offload)
{
    struct vpn_link *link = peer->link;
    if (link == NULL || !vpn_link_ready(link))
        peer->drops.no_tunnel++;
    else if (is_full(link))
        peer->drops.full++;
    else if (!vpn_wire_packet(link, packet, offload))
        peer->drops.malformed++;
}

static void send_ip(struct vpn *vpn, const struct packet *packet, const struct offload *offload)
{
    struct vpn_peer *peer = choose(vpn, allowed_find(vpn->allowed, &packet->destination));
    if (peer == NULL)
        vpn->drops.no_peer++;
    else
        vpn_packets_send(peer, packet, offload);
}

static enum packet_link link_kind(const struct vpn *vpn)
{
    return vpn->config.kind == IO_DEVICE_IP ? PACKET_IP : PACKET_ETHERNET;
}

static void take_packet(struct vpn *vpn, uint8_t *bytes, size_t len, const struct offload *offload)
{
    struct packet packet;
    if (!packet_parse(&packet, link_kind(vpn), bytes, len))
        vpn->drops.malformed++;
    else if (vpn->config.kind == IO_DEVICE_IP)
        send_ip(vpn, &packet, offload);
    else
        vpn_switch_frame(vpn, NULL, &packet, offload);
}

/*
 * While one peer alone is connected, nobody is held up when the device waits for it: what the
 * machine itself sends is then slowed down in the kernel, without a loss. That lasts until its
 * oldest packet has waited too long; from then on they are dropped.
 */
static bool may_wait(struct vpn *vpn)
{
    const struct vpn_limits *limits = &vpn->config.limits;
    struct vpn_link *link = vpn->only;
    if (link == NULL)
        return false;
    size_t queued = io_queued(link->stream);
    return queued >= limits->queue_bytes &&
           !vpn_pace_late(&link->pace, queued, limits->queue_ms, io_now_ms(vpn->loop));
}

void vpn_packets_waited(void *arg)
{
    struct vpn *vpn = arg;
    io_device_again(vpn->device);
}

void vpn_packets_room(struct vpn_link *link)
{
    struct vpn *vpn = link->vpn;
    if (!io_timer_armed(&vpn->wait) || io_queued(link->stream) > vpn->config.limits.queue_bytes / 2)
        return;
    io_timer_stop(&vpn->wait);
    io_device_again(vpn->device);
}

void vpn_packets_readable(void *arg)
{
    struct vpn *vpn = arg;
    unsigned left = TURN_PACKETS;
    for (; left > 0; left--) {
        if (may_wait(vpn)) {
            if (!io_timer_armed(&vpn->wait))
                io_timer_set_in(&vpn->wait, WAIT_MS);
            break;
        }
        struct offload offload;
        uint8_t *place = vpn_wire_place(vpn);
        ssize_t got = io_device_read(vpn->device, place, IO_DEVICE_PACKET_MAX, &offload);
        if (got <= 0)
            break;
        take_packet(vpn, place, (size_t)got, &offload);
    }
    vpn_wire_flush(vpn);
    if (left == 0)
        io_device_again(vpn->device);
}

/* ---- From a peer ---- */

/* Cuts it for a kernel that does not. */
static int write_pieces(struct vpn *vpn, const uint8_t *bytes, size_t len,
                        const struct offload *offload)
{
    static const struct offload complete = {.cut = OFFLOAD_WHOLE};
    struct packet packet;
    struct packet_cut cut;
    int error = 0;
    if (!packet_parse(&packet, link_kind(vpn), (uint8_t *)(uintptr_t)bytes, len) ||
        !packet_cut_start(&cut, &packet, offload))
        return IO_E_OTHER;
    while (error == 0 && (len = packet_cut_next(&cut)) > 0) {
        packet_cut_write(&cut, vpn->scratch);
        error = io_device_write(vpn->device, vpn->scratch, len, &complete);
    }
    return error;
}

/* A joined packet, or one that was not to be. */
static void write_device(void *arg, const uint8_t *bytes, size_t len, const struct offload *offload)
{
    struct vpn *vpn = arg;
    int error = io_device_write(vpn->device, bytes, len, offload);
    if (error != 0 && error != IO_AGAIN && offload->cut == OFFLOAD_UDP)
        error = write_pieces(vpn, bytes, len, offload);
    if (error != 0)
        vpn->drops.device++;
}

struct packet_join *vpn_packets_join(struct vpn *vpn)
{
    struct packet_join *join = calloc(1, sizeof *join);
    if (join != NULL) {
        join->deliver = write_device;
        join->arg = vpn;
    }
    return join;
}

void vpn_packets_deliver(struct vpn *vpn, const struct packet *packet,
                         const struct offload *offload)
{
    packet_join_add(vpn->join, packet, offload);
}

void vpn_packets_flush(struct vpn *vpn)
{
    packet_join_flush(vpn->join);
}

void vpn_packets_received(struct vpn_link *link, const struct quicktun_event *event)
{
    struct vpn *vpn = link->vpn;
    struct vpn_peer *peer = link->peer;
    struct packet packet;
    struct offload offload = {.cut = OFFLOAD_WHOLE};
    if (!packet_parse(&packet, link_kind(vpn), event->data, event->len) ||
        (event->gso_size > 0 && !packet_segmented_accept(&packet, event->gso_size, &offload)))
        peer->drops.malformed++;
    else if (vpn->config.kind == IO_DEVICE_ETHERNET)
        vpn_switch_frame(vpn, peer, &packet, &offload);
    else if (!allowed_from(vpn->allowed, &packet.source, peer->number))
        peer->drops.source++;
    else
        vpn_packets_deliver(vpn, &packet, &offload);
}
