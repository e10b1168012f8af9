/*
 * Reads big-endian numbers and byte runs out of a buffer and cannot run past its end: the first
 * read that would marks the cursor failed, and every read after it answers zero or NULL. Check
 * `failed` once, at the end.
 */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct cursor cursor_over(const void *bytes, size_t len);
size_t cursor_left(const struct cursor *cursor);
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u24(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);

/* The next len bytes, in the buffer; NULL when there are fewer. */
const uint8_t *cursor_take(struct cursor *cursor, size_t len);

/* A cursor over the next len bytes, skipped here; failed when there are fewer. */
struct cursor cursor_sub(struct cursor *cursor, size_t len);

/* Big-endian stores; the caller has room. */
void store_u16(uint8_t *out, uint16_t value);
void store_u32(uint8_t *out, uint32_t value);
void store_u64(uint8_t *out, uint64_t value);

#endif
