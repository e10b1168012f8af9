/*
 * The item that is sent now: read ahead, hashed and packed on the helper pool, piece by piece.
 */
#ifndef ROLES_TRANSFER_SOURCE_H
#define ROLES_TRANSFER_SOURCE_H

#include "roles/transfer/outbox.h"

enum {
    /* With what is around it, not a little longer than four of what TCP carries at once. */
    SOURCE_PIECE_MAX = 254 * 1024,
    SOURCE_PIECES = 8, /* that are read ahead */
    SOURCE_BATCH = 4,  /* of them, read in one turn of the helper pool */
};

/* Plain bytes, or the frame that stands for them behind room for its length. */
struct source_piece {
    uint8_t *plain;
    size_t len;
    size_t at;         /* of plain, taken already */
    uint8_t *packed;   /* SODIUMTCP_ZSTD_HEAD bytes and the frame … */
    size_t packed_len; /* … together; 0 = it goes as it is */
};

/* One member of what may be sent; `ready` comes from the loop when there is more to look at. */
struct source;
struct source *source_new(struct io_loop *loop, bool hashing, void (*ready)(void *arg), void *arg);

/* It must not be busy. NULL is allowed. */
void source_free(struct source *source);

/* How long pieces are at most, and whether they are packed; before the first source_open(). */
void source_set_pieces(struct source *source, size_t piece_max, bool pack);

/* What the receiver has of an entry; len 0 = nothing. */
struct source_part {
    uint64_t len;
    uint8_t hash[SODIUMTCP_HASH_LEN];
};

/*
 * Starts to open and read an entry, which must outlive that; one at a time. False when the helper
 * pool is full.
 */
bool source_open(struct source *source, const struct outbox_entry *entry,
                 const struct source_part *part);

/* Reads on where there is room again. False when the helper pool is full. */
bool source_go_on(struct source *source);

/* The oldest piece, valid until it is taken; NULL = none now. */
const struct source_piece *source_piece(const struct source *source);

/* Takes n plain bytes of it, all of them where it is packed. */
void source_take(struct source *source, size_t n);

/* True once it was opened and nothing more comes behind the pieces that are there. */
bool source_ended(const struct source *source);

/* Then: why it is not all that it should be, or NULL. */
const char *source_broken(const struct source *source);

/* Once there is a piece, or it has ended: where the receiver's part ends, 0 where it has none. */
uint64_t source_offset(const struct source *source);

/* After the end: BLAKE2b-256 over all of it. */
void source_hash(struct source *source, uint8_t hash[SODIUMTCP_HASH_LEN]);

/* After the end, for the next source_open(). */
void source_close(struct source *source);

/* Ends a wait for a pipe, now and later. Nothing more is read. */
void source_stop(struct source *source);

/* True while it is at the helper pool; `ready` follows. */
bool source_is_busy(const struct source *source);

#endif
