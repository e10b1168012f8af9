/*
 * A sodium-tcp session on a stream: reads, lets the engine work, sends what it has to say and
 * keeps its time. What the session is about is the owner's: receive.c, send.c.
 */
#ifndef ROLES_TRANSFER_CARRIER_H
#define ROLES_TRANSFER_CARRIER_H

#include "adit/sodiumtcp.h"
#include "io/io.h"

enum {
    CARRIER_QUEUE_MAX =
        1024 * 1024, /* bytes that wait for the socket before nothing more is sealed */
    CARRIER_FIRST_INPUT = 8 * 1024, /* room for input until the other side is known */
    CARRIER_INPUT = 1024 * 1024,
    CARRIER_OUT = SODIUMTCP_BLOCK_MAX + SODIUMTCP_PDU_OVERHEAD,
    CARRIER_SMALL_OUT = SODIUMTCP_BEGIN_ROOM + SODIUMTCP_CONTROL_ROOM,
    CARRIER_WATCH_MS = 20000, /* how often it is seen whether what was sent arrives */
};

struct carrier_handler {
    /* One event that is neither NEED_MORE nor WAIT. */
    void (*event)(void *arg, const struct sodiumtcp_event *event);

    /* Where the next body of DATA or BLOCK may go; NULL = nowhere. May be NULL itself. */
    uint8_t *(*lend)(void *arg, size_t *room);

    /* More may be sent: after input, and when the socket took something. */
    void (*room)(void *arg);

    /*
     * It is over: why is NULL after an end in order, else a static text; `closed` says that the
     * other side closed without a word. Nothing is called after it.
     */
    void (*ended)(void *arg, const char *why, bool closed);
};

struct carrier {
    struct io_loop *loop;
    struct io_stream *stream; /* NULL once closed */
    struct sodiumtcp_session *session;
    const struct carrier_handler *handler;
    void *arg;
    struct io_timer timer;
    struct io_task tell_ended;
    const char *why;
    bool over; /* `ended` was told, or is about to be */
    bool closed_by_peer;
    bool lost;      /* nothing can be sent any more; what came before is still read */
    size_t unacked; /* at the last look */
    uint8_t *in;
    size_t in_room;
    size_t in_at;
    size_t in_len;
    uint8_t *out;
    size_t out_room;
};

/*
 * Takes over stream and session, also when it fails: false without memory. large: BLOCKs are sent
 * over it.
 */
bool carrier_init(struct carrier *carrier, struct io_loop *loop, struct io_stream *stream,
                  struct sodiumtcp_session *session, bool large,
                  const struct carrier_handler *handler, void *arg);

/* Closes if it is open, what is queued is still sent, and frees what the carrier holds. */
void carrier_clear(struct carrier *carrier);

/* After login was decided, or bytes were written: goes on where the engine waited, later. */
void carrier_again(struct carrier *carrier);

/* What the engine has to say, now. */
void carrier_flush(struct carrier *carrier);

/* Sends n bytes of carrier->out, what a sealing call of the engine returned; false once it is over.
 */
bool carrier_send(struct carrier *carrier, long n);

/* True while more may be sealed. */
bool carrier_has_room(const struct carrier *carrier);

/*
 * True while bulk may be sealed: nothing of it waits here, so that what the socket does not take
 * is at most one PDU, which is copied.
 */
bool carrier_has_drained(const struct carrier *carrier);

/* Ends it without a word: `ended` follows with why. */
void carrier_fail(struct carrier *carrier, const char *why);

/* Ends it in order, after what is queued; `ended` follows without why. */
void carrier_finish(struct carrier *carrier);

#endif
