/*
 * Tunnelled packets, and what else goes through the tunnel: sealed where they stand.
 */
#include "base/cursor.h"
#include "lib/quicktun/messages.h"
#include "lib/quicktun/send.h"

#include <string.h>

enum {
    PADDING_HEADER = 2,   /* code, number of zeros */
    SEGMENTED_HEADER = 3, /* code, gso_size */
    BATCH_HEADER = 3,     /* length, code */
    BATCHED_MAX = 32740,  /* payload of a batch: whatever goes around it, it fits */
};

/* ---- Payloads ---- */

/* Padding is of use where the length is all that can be seen. */
static bool padded(const struct quicktun_session *session)
{
    return session->out.on && session->options.pad_to > 1;
}

/* Zeros that make a payload of len bytes, Padding's header included, a multiple of pad_to. */
static size_t zeros_for(const struct quicktun_session *session, size_t len)
{
    size_t over = len % session->options.pad_to;
    size_t zeros = over ? session->options.pad_to - over : 0;
    return len + zeros <= quicktun_send_payload_max(session) ? zeros : 0;
}

/* Bytes that stand before a command's payload when it is padded. */
static size_t padding_lead(const struct quicktun_session *session)
{
    return padded(session) ? PADDING_HEADER : 0;
}

/*
 * Seals the command of len bytes that stands behind wire->len, the overhead and padding_lead().
 * The wire buffer has room for padding.
 */
static void send_padded(struct quicktun_session *session, struct quicktun_wire *wire, size_t len)
{
    if (padded(session)) {
        uint8_t *payload = wire->bytes + wire->len + quicktun_send_overhead(session);
        len += PADDING_HEADER;
        size_t zeros = zeros_for(session, len);
        payload[0] = QUICKTUN_CODE_PADDING;
        payload[1] = (uint8_t)zeros;
        memset(payload + len, 0, zeros);
        len += zeros;
    }
    quicktun_send_sealed(session, wire, len, true);
}

/* ---- One packet ---- */

/* Once keys were agreed, tunnelled packets go as commands, also where encryption was disabled. */
static bool as_command(const struct quicktun_session *session)
{
    return session->out.on || session->start_sent || session->start_received;
}

/* Bytes of the payload that may stand before the packet. */
static size_t lead_max(const struct quicktun_session *session)
{
    size_t code = quicktun_session_segmented(session) ? SEGMENTED_HEADER : 1;
    return as_command(session) ? padding_lead(session) + code : 0;
}

uint8_t *quicktun_place(const struct quicktun_session *session, const struct quicktun_wire *wire,
                        size_t *max)
{
    if (!quicktun_session_may_send(session))
        return NULL;
    size_t before = quicktun_send_overhead(session) + lead_max(session);
    size_t after = padded(session) ? QUICKTUN_TAILROOM_MAX : 0;
    if (!quicktun_send_has_room(wire, before + after + 1))
        return NULL;
    size_t room = wire->room - wire->len - before - after;
    size_t most = quicktun_send_payload_max(session) - lead_max(session);
    *max = room < most ? room : most;
    return wire->bytes + wire->len + before;
}

/* Puts the command's code before the packet; the packet moves down when that is shorter than what
 * was left. */
static size_t put_code(const struct quicktun_session *session, const struct quicktun_wire *wire,
                       uint8_t *packet, size_t len, uint16_t gso_size)
{
    uint8_t *command =
        wire->bytes + wire->len + quicktun_send_overhead(session) + padding_lead(session);
    uint8_t *body = command + (gso_size > 0 ? SEGMENTED_HEADER : 1);
    if (body != packet)
        memmove(body, packet, len);
    if (gso_size > 0) {
        command[0] = QUICKTUN_CODE_SEGMENTED;
        store_u16(command + 1, gso_size);
    } else {
        command[0] = QUICKTUN_CODE_PACKET;
    }
    return (size_t)(body - command) + len;
}

int quicktun_packet(struct quicktun_session *session, struct quicktun_wire *wire, size_t len,
                    uint16_t gso_size)
{
    size_t max = 0;
    uint8_t *packet = quicktun_place(session, wire, &max);
    if (!packet || len > max || !quicktun_message_deliverable(session, packet, len) ||
        (gso_size > 0 && !quicktun_session_segmented(session))) {
        session->counters.packets_dropped++;
        return 0;
    }
    if (as_command(session))
        send_padded(session, wire, put_code(session, wire, packet, len, gso_size));
    else
        quicktun_send_sealed(session, wire, len, false);
    session->counters.packets_sent++;
    session->counters.bytes_sent += len;
    return 1;
}

