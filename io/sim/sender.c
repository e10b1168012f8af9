#include "io/sim/sender.h"

#include "io/sim/conn.h"

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

void sender_say(struct tcp_end *end, enum packet_kind kind)
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

/* ---- Retransmission ---- */

static bool misses_something(const struct tcp_end *end)
{
    return end->state == TCP_OPEN && end->acked < end_offset(end);
}

void sender_rearm(struct tcp_end *end)
{
    if (end->lossy && end->retry.slot == 0 && misses_something(end))
        sim_event_in(&end->retry, retry_us(end));
}

void sender_lost(struct tcp_end *end)
{
    end->lossy = true;
    sender_rearm(end);
}

static void retry_request(struct tcp_end *end)
{
    if (end->retries == TCP_SYN_RETRIES_MAX) {
        tcp_fail(end, IO_E_TIMEOUT);
        return;
    }
    sim_event_in(&end->retry, REQUEST_RETRY_US << ++end->retries);
    sender_say(end, PACKET_REQUEST);
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

/* ---- Acknowledgements ---- */

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

bool sender_take_ack(struct tcp_end *end, const struct packet *packet)
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
    return acked && unsent(end) < end->not_sent_max / 2;
}

/* ---- What the end asks for ---- */

void sender_init(struct tcp_end *end)
{
    sim_event_init(&end->retry, end->conn->world, retry, end);
}

void sender_request(struct tcp_end *end)
{
    sim_event_in(&end->retry, REQUEST_RETRY_US);
    sender_say(end, PACKET_REQUEST);
}

void sender_answered(struct tcp_end *end, uint64_t edge)
{
    end->edge = edge;
    end->retries = 0;
    sim_event_cancel(&end->retry);
}

size_t sender_room(const struct tcp_end *end)
{
    if (end->out.len >= end->send_max || unsent(end) >= end->not_sent_max)
        return 0;
    return least(end->send_max - end->out.len, end->not_sent_max - unsent(end));
}

void sender_write(struct tcp_end *end, const uint8_t *bytes, size_t len)
{
    ring_push(&end->out, bytes, len);
    end->written += len;
    pump(end, false);
}

void sender_finish(struct tcp_end *end)
{
    end->fin = true;
    pump(end, false);
    sender_rearm(end);
}

bool sender_is_done(const struct tcp_end *end)
{
    return end->acked == end_offset(end);
}

void sender_show_window(struct tcp_end *end)
{
    uint64_t edge = end->received - end->in.len + end->receive_max;
    if (end->state == TCP_OPEN && !end->fin_received &&
        edge - end->told_edge >= least(end->receive_max / 2, 2 * end->segment_max))
        sender_say(end, PACKET_DATA);
}
