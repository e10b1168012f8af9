/*
 * HTTP over the simulated network, without its text: a request and an answer are numbers and
 * bytes on a stream of io.h, which is split, delayed, stalled and cut as all others are.
 */
#include "io/http.h"

#include "base/cursor.h"
#include "base/list.h"
#include "base/map.h"
#include "io/dial.h"

#include <stdlib.h>
#include <string.h>

enum {
    PARTS = 4,               /* of a request: method, target, authorization, body */
    HEAD_LEN = 4 * PARTS,    /* their lengths */
    ANSWER_HEAD_LEN = 4 * 3, /* status, seconds to wait, length of the body */
    MESSAGE_MAX = 256 * 1024,
    RESUME_MS = 100, /* without descriptors: pause before accepting again */
};

/* What has come on a stream. */
struct inbox {
    uint8_t *bytes;
    size_t len;
};

/* True at the end of the stream or when it failed; bytes that came are in the inbox. */
static bool read_all(struct io_stream *stream, struct inbox *inbox)
{
    for (;;) {
        uint8_t some[2048];
        ssize_t got = io_read(stream, some, sizeof(some));
        uint8_t *more;

        if (got == IO_AGAIN)
            return false;
        if (got <= 0 || inbox->len + (size_t)got > MESSAGE_MAX)
            return true;
        more = realloc(inbox->bytes, inbox->len + (size_t)got);
        if (more == NULL)
            return true;
        memcpy(more + inbox->len, some, (size_t)got);
        inbox->bytes = more;
        inbox->len += (size_t)got;
    }
}

/* ---- The server ---- */

struct io_http_server {
    struct io_loop *loop;
    struct io_listener *listener;
    struct io_timer resume;
    uint32_t timeout_ms;
    io_http_handle_fn *handle;
    void *arg;
    struct list connections;
};

struct connection {
    struct io_http_server *server;
    struct list link;
    struct io_stream *stream;
    struct io_timer deadline;
    struct inbox inbox;
};

static void forget(struct connection *connection)
{
    io_timer_stop(&connection->deadline);
    list_remove(&connection->link);
    free(connection->inbox.bytes);
    free(connection);
}

static void cut(void *arg)
{
    struct connection *connection = arg;

    io_abort(connection->stream);
    forget(connection);
}

static void on_failed(void *arg, int error)
{
    (void)error;
    cut(arg);
}

/* The parts of a whole request as texts; false when it is not whole yet. */
static bool take_parts(const struct inbox *inbox, char *parts[PARTS], size_t lens[PARTS])
{
    struct cursor cursor = cursor_over(inbox->bytes, inbox->len);
    const uint8_t *bytes;

    for (int i = 0; i < PARTS; i++)
        lens[i] = cursor_u32(&cursor);
    for (int i = 0; i < PARTS; i++) {
        bytes = cursor_take(&cursor, lens[i]);
        parts[i] = bytes == NULL ? NULL : calloc(1, lens[i] + 1);
        if (parts[i] != NULL)
            memcpy(parts[i], bytes, lens[i]);
    }
    return !cursor.failed;
}

static void send_answer(struct io_stream *stream, const struct io_http_response *response)
{
    uint8_t head[ANSWER_HEAD_LEN];

    store_u32(head, (uint32_t)response->status);
    store_u32(head + 4, response->retry_after_s);
    store_u32(head + 8, (uint32_t)response->body_len);
    if (io_send(stream, head, sizeof(head)) == IO_OK)
        (void)io_send(stream, response->body, response->body_len);
}

static void on_request(void *arg)
{
    struct connection *connection = arg;
    struct io_http_server *server = connection->server;
    char *parts[PARTS] = {NULL};
    size_t lens[PARTS];
    bool ended = read_all(connection->stream, &connection->inbox);

    if (take_parts(&connection->inbox, parts, lens)) {
        struct io_http_request request = {.method = parts[0],
                                          .target = parts[1],
                                          .host = "master.sim",
                                          .authorization = lens[2] == 0 ? NULL : parts[2],
                                          .body = parts[3],
                                          .body_len = lens[3],
                                          .from = io_stream_peer(connection->stream).ip};
        struct io_http_response response = {.status = 503};

        server->handle(server->arg, &request, &response);
        send_answer(connection->stream, &response);
        free(response.body);
        ended = true;
    }
    for (int i = 0; i < PARTS; i++)
        free(parts[i]);
    if (ended) {
        io_close(connection->stream);
        forget(connection);
    }
}

static void on_sent(void *arg)
{
    (void)arg;
}

static const struct io_stream_handler connection_handler = {
    .readable = on_request, .sent = on_sent, .failed = on_failed};

static void on_accepted(void *arg, struct io_stream *stream)
{
    struct io_http_server *server = arg;
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        io_abort(stream);
        return;
    }
    connection->server = server;
    connection->stream = stream;
    list_init(&connection->link);
    list_append(&server->connections, &connection->link);
    io_timer_init(&connection->deadline, server->loop, cut, connection);
    io_timer_set_in(&connection->deadline, server->timeout_ms);
    io_stream_set_handler(stream, &connection_handler, connection);
}

static void on_exhausted(void *arg, int error)
{
    struct io_http_server *server = arg;

    (void)error;
    io_timer_set_in(&server->resume, RESUME_MS);
}

static void on_resume(void *arg)
{
    struct io_http_server *server = arg;

    io_listener_resume(server->listener);
}

static const struct io_listener_handler listener_handler = {.accepted = on_accepted,
                                                            .exhausted = on_exhausted};

