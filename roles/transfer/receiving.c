#include "roles/transfer/receiving.h"

#include "base/encode.h"
#include "io/log.h"
#include "roles/transfer/admission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Bytes ---- */

static void run_steps(struct receiving *receiving);

static void no_memory(struct receiving *receiving)
{
    carrier_fail(&receiving->carrier, io_error_text(IO_E_NO_MEMORY));
}

static void push(struct receiving *receiving, struct inbox_step *step)
{
    if (!steps_push(&receiving->waiting, step))
        no_memory(receiving);
}

/* The chunk that the next bytes of the open item go to. */
static struct inbox_step *chunk(struct receiving *receiving, size_t least)
{
    struct inbox_step *step = steps_chunk(&receiving->waiting, receiving->item_left, least);
    if (step == NULL)
        no_memory(receiving);
    return step;
}

static uint8_t *on_lend(void *arg, size_t *room)
{
    struct receiving *receiving = arg;
    if (receiving->item_left == 0 || receiving->packed || receiving->failed)
        return NULL;
    size_t least = receiving->item_left < SODIUMTCP_BLOCK_MAX ? (size_t)receiving->item_left
                                                              : SODIUMTCP_BLOCK_MAX;
    struct inbox_step *step = chunk(receiving, least);
    *room = step == NULL ? 0 : step->room - step->len;
    return step == NULL ? NULL : step->bytes + step->len;
}

/* Streams were written to nobody's end: what fills a disk is counted before it gets there. */
static void stop(struct receiving *receiving, const struct inbox_failure *failure)
{
    struct receive *receive = receiving->receive;
    char name[4 * SODIUMTCP_CREDENTIAL_MAX + 1];
    if (receiving->failed)
        return;
    receiving->failed = true;
    steps_drop(&receiving->waiting);
    text_escape(receiving->user, strlen(receiving->user), name, sizeof(name));
    log_event(receive->loop, LOG_ERROR, "stopped", "\"%s\" cannot go on: %s", name, failure->text);
    if (receiving->extension && !failure->breach) {
        long n = sodiumtcp_stop(receiving->carrier.session, failure->number, failure->code,
                                failure->text, receiving->carrier.out);
        if (carrier_send(&receiving->carrier, n))
            carrier_finish(&receiving->carrier);
        return;
    }
    carrier_fail(&receiving->carrier, "it could not be kept");
}

static void keep_plain(struct receiving *receiving, const struct sodiumtcp_event *event)
{
    struct inbox_step *step = chunk(receiving, event->len);
    if (step == NULL)
        return;
    if (event->data != step->bytes + step->len)
        memcpy(step->bytes + step->len, event->data, event->len);
    step->len += event->len;
}

static void stop_full(struct receiving *receiving, uint64_t limit, const char *whose)
{
    struct inbox_failure failure = {.number = SODIUMTCP_NO_ITEM, .code = SODIUMTCP_CODE_QUOTA};
    snprintf(failure.text, sizeof(failure.text), "more than the %llu bytes that are allowed%s",
             (unsigned long long)limit, whose);
    stop(receiving, &failure);
}

/* Counts bytes that came. False where they are too many; then nothing was counted for others. */
static bool count(struct receiving *receiving, size_t len)
{
    struct receive *receive = receiving->receive;
    uint64_t quota = receive->config.quota;
    receiving->received += len;
    if (receiving->size_max > 0 && receiving->received > receiving->size_max) {
        stop_full(receiving, receiving->size_max, "");
        return false;
    }
    if (quota > 0 && len > quota - receive->taken) {
        stop_full(receiving, quota, " from all together");
        return false;
    }
    receive->taken += len;
    return true;
}

static void on_data(struct receiving *receiving, const struct sodiumtcp_event *event)
{
    size_t len = event->plain_len > 0 ? event->plain_len : event->len;
    receiving->packed = event->plain_len > 0;
    if (!count(receiving, len))
        return;
    if (len == 0)
        sodiumtcp_written(receiving->carrier.session, 0);
    else if (!receiving->packed)
        keep_plain(receiving, event);
    else if (!steps_push_packed(&receiving->waiting, event->data, event->len, len))
        no_memory(receiving);
    if (receiving->item_left != UINT64_MAX)
        receiving->item_left -= len;
}

/* ---- Answers ---- */

