/*
 * What the files of the engine share: the three structs, and how a session ends in an error.
 * Specification: docs/protocols/snitun.md.
 */
#ifndef SNITUN_SESSION_H
#define SNITUN_SESSION_H

#include "base/list.h"
#include "base/map.h"
#include "lib/crypto/units.h"

#include <adit/snitun.h>

enum {
    SNITUN_ID_LEN = 16,
    SNITUN_EXTRA_LEN = 11,
    SNITUN_REFUSALS_MAX = 1024, /* refused channels that wait for their CLOSE; more get none */
};

struct snitun_answers;

struct snitun_context {
    struct units_context *units;
    adit_random_fn *random;
    void *random_arg;
    struct snitun_answers *spare; /* one is kept, so that a ping costs no allocation */
    uint8_t map_seed[16];
};

enum snitun_state {
    SNITUN_STATE_SEND_CHALLENGE,  /* server */
    SNITUN_STATE_AWAIT_ANSWER,    /* server */
    SNITUN_STATE_AWAIT_CHALLENGE, /* client */
    SNITUN_STATE_RUNNING,
};

/* What the bytes of input that come next are. */
enum snitun_expect {
    SNITUN_EXPECT_UNIT,    /* the handshake's unit or a frame header */
    SNITUN_EXPECT_NEW,     /* the payload unit of a NEW of version 2 */
    SNITUN_EXPECT_PAYLOAD, /* payload for `channel`, or to be skipped when that is NULL */
};

struct snitun_receiver {
    struct snitun_channel *channel; /* of the newest header, when that was DATA */
    uint32_t payload_left;          /* bytes; of a NEW: its plain size */
    uint8_t expect;
    uint8_t have; /* bytes of a unit that came in pieces */
    uint8_t unit[SNITUN_HEADER_MAX];
    uint8_t new_id[SNITUN_ID_LEN]; /* the NEW whose payload unit is waited for */
};

/* Deficit round robin over the channels that may send (schedule.h). */
struct snitun_schedule {
    struct list ring;
    struct snitun_channel *turn; /* named by snitun_turn() */
    uint32_t limit;              /* what it may send */
    uint32_t shared;             /* what one visit may send while others wait */
    bool alone;                  /* when the turn was named */
    bool granted;                /* the first of the ring has got this visit's quantum */
};

/* What waits for snitun_control() (control.h). */
struct snitun_control {
    struct list channels;            /* those that have a frame to send */
    struct snitun_answers *pongs;    /* pings to answer; NULL = none */
    struct snitun_answers *refusals; /* channels to refuse; NULL = none */
    bool ping_due;
    bool answer_due; /* client: to the challenge */
};

struct snitun_alive {
    uint64_t ping_at_ms;
    uint64_t dead_at_ms; /* before the session is established: the handshake's end */
    uint64_t pinged_at_ms;
    uint32_t ping_after_ms; /* shortened by this session's jitter */
    uint32_t dead_after_ms;
    bool asked; /* a ping went out, or waits to, since the last sign of life */
    bool pong_awaited;
};

struct snitun_session {
    struct snitun_context *context;
    struct units units;
    struct map channels; /* those that both sides hold open */
    struct list ended;   /* those that the other side closed, until ours does */
    uint32_t held;       /* channels that the caller has not ended */
    uint32_t closing;    /* ended ones whose CLOSE waits in the control queue */
    uint32_t channels_max;
    int8_t error;
    uint8_t role;
    uint8_t version;
    uint8_t state;
    struct snitun_receiver receiver;
    struct snitun_control control;
    struct snitun_schedule schedule;
    struct snitun_alive alive;
    union {
        uint8_t challenge[SNITUN_CHALLENGE_LEN]; /* the client's answer, once it has it */
        uint8_t ping_id[SNITUN_ID_LEN];          /* of our newest ping, after the handshake */
    };
    struct snitun_counters counters;
};

struct snitun_channel {
    struct map_node node;
    struct snitun_session *session;
    void *user;
    struct list scheduled; /* in the schedule's ring, or in the session's `ended` */
    struct list queued;    /* in the control queue */
    uint8_t id[SNITUN_ID_LEN];
    struct adit_ip caller; /* server: until NEW is sent */
    int32_t deficit;
    bool new_due;    /* server: NEW is not sent yet */
    bool closing;    /* the caller ended it; CLOSE is not sent yet */
    bool ended;      /* the other side closed it */
    bool ready;      /* its source has bytes */
    bool paused;     /* by the other side */
    bool pause_told; /* the newest of PAUSE and RESUME that was sent is PAUSE */
    bool pause_wanted;
};

/* Ends the session with an error, wipes its secrets and returns the error. */
int snitun_session_fail(struct snitun_session *session, int error);

/* The same for an error of lib/crypto. */
int snitun_session_fail_units(struct snitun_session *session, enum units_error error);

/* Fills buf, or fails the session. Returns 0 or SNITUN_E_RANDOM. */
int snitun_session_random(struct snitun_session *session, void *buf, size_t len);

/* Established, and without an error. */
bool snitun_session_running(const struct snitun_session *session);

#endif
