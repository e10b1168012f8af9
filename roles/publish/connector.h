/*
 * TLS at the publisher: certificates, and the join of a channel to a service that speaks plain
 * HTTP. The channel gets one end of a pair of streams, and TLS ends at the other one.
 */
#ifndef ROLES_PUBLISH_CONNECTOR_H
#define ROLES_PUBLISH_CONNECTOR_H

#include "base/list.h"
#include "io/tls.h"
#include "lib/crypto/sha256.h"
#include "roles/tunnel/tunnel.h"

enum {
    CONNECTOR_CHECK_MS = 10000, /* how often the files are looked at */
    CONNECTOR_HANDSHAKE_MS = 15000,
    CONNECTOR_PEM_MAX = 256 * 1024,
};

struct connector {
    struct io_loop *loop;
    const char *label; /* before what is logged; lent, as the next two */
    const char *cert_file;
    const char *key_file;
    uint32_t idle_ms;
    struct io_tls *tls;          /* for new connections; NULL = none could be read yet */
    uint8_t digest[SHA256_LEN];  /* of the files that it was made of */
    uint8_t refused[SHA256_LEN]; /* of those that were complained about last */
    struct io_timer check;
    struct list splices;
};

/*
 * Reads the files. 0, or -1 with why: then they are looked at again like changed ones, and nobody
 * is joined before they can be used. cert_file NULL: there is no TLS.
 */
int connector_init(struct connector *connector, struct io_loop *loop, const char *label,
                   const char *cert_file, const char *key_file, uint32_t idle_ms, char *why,
                   size_t why_len);

/* Ends every connection. */
void connector_stop(struct connector *connector);
void connector_clear(struct connector *connector);

/* Reads the files again: 0, or -1 with why; then the former certificate stays. */
int connector_reload(struct connector *connector, char *why, size_t why_len);

/* Joins a channel to a connected service; takes over the stream, also when it fails: -1. */
int connector_join(struct connector *connector, struct tunnel_channel *channel,
                   struct io_stream *service);

#endif
