#include "tests/sim/stranger.h"

#include "base/map.h"
#include "tests/sim/hello.h"
#include "tests/sim/outlet.h"

#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MAX_MS = 8000, /* between two calls */
    STAY_MAX_MS = 20 * 1000,
    OPEN_MAX = 48,
    CROWD_MAX = 16, /* that it calls with at once */
    CROWD_PER_10000 = 500,
    NOISE_MAX = 1500,
    TORRENT_MAX = 50, /* pieces of noise */
    QUEUE_MAX = 64 * 1024,
    READ_LEN = 16 * 1024,
    BITS = 8,
    TLS_HANDSHAKE = 0x16,
    /* Who is not let in is to go after 10 s, 30 s where a challenge was sent. */
    SHOWN_OUT_MS = 45 * 1000,
    /* The recorded login of a client whom the receiver never heard is as good as that client's; but
     * then nothing follows for 180 s. */
    REPLAY_SHOWN_OUT_MS = 200 * 1000,
};

enum manner { SILENT, NOISY, REPLAYS, REPLAYS_A_PART, REPLAYS_CHANGED, POURS, MANNERS };

struct role {
    struct stranger *stranger;
    struct life *life;
    struct io_loop *loop;
    struct io_timer next;
    struct list calls;
    size_t open;
};

struct call {
    struct list node;
    struct role *role;
    struct stranger_port *port;
    struct io_stream *stream;
    struct io_timer end;
    enum manner manner;
    unsigned pieces; /* of noise still to come */
    bool broken;     /* it could not say something */
    bool stays;      /* until it is shown out */
};

/* ---- What it has heard ---- */

static struct stranger_heard *heard_on(struct stranger_port *port, uint64_t conn)
{
    for (size_t i = 0; i < STRANGER_HEARD_MAX; i++)
        if (port->heard[i].conn == conn)
            return &port->heard[i];
    if (conn < port->newest)
        return NULL;
    struct stranger_heard *heard = &port->heard[port->heard_count++ % STRANGER_HEARD_MAX];
    port->newest = conn;
    heard->conn = conn;
    heard->len = 0;
    return heard;
}

/*
 * A ClientHello without its last byte: what comes after a whole one is the business of the endpoint
 * behind the tunnel.
 */
static size_t len_max(const struct stranger_heard *heard)
{
    return heard->bytes[0] == TLS_HANDSHAKE ? HELLO_LEN - 1 : STRANGER_HEARD_LEN;
}

static void overhear(void *arg, const struct sim_sight *sight)
{
    struct stranger *stranger = arg;
    for (size_t i = 0; i < stranger->port_count; i++) {
        struct stranger_port *port = &stranger->ports[i];
        if (sight->to.port != port->at.port || !ip_equal(&sight->to.ip, &port->at.ip) ||
            ip_equal(&sight->from.ip, &stranger->ip))
            continue;
        struct stranger_heard *heard = heard_on(port, sight->conn);
        size_t room = heard == NULL ? 0 : STRANGER_HEARD_LEN - heard->len;
        size_t len = sight->len < room ? sight->len : room;
        if (len == 0)
            return;
        memcpy(heard->bytes + heard->len, sight->bytes, len);
        heard->len += len;
        if (heard->len > len_max(heard))
            heard->len = len_max(heard);
    }
}

/* ---- What it says ---- */

static struct sim_world *world_of(const struct call *call)
{
    return call->role->stranger->world;
}

static void say(struct call *call, const void *bytes, size_t len)
{
    if (io_send(call->stream, bytes, len) != 0)
        call->broken = true;
}

static void rave(struct call *call)
{
    uint8_t noise[NOISE_MAX];
    size_t len = 1 + sim_random_below(world_of(call), sizeof noise);
    (void)outlet_random(world_of(call), noise, len);
    say(call, noise, len);
}

static void replay(struct call *call)
{
    struct sim_world *world = world_of(call);
    struct stranger_port *port = call->port;
    uint8_t bytes[STRANGER_HEARD_LEN];
    const struct stranger_heard *heard = &port->heard[sim_random_below(world, STRANGER_HEARD_MAX)];
    size_t len = heard->len;
    if (len == 0)
        return;
    memcpy(bytes, heard->bytes, len);
    if (call->manner == REPLAYS_A_PART)
        len = sim_random_below(world, len);
    if (call->manner == REPLAYS_CHANGED)
        bytes[sim_random_below(world, len)] ^= (uint8_t)(1 << sim_random_below(world, BITS));
    say(call, bytes, len);
}

/* As much at a time as the other side takes. */
static void pour(struct call *call)
{
    for (; call->pieces > 0 && !call->broken && io_queued(call->stream) < QUEUE_MAX; call->pieces--)
        rave(call);
}

static void speak(struct call *call)
{
    switch (call->manner) {
    case SILENT:
        break;
    case NOISY:
        rave(call);
        break;
    case POURS:
        pour(call);
        break;
    default:
        replay(call);
    }
    if (!call->stays && sim_chance(world_of(call), 2000))
        io_shutdown(call->stream);
}

/* ---- Calls ---- */

static void hang_up(struct call *call, bool abort_it)
{
    struct role *role = call->role;
    if (abort_it)
        io_abort(call->stream);
    else
        io_close(call->stream);
    io_timer_stop(&call->end);
    list_remove(&call->node);
    role->open--;
    role->stranger->waiting -= call->stays ? 1 : 0;
    free(call);
}

