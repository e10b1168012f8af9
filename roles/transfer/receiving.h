/*
 * What the files of the receiver share: receive.c listens, receiving.c is one connection,
 * admission.c its login.
 */
#ifndef ROLES_TRANSFER_RECEIVING_H
#define ROLES_TRANSFER_RECEIVING_H

#include "base/list.h"
#include "roles/quota.h"
#include "roles/transfer/carrier.h"
#include "roles/transfer/context.h"
#include "roles/transfer/gate.h"
#include "roles/transfer/inbox.h"
#include "roles/transfer/receive.h"
#include "roles/transfer/steps.h"

struct receive {
    struct io_loop *loop;
    struct receive_config config;
    struct context context;
    struct gate *gate;
    struct io_listener *listeners[RECEIVE_LISTENERS_MAX];
    size_t listener_count;
    struct list connections;
    size_t count;
    size_t unauthenticated;
    struct quota *quota;   /* of these, by address */
    uint64_t windows;      /* bytes that those let in may have under way */
    struct io_dir *home;   /* of a stream's file; NULL where there is none */
    const char *file_name; /* of that file in it; NULL = into is a directory */
    bool piped;            /* into is a FIFO or "-" … */
    bool pipe_taken;       /* … which one connection has */
    struct io_timer retry; /* a listener that ran out of descriptors */
    struct io_task tell_stopped;
    bool stopping;
    bool told; /* that it has stopped */
    bool failed;
    uint64_t started_ms;
    uint64_t taken; /* bytes that count against the quota */
    uint64_t counter_connections;
    uint64_t counter_items;
    uint64_t counter_bytes;
    uint64_t counter_refused; /* too many at once */
    void (*stopped)(void *arg);
    void *arg;
};

struct receiving {
    struct list node;
    struct receive *receive;
    struct carrier carrier;
    struct adit_ip from;
    struct gate_request *request;
    bool unauthenticated;
    bool extension;
    char user[SODIUMTCP_CREDENTIAL_MAX + 1];
    uint32_t window; /* its part of receive->windows */
    uint64_t size_max;
    uint64_t received;
    struct inbox *inbox;
    struct io_file *pipe;
    /* Steps that wait, and those at the helper pool: */
    struct steps waiting;
    struct inbox_step *busy;
    struct inbox_step *undone; /* first of busy that was not done: there it failed … */
    bool unfinished;           /* … or goes on with its next turn */
    struct inbox_failure failure;
    bool failed;
    uint64_t sizes[SODIUMTCP_ASKED_MAX]; /* of what was announced, by number */
    uint64_t item_left; /* bytes that the open item may still bring; sizes its chunks */
    bool packed;        /* the last block was: the next one is not lent a chunk */
    /* Items, by number: what is to be acknowledged. */
    uint32_t acked;
    struct {
        bool done;
        uint8_t status;
        uint64_t length;
    } items[SODIUMTCP_UNACKED_MAX];
    bool input_ended; /* in order */
    bool ended;       /* the connection is over */
    const char *why;
};

/*
 * Takes over a stream that was accepted and counted among those that are not let in; false where
 * that is not possible, and then it is closed.
 */
bool receiving_start(struct receive *receive, struct io_stream *stream);

/* Ends it; it is gone a little later. */
void receiving_stop(struct receiving *receiving);

/* The same of one that is not let in: somebody else gets its place. */
void receiving_give_way(struct receiving *receiving);

/* ---- receive.c ---- */

/* It was let in, or is over: no longer among those that are not let in. */
void receive_known(struct receiving *receiving);

/* One connection is gone. done: all it sent is kept. */
void receive_gone(struct receive *receive, bool begun, bool done);

#endif
