/*
 * Connections to an end of a VPN without a VPN behind them: they greet with some bytes, or say
 * nothing, and read what comes.
 */
#ifndef TESTS_UNIT_VPN_CALLS_H
#define TESTS_UNIT_VPN_CALLS_H

#include "vpn_ends.h"

enum { CALLS_MAX = 40 };

struct call {
    const struct calls *calls;
    struct io_stream *stream;
    bool connected;
    bool over; /* the other side has ended it */
};

struct calls {
    struct ends *ends;
    const uint8_t *greeting; /* to be set before calls_open(); NULL = none */
    size_t greeting_len;
    size_t from;
    size_t to;
    size_t count;
    struct call all[CALLS_MAX];
};

/* So many from the host of an end, which must run no VPN, to another one; half a second passes. */
void calls_open(struct calls *calls, struct ends *ends, size_t from, size_t to, size_t count);

/* Resets each of them and opens it anew; nothing passes meanwhile. */
void calls_again(struct calls *calls);

/* How many the other side has ended. */
size_t calls_over(const struct calls *calls);

/* Resets those that are left. */
void calls_close(struct calls *calls);

#endif
