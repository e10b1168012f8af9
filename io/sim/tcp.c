#include "io/sim/tcp.h"

#include "io/sim/conn.h"
#include "io/sim/port.h"

#include <stdlib.h>

enum {
    RETRY_MIN_US = 200 * 1000,
    RETRY_MAX_US = 120 * 1000 * 1000,
    REQUEST_RETRY_US = 1000 * 1000,
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t retry_us(const struct tcp_end *end)
{
    uint64_t first_us = end->rtt_us + 4 * end->rtt_varies_us;
    if (first_us < RETRY_MIN_US)
        first_us = RETRY_MIN_US;
    return least(first_us << end->retries, RETRY_MAX_US);
}

/* RFC 6298, 2. */
static void measure_rtt(struct tcp_end *end, uint64_t sample_us)
{
    if (end->rtt_us == 0) {
        end->rtt_us = sample_us;
        end->rtt_varies_us = sample_us / 2;
        return;
    }
    uint64_t off_us = sample_us > end->rtt_us ? sample_us - end->rtt_us : end->rtt_us - sample_us;
    end->rtt_varies_us = (3 * end->rtt_varies_us + off_us) / 4;
    end->rtt_us = (7 * end->rtt_us + sample_us) / 8;
}

static void tell(struct tcp_end *end, unsigned news)
{
    if (end->news != NULL)
        end->news(end->arg, news);
}

/* Where the direction ends, as far as is known: its end counts one. */
static uint64_t end_offset(const struct tcp_end *end)
{
    return end->written + (end->fin ? 1 : 0);
}

static uint64_t unsent(const struct tcp_end *end)
{
    return end->written - least(end->sent, end->written);
}

/* ---- Packets ---- */

/*
 * As far as the other side may send. A window that grows by less than a good part is not told, nor
 * is one used for less (pump()): else a few short segments would beget short ones for ever (RFC
 * 9293, 3.8.6.2, silly window syndrome).
 */
static uint64_t window_edge(const struct tcp_end *end)
{
    uint64_t edge = end->received - end->in.len + end->receive_max;
    bool grown = edge - end->told_edge >= least(end->receive_max / 2, end->segment_max);
    return grown ? edge : end->told_edge;
}

static void send_packet(struct tcp_end *end, struct packet packet)
{
    struct sim_conn *conn = end->conn;
    conn->world->totals.packets++;
    packet.ack = end->received + (end->fin_received ? 1 : 0);
    packet.edge = window_edge(end);
    packet.stamp_us = conn->world->now_us;
    packet.echo_us = end->echo_us;
    packet.gap_us = end->gap_us;
    end->told_edge = packet.edge;
    if (conn->forgotten || !wire_send(&end->wire, end->host, end->other->host, &packet))
        conn_lost(conn);
}

static void send_plain(struct tcp_end *end, enum packet_kind kind)
{
    send_packet(end, (struct packet){.kind = (uint8_t)kind, .offset = end->sent});
}

/*
 * As much as written bytes, windows and the largest segment allow; less where the weather cuts. A
 * window that would cut it short is left to grow, unless that took too long already.
 */
static uint32_t segment_len(struct tcp_end *end, bool overdue)
{
    struct sim_world *world = end->conn->world;
    uint64_t edge = end->congestion_window == 0
                        ? end->edge
                        : least(end->edge, end->acked + end->congestion_window);
    uint64_t window = edge > end->sent ? edge - end->sent : 0;
    uint64_t wanted = least(end->written - end->sent, end->segment_max);
    uint64_t len = least(wanted, window);
    if (len < wanted && len < end->other->receive_max / 2 && !overdue)
        return 0;
    if (len > 1 && sim_chance(world, world->weather.split)) {
        sim_fault(world, SIM_SPLIT);
        len = sim_chance(world, 2000) ? 1 : sim_random_between(world, 1, len - 1);
    }
    return (uint32_t)len;
}

/* The window is closed, or nearly: whoever shut it may be gone without a word. */
static void probe_later(struct tcp_end *end)
{
    if (end->sent == end->acked && end->retry.slot == 0)
        sim_event_in(&end->retry, retry_us(end));
}

static void pump(struct tcp_end *end, bool overdue)
{
    while (end->state == TCP_OPEN && end->sent < end_offset(end)) {
        uint32_t len = end->sent < end->written ? segment_len(end, overdue) : 0;
        bool fin = end->fin && end->sent + len == end->written;
        if (len == 0 && !fin) {
            probe_later(end);
            return;
        }
        struct packet packet = {.kind = PACKET_DATA, .offset = end->sent, .len = len, .fin = fin};
        end->sent += len + (fin ? 1 : 0);
        send_packet(end, packet);
    }
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
    if (end->state == TCP_OPEN && !end->held && end->acked == end_offset(end)) {
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
        send_plain(end, PACKET_RESET);
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

/* ---- Retransmission ---- */

static bool misses_something(const struct tcp_end *end)
{
    return end->state == TCP_OPEN && end->acked < end_offset(end);
}

void tcp_missing(struct tcp_end *end)
{
    end->lossy = true;
    if (end->retry.slot == 0 && misses_something(end))
        sim_event_in(&end->retry, retry_us(end));
}

static void retry_request(struct tcp_end *end)
{
    if (end->retries == TCP_SYN_RETRIES_MAX) {
        tcp_fail(end, IO_E_TIMEOUT);
        return;
    }
    sim_event_in(&end->retry, REQUEST_RETRY_US << ++end->retries);
    send_plain(end, PACKET_REQUEST);
}

/*
 * What was on its way may be lost, or wait in a queue: one segment tells, and as many more go as
 * are acknowledged (RFC 5681, 3.1). All of them at once would lengthen that queue until each was
 * sent again before its acknowledgement could come.
 */
static void start_slowly(struct tcp_end *end)
{
    if (end->sent > end->acked)
        end->congestion_window = end->segment_max;
    end->sent = end->acked;
    end->restarted_us = end->conn->world->now_us;
}

static void retry(void *arg)
{
    struct tcp_end *end = arg;
    if (end->state == TCP_CONNECTING) {
        retry_request(end);
        return;
    }
    if (!misses_something(end)) {
        end->lossy = false;
        return;
    }
    if (end->sent > end->acked && !end->lossy)
        return; /* on its way; it was the window that had been closed */
    if (end->retries >= (end->held ? TCP_DATA_RETRIES_MAX : TCP_ORPHAN_RETRIES_MAX)) {
        tcp_fail(end, IO_E_TIMEOUT);
        return;
    }
    end->retries++;
    sim_event_in(&end->retry, retry_us(end));
    sim_trace(end->conn->world, "resend", end->conn->id, end->acked, retry_us(end));
    start_slowly(end);
    if (end->edge <= end->sent && end->sent < end->written)
        send_packet(end, (struct packet){.kind = PACKET_DATA, .offset = end->sent, .probe = true});
    else
        pump(end, true);
}

/* ---- Receiving ---- */

/* Bytes were acknowledged for the first time. */
static void take_progress(struct tcp_end *end, const struct packet *packet)
{
    ring_drop(&end->out, least(packet->ack, end->written) - end->acked);
    if (end->congestion_window != 0)
        end->congestion_window += packet->ack - end->acked;
    end->acked = packet->ack;
    if (end->sent < end->acked)
        end->sent = end->acked;
    if (packet->echo_us != 0)
        measure_rtt(end, end->conn->world->now_us - packet->echo_us);
    end->retries = 0;
    sim_event_cancel(&end->retry);
}

/*
 * Packets arrive in their order: where one came behind a gap, what belongs there is lost. Nobody
 * waits for a timer then (RFC 6675), unless it was sent again since that packet left.
 */
static bool lost_the_first(const struct tcp_end *end, const struct packet *packet)
{
    return packet->ack == end->acked && end->acked < end->sent &&
           packet->gap_us > end->restarted_us;
}

/* Like Linux, it tells of room when half of what may be unsent has gone. */
static void take_ack(struct tcp_end *end, const struct packet *packet)
{
    bool acked = packet->ack > end->acked;
    if (packet->edge > end->edge)
        end->edge = packet->edge;
    if (end->sent == end->acked)
        end->retries = 0;
    if (acked)
        take_progress(end, packet);
    if (lost_the_first(end, packet))
        start_slowly(end);
    pump(end, false);
    if (acked && unsent(end) < end->not_sent_max / 2)
        tell(end, TCP_WRITABLE);
    if (end->lossy)
        tcp_missing(end);
}

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
        send_plain(end, PACKET_DATA);
    take_ack(end, packet);
    settle_orphan(end);
}

static void take_answer(struct tcp_end *end, const struct packet *packet)
{
    if (end->state != TCP_CONNECTING)
        return;
    end->state = TCP_OPEN;
    end->edge = packet->edge;
    end->retries = 0;
    sim_event_cancel(&end->retry);
    sim_trace(end->conn->world, "connected", end->conn->id, 0, 0);
    tell(end, TCP_CONNECTED);
}

static void take_request(struct tcp_end *end, const struct packet *packet)
{
    if (end->host->unreachable) {
        sim_fault(end->host->world, SIM_UNREACHABLE);
        send_plain(end, PACKET_UNREACHABLE);
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
    send_plain(end, end->state == TCP_OPEN ? PACKET_ANSWER : PACKET_RESET);
}

static void take_packet(struct tcp_end *end, const struct packet *packet)
{
    switch (packet->kind) {
    case PACKET_REQUEST:
        take_request(end, packet);
        break;
    case PACKET_ANSWER:
        if (end->state == TCP_GONE)
            send_plain(end, PACKET_RESET);
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
            send_plain(end, PACKET_RESET);
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
    sim_event_init(&end->retry, end->conn->world, retry, end);
    sim_event_init(&end->orphan, end->conn->world, orphan_expired, end);
    wire_init(&end->wire, end->conn->world, packet_arrived, end);
    list_init(&end->queued);
}

void tcp_request(struct tcp_end *end)
{
    end->state = TCP_CONNECTING;
    end->held = true;
    sim_event_in(&end->retry, REQUEST_RETRY_US);
    send_plain(end, PACKET_REQUEST);
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
    return end->fin && end->acked == end_offset(end);
}

size_t tcp_room(const struct tcp_end *end)
{
    if (end->state != TCP_OPEN)
        return 0;
    if (end->out.len >= end->send_max || unsent(end) >= end->not_sent_max)
        return 0;
    return least(end->send_max - end->out.len, end->not_sent_max - unsent(end));
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
        size_t part = least(len - taken, room);
        ring_push(&end->out, from + taken, part);
        end->written += part;
        taken += part;
        pump(end, false);
    }
    if (end->lossy)
        tcp_missing(end);
    return (ssize_t)taken;
}

size_t tcp_readable(const struct tcp_end *end)
{
    return end->in.len;
}

/* Tells the other side when the window has grown by a good part. */
static void window_update(struct tcp_end *end)
{
    uint64_t edge = end->received - end->in.len + end->receive_max;
    if (end->state == TCP_OPEN && !end->fin_received &&
        edge - end->told_edge >= least(end->receive_max / 2, 2 * end->segment_max))
        send_plain(end, PACKET_DATA);
}

ssize_t tcp_read(struct tcp_end *end, void *out, size_t len)
{
    struct sim_world *world = end->conn->world;
    if (end->in.len > 0) {
        len = least(len, end->in.len);
        if (len > 1 && sim_chance(world, world->weather.short_read)) {
            sim_fault(world, SIM_SHORT_READ);
            len = sim_random_between(world, 1, len - 1);
        }
        ring_copy(&end->in, 0, out, len);
        ring_drop(&end->in, len);
        window_update(end);
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
    end->fin = true;
    pump(end, false);
    if (end->lossy)
        tcp_missing(end);
}
