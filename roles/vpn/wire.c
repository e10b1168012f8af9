/*
 * One buffer for all links: what leaves is put here, encrypted in place and sent in one write. It
 * belongs to one link at a time; what the kernel does not take waits in that link's stream.
 */
#include "lib/packet/checksum.h"
#include "lib/packet/cut.h"
#include "lib/packet/segmented.h"
#include "roles/vpn/internal.h"

#include <string.h>

enum {
    SMALL_MAX = 2048, /* bytes of a packet that is better collected with others */
    /* Free in the buffer, so that a packet of the device's and what goes around it has room. */
    PLACE_LEFT = IO_DEVICE_PACKET_MAX + QUICKTUN_ROOM,
};

static void end_batch(struct vpn *vpn)
{
    if (vpn->batch.used > 0)
        quicktun_batch_end(vpn->wire_link->session, &vpn->wire, &vpn->batch);
}

void vpn_wire_flush(struct vpn *vpn)
{
    struct vpn_link *link = vpn->wire_link;
    if (link == NULL)
        return;
    if (link->over) {
        vpn->wire.len = 0;
        vpn->batch = (struct quicktun_batch){0};
        return;
    }
    end_batch(vpn);
    size_t len = vpn->wire.len;
    vpn->wire.len = 0;
    if (len == 0)
        return;
    vpn_pace_sent(&link->pace, len, io_now_ms(vpn->loop));
    int error = io_send(link->stream, vpn->wire.bytes, len);
    if (error != 0)
        vpn_link_end(link, io_error_text(error));
}

struct quicktun_wire *vpn_wire_lend(struct vpn_link *link)
{
    struct vpn *vpn = link->vpn;
    if (vpn->wire_link != link) {
        vpn_wire_flush(vpn);
        vpn->wire_link = link;
    }
    end_batch(vpn);
    return &vpn->wire;
}

/* ---- Packets ---- */

/*
 * Small packets are collected into one that is encrypted, large ones go by themselves. max (may be
 * NULL) is what the session takes.
 */
static uint8_t *next_place(const struct vpn *vpn, bool batched, size_t *max)
{
    const struct quicktun_session *session = vpn->wire_link->session;
    size_t most;
    uint8_t *place = batched ? quicktun_batch_place(session, &vpn->wire, &vpn->batch, &most)
                             : quicktun_place(session, &vpn->wire, &most);
    if (max != NULL)
        *max = most;
    return place;
}

uint8_t *vpn_wire_place(struct vpn *vpn)
{
    if (vpn->wire_link == NULL || !vpn_link_ready(vpn->wire_link))
        return vpn->scratch;
    if (vpn->wire.room - vpn->wire.len - vpn->batch.used < PLACE_LEFT)
        vpn_wire_flush(vpn);
    /* Never where an open batch stands. The session may take less than what is read; then the
     * packet is moved. There is room in the buffer. */
    uint8_t *place = next_place(vpn, vpn->batching || vpn->batch.used > 0, NULL);
    return place == NULL ? vpn->scratch : place;
}

static bool in_wire(const struct vpn *vpn, const struct packet *packet)
{
    return packet->bytes >= vpn->wire.bytes && packet->bytes < vpn->wire.bytes + vpn->wire.room;
}

/* Before something else is written to the wire buffer. */
static void out_of_the_way(struct vpn *vpn, struct packet *packet)
{
    if (in_wire(vpn, packet)) {
        memcpy(vpn->scratch, packet->bytes, packet->len);
        packet->bytes = vpn->scratch;
    }
}

uint8_t *vpn_wire_aside(struct vpn *vpn, const struct packet *packet)
{
    struct packet moved = *packet;
    out_of_the_way(vpn, &moved);
    return moved.bytes;
}

static void use(struct vpn_link *link, struct packet *packet)
{
    struct vpn *vpn = link->vpn;
    if (vpn->wire_link == link)
        return;
    out_of_the_way(vpn, packet);
    vpn_wire_flush(vpn);
    vpn->wire_link = link;
}

/*
 * A place for len bytes, which `packet`, the one to be sent, may stand at already; it makes room
 * where there is none. NULL when the session takes no such packet at all.
 */
static uint8_t *make_place(struct vpn *vpn, struct packet *packet, bool batched, size_t len)
{
    size_t max = 0;
    if (!batched && vpn->batch.used > 0) {
        out_of_the_way(vpn, packet);
        end_batch(vpn);
    }
    uint8_t *place = next_place(vpn, batched, &max);
    if (place != NULL && len <= max)
        return place;
    out_of_the_way(vpn, packet);
    vpn_wire_flush(vpn);
    place = next_place(vpn, batched, &max);
    return place != NULL && len <= max ? place : NULL;
}

static bool send_whole(struct vpn *vpn, struct packet *packet, const struct offload *offload)
{
    bool batched = packet->len <= SMALL_MAX;
    uint8_t *place = make_place(vpn, packet, batched, packet->len);
    if (place == NULL)
        return false;
    if (place != packet->bytes)
        memmove(place, packet->bytes, packet->len);
    if (!packet_checksum_finish(place, packet->len, offload))
        return false;
    vpn->batching = batched;
    struct quicktun_session *session = vpn->wire_link->session;
    return batched ? quicktun_batch_add(session, &vpn->wire, &vpn->batch, packet->len)
                   : quicktun_packet(session, &vpn->wire, packet->len, 0);
}

static bool send_segmented(struct vpn *vpn, struct packet *packet, uint16_t gso_size)
{
    uint8_t *place = make_place(vpn, packet, false, packet->len);
    if (place == NULL)
        return false;
    if (place != packet->bytes)
        memmove(place, packet->bytes, packet->len);
    vpn->batching = false;
    return quicktun_packet(vpn->wire_link->session, &vpn->wire, packet->len, gso_size);
}

static bool send_cut(struct vpn *vpn, struct packet *packet, const struct offload *offload)
{
    struct packet_cut cut;
    out_of_the_way(vpn, packet);
    if (!packet_cut_start(&cut, packet, offload))
        return false;
    for (;;) {
        size_t len = packet_cut_next(&cut);
        if (len == 0)
            return true;
        uint8_t *place = make_place(vpn, packet, true, len);
        if (place == NULL)
            return false;
        packet_cut_write(&cut, place);
        quicktun_batch_add(vpn->wire_link->session, &vpn->wire, &vpn->batch, len);
    }
}

bool vpn_wire_packet(struct vpn_link *link, const struct packet *packet,
                     const struct offload *offload)
{
    struct packet moved = *packet;
    use(link, &moved);
    uint16_t gso_size = packet->len > SMALL_MAX && quicktun_session_segmented(link->session)
                            ? packet_segmented_size(&moved, offload)
                            : 0;
    if (gso_size > 0)
        return send_segmented(link->vpn, &moved, gso_size);
    if (offload->cut == OFFLOAD_WHOLE)
        return send_whole(link->vpn, &moved, offload);
    return send_cut(link->vpn, &moved, offload);
}
