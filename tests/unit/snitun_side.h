/*
 * An engine under test and its other side, which the test plays by hand: it holds the keys and
 * seals and opens single frames.
 */
#ifndef UNIT_SNITUN_SIDE_H
#define UNIT_SNITUN_SIDE_H

#include "lib/snitun/frame.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the three above first */
#include <cmocka.h>

enum { SIDE_OUT_MAX = 128 * 1024, SIDE_FRAMES_MAX = 2048 };

struct side {
    enum snitun_role role; /* the engine's */
    struct snitun_keys keys;
    struct snitun_options options;
    uint64_t now_ms;
    struct snitun_context *context;
    struct snitun_session *session;
    uint64_t random_state;
    bool random_fails;
    struct units_context *other_context;
    struct units other; /* the other side's half of the ciphers */
};

/* One frame that the engine wrote, decrypted. */
struct side_frame {
    struct snitun_frame header;
    uint8_t payload[32]; /* of a NEW of version 2 */
};

/* Fills options and keys as asked; the session waits for its handshake. */
void side_start(struct side *side, enum snitun_role role, enum snitun_cipher cipher,
                uint8_t version);
void side_stop(struct side *side);

/* The handshake, every step of which is checked. */
void side_establish(struct side *side);

/* Runs a test on an established engine of every cipher and version. */
void side_each(enum snitun_role role, void (*test)(struct side *side));

/* An engine of that role at aes-gcm and version 2, established. */
void side_simple(struct side *side, enum snitun_role role);

/* The nth channel id. */
const uint8_t *side_id(unsigned n);

/* Seals one unit of the other side; returns its wire bytes. */
size_t side_seal(struct side *side, const uint8_t *plain, size_t len, uint8_t *out);

/* Seals a frame header, extra (a string of at most 11 bytes, or NULL) first. */
size_t side_header(struct side *side, uint8_t flag, const uint8_t *id, uint32_t size,
                   const char *extra, uint8_t *out);

/* Seals a NEW as a server writes it. */
size_t side_new(struct side *side, const uint8_t *id, const char *caller, uint8_t *out);

/* The engine receives all of in, which must lead to one event of that type, or to none. */
struct snitun_event side_feed(struct side *side, const uint8_t *in, size_t len,
                              enum snitun_event_type expected);

/* The engine receives a frame without payload. */
struct snitun_event side_frame_in(struct side *side, uint8_t flag, const uint8_t *id,
                                  const char *extra, enum snitun_event_type expected);

/* The engine, a client, receives a NEW and opens the channel. */
struct snitun_channel *side_opened(struct side *side, unsigned n);

/* The engine, a server, opens a channel and sends its NEW. */
struct snitun_channel *side_open(struct side *side, const char *caller);

/* What the engine has to receive before it fails with that error. */
void side_fails(struct side *side, const uint8_t *in, size_t len, int error);

/* Everything that waits in snitun_control(), decrypted. Returns how many frames that are. */
size_t side_control(struct side *side, struct side_frame *frames);

/* The only frame that waits in snitun_control() has that flag; its header. */
struct snitun_frame side_only(struct side *side, uint8_t flag);

/* Nothing waits in snitun_control(). */
void side_silent(struct side *side);

/* Decrypts one header of the engine. */
struct snitun_frame side_read(struct side *side, const uint8_t *wire);

/* A deterministic generator. */
uint64_t side_next(uint64_t *state);

#endif
