#include "roles/transfer/send.h"

#include "base/encode.h"
#include "io/dial.h"
#include "roles/transfer/context.h"
#include "roles/transfer/outbox.h"
#include "roles/transfer/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNKS = 4,
    FIND_BELOW = 32, /* found entries that wait before more are looked for */
    RATE_STEP_MS = 20,
    WHY_MAX = 2 * SODIUMTCP_ERROR_TEXT_MAX,
};

/* Announced and not over; by number. */
struct announced {
    struct outbox_entry *entry; /* NULL = without contents */
    uint64_t part_len;
    uint8_t part_hash[SODIUMTCP_HASH_LEN];
};

struct chunk {
    uint8_t *bytes;
    size_t len;
    size_t at;
};

enum reading { READING_NOTHING, READING_OPEN, READING_READ };

struct send {
    struct io_loop *loop;
    struct send_config config;
    const struct send_handler *handler;
    void *arg;
    struct context context;
    struct io_dial *dial;
    struct wire wire;
    bool has_wire;
    bool ready;
    bool done_told;
    char why[WHY_MAX];
    struct io_task tell_done;
    struct io_timer rate_timer;
    uint64_t rate_at_ms;
    uint64_t allowance;

    /* What was found and not announced: */
    struct outbox_finder *finder;
    struct outbox_entry *found;
    size_t found_count;
    struct outbox_entry *just_found; /* by the work */
    bool finding;
    bool found_all;
    bool without_memory;

    struct announced ring[SODIUMTCP_ASKED_MAX];
    uint32_t announced;
    uint32_t announced_again; /* of them, directories once more */
    bool finishing;

    /* The item that is read: */
    struct outbox_reader *reader;
    enum reading reading; /* what the work does now */
    struct outbox_entry *current;
    uint32_t number;
    uint64_t offset;
    bool started;
    bool at_end;        /* nothing more is to be read */
    const char *broken; /* why it is abandoned */
    struct chunk chunks[CHUNKS];
    size_t first_chunk;
    size_t full_chunks;
    ssize_t just_read;
    const char *read_why;

    struct send_progress progress;
    unsigned unanswered; /* DATA, in public mode */
    bool said_empty;
};

static void pump(struct send *send);

/* ---- The end ---- */

__attribute__((format(printf, 2, 3))) static void finish(struct send *send, const char *format, ...)
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
    if (send->reader != NULL)
        outbox_interrupt(send->reader);
    io_task_queue(&send->tell_done);
}

static void on_tell_done(void *arg)
{
    struct send *send = arg;
    /* What is queued, an ERROR perhaps, is still sent. */
    if (send->has_wire)
        wire_clear(&send->wire);
    send->has_wire = false;
    send->handler->done(send->arg, send->why[0] == '\0' ? NULL : send->why);
}

/* Tells the other side why, and ends. */
static void give_up(struct send *send, enum sodiumtcp_code code, const char *why)
{
    if (send->has_wire && !send->wire.over && send->ready && send->progress.extension) {
        long n = sodiumtcp_stop(send->wire.session, SODIUMTCP_NO_ITEM, code, why, send->wire.out);
        if (n > 0)
            wire_send(&send->wire, n);
    }
    finish(send, "%s", why);
}

/* ---- Finding ---- */

static void find(void *arg)
{
    struct send *send = arg;
    send->just_found = outbox_find(send->finder, &send->without_memory);
}

static void found(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct send *send = arg;
    struct outbox_entry **end = &send->found;
    send->finding = false;
    send->found_all = send->just_found == NULL;
    while (*end != NULL)
        end = &(*end)->next;
    *end = send->just_found;
    for (struct outbox_entry *entry = send->just_found; entry != NULL; entry = entry->next) {
        send->found_count++;
        if (entry->kind == OUTBOX_FILE)
            send->progress.total += entry->stat.size;
    }
    send->just_found = NULL;
    if (send->without_memory)
        give_up(send, SODIUMTCP_CODE_OTHER, "out of memory");
    pump(send);
}

static void look(struct send *send)
{
    if (send->finding || send->found_all || send->found_count >= FIND_BELOW || send->done_told)
        return;
    send->finding = io_submit(send->loop, find, found, send) == 0;
    if (!send->finding)
        give_up(send, SODIUMTCP_CODE_OTHER, "out of memory");
}

