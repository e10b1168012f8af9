/*
 * The frames of BLOCK_ZSTD (docs/protocols/sodiumtcp.md). An object is used by one thread at a
 * time.
 */
#ifndef ROLES_TRANSFER_ZSTD_H
#define ROLES_TRANSFER_ZSTD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Packing ---- */

struct zstd_packer;

/* NULL without memory. */
struct zstd_packer *zstd_packer_new(void);
void zstd_packer_free(struct zstd_packer *packer);

/*
 * Packs plain into out, which has room for out_max bytes. Returns the length of the frame, or 0
 * where it would save less than a sixteenth, is shorter than the protocol allows, or is not tried:
 * behind a piece that did not shrink
 * the next ones are left as they are, more of them each time, up to 64.
 */
size_t zstd_pack(struct zstd_packer *packer, const uint8_t *plain, size_t len, uint8_t *out,
                 size_t out_max);

/* The next piece is of another file: it is tried. */
void zstd_packer_restart(struct zstd_packer *packer);

/* ---- Unpacking ---- */

struct zstd_unpacker;

/* NULL without memory. */
struct zstd_unpacker *zstd_unpacker_new(void);
void zstd_unpacker_free(struct zstd_unpacker *unpacker);

/*
 * Unpacks one whole frame into plain. False unless it is exactly one, without dictionary, with a
 * window of 8 MiB at most, and gives exactly plain_len bytes. Not a byte is written
 * behind them.
 */
bool zstd_unpack(struct zstd_unpacker *unpacker, const uint8_t *frame, size_t len, uint8_t *plain,
                 size_t plain_len);

#endif
