#include "io/sim/ring.h"

#include "io/sim/world.h"

#include <stdlib.h>
#include <string.h>

enum { RING_ROOM_MIN = 1024 }; /* given back when empty: most connections idle */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void grow(struct ring *ring, size_t need)
{
    size_t room = ring->room == 0 ? RING_ROOM_MIN : ring->room;
    while (room < need)
        room *= 2;
    if (room == ring->room)
        return;
    uint8_t *bytes = world_realloc(NULL, room);
    ring_copy(ring, 0, bytes, ring->len);
    free(ring->bytes);
    ring->bytes = bytes;
    ring->room = room;
    ring->first = 0;
}

/* The bytes from `at` on that stand in one piece. */
static size_t piece(const struct ring *ring, size_t at, size_t len, uint8_t **start)
{
    size_t place = (ring->first + at) & (ring->room - 1);
    *start = ring->bytes + place;
    return least(len, ring->room - place);
}

void ring_push(struct ring *ring, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    grow(ring, ring->len + len);
    while (len > 0) {
        uint8_t *to;
        size_t part = piece(ring, ring->len, len, &to);
        memcpy(to, from, part);
        ring->len += part;
        from += part;
        len -= part;
    }
}

void ring_drop(struct ring *ring, size_t len)
{
    ring->len -= len;
    ring->first = ring->len == 0 ? 0 : (ring->first + len) & (ring->room - 1);
    if (ring->len == 0 && ring->room == RING_ROOM_MIN)
        ring_clear(ring);
}

void ring_copy(const struct ring *ring, size_t at, void *out, size_t len)
{
    uint8_t *to = out;
    while (len > 0) {
        uint8_t *from;
        size_t part = piece(ring, at, len, &from);
        memcpy(to, from, part);
        to += part;
        at += part;
        len -= part;
    }
}

void ring_push_ring(struct ring *ring, const struct ring *from, size_t at, size_t len)
{
    while (len > 0) {
        uint8_t *start;
        size_t part = piece(from, at, len, &start);
        ring_push(ring, start, part);
        at += part;
        len -= part;
    }
}

void ring_clear(struct ring *ring)
{
    free(ring->bytes);
    *ring = (struct ring){0};
}
