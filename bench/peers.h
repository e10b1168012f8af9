/*
 * Peers that are idle: each shows a token, answers the challenge, proves by a ping that the server
 * took it, carries the bytes of one device, and from then on does nothing.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include <netinet/in.h>
#include <stdint.h>

enum { PEERS_STEPS = 3 };

struct peers_load {
    struct sockaddr_in to;
    const char *key_file;
    unsigned pid; /* of the server */
    unsigned count;
    uint64_t carry; /* bytes of one device to each peer, at most 2^32 - 1; 0 = no device */
};

struct peers_result {
    unsigned peers;
    double seconds;         /* until the last was up */
    uint64_t memory_before; /* of the server, private pages, bytes */
    struct {
        unsigned peers;
        uint64_t memory;
    } steps[PEERS_STEPS]; /* with so many of them; peers = 0: was not reached */
    char why[200];        /* what went wrong */
};

/* 0, or -1 with why. */
int peers_run(const struct peers_load *load, struct peers_result *result);

/*
 * Brings all of them up and prints a line; waits until the server has gone, and measures from then
 * on how long it takes until all are up again: each tries after 0 to 3 s, then within twice the
 * time, up to 60 s, as adit publish does. 0, or -1 with why.
 */
int peers_run_again(const struct peers_load *load, struct peers_result *result);

#endif
