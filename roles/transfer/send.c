#include "roles/transfer/send.h"

#include "base/encode.h"
#include "io/dial.h"
#include "roles/transfer/sending.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The end ---- */

void send_finish(struct send *send, const char *format, ...)
{
    if (send->done_told)
        return;
    send->done_told = true;
    va_list args;
    va_start(args, format);
    vsnprintf(send->why, sizeof(send->why), format, args);
    va_end(args);
    io_timer_stop(&send->rate_timer);
    if (send->dial != NULL)
        io_dial_cancel(send->dial);
    send->dial = NULL;
    if (send->source != NULL)
        source_stop(send->source);
    io_task_queue(&send->tell_done);
}

static void on_tell_done(void *arg)
{
    struct send *send = arg;
    /* What is queued, an ERROR perhaps, is still sent. */
    if (send->has_carrier)
        carrier_clear(&send->carrier);
    send->has_carrier = false;
    /* What is at the helper pool comes back first. */
    if (!manifest_is_busy(send->manifest) && !source_is_busy(send->source))
        send->handler->done(send->arg, send->why[0] == '\0' ? NULL : send->why);
}

void send_give_up(struct send *send, enum sodiumtcp_code code, const char *why)
{
    if (send->has_carrier && !send->carrier.over && send->ready && send->progress.extension) {
        long n =
            sodiumtcp_stop(send->carrier.session, SODIUMTCP_NO_ITEM, code, why, send->carrier.out);
        if (n > 0)
            carrier_send(&send->carrier, n);
    }
    send_finish(send, "%s", why);
}

/* ---- Events ---- */

static void on_offer(struct send *send, const struct sodiumtcp_event *event)
{
    struct sending_item *item = &send->items[event->number % SODIUMTCP_ASKED_MAX];
    if (event->verdict == SODIUMTCP_LEAVE_IT) {
        send->progress.skipped += item->entry->stat.size;
        send->left_as_they_are++;
        free(item->entry);
        item->entry = NULL;
    } else if (event->verdict == SODIUMTCP_PART_THERE) {
        item->part.len = event->length;
        memcpy(item->part.hash, event->hash, sizeof(item->part.hash));
    }
}

static void on_error(struct send *send, const struct sodiumtcp_event *event)
{
    char text[SENDING_WHY_MAX - 64];
    text_escape(event->text, event->len, text, sizeof(text));
    send_finish(send, "the receiver stopped: %s", text);
}

/* A receiver may say of each item that it is not there, and end in order. */
static void on_finished(struct send *send)
{
    uint32_t expected = send->announced - send->left_as_they_are - send->abandoned;
    uint32_t lacking = expected - send->progress.items;
    if (send->progress.items < expected)
        send_finish(send, "the receiver did not keep %u of %u items", lacking, expected);
    else
        send_finish(send, "%s", "");
}

static void on_event(void *arg, const struct sodiumtcp_event *event)
{
    struct send *send = arg;
    switch (event->type) {
    case SODIUMTCP_READY:
        sending_begin(send, event);
        break;
    case SODIUMTCP_OFFER:
        on_offer(send, event);
        break;
    case SODIUMTCP_ACK:
        send->progress.items += event->status <= SODIUMTCP_KEPT_VERIFIED;
        send->progress.items_skipped += event->status == SODIUMTCP_SKIPPED;
        break;
    case SODIUMTCP_ANSWERED:
        send->unanswered--;
        break;
    case SODIUMTCP_FINISHED:
        on_finished(send);
        break;
    case SODIUMTCP_ERROR:
        on_error(send, event);
        break;
    default:
        break;
    }
}

static void on_carrier_ended(void *arg, const char *why, bool closed)
{
    struct send *send = arg;
    if (why == NULL && send->ready && !send->progress.extension && send->finishing &&
        send->current == NULL && !closed)
        send_finish(send, "%s", "");
    else if (!send->ready && closed)
        send_finish(
            send, "%s",
            "the receiver closed without a word: it refuses the login, or --key is not its key");
    else
        send_finish(send, "the connection was lost: %s",
                    why == NULL ? "the receiver closed it before all was acknowledged" : why);
}

static const struct carrier_handler carrier_handler = {
    .event = on_event, .room = sending_pump, .ended = on_carrier_ended};

static void on_dialled(void *arg, int error, struct io_stream *stream)
{
    struct send *send = arg;
    const struct send_config *config = &send->config;
    const struct sodiumtcp_options options = {.public_only = config->public_only,
                                              .zstd = config->compress};
    struct sodiumtcp_session *session = NULL;
    send->dial = NULL;
    if (stream == NULL) {
        send_finish(send, "cannot connect to %s:%u: %s", config->host, config->port,
                    io_error_text(error));
        return;
    }
    error = sodiumtcp_client_new(send->context.engine, config->server_key, config->login,
                                 config->passphrase, &options, io_now_ms(send->loop), &session);
    if (error != 0) {
        io_abort(stream);
        send_finish(send, "%s", sodiumtcp_error_text(error));
        return;
    }
    send->has_carrier =
        carrier_init(&send->carrier, send->loop, stream, session, true, &carrier_handler, send);
    if (!send->has_carrier)
        send_finish(send, "%s", io_error_text(IO_E_NO_MEMORY));
}

/* ---- Life ---- */

struct send *send_start(struct io_loop *loop, const struct send_config *config,
                        const struct send_handler *handler, void *arg)
{
    struct send *send = calloc(1, sizeof(*send));
    if (send == NULL)
        return NULL;
    send->loop = loop;
    send->config = *config;
    send->handler = handler;
    send->arg = arg;
    io_task_init(&send->tell_done, loop, on_tell_done, send);
    io_timer_init(&send->rate_timer, loop, sending_pump, send);
    send->manifest = manifest_new(loop, config->paths, config->path_count, config->stream_name,
                                  sending_pump, send);
    send->source = source_new(loop, config->verify, sending_pump, send);
    if (context_init(&send->context, loop) && send->manifest != NULL && send->source != NULL)
        send->dial =
            io_dial(loop, config->host, config->port, config->connect_ms, on_dialled, send);
    if (send->dial == NULL) {
        send_free(send);
        return NULL;
    }
    sending_pump(send);
    return send;
}

void send_stop(struct send *send)
{
    send_give_up(send, SODIUMTCP_CODE_STOPPED, "the sender was stopped");
}

void send_progress(const struct send *send, struct send_progress *progress)
{
    *progress = send->progress;
    /* They come last, so that what is not acknowledged is of them first. */
    uint32_t once = send->announced - send->announced_again;
    if (progress->extension && progress->items + progress->items_skipped > once)
        progress->items = once - progress->items_skipped;
}

void send_free(struct send *send)
{
    if (send == NULL)
        return;
    io_task_cancel(&send->tell_done);
    io_timer_stop(&send->rate_timer);
    if (send->dial != NULL)
        io_dial_cancel(send->dial);
    if (send->has_carrier)
        carrier_clear(&send->carrier);
    context_clear(&send->context);
    if (!send->progress.extension)
        free(send->current);
    for (size_t i = 0; i < SODIUMTCP_ASKED_MAX; i++)
        free(send->items[i].entry);
    manifest_free(send->manifest);
    source_free(send->source);
    free(send);
}
