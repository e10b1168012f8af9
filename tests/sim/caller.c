#include "tests/sim/caller.h"

#include "base/cursor.h"

#include <stdlib.h>
#include <string.h>

enum {
    QUEUE_MAX = 32 * 1024,
    PIECE_MAX = 16 * 1024,
    READ_MAX = 32 * 1024,
    SIP_MAX = 2 * 1024, /* what a slow caller reads at once, and how long it waits then */
    SIP_WAIT_MS = 20,
    NAP_MS = 20 * 1000,
};

struct caller {
    struct transfer *transfer;
    struct sim_world *world;
    struct io_stream *stream;
    struct io_timer give_up;
    struct io_timer sip;
    uint64_t reset_at; /* bytes of both directions after which it resets */
    size_t head_len;
    uint8_t head[TRANSFER_HEAD_MAX];
};

static void finish(struct caller *caller, enum transfer_state state)
{
    struct transfer *transfer = caller->transfer;
    sim_trace(caller->world, "caller-ends", transfer->id, state, transfer->down_got);
    transfer->caller = state;
    transfer->transfers->running--;
    if (state == TRANSFER_DONE)
        io_close(caller->stream);
    else
        io_abort(caller->stream);
    io_timer_stop(&caller->give_up);
    io_timer_stop(&caller->sip);
    free(caller);
}

static bool all_sent(const struct transfer *transfer)
{
    return transfer->up_sent == transfer->up_len;
}

static bool all_got(const struct transfer *transfer)
{
    return transfer->down_got == transfer->down_len;
}

/* True when the caller has gone. */
static bool settle(struct caller *caller, bool end)
{
    const struct transfer *transfer = caller->transfer;
    bool complete = all_sent(transfer) && all_got(transfer);
    bool waits = transfer->end == TRANSFER_ANSWERER_CLOSES;
    if (transfer->end == TRANSFER_CALLER_RESETS &&
        transfer->up_sent + transfer->down_got >= caller->reset_at)
        finish(caller, TRANSFER_FAILED);
    else if (end)
        finish(caller, complete ? TRANSFER_DONE : TRANSFER_FAILED);
    else if (complete && !waits)
        finish(caller, TRANSFER_DONE);
    else
        return false;
    return true;
}

static void push(struct caller *caller)
{
    struct transfer *transfer = caller->transfer;
    while (!all_sent(transfer) && io_queued(caller->stream) < QUEUE_MAX) {
        uint8_t piece[PIECE_MAX];
        uint64_t left = transfer->up_len - transfer->up_sent;
        size_t len = 1 + sim_random_below(caller->world, left < PIECE_MAX ? left : PIECE_MAX);
        transfer_bytes(transfer, TRANSFER_UP, transfer->up_sent, piece, len);
        if (io_send(caller->stream, piece, len) != 0)
            break; /* the failure is told */
        transfer->up_sent += len;
    }
    (void)settle(caller, false);
}

static void sent(void *arg)
{
    push(arg);
}

static void connected(void *arg)
{
    struct caller *caller = arg;
    caller->transfer->from = io_stream_local(caller->stream);
    if (io_send(caller->stream, caller->head, caller->head_len) == 0)
        push(caller);
}

static void read_some(struct caller *caller)
{
    struct transfer *transfer = caller->transfer;
    uint8_t bytes[READ_MAX];
    for (;;) {
        if (transfer->down_len > 0 && transfer_naps(transfer, &caller->sip))
            return;
        size_t room = transfer->slow ? SIP_MAX : sizeof bytes;
        ssize_t got = io_read(caller->stream, bytes, room);
        if (got == IO_AGAIN)
            return;
        if (got > 0)
            transfer_got(transfer, TRANSFER_DOWN, bytes, (size_t)got);
        if (got < 0) {
            finish(caller, TRANSFER_FAILED);
            return;
        }
        if (settle(caller, got == 0))
            return;
        if (transfer->slow) {
            bool nap = sim_chance(caller->world, 50);
            io_timer_set_in(&caller->sip,
                            sim_random_below(caller->world, nap ? NAP_MS : SIP_WAIT_MS));
            return;
        }
    }
}

static void sip(void *arg)
{
    read_some(arg);
}

/* A slow caller reads at its own times. */
static void readable(void *arg)
{
    struct caller *caller = arg;
    if (!io_timer_armed(&caller->sip))
        read_some(caller);
}

static void give_up(void *arg)
{
    finish(arg, TRANSFER_FAILED);
}

static void failed(void *arg, int error)
{
    (void)error;
    finish(arg, TRANSFER_FAILED);
}

static const struct io_stream_handler handler = {
    .connected = connected, .readable = readable, .sent = sent, .failed = failed};

void caller_start(struct transfer *transfer, struct io_loop *loop, const struct addr *to,
                  uint64_t give_up_ms)
{
    struct caller *caller = calloc(1, sizeof *caller);
    if (caller == NULL)
        abort();
    const struct service *service = transfer->service;
    caller->transfer = transfer;
    caller->world = transfer->transfers->world;
    caller->reset_at = sim_random_below(caller->world, transfer->up_len + transfer->down_len + 1);
    memcpy(caller->head, service->preamble, service->preamble_len);
    store_u64(caller->head + service->preamble_len, transfer->id);
    caller->head_len = service->preamble_len + TRANSFER_HEADER_LEN;
    int error;
    caller->stream = io_connect(loop, to, &handler, caller, &error);
    if (caller->stream == NULL) {
        transfer->caller = TRANSFER_FAILED;
        free(caller);
        return;
    }
    transfer->transfers->running++;
    io_timer_init(&caller->give_up, loop, give_up, caller);
    io_timer_init(&caller->sip, loop, sip, caller);
    io_timer_set_in(&caller->give_up, give_up_ms);
}
