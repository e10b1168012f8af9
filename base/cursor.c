#include "base/cursor.h"

struct cursor cursor_over(const void *bytes, size_t len)
{
    static const uint8_t nothing;
    const uint8_t *at = len > 0 ? bytes : &nothing;
    return (struct cursor){.at = at, .end = at + len, .failed = false};
}

size_t cursor_left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

const uint8_t *cursor_take(struct cursor *cursor, size_t len)
{
    if (cursor->failed || len > cursor_left(cursor)) {
        cursor->failed = true;
        cursor->at = cursor->end;
        return NULL;
    }
    const uint8_t *bytes = cursor->at;
    cursor->at += len;
    return bytes;
}

static uint64_t read_number(struct cursor *cursor, size_t len)
{
    const uint8_t *bytes = cursor_take(cursor, len);
    if (bytes == NULL)
        return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

uint8_t cursor_u8(struct cursor *cursor)
{
    return (uint8_t)read_number(cursor, 1);
}

uint16_t cursor_u16(struct cursor *cursor)
{
    return (uint16_t)read_number(cursor, 2);
}

uint32_t cursor_u24(struct cursor *cursor)
{
    return (uint32_t)read_number(cursor, 3);
}

uint32_t cursor_u32(struct cursor *cursor)
{
    return (uint32_t)read_number(cursor, 4);
}

uint64_t cursor_u64(struct cursor *cursor)
{
    return read_number(cursor, 8);
}

struct cursor cursor_sub(struct cursor *cursor, size_t len)
{
    const uint8_t *bytes = cursor_take(cursor, len);
    struct cursor sub = cursor_over(bytes, bytes == NULL ? 0 : len);
    sub.failed = bytes == NULL;
    return sub;
}

static void write_number(uint8_t *out, uint64_t value, size_t len)
{
    for (size_t i = len; i > 0; i--) {
        out[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

void store_u16(uint8_t *out, uint16_t value)
{
    write_number(out, value, 2);
}

void store_u32(uint8_t *out, uint32_t value)
{
    write_number(out, value, 4);
}

void store_u64(uint8_t *out, uint64_t value)
{
    write_number(out, value, 8);
}
