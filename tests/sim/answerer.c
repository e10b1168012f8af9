#include "tests/sim/answerer.h"

#include "base/cursor.h"
#include "base/map.h"

#include <adit/proxyheader.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_MAX = 32 * 1024, PIECE_MAX = 16 * 1024, READ_MAX = 32 * 1024, DEAF_PER_10000 = 2000 };

struct answerer {
    struct list node;
    struct answerers *answerers;
    struct sim_world *world;
    struct io_stream *stream;
    struct io_timer nap;
    struct transfer *transfer; /* NULL until its number has come */
    bool deaf;                 /* never reads */
    bool proxy_read;
    bool named;
    struct addr caller; /* as the PROXY header names it */
    size_t head_len;
    uint8_t head[TRANSFER_HEAD_MAX];
};

static void finish(struct answerer *answerer, enum transfer_state state)
{
    struct transfer *transfer = answerer->transfer;
    if (transfer != NULL) {
        sim_trace(answerer->world, "answer-ends", transfer->id, state, transfer->up_got);
        transfer->answerer = state;
    }
    if (state == TRANSFER_DONE)
        io_close(answerer->stream);
    else
        io_abort(answerer->stream);
    io_timer_stop(&answerer->nap);
    list_remove(&answerer->node);
    free(answerer);
}

/* True when the answerer has gone. */
static bool settle(struct answerer *answerer, bool end)
{
    const struct transfer *transfer = answerer->transfer;
    bool complete = transfer != NULL && transfer->up_got == transfer->up_len &&
                    transfer->down_sent == transfer->down_len;
    if (end)
        finish(answerer, complete ? TRANSFER_DONE : TRANSFER_FAILED);
    else if (complete && transfer->end == TRANSFER_ANSWERER_CLOSES)
        finish(answerer, TRANSFER_DONE);
    else
        return false;
    return true;
}

/* True when the answerer has gone. */
static bool push(struct answerer *answerer)
{
    struct transfer *transfer = answerer->transfer;
    while (transfer->down_sent < transfer->down_len && io_queued(answerer->stream) < QUEUE_MAX) {
        uint8_t piece[PIECE_MAX];
        uint64_t left = transfer->down_len - transfer->down_sent;
        size_t len = 1 + sim_random_below(answerer->world, left < PIECE_MAX ? left : PIECE_MAX);
        transfer_bytes(transfer, TRANSFER_DOWN, transfer->down_sent, piece, len);
        if (io_send(answerer->stream, piece, len) != 0)
            break;
        transfer->down_sent += len;
    }
    return settle(answerer, false);
}

/* ---- What comes before the body ---- */

static void check_caller(struct answerer *answerer)
{
    const struct transfer *transfer = answerer->transfer;
    if (answerer->answerers->proxy && answerer->named &&
        !ip_equal(&answerer->caller.ip, &transfer->from.ip))
        sim_fail(answerer->world, "transfer %" PRIu64 ": its caller was told wrong", transfer->id);
}

/* The number of the transfer has come. */
static void begin(struct answerer *answerer, uint64_t id)
{
    struct transfer *transfer = transfers_find(answerer->answerers->transfers, id);
    if (transfer == NULL || transfer->service != answerer->answerers->service ||
        transfer->answered) {
        sim_fail(answerer->world, "an answerer of %s was asked for transfer %" PRIu64,
                 answerer->answerers->service->name, id);
        return;
    }
    sim_trace(answerer->world, "answer", id, 0, 0);
    transfer->answered = true;
    answerer->transfer = transfer;
    check_caller(answerer);
}

static void read_head(struct answerer *answerer)
{
    const struct service *service = answerer->answerers->service;
    size_t compare =
        answerer->head_len < service->preamble_len ? answerer->head_len : service->preamble_len;
    if (memcmp(answerer->head, service->preamble, compare) != 0) {
        sim_fail(answerer->world, "an answerer of %s got bytes of another", service->name);
        return;
    }
    if (answerer->head_len == service->preamble_len + TRANSFER_HEADER_LEN) {
        struct cursor cursor =
            cursor_over(answerer->head + service->preamble_len, TRANSFER_HEADER_LEN);
        begin(answerer, cursor_u64(&cursor));
    }
}