static struct outbox_entry *take_found(struct send *send)
{
    struct outbox_entry *entry = send->found;
    send->found = entry->next;
    send->found_count--;
    return entry;
}

/* Drops what is to be left out from the front. */
static void leave_out(struct send *send)
{
    while (send->found != NULL && send->found->kind == OUTBOX_LEFT_OUT) {
        struct outbox_entry *entry = take_found(send);
        send->progress.left_out += !entry->failed;
        send->progress.failures += entry->failed;
        send->handler->left_out(send->arg, entry->root, entry->path, entry->why, entry->failed);
        free(entry);
    }
    send->progress.total_known = send->found_all || (send->config.path_count == 1 &&
                                                     send->current != NULL && !send->finding);
}

/* ---- Announcing ---- */

static struct sodiumtcp_item item_of(const struct send *send, const struct outbox_entry *entry)
{
    bool meant = entry->kind == OUTBOX_FILE || entry->again;
    return (struct sodiumtcp_item){
        .kind = entry->kind == OUTBOX_FILE        ? SODIUMTCP_FILE
                : entry->kind == OUTBOX_DIRECTORY ? SODIUMTCP_DIRECTORY
                                                  : SODIUMTCP_STREAM,
        .exists = entry->kind == OUTBOX_FILE ? send->config.exists : SODIUMTCP_REPLACE,
        .has_mode = meant,
        .has_mtime = meant,
        .mode = meant ? (uint16_t)entry->stat.mode : 0,
        .size = entry->kind == OUTBOX_FILE     ? entry->stat.size
                : entry->kind == OUTBOX_STREAM ? SODIUMTCP_SIZE_UNKNOWN
                                               : 0,
        .mtime_s = meant ? entry->stat.mtime_s : 0,
        .mtime_ns = meant ? entry->stat.mtime_ns : 0,
        .name = {entry->name, entry->name_len},
    };
}

/* Everything announced before it has been sent or skipped. */
static bool nothing_open(const struct send *send)
{
    for (size_t i = 0; i < SODIUMTCP_ASKED_MAX; i++)
        if (send->ring[i].entry != NULL)
            return false;
    return true;
}

/* True when something was announced. */
static bool announce(struct send *send)
{
    leave_out(send);
    if (send->found == NULL || !sodiumtcp_may_begin(send->wire.session) ||
        (send->found->again && !nothing_open(send)))
        return false;
    const struct sodiumtcp_item item = item_of(send, send->found);
    uint32_t number = 0;
    long n = sodiumtcp_begin(send->wire.session, &item, &number, send->wire.out);
    if (!wire_send(&send->wire, n))
        return false;
    struct outbox_entry *entry = take_found(send);
    struct announced *announced = &send->ring[number % SODIUMTCP_ASKED_MAX];
    *announced = (struct announced){0};
    send->announced = number + 1;
    send->announced_again += entry->again;
    if (entry->kind == OUTBOX_DIRECTORY)
        free(entry);
    else
        announced->entry = entry;
    return true;
}

/* ---- Reading ---- */

static struct chunk *free_chunk(struct send *send)
{
    return &send->chunks[(send->first_chunk + send->full_chunks) % CHUNKS];
}

static void read_step(struct send *send)
{
    struct chunk *chunk = free_chunk(send);
    if (chunk->bytes == NULL)
        chunk->bytes = malloc(OUTBOX_CHUNK);
    send->just_read = -1;
    send->read_why = "out of memory";
    if (chunk->bytes != NULL)
        send->just_read = outbox_read(send->reader, chunk->bytes, &send->read_why);
}

static void read_work(void *arg)
{
    struct send *send = arg;
    if (send->reading == READING_OPEN) {
        const struct announced *announced = &send->ring[send->number % SODIUMTCP_ASKED_MAX];
        bool part = send->progress.extension && announced->part_len > 0;
        send->just_read = -1;
        send->read_why = outbox_open(send->reader, send->current, part ? announced->part_len : 0,
                                     announced->part_hash, &send->offset);
        if (send->read_why != NULL)
            return;
    }
    read_step(send);
}

