/*
 * What the files of the publisher share: link.c keeps the connection to the server, endpoint.c
 * joins its channels to the endpoint.
 */
#ifndef ROLES_PUBLISH_INTERNAL_H
#define ROLES_PUBLISH_INTERNAL_H

#include "base/list.h"
#include "io/dial.h"
#include "roles/publish/credential.h"
#include "roles/publish/publish.h"
#include "roles/tunnel/tunnel.h"

enum {
    PUBLISH_DIAL_MS = 10000,
    PUBLISH_HANDSHAKE_MS = 30000,
    PUBLISH_FIRST_RETRY_MS = 3000, /* 0 to this, at random; doubled with each failure … */
    PUBLISH_LAST_RETRY_MS = 60000, /* … up to this */
    PUBLISH_REFUSALS_MAX = 2,      /* refused tokens in a row: then only PUBLISH_LAST_RETRY_MS */
    PUBLISH_ENDPOINT_CONNECT_MS = 10000,
    PUBLISH_CHANNEL_IDLE_MS = 60 * 60 * 1000,
};

enum link_state {
    LINK_WAITING, /* for the next attempt */
    LINK_CONNECTING,
    LINK_HANDSHAKE, /* the token is sent, nothing shows yet that it was accepted */
    LINK_CONNECTED,
};

struct publish_counters {
    uint64_t connections;
    uint64_t channels;
    uint64_t endpoint_failures;
    uint64_t payload_received; /* of connections that are gone */
    uint64_t payload_sent;
};

struct publish {
    struct io_loop *loop;
    struct publish_config config;
    char *credential_file; /* config's, copied */
    struct credential credential;
    bool credential_spent; /* aes-gcm from standard input, sent once */
    struct tunnel_hub hub;
    struct tunnel *tunnel;
    struct io_dial *dial;
    struct io_timer retry;
    struct io_task tell_stopped;
    enum link_state state;
    unsigned failures; /* in a row */
    unsigned refusals; /* in a row */
    uint64_t started_ms;
    struct publish_counters counters;
    void (*stopped)(void *arg);
    void *arg;
};

/* ---- link.c ---- */

/* Tries to connect now. */
void link_start(struct publish *publish);
void link_stop(struct publish *publish);

/* ---- endpoint.c ---- */

/* A channel was opened: connects to the endpoint. */
void endpoint_open(struct publish *publish, struct tunnel_channel *channel);

/* The channel is over before its endpoint was connected. */
void endpoint_abandon(struct tunnel_channel *channel);

#endif
