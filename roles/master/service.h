/*
 * What the files of the running session master share.
 */
#ifndef ROLES_MASTER_SERVICE_H
#define ROLES_MASTER_SERVICE_H

#include "roles/master/handle.h"
#include "roles/master/master.h"

/* What a reload replaces. */
struct master_secrets {
    struct io_message message;
    struct master_service *service;
    struct snitun_keyring keyring;
    struct io_tls *tls; /* or NULL */
};

/* What was revoked, for the server in this process. */
struct watch {
    int64_t seq; /* of the last change that the server was told */
    bool failed; /* said already */
};

struct master_service {
    struct io_loop *loop;
    struct master_config config;
    char *fernet_key_file;
    char *tls_cert_file;
    char *tls_key_file;
    struct io_listener *listener; /* paused: the worker accepts */
    struct io_loop *worker;
    uint64_t started_ms;
    bool stopping;
    void (*stopped)(void *arg);
    void *arg;

    /* The worker's alone, while there is one: */
    struct io_loop *own; /* the worker, as it knows itself */
    struct master master;
    struct master_secrets *secrets;
    struct io_http_server *http;
    struct io_timer tick;
    bool flush_failed; /* said already */
    struct watch watch;
    uint64_t requests;
    uint64_t tokens;
    uint64_t refused;
};

/* ---- watch.c ---- */

/* Tells the server in this process what was revoked since the last time; on the worker. True when
 * there is more to tell. */
bool watch_look(struct master_service *service);

#endif
