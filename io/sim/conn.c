#include "io/sim/conn.h"

#include "io/sim/sender.h"

#include <stdlib.h>

static const size_t segment_sizes[] = {536, 1448, 1448, 8948, 65483, 65483, 65483};

/* Less than two large segments would carry one a round trip, whatever a program does. */
enum { BUFFER_MIN_LOG2 = 13, BUFFER_MAX_LOG2 = 21 };

static size_t draw_buffer(struct sim_world *world)
{
    return (size_t)1 << sim_random_between(world, BUFFER_MIN_LOG2, BUFFER_MAX_LOG2);
}

static bool finished(const struct sim_conn *conn)
{
    for (int i = 0; i < 2; i++) {
        const struct tcp_end *end = &conn->ends[i];
        if (end->held || end->wire.count > 0)
            return false;
        if (end->state != TCP_GONE && end->state != TCP_NONE)
            return false;
    }
    return true;
}

static void conn_free(struct sim_conn *conn)
{
    for (int i = 0; i < 2; i++) {
        struct tcp_end *end = &conn->ends[i];
        sim_event_cancel(&end->retry);
        sim_event_cancel(&end->orphan);
        wire_clear(&end->wire);
        ring_clear(&end->in);
        ring_clear(&end->out);
        list_remove(&end->queued);
    }
    sim_event_cancel(&conn->end);
    list_remove(&conn->node);
    conn->world->conn_count--;
    free(conn);
}

static void end_of_conn(void *arg)
{
    struct sim_conn *conn = arg;
    if (finished(conn))
        conn_free(conn);
}

void conn_settle(struct sim_conn *conn)
{
    if (conn->end.slot == 0 && finished(conn))
        sim_event_in(&conn->end, 0);
}

void conn_free_all(struct sim_world *world)
{
    while (!list_empty(&world->conns))
        conn_free(container_of(world->conns.next, struct sim_conn, node));
}

void conn_lost(struct sim_conn *conn)
{
    conn->world->totals.packets_lost++;
    for (int i = 0; i < 2; i++)
        sender_lost(&conn->ends[i]);
}

static void init_end(struct sim_conn *conn, int which, struct sim_host *host)
{
    struct tcp_end *end = &conn->ends[which];
    struct sim_world *world = conn->world;
    end->conn = conn;
    end->other = &conn->ends[1 - which];
    end->host = host;
    end->send_max = host != NULL && host->send_buffer != 0 ? host->send_buffer : draw_buffer(world);
    end->receive_max =
        host != NULL && host->receive_buffer != 0 ? host->receive_buffer : draw_buffer(world);
    end->not_sent_max = SIZE_MAX;
    tcp_init(end);
}

static struct sim_host *target(struct sim_host *from, const struct adit_ip *ip)
{
    return host_has(from, ip) ? from : host_find(from->world, ip);
}

/* As drawn, unless a link on the way carries less. */
static size_t draw_segment(struct sim_world *world, const struct sim_host *a,
                           const struct sim_host *b)
{
    size_t segment =
        segment_sizes[sim_random_below(world, sizeof segment_sizes / sizeof segment_sizes[0])];
    const struct sim_host *const hosts[] = {a, b};
    for (int i = 0; i < 2 && a != b; i++)
        if (hosts[i] != NULL && hosts[i]->access.segment_max != 0 &&
            hosts[i]->access.segment_max < segment)
            segment = hosts[i]->access.segment_max;
    return segment;
}

static struct sim_conn *conn_new(struct sim_host *asking, struct sim_host *asked)
{
    struct sim_world *world = asking->world;
    struct sim_conn *conn = world_alloc(sizeof *conn);
    conn->world = world;
    conn->id = ++world->next_conn;
    conn->reset_eats = sim_chance(world, 5000);
    sim_event_init(&conn->end, world, end_of_conn, conn);
    list_append(&world->conns, &conn->node);
    world->conn_count++;
    world->totals.connections++;
    init_end(conn, 0, asking);
    init_end(conn, 1, asked);
    conn->ends[0].segment_max = draw_segment(world, asking, asked);
    conn->ends[1].segment_max = conn->ends[0].segment_max;
    return conn;
}

