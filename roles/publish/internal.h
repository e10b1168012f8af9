/*
 * What the files of the publisher share. attempt.c decides when to connect: it gets a credential,
 * from a file or by ask.c from a session master, and opens a link with it. link.c is one
 * connection to the server; a renewed one takes over while the channels of the former finish
 * there. endpoint.c joins channels to the endpoint.
 */
#ifndef ROLES_PUBLISH_INTERNAL_H
#define ROLES_PUBLISH_INTERNAL_H

#include "base/list.h"
#include "io/dial.h"
#include "io/http.h"
#include "roles/publish/connector.h"
#include "roles/publish/credential.h"
#include "roles/publish/publish.h"
#include "roles/tunnel/tunnel.h"

enum {
    PUBLISH_DIAL_MS = 10000,
    PUBLISH_HANDSHAKE_MS = 30000,
    PUBLISH_FIRST_RETRY_MS = 3000, /* 0 to this, at random; doubled with each failure … */
    PUBLISH_LAST_RETRY_MS = 60000, /* … up to this */
    PUBLISH_REFUSALS_MAX = 2,      /* refused tokens in a row: then only PUBLISH_LAST_RETRY_MS */
    PUBLISH_GRACE_MS = 5000,       /* for callers on their way to a connection that was replaced */
    PUBLISH_RETIRED_MAX = 4, /* replaced connections; the oldest is closed for a further one */
    PUBLISH_CLOCK_CHECK_MS = 60000, /* the wall clock may jump: expiry is looked at this often */
    PUBLISH_ASK_MS = 20000,
    PUBLISH_ANSWER_MAX = 32 * 1024, /* of a session master */
    PUBLISH_RETRY_AFTER_MAX_S = 3600,
    PUBLISH_WHITELIST_MAX = 256,
    PUBLISH_ENDPOINT_CONNECT_MS = 10000,
    PUBLISH_CHANNEL_IDLE_MS = 60 * 60 * 1000,
    PUBLISH_WHY_MAX = 640,
    PUBLISH_LABEL_MAX = 128,
};

enum link_state {
    LINK_CONNECTING,
    LINK_HANDSHAKE, /* the token is sent, nothing shows yet that it was accepted */
    LINK_CONNECTED,
    LINK_RETIRED, /* another one has taken over: it ends with its last channel */
};

struct publish_counters {
    uint64_t connections;
    uint64_t channels;
    uint64_t endpoint_failures;
    uint64_t blocked;
    uint64_t payload_received; /* of connections that are gone */
    uint64_t payload_sent;
};

/* Where to connect and with what. */
struct grant {
    struct credential credential;
    char server_host[HOST_TEXT_MAX];
    uint16_t server_port;
};

struct link {
    struct publish *publish;
    struct list in_publish;
    struct io_dial *dial;
    struct tunnel *tunnel;
    struct io_timer grace;
    struct grant grant; /* its token is wiped when it was sent */
    enum link_state state;
};

struct publish {
    struct io_loop *loop;
    struct publish_config config;  /* its strings and lists are this struct's own */
    char label[PUBLISH_LABEL_MAX]; /* "NAME: " before what is logged, or "" */
    struct grant grant;            /* of the newest attempt */
    bool credential_spent;         /* aes-gcm from standard input, sent once */
    struct tunnel_hub hub;
    struct connector connector;
    struct io_dial_memory endpoint_names;
    struct list links;               /* the oldest first */
    struct link *current;            /* serves */
    struct link *next;               /* is being connected */
    struct io_http_ask *ask;         /* of the session master */
    char hostname[HOSTNAME_MAX + 1]; /* the only one taken from it; "" = not known yet */
    struct cidr *whitelist;          /* said by it */
    size_t whitelist_count;
    struct io_timer retry;
    struct io_timer renew;
    double renew_at_s; /* wall clock */
    struct io_task tell_stopped;
    unsigned failures; /* in a row */
    unsigned refusals; /* in a row */
    uint64_t started_ms;
    struct publish_counters counters;
    void (*stopped)(void *arg);
    void *arg;
};

/* ---- attempt.c ---- */

/* Sets up the timers; the first attempt is made in the next round. */
void attempt_init(struct publish *publish);

/* Tries again in the next round what would be tried later. */
void attempt_now(struct publish *publish);
void attempt_stop(struct publish *publish);

/* What ask.c got: publish->grant is filled, or not, and then whether somebody has to act. */
void attempt_granted(struct publish *publish);
void attempt_denied(struct publish *publish, bool slowly, unsigned retry_after_s);

/* What happened to a link: it is closed here. */
void attempt_unreachable(struct link *link, int error);
void attempt_accepted(struct link *link); /* the server serves our name through it */
void attempt_ended(struct link *link, enum tunnel_end how, int error);

/* Before an aes-gcm token leaves: never again, whatever happens next. */
int attempt_spend(struct publish *publish, char *why, size_t why_len);
void attempt_unspent(struct link *link, const char *why);

/* ---- ask.c ---- */

/* Asks the session master; attempt_granted() or attempt_denied() comes later. */
void ask_start(struct publish *publish);
void ask_stop(struct publish *publish);

/* ---- link.c ---- */

/* Connects with publish->grant. NULL without memory. */
struct link *link_open(struct publish *publish);

/* Ends it with all of its channels. */
void link_close(struct link *link);

/* Another one has taken over. */
void link_retire(struct link *link);

/* ---- endpoint.c ---- */

/* A channel was opened: connects to the endpoint, unless the caller is not let in. */
void endpoint_open(struct publish *publish, struct tunnel_channel *channel);

/* The channel is over before its endpoint was connected. */
void endpoint_abandon(struct tunnel_channel *channel);

#endif
