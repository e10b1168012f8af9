#include "roles/transfer/wire.h"

#include "base/encode.h"

#include <stdlib.h>
#include <string.h>

enum { TURN_MAX = 4 * 1024 * 1024 }; /* bytes read before other streams have their turn */

static void end(struct wire *wire, const char *why)
{
    if (wire->over)
        return;
    wire->over = true;
    wire->why = why;
    io_timer_stop(&wire->timer);
    io_task_queue(&wire->tell_ended);
}

void wire_fail(struct wire *wire, const char *why)
{
    end(wire, why);
}

void wire_finish(struct wire *wire)
{
    end(wire, NULL);
}

static void on_ended(void *arg)
{
    struct wire *wire = arg;
    wire->handler->ended(wire->arg, wire->why, wire->closed_by_peer);
}

static void set_timer(struct wire *wire)
{
    uint64_t deadline = sodiumtcp_deadline(wire->session);
    uint64_t watch = io_now_ms(wire->loop) + WIRE_WATCH_MS;
    if (!wire->over)
        io_timer_set(&wire->timer, deadline < watch ? deadline : watch);
}

static struct sodiumtcp_wall wall(const struct io_loop *loop)
{
    double now = io_wall_s(loop);
    uint64_t seconds = now > 0 ? (uint64_t)now : 0;
    return (struct sodiumtcp_wall){
        .seconds = seconds, .nanoseconds = (uint32_t)((now - (double)seconds) * 1e9) % 1000000000U};
}

bool wire_has_room(const struct wire *wire)
{
    return !wire->over && io_queued(wire->stream) < WIRE_QUEUE_MAX;
}

bool wire_has_drained(const struct wire *wire)
{
    return !wire->over && io_queued(wire->stream) == 0;
}

bool wire_send(struct wire *wire, long n)
{
    if (wire->over)
        return false;
    if (n < 0) {
        end(wire, sodiumtcp_error_text((int)n));
        return false;
    }
    int error = n == 0 ? 0 : io_send(wire->stream, wire->out, (size_t)n);
    if (error != 0)
        end(wire, io_error_text(error));
    return error == 0;
}

void wire_flush(struct wire *wire)
{
    while (wire_has_room(wire) && sodiumtcp_wants_to_send(wire->session)) {
        long n = sodiumtcp_control(wire->session, io_now_ms(wire->loop), wall(wire->loop),
                                   wire->out, wire->out_room);
        if (!wire_send(wire, n) || n == 0)
            return;
    }
}

/* ---- Input ---- */

/* Room for `need` bytes from in_at on; once the peer is known, for many. */
static bool make_room(struct wire *wire, size_t need)
{
    if (wire->in_at > 0 && (wire->in_len == 0 || wire->in_room - wire->in_at < need)) {
        memmove(wire->in, wire->in + wire->in_at, wire->in_len);
        wire->in_at = 0;
    }
    if (need <= wire->in_room - wire->in_at)
        return true;
    uint8_t *larger = malloc(WIRE_INPUT);
    if (larger == NULL)
        return false;
    memcpy(larger, wire->in, wire->in_len);
    wipe(wire->in, wire->in_room);
    free(wire->in);
    wire->in = larger;
    wire->in_room = WIRE_INPUT;
    return true;
}

/* False when nothing more is there now, or for ever. */
static bool read_more(struct wire *wire, size_t need, size_t *budget)
{
    if (!make_room(wire, need)) {
        end(wire, io_error_text(IO_E_NO_MEMORY));
        return false;
    }
    if (*budget == 0) {
        io_again(wire->stream);
        return false;
    }
    size_t end_at = wire->in_at + wire->in_len;
    ssize_t got = io_read(wire->stream, wire->in + end_at, wire->in_room - end_at);
    if (got > 0) {
        wire->in_len += (size_t)got;
        *budget -= (size_t)got < *budget ? (size_t)got : *budget;
        return true;
    }
    if (got == 0) {
        int error = sodiumtcp_end_of_input(wire->session, wire->in_len);
        wire->closed_by_peer = true;
        end(wire, error == 0 ? NULL : sodiumtcp_error_text(error));
    } else if (got != IO_AGAIN) {
        end(wire, io_error_text((int)got));
    }
    return false;
}