static void on_end(void *arg)
{
    struct call *call = arg;
    if (call->stays)
        sim_fail(world_of(call), "a stranger (%u) is still at the port of %s", call->manner,
                 call->port->name);
    hang_up(call, sim_chance(world_of(call), 5000));
}

static void on_connected(void *arg)
{
    struct call *call = arg;
    speak(call);
    if (call->broken)
        hang_up(call, true);
}

static void on_readable(void *arg)
{
    struct call *call = arg;
    uint8_t drop[READ_LEN];
    ssize_t got;
    while ((got = io_read(call->stream, drop, sizeof drop)) > 0)
        ;
    if (got != IO_AGAIN)
        hang_up(call, true);
}

static void on_sent(void *arg)
{
    struct call *call = arg;
    if (call->manner == POURS)
        pour(call);
    if (call->broken)
        hang_up(call, true);
}

static void on_failed(void *arg, int error)
{
    (void)error;
    hang_up(arg, true);
}

static const struct io_stream_handler call_handler = {
    .connected = on_connected, .readable = on_readable, .sent = on_sent, .failed = on_failed};

static uint64_t stay_ms(struct sim_world *world, enum manner manner, bool stays)
{
    if (!stays)
        return sim_random_below(world, STAY_MAX_MS);
    return manner == SILENT || manner == NOISY || manner == POURS ? SHOWN_OUT_MS
                                                                  : REPLAY_SHOWN_OUT_MS;
}

static void call_at(struct role *role, struct stranger_port *port, enum manner manner, bool stays)
{
    struct sim_world *world = role->stranger->world;
    struct call *call = calloc(1, sizeof *call);
    int error;
    if (call == NULL)
        abort();
    *call = (struct call){.role = role, .port = port, .manner = manner, .stays = stays};
    call->pieces = (unsigned)sim_random_below(world, TORRENT_MAX);
    call->stream = io_connect(role->loop, &port->at, &call_handler, call, &error);
    if (call->stream == NULL) {
        free(call);
        return;
    }
    list_append(&role->calls, &call->node);
    role->open++;
    role->stranger->waiting += stays ? 1 : 0;
    io_timer_init(&call->end, role->loop, on_end, call);
    io_timer_set_in(&call->end, stay_ms(world, manner, stays));
    sim_tally(world, port->tally);
}

/* One, or a crowd. */
static void on_next(void *arg)
{
    struct role *role = arg;
    struct stranger *stranger = role->stranger;
    struct sim_world *world = stranger->world;
    if (stranger->quiet)
        return;
    struct stranger_port *port = &stranger->ports[sim_random_below(world, stranger->port_count)];
    enum manner manner = (enum manner)sim_random_below(world, MANNERS);
    uint64_t count =
        sim_chance(world, CROWD_PER_10000) ? sim_random_between(world, 2, CROWD_MAX) : 1;
    for (; count > 0 && role->open < OPEN_MAX; count--)
        call_at(role, port, manner, false);
    io_timer_set_in(&role->next, sim_random_below(world, WAIT_MAX_MS));
}

static void do_stay(struct io_loop *loop, void *arg)
{
    struct role *role = party_role(arg);
    (void)loop;
    for (size_t i = 0; i < role->stranger->port_count; i++)
        for (int manner = 0; manner < MANNERS; manner++)
            call_at(role, &role->stranger->ports[i], (enum manner)manner, true);
    role->stranger->waiting--;
}

void stranger_stay(struct stranger *stranger)
{
    stranger->quiet = true;
    stranger->waiting++;
    sim_process_call(party_process(&stranger->party), do_stay, &stranger->party);
}

bool stranger_was_shown_out(const struct stranger *stranger)
{
    return stranger->waiting == 0;
}

/* ---- A party ---- */

static void *life_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                        size_t why_len)
{
    struct role *role = calloc(1, sizeof *role);
    (void)why, (void)why_len;
    if (role == NULL)
        abort();
    *role = (struct role){.stranger = arg, .life = life, .loop = loop};
    list_init(&role->calls);
    io_timer_init(&role->next, loop, on_next, role);
    io_timer_set_in(&role->next, 0);
    return role;
}

static void life_stop(void *arg)
{
    struct role *role = arg;
    io_timer_stop(&role->next);
    while (!list_empty(&role->calls))
        hang_up(container_of(role->calls.next, struct call, node), true);
    sim_watch(role->stranger->world, NULL, NULL);
    party_stopped(role->life);
}

static const struct party_ops ops = {
    .name = "stranger", .start = life_start, .stop = life_stop, .free = free};

void stranger_init(struct stranger *stranger, struct sim_world *world, const char *address)
{
    *stranger = (struct stranger){.world = world};
    (void)ip_parse(address, &stranger->ip);
    stranger->host = sim_host_new(world, "stranger", address);
    party_init(&stranger->party, stranger->host, &ops, stranger);
    sim_watch(world, overhear, stranger);
}

void stranger_add_port(struct stranger *stranger, const struct addr *at, const char *name,
                       unsigned tally)
{
    if (stranger->port_count == STRANGER_PORTS_MAX)
        abort();
    struct stranger_port *port = &stranger->ports[stranger->port_count++];
    port->at = *at;
    port->name = name;
    port->tally = tally;
}
