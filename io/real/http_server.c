#include "io/http.h"

#include "base/encode.h"
#include "base/map.h"
#include "base/network.h"
#include "io/real/listener.h"
#include "io/real/loop.h"
#include "io/real/socket.h"
#include "io/real/tls.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SWEEP_MS = 1000,
    BODY_SLACK = 48 * 1024, /* a body so much too large is read, and refused with an answer */
};

/*
 * A connection. evhttp has a time-out without bytes, and none for a request as a whole, and does
 * not say when it frees a connection that has asked for nothing. So this holds a reference to its
 * bufferevent, ends it at its deadline, and knows by its callbacks, which bufferevent_free() takes
 * away, that evhttp has let go of it.
 */
struct connection {
    struct list link;
    struct io_http_server *server;
    struct bufferevent *bufferevent;
    SSL *ssl; /* the bufferevent's, or NULL */
    struct io_timer deadline;
    struct adit_ip network; /* whence it comes; family 0 until that was looked at */
    bool closed;            /* evhttp has let go of it */
};

struct io_http_server {
    struct io_loop *loop;
    struct evhttp *http;
    struct evhttp_bound_socket *socket;
    struct io_tls *tls;
    uint32_t timeout_ms;
    bool behind_proxy;
    io_http_handle_fn *handle;
    void *arg;
    struct list connections; /* the oldest first */
    size_t connection_count;
    struct io_task look; /* at new connections, and at those that ended */
    struct io_timer sweep;
};

/* ---- Connections ---- */

static bool is_over(const struct connection *connection)
{
    bufferevent_event_cb on_event;

    bufferevent_getcb(connection->bufferevent, NULL, NULL, &on_event, NULL);
    return connection->closed || on_event == NULL;
}

static void forget(struct connection *connection)
{
    struct io_http_server *server = connection->server;

    io_timer_stop(&connection->deadline);
    list_remove(&connection->link);
    bufferevent_decref(connection->bufferevent);
    free(connection);
    server->connection_count--;
}

/* What is read next is the end, and evhttp frees the connection. */
static void cut(struct connection *connection)
{
    int fd = bufferevent_getfd(connection->bufferevent);

    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
}

static void on_deadline(void *arg)
{
    cut(arg);
}

static struct adit_ip address_of(const struct connection *connection)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof(name);
    struct addr addr = {0};
    int fd = bufferevent_getfd(connection->bufferevent);

    if (fd >= 0 && getpeername(fd, (struct sockaddr *)&name, &len) == 0)
        socket_addr_read((const struct sockaddr *)&name, &addr);
    return addr.ip;
}

/* One household must not have all the places. A front has them for everybody. */
static bool is_one_too_many(const struct connection *connection)
{
    struct io_http_server *server = connection->server;
    size_t count = 0;

    for (struct list *p = server->connections.next; p != &server->connections; p = p->next)
        count += ip_equal(&container_of(p, struct connection, link)->network, &connection->network);
    return !server->behind_proxy && count > IO_HTTP_CONNECTIONS_OF_ONE;
}

static void set_accepting(struct io_http_server *server)
{
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(server->socket);

    if (server->connection_count < IO_HTTP_CONNECTIONS_MAX)
        evconnlistener_enable(listener);
    else
        evconnlistener_disable(listener);
}

static void look(void *arg)
{
    struct io_http_server *server = arg;
    struct list *next;

    for (struct list *p = server->connections.next; p != &server->connections; p = next) {
        struct connection *connection = container_of(p, struct connection, link);

        next = p->next;
        if (is_over(connection)) {
            forget(connection);
        } else if (connection->network.family == 0) {
            struct adit_ip from = address_of(connection);

            connection->network = network_of(&from);
            if (is_one_too_many(connection))
                cut(connection);
        }
    }
    set_accepting(server);
    if (server->connection_count > 0 && !io_timer_armed(&server->sweep))
        io_timer_set_in(&server->sweep, SWEEP_MS);
}

static struct bufferevent *bufferevent_of(struct io_http_server *server, SSL **ssl)
{
    struct event_base *base = loop_event_base(server->loop);
    struct bufferevent *bufferevent;

    *ssl = NULL;
    if (server->tls == NULL)
        return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    *ssl = tls_connection_new(server->tls, NULL);
    if (*ssl == NULL)
        return NULL;
    /* bufferevent_openssl looks for bytes in the socket alone. */
    SSL_set_read_ahead(*ssl, 0);
    bufferevent = bufferevent_openssl_socket_new(base, -1, *ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                 BEV_OPT_CLOSE_ON_FREE);
    if (bufferevent == NULL)
        SSL_free(*ssl);
    return bufferevent;
}

/*
 * Makes the bufferevent of a connection that was accepted. Where this answers NULL, evhttp makes
 * one without TLS: on_request() answers nobody who is not in our list.
 */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
    struct io_http_server *server = arg;
    struct connection *connection = calloc(1, sizeof(*connection));

    (void)base;
    if (connection == NULL)
        return NULL;
    connection->bufferevent = bufferevent_of(server, &connection->ssl);
    if (connection->bufferevent == NULL) {
        free(connection);
        return NULL;
    }
    bufferevent_incref(connection->bufferevent);
    connection->server = server;
    io_timer_init(&connection->deadline, server->loop, on_deadline, connection);
    io_timer_set_in(&connection->deadline, server->timeout_ms);
    list_init(&connection->link);
    list_append(&server->connections, &connection->link);
    server->connection_count++;
    io_task_queue(&server->look);
    if (server->connection_count >= IO_HTTP_CONNECTIONS_MAX)
        set_accepting(server);
    return connection->bufferevent;
}

