/*
 * Idle peers: mints tokens (aes-cbc, version 2), connects, answers each challenge, proves by a
 * ping that the server took the peer, and says how the server's memory grew.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include <netinet/in.h>
#include <stdint.h>

struct peers_result {
    unsigned peers;
    double seconds;                 /* until the last was up */
    uint64_t rss_before, rss_after; /* of the server, anonymous memory, bytes */
    char why[200];                  /* what went wrong */
};

/* 0, or -1 with why. `pid` is the server's. */
int peers_run(const struct sockaddr_in *to, const char *key_file, unsigned count, unsigned pid,
              struct peers_result *result);

#endif
