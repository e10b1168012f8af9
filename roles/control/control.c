#include "roles/control/control.h"

#include "base/list.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct connection {
    struct list link; /* in the control's ring */
    struct control *control;
    struct io_stream *stream;
    struct control_request *request; /* being answered; no other line is read meanwhile */
    struct io_timer idle;
    bool ended; /* the other side sends no more */
    size_t len;
    char line[CONTROL_LINE_MAX];
};

/* Lives until it is answered, with or without its connection. */
struct control_request {
    struct connection *connection; /* NULL once that is gone */
};

struct control {
    struct io_loop *loop;
    struct io_listener *listener;
    struct list connections;
    size_t count;
    struct io_timer resume; /* accepting, after the machine ran out of something */
    void (*command)(void *arg, const char *name, struct control_request *request);
    void *arg;
};

enum { RESUME_MS = 1000 };

static void connection_free(struct connection *connection)
{
    if (connection->request != NULL)
        connection->request->connection = NULL;
    io_timer_stop(&connection->idle);
    list_remove(&connection->link);
    connection->control->count--;
    free(connection);
}

static void connection_close(struct connection *connection)
{
    io_close(connection->stream);
    connection_free(connection);
}

/* Whatever is queued for somebody who does not read goes with it. */
static void connection_abort(struct connection *connection)
{
    io_abort(connection->stream);
    connection_free(connection);
}

/* False without memory, or when the other side is gone: then the connection is to be aborted. */
static bool send_line(struct connection *connection, const json_t *answer)
{
    char *text = json_dumps(answer, JSON_COMPACT);
    if (text == NULL)
        return false;
    bool sent = io_send(connection->stream, text, strlen(text)) == 0 &&
                io_send(connection->stream, "\n", 1) == 0;
    free(text);
    return sent;
}

/* Answers a line that is no request, and ends: what follows cannot be told apart. */
static void refuse(struct connection *connection, const char *text)
{
    json_t *answer = json_pack("{ss}", "error", text);
    bool sent = answer != NULL && send_line(connection, answer);
    json_decref(answer);
    if (sent)
        connection_close(connection);
    else
        connection_abort(connection);
}

/* Hands one line, without its newline, to the owner; the connection may be gone afterwards. */
static void handle_line(struct connection *connection, const char *line, size_t len)
{
    struct control *control = connection->control;
    json_error_t error;
    json_t *asked = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    const char *name = json_string_value(json_object_get(asked, "command"));
    if (name == NULL) {
        json_decref(asked);
        refuse(connection, "a request is one line: {\"command\": \"status\"}");
        return;
    }
    struct control_request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        json_decref(asked);
        connection_abort(connection);
        return;
    }
    request->connection = connection;
    connection->request = request;
    control->command(control->arg, name, request);
    json_decref(asked);
}

/* Takes the first whole line out of the buffer; false when there is none. */
static bool take_line(struct connection *connection, char *line, size_t *len)
{
    const char *newline = memchr(connection->line, '\n', connection->len);
    if (newline == NULL)
        return false;
    *len = (size_t)(newline - connection->line);
    memcpy(line, connection->line, *len);
    connection->len -= *len + 1;
    memmove(connection->line, newline + 1, connection->len);
    return true;
}

/* Reads on, one request a round: nobody keeps the loop by asking. */
static void on_readable(void *arg)
{
    struct connection *connection = arg;
    /* A new request waits until the last answer has left: who does not read is not served. */
    if (connection->request != NULL || io_queued(connection->stream) > 0)
        return;
    while (!connection->ended && connection->len < sizeof connection->line) {
        ssize_t got = io_read(connection->stream, connection->line + connection->len,
                              sizeof connection->line - connection->len);
        if (got == IO_AGAIN)
            break;
        if (got < 0) {
            connection_abort(connection);
            return;
        }
        connection->ended = got == 0;
        connection->len += (size_t)got;
    }
    char line[CONTROL_LINE_MAX];
    size_t len;
    if (take_line(connection, line, &len)) {
        io_timer_set_in(&connection->idle, CONTROL_IDLE_MS);
        io_again(connection->stream);
        handle_line(connection, line, len);
    } else if (connection->ended) {
        connection_close(connection);
    } else if (connection->len == sizeof connection->line) {
        refuse(connection, "the line is too long");
    }
}

static void on_sent(void *arg)
{
    struct connection *connection = arg;
    io_timer_set_in(&connection->idle, CONTROL_IDLE_MS);
    if (io_queued(connection->stream) == 0)
        io_again(connection->stream);
}

static void on_failed(void *arg, int error)
{
    (void)error;
    connection_abort(arg);
}

static void on_idle(void *arg)
{
    connection_abort(arg);
}

static const struct io_stream_handler stream_handler = {
    .readable = on_readable,
    .sent = on_sent,
    .failed = on_failed,
};

static void on_accepted(void *arg, struct io_stream *stream)
{
    struct control *control = arg;
    struct connection *connection =
        control->count < CONTROL_CONNECTIONS_MAX ? calloc(1, sizeof *connection) : NULL;
    if (connection == NULL) {
        io_abort(stream);
        return;
    }
    connection->control = control;
    connection->stream = stream;
    io_timer_init(&connection->idle, control->loop, on_idle, connection);
    io_timer_set_in(&connection->idle, CONTROL_IDLE_MS);
    list_append(&control->connections, &connection->link);
    control->count++;
    io_stream_set_handler(stream, &stream_handler, connection);
}

static void on_exhausted(void *arg, int error)
{
    struct control *control = arg;
    (void)error;
    io_timer_set_in(&control->resume, RESUME_MS);
}

static void on_resume(void *arg)
{
    struct control *control = arg;
    io_listener_resume(control->listener);
}

static const struct io_listener_handler listener_handler = {
    .accepted = on_accepted,
    .exhausted = on_exhausted,
};

struct control *control_open(struct io_loop *loop, const char *path,
                             void (*command)(void *arg, const char *name,
                                             struct control_request *request),
                             void *arg, int *error)
{
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        *error = IO_E_NO_MEMORY;
        return NULL;
    }
    control->loop = loop;
    control->command = command;
    control->arg = arg;
    list_init(&control->connections);
    io_timer_init(&control->resume, loop, on_resume, control);
    control->listener = io_listen_unix(loop, path, &listener_handler, control, error);
    if (control->listener == NULL) {
        free(control);
        return NULL;
    }
    return control;
}

void control_answer(struct control_request *request, json_t *answer)
{
    struct connection *connection = request->connection;
    if (connection != NULL) {
        connection->request = NULL;
        if (answer == NULL || !send_line(connection, answer)) {
            connection_abort(connection);
        } else {
            io_timer_set_in(&connection->idle, CONTROL_IDLE_MS);
            io_again(connection->stream);
        }
    }
    json_decref(answer);
    free(request);
}

void control_answer_error(struct control_request *request, const char *text)
{
    control_answer(request, json_pack("{ss}", "error", text));
}

void control_close(struct control *control)
{
    while (!list_empty(&control->connections)) {
        struct list *first = control->connections.next;
        connection_close(container_of(first, struct connection, link));
    }
    io_timer_stop(&control->resume);
    io_listener_close(control->listener);
    free(control);
}