static void read_proxy(struct answerer *answerer)
{
    struct proxyheader header;
    size_t used;
    switch (proxyheader_parse(answerer->head, answerer->head_len, &header, &used)) {
    case PROXYHEADER_INCOMPLETE:
        return;
    case PROXYHEADER_OK:
        answerer->proxy_read = true;
        answerer->named = header.has_source;
        answerer->caller = (struct addr){.ip = header.source, .port = header.source_port};
        answerer->head_len = 0;
        return;
    default:
        sim_fail(answerer->world, "no PROXY header came to %s", answerer->answerers->service->name);
    }
}

/* How many bytes may be read now: a PROXY header's end is not known, so one at a time. */
static size_t wanted(const struct answerer *answerer)
{
    if (answerer->transfer != NULL || answerer->answerers->anything)
        return READ_MAX;
    if (answerer->answerers->proxy && !answerer->proxy_read)
        return 1;
    return answerer->answerers->service->preamble_len + TRANSFER_HEADER_LEN - answerer->head_len;
}

/* True when the answerer has gone. */
static bool take(struct answerer *answerer, const uint8_t *bytes, size_t len)
{
    if (answerer->answerers->anything)
        return false;
    if (answerer->transfer != NULL) {
        transfer_got(answerer->transfer, TRANSFER_UP, bytes, len);
        return settle(answerer, false);
    }
    memcpy(answerer->head + answerer->head_len, bytes, len);
    answerer->head_len += len;
    if (answerer->answerers->proxy && !answerer->proxy_read)
        read_proxy(answerer);
    else
        read_head(answerer);
    return answerer->transfer != NULL && push(answerer);
}

/* ---- The stream ---- */

/* Only who receives: the other direction is its caller's. */
static bool naps(struct answerer *answerer)
{
    struct transfer *transfer = answerer->transfer;
    return transfer != NULL && transfer->up_len > 0 && transfer_naps(transfer, &answerer->nap);
}

static void readable(void *arg)
{
    struct answerer *answerer = arg;
    uint8_t bytes[READ_MAX];
    while (!answerer->deaf && sim_failure(answerer->world) == NULL) {
        if (io_timer_armed(&answerer->nap) || naps(answerer))
            return;
        ssize_t got = io_read(answerer->stream, bytes, wanted(answerer));
        if (got == IO_AGAIN)
            return;
        if (got <= 0) {
            (void)(got < 0 ? finish(answerer, TRANSFER_FAILED) : (void)settle(answerer, true));
            return;
        }
        if (take(answerer, bytes, (size_t)got))
            return;
    }
}

static void sent(void *arg)
{
    struct answerer *answerer = arg;
    if (answerer->transfer != NULL)
        (void)push(answerer);
}

static void failed(void *arg, int error)
{
    (void)error;
    finish(arg, TRANSFER_FAILED);
}

static const struct io_stream_handler handler = {
    .readable = readable, .sent = sent, .failed = failed};

void answerers_init(struct answerers *answerers, struct transfers *transfers,
                    const struct service *service)
{
    *answerers = (struct answerers){.transfers = transfers, .service = service};
    list_init(&answerers->open);
}

static struct answerer *answerer_new(struct answerers *answerers)
{
    struct answerer *answerer = calloc(1, sizeof *answerer);
    if (answerer == NULL)
        abort();
    answerer->answerers = answerers;
    answerer->world = answerers->transfers->world;
    answerer->deaf = answerers->anything && sim_chance(answerer->world, DEAF_PER_10000);
    list_append(&answerers->open, &answerer->node);
    return answerer;
}

void answerer_start(struct answerers *answerers, struct io_stream *stream)
{
    struct answerer *answerer = answerer_new(answerers);
    answerer->stream = stream;
    io_timer_init(&answerer->nap, io_stream_loop(stream), readable, answerer);
    io_stream_set_handler(stream, &handler, answerer);
}

void answerer_attach(struct answerers *answerers, struct io_loop *loop, struct io_parcel *parcel)
{
    struct answerer *answerer = answerer_new(answerers);
    io_timer_init(&answerer->nap, loop, readable, answerer);
    answerer->stream = io_attach(loop, parcel, &handler, answerer);
}

void answerers_abort(struct answerers *answerers, const struct io_loop *loop)
{
    struct list *next;
    for (struct list *at = answerers->open.next; at != &answerers->open; at = next) {
        struct answerer *answerer = container_of(at, struct answerer, node);
        next = at->next;
        if (io_stream_loop(answerer->stream) == loop)
            finish(answerer, TRANSFER_FAILED);
    }
}
