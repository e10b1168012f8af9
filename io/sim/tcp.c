#include "io/sim/tcp.h"

#include "io/sim/conn.h"
#include "io/sim/port.h"
#include "io/sim/sender.h"

#include <stdlib.h>

static void tell(struct tcp_end *end, unsigned news)
{
    if (end->news != NULL)
        end->news(end->arg, news);
}

/* ---- The end of an end ---- */

static void gone(struct tcp_end *end)
{
    end->state = TCP_GONE;
    sim_event_cancel(&end->retry);
    sim_event_cancel(&end->orphan);
}

void tcp_fail(struct tcp_end *end, int error)
{
    if (end->state == TCP_GONE)
        return;
    struct sim_world *world = end->conn->world;
    sim_trace(world, "failed", end->conn->id, (uint64_t)-error, end->in.len);
    if (end->conn->reset_eats && end->in.len > 0) {
        sim_fault(world, SIM_RESET_ATE);
        ring_clear(&end->in);
    }
    end->error = error;
    gone(end);
    tell(end, TCP_FAILED);
    conn_settle(end->conn);
}

static void orphan_expired(void *arg)
{
    struct tcp_end *end = arg;
    gone(end);
    conn_settle(end->conn);
}

/* A closed end is finished when both directions are. */
static void settle_orphan(struct tcp_end *end)
{
    if (end->state == TCP_OPEN && !end->held && sender_is_done(end)) {
        if (end->fin_received)
            gone(end);
        else if (end->orphan.slot == 0)
            sim_event_in(&end->orphan, TCP_ORPHAN_MS * UINT64_C(1000));
    }
    conn_settle(end->conn);
}

void tcp_close(struct tcp_end *end)
{
    if (end->state == TCP_OPEN && end->in.len > 0) {
        tcp_reset(end);
        return;
    }
    end->held = false;
    tcp_set_owner(end, NULL, NULL);
    if (end->state == TCP_OPEN)
        tcp_shutdown(end);
    else
        gone(end);
    settle_orphan(end);
}

void tcp_reset(struct tcp_end *end)
{
    end->held = false;
    tcp_set_owner(end, NULL, NULL);
    if (end->state == TCP_OPEN) {
        sim_trace(end->conn->world, "reset", end->conn->id, end->written - end->acked, 0);
        sender_say(end, PACKET_RESET);
    }
    gone(end);
    conn_settle(end->conn);
}

void tcp_vanish(struct tcp_end *end)
{
    end->held = false;
    tcp_set_owner(end, NULL, NULL);
    gone(end);
    conn_settle(end->conn);
}

/* ---- Receiving ---- */

/* The newest bytes of the end. */
static void show(const struct tcp_end *end, size_t len)
{
    const struct sim_conn *conn = end->conn;
    if (conn->world->watch == NULL)
        return;
    uint8_t *bytes = world_alloc(len);
    ring_copy(&end->in, end->in.len - len, bytes, len);
    struct sim_sight sight = {
        .conn = conn->id, .from = end->other->addr, .to = end->addr, .bytes = bytes, .len = len};
    conn->world->watch(conn->world->watch_arg, &sight);
    free(bytes);
}

/* The part of the packet that comes next, if any. */
static void take_bytes(struct tcp_end *end, const struct packet *packet)
{
    if (packet->offset > end->received || end->fin_received)
        return;
    uint64_t known = end->received - packet->offset;
    bool news = false;
    if (known < packet->len) {
        size_t len = packet->len - known;
        const struct tcp_end *from = end->other;
        uint64_t first = from->written - from->out.len;
        ring_push_ring(&end->in, &from->out, end->received - first, len);
        end->received += len;
        end->conn->world->totals.payload_bytes += len;
        show(end, len);
        sim_trace(end->conn->world, "data", end->conn->id, end->received, len);
        news = true;
    }
    if (packet->fin && packet->offset + packet->len == end->received) {
        end->fin_received = true;
        sim_trace(end->conn->world, "fin", end->conn->id, end->received, 0);
        news = true;
    }
    if (news)
        tell(end, TCP_READABLE);
}

static void take_data(struct tcp_end *end, const struct packet *packet)
{
    if (end->state != TCP_OPEN)
        return;
    bool fresh = packet->offset + packet->len > end->received;
    bool content = packet->len > 0 || packet->fin;
    if (packet->offset <= end->received)
        end->echo_us = packet->stamp_us;
    else if (content)
        end->gap_us = packet->stamp_us;
    if (!end->held && packet->len > 0 && fresh) {
        tcp_reset(end); /* nobody will read it */
        return;
    }
    take_bytes(end, packet);
    if ((content || packet->probe) && end->state == TCP_OPEN)
        sender_say(end, PACKET_DATA);
    if (sender_take_ack(end, packet))
        tell(end, TCP_WRITABLE);
    sender_rearm(end);
    settle_orphan(end);
}