/* ---- Several packets ---- */

uint8_t *quicktun_batch_place(const struct quicktun_session *session,
                              const struct quicktun_wire *wire, const struct quicktun_batch *batch,
                              size_t *max)
{
    if (!quicktun_session_may_send(session))
        return NULL;
    size_t used = batch->used > 0 ? batch->used : 1; /* the batch's code */
    size_t before = quicktun_send_overhead(session) + padding_lead(session) + used + BATCH_HEADER;
    size_t after = padded(session) ? QUICKTUN_TAILROOM_MAX : 0;
    if (used + BATCH_HEADER >= BATCHED_MAX || !quicktun_send_has_room(wire, before + after + 1))
        return NULL;
    size_t room = wire->room - wire->len - before - after;
    size_t most = BATCHED_MAX - used - BATCH_HEADER;
    *max = room < most ? room : most;
    return wire->bytes + wire->len + before;
}

int quicktun_batch_add(struct quicktun_session *session, const struct quicktun_wire *wire,
                       struct quicktun_batch *batch, size_t len)
{
    size_t max = 0;
    uint8_t *packet = quicktun_batch_place(session, wire, batch, &max);
    if (!packet || len > max || !quicktun_message_deliverable(session, packet, len)) {
        session->counters.packets_dropped++;
        return 0;
    }
    store_u16(packet - BATCH_HEADER, (uint16_t)(len + 1));
    packet[-1] = QUICKTUN_CODE_PACKET;
    batch->used += (batch->used > 0 ? 0 : 1) + BATCH_HEADER + len;
    batch->packets++;
    batch->packet_bytes += len;
    return 1;
}

void quicktun_batch_end(struct quicktun_session *session, struct quicktun_wire *wire,
                        struct quicktun_batch *batch)
{
    if (batch->used > 0) {
        uint8_t *payload = wire->bytes + wire->len + quicktun_send_overhead(session);
        payload[padding_lead(session)] = QUICKTUN_CODE_BATCH;
        send_padded(session, wire, batch->used);
        session->counters.packets_sent += batch->packets;
        session->counters.bytes_sent += batch->packet_bytes;
    }
    *batch = (struct quicktun_batch){0};
}

/* ---- Network configuration and routes ---- */

/* Where a command of len bytes goes, or NULL. Follow with send_padded(). */
static uint8_t *command_place(const struct quicktun_session *session,
                              const struct quicktun_wire *wire, size_t len)
{
    size_t before = quicktun_send_overhead(session) + padding_lead(session);
    if (!quicktun_session_may_send(session) || len > BATCHED_MAX ||
        !quicktun_send_has_room(wire, before + len + QUICKTUN_TAILROOM_MAX))
        return NULL;
    return wire->bytes + wire->len + before;
}

bool quicktun_send_network(struct quicktun_session *session, struct quicktun_wire *wire,
                           const struct quicktun_network *network)
{
    uint8_t *command = command_place(session, wire, 1 + QUICKTUN_NETWORK_LEN);
    if (!command)
        return false;
    command[0] = QUICKTUN_CODE_NETWORK;
    quicktun_message_write_network(network, command + 1);
    send_padded(session, wire, 1 + QUICKTUN_NETWORK_LEN);
    return true;
}

bool quicktun_send_route(struct quicktun_session *session, struct quicktun_wire *wire,
                         const struct quicktun_route *route)
{
    uint8_t fixed[QUICKTUN_ROUTE_FIXED_MAX];
    size_t fixed_len = quicktun_message_write_route(route, fixed);
    if (fixed_len == 0 || route->id_count > BATCHED_MAX / QUICKTUN_ROUTE_ID_LEN ||
        (route->valid && route->id_count == 0))
        return false;
    size_t ids_len = route->id_count * QUICKTUN_ROUTE_ID_LEN;
    size_t len = 1 + fixed_len + ids_len;
    uint8_t *command = command_place(session, wire, len);
    if (!command)
        return false;
    command[0] = QUICKTUN_CODE_ROUTE;
    memcpy(command + 1, fixed, fixed_len);
    if (ids_len > 0)
        memcpy(command + 1 + fixed_len, route->ids, ids_len);
    send_padded(session, wire, len);
    return true;
}
