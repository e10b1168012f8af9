#include "roles/transfer/zstd.h"

#include "adit/sodiumtcp.h"
#include "base/cursor.h"

#include <stdlib.h>
#include <zstd.h>

enum {
    LEVEL = 1,                    /* keeps up with a line of some hundred MB/s */
    SKIP_MAX = 64,                /* pieces that are not tried behind one in vain */
    WINDOW_MAX = 8 * 1024 * 1024, /* that a frame may ask for */
};

/* ---- Packing ---- */

struct zstd_packer {
    ZSTD_CCtx *context;
    unsigned skip;    /* pieces that are not tried now */
    unsigned in_vain; /* how many were skipped the last time */
};

struct zstd_packer *zstd_packer_new(void)
{
    struct zstd_packer *packer = calloc(1, sizeof(*packer));
    if (packer == NULL)
        return NULL;
    packer->context = ZSTD_createCCtx();
    if (packer->context != NULL)
        return packer;
    free(packer);
    return NULL;
}

void zstd_packer_free(struct zstd_packer *packer)
{
    if (packer == NULL)
        return;
    ZSTD_freeCCtx(packer->context);
    free(packer);
}

void zstd_packer_restart(struct zstd_packer *packer)
{
    packer->skip = 0;
    packer->in_vain = 0;
}

size_t zstd_pack(struct zstd_packer *packer, const uint8_t *plain, size_t len, uint8_t *out,
                 size_t out_max)
{
    size_t worth = len - len / 16;
    if (len < SODIUMTCP_ZSTD_PLAIN_MIN)
        return 0;
    if (packer->skip > 0) {
        packer->skip--;
        return 0;
    }
    size_t packed = ZSTD_compressCCtx(packer->context, out, worth < out_max ? worth : out_max,
                                      plain, len, LEVEL);
    if (!ZSTD_isError(packed) && packed < len) {
        packer->in_vain = 0;
        return packed;
    }
    packer->in_vain = packer->in_vain == 0 ? 1 : packer->in_vain * 2;
    if (packer->in_vain > SKIP_MAX)
        packer->in_vain = SKIP_MAX;
    packer->skip = packer->in_vain;
    return 0;
}

/* ---- Unpacking ---- */

struct zstd_unpacker {
    ZSTD_DCtx *context;
};

struct zstd_unpacker *zstd_unpacker_new(void)
{
    struct zstd_unpacker *unpacker = calloc(1, sizeof(*unpacker));
    if (unpacker == NULL)
        return NULL;
    unpacker->context = ZSTD_createDCtx();
    if (unpacker->context != NULL)
        return unpacker;
    free(unpacker);
    return NULL;
}

void zstd_unpacker_free(struct zstd_unpacker *unpacker)
{
    if (unpacker == NULL)
        return;
    ZSTD_freeDCtx(unpacker->context);
    free(unpacker);
}

/*
 * RFC 8878, 3.1.1: a magic number that is no skippable frame's, a descriptor, and where it is no
 * single segment the window: ten bits and an exponent, and eighths of that.
 */
static bool header_allowed(const uint8_t *frame, size_t len)
{
    enum { SINGLE_SEGMENT = 0x20, DICTIONARY = 0x03, WINDOW_LOG_MIN = 10 };
    struct cursor cursor = cursor_over(frame, len);
    uint32_t magic = cursor_u32(&cursor);
    uint8_t descriptor = cursor_u8(&cursor);
    uint8_t window = cursor_u8(&cursor);
    if (len < 6 || magic != UINT32_C(0x28b52ffd) || descriptor & DICTIONARY)
        return false;
    uint64_t size = UINT64_C(1) << (WINDOW_LOG_MIN + (window >> 3));
    size += size / 8 * (window & 7);
    return descriptor & SINGLE_SEGMENT || size <= WINDOW_MAX;
}

bool zstd_unpack(struct zstd_unpacker *unpacker, const uint8_t *frame, size_t len, uint8_t *plain,
                 size_t plain_len)
{
    return header_allowed(frame, len) && ZSTD_findFrameCompressedSize(frame, len) == len &&
           ZSTD_decompressDCtx(unpacker->context, plain, plain_len, frame, len) == plain_len;
}
