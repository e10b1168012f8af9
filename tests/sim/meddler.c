#include "tests/sim/meddler.h"

#include "base/map.h"
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

enum {
    PIECE_MAX = 16 * 1024,
    QUEUE_MAX = 256 * 1024, /* towards a side that does not read; then the other is not read */
    BITS = 8,
};

struct role {
    struct meddler *meddler;
    struct io_loop *loop;
    struct io_listener *listener;
    struct io_timer resume;
    struct list pairs;
    struct life *life;
};

struct pair {
    struct list node;
    struct role *role;
    struct io_stream *sides[2];
    struct way {
        struct pair *pair;
        unsigned from;
        uint8_t last[PIECE_MAX]; /* the piece before, to be said again */
        size_t last_len;
    } ways[2];
};

static void end_pair(struct pair *pair)
{
    io_abort(pair->sides[0]);
    io_abort(pair->sides[1]);
    list_remove(&pair->node);
    free(pair);
}

/* ---- What it does with a piece ---- */

static void flip(struct sim_world *world, uint8_t *bytes, size_t len)
{
    bytes[sim_random_below(world, len)] ^= (uint8_t)(1 << sim_random_below(world, BITS));
    sim_fault(world, SIM_FLIPPED);
}

/* Shortens it anywhere; returns its length. */
static size_t drop(struct sim_world *world, uint8_t *bytes, size_t len)
{
    size_t at = sim_random_below(world, len);
    size_t count = 1 + sim_random_below(world, len - at);
    memmove(bytes + at, bytes + at + count, len - at - count);
    sim_fault(world, SIM_DROPPED);
    return len - count;
}

static int replay(struct sim_world *world, struct way *way, struct io_stream *to)
{
    sim_fault(world, SIM_REPLAYED);
    return io_send(to, way->last, way->last_len);
}

/* What comes second is said first. */
static void swap(struct sim_world *world, uint8_t *bytes, size_t len)
{
    uint8_t first[PIECE_MAX];
    size_t at = sim_random_below(world, len);
    memcpy(first, bytes, at);
    memmove(bytes, bytes + at, len - at);
    memcpy(bytes + len - at, first, at);
    sim_fault(world, SIM_REORDERED);
}

static int pass(struct way *way, uint8_t *bytes, size_t len)
{
    struct meddler *meddler = way->pair->role->meddler;
    struct sim_world *world = meddler->world;
    struct io_stream *to = way->pair->sides[1 - way->from];
    uint8_t piece[PIECE_MAX];
    size_t piece_len = len;
    int error = 0;
    memcpy(piece, bytes, len);
    if (sim_chance(world, meddler->per_10000)) {
        meddler->meddled++;
        switch (sim_random_below(world, 4)) {
        case 0:
            flip(world, bytes, len);
            break;
        case 1:
            len = drop(world, bytes, len);
            break;
        case 2:
            error = replay(world, way, to);
            break;
        default:
            swap(world, bytes, len);
        }
    }
    if (error == 0)
        error = io_send(to, bytes, len);
    memcpy(way->last, piece, piece_len);
    way->last_len = piece_len;
    return error;
}

/* ---- Streams ---- */

static void pump(struct way *way)
{
    struct pair *pair = way->pair;
    uint8_t bytes[PIECE_MAX];
    while (io_queued(pair->sides[1 - way->from]) < QUEUE_MAX) {
        ssize_t got = io_read(pair->sides[way->from], bytes, sizeof bytes);
        if (got == IO_AGAIN)
            return;
        if (got <= 0 || pass(way, bytes, (size_t)got) != 0) {
            end_pair(pair);
            return;
        }
    }
}

static void on_readable(void *arg)
{
    pump(arg);
}

static void on_sent(void *arg)
{
    struct way *way = arg;
    pump(&way->pair->ways[1 - way->from]);
}

static void on_failed(void *arg, int error)
{
    (void)error;
    end_pair(((struct way *)arg)->pair);
}

static const struct io_stream_handler handler = {
    .connected = on_readable, .readable = on_readable, .sent = on_sent, .failed = on_failed};

static void on_accepted(void *arg, struct io_stream *stream)
{
    struct role *role = arg;
    struct pair *pair = calloc(1, sizeof *pair);
    int error;
    if (pair == NULL)
        abort();
    pair->role = role;
    for (unsigned i = 0; i < 2; i++)
        pair->ways[i] = (struct way){.pair = pair, .from = i};
    pair->sides[0] = stream;
    pair->sides[1] = io_connect(role->loop, &role->meddler->to, &handler, &pair->ways[1], &error);
    if (pair->sides[1] == NULL) {
        io_abort(stream);
        free(pair);
        return;
    }
    io_stream_set_handler(stream, &handler, &pair->ways[0]);
    list_append(&role->pairs, &pair->node);
}

static void on_exhausted(void *arg, int error)
{
    (void)error;
    io_timer_set_in(&((struct role *)arg)->resume, 100);
}

static void on_resume(void *arg)
{
    io_listener_resume(((struct role *)arg)->listener);
}

static const struct io_listener_handler listener_handler = {.accepted = on_accepted,
                                                            .exhausted = on_exhausted};

/* ---- A party ---- */

static void *start(struct io_loop *loop, void *arg, struct life *life, char *why, size_t why_len)
{
    struct meddler *meddler = arg;
    struct role *role = calloc(1, sizeof *role);
    int error;
    if (role == NULL)
        abort();
    *role = (struct role){.meddler = meddler, .loop = loop, .life = life};
    list_init(&role->pairs);
    io_timer_init(&role->resume, loop, on_resume, role);
    role->listener = io_listen(loop, &meddler->at, &listener_handler, role, &error);
    if (role->listener == NULL) {
        snprintf(why, why_len, "%s", io_error_text(error));
        free(role);
        return NULL;
    }
    return role;
}

static void stop(void *arg)
{
    struct role *role = arg;
    io_timer_stop(&role->resume);
    if (role->listener != NULL)
        io_listener_close(role->listener);
    role->listener = NULL;
    while (!list_empty(&role->pairs))
        end_pair(container_of(role->pairs.next, struct pair, node));
    party_stopped(role->life);
}

static const struct party_ops ops = {.name = "meddler", .start = start, .stop = stop, .free = free};

void meddler_init(struct meddler *meddler, struct sim_world *world, const char *address,
                  const struct addr *to)
{
    *meddler = (struct meddler){.world = world, .to = *to, .at = {.port = to->port}};
    (void)ip_parse(address, &meddler->at.ip);
    meddler->host = sim_host_new(world, "path", address);
    party_init(&meddler->party, meddler->host, &ops, meddler);
}
