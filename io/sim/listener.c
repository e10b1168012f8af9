#include "io/sim/listener.h"

#include "io/sim/device.h"
#include "io/sim/port.h"
#include "io/sim/process.h"
#include "io/sim/stream.h"

#include <stdlib.h>

enum { ACCEPTS_MAX = 8 }; /* in one round */

/* What all listeners of one socket share. */
struct listen_socket {
    struct sim_process *process;
    struct port *port; /* NULL = the process was killed */
    struct addr addr;
    struct list listeners;
};

struct io_listener {
    struct list node;   /* of the loop's listeners */
    struct list shared; /* of the socket's listeners */
    struct io_loop *loop;
    struct listen_socket *socket;
    struct loop_source source;
    const struct io_listener_handler *handler;
    void *arg;
    bool paused;
};

/* One loop, at random, or more of them: who comes first gets the connection. */
static void arrived(void *arg)
{
    struct listen_socket *socket = arg;
    struct sim_world *world = socket->process->host->world;
    struct io_listener *chosen = NULL;
    uint64_t seen = 0;
    for (struct list *at = socket->listeners.next; at != &socket->listeners; at = at->next) {
        struct io_listener *listener = container_of(at, struct io_listener, shared);
        if (listener->paused)
            continue;
        if (sim_random_below(world, ++seen) == 0)
            chosen = listener;
        if (sim_chance(world, 5000))
            loop_source_ready(&listener->source);
    }
    if (chosen != NULL)
        loop_source_ready(&chosen->source);
}

static bool out_of_files(struct io_listener *listener)
{
    if (process_take_file(listener->loop->process))
        return false;
    listener->paused = true;
    listener->handler->exhausted(listener->arg, IO_E_NO_FILES);
    return true;
}

static void call(void *arg)
{
    struct io_listener *listener = arg;
    struct io_loop *loop = listener->loop;
    uint64_t left = sim_random_between(loop_world(loop), 1, ACCEPTS_MAX);
    while (!listener->paused && listener->socket->port != NULL &&
           !list_empty(&listener->socket->port->queue)) {
        if (left-- == 0) {
            loop_source_ready(&listener->source);
            return;
        }
        if (out_of_files(listener))
            return;
        struct tcp_end *end = port_accept(listener->socket->port);
        listener->handler->accepted(listener->arg, stream_accepted(loop, end));
        if (!loop_source_alive(&listener->source, loop))
            return;
    }
}

static struct io_listener *add(struct listen_socket *socket, struct io_loop *loop,
                               const struct io_listener_handler *handler, void *arg)
{
    struct io_listener *listener = world_alloc(sizeof *listener);
    listener->loop = loop;
    listener->socket = socket;
    listener->handler = handler;
    listener->arg = arg;
    loop_source_init(&listener->source, loop, call, listener);
    list_append(&loop->listeners, &listener->node);
    list_append(&socket->listeners, &listener->shared);
    return listener;
}

static struct io_listener *listen_at(struct io_loop *loop, const struct addr *at,
                                     const struct io_listener_handler *handler, void *arg,
                                     int *error)
{
    struct sim_process *process = loop->process;
    if (process->ghost) {
        *error = IO_E_IN_USE;
        return NULL;
    }
    if (!process_take_file(process)) {
        *error = IO_E_NO_FILES;
        return NULL;
    }
    struct listen_socket *socket = world_alloc(sizeof *socket);
    socket->process = process;
    list_init(&socket->listeners);
    socket->port = port_open(process->host, at, arrived, socket, error);
    if (socket->port == NULL) {
        process_drop_file(process);
        free(socket);
        return NULL;
    }
    socket->addr = socket->port->addr;
    return add(socket, loop, handler, arg);
}

struct io_listener *io_listen(struct io_loop *loop, const struct addr *at,
                              const struct io_listener_handler *handler, void *arg, int *error)
{
    return listen_at(loop, at, handler, arg, error);
}

struct io_listener *io_listen_past(struct io_device *device, const struct addr *at,
                                   const struct io_listener_handler *handler, void *arg, int *error)
{
    return listen_at(device->loop, at, handler, arg, error);
}

/* Reached from the same host by the address that the listener has: family 0, a port of its own. */
struct io_listener *io_listen_unix(struct io_loop *loop, const char *path,
                                   const struct io_listener_handler *handler, void *arg, int *error)
{
    (void)path;
    struct addr at = {.port = 0};
    return listen_at(loop, &at, handler, arg, error);
}

struct io_listener *io_listener_share(struct io_listener *original, struct io_loop *loop,
                                      const struct io_listener_handler *handler, void *arg,
                                      int *error)
{
    (void)error;
    struct io_listener *listener = add(original->socket, loop, handler, arg);
    loop_source_ready(&listener->source);
    return listener;
}

struct addr io_listener_addr(const struct io_listener *listener)
{
    return listener->socket->addr;
}

void io_listener_pause(struct io_listener *listener)
{
    listener->paused = true;
}

void io_listener_resume(struct io_listener *listener)
{
    listener->paused = false;
    loop_source_ready(&listener->source);
}

void io_listener_close(struct io_listener *listener)
{
    struct listen_socket *socket = listener->socket;
    loop_source_remove(&listener->source);
    list_remove(&listener->node);
    list_remove(&listener->shared);
    free(listener);
    if (!list_empty(&socket->listeners)) {
        arrived(socket); /* what this one was to accept */
        return;
    }
    if (socket->port != NULL)
        port_close(socket->port, true);
    process_drop_file(socket->process);
    free(socket);
}

void listener_kill_all(struct io_loop *loop, bool power)
{
    for (struct list *at = loop->listeners.next; at != &loop->listeners; at = at->next) {
        struct listen_socket *socket = container_of(at, struct io_listener, node)->socket;
        if (socket->port != NULL)
            port_close(socket->port, power);
        socket->port = NULL;
    }
}
