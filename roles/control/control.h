/*
 * The control socket: a Unix socket, mode 0600, that answers one JSON object a line for each JSON
 * object a line it is asked: {"command": "status"} or {"command": "reload"}.
 */
#ifndef ROLES_CONTROL_CONTROL_H
#define ROLES_CONTROL_CONTROL_H

#include "io/io.h"

#include <jansson.h>

enum {
    CONTROL_LINE_MAX = 4096, /* of a request */
    CONTROL_CONNECTIONS_MAX = 16,
    CONTROL_IDLE_MS = 60000,
};

struct control;
struct control_request;

/*
 * command(arg, name, request) is called for each request; answer it with control_answer(), now or
 * later, exactly once.
 */
struct control *control_open(struct io_loop *loop, const char *path,
                             void (*command)(void *arg, const char *name,
                                             struct control_request *request),
                             void *arg, int *error);

/* Takes over the reference to `answer`. The connection may be gone meanwhile; that is dealt with.
 */
void control_answer(struct control_request *request, json_t *answer);
void control_answer_error(struct control_request *request, const char *text);

void control_close(struct control *control);

#endif
