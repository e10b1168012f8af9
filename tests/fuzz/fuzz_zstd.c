/*
 * Input: a byte (bit 0: what follows is packed first), how many plain bytes there should be (3),
 * where to change the frame (2) and how (1, 0 = not), and the frame or what is packed.
 * What holds of every input: nothing is written behind the plain bytes, a frame gives the length
 * that it has alone, and what was packed comes back.
 */
#include "adit/sodiumtcp.h"
#include "base/cursor.h"
#include "roles/transfer/zstd.h"
#include "tests/fuzz/fuzz.h"

enum { GUARD_LEN = 64, GUARD = 0xa5, FRAME_MAX = SODIUMTCP_BLOCK_MAX };

static struct zstd_packer *packer;
static struct zstd_unpacker *unpacker;
static uint8_t plain[SODIUMTCP_BLOCK_MAX + 1 + GUARD_LEN];

static bool unpack(const uint8_t *frame, size_t len, size_t plain_len)
{
    uint8_t *copy = fuzz_copy(frame, len);
    memset(plain + plain_len, GUARD, GUARD_LEN);
    bool good = zstd_unpack(unpacker, copy, len, plain, plain_len);
    for (size_t i = 0; i < GUARD_LEN; i++)
        FUZZ_CHECK(plain[plain_len + i] == GUARD);
    free(copy);
    return good;
}

static void unpack_whole_alone(const uint8_t *frame, size_t len, size_t plain_len)
{
    if (!unpack(frame, len, plain_len))
        return;
    FUZZ_CHECK(!unpack(frame, len, plain_len + 1));
    FUZZ_CHECK(plain_len == 0 || !unpack(frame, len, plain_len - 1));
    FUZZ_CHECK(!unpack(frame, len - 1, plain_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t frame[FRAME_MAX];
    if (packer == NULL) {
        packer = zstd_packer_new();
        unpacker = zstd_unpacker_new();
        FUZZ_CHECK(packer != NULL && unpacker != NULL);
    }
    struct cursor cursor = cursor_over(data, size);
    bool pack = cursor_u8(&cursor) & 1;
    size_t plain_len = cursor_u24(&cursor) % (SODIUMTCP_BLOCK_MAX + 1);
    size_t at = cursor_u16(&cursor);
    uint8_t change = cursor_u8(&cursor);
    size_t len = cursor_left(&cursor);
    const uint8_t *bytes = cursor_take(&cursor, len);
    if (cursor.failed || len > FRAME_MAX)
        return 0;
    if (!pack) {
        unpack_whole_alone(bytes, len, plain_len);
        return 0;
    }
    zstd_packer_restart(packer);
    size_t frame_len = zstd_pack(packer, bytes, len, frame, sizeof frame);
    FUZZ_CHECK(frame_len < len || frame_len == 0);
    if (frame_len == 0)
        return 0;
    FUZZ_CHECK(unpack(frame, frame_len, len) && memcmp(plain, bytes, len) == 0);
    frame[at % frame_len] ^= change;
    unpack_whole_alone(frame, frame_len, change % 2 ? len : plain_len);
    return 0;
}
