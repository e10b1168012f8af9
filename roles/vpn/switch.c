/*
 * A learning switch between the device and the peers (stations.h). What comes from a peer goes to
 * another one without the kernel, and never back where it came from.
 */
#include "roles/vpn/internal.h"

static unsigned port_of(const struct vpn_peer *peer)
{
    return peer == NULL ? VPN_DEVICE_PORT : peer->number + 1;
}

static void to_device(struct vpn *vpn, const struct packet *frame, const struct offload *offload)
{
    vpn_packets_deliver(vpn, frame, offload);
}

/* To everybody else. */
static void flood(struct vpn *vpn, const struct vpn_peer *from, const struct packet *frame,
                  const struct offload *offload)
{
    struct packet copy = *frame;
    if (from == NULL)
        copy.bytes = vpn_wire_aside(vpn, frame);
    for (unsigned i = 0; i < VPN_PEERS_MAX; i++) {
        struct vpn_peer *peer = vpn->peers[i];
        if (peer != NULL && peer != from && peer->link != NULL && vpn_link_ready(peer->link))
            vpn_packets_send(peer, &copy, offload);
    }
    if (from != NULL)
        to_device(vpn, frame, offload);
}

void vpn_switch_frame(struct vpn *vpn, struct vpn_peer *from, const struct packet *frame,
                      const struct offload *offload)
{
    uint64_t now = io_now_ms(vpn->loop);
    const uint8_t *to_mac = frame->bytes;
    const uint8_t *from_mac = frame->bytes + STATIONS_MAC_LEN;
    struct vpn_drops *drops = from == NULL ? &vpn->drops : &from->drops;
    if (stations_hear(vpn->stations, port_of(from), from_mac, now) == STATIONS_INVALID) {
        drops->source++;
        return;
    }
    int port = stations_find(vpn->stations, to_mac, now);
    if (port == STATIONS_FLOOD)
        flood(vpn, from, frame, offload);
    else if ((unsigned)port == port_of(from))
        drops->no_peer++;
    else if (port == VPN_DEVICE_PORT)
        to_device(vpn, frame, offload);
    else
        vpn_packets_send(vpn->peers[port - 1], frame, offload);
}
