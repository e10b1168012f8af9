#include "lib/sodiumtcp/begin.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/name.h"

#include <string.h>

enum { FLAG_MODE = 0x01, FLAG_MTIME = 0x02 };
enum { MODE_BITS = 0777, NANOSECONDS = 1000000000 };

static bool size_allowed(const struct sodiumtcp_item *item)
{
    switch (item->kind) {
    case SODIUMTCP_FILE:
        return item->size <= SODIUMTCP_SIZE_MAX;
    case SODIUMTCP_DIRECTORY:
        return item->size == 0;
    default:
        return item->size <= SODIUMTCP_SIZE_MAX || item->size == SODIUMTCP_SIZE_UNKNOWN;
    }
}

int sodiumtcp_begin_check(const struct sodiumtcp_item *item)
{
    if ((unsigned)item->kind > SODIUMTCP_STREAM || (unsigned)item->exists > SODIUMTCP_SKIP)
        return SODIUMTCP_E_FIELD;
    bool asks = item->exists != SODIUMTCP_REPLACE;
    bool mode = item->mode <= (item->has_mode ? MODE_BITS : 0);
    bool mtime =
        item->has_mtime ? item->mtime_ns < NANOSECONDS : item->mtime_s == 0 && item->mtime_ns == 0;
    if (!size_allowed(item) || !mode || !mtime || (asks && item->kind != SODIUMTCP_FILE))
        return SODIUMTCP_E_FIELD;
    int count = sodiumtcp_name_count(&item->name);
    return count < 0 || (count == 0 && item->kind != SODIUMTCP_STREAM) ? SODIUMTCP_E_NAME
                                                                       : SODIUMTCP_OK;
}

size_t sodiumtcp_begin_write(uint32_t number, const struct sodiumtcp_item *item, uint8_t *out)
{
    memset(out, 0, SODIUMTCP_BEGIN_LEN);
    store_u32(out, number);
    out[4] = (uint8_t)item->kind;
    out[5] = (uint8_t)item->exists;
    out[6] = (uint8_t)((item->has_mode ? FLAG_MODE : 0) | (item->has_mtime ? FLAG_MTIME : 0));
    store_u64(out + 8, item->size);
    store_u64(out + 16, (uint64_t)item->mtime_s);
    store_u32(out + 24, item->mtime_ns);
    store_u16(out + 28, item->mode);
    out[30] = (uint8_t)sodiumtcp_name_count(&item->name);
    if (item->name.len > 0)
        memcpy(out + SODIUMTCP_BEGIN_LEN, item->name.bytes, item->name.len);
    return SODIUMTCP_BEGIN_LEN + item->name.len;
}

int sodiumtcp_begin_read(const uint8_t *body, size_t len, uint32_t *number,
                         struct sodiumtcp_item *item)
{
    struct cursor cursor = cursor_over(body, len);
    *number = cursor_u32(&cursor);
    item->kind = cursor_u8(&cursor);
    item->exists = cursor_u8(&cursor);
    uint8_t flags = cursor_u8(&cursor);
    uint8_t zero = cursor_u8(&cursor);
    item->size = cursor_u64(&cursor);
    item->mtime_s = (int64_t)cursor_u64(&cursor);
    item->mtime_ns = cursor_u32(&cursor);
    item->mode = cursor_u16(&cursor);
    uint8_t name_count = cursor_u8(&cursor);
    zero |= cursor_u8(&cursor);
    item->has_mode = flags & FLAG_MODE;
    item->has_mtime = flags & FLAG_MTIME;
    item->name.len = cursor_left(&cursor);
    item->name.bytes = cursor_take(&cursor, item->name.len);
    if (zero != 0 || flags & ~(FLAG_MODE | FLAG_MTIME))
        return SODIUMTCP_E_FIELD;
    int error = sodiumtcp_begin_check(item);
    if (!error && sodiumtcp_name_count(&item->name) != name_count)
        error = SODIUMTCP_E_NAME;
    return error;
}
