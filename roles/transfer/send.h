/*
 * The sender: one connection to a receiver, ours or a public one, over which files, directories
 * and streams go.
 */
#ifndef ROLES_TRANSFER_SEND_H
#define ROLES_TRANSFER_SEND_H

#include "adit/sodiumtcp.h"
#include "base/ip.h"
#include "io/io.h"

/* The texts must outlive the sender. */
struct send_config {
    char host[HOST_TEXT_MAX];
    uint16_t port;
    uint8_t server_key[SODIUMTCP_KEY_LEN];
    const char *login;
    const char *passphrase;
    const char *const *paths; /* "-" = standard input */
    size_t path_count;
    const char *stream_name; /* of "-"; NULL = the receiver knows */
    enum sodiumtcp_exists exists;
    bool verify;
    bool compress; /* where the receiver can unpack it and it shrinks */
    bool public_only;
    uint64_t rate_bytes_per_s; /* 0 = as fast as it goes */
    uint32_t connect_ms;
};

struct send_progress {
    bool extension;
    bool connected;
    bool zstd;
    bool total_known;
    uint64_t bytes;      /* sent */
    uint64_t wire_bytes; /* what they took on the wire */
    uint64_t resumed;    /* that were there already */
    uint64_t skipped;    /* bytes of items that were left as they are over there */
    uint64_t total;      /* of all items; as far as known */
    uint32_t items;      /* kept over there */
    uint32_t items_skipped;
    uint32_t left_out; /* here: links, devices */
    uint32_t failures; /* of single items */
};

struct send_handler {
    /* An item is left out; name and why are for a person, name not escaped. */
    void (*left_out)(void *arg, const char *root, const char *path, const char *why, bool failed);

    /*
     * It is over, and nothing of it is at the helper pool. why is NULL when all that was sent is
     * acknowledged; else for a person.
     */
    void (*done)(void *arg, const char *why);
};

struct send;

/* NULL without memory. done comes later, once. */
struct send *send_start(struct io_loop *loop, const struct send_config *config,
                        const struct send_handler *handler, void *arg);

/* Ends it in the middle; `done` follows. */
void send_stop(struct send *send);
void send_progress(const struct send *send, struct send_progress *progress);

/* After done, also in it. */
void send_free(struct send *send);

#endif