static void read_done(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct send *send = arg;
    send->reading = READING_NOTHING;
    if (send->just_read > 0) {
        struct chunk *chunk = free_chunk(send);
        chunk->len = (size_t)send->just_read;
        chunk->at = 0;
        send->full_chunks++;
    } else {
        send->at_end = true;
        send->broken = send->just_read < 0 ? send->read_why : NULL;
    }
    pump(send);
}

static void read_on(struct send *send)
{
    if (send->current == NULL || send->reading != READING_NOTHING || send->at_end ||
        send->full_chunks == CHUNKS || send->done_told)
        return;
    send->reading = READING_READ;
    if (io_submit(send->loop, read_work, read_done, send) != 0) {
        send->reading = READING_NOTHING;
        give_up(send, SODIUMTCP_CODE_OTHER, "out of memory");
    }
}

/* The next item becomes the current one; its first bytes are read before it is started. */
static void open_next(struct send *send, struct outbox_entry *entry, uint32_t number)
{
    send->current = entry;
    send->number = number;
    send->started = false;
    send->at_end = false;
    send->broken = NULL;
    send->offset = 0;
    send->reading = READING_OPEN;
    if (io_submit(send->loop, read_work, read_done, send) != 0) {
        send->reading = READING_NOTHING;
        give_up(send, SODIUMTCP_CODE_OTHER, "out of memory");
    }
}

static void current_over(struct send *send)
{
    outbox_close(send->reader);
    if (send->broken != NULL) {
        send->progress.failures++;
        send->handler->left_out(send->arg, send->current->root, send->current->path, send->broken,
                                true);
    }
    if (send->progress.extension)
        send->ring[send->number % SODIUMTCP_ASKED_MAX].entry = NULL;
    free(send->current);
    send->current = NULL;
    send->full_chunks = 0;
}

/* ---- Sending ---- */

static size_t allowed(struct send *send, size_t wanted)
{
    uint64_t rate = send->config.rate_bytes_per_s;
    if (rate == 0)
        return wanted;
    uint64_t now = io_now_ms(send->loop);
    uint64_t burst = rate / 10 + 1;
    send->allowance += (now - send->rate_at_ms) * rate / 1000;
    send->rate_at_ms = now;
    if (send->allowance > burst)
        send->allowance = burst;
    if (send->allowance == 0)
        io_timer_set_in(&send->rate_timer, RATE_STEP_MS);
    return wanted < send->allowance ? wanted : (size_t)send->allowance;
}

static bool send_bytes(struct send *send)
{
    struct chunk *chunk = &send->chunks[send->first_chunk];
    size_t len = chunk->len - chunk->at;
    size_t room = sodiumtcp_room(send->wire.session);
    len = allowed(send, len < room ? len : room);
    if (len == 0)
        return false;
    long n = sodiumtcp_data(send->wire.session, chunk->bytes + chunk->at, len, send->wire.out);
    if (!wire_send(&send->wire, n))
        return false;
    chunk->at += len;
    send->unanswered += !send->progress.extension;
    send->progress.bytes += len;
    if (send->config.rate_bytes_per_s > 0)
        send->allowance -= len;
    if (chunk->at == chunk->len) {
        send->first_chunk = (send->first_chunk + 1) % CHUNKS;
        send->full_chunks--;
    }
    return true;
}

static bool start_current(struct send *send)
{
    send->started = true;
    if (!send->progress.extension)
        return true;
    send->progress.resumed += send->offset;
    return wire_send(&send->wire,
                     sodiumtcp_start(send->wire.session, send->number,
                                     send->broken == NULL ? send->offset : 0, send->wire.out));
}

static bool end_current(struct send *send)
{
    uint8_t hash[SODIUMTCP_HASH_LEN] = {0};
    enum sodiumtcp_end_status status = send->broken != NULL  ? SODIUMTCP_ABANDONED
                                       : send->config.verify ? SODIUMTCP_COMPLETE_HASHED
                                                             : SODIUMTCP_COMPLETE;
    if (status == SODIUMTCP_COMPLETE_HASHED)
        outbox_hash(send->reader, hash);
    bool sent =
        !send->progress.extension ||
        wire_send(&send->wire, sodiumtcp_end(send->wire.session, status, hash, send->wire.out));
    current_over(send);
    return sent;
}

