#include "roles/transfer/carrier.h"

#include "base/encode.h"

#include <stdlib.h>
#include <string.h>

enum { TURN_MAX = 4 * 1024 * 1024 }; /* bytes read before other streams have their turn */

static void end(struct carrier *carrier, const char *why)
{
    if (carrier->over)
        return;
    carrier->over = true;
    carrier->why = why;
    io_timer_stop(&carrier->timer);
    io_task_queue(&carrier->tell_ended);
}

void carrier_fail(struct carrier *carrier, const char *why)
{
    end(carrier, why);
}

void carrier_finish(struct carrier *carrier)
{
    end(carrier, NULL);
}

static void on_ended(void *arg)
{
    struct carrier *carrier = arg;
    carrier->handler->ended(carrier->arg, carrier->why, carrier->closed_by_peer);
}

static void set_timer(struct carrier *carrier)
{
    uint64_t deadline = sodiumtcp_deadline(carrier->session);
    uint64_t watch = io_now_ms(carrier->loop) + CARRIER_WATCH_MS;
    if (!carrier->over)
        io_timer_set(&carrier->timer, deadline < watch ? deadline : watch);
}

static struct sodiumtcp_wall wall(const struct io_loop *loop)
{
    double now = io_wall_s(loop);
    uint64_t seconds = now > 0 ? (uint64_t)now : 0;
    return (struct sodiumtcp_wall){
        .seconds = seconds, .nanoseconds = (uint32_t)((now - (double)seconds) * 1e9) % 1000000000U};
}

bool carrier_has_room(const struct carrier *carrier)
{
    return !carrier->over && !carrier->lost && io_queued(carrier->stream) < CARRIER_QUEUE_MAX;
}

bool carrier_has_drained(const struct carrier *carrier)
{
    return !carrier->over && !carrier->lost && io_queued(carrier->stream) == 0;
}

/*
 * Who stops a transfer says why and closes, and what is still sent to it resets the connection: its
 * reason is there and is read before this is the end.
 */
static void hear_out(struct carrier *carrier)
{
    carrier->lost = true;
    io_again(carrier->stream);
}

bool carrier_send(struct carrier *carrier, long n)
{
    if (carrier->over || carrier->lost)
        return false;
    if (n < 0) {
        end(carrier, sodiumtcp_error_text((int)n));
        return false;
    }
    int error = n == 0 ? 0 : io_send(carrier->stream, carrier->out, (size_t)n);
    if (error == IO_E_RESET)
        hear_out(carrier);
    else if (error != 0)
        end(carrier, io_error_text(error));
    return error == 0;
}

void carrier_flush(struct carrier *carrier)
{
    while (carrier_has_room(carrier) && sodiumtcp_wants_to_send(carrier->session)) {
        long n = sodiumtcp_control(carrier->session, io_now_ms(carrier->loop), wall(carrier->loop),
                                   carrier->out, carrier->out_room);
        if (!carrier_send(carrier, n) || n == 0)
            return;
    }
}

/* ---- Input ---- */

/* Room for `need` bytes from in_at on; once the peer is known, for many. */
static bool make_room(struct carrier *carrier, size_t need)
{
    if (carrier->in_at > 0 && (carrier->in_len == 0 || carrier->in_room - carrier->in_at < need)) {
        memmove(carrier->in, carrier->in + carrier->in_at, carrier->in_len);
        carrier->in_at = 0;
    }
    if (need <= carrier->in_room - carrier->in_at)
        return true;
    uint8_t *larger = malloc(CARRIER_INPUT);
    if (larger == NULL)
        return false;
    memcpy(larger, carrier->in, carrier->in_len);
    wipe(carrier->in, carrier->in_room);
    free(carrier->in);
    carrier->in = larger;
    carrier->in_room = CARRIER_INPUT;
    return true;
}

/* False when nothing more is there now, or for ever. */
static bool read_more(struct carrier *carrier, size_t need, size_t *budget)
{
    if (!make_room(carrier, need)) {
        end(carrier, io_error_text(IO_E_NO_MEMORY));
        return false;
    }
    if (*budget == 0) {
        io_again(carrier->stream);
        return false;
    }
    size_t end_at = carrier->in_at + carrier->in_len;
    ssize_t got = io_read(carrier->stream, carrier->in + end_at, carrier->in_room - end_at);
    if (got > 0) {
        carrier->in_len += (size_t)got;
        *budget -= (size_t)got < *budget ? (size_t)got : *budget;
        return true;
    }
    if (got == 0) {
        int error = sodiumtcp_end_of_input(carrier->session, carrier->in_len);
        carrier->closed_by_peer = true;
        end(carrier, error == 0 ? NULL : sodiumtcp_error_text(error));
    } else if (got != IO_AGAIN) {
        end(carrier, io_error_text((int)got));
    }
    return false;
}

