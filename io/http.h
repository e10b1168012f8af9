/*
 * HTTP/1.1, both sides of it. Chosen when a program is linked, as io.h is.
 */
#ifndef IO_HTTP_H
#define IO_HTTP_H

#include "io/tls.h"

/* ---- A server ---- */

enum {
    IO_HTTP_HEADERS_MAX = 16 * 1024,  /* bytes of a request's line and headers */
    IO_HTTP_CONNECTIONS_MAX = 1024,   /* at a time; further ones wait to be accepted */
    IO_HTTP_CONNECTIONS_OF_ONE = 128, /* of one address or /64, where no front stands before it */
};

/* Strings are NUL terminated, as they came; NULL where a header was not there. */
struct io_http_request {
    const char *method;
    const char *target; /* path and query; begins with '/' */
    const char *host;
    const char *authorization;
    const void *body;
    size_t body_len;
    struct adit_ip from; /* of a front's client, where io_http_config.behind_proxy */
};

struct io_http_response {
    int status;
    const char *allow;      /* header Allow, or NULL; a literal */
    unsigned retry_after_s; /* header Retry-After; 0 = none */
    char *body;             /* JSON, from malloc(); freed when sent */
    size_t body_len;
};

/* Called on the server's loop for each whole request; answers in this call. */
typedef void io_http_handle_fn(void *arg, const struct io_http_request *request,
                               struct io_http_response *response);

struct io_http_config {
    struct io_listener *listener; /* paused, of any loop; must stay open as long as the server */
    struct io_tls *tls;           /* a server's side; NULL = without TLS */
    uint32_t timeout_ms;          /* from accepting a connection to the end of its one response */
    size_t body_max;              /* bytes of a request's body; much more are not even read */
    bool behind_proxy;            /* believe X-Forwarded-For: the last address in it */
};

struct io_http_server;

/*
 * Serves on this loop what the listener's socket accepts. One request a connection. NULL without
 * memory.
 */
struct io_http_server *io_http_serve(struct io_loop *loop, const struct io_http_config *config,
                                     io_http_handle_fn *handle, void *arg);

/* Another certificate, for new connections. */
void io_http_set_tls(struct io_http_server *server, struct io_tls *tls);

/* Stops to accept and ends every connection. */
void io_http_close(struct io_http_server *server);

/* ---- A client ---- */

struct io_http_query {
    const char *method;
    const char *url;           /* http:// or https://, as io_http_url_check() wants it */
    const char *authorization; /* value of the header, or NULL */
    const char *body;          /* JSON, or NULL */
    const char *ca_file;       /* trusted instead of the system's authorities, or NULL */
    uint32_t timeout_ms;       /* for all of it, look-up included */
    size_t answer_max;         /* bytes of a body */
};

struct io_http_answer {
    int status;       /* 0: none came, `why` says more */
    const char *body; /* NUL terminated */
    size_t body_len;
    unsigned retry_after_s; /* 0 = not said */
    const char *why;        /* one line for a person, escaped */
};

struct io_http_ask;

/*
 * Asks once; the query is copied. done(arg, answer) comes later, the answer valid during the call.
 * Nothing is followed, kept or retried. NULL without memory, or when the helpers have too much to
 * do.
 */
struct io_http_ask *io_http_ask(struct io_loop *loop, const struct io_http_query *query,
                                void (*done)(void *arg, const struct io_http_answer *answer),
                                void *arg);

/* Forgets it: done is not called. */
void io_http_cancel(struct io_http_ask *ask);

enum { IO_HTTP_URL_MAX = 2048 };

/*
 * Whether a secret may be sent to this address: https, or http to a loopback address; without user,
 * query and fragment. False with why. (io/http_url.c)
 */
bool io_http_url_check(const char *url, char *why, size_t why_len);

#endif
