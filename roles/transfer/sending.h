/*
 * What the files of the sender share: send.c begins, hears and ends, sending.c says what goes out
 * next.
 */
#ifndef ROLES_TRANSFER_SENDING_H
#define ROLES_TRANSFER_SENDING_H

#include "roles/transfer/carrier.h"
#include "roles/transfer/context.h"
#include "roles/transfer/manifest.h"
#include "roles/transfer/send.h"
#include "roles/transfer/source.h"

enum { SENDING_WHY_MAX = 2 * SODIUMTCP_ERROR_TEXT_MAX };

/* Announced and not over; by number. */
struct sending_item {
    struct outbox_entry *entry; /* NULL = without contents */
    struct source_part part;
};

struct send {
    struct io_loop *loop;
    struct send_config config;
    const struct send_handler *handler;
    void *arg;
    struct context context;
    struct io_dial *dial;
    struct carrier carrier;
    bool has_carrier;
    bool ready;
    bool done_told;
    char why[SENDING_WHY_MAX];
    struct io_task tell_done;
    struct send_progress progress;

    struct manifest *manifest;
    struct sending_item items[SODIUMTCP_ASKED_MAX];
    uint32_t announced;
    uint32_t announced_again;  /* of them, directories once more */
    uint32_t left_as_they_are; /* of them, as offers said */
    uint32_t abandoned;        /* of them, by us */
    bool finishing;

    struct source *source;
    struct outbox_entry *current; /* of source; NULL = none */
    uint32_t number;
    bool started;
    unsigned unanswered; /* DATA, in public mode */
    bool said_empty;

    struct io_timer rate_timer;
    uint64_t rate_at_ms;
    int64_t allowance; /* bytes that may go now; below zero behind a large piece */
};

/* ---- send.c ---- */

/* It is over; an empty text = all is acknowledged. Only the first call counts. */
void send_finish(struct send *send, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Tells the other side why, and ends. */
void send_give_up(struct send *send, enum sodiumtcp_code code, const char *why);

/* ---- sending.c ---- */

/* The mode is known. */
void sending_begin(struct send *send, const struct sodiumtcp_event *ready);

/* Sends and reads on as far as it goes now. arg is the struct send. */
void sending_pump(void *arg);

#endif
