#include "io/sim/port.h"

#include <assert.h>
#include <stdlib.h>

enum { BACKLOG_DEFAULT = 128 };

static bool wildcard(const struct adit_ip *ip)
{
    for (size_t i = 0; i < sizeof ip->bytes; i++)
        if (ip->bytes[i] != 0)
            return false;
    return true;
}

static bool serves(const struct port *port, const struct addr *addr)
{
    return port->addr.port == addr->port && port->addr.ip.family == addr->ip.family &&
           (wildcard(&port->addr.ip) || ip_equal(&port->addr.ip, &addr->ip));
}

static struct port *find(const struct sim_host *host, const struct addr *addr)
{
    for (struct list *at = host->ports.next; at != &host->ports; at = at->next) {
        struct port *port = container_of(at, struct port, node);
        if (serves(port, addr))
            return port;
    }
    return NULL;
}

struct port *port_open(struct sim_host *host, const struct addr *at, void (*arrived)(void *arg),
                       void *arg, int *error)
{
    struct addr addr = *at;
    if (!wildcard(&addr.ip) && !host_has(host, &addr.ip)) {
        *error = IO_E_ADDRESS;
        return NULL;
    }
    if (addr.port == 0)
        addr.port = host_free_port(host);
    if (find(host, &addr) != NULL) {
        *error = IO_E_IN_USE;
        return NULL;
    }
    struct port *port = world_alloc(sizeof *port);
    port->host = host;
    port->addr = addr;
    port->backlog = host->backlog != 0 ? host->backlog : BACKLOG_DEFAULT;
    port->arrived = arrived;
    port->arg = arg;
    list_init(&port->queue);
    list_append(&host->ports, &port->node);
    return port;
}

struct tcp_end *port_accept(struct port *port)
{
    if (list_empty(&port->queue))
        return NULL;
    struct tcp_end *end = container_of(port->queue.next, struct tcp_end, queued);
    list_remove(&end->queued);
    port->queue_len--;
    return end;
}

void port_close(struct port *port, bool power)
{
    for (struct tcp_end *end = port_accept(port); end != NULL; end = port_accept(port))
        if (power)
            tcp_reset(end);
        else
            tcp_vanish(end);
    list_remove(&port->node);
    free(port);
}

enum port_verdict port_request(struct tcp_end *end)
{
    struct sim_host *host = end->host;
    struct sim_world *world = host->world;
    struct port *port = find(host, &end->addr);
    if (port == NULL || host->refusing || sim_chance(world, world->weather.refuse)) {
        sim_fault(world, SIM_REFUSED);
        return PORT_REFUSED;
    }
    if (port->queue_len >= port->backlog) {
        sim_fault(world, SIM_BACKLOG);
        return PORT_DROPPED;
    }
    return PORT_TAKEN;
}

void port_queue(struct tcp_end *end)
{
    struct port *port = find(end->host, &end->addr);
    assert(port != NULL); /* port_request() took the connection */
    list_append(&port->queue, &end->queued);
    port->queue_len++;
    sim_trace(end->host->world, "queued", port->addr.port, port->queue_len, 0);
    port->arrived(port->arg);
}
