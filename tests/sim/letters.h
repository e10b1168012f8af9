/*
 * Packets that are told apart: each has a number, a sender, a receiver and a content that follow
 * from it. Whoever gets one asks whether it was sent, to here, like this, and not got before.
 */
#ifndef TESTS_SIM_LETTERS_H
#define TESTS_SIM_LETTERS_H

#include "io/sim/sim.h"

enum {
    LETTER_MIN = 28 + 8, /* IPv4 and UDP headers, number */
    LETTER_MAX = 1500,
};

struct letter {
    struct adit_ip from;
    struct adit_ip to;
    size_t len;
    unsigned got; /* times */
    bool forged;  /* its sender may not send from that address: nobody is to get it */
};

struct letters {
    struct sim_world *world;
    struct letter *all; /* by number */
    size_t count;
    size_t room;
    uint64_t got;
};

/* Writes a new IPv4 packet of len bytes, UDP, checksums right. Returns its number. */
size_t letters_write(struct letters *letters, const struct adit_ip *from, const struct adit_ip *to,
                     uint8_t *packet, size_t len);

/* A packet has come where `to` lives; fails the world where that should not be. True when it is
 * one of ours. Its time to live may have become less. */
bool letters_got(struct letters *letters, const uint8_t *packet, size_t len);
void letters_end(struct letters *letters);

/* Of any IPv4 packet. */
struct adit_ip letter_to(const uint8_t *packet);

/* One hop more; false when it has had all that it may. */
bool letter_hop(uint8_t *packet);

#endif
