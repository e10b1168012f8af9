/*
 * The answering end of transfers: reads the preamble that its service's callers send, and nothing
 * else may come to it, then the number of the transfer, then serves it.
 */
#ifndef TESTS_SIM_ANSWERER_H
#define TESTS_SIM_ANSWERER_H

#include "tests/sim/transfer.h"

struct answerers {
    struct transfers *transfers;
    const struct service *service;
    bool proxy;    /* a PROXY header comes first and names the caller */
    bool anything; /* callers are hostile: what comes is dropped, or not read at all */
    struct list open;
};

void answerers_init(struct answerers *answerers, struct transfers *transfers,
                    const struct service *service);

/* Serves a stream that was accepted, or attached. */
void answerer_start(struct answerers *answerers, struct io_stream *stream);

/* The same for a stream from another loop. */
void answerer_attach(struct answerers *answerers, struct io_loop *loop, struct io_parcel *parcel);

/* Aborts what is open; in a callback of the loop that it is on. */
void answerers_abort(struct answerers *answerers, const struct io_loop *loop);

#endif
