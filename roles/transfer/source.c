#include "roles/transfer/source.h"

#include "roles/transfer/reader.h"
#include "roles/transfer/zstd.h"

#include <stdlib.h>

struct source {
    struct io_loop *loop;
    void (*ready)(void *arg);
    void *arg;
    struct reader *reader;
    struct zstd_packer *packer; /* NULL = nothing is packed */
    size_t piece_max;
    bool stopped;

    const struct outbox_entry *entry;
    struct source_part part;
    struct source_piece pieces[SOURCE_PIECES]; /* a ring */
    size_t first;
    size_t count;
    bool ended;
    const char *broken;
    uint64_t offset;

    /* The work's, while it is at the helper pool: */
    bool busy;
    bool opened;
    size_t fill_at; /* the first piece that it may fill */
    size_t room;    /* how many it may */
    size_t filled;
    bool found_end;
};

static const char no_memory[] = "out of memory";

struct source *source_new(struct io_loop *loop, bool hashing, void (*ready)(void *arg), void *arg)
{
    struct source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return NULL;
    source->loop = loop;
    source->ready = ready;
    source->arg = arg;
    source->piece_max = SOURCE_PIECE_MAX;
    source->reader = reader_new(io_disk(loop), hashing);
    if (source->reader != NULL)
        return source;
    free(source);
    return NULL;
}

void source_free(struct source *source)
{
    if (source == NULL)
        return;
    for (size_t i = 0; i < SOURCE_PIECES; i++) {
        free(source->pieces[i].plain);
        free(source->pieces[i].packed);
    }
    reader_free(source->reader);
    zstd_packer_free(source->packer);
    free(source);
}

void source_set_pieces(struct source *source, size_t piece_max, bool pack)
{
    source->piece_max = piece_max < SOURCE_PIECE_MAX ? piece_max : SOURCE_PIECE_MAX;
    /* Without memory for it they go as they are. */
    if (pack && source->packer == NULL)
        source->packer = zstd_packer_new();
}

/* ---- The work ---- */

static bool has_memory(const struct source *source, struct source_piece *piece)
{
    if (piece->plain == NULL)
        piece->plain = malloc(source->piece_max);
    if (source->packer != NULL && piece->packed == NULL)
        piece->packed = malloc(SODIUMTCP_BLOCK_MAX);
    return piece->plain != NULL && (source->packer == NULL || piece->packed != NULL);
}

/* False when there is no further one. */
static bool fill(struct source *source, struct source_piece *piece)
{
    source->broken = no_memory;
    if (!has_memory(source, piece))
        return false;
    ssize_t got = reader_read(source->reader, piece->plain, source->piece_max, &source->broken);
    if (got <= 0)
        return false;
    piece->len = (size_t)got;
    piece->at = 0;
    piece->packed_len = 0;
    if (source->packer != NULL) {
        size_t frame_len =
            zstd_pack(source->packer, piece->plain, piece->len, piece->packed + SODIUMTCP_ZSTD_HEAD,
                      SODIUMTCP_BLOCK_MAX - SODIUMTCP_ZSTD_HEAD);
        piece->packed_len = frame_len == 0 ? 0 : SODIUMTCP_ZSTD_HEAD + frame_len;
    }
    return true;
}

static bool open_entry(struct source *source)
{
    source->opened = true;
    if (source->packer != NULL)
        zstd_packer_restart(source->packer);
    source->broken = reader_open(source->reader, source->entry, source->part.len, source->part.hash,
                                 &source->offset);
    return source->broken == NULL;
}

static void work(void *arg)
{
    struct source *source = arg;
    source->filled = 0;
    source->found_end = !source->opened && !open_entry(source);
    while (source->filled < source->room && !source->found_end) {
        if (fill(source, &source->pieces[(source->fill_at + source->filled) % SOURCE_PIECES]))
            source->filled++;
        else
            source->found_end = true;
        /* What has come out of a pipe waits for nothing. */
        if (source->entry->kind == OUTBOX_STREAM)
            break;
    }
}

static void worked(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct source *source = arg;
    source->busy = false;
    source->count += source->filled;
    source->ended = source->found_end;
    source->ready(source->arg);
}

bool source_is_busy(const struct source *source)
{
    return source->busy;
}

/* ---- From the loop ---- */

bool source_go_on(struct source *source)
{
    if (source->entry == NULL || source->busy || source->ended || source->stopped ||
        SOURCE_PIECES - source->count < SOURCE_BATCH)
        return true;
    source->fill_at = source->first + source->count;
    source->room = SOURCE_BATCH;
    source->busy = io_submit(source->loop, work, worked, source) == 0;
    return source->busy;
}

bool source_open(struct source *source, const struct outbox_entry *entry,
                 const struct source_part *part)
{
    source->entry = entry;
    source->part = *part;
    source->opened = false;
    source->ended = false;
    source->broken = NULL;
    source->offset = 0;
    return source_go_on(source);
}

const struct source_piece *source_piece(const struct source *source)
{
    return source->count == 0 ? NULL : &source->pieces[source->first];
}

void source_take(struct source *source, size_t n)
{
    struct source_piece *piece = &source->pieces[source->first];
    piece->at += n;
    if (piece->at < piece->len)
        return;
    source->first = (source->first + 1) % SOURCE_PIECES;
    source->count--;
}

bool source_ended(const struct source *source)
{
    return source->ended;
}

const char *source_broken(const struct source *source)
{
    return source->ended ? source->broken : NULL;
}

uint64_t source_offset(const struct source *source)
{
    return source->offset;
}

void source_hash(struct source *source, uint8_t hash[SODIUMTCP_HASH_LEN])
{
    reader_hash(source->reader, hash);
}

void source_close(struct source *source)
{
    reader_close(source->reader);
    source->entry = NULL;
    source->count = 0;
}

void source_stop(struct source *source)
{
    source->stopped = true;
    reader_interrupt(source->reader);
}