/* One step with the item whose turn it is; true when something was done. */
static bool go_on(struct send *send)
{
    uint32_t number;
    if (send->current == NULL) {
        if (!sodiumtcp_may_start(send->wire.session, &number))
            return false;
        struct outbox_entry *entry = send->ring[number % SODIUMTCP_ASKED_MAX].entry;
        if (entry == NULL)
            return false;
        open_next(send, entry, number);
        return false;
    }
    if (!send->started)
        return (send->full_chunks > 0 || send->at_end) && start_current(send);
    if (send->full_chunks > 0)
        return send_bytes(send);
    return send->at_end && end_current(send);
}

static bool finish_items(struct send *send)
{
    if (send->finishing || !send->found_all || send->found != NULL || !nothing_open(send))
        return false;
    if (send->announced == 0 && send->progress.failures > 0) {
        give_up(send, SODIUMTCP_CODE_OTHER, "there was nothing that could be sent");
        return false;
    }
    send->finishing = true;
    return wire_send(&send->wire, sodiumtcp_finish(send->wire.session, send->wire.out));
}

/* ---- Public mode: one stream ---- */

static bool go_on_public(struct send *send)
{
    leave_out(send);
    if (send->current == NULL && !send->finishing) {
        if (send->found == NULL) {
            if (send->found_all)
                give_up(send, SODIUMTCP_CODE_OTHER, "there was nothing that could be sent");
            return false;
        }
        if (send->found->kind == OUTBOX_DIRECTORY || send->config.path_count > 1) {
            give_up(send, SODIUMTCP_CODE_OTHER,
                    "the receiver speaks the public protocol, which carries one file or stream");
            return false;
        }
        send->finishing = true;
        open_next(send, take_found(send), 0);
        return false;
    }
    if (send->current == NULL)
        return false;
    if (!send->started)
        return (send->full_chunks > 0 || send->at_end) && start_current(send);
    if (send->full_chunks > 0)
        return send_bytes(send);
    if (!send->at_end)
        return false;
    if (send->broken != NULL) {
        finish(send, "%s", send->broken);
        return false;
    }
    /* Without one DATA the receiver does not know that there was a stream. */
    if (!send->said_empty && send->progress.bytes == 0) {
        send->said_empty = true;
        send->unanswered++;
        return wire_send(&send->wire,
                         sodiumtcp_data(send->wire.session, send->wire.out, 0, send->wire.out));
    }
    if (send->unanswered > 0)
        return false;
    current_over(send);
    send->progress.items = 1;
    wire_finish(&send->wire);
    return false;
}

static void pump(struct send *send)
{
    if (send->done_told || !send->ready) {
        if (!send->done_told)
            look(send);
        return;
    }
    wire_flush(&send->wire);
    while (wire_has_room(&send->wire) && !send->done_told) {
        if (!send->progress.extension) {
            if (!go_on_public(send))
                break;
        } else if (!announce(send) && !go_on(send) && !finish_items(send)) {
            break;
        }
    }
    look(send);
    read_on(send);
}

static void on_rate(void *arg)
{
    pump(arg);
}

/* ---- Events ---- */

static void on_offer(struct send *send, const struct sodiumtcp_event *event)
{
    struct announced *announced = &send->ring[event->number % SODIUMTCP_ASKED_MAX];
    if (event->verdict == SODIUMTCP_LEAVE_IT) {
        send->progress.skipped += announced->entry->stat.size;
        free(announced->entry);
        announced->entry = NULL;
    } else if (event->verdict == SODIUMTCP_PART_THERE) {
        announced->part_len = event->length;
        memcpy(announced->part_hash, event->hash, sizeof(announced->part_hash));
    }
}

static void on_error(struct send *send, const struct sodiumtcp_event *event)
{
    char text[WHY_MAX - 64];
    text_escape(event->text, event->len, text, sizeof(text));
    finish(send, "the receiver stopped: %s", text);
}

static void on_event(void *arg, const struct sodiumtcp_event *event)
{
    struct send *send = arg;
    switch (event->type) {
    case SODIUMTCP_READY:
        send->ready = true;
        send->progress.connected = true;
        send->progress.extension = event->extension;
        send->rate_at_ms = io_now_ms(send->loop);
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
        finish(send, "%s", "");
        break;
    case SODIUMTCP_ERROR:
        on_error(send, event);
        break;
    default:
        break;
    }
}

