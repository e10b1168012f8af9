/*
 * The session master as a function: a request and the time go in, a response comes out. What it
 * remembers is in the store; it has no socket, no clock and no thread. docs/protocols/master.md
 * has the calls.
 */
#ifndef ROLES_MASTER_HANDLE_H
#define ROLES_MASTER_HANDLE_H

#include "adit/snitun_token.h"
#include "io/http.h"
#include "roles/master/limiter.h"
#include "roles/master/store.h"

#include <jansson.h>

enum {
    MASTER_BODY_MAX = 16 * 1024,
    MASTER_KEY_LEN = 32,      /* bytes of an API key */
    MASTER_KEY_TEXT_MAX = 45, /* of it as text, NUL included */
    MASTER_WHY_MAX = 512,
};

/* What the answers are made of; lent to master_handle(). */
struct master {
    struct master_store *store;
    struct limiter *limiter;              /* NULL = nobody is slowed down */
    const struct snitun_keyring *keyring; /* the first key mints */
    const char *server_host;              /* where publishers connect … */
    uint16_t server_port;
    uint32_t token_valid_s;
    const char *acme_directory; /* where clients get certificates; NULL or "" = not offered */
    bool secure;                /* the address that clients use begins with https */
    /* Whether a tunnel serves a name, as in struct master_server; NULL = not known. */
    bool (*serves)(void *arg, const char *name, double *since_s, struct adit_ip *from);
    void *serves_arg;
    adit_random_fn *random;
    void *random_arg;
};

struct master_response {
    int status;
    const char *allow;        /* of 405: the methods that are */
    unsigned retry_after_s;   /* of 429 and 503 */
    json_t *body;             /* the caller's to free */
    char why[MASTER_WHY_MAX]; /* of a refusal, for the log: escaped, no secret in it; else "" */
};

/* now_s: Unix seconds, may jump; now_ms: a clock that never runs backwards. */
void master_handle(const struct master *master, double now_s, uint64_t now_ms,
                   const struct io_http_request *request, struct master_response *response);

/* A new API key as text, to be shown once, and what of it is stored. False without randomness. */
bool master_key_new(adit_random_fn *random, void *random_arg, char text[MASTER_KEY_TEXT_MAX],
                    uint8_t digest[SHA256_LEN]);

/*
 * Whether every token for the host has room for all its names and blocks. host->name and the lists
 * are looked at.
 */
bool master_host_fits(const struct store_host *host, adit_random_fn *random, void *random_arg);

/* "any", "aes-gcm", …: the ciphers that a host may use, as in struct store_host. */
enum { MASTER_CIPHERS_ALL = 1 << SNITUN_AES_CBC | 1 << SNITUN_AES_GCM | 1 << SNITUN_AES_GCM_SIV };

#endif