static void acknowledge(struct receiving *receiving)
{
    struct carrier *carrier = &receiving->carrier;
    while (carrier_has_room(carrier) && !receiving->failed) {
        size_t at = receiving->acked % SODIUMTCP_UNACKED_MAX;
        if (!receiving->items[at].done)
            return;
        long n = sodiumtcp_ack(carrier->session, receiving->acked, receiving->items[at].status,
                               receiving->items[at].length, carrier->out);
        /* An item is over only when those before it are. */
        if (n == SODIUMTCP_E_CALL || !carrier_send(carrier, n))
            return;
        receiving->items[at].done = false;
        receiving->acked++;
        receiving->receive->counter_items++;
    }
}

static void item_done(struct receiving *receiving, uint32_t number, uint8_t status, uint64_t length)
{
    size_t at = number % SODIUMTCP_UNACKED_MAX;
    receiving->items[at].done = true;
    receiving->items[at].status = status;
    receiving->items[at].length = length;
}

static void begun(struct receiving *receiving, const struct inbox_step *step)
{
    struct carrier *carrier = &receiving->carrier;
    if (step->item.kind == SODIUMTCP_DIRECTORY) {
        item_done(receiving, step->number, SODIUMTCP_KEPT, 0);
    } else if (step->item.exists != SODIUMTCP_REPLACE) {
        if (step->verdict == SODIUMTCP_LEAVE_IT)
            item_done(receiving, step->number, SODIUMTCP_SKIPPED, 0);
        if (receiving->extension)
            carrier_send(carrier, sodiumtcp_offer(carrier->session, step->number, step->verdict,
                                                  step->length, step->hash, carrier->out));
    }
}

static void step_done(struct receiving *receiving, struct inbox_step *step)
{
    switch (step->type) {
    case INBOX_BEGIN:
        begun(receiving, step);
        break;
    case INBOX_START:
        break;
    case INBOX_WRITE:
        sodiumtcp_written(receiving->carrier.session, steps_plain_len(step));
        receiving->receive->counter_bytes += steps_plain_len(step);
        break;
    case INBOX_END:
        if (receiving->extension)
            item_done(receiving, step->number, step->status, step->length);
        break;
    }
}

/* ---- The helper pool ---- */

/* Nothing of the batch counts before the names of its files are durable. */
static void work(void *arg)
{
    struct receiving *receiving = arg;
    struct inbox_step *step = receiving->busy;
    enum inbox_outcome outcome = INBOX_DONE;
    while (step != NULL) {
        outcome = inbox_do(receiving->inbox, step, &receiving->failure);
        if (outcome != INBOX_DONE)
            break;
        step = step->next;
    }
    receiving->undone = step;
    receiving->unfinished = outcome == INBOX_UNFINISHED;
    struct inbox_failure failure = {0};
    if (inbox_settle(receiving->inbox, &failure))
        return;
    receiving->undone = receiving->busy;
    receiving->unfinished = false;
    receiving->failure = failure;
}

static void end_connection(struct receiving *receiving);

static void worked(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct receiving *receiving = arg;
    struct inbox_step *step = receiving->busy;
    struct inbox_step *rest = receiving->unfinished ? receiving->undone : NULL;
    bool failed = receiving->undone != rest;
    bool live = !receiving->ended && !receiving->carrier.over;
    receiving->busy = NULL;
    while (step != rest) {
        struct inbox_step *done = step;
        if (step == receiving->undone)
            live = false;
        if (live && !receiving->failed)
            step_done(receiving, step);
        step = step->next;
        steps_free(&receiving->waiting, done);
    }
    receiving->undone = NULL;
    if (rest != NULL)
        steps_put_back(&receiving->waiting, rest);
    if (failed) {
        /* The client may have stopped before. */
        steps_drop(&receiving->waiting);
        stop(receiving, &receiving->failure);
    }
    if (receiving->ended) {
        end_connection(receiving);
        return;
    }
    acknowledge(receiving);
    carrier_flush(&receiving->carrier);
    run_steps(receiving);
    /* Public mode: the engine may have waited for room. */
    carrier_again(&receiving->carrier);
}

static void run_steps(struct receiving *receiving)
{
    if (receiving->busy != NULL)
        return;
    receiving->busy = steps_take(&receiving->waiting);
    if (receiving->busy == NULL)
        return;
    int error = io_submit(receiving->receive->loop, work, worked, receiving);
    if (error == 0)
        return;
    steps_put_back(&receiving->waiting, receiving->busy);
    receiving->busy = NULL;
    carrier_fail(&receiving->carrier, io_error_text(error));
}

/* ---- Events ---- */

