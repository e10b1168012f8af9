/*
 * The session master as a role: its HTTP server on a loop of its own, so that what it waits for
 * holds up nobody. handle.h has what it answers.
 */
#ifndef ROLES_MASTER_MASTER_H
#define ROLES_MASTER_MASTER_H

#include "base/ip.h"
#include "io/http.h"
#include "io/io.h"
#include "roles/master/store.h"

#include <jansson.h>

/* The public server, where it is in this process; else both are NULL. */
struct master_server {
    /* Tokens for these names that are valid until then or less are revoked. On the loop of
     * master_start(), until stopped(). */
    void (*revoked)(void *arg, const struct store_change *changes, size_t count);
    /* Whether a tunnel serves the name now; since when, Unix seconds, and from where. On any
     * thread, until stopped(). */
    bool (*serves)(void *arg, const char *name, double *since_s, struct adit_ip *from);
    void *arg;
};

/* All of it is copied by master_open(). */
struct master_config {
    struct addr listen;
    const char *store_file; /* made when it is not there */
    const char *fernet_key_file;
    const char *tls_cert_file; /* both or none; needed but on loopback and behind a proxy */
    const char *tls_key_file;
    char server_host[HOST_TEXT_MAX]; /* where publishers connect */
    uint16_t server_port;
    uint32_t token_valid_s;
    uint32_t rate_per_minute;                 /* requests of an address */
    bool behind_proxy;                        /* TLS ends before it; X-Forwarded-For is believed */
    char acme_directory[IO_HTTP_URL_MAX + 1]; /* where clients get certificates; "" = not offered */
    struct master_server here;
};

struct master_service;

/*
 * Reads keys and certificate, opens the store and binds: all that a person may have got wrong.
 * master_run() follows, or master_free(). NULL with one line for a person in why[why_len].
 */
struct master_service *master_open(struct io_loop *loop, const struct master_config *config,
                                   void (*stopped)(void *arg), void *arg, char *why,
                                   size_t why_len);

/*
 * Logs `ready` and serves. server_port replaces that of the configuration unless it is 0.
 * stopped(arg) comes after master_stop(). 0, or -1 with why.
 */
int master_run(struct master_service *service, uint16_t server_port, char *why, size_t why_len);

/* Both. */
struct master_service *master_start(struct io_loop *loop, const struct master_config *config,
                                    void (*stopped)(void *arg), void *arg, char *why,
                                    size_t why_len);

/* The address bound, port 0 resolved. */
struct addr master_addr(const struct master_service *service);

/* Reads keys and certificate again; the rest stays. 0, or -1 with why: all is as before. */
int master_reload(struct master_service *service, char *why, size_t why_len);

/*
 * The same in two steps, for who has more to reload: reads, NULL with why; then uses what was read,
 * which cannot fail, or frees it.
 */
struct master_secrets;
struct master_secrets *master_secrets_read(struct master_service *service, char *why,
                                           size_t why_len);
void master_secrets_use(struct master_secrets *secrets);
void master_secrets_free(struct master_secrets *secrets);

void master_stop(struct master_service *service);
void master_free(struct master_service *service); /* after stopped() */

/* answer(arg, {"role": "master", "uptime_s", "address", "counters": {…}}) comes later. */
void master_status(struct master_service *service, void (*answer)(void *arg, json_t *status),
                   void *arg);

#endif
