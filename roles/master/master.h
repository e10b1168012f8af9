/*
 * The session master as a role: its HTTP server on a loop of its own, so that what it waits for
 * holds up nobody. handle.h has what it answers.
 */
#ifndef ROLES_MASTER_MASTER_H
#define ROLES_MASTER_MASTER_H

#include "base/ip.h"
#include "io/io.h"

#include <jansson.h>

/* All of it is copied by master_start(). */
struct master_config {
    struct addr listen;
    const char *store_file; /* made when it is not there */
    const char *fernet_key_file;
    const char *tls_cert_file; /* both or none; needed but on loopback and behind a proxy */
    const char *tls_key_file;
    char server_host[HOST_TEXT_MAX]; /* where publishers connect */
    uint16_t server_port;
    uint32_t token_valid_s;
    uint32_t rate_per_minute; /* requests of an address */
    bool behind_proxy;        /* TLS ends before it; X-Forwarded-For is believed */
};

struct master_service;

/*
 * Reads keys and certificate, opens the store, binds and logs `ready`. stopped(arg) comes after
 * master_stop(). NULL with one line for a person in why[why_len].
 */
struct master_service *master_start(struct io_loop *loop, const struct master_config *config,
                                    void (*stopped)(void *arg), void *arg, char *why,
                                    size_t why_len);

/* Reads keys and certificate again; the rest stays. 0, or -1 with why: all is as before. */
int master_reload(struct master_service *service, char *why, size_t why_len);

void master_stop(struct master_service *service);
void master_free(struct master_service *service); /* after stopped() */

/* answer(arg, {"role": "master", "uptime_s", "address", "counters": {…}}) comes later. */
void master_status(struct master_service *service, void (*answer)(void *arg, json_t *status),
                   void *arg);

#endif
