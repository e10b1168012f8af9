#include "roles/transfer/sending.h"

#include <stdlib.h>

enum {
    RATE_STEP_MS = 20,
    RATE_PIECES_PER_S = 8, /* at least, so that a slow line is not held by one piece */
    SMALL_PIECE = 4096,
    /* DATA's limit, down to where each fills its PDU and the fast cipher takes it. */
    PUBLIC_PIECE = SODIUMTCP_PUBLIC_DATA_MAX / 8 * 8,
};

static const char nothing_to_send[] = "there was nothing that could be sent";
static const char one_alone[] =
    "the receiver speaks the public protocol, which carries one file or stream";

void sending_begin(struct send *send, const struct sodiumtcp_event *ready)
{
    uint64_t rate = send->config.rate_bytes_per_s;
    size_t piece_max = ready->extension ? SOURCE_PIECE_MAX : PUBLIC_PIECE;
    if (rate > 0 && rate / RATE_PIECES_PER_S < piece_max)
        piece_max = (size_t)(rate / RATE_PIECES_PER_S);
    source_set_pieces(send->source, piece_max < SMALL_PIECE ? SMALL_PIECE : piece_max, ready->zstd);
    send->ready = true;
    send->progress.connected = true;
    send->progress.extension = ready->extension;
    send->progress.zstd = ready->zstd;
    send->rate_at_ms = io_now_ms(send->loop);
}

/* ---- Announcing ---- */

/* Drops what is to be left out from the front. */
static void leave_out(struct send *send)
{
    const struct outbox_entry *front;
    while ((front = manifest_front(send->manifest)) != NULL && front->kind == OUTBOX_LEFT_OUT) {
        struct outbox_entry *entry = manifest_take(send->manifest);
        send->progress.left_out += !entry->failed;
        send->progress.failures += entry->failed;
        send->handler->left_out(send->arg, entry->root, entry->path, entry->why, entry->failed);
        free(entry);
    }
}

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
        if (send->items[i].entry != NULL)
            return false;
    return true;
}

/* True when something was announced. */
static bool announce(struct send *send)
{
    leave_out(send);
    const struct outbox_entry *front = manifest_front(send->manifest);
    if (front == NULL || !sodiumtcp_may_begin(send->carrier.session) ||
        (front->again && !nothing_open(send)))
        return false;
    const struct sodiumtcp_item item = item_of(send, front);
    uint32_t number = 0;
    long n = sodiumtcp_begin(send->carrier.session, &item, &number, send->carrier.out);
    if (!carrier_send(&send->carrier, n))
        return false;
    struct outbox_entry *entry = manifest_take(send->manifest);
    struct sending_item *announced = &send->items[number % SODIUMTCP_ASKED_MAX];
    *announced = (struct sending_item){0};
    send->announced = number + 1;
    send->announced_again += entry->again;
    if (entry->kind == OUTBOX_DIRECTORY)
        free(entry);
    else
        announced->entry = entry;
    return true;
}

static bool finish_items(struct send *send)
{
    if (send->finishing || !manifest_all_taken(send->manifest) || !nothing_open(send))
        return false;
    if (send->announced == 0 && send->progress.failures > 0) {
        send_give_up(send, SODIUMTCP_CODE_OTHER, nothing_to_send);
        return false;
    }
    send->finishing = true;
    return carrier_send(&send->carrier, sodiumtcp_finish(send->carrier.session, send->carrier.out));
}

/* ---- Bytes ---- */

static bool rate_allows(struct send *send)
{
    uint64_t rate = send->config.rate_bytes_per_s;
    if (rate == 0)
        return true;
    uint64_t now = io_now_ms(send->loop);
    int64_t burst = (int64_t)(rate / RATE_PIECES_PER_S) + 1;
    /* Elapsed time counts only as far as it can matter, so that nothing overflows. */
    uint64_t elapsed = now - send->rate_at_ms < 60000 ? now - send->rate_at_ms : 60000;
    send->allowance += (int64_t)(elapsed * rate / 1000);
    send->rate_at_ms = now;
    if (send->allowance > burst)
        send->allowance = burst;
    if (send->allowance <= 0)
        io_timer_set_in(&send->rate_timer, RATE_STEP_MS);
    return send->allowance > 0;
}

/* Seals a piece, or as much of it as may go. Its wire bytes, 0 when none may now, or an error. */
static long seal(struct send *send, const struct source_piece *piece, size_t *taken)
{
    struct sodiumtcp_session *session = send->carrier.session;
    if (piece->packed_len > 0) {
        *taken = piece->len;
        return sodiumtcp_room_zstd(session) < piece->len
                   ? 0
                   : sodiumtcp_data_zstd(session, piece->packed, piece->packed_len,
                                         (uint32_t)piece->len, send->carrier.out);
    }
    size_t left = piece->len - piece->at;
    size_t room = sodiumtcp_room(session);
    *taken = left < room ? left : room;
    return *taken == 0
               ? 0
               : sodiumtcp_data(session, piece->plain + piece->at, *taken, send->carrier.out);
}