struct tcp_end *conn_pair(struct sim_host *host)
{
    struct sim_conn *conn = conn_new(host, host);
    for (int i = 0; i < 2; i++) {
        struct tcp_end *end = &conn->ends[i];
        end->state = TCP_OPEN;
        end->held = true;
        end->edge = end->other->receive_max;
        end->told_edge = end->receive_max;
    }
    return &conn->ends[0];
}

struct tcp_end *conn_open(struct sim_host *host, const struct addr *to,
                          void (*news)(void *arg, unsigned news), void *arg, int *error)
{
    struct sim_world *world = host->world;
    struct sim_host *other = target(host, &to->ip);
    struct adit_ip source = to->ip;
    if (other != host && !host_source(host, to->ip.family, &source)) {
        *error = IO_E_UNREACHABLE;
        return NULL;
    }
    struct sim_conn *conn = conn_new(host, other);
    conn->ends[0].addr = (struct addr){.ip = source, .port = host_free_port(host)};
    conn->ends[1].addr = *to;
    sim_trace(world, "connect", conn->id, host->id, other != NULL ? other->id : 0);
    tcp_set_owner(&conn->ends[0], news, arg);
    tcp_request(&conn->ends[0]);
    return &conn->ends[0];
}

struct sim_flow sim_conn_flow(const struct sim_conn *conn, const struct sim_host *from)
{
    const struct tcp_end *end = &conn->ends[conn->ends[0].host == from ? 0 : 1];
    return (struct sim_flow){.written = end->written, .acked = end->acked};
}

/* ---- Harm ---- */

static bool live(const struct sim_conn *conn)
{
    return conn->ends[0].state == TCP_OPEN && conn->ends[1].state == TCP_OPEN &&
           conn->ends[0].held && conn->ends[1].held && !conn->forgotten;
}

static bool between(const struct sim_conn *conn, const struct sim_host *a, const struct sim_host *b)
{
    const struct sim_host *asked = conn->ends[1].host;
    const struct sim_host *asking = conn->ends[0].host;
    return ((a == NULL || a == asking) && (b == NULL || b == asked)) ||
           ((a == NULL || a == asked) && (b == NULL || b == asking));
}

struct sim_conn *sim_conn_pick(struct sim_world *world, const struct sim_host *a,
                               const struct sim_host *b)
{
    struct sim_conn *picked = NULL;
    uint64_t seen = 0;
    for (struct list *at = world->conns.next; at != &world->conns; at = at->next) {
        struct sim_conn *conn = container_of(at, struct sim_conn, node);
        if (live(conn) && between(conn, a, b) && sim_random_below(world, ++seen) == 0)
            picked = conn;
    }
    return picked;
}

void sim_conn_cut(struct sim_conn *conn, enum sim_cut how)
{
    struct sim_world *world = conn->world;
    uint64_t victim = sim_random_below(world, 2);
    sim_trace(world, "cut", conn->id, how, victim);
    switch (how) {
    case SIM_CUT_RESET_BOTH:
        sim_fault(world, SIM_CUT_BOTH);
        tcp_fail(&conn->ends[victim], IO_E_RESET);
        tcp_fail(&conn->ends[1 - victim], IO_E_RESET);
        break;
    case SIM_CUT_RESET_ONE:
        sim_fault(world, SIM_CUT_ONE);
        tcp_fail(&conn->ends[victim], IO_E_RESET);
        break;
    case SIM_CUT_FORGET:
        sim_fault(world, SIM_NAT_FORGOT);
        conn->forgotten = true;
        conn_lost(conn);
        break;
    }
}

size_t sim_conn_count(const struct sim_world *world)
{
    return world->conn_count;
}
