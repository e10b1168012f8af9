/*
 * What the calls of the session master share.
 */
#ifndef ROLES_MASTER_INTERNAL_H
#define ROLES_MASTER_INTERNAL_H

#include "roles/master/handle.h"

/* A request on its way through the calls. */
struct call {
    const struct master *master;
    const struct io_http_request *request;
    struct master_response *response;
    double now_s;
    struct store_host host; /* who asks; of calls that ask for a key */
    const char *query;      /* what follows '?'; "" without */
};

/* What the answers to a refusal are: status, and a message for a person, who gets it as JSON. */
void call_refuse(struct call *call, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 200 with this object, which is taken over; 500 for NULL. */
void call_answer(struct call *call, json_t *body);

/* 503, or 500, and the reason in the log alone. */
void call_store_failed(struct call *call, int error);

/* The body as a JSON object, the caller's; NULL when it was refused. An empty one is an object. */
json_t *call_body(struct call *call);

/* ---- discovery.c ---- */

void discovery_show(struct call *call);

/* True for the path of an action that this master does not offer; *action is its name. */
bool discovery_not_offered(const char *path, const char **action);

/* ---- instance.c ---- */

void instance_ping_targets(struct call *call);
void instance_register(struct call *call);
void instance_connection(struct call *call);
void instance_challenge_set(struct call *call);
void instance_challenge_remove(struct call *call);

/* ---- token.c ---- */

void token_mint(struct call *call);

/* ---- changes.c ---- */

void changes_show(struct call *call);

#endif
