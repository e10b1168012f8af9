/*
 * How much of a stream may wait in the kernel without having been sent. On a slow line a short
 * frame would stand behind all of it; on a fast one little of it would leave the line idle between
 * two rounds of the loop. So it follows the time in which the line takes half of it: the kernel
 * tells of room when half has gone.
 *
 * And how much of it is best sent at once: what is a little longer than the kernel carries through
 * TCP in one piece leaves a piece of some bytes behind it, which costs as much as a full one.
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
    /* Linux keeps room for headers in the 64 KiB of a piece, and fills the rest with packets. */
    PACE_PIECE_MAX = 64 * 1024 - 320 - 1,
};

struct pace {
    size_t unsent_max; /* bytes; 0 = this stream has no pace */
    size_t piece;      /* bytes that the kernel carries at once; 0 = not known */
    uint64_t full_ms;  /* when the kernel took no more */
    bool full;
};

void pace_start(struct pace *pace);

/* How many bytes the kernel puts into one packet now (TCP_MAXSEG). */
void pace_set_packet(struct pace *pace, size_t packet);

/* unsent_max, less what would not fill a piece behind a full one. */
size_t pace_at_once(const struct pace *pace);

/* The kernel took no more. */
void pace_full(struct pace *pace, uint64_t now_ms);

/* The kernel has room again. True when unsent_max is another one now. */
bool pace_room(struct pace *pace, uint64_t now_ms);

#endif