/* A public client's one stream, as if it had been announced. */
static void begin_public(struct receiving *receiving)
{
    const struct sodiumtcp_item item = {.kind = SODIUMTCP_STREAM, .size = SODIUMTCP_SIZE_UNKNOWN};
    if (receiving->receive->file_name == NULL && !receiving->receive->piped) {
        carrier_fail(&receiving->carrier,
                     "a public client sends no file name, and --into is a directory");
        return;
    }
    push(receiving, inbox_step_new(INBOX_BEGIN, 0, &item));
    push(receiving, inbox_step_new(INBOX_START, 0, NULL));
    receiving->item_left = UINT64_MAX;
}

static void on_ready(struct receiving *receiving, const struct sodiumtcp_event *event)
{
    char name[4 * SODIUMTCP_CREDENTIAL_MAX + 1];
    char from[IP_TEXT_MAX];
    receiving->extension = event->extension;
    ip_format(&receiving->from, from);
    text_escape(receiving->user, strlen(receiving->user), name, sizeof(name));
    log_event(receiving->receive->loop, LOG_INFO, "client", "\"%s\" sends from %s, %s", name, from,
              event->extension ? "adit/1" : "public protocol");
    if (!event->extension) {
        io_stream_set_prompt(receiving->carrier.stream);
        begin_public(receiving);
    }
}

static void on_begin(struct receiving *receiving, const struct sodiumtcp_event *event)
{
    receiving->sizes[event->number % SODIUMTCP_ASKED_MAX] = event->item.size;
    push(receiving, inbox_step_new(INBOX_BEGIN, event->number, &event->item));
}

static void on_start(struct receiving *receiving, const struct sodiumtcp_event *event)
{
    struct inbox_step *step = inbox_step_new(INBOX_START, event->number, NULL);
    if (step != NULL)
        step->length = event->length;
    push(receiving, step);
    uint64_t size = receiving->sizes[event->number % SODIUMTCP_ASKED_MAX];
    receiving->item_left = size == SODIUMTCP_SIZE_UNKNOWN ? size : size - event->length;
}

static void on_end(struct receiving *receiving, const struct sodiumtcp_event *event)
{
    receiving->item_left = 0;
    steps_trim(&receiving->waiting);
    struct inbox_step *step = inbox_step_new(INBOX_END, event->number, NULL);
    if (step != NULL) {
        step->status = event->status;
        step->length = event->length;
        if (event->hash != NULL)
            memcpy(step->hash, event->hash, sizeof(step->hash));
    }
    push(receiving, step);
}

static void on_error(struct receiving *receiving, const struct sodiumtcp_event *event)
{
    char text[2 * SODIUMTCP_ERROR_TEXT_MAX];
    text_escape(event->text, event->len, text, sizeof(text));
    log_event(receiving->receive->loop, LOG_WARN, "stopped", "the client stopped: %s", text);
    receiving->failed = true;
    carrier_finish(&receiving->carrier);
}

static void on_event(void *arg, const struct sodiumtcp_event *event)
{
    struct receiving *receiving = arg;
    if (receiving->failed)
        return;
    switch (event->type) {
    case SODIUMTCP_LOGIN:
        admission_ask(receiving, event->login);
        break;
    case SODIUMTCP_READY:
        on_ready(receiving, event);
        break;
    case SODIUMTCP_BEGIN:
        on_begin(receiving, event);
        break;
    case SODIUMTCP_START:
        on_start(receiving, event);
        break;
    case SODIUMTCP_DATA:
        on_data(receiving, event);
        break;
    case SODIUMTCP_END:
        on_end(receiving, event);
        break;
    case SODIUMTCP_FINISH:
        receiving->input_ended = true;
        break;
    case SODIUMTCP_ERROR:
        on_error(receiving, event);
        break;
    default:
        break;
    }
}

static void on_room(void *arg)
{
    struct receiving *receiving = arg;
    if (receiving->extension)
        acknowledge(receiving);
    carrier_flush(&receiving->carrier);
    run_steps(receiving);
    if (receiving->extension && receiving->input_ended &&
        sodiumtcp_session_over(receiving->carrier.session))
        carrier_finish(&receiving->carrier);
}

/* ---- The end ---- */

static void free_receiving(struct receiving *receiving)
{
    if (receiving->request != NULL)
        gate_cancel(receiving->request);
    receive_known(receiving);
    receiving->receive->windows -= receiving->window;
    carrier_clear(&receiving->carrier);
    steps_clear(&receiving->waiting);
    inbox_free(receiving->inbox);
    if (receiving->pipe != NULL)
        receiving->receive->pipe_taken = false;
    io_file_close(receiving->pipe);
    list_remove(&receiving->node);
    free(receiving);
}