struct io_http_server *io_http_serve(struct io_loop *loop, const struct io_http_config *config,
                                     io_http_handle_fn *handle, void *arg)
{
    struct io_http_server *server = calloc(1, sizeof(*server));
    int error;

    if (server == NULL)
        return NULL;
    server->loop = loop;
    server->timeout_ms = config->timeout_ms;
    server->handle = handle;
    server->arg = arg;
    list_init(&server->connections);
    io_timer_init(&server->resume, loop, on_resume, server);
    server->listener = io_listener_share(config->listener, loop, &listener_handler, server, &error);
    if (server->listener != NULL)
        return server;
    free(server);
    return NULL;
}

void io_http_set_tls(struct io_http_server *server, struct io_tls *tls)
{
    (void)server;
    (void)tls;
}

void io_http_close(struct io_http_server *server)
{
    if (server == NULL)
        return;
    while (!list_empty(&server->connections))
        cut(container_of(server->connections.next, struct connection, link));
    io_timer_stop(&server->resume);
    io_listener_close(server->listener);
    free(server);
}

/* ---- The client ---- */

struct io_http_ask {
    struct io_loop *loop;
    void (*done)(void *arg, const struct io_http_answer *answer);
    void *arg;
    struct io_dial *dial;
    struct io_stream *stream;
    struct io_timer deadline;
    size_t answer_max;
    struct inbox inbox;
    size_t request_len;
    uint8_t request[];
};

static void ask_free(struct io_http_ask *ask)
{
    io_timer_stop(&ask->deadline);
    if (ask->dial != NULL)
        io_dial_cancel(ask->dial);
    if (ask->stream != NULL)
        io_abort(ask->stream);
    free(ask->inbox.bytes);
    free(ask);
}

static void finish(struct io_http_ask *ask, const struct io_http_answer *answer)
{
    ask->done(ask->arg, answer);
    ask_free(ask);
}

static void give_up(struct io_http_ask *ask, const char *why)
{
    finish(ask, &(struct io_http_answer){.body = "", .why = why});
}

static void on_deadline(void *arg)
{
    give_up(arg, io_error_text(IO_E_TIMEOUT));
}

static void on_answer_failed(void *arg, int error)
{
    give_up(arg, io_error_text(error));
}

static void on_answer(void *arg)
{
    struct io_http_ask *ask = arg;
    bool ended = read_all(ask->stream, &ask->inbox);
    struct cursor cursor = cursor_over(ask->inbox.bytes, ask->inbox.len);
    struct io_http_answer answer = {.why = ""};

    answer.status = (int)cursor_u32(&cursor);
    answer.retry_after_s = cursor_u32(&cursor);
    answer.body_len = cursor_u32(&cursor);
    answer.body = (const char *)cursor_take(&cursor, answer.body_len);
    if (!cursor.failed && answer.body_len <= ask->answer_max)
        finish(ask, &answer);
    else if (!cursor.failed)
        give_up(ask, "the answer is too large");
    else if (ended)
        give_up(ask, "the connection ended before the answer");
}

static const struct io_stream_handler ask_handler = {
    .readable = on_answer, .sent = on_sent, .failed = on_answer_failed};

static void on_dialled(void *arg, int error, struct io_stream *stream)
{
    struct io_http_ask *ask = arg;

    ask->dial = NULL;
    if (stream == NULL) {
        give_up(ask, io_error_text(error));
        return;
    }
    ask->stream = stream;
    io_stream_set_handler(stream, &ask_handler, ask);
    if (io_send(stream, ask->request, ask->request_len) != IO_OK)
        give_up(ask, io_error_text(IO_E_RESET));
}

/* "SCHEME://HOST:PORT/TARGET". False where it is something else. */
static bool read_url(const char *url, char host[HOST_TEXT_MAX], uint16_t *port, const char **target)
{
    char authority[HOST_TEXT_MAX + 8];
    const char *at = strstr(url, "://");
    size_t len;

    if (at == NULL)
        return false;
    at += strlen("://");
    len = strcspn(at, "/");
    *target = at + len;
    if (len >= sizeof(authority))
        return false;
    memcpy(authority, at, len);
    authority[len] = '\0';
    return hostport_parse(authority, false, host, port);
}

static void write_request(struct io_http_ask *ask, const char *const parts[PARTS])
{
    uint8_t *at = ask->request + HEAD_LEN;

    for (int i = 0; i < PARTS; i++) {
        size_t len = parts[i] == NULL ? 0 : strlen(parts[i]);

        store_u32(ask->request + 4 * i, (uint32_t)len);
        if (len > 0)
            memcpy(at, parts[i], len);
        at += len;
    }
}

struct io_http_ask *io_http_ask(struct io_loop *loop, const struct io_http_query *query,
                                void (*done)(void *arg, const struct io_http_answer *answer),
                                void *arg)
{
    char host[HOST_TEXT_MAX];
    uint16_t port;
    const char *target;
    size_t len = HEAD_LEN;
    struct io_http_ask *ask;

    if (!read_url(query->url, host, &port, &target))
        return NULL;
    const char *const parts[PARTS] = {query->method, target, query->authorization, query->body};
    for (int i = 0; i < PARTS; i++)
        len += parts[i] == NULL ? 0 : strlen(parts[i]);
    ask = calloc(1, sizeof(*ask) + len);
    if (ask == NULL)
        return NULL;
    ask->loop = loop;
    ask->done = done;
    ask->arg = arg;
    ask->answer_max = query->answer_max;
    ask->request_len = len;
    write_request(ask, parts);
    io_timer_init(&ask->deadline, loop, on_deadline, ask);
    ask->dial = io_dial(loop, host, port, query->timeout_ms, on_dialled, ask);
    if (ask->dial == NULL) {
        free(ask);
        return NULL;
    }
    io_timer_set_in(&ask->deadline, query->timeout_ms);
    return ask;
}

void io_http_cancel(struct io_http_ask *ask)
{
    ask_free(ask);
}
