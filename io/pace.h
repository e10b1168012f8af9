/*
 * How much of a stream may wait in the kernel without having been sent. On a slow line a short
 * frame would stand behind all of it; on a fast one little of it would leave the line idle between
 * two rounds of the loop. So it follows the time in which the line takes half of it: the kernel
 * tells of room when half has gone.
 */
#ifndef IO_PACE_H
#define IO_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACE_LEAST = 8 * 1024,
    PACE_MOST = 128 * 1024,
    PACE_SLOW_MS = 4, /* half of it took longer: less */
    PACE_FAST_MS = 1, /* half of it took no longer: more */
};

struct pace {
    size_t unsent_max; /* bytes; 0 = this stream has no pace */
    uint64_t full_ms;  /* when the kernel took no more */
    bool full;
};

void pace_start(struct pace *pace);

/* The kernel took no more. */
void pace_full(struct pace *pace, uint64_t now_ms);

/* The kernel has room again. True when unsent_max is another one now. */
bool pace_room(struct pace *pace, uint64_t now_ms);

#endif
