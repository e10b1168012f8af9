/*
 * Lets users in: hashes one passphrase at a time on the helper pool, holds an address back that
 * guessed wrong, and remembers on disk the client keys of all who were let in, because recorded
 * bytes of a client are valid again (docs/protocols/sodiumtcp.md, Opening).
 */
#ifndef ROLES_TRANSFER_GATE_H
#define ROLES_TRANSFER_GATE_H

#include "io/file.h"
#include "roles/transfer/users.h"

enum {
    GATE_QUEUE_MAX = 16,         /* logins that wait; those that are held back give way … */
    GATE_ADDRESS_QUEUE_MAX = 4,  /* … and of them, from one address */
    GATE_ADDRESSES_MAX = 1024,   /* that guessed wrong lately; the oldest is forgotten */
    GATE_FIRST_BACKOFF_MS = 500, /* after a wrong guess; doubled with each … */
    GATE_LAST_BACKOFF_MS = 8000, /* … up to this: a client waits 30 s for its answer */
    GATE_FORGET_MS = 10 * 60 * 1000,
};

struct gate;
struct gate_request;

struct gate_counters {
    uint64_t hashes;
    uint64_t refused;  /* unknown user or wrong passphrase */
    uint64_t replayed; /* the client's key was seen before */
    uint64_t full;     /* turned away before a hash: too many waited, or others could be heard */
};

/*
 * seen is the file of client keys, made where it is not there; into is where users' directories
 * start, NULL where nobody has one. idle is queued each time that nothing is at the helper pool any
 * more. The texts must outlive it. NULL with one line in why.
 */
struct gate *gate_new(struct io_loop *loop, const char *users, const char *seen, const char *into,
                      struct io_task *idle, char *why, size_t why_len);

/* No request may be open, nothing at the helper pool. */
bool gate_is_busy(const struct gate *gate);
void gate_free(struct gate *gate);

/* Reads the users file again; 0, or -1 with why and the users as before. */
int gate_reload(struct gate *gate, char *why, size_t why_len);
void gate_counters(const struct gate *gate, struct gate_counters *counters);

/*
 * Answers once, later, unless cancelled: done(arg, user, directory); user is NULL when the login is
 * refused, whatever the reason, and else valid during the call; directory, open, is the callee's.
 * NULL when too many wait already. One that is held back may be refused during the call, to make
 * room.
 */
typedef void gate_fn(void *arg, const struct user *user, struct io_dir *directory);
struct gate_request *gate_ask(struct gate *gate, const struct adit_ip *from,
                              const struct sodiumtcp_login *login, gate_fn *done, void *arg);
void gate_cancel(struct gate_request *request);

#endif
