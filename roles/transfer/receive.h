/*
 * The receiver: lets users in and takes what they send, between our ends as files with names, from
 * a public client as one stream.
 */
#ifndef ROLES_TRANSFER_RECEIVE_H
#define ROLES_TRANSFER_RECEIVE_H

#include "adit/sodiumtcp.h"
#include "base/ip.h"
#include "io/io.h"

#include <jansson.h>

enum {
    RECEIVE_UNAUTHENTICATED_MAX = 64,         /* one more replaces the oldest that says nothing */
    RECEIVE_ADDRESS_UNAUTHENTICATED_MAX = 16, /* of them, of an IPv4 address or IPv6 /64 */
    RECEIVE_CONNECTIONS_MAX = 1024,
    RECEIVE_USER_CONNECTIONS_MAX = 512, /* of one user */
    RECEIVE_WINDOWS_MAX =
        16, /* that all connections have together, but for the least window each */
    RECEIVE_LISTENERS_MAX = 16,
};

/* The texts must outlive the receiver; the secret key is wiped when the receiver ends. */
struct receive_config {
    const struct addr *listen;
    size_t listen_count;
    struct sodiumtcp_keypair pair;
    const char *users_file;
    const char *seen_file;
    const char *into; /* a directory; a file or a FIFO for one stream; "-" = standard output */
    uint32_t window;
    uint64_t quota; /* bytes of all connections together; 0 = no limit */
    unsigned umask;
    bool once;        /* end after the first transfer that was completed */
    bool public_only; /* never offer the extension */
};

struct receive;

/*
 * Binds and serves. stopped(arg) comes after receive_stop(), or by itself where it serves one
 * transfer: receive_failed() then says how that went. NULL with one line for a person in why.
 */
struct receive *receive_start(struct io_loop *loop, const struct receive_config *config,
                              void (*stopped)(void *arg), void *arg, char *why, size_t why_len);
void receive_stop(struct receive *receive);
void receive_free(struct receive *receive);

/* True when the one transfer that it was to take did not come whole. */
bool receive_failed(const struct receive *receive);

/* Reads the users again and begins to count against the quota anew. 0, or -1 with why. */
int receive_reload(struct receive *receive, char *why, size_t why_len);

/*
 * {"role": "receive", "listen", "uptime_s", "quota": {"bytes", "taken"} (where there is one),
 * "connections": […], "counters": {…}}; the callee's.
 */
json_t *receive_status(struct receive *receive);

#endif