static void on_room(void *arg)
{
    pump(arg);
}

static void on_wire_ended(void *arg, const char *why, bool closed)
{
    struct send *send = arg;
    if (why == NULL && send->ready && !send->progress.extension && send->finishing &&
        send->current == NULL && !closed)
        finish(send, "%s", "");
    else if (!send->ready && closed)
        finish(send, "%s",
               "the receiver closed without a word: it refuses the login, or --key is not its key");
    else
        finish(send, "the connection was lost: %s",
               why == NULL ? "the receiver closed it before all was acknowledged" : why);
}

static const struct wire_handler wire_handler = {
    .event = on_event, .room = on_room, .ended = on_wire_ended};

static void on_dialled(void *arg, int error, struct io_stream *stream)
{
    struct send *send = arg;
    const struct send_config *config = &send->config;
    const struct sodiumtcp_options options = {.public_only = config->public_only};
    struct sodiumtcp_session *session = NULL;
    send->dial = NULL;
    if (stream == NULL) {
        finish(send, "cannot connect: %s", io_error_text(error));
        return;
    }
    error = sodiumtcp_client_new(send->context.engine, config->server_key, config->login,
                                 config->passphrase, &options, io_now_ms(send->loop), &session);
    if (error != 0) {
        io_abort(stream);
        finish(send, "%s", sodiumtcp_error_text(error));
        return;
    }
    send->has_wire = wire_init(&send->wire, send->loop, stream, session, true, &wire_handler, send);
    if (!send->has_wire)
        finish(send, "%s", io_error_text(IO_E_NO_MEMORY));
}

/* ---- Life ---- */

struct send *send_start(struct io_loop *loop, const struct send_config *config,
                        const struct send_handler *handler, void *arg)
{
    struct send *send = calloc(1, sizeof(*send));
    if (send == NULL)
        return NULL;
    struct io_disk *disk = io_disk(loop);
    send->loop = loop;
    send->config = *config;
    send->handler = handler;
    send->arg = arg;
    io_task_init(&send->tell_done, loop, on_tell_done, send);
    io_timer_init(&send->rate_timer, loop, on_rate, send);
    send->finder = outbox_finder_new(disk, config->paths, config->path_count, config->stream_name);
    send->reader = outbox_reader_new(disk, config->verify);
    if (context_init(&send->context, loop) && send->finder != NULL && send->reader != NULL)
        send->dial =
            io_dial(loop, config->host, config->port, config->connect_ms, on_dialled, send);
    if (send->dial == NULL) {
        send_free(send);
        return NULL;
    }
    look(send);
    return send;
}

void send_stop(struct send *send)
{
    give_up(send, SODIUMTCP_CODE_STOPPED, "the sender was stopped");
}

void send_progress(const struct send *send, struct send_progress *progress)
{
    *progress = send->progress;
    /* They come last, so that what is not acknowledged is of them first. */
    uint32_t once = send->announced - send->announced_again;
    if (progress->extension && progress->items + progress->items_skipped > once)
        progress->items = once - progress->items_skipped;
}

static void free_entries(struct outbox_entry *entry)
{
    while (entry != NULL) {
        struct outbox_entry *next = entry->next;
        free(entry);
        entry = next;
    }
}

void send_free(struct send *send)
{
    if (send == NULL)
        return;
    io_task_cancel(&send->tell_done);
    io_timer_stop(&send->rate_timer);
    if (send->dial != NULL)
        io_dial_cancel(send->dial);
    if (send->has_wire)
        wire_clear(&send->wire);
    context_clear(&send->context);
    if (!send->progress.extension)
        free(send->current);
    for (size_t i = 0; i < SODIUMTCP_ASKED_MAX; i++)
        free(send->ring[i].entry);
    free_entries(send->found);
    free_entries(send->just_found);
    outbox_finder_free(send->finder);
    outbox_reader_free(send->reader);
    for (size_t i = 0; i < CHUNKS; i++)
        free(send->chunks[i].bytes);
    free(send);
}
