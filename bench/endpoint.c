#include "bench/endpoint.h"

#include "bench/net.h"
#include "bench/wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    ROUNDS = 4, /* reads or writes of one connection before others have their turn */
    ECHO_MAX = 4096,
};

enum state { STATE_HELLO, STATE_SEND, STATE_RECEIVE, STATE_ECHO };

struct connection {
    struct connection *next, **link;
    int fd;
    enum state state;
    uint32_t seed;
    uint64_t position; /* in the pattern */
    size_t held;       /* bytes of `small`: of hello and order, or of an echo to be sent */
    bool blocked;      /* the echo waits for room */
    uint8_t small[ECHO_MAX];
};

struct endpoint {
    const char *name;
    size_t hello_len;
    int epoll, listener, stop;
    pthread_t thread;
    struct connection *connections;
    _Atomic uint64_t received, errors;
    uint8_t bulk[WIRE_CHUNK];
};

static void connection_close(struct connection *connection)
{
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    close(connection->fd);
    free(connection);
}

static void accept_all(struct endpoint *endpoint)
{
    for (;;) {
        int fd = accept4(endpoint->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct connection *connection = calloc(1, sizeof(*connection));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (connection == NULL || epoll_ctl(endpoint->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            endpoint->errors++;
            free(connection);
            close(fd);
            continue;
        }
        net_set_nodelay(fd);
        connection->fd = fd;
        connection->next = endpoint->connections;
        connection->link = &endpoint->connections;
        if (connection->next != NULL)
            connection->next->link = &connection->next;
        endpoint->connections = connection;
    }
}

static bool watch(struct endpoint *endpoint, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    return epoll_ctl(endpoint->epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0;
}

/* Checks what came first and takes the order. */
static bool obey(struct endpoint *endpoint, struct connection *connection)
{
    uint8_t expected[HELLO_MAX];
    struct order order;
    if (!order_read(&order, connection->small + endpoint->hello_len))
        return false;
    size_t len = hello_build(expected, endpoint->name, order.seed);
    if (memcmp(expected, connection->small, len) != 0)
        return false;
    connection->seed = order.seed;
    connection->held = 0;
    switch (order.kind) {
    case ORDER_SEND:
        connection->state = STATE_SEND;
        return watch(endpoint, connection, EPOLLOUT);
    case ORDER_RECEIVE:
        connection->state = STATE_RECEIVE;
        return true;
    case ORDER_ECHO:
        connection->state = STATE_ECHO;
        return true;
    }
    return false;
}

/* These answer false when the connection is over; `bad` says that it should not be. */
static bool take_hello(struct endpoint *endpoint, struct connection *connection, bool *bad)
{
    size_t need = endpoint->hello_len + ORDER_LEN;
    ssize_t n =
        recv(connection->fd, connection->small + connection->held, need - connection->held, 0);
    if (n <= 0) {
        *bad = n == 0 && connection->held > 0;
        return n < 0 && errno == EAGAIN;
    }
    connection->held += (size_t)n;
    if (connection->held < need)
        return true;
    *bad = !obey(endpoint, connection);
    return !*bad;
}

static bool send_pattern(struct connection *connection)
{
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t n = send(connection->fd, pattern_at(connection->seed, connection->position),
                         WIRE_CHUNK, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        connection->position += (uint64_t)n;
    }
    return true;
}

static bool receive_pattern(struct endpoint *endpoint, struct connection *connection, bool *bad)
{
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t n = recv(connection->fd, endpoint->bulk, WIRE_CHUNK, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (!pattern_matches(connection->seed, connection->position, endpoint->bulk, (size_t)n)) {
            *bad = true;
            return false;
        }
        connection->position += (uint64_t)n;
        atomic_fetch_add_explicit(&endpoint->received, (uint64_t)n, memory_order_relaxed);
    }
    return true;
}

static bool echo(struct endpoint *endpoint, struct connection *connection, bool *bad)
{
    if (connection->held == 0) {
        ssize_t n = recv(connection->fd, connection->small, ECHO_MAX, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (!pattern_matches(connection->seed, connection->position, connection->small,
                             (size_t)n)) {
            *bad = true;
            return false;
        }
        connection->position += (uint64_t)n;
        connection->held = (size_t)n;
    }
    ssize_t n = send(connection->fd, connection->small, connection->held, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return false;
    if (n > 0) {
        connection->held -= (size_t)n;
        memmove(connection->small, connection->small + n, connection->held);
    }
    bool blocked = connection->held > 0;
    if (blocked == connection->blocked)
        return true;
    connection->blocked = blocked;
    return watch(endpoint, connection, blocked ? EPOLLOUT : EPOLLIN);
}

static void handle(struct endpoint *endpoint, struct connection *connection)
{
    bool open = false;
    bool bad = false;
    switch (connection->state) {
    case STATE_HELLO:
        open = take_hello(endpoint, connection, &bad);
        break;
    case STATE_SEND:
        open = send_pattern(connection);
        break;
    case STATE_RECEIVE:
        open = receive_pattern(endpoint, connection, &bad);
        break;
    case STATE_ECHO:
        open = echo(endpoint, connection, &bad);
        break;
    }
    if (bad)
        endpoint->errors++;
    if (!open)
        connection_close(connection);
}

static void *run(void *arg)
{
    struct endpoint *endpoint = arg;
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(endpoint->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &endpoint->stop)
                return NULL;
            if (events[i].data.ptr == &endpoint->listener)
                accept_all(endpoint);
            else
                handle(endpoint, events[i].data.ptr);
        }
    }
}

struct endpoint *endpoint_start(const struct sockaddr_in *at, const char *name)
{
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint == NULL)
        return NULL;
    endpoint->name = name;
    endpoint->hello_len = hello_len(name);
    endpoint->epoll = epoll_create1(EPOLL_CLOEXEC);
    endpoint->stop = eventfd(0, EFD_CLOEXEC);
    endpoint->listener = net_listen(at);
    struct epoll_event listener = {.events = EPOLLIN, .data.ptr = &endpoint->listener};
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = &endpoint->stop};
    if (endpoint->listener < 0 ||
        epoll_ctl(endpoint->epoll, EPOLL_CTL_ADD, endpoint->listener, &listener) != 0 ||
        epoll_ctl(endpoint->epoll, EPOLL_CTL_ADD, endpoint->stop, &stop) != 0 ||
        pthread_create(&endpoint->thread, NULL, run, endpoint) != 0) {
        close(endpoint->epoll);
        close(endpoint->stop);
        if (endpoint->listener >= 0)
            close(endpoint->listener);
        free(endpoint);
        return NULL;
    }
    return endpoint;
}

uint64_t endpoint_received(const struct endpoint *endpoint)
{
    return endpoint->received;
}

uint64_t endpoint_errors(const struct endpoint *endpoint)
{
    return endpoint->errors;
}

void endpoint_stop(struct endpoint *endpoint)
{
    eventfd_write(endpoint->stop, 1);
    pthread_join(endpoint->thread, NULL);
    while (endpoint->connections != NULL)
        connection_close(endpoint->connections);
    close(endpoint->listener);
    close(endpoint->stop);
    close(endpoint->epoll);
    free(endpoint);
}
