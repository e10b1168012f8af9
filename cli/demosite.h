/*
 * A small HTTPS site behind a publisher: expects a PROXY header, then TLS, then one request, and
 * answers with a page that says what it saw.
 */
#ifndef CLI_DEMOSITE_H
#define CLI_DEMOSITE_H

#include "io/tls.h"

enum {
    DEMOSITE_CONNECTIONS_MAX = 64,
    DEMOSITE_REQUEST_MAX = 8192, /* bytes of a request's head */
    DEMOSITE_TIMEOUT_MS = 10000, /* of a whole connection */
};

struct demosite;

/* Listens on 127.0.0.1; tls is referenced. NULL with *error set. */
struct demosite *demosite_open(struct io_loop *loop, struct io_tls *tls, int *error);
struct addr demosite_addr(const struct demosite *site);
void demosite_close(struct demosite *site);

#endif
