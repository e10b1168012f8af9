/*
 * What both replays of a recorded session share: an engine whose randomness is recorded, and its
 * other side, played with the session's keys.
 */
#ifndef VECTORS_SNITUN_REPLAY_H
#define VECTORS_SNITUN_REPLAY_H

#include "tests/vectors/snitun_case.h"

enum { REPLAY_OUT_MAX = 4096, REPLAY_TAPE_MAX = 128 };

/* Random bytes: those on the tape, one after the other; off the tape, any. */
struct replay_random {
    bool recorded; /* the tape is all there is */
    bool overrun;
    uint8_t tape[REPLAY_TAPE_MAX];
    size_t len;
    size_t at;
    uint64_t state; /* of the generator off the tape */
};

struct replay {
    const struct recorded_session *recorded;
    const char *where;
    enum snitun_role role; /* the engine's */
    struct replay_random random;
    struct snitun_context *context;
    struct snitun_session *session;
    struct replay_random other_random;
    struct units_context *other_context;
    struct units other; /* the other side's half of the ciphers */
    uint64_t now_ms;
};

/* An engine and its other side, past the handshake, every byte of which was compared. */
bool replay_start(struct replay *replay, const struct recorded_session *recorded,
                  enum snitun_role role, const char *where);
void replay_end(struct replay *replay);

/* The next random bytes; the engine must draw them all before replay_take_tape(). */
void replay_put_tape(struct replay *replay, const void *bytes, size_t len);
/* The nonce that a recorded unit shows, where the cipher draws one. */
void replay_put_nonce(struct replay *replay, const uint8_t *unit);
/* True when the engine drew what the tape had, no more and no less; the tape is empty then. */
bool replay_take_tape(struct replay *replay);

/* Compares what the engine wrote with what was recorded. */
bool replay_same(const struct replay *replay, const char *what, const uint8_t *written, long len,
                 const uint8_t *recorded, size_t recorded_len);

/* The engine receives a frame sealed by the other side; it must answer with that event. */
bool replay_inject(struct replay *replay, const struct snitun_frame *frame, const uint8_t *payload,
                   enum snitun_event_type expected, struct snitun_event *event);

/* A deterministic generator. */
uint64_t replay_next(uint64_t *state);

#endif
