/*
 * Two QuickTunTcp engines and the bytes between them. Every (key, nonce) that one of them encrypts
 * or accepts is remembered; the second time is an error. Link with --wrap=quicktun_box_seal and
 * --wrap=quicktun_box_open.
 */
#ifndef TESTS_QUICKTUN_PAIR_H
#define TESTS_QUICKTUN_PAIR_H

#include "lib/quicktun/send.h"

enum {
    PAIR_BYTES_MAX = 1 << 18,
    PAIR_PACKET_MAX = 2048, /* of the tunnelled packets that the ends exchange */
};

struct pair_end {
    bool keyed;
    bool pinned;                     /* its peer_key is the other's key */
    const char *password;            /* answers with it */
    const char *ask;                 /* asks for it */
    struct quicktun_options options; /* the rest */

    struct pair *pair;
    struct quicktun_context *context;
    struct quicktun_password *password_held;
    struct quicktun_password *ask_held;
    struct quicktun_session *session;
    struct quicktun_wire wire; /* what it wrote; from `gone` on it is on its way */
    size_t gone;
    uint8_t *in; /* what came, until it is consumed */
    size_t in_len;
    uint64_t packets_sent; /* numbers of the tunnelled packets */
    uint64_t packets_heard;
    int error;
    unsigned wrong; /* packets that the other end did not send, or not in this order */
    unsigned routes_heard;
    unsigned networks_heard;
};

struct pair {
    struct pair_end ends[2];
    uint64_t now_ms;
    uint64_t random_state;
    unsigned nonces_repeated;
    unsigned plaintexts_repeated;
};

/* A deterministic generator; below(n) answers 0 to n-1. */
uint64_t pair_random(struct pair *pair);
size_t pair_below(struct pair *pair, size_t n);

/* Fills in what an end is by default: keyed, pinned, safe options. */
void pair_defaults(struct pair_end *end);

/* Contexts and sessions of both ends, whose configuration is filled in. */
void pair_start(struct pair *pair);
void pair_stop(struct pair *pair);

struct pair_end *pair_other(struct pair_end *end);

/* quicktun_tick(). An error is kept in end->error. */
void pair_tick(struct pair_end *end);

/* Bytes of end's on their way to the other end. */
size_t pair_underway(const struct pair_end *end);

/* The other end gets the next len of them and lets its engine read. */
void pair_deliver(struct pair_end *end, size_t len);

/* The engine of end reads these bytes as if they came from the other end. */
void pair_feed(struct pair_end *end, const uint8_t *bytes, size_t len);

/* Length of the packet that is next on its way from end, 0 when there is none. */
size_t pair_next_packet(const struct pair_end *end);

/* Ticks and delivers until nothing is on its way, and time as far as ms from now. */
void pair_settle(struct pair *pair);
void pair_run(struct pair *pair, uint64_t ms);

/* Sends a numbered tunnelled packet of len bytes; false when it cannot be sent now. */
bool pair_send(struct pair_end *end, size_t len, uint16_t gso_size);
bool pair_send_batch(struct pair_end *end, size_t count, size_t len);

bool pair_up(const struct pair *pair);

#endif