static void log_end(struct receiving *receiving, bool done)
{
    char name[4 * SODIUMTCP_CREDENTIAL_MAX + 1];
    char from[IP_TEXT_MAX];
    ip_format(&receiving->from, from);
    text_escape(receiving->user, strlen(receiving->user), name, sizeof(name));
    if (done)
        log_event(receiving->receive->loop, LOG_INFO, "done",
                  "\"%s\" from %s is done: %u items, %llu bytes received", name, from,
                  receiving->acked, (unsigned long long)receiving->received);
    else if (receiving->inbox != NULL && !receiving->failed)
        log_event(receiving->receive->loop, LOG_WARN, "lost",
                  "lost \"%s\" from %s: %s; what came of a file is kept for the next time", name,
                  from, receiving->why == NULL ? "it closed the connection" : receiving->why);
    else if (receiving->inbox == NULL)
        log_event(receiving->receive->loop, LOG_WARN, "closed", "%s: %s", from,
                  receiving->why == NULL ? "it closed the connection" : receiving->why);
}

/* The connection is over, and nothing of it is at the helper pool. */
static void end_connection(struct receiving *receiving)
{
    struct receive *receive = receiving->receive;
    /* What came is written, whatever happened then: there the next time goes on. */
    if (receiving->inbox != NULL)
        inbox_leave(receiving->inbox);
    run_steps(receiving);
    if (receiving->busy != NULL)
        return;
    bool public_end = !receiving->extension && receiving->input_ended && !receiving->failed;
    bool done = receiving->extension
                    ? receiving->input_ended && receiving->why == NULL && !receiving->failed &&
                          sodiumtcp_session_over(receiving->carrier.session)
                    : public_end;
    bool begun = receiving->inbox != NULL;
    log_end(receiving, done);
    free_receiving(receiving);
    receive_gone(receive, begun, done);
}

static void on_ended(void *arg, const char *why, bool closed)
{
    struct receiving *receiving = arg;
    receiving->ended = true;
    receiving->why = why;
    /* Public mode: the end of the connection between two PDUs is the end of the stream. */
    if (why == NULL && closed && !receiving->extension && receiving->inbox != NULL &&
        !receiving->failed) {
        struct sodiumtcp_event end = {.status = SODIUMTCP_COMPLETE, .length = receiving->received};
        receiving->input_ended = receiving->item_left > 0;
        if (receiving->input_ended)
            on_end(receiving, &end);
    }
    if (receiving->pipe != NULL && !receiving->input_ended)
        io_file_interrupt(receiving->pipe);
    if (receiving->busy == NULL)
        end_connection(receiving);
}

static const struct carrier_handler carrier_handler = {
    .event = on_event, .lend = on_lend, .room = on_room, .ended = on_ended};

bool receiving_start(struct receive *receive, struct io_stream *stream)
{
    struct receiving *receiving = calloc(1, sizeof(*receiving));
    struct sodiumtcp_session *session = NULL;
    const struct sodiumtcp_options options = {
        .window = receive->config.window, .public_only = receive->config.public_only, .zstd = true};
    if (receiving == NULL ||
        sodiumtcp_server_new(receive->context.engine, &receive->config.pair, &options,
                             io_now_ms(receive->loop), &session) != 0) {
        free(receiving);
        io_abort(stream);
        return false;
    }
    receiving->receive = receive;
    receiving->from = io_stream_peer(stream).ip;
    steps_init(&receiving->waiting);
    if (!carrier_init(&receiving->carrier, receive->loop, stream, session, false, &carrier_handler,
                      receiving)) {
        free(receiving);
        return false;
    }
    list_append(&receive->connections, &receiving->node);
    receive->count++;
    receive->counter_connections++;
    receiving->unauthenticated = true;
    return true;
}

void receiving_give_way(struct receiving *receiving)
{
    receive_known(receiving);
    carrier_fail(&receiving->carrier, "others wait, and it has not said who it is");
}

void receiving_stop(struct receiving *receiving)
{
    if (receiving->extension && !receiving->failed && !receiving->carrier.over) {
        const struct inbox_failure failure = {.number = SODIUMTCP_NO_ITEM,
                                              .code = SODIUMTCP_CODE_STOPPED,
                                              .text = "the receiver was stopped"};
        stop(receiving, &failure);
    } else {
        carrier_fail(&receiving->carrier, "stopped");
    }
    if (receiving->pipe != NULL)
        io_file_interrupt(receiving->pipe);
}