/*
 * While the engine waits, one look at the stream tells whether the other side is still there. False
 * when nothing more is to be learnt now.
 */
static bool can_wait_on(struct carrier *carrier, size_t *budget)
{
    return carrier->in_len == 0 && read_more(carrier, 1, budget);
}

static void take_input(struct carrier *carrier)
{
    size_t budget = TURN_MAX;
    while (!carrier->over) {
        struct sodiumtcp_event event;
        size_t consumed = 0;
        size_t room = 0;
        uint8_t *into =
            carrier->handler->lend == NULL ? NULL : carrier->handler->lend(carrier->arg, &room);
        int error = sodiumtcp_receive(carrier->session, io_now_ms(carrier->loop),
                                      carrier->in + carrier->in_at, carrier->in_len, into, room,
                                      &consumed, &event);
        carrier->in_at += consumed;
        carrier->in_len -= consumed;
        if (error != 0)
            end(carrier, sodiumtcp_error_text(error));
        else if ((event.type == SODIUMTCP_WAIT && !can_wait_on(carrier, &budget)) ||
                 (event.type == SODIUMTCP_NEED_MORE && !read_more(carrier, event.need, &budget)))
            break;
        else if (event.type != SODIUMTCP_NEED_MORE && event.type != SODIUMTCP_WAIT)
            carrier->handler->event(carrier->arg, &event);
    }
}

static void turn(struct carrier *carrier)
{
    take_input(carrier);
    if (carrier->lost)
        end(carrier, io_error_text(IO_E_RESET));
    if (carrier->over)
        return;
    carrier_flush(carrier);
    carrier->handler->room(carrier->arg);
    set_timer(carrier);
}

static void on_readable(void *arg)
{
    struct carrier *carrier = arg;
    if (!carrier->over)
        turn(carrier);
}

static void on_sent(void *arg)
{
    struct carrier *carrier = arg;
    if (carrier->over || !carrier_has_room(carrier))
        return;
    carrier_flush(carrier);
    carrier->handler->room(carrier->arg);
}

static void on_failed(void *arg, int error)
{
    struct carrier *carrier = arg;
    end(carrier, io_error_text(error));
}

static const struct io_stream_handler stream_handler = {
    .readable = on_readable, .sent = on_sent, .failed = on_failed};

static void on_timer(void *arg)
{
    struct carrier *carrier = arg;
    uint64_t now = io_now_ms(carrier->loop);
    size_t unacked = io_unacked(carrier->stream);
    if (unacked < carrier->unacked)
        sodiumtcp_progress(carrier->session, now);
    carrier->unacked = unacked;
    int error =
        sodiumtcp_deadline(carrier->session) <= now ? sodiumtcp_tick(carrier->session, now) : 0;
    if (error != 0) {
        end(carrier, sodiumtcp_error_text(error));
        return;
    }
    carrier_flush(carrier);
    set_timer(carrier);
}

/* ---- Life ---- */

bool carrier_init(struct carrier *carrier, struct io_loop *loop, struct io_stream *stream,
                  struct sodiumtcp_session *session, bool large,
                  const struct carrier_handler *handler, void *arg)
{
    *carrier = (struct carrier){.loop = loop,
                                .stream = stream,
                                .session = session,
                                .handler = handler,
                                .arg = arg,
                                .in_room = CARRIER_FIRST_INPUT,
                                .out_room = large ? CARRIER_OUT : CARRIER_SMALL_OUT};
    io_timer_init(&carrier->timer, loop, on_timer, carrier);
    io_task_init(&carrier->tell_ended, loop, on_ended, carrier);
    carrier->in = malloc(carrier->in_room);
    carrier->out = malloc(carrier->out_room);
    if (carrier->in == NULL || carrier->out == NULL) {
        carrier_clear(carrier);
        return false;
    }
    io_stream_set_handler(stream, &stream_handler, carrier);
    carrier_flush(carrier);
    set_timer(carrier);
    io_again(stream);
    return true;
}

void carrier_clear(struct carrier *carrier)
{
    io_timer_stop(&carrier->timer);
    io_task_cancel(&carrier->tell_ended);
    carrier->over = true;
    if (carrier->stream != NULL)
        io_close(carrier->stream);
    carrier->stream = NULL;
    sodiumtcp_session_free(carrier->session);
    carrier->session = NULL;
    if (carrier->in != NULL)
        wipe(carrier->in, carrier->in_room);
    free(carrier->in);
    carrier->in = NULL;
    free(carrier->out);
    carrier->out = NULL;
}

void carrier_again(struct carrier *carrier)
{
    if (!carrier->over)
        io_again(carrier->stream);
}
