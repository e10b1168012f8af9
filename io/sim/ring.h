/*
 * Bytes of a simulated kernel buffer, first in first out, readable at any place.
 */
#ifndef IO_SIM_RING_H
#define IO_SIM_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *bytes;
    size_t room; /* 0 or a power of two */
    size_t first;
    size_t len;
};

void ring_push(struct ring *ring, const void *bytes, size_t len);
void ring_drop(struct ring *ring, size_t len);

/* Copies len bytes, from `at` bytes after the first; they must be there. */
void ring_copy(const struct ring *ring, size_t at, void *out, size_t len);

/* Appends len bytes of another ring, from `at` bytes after its first. */
void ring_push_ring(struct ring *ring, const struct ring *from, size_t at, size_t len);
void ring_clear(struct ring *ring);

#endif