static void take_input(struct wire *wire)
{
    size_t budget = TURN_MAX;
    while (!wire->over) {
        struct sodiumtcp_event event;
        size_t consumed = 0;
        size_t room = 0;
        uint8_t *into = wire->handler->lend == NULL ? NULL : wire->handler->lend(wire->arg, &room);
        int error = sodiumtcp_receive(wire->session, io_now_ms(wire->loop), wire->in + wire->in_at,
                                      wire->in_len, into, room, &consumed, &event);
        wire->in_at += consumed;
        wire->in_len -= consumed;
        if (error != 0)
            end(wire, sodiumtcp_error_text(error));
        else if (event.type == SODIUMTCP_WAIT ||
                 (event.type == SODIUMTCP_NEED_MORE && !read_more(wire, event.need, &budget)))
            break;
        else if (event.type != SODIUMTCP_NEED_MORE)
            wire->handler->event(wire->arg, &event);
    }
}

static void turn(struct wire *wire)
{
    take_input(wire);
    if (wire->over)
        return;
    wire_flush(wire);
    wire->handler->room(wire->arg);
    set_timer(wire);
}

static void on_readable(void *arg)
{
    struct wire *wire = arg;
    if (!wire->over)
        turn(wire);
}

static void on_sent(void *arg)
{
    struct wire *wire = arg;
    if (wire->over || !wire_has_room(wire))
        return;
    wire_flush(wire);
    wire->handler->room(wire->arg);
}

static void on_failed(void *arg, int error)
{
    struct wire *wire = arg;
    end(wire, io_error_text(error));
}

static const struct io_stream_handler stream_handler = {
    .readable = on_readable, .sent = on_sent, .failed = on_failed};

static void on_timer(void *arg)
{
    struct wire *wire = arg;
    uint64_t now = io_now_ms(wire->loop);
    size_t unacked = io_unacked(wire->stream);
    if (unacked < wire->unacked)
        sodiumtcp_progress(wire->session, now);
    wire->unacked = unacked;
    int error = sodiumtcp_deadline(wire->session) <= now ? sodiumtcp_tick(wire->session, now) : 0;
    if (error != 0) {
        end(wire, sodiumtcp_error_text(error));
        return;
    }
    wire_flush(wire);
    set_timer(wire);
}

/* ---- Life ---- */

bool wire_init(struct wire *wire, struct io_loop *loop, struct io_stream *stream,
               struct sodiumtcp_session *session, bool large, const struct wire_handler *handler,
               void *arg)
{
    *wire = (struct wire){.loop = loop,
                          .stream = stream,
                          .session = session,
                          .handler = handler,
                          .arg = arg,
                          .in_room = WIRE_FIRST_INPUT,
                          .out_room = large ? WIRE_OUT : WIRE_SMALL_OUT};
    io_timer_init(&wire->timer, loop, on_timer, wire);
    io_task_init(&wire->tell_ended, loop, on_ended, wire);
    wire->in = malloc(wire->in_room);
    wire->out = malloc(wire->out_room);
    if (wire->in == NULL || wire->out == NULL) {
        wire_clear(wire);
        return false;
    }
    io_stream_set_handler(stream, &stream_handler, wire);
    wire_flush(wire);
    set_timer(wire);
    io_again(stream);
    return true;
}

void wire_clear(struct wire *wire)
{
    io_timer_stop(&wire->timer);
    io_task_cancel(&wire->tell_ended);
    wire->over = true;
    if (wire->stream != NULL)
        io_close(wire->stream);
    wire->stream = NULL;
    sodiumtcp_session_free(wire->session);
    wire->session = NULL;
    if (wire->in != NULL)
        wipe(wire->in, wire->in_room);
    free(wire->in);
    wire->in = NULL;
    free(wire->out);
    wire->out = NULL;
}

void wire_again(struct wire *wire)
{
    if (!wire->over)
        io_again(wire->stream);
}
