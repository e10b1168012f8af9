/*
 * What the files of the engine share: the structs, and how a session ends in an error.
 * Specification: docs/protocols/quicktun.md.
 */
#ifndef QUICKTUN_SESSION_H
#define QUICKTUN_SESSION_H

#include "lib/quicktun/codes.h"
#include "lib/quicktun/keys.h"
#include "lib/quicktun/live.h"
#include "lib/quicktun/walk.h"

struct quicktun_context {
    adit_random_fn *random;
    void *random_arg;
    uint8_t secret[QUICKTUN_KEY_LEN];
    uint8_t public_key[QUICKTUN_KEY_LEN];
    uint8_t own_class[QUICKTUN_SHARED_LEN]; /* no peer may have a key of these classes */
    uint8_t key0_class[QUICKTUN_SHARED_LEN];
    struct map inputs; /* live nonce inputs, their bytes that are used */
    bool keyed;        /* false: anonymous, with key 0 */
};

struct quicktun_password {
    uint8_t *bytes;
    size_t len;
    struct map salts; /* outstanding */
};

/* Requests of ours that wait for an answer, oldest first: answers come in their order (rule 2). */
struct quicktun_pending {
    uint8_t codes[4]; /* each of the four requests once at most */
    uint8_t count;
    uint64_t since_ms; /* of the oldest: when it was sent, or became the oldest */
};

/* The packet whose commands are being read. */
struct quicktun_reading {
    struct quicktun_walk walk;
    uint16_t start;    /* of the payload, from the packet's first byte */
    uint16_t seen;     /* bytes of a packet that is not there as a whole */
    uint16_t wire_len; /* 0 = no packet is being read */
    bool opened;       /* decrypted with a secret of ours other than key 0 */
    bool vouched;      /* and encrypted with a key that is theirs for certain */
    bool asked;        /* it has a password request */
};

struct quicktun_alive {
    uint64_t ping_at_ms;
    uint64_t dead_at_ms;
    uint64_t pinged_at_ms;
    uint64_t meter_at_ms;   /* when the round trip is measured next */
    uint32_t ping_after_ms; /* shortened by this session's jitter */
    uint32_t dead_after_ms;
    uint16_t jitter;
    uint8_t echo[8]; /* data of our newest echo request */
    bool asked;      /* since the last sign of life */
    bool pong_awaited;
};

/* Commands that the other side may still send (QUICKTUN_COMMANDS_BURST). */
struct quicktun_credit {
    uint32_t left;
    uint64_t since_ms;
};

struct quicktun_session {
    struct quicktun_context *context;
    struct quicktun_options options; /* peer_key points to `configured` or is NULL */
    uint8_t configured[QUICKTUN_KEY_LEN];
    uint8_t peer[QUICKTUN_KEY_LEN]; /* announced in their Start */
    struct quicktun_direction out;
    struct quicktun_direction in;
    uint8_t local[QUICKTUN_INPUT_LEN]; /* nonce inputs sent and received, zeros before */
    uint8_t remote[QUICKTUN_INPUT_LEN];
    struct quicktun_live local_live;
    struct quicktun_live salt_live;
    struct quicktun_pending pending;
    struct quicktun_reading reading;
    struct quicktun_alive alive;
    struct quicktun_credit credit;
    struct quicktun_counters counters;
    uint64_t started_at_ms;
    uint64_t update_at_ms;    /* when our session key is old */
    uint64_t bytes_at_update; /* of the counters, when it came into force */
    uint64_t
        updates_paid_ms; /* those that we have begun are within QUICKTUN_UPDATE_EVERY_MS then */
    int8_t error;
    uint8_t offered;    /* Tunnel options that we sent in a packet that they opened */
    uint8_t accepted;   /* those of their last in a packet that we opened */
    bool proof;         /* required of the peer */
    bool identified;    /* sent: first packets */
    bool introduced;    /* the first Tunnel options */
    bool settled;       /* Tunnel options, and what goes with them, under our keys */
    bool settled_heard; /* the same of theirs */
    bool start_sent;
    bool start_received;
    bool start_answered; /* ours, by them */
    bool theirs_known;   /* their key is vouched for: announced in their Start, or since */
    bool proven;
    bool password_right; /* their answer to ours */
    bool disable_sent;
    bool disabled;        /* by either side */
    bool zero_sent;       /* Start tunnel data */
    bool zero_sent_clean; /* with key 0 in neither of our sending places */
    bool zero_received;
    bool was_up;
    bool blocked; /* the newest tick found no room in the wire buffer */
};

/* quicktun_session_new() for options of whatever kind. */
struct quicktun_session *quicktun_session_create(struct quicktun_context *context,
                                                 const struct quicktun_options *options,
                                                 uint64_t now_ms);

/* Ends the session with an error, wipes its secrets and returns the error. */
int quicktun_session_fail(struct quicktun_session *session, int error);

/* Fills buf, or fails the session. Returns 0 or QUICKTUN_E_RANDOM. */
int quicktun_session_random(struct quicktun_session *session, void *buf, size_t len);

/* The parts of the policy that keys decide, and all of it (rule 6). */
bool quicktun_session_keys_met(const struct quicktun_session *session);
bool quicktun_session_policy_met(const struct quicktun_session *session);

/* Commands 5, 6, 9-13 and 18 may be sent as far as our keys are concerned (rule 5). */
bool quicktun_session_protected(const struct quicktun_session *session);

/* Tunnelled packets may be sent. */
bool quicktun_session_may_send(const struct quicktun_session *session);

/* Both sent and received that Tunnel options bit in packets that were opened. */
bool quicktun_session_agreed(const struct quicktun_session *session, uint8_t bit);

/* A request of ours was sent; the answer with that code came. The latter is false when the oldest
 * request is another one. */
void quicktun_pending_add(struct quicktun_session *session, uint64_t now_ms, uint8_t code);
bool quicktun_pending_take(struct quicktun_session *session, uint64_t now_ms, uint8_t answer);
bool quicktun_pending_has(const struct quicktun_session *session, uint8_t code);

#endif
