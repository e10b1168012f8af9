/*
 * Two sodium-tcp engines and the bytes between them, for tests. The other side of the engine under
 * test can say anything: pair_forge() seals any PDU with its keys.
 */
#ifndef SODIUMTCP_PAIR_H
#define SODIUMTCP_PAIR_H

#include "lib/sodiumtcp/pdu.h"

enum { PAIR_WIRE_MAX = 4 * 1024 * 1024 };

struct side {
    struct sodiumtcp_context *context;
    struct sodiumtcp_session *session;
    uint64_t random;
    bool random_fails;
    uint8_t counting; /* not 0: a draw has this value in all bytes, the next one the next value */
    uint8_t *out;     /* sealed, not delivered */
    size_t out_len;
    uint8_t *in; /* delivered, not consumed */
    size_t in_len;
};

struct pair {
    struct side client;
    struct side server;
    struct sodiumtcp_keypair keys;
    uint64_t now_ms;
};

extern const struct sodiumtcp_options pair_public;    /* never the extension */
extern const struct sodiumtcp_options pair_extension; /* with zstd */

/* A client "me" with "secret" and a server, nothing said yet. options may be NULL. */
struct pair *pair_new(const struct sodiumtcp_options *client,
                      const struct sodiumtcp_options *server);

/* The same with countable randomness: draws are 0x01, 0x02, … for the client, 0x81, … else. */
struct pair *pair_counting(const struct sodiumtcp_options *client,
                           const struct sodiumtcp_options *server);

/* Opens what pair_new() made; or until the client has chosen the extension: KEY_CLIENT has come. */
void pair_begin(struct pair *pair, bool public_mode);
void pair_begin_exchange(struct pair *pair);

/* The same, opened: in public mode the client's first DATA is still to come. */
struct pair *pair_open(const struct sodiumtcp_options *client,
                       const struct sodiumtcp_options *server);
void pair_free(struct pair *pair);

struct side *pair_other(struct pair *pair, struct side *side);

/* Writes the control bytes that wait, all of them. */
void pair_control(struct pair *pair, struct side *side);

/* What an engine's call wrote to pair_out() is part of what was sent. */
uint8_t *pair_out(struct side *side);
void pair_wrote(struct side *side, long len);

/* Seals and sends any PDU as side. */
void pair_forge(struct side *side, uint32_t type, const void *body, size_t len);

/* All that side sent reaches the other. */
void pair_deliver(struct pair *pair, struct side *side);

/* Control bytes and delivery, both directions, until nothing moves; no events may come of it. */
void pair_settle(struct pair *pair);

/* The next event of side, from all that was delivered. Returns the engine's answer. */
int pair_receive(struct pair *pair, struct side *side, struct sodiumtcp_event *event);

/* The same; fails the test unless the event has that type. */
struct sodiumtcp_event pair_expect(struct pair *pair, struct side *side,
                                   enum sodiumtcp_event_type type);

/* Fails the test unless side, asked for an event, answers with that error, for good. */
void pair_expect_error(struct pair *pair, struct side *side, int error);

/* Forges, delivers and expects that the other side ends with error. */
void pair_breach(struct pair *pair, struct side *side, uint32_t type, const void *body, size_t len,
                 int error);

/* A deterministic generator. */
uint64_t pair_random(uint64_t *state);

/* A file of that size called "name". */
struct sodiumtcp_item pair_file(uint64_t size);

#endif