static bool send_piece(struct send *send, const struct source_piece *piece)
{
    size_t taken = 0;
    if (!carrier_has_drained(&send->carrier) || !rate_allows(send))
        return false;
    long n = seal(send, piece, &taken);
    if (n == 0 || !carrier_send(&send->carrier, n))
        return false;
    send->allowance -= n;
    send->unanswered += !send->progress.extension;
    send->progress.bytes += taken;
    send->progress.wire_bytes += (uint64_t)n;
    source_take(send->source, taken);
    return true;
}

/* ---- The item whose turn it is ---- */

static void open_item(struct send *send, struct outbox_entry *entry, uint32_t number,
                      const struct source_part *part)
{
    send->current = entry;
    send->number = number;
    send->started = false;
    if (!source_open(send->source, entry, part))
        send_give_up(send, SODIUMTCP_CODE_OTHER, io_error_text(IO_E_NO_MEMORY));
}

static void item_over(struct send *send)
{
    const char *broken = source_broken(send->source);
    if (broken != NULL) {
        send->progress.failures++;
        send->handler->left_out(send->arg, send->current->root, send->current->path, broken, true);
    }
    send->abandoned += broken != NULL;
    source_close(send->source);
    if (send->progress.extension)
        send->items[send->number % SODIUMTCP_ASKED_MAX].entry = NULL;
    free(send->current);
    send->current = NULL;
}

static bool start_item(struct send *send)
{
    bool broken = source_broken(send->source) != NULL;
    uint64_t offset = broken ? 0 : source_offset(send->source);
    send->started = true;
    if (!send->progress.extension)
        return true;
    send->progress.resumed += offset;
    return carrier_send(&send->carrier, sodiumtcp_start(send->carrier.session, send->number, offset,
                                                        send->carrier.out));
}

static bool end_item(struct send *send)
{
    uint8_t hash[SODIUMTCP_HASH_LEN] = {0};
    enum sodiumtcp_end_status status = source_broken(send->source) != NULL ? SODIUMTCP_ABANDONED
                                       : send->config.verify ? SODIUMTCP_COMPLETE_HASHED
                                                             : SODIUMTCP_COMPLETE;
    if (status == SODIUMTCP_COMPLETE_HASHED)
        source_hash(send->source, hash);
    long n = sodiumtcp_end(send->carrier.session, status, hash, send->carrier.out);
    item_over(send);
    return carrier_send(&send->carrier, n);
}

/* One step with the contents of items; true when something was done. */
static bool go_on(struct send *send)
{
    uint32_t number;
    if (send->current == NULL) {
        if (!sodiumtcp_may_start(send->carrier.session, &number))
            return false;
        struct sending_item *item = &send->items[number % SODIUMTCP_ASKED_MAX];
        if (item->entry != NULL)
            open_item(send, item->entry, number, &item->part);
        return false;
    }
    const struct source_piece *piece = source_piece(send->source);
    if (piece == NULL && !source_ended(send->source))
        return false;
    if (!send->started)
        return start_item(send);
    return piece != NULL ? send_piece(send, piece) : end_item(send);
}

/* ---- Public mode: one stream ---- */

static bool open_public(struct send *send)
{
    static const struct source_part nothing;
    leave_out(send);
    const struct outbox_entry *front = manifest_front(send->manifest);
    if (send->finishing)
        return false;
    if (front == NULL) {
        if (manifest_all_found(send->manifest))
            send_give_up(send, SODIUMTCP_CODE_OTHER, nothing_to_send);
    } else if (front->kind == OUTBOX_DIRECTORY || send->config.path_count > 1) {
        send_give_up(send, SODIUMTCP_CODE_OTHER, one_alone);
    } else {
        send->finishing = true;
        open_item(send, manifest_take(send->manifest), 0, &nothing);
    }
    return false;
}

static bool end_public(struct send *send)
{
    const char *broken = source_broken(send->source);
    if (broken != NULL) {
        send_finish(send, "%s", broken);
        return false;
    }
    /* Without one DATA the receiver does not know that there was a stream. */
    if (!send->said_empty && send->progress.bytes == 0) {
        send->said_empty = true;
        send->unanswered++;
        return carrier_send(&send->carrier, sodiumtcp_data(send->carrier.session, send->carrier.out,
                                                           0, send->carrier.out));
    }
    if (send->unanswered > 0)
        return false;
    item_over(send);
    send->progress.items = 1;
    carrier_finish(&send->carrier);
    return false;
}

static bool go_on_public(struct send *send)
{
    if (send->current == NULL)
        return open_public(send);
    const struct source_piece *piece = source_piece(send->source);
    if (piece != NULL)
        return send_piece(send, piece);
    return source_ended(send->source) && end_public(send);
}

/* ---- All of it ---- */

static bool step(struct send *send)
{
    if (!send->progress.extension)
        return go_on_public(send);
    return announce(send) || go_on(send) || finish_items(send);
}

void sending_pump(void *arg)
{
    struct send *send = arg;
    if (send->done_told) {
        io_task_queue(&send->tell_done);
        return;
    }
    send->progress.total = manifest_total(send->manifest);
    send->progress.total_known = manifest_all_found(send->manifest);
    if (send->ready) {
        carrier_flush(&send->carrier);
        while (carrier_has_room(&send->carrier) && !send->done_told && step(send))
            ;
    }
    if (!send->done_told && !(manifest_look(send->manifest) && source_go_on(send->source)))
        send_give_up(send, SODIUMTCP_CODE_OTHER, io_error_text(IO_E_NO_MEMORY));
}
