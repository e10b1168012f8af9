/*
 * The kernel of a host as a scenario plays it: sim.h, Packet devices.
 */
#include "io/sim/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { IN_QUEUE_MAX = 500 }; /* packets that wait to be read: a tun device's default */

void sim_host_set_privileged(struct sim_host *host, bool privileged)
{
    host->privileged = privileged;
}

void sim_host_set_foreign_link(struct sim_host *host, const char *name)
{
    snprintf(host->foreign_link, sizeof host->foreign_link, "%s", name);
}

void sim_host_add_route(struct sim_host *host, const struct cidr *to)
{
    struct device_entry *entry = world_alloc(sizeof *entry);
    entry->to = *to;
    list_append(&host->routes, &entry->node);
}

void sim_host_set_device_room(struct sim_host *host, size_t packets)
{
    host->device_room = packets;
}

void sim_host_set_udp_segments(struct sim_host *host, bool can)
{
    host->no_udp_segments = !can;
}

bool sim_host_blocked(const struct sim_host *host, unsigned family)
{
    return host->blocked[device_family(family)];
}

struct io_device *sim_host_device(const struct sim_host *host, const char *name)
{
    for (const struct list *at = host->devices.next; at != &host->devices; at = at->next) {
        struct io_device *device = container_of(at, struct io_device, here);
        if (strcmp(device->name, name) == 0)
            return device;
    }
    return NULL;
}

bool sim_device_send(struct io_device *device, const void *packet, size_t len,
                     const struct offload *offload)
{
    static const struct offload whole;
    assert(len <= IO_DEVICE_PACKET_MAX);
    if (device->in_count >= IN_QUEUE_MAX)
        return false;
    list_append(&device->in,
                &device_packet_new(packet, len, offload == NULL ? &whole : offload)->node);
    device->in_count++;
    device_tell_readable(device);
    return true;
}

size_t sim_device_receive(struct io_device *device, void *packet, size_t max,
                          struct offload *offload)
{
    if (list_empty(&device->out))
        return 0;
    struct device_packet *first = container_of(device->out.next, struct device_packet, node);
    size_t len = first->len;
    assert(len <= max);
    memcpy(packet, first->bytes, len);
    *offload = first->offload;
    list_remove(&first->node);
    device->out_count--;
    free(first);
    return len;
}

void sim_device_on_written(struct io_device *device, void (*written)(void *arg), void *arg)
{
    device->written = written;
    device->written_arg = arg;
}

void sim_device_take_away(struct io_device *device)
{
    sim_trace(device->host->world, "device gone", device->host->id, 0, 0);
    routes_unblock(device->host, device);
    device_take_away(device);
}

bool sim_device_segments(const struct io_device *device)
{
    return device->segments;
}

uint16_t sim_device_mtu(const struct io_device *device)
{
    return device->mtu;
}

bool sim_device_has_route(const struct io_device *device, const struct cidr *to)
{
    return routes_find(&device->routes, to) != NULL;
}

static size_t entries(const struct list *head)
{
    size_t count = 0;
    for (const struct list *at = head->next; at != head; at = at->next)
        count++;
    return count;
}

size_t sim_device_routes(const struct io_device *device)
{
    return entries(&device->routes);
}

bool sim_device_has_address(const struct io_device *device, const struct cidr *address)
{
    return routes_find(&device->addresses, address) != NULL;
}

size_t sim_device_addresses(const struct io_device *device)
{
    return entries(&device->addresses);
}

bool sim_device_everything(const struct io_device *device, unsigned family)
{
    return device->everything[device_family(family)];
}

uint64_t sim_host_hooks(const struct sim_host *host)
{
    return host->hooks;
}

const char *sim_host_hook_argument(const struct sim_host *host, size_t index)
{
    const char *at = host->hook.text;
    if (index >= host->hook.count)
        return NULL;
    for (; index > 0; index--)
        at += strlen(at) + 1;
    return at;
}
