#include "roles/server/internal.h"

#include "base/map.h"
#include "io/dial.h"
#include "io/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_MS = 10000,
    RELAY_PER_ROUND = 256 * 1024, /* then the others of the loop have their turn */
};

/* A device joined to the fixed place of its name, bytes as they are, half-closes included. */
struct fixed_route {
    struct server_worker *worker;
    struct list link;
    struct io_dial *dial;
    struct io_stream *device;
    struct io_stream *place; /* NULL while connecting */
    struct io_timer idle;
    struct addr caller;
    char name[HOSTNAME_MAX + 1];
    bool device_ended;
    bool place_ended;
};

static void forget(struct fixed_route *route)
{
    struct server_worker *worker = route->worker;

    if (route->dial != NULL)
        io_dial_cancel(route->dial);
    io_timer_stop(&route->idle);
    list_remove(&route->link);
    caller_give_back(worker, &route->caller.ip);
    free(route);
    worker_check_idle(worker);
}

static void end(struct fixed_route *route, void (*how)(struct io_stream *stream))
{
    how(route->device);
    if (route->place != NULL)
        how(route->place);
    forget(route);
}

/* True when this direction is over. False with *failed set when both are. */
static bool move(struct io_stream *from, struct io_stream *to, bool *failed)
{
    size_t moved;

    switch (io_relay(from, to, RELAY_PER_ROUND, &moved)) {
    case IO_RELAY_END:
        io_shutdown(to);
        return true;
    case IO_RELAY_MAX:
        io_again(from);
        break;
    case IO_RELAY_FAILED:
        *failed = true;
        break;
    case IO_RELAY_SOURCE:
    case IO_RELAY_SINK:
        break;
    }
    return false;
}

static void pump(void *arg)
{
    struct fixed_route *route = arg;
    struct server_worker *worker = route->worker;
    bool failed = false;

    if (route->place == NULL)
        return;
    io_timer_set_in(&route->idle, worker->settings->limits.channel_idle_ms);
    if (!route->device_ended)
        route->device_ended = move(route->device, route->place, &failed);
    if (!failed && !route->place_ended)
        route->place_ended = move(route->place, route->device, &failed);
    if (failed)
        end(route, io_abort);
    else if (route->device_ended && route->place_ended)
        end(route, io_close);
    else
        tunnel_hub_keep_budget(&worker->hub);
}

static void on_failed(void *arg, int error)
{
    (void)error;
    end(arg, io_abort);
}

static const struct io_stream_handler stream_handler = {
    .readable = pump,
    .sent = pump,
    .failed = on_failed,
};

static void on_dialled(void *arg, int error, struct io_stream *stream)
{
    struct fixed_route *route = arg;

    route->dial = NULL;
    if (stream == NULL) {
        device_refuse(route->worker, route->device, &route->caller.ip, REFUSED_ROUTE, route->name);
        forget(route);
        return;
    }
    (void)error;
    route->place = stream;
    route->worker->counters.routed++;
    io_stream_set_handler(stream, &stream_handler, route);
    io_again(stream);
    io_again(route->device);
}

static void on_idle(void *arg)
{
    end(arg, io_close);
}

void route_join(struct server_worker *worker, struct io_stream *device, const struct addr *caller,
                const struct server_route *fixed)
{
    struct fixed_route *route;

    if (!caller_take(worker, &caller->ip)) {
        device_refuse(worker, device, &caller->ip, REFUSED_CALLER_QUOTA, fixed->name);
        return;
    }
    route = calloc(1, sizeof(*route));
    if (route == NULL)
        goto err_device;
    route->dial = io_dial(worker->loop, fixed->host, fixed->port, CONNECT_MS, on_dialled, route);
    if (route->dial == NULL)
        goto err_route;
    route->worker = worker;
    route->device = device;
    route->caller = *caller;
    memcpy(route->name, fixed->name, sizeof(route->name));
    list_init(&route->link);
    list_append(&worker->routes, &route->link);
    io_timer_init(&route->idle, worker->loop, on_idle, route);
    io_timer_set_in(&route->idle, worker->settings->limits.channel_idle_ms);
    io_stream_set_handler(device, &stream_handler, route);
    return;

err_route:
    free(route);
err_device:
    caller_give_back(worker, &caller->ip);
    device_refuse(worker, device, &caller->ip, REFUSED_RESOURCES, fixed->name);
}

void route_end_all(struct server_worker *worker)
{
    while (!list_empty(&worker->routes))
        end(container_of(worker->routes.next, struct fixed_route, link), io_abort);
}

bool route_end_greediest(void *arg, size_t longer_than)
{
    struct server_worker *worker = arg;
    struct fixed_route *greediest = NULL;
    char caller[IP_TEXT_MAX];

    for (struct list *r = worker->routes.next; r != &worker->routes; r = r->next) {
        struct fixed_route *route = container_of(r, struct fixed_route, link);
        size_t queued = io_queued(route->device);

        if (route->place != NULL)
            queued += io_queued(route->place);
        if (queued > longer_than) {
            greediest = route;
            longer_than = queued;
        }
    }
    if (greediest == NULL)
        return false;
    ip_format(&greediest->caller.ip, caller);
    log_overload(worker->loop, LOG_WARN, "memory-budget",
                 "closed the fixed route of %s, whose reader is %zu bytes behind: "
                 "the memory budget of %zu bytes is used up",
                 caller, longer_than, worker->hub.memory_max);
    worker->hub.channels_closed_for_memory++;
    end(greediest, io_abort);
    return true;
}
