/*
 * The publisher: keeps a connection to a server up and joins each channel to a TCP connection to
 * the endpoint.
 */
#ifndef ROLES_PUBLISH_PUBLISH_H
#define ROLES_PUBLISH_PUBLISH_H

#include "adit/snitun.h"
#include "base/hostname.h"
#include "base/ip.h"
#include "io/io.h"

#include <jansson.h>
#include <stdbool.h>

enum { PUBLISH_CREDENTIAL_MAX = 64 * 1024 };

/* All of it is copied by publish_start(). */
struct publish_config {
    const char *name; /* what logs and status call it, where there are several; or NULL */
    bool patient;     /* a credential or certificate that cannot be read yet is waited for */
    char server_host[HOST_TEXT_MAX]; /* "" = as the session master says */
    uint16_t server_port;
    const char *credential_file;     /* or NULL: */
    const char *credential_text;     /* the JSON itself, as read from standard input, or NULL: */
    const char *master_url;          /* of a session master, as io_http_url_check() wants it */
    const char *api_key_file;        /* with master_url */
    const char *master_ca_file;      /* trusted instead of the system's authorities, or NULL */
    enum snitun_cipher cipher;       /* asked from the master */
    char hostname[HOSTNAME_MAX + 1]; /* the only one taken from the master; "" = the first */
    struct cidr *allow;              /* who may call; none = everybody but: */
    size_t allow_count;
    struct cidr *block;
    size_t block_count;
    char to_host[HOST_TEXT_MAX];
    uint16_t to_port;
    const char *tls_cert_file; /* TLS ends here, and the service speaks plain HTTP; or NULL */
    const char *tls_key_file;
    int proxy_protocol;           /* 0 = none, 1, 2 */
    uint32_t endpoint_connect_ms; /* 0 = 10 s */
    uint32_t channel_idle_ms;     /* 0 = 1 h */
    uint32_t channels_max;        /* 0 = the engine's default */
    size_t memory;                /* bytes that may wait for endpoints; 0 = 256 MiB */
};

struct publish;

/*
 * Reads and checks the credential, then connects, for ever. stopped(arg) comes after
 * publish_stop(). Returns NULL with one line for a person in why[why_len].
 */
struct publish *publish_start(struct io_loop *loop, const struct publish_config *config,
                              void (*stopped)(void *arg), void *arg, char *why, size_t why_len);

/* Closes the connection and every channel. */
void publish_stop(struct publish *publish);
void publish_free(struct publish *publish);

/* Reads the credential file again; used from the next connection on. 0, or -1 with why. */
int publish_reload(struct publish *publish, char *why, size_t why_len);

/*
 * {"role": "publish", "name" (where one was given), "uptime_s", "state": "connected" |
 * "connecting" | "waiting", "server", "hostname", "cipher", "protocol_version", "rtt_ms",
 * "channels": [...], "counters": {...}}; the callee's.
 */
json_t *publish_status(struct publish *publish);

#endif
