/*
 * One end of a recorded flow, played by the engine: told the steps, with recorded randomness.
 */
#ifndef VECTORS_QUICKTUN_END_H
#define VECTORS_QUICKTUN_END_H

#include "lib/quicktun/session.h"
#include "tests/vectors/vectors_quicktun_case.h"

struct end {
    char name; /* 'A' or 'B' */
    struct quicktun_context *context;
    struct quicktun_session *session;
    struct quicktun_password *password;
    struct quicktun_password *other_password;
    const uint8_t *tape; /* random bytes; zeros without one */
    size_t tape_len;
    uint64_t now_ms;
    uint8_t wire_bytes[RECORDED_WIRE_MAX];
    struct quicktun_wire wire; /* what the engine wrote */
    size_t taken;              /* of it, by end_says() */
    uint8_t in[RECORDED_WIRE_MAX];
    size_t in_len;
    uint8_t echo[QUICKTUN_WIRE_MAX]; /* data of the newest request that is not answered yet */
    size_t echo_len;
};

/* What a fed packet said. Both are arrays of the file's kind. */
struct heard {
    json_t *commands;
    json_t *tunnelled;
    struct recorded_bytes payload; /* of the newest packet */
};

bool end_start(struct end *end, char name, const json_t *record, const char *where);
void end_stop(struct end *end);

/* A "send" operation of this end: the engine writes exactly what was recorded. */
bool end_says(struct end *end, const json_t *op, const char *where);

/* Where the record is read: the operation before whose successors an end hears something. */
struct moment {
    const json_t *ops;
    size_t index;
};

/* Bytes of the other side. Returns 0 or the engine's error; heard may be NULL. */
int end_hears(struct end *end, const uint8_t *bytes, size_t len, const struct moment *moment,
              struct heard *heard);

#endif
