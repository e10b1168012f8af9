/*
 * Finds the commands of a control payload through its wrappers, Padding and Multiple messages.
 * Offsets are kept, not pointers: the payload may move between two steps.
 */
#ifndef QUICKTUN_WALK_H
#define QUICKTUN_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct quicktun_walk {
    struct {
        uint16_t at;  /* of the next message */
        uint16_t end; /* of the batch */
        uint8_t wrappers;
    } levels[11]; /* the payload itself, and QUICKTUN_WRAPPERS_MAX batches in each other */
    uint8_t depth;
};

/* A command and its arguments: payload[at..at + len). */
struct quicktun_command {
    uint8_t code;
    uint16_t at;
    uint16_t len;
};

void quicktun_walk_start(struct quicktun_walk *walk, size_t payload_len);

/* The next command: 1, or 0 after the last, or an error. */
int quicktun_walk_next(struct quicktun_walk *walk, const uint8_t *payload,
                       struct quicktun_command *command);

/* True when the next call would answer 0. */
bool quicktun_walk_done(const struct quicktun_walk *walk);

/*
 * Walks the whole payload: 0 when its wrappers are well-formed and no command stands after one that
 * changes keys (rule 3), else the error.
 */
int quicktun_walk_check(const uint8_t *payload, size_t payload_len);

#endif