static void take_answer(struct tcp_end *end, const struct packet *packet)
{
    if (end->state != TCP_CONNECTING)
        return;
    end->state = TCP_OPEN;
    sender_answered(end, packet->edge);
    sim_trace(end->conn->world, "connected", end->conn->id, 0, 0);
    tell(end, TCP_CONNECTED);
}

static void take_request(struct tcp_end *end, const struct packet *packet)
{
    if (end->host->unreachable) {
        sim_fault(end->host->world, SIM_UNREACHABLE);
        sender_say(end, PACKET_UNREACHABLE);
        return;
    }
    if (end->state == TCP_NONE) {
        switch (port_request(end)) {
        case PORT_TAKEN:
            end->state = TCP_OPEN;
            end->held = true;
            end->edge = packet->edge;
            port_queue(end);
            break;
        case PORT_DROPPED:
            conn_lost(end->conn);
            return;
        case PORT_REFUSED:
            gone(end);
            break;
        }
    }
    sender_say(end, end->state == TCP_OPEN ? PACKET_ANSWER : PACKET_RESET);
}

static void take_packet(struct tcp_end *end, const struct packet *packet)
{
    switch (packet->kind) {
    case PACKET_REQUEST:
        take_request(end, packet);
        break;
    case PACKET_ANSWER:
        if (end->state == TCP_GONE)
            sender_say(end, PACKET_RESET);
        else
            take_answer(end, packet);
        break;
    case PACKET_RESET:
        tcp_fail(end, end->state == TCP_CONNECTING ? IO_E_REFUSED : IO_E_RESET);
        break;
    case PACKET_UNREACHABLE:
        if (end->state == TCP_CONNECTING)
            tcp_fail(end, IO_E_UNREACHABLE);
        break;
    default:
        if (end->state == TCP_GONE)
            sender_say(end, PACKET_RESET);
        else
            take_data(end, packet);
        break;
    }
}

static void packet_arrived(void *arg, const struct packet *packet)
{
    struct tcp_end *end = ((struct tcp_end *)arg)->other;
    struct sim_conn *conn = end->conn;
    if (conn->forgotten || wire_hole(end->other->host, end->host))
        conn_lost(conn);
    else
        take_packet(end, packet);
    conn_settle(conn);
}

/* ---- What the process does ---- */

void tcp_init(struct tcp_end *end)
{
    sender_init(end);
    sim_event_init(&end->orphan, end->conn->world, orphan_expired, end);
    wire_init(&end->wire, end->conn->world, packet_arrived, end);
    list_init(&end->queued);
}

void tcp_request(struct tcp_end *end)
{
    end->state = TCP_CONNECTING;
    end->held = true;
    sender_request(end);
}

void tcp_set_owner(struct tcp_end *end, void (*news)(void *arg, unsigned news), void *arg)
{
    end->news = news;
    end->arg = arg;
}

size_t tcp_unacked(const struct tcp_end *end)
{
    return end->out.len;
}

bool tcp_end_acked(const struct tcp_end *end)
{
    return end->fin && sender_is_done(end);
}

size_t tcp_room(const struct tcp_end *end)
{
    return end->state == TCP_OPEN ? sender_room(end) : 0;
}

ssize_t tcp_write(struct tcp_end *end, const void *bytes, size_t len)
{
    if (end->error != 0 || end->fin || end->state == TCP_GONE)
        return IO_E_RESET;
    struct sim_world *world = end->conn->world;
    const uint8_t *from = bytes;
    size_t taken = 0;
    if (len > 1 && tcp_room(end) > 0 && sim_chance(world, world->weather.short_write)) {
        sim_fault(world, SIM_SHORT_WRITE);
        len = sim_random_between(world, 1, len - 1);
    }
    /* What leaves at once makes room for more. */
    for (size_t room = tcp_room(end); taken < len && room > 0; room = tcp_room(end)) {
        size_t part = room < len - taken ? room : len - taken;
        sender_write(end, from + taken, part);
        taken += part;
    }
    sender_rearm(end);
    return (ssize_t)taken;
}

size_t tcp_readable(const struct tcp_end *end)
{
    return end->in.len;
}

ssize_t tcp_read(struct tcp_end *end, void *out, size_t len)
{
    struct sim_world *world = end->conn->world;
    if (end->in.len > 0) {
        if (len > end->in.len)
            len = end->in.len;
        if (len > 1 && sim_chance(world, world->weather.short_read)) {
            sim_fault(world, SIM_SHORT_READ);
            len = sim_random_between(world, 1, len - 1);
        }
        ring_copy(&end->in, 0, out, len);
        ring_drop(&end->in, len);
        sender_show_window(end);
        return (ssize_t)len;
    }
    if (end->error != 0)
        return end->error;
    return end->fin_received ? 0 : IO_AGAIN;
}

void tcp_shutdown(struct tcp_end *end)
{
    if (end->fin || end->state == TCP_GONE)
        return;
    sender_finish(end);
}