static struct connection *find(const struct io_http_server *server,
                               const struct bufferevent *bufferevent)
{
    for (struct list *p = server->connections.next; p != &server->connections; p = p->next) {
        struct connection *connection = container_of(p, struct connection, link);

        if (connection->bufferevent == bufferevent)
            return connection;
    }
    return NULL;
}

/* evhttp ends the socket next: the end of TLS goes before it. */
static void on_closed(struct evhttp_connection *evhttp_connection, void *arg)
{
    struct connection *connection = arg;

    (void)evhttp_connection;
    connection->closed = true;
    if (connection->ssl != NULL)
        SSL_shutdown(connection->ssl);
    io_task_queue(&connection->server->look);
}

/* ---- Requests ---- */

static const char *method_name(const struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_OPTIONS:
        return "OPTIONS";
    case EVHTTP_REQ_TRACE:
        return "TRACE";
    case EVHTTP_REQ_CONNECT:
        return "CONNECT";
    case EVHTTP_REQ_PATCH:
        return "PATCH";
    }
    return "unknown";
}

/* The front's own line is the last, and what it saw itself stands last in it. */
static void forwarded_for(const struct evkeyvalq *headers, struct adit_ip *from)
{
    const char *value = NULL;
    char text[IP_TEXT_MAX];
    const char *last;
    size_t len;

    for (const struct evkeyval *h = headers->tqh_first; h != NULL; h = h->next.tqe_next)
        if (evutil_ascii_strcasecmp(h->key, "X-Forwarded-For") == 0)
            value = h->value;
    if (value == NULL)
        return;
    last = strrchr(value, ',');
    last = last == NULL ? value : last + 1;
    last += strspn(last, " ");
    len = strcspn(last, " ");
    if (len >= sizeof(text))
        return;
    memcpy(text, last, len);
    text[len] = '\0';
    ip_parse(text, from);
}

static void reply(struct evhttp_request *request, struct io_http_response *response)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    char seconds[16];

    evhttp_add_header(headers, "Content-Type", "application/json");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "Connection", "close");
    if (response->allow != NULL)
        evhttp_add_header(headers, "Allow", response->allow);
    if (response->retry_after_s > 0) {
        evutil_snprintf(seconds, sizeof(seconds), "%u", response->retry_after_s);
        evhttp_add_header(headers, "Retry-After", seconds);
    }
    if (body != NULL && response->body != NULL)
        evbuffer_add(body, response->body, response->body_len);
    if (response->body != NULL)
        wipe(response->body, response->body_len);
    free(response->body);
    evhttp_send_reply(request, response->status, NULL, body);
    if (body != NULL)
        evbuffer_free(body);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct io_http_server *server = arg;
    struct evhttp_connection *evhttp_connection = evhttp_request_get_connection(request);
    struct connection *connection =
        find(server, evhttp_connection_get_bufferevent(evhttp_connection));
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    struct io_http_response response = {.status = 503};
    struct io_http_request asked = {
        .method = method_name(request),
        .target = evhttp_request_get_uri(request),
        .host = evhttp_find_header(headers, "Host"),
        .authorization = evhttp_find_header(headers, "Authorization"),
        .body_len = evbuffer_get_length(body),
        .body = evbuffer_pullup(body, -1),
    };

    if (connection != NULL) {
        evhttp_connection_set_closecb(evhttp_connection, on_closed, connection);
        asked.from = address_of(connection);
        if (server->behind_proxy)
            forwarded_for(headers, &asked.from);
        server->handle(server->arg, &asked, &response);
    }
    reply(request, &response);
}

/* ---- Life ---- */

static void on_sweep(void *arg)
{
    look(arg);
}

static int listen_on(struct io_http_server *server, const struct io_listener *listener)
{
    int fd = dup(listener_fd(listener));

    if (fd < 0)
        return -1;
    server->socket = evhttp_accept_socket_with_handle(server->http, fd);
    if (server->socket != NULL)
        return 0;
    close(fd);
    return -1;
}

struct io_http_server *io_http_serve(struct io_loop *loop, const struct io_http_config *config,
                                     io_http_handle_fn *handle, void *arg)
{
    struct io_http_server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return NULL;
    struct event_base *base = loop_event_base(loop);
    if (base == NULL)
        goto err;
    server->http = evhttp_new(base);
    if (server->http == NULL)
        goto err;
    server->loop = loop;
    server->timeout_ms = config->timeout_ms;
    server->behind_proxy = config->behind_proxy;
    server->handle = handle;
    server->arg = arg;
    list_init(&server->connections);
    io_task_init(&server->look, loop, look, server);
    io_timer_init(&server->sweep, loop, on_sweep, server);
    evhttp_set_max_headers_size(server->http, IO_HTTP_HEADERS_MAX);
    evhttp_set_max_body_size(server->http, (ssize_t)config->body_max + BODY_SLACK);
    evhttp_set_default_content_type(server->http, NULL);
    evhttp_set_allowed_methods(server->http, UINT16_MAX);
    evhttp_set_bevcb(server->http, on_accepted, server);
    evhttp_set_gencb(server->http, on_request, server);
    if (listen_on(server, config->listener) != 0)
        goto err_http;
    if (config->tls != NULL)
        server->tls = io_tls_ref(config->tls);
    return server;

err_http:
    evhttp_free(server->http);
err:
    free(server);
    return NULL;
}

void io_http_set_tls(struct io_http_server *server, struct io_tls *tls)
{
    io_tls_unref(server->tls);
    server->tls = io_tls_ref(tls);
}

void io_http_close(struct io_http_server *server)
{
    if (server == NULL)
        return;
    evhttp_free(server->http);
    io_task_cancel(&server->look);
    io_timer_stop(&server->sweep);
    while (!list_empty(&server->connections))
        forget(container_of(server->connections.next, struct connection, link));
    io_tls_unref(server->tls);
    free(server);
}
