#include "io/sim/device.h"

#include "io/offload.h"
#include "io/sim/process.h"
#include "io/sim/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

size_t device_family(unsigned family)
{
    return family == 6 ? 1 : 0;
}

void device_free_list(struct list *head)
{
    while (!list_empty(head)) {
        struct device_entry *first = container_of(head->next, struct device_entry, node);
        list_remove(&first->node);
        free(first);
    }
}

/* ---- What the loop tells ---- */

static void call(void *arg)
{
    struct io_device *device = arg;
    struct io_loop *loop = device->loop;
    while (!list_empty(&device->refused)) {
        struct device_entry *entry = container_of(device->refused.next, struct device_entry, node);
        struct cidr to = entry->to;
        int error = entry->error;
        list_remove(&entry->node);
        free(entry);
        device->handler->refused(device->arg, &to, error);
        if (!loop_source_alive(&device->source, loop))
            return;
    }
    if (device->readable) {
        device->readable = false;
        device->handler->readable(device->arg);
        if (!loop_source_alive(&device->source, loop))
            return;
    }
    int gone = device->gone;
    device->gone = 0;
    if (gone != 0)
        device->handler->failed(device->arg, gone);
}

void device_tell_readable(struct io_device *device)
{
    device->readable = true;
    loop_source_ready(&device->source);
}

void io_device_again(struct io_device *device)
{
    device_tell_readable(device);
}

/* ---- Life ---- */

static void took(void *arg)
{
    const struct io_device *device = arg;
    if (device->written != NULL)
        device->written(device->written_arg);
}

static bool name_taken(const struct sim_host *host, const char *name)
{
    for (const struct list *at = host->devices.next; at != &host->devices; at = at->next)
        if (strcmp(container_of(at, struct io_device, here)->name, name) == 0)
            return true;
    return strcmp(host->foreign_link, name) == 0;
}

/* As the kernel does: %d is the lowest number that is free. False when the name is taken. */
static bool choose_name(const struct sim_host *host, const char *asked, char *name)
{
    const char *number = strstr(asked, "%d");
    if (number == NULL) {
        snprintf(name, IO_DEVICE_NAME_MAX, "%s", asked);
        return !name_taken(host, name);
    }
    unsigned i = 0;
    do {
        snprintf(name, IO_DEVICE_NAME_MAX, "%.*s%u", (int)(number - asked), asked, i++);
    } while (name_taken(host, name));
    return true;
}

static int may_open(const struct io_loop *loop, const struct io_device_config *config, char *name)
{
    const struct sim_host *host = loop->process->host;
    if (!host->privileged)
        return IO_E_DENIED;
    if (loop->process->ghost || !choose_name(host, config->name, name))
        return IO_E_IN_USE;
    return process_take_file(loop->process) ? 0 : IO_E_NO_FILES;
}

struct io_device *io_device_open(struct io_loop *loop, const struct io_device_config *config,
                                 const struct io_device_handler *handler, void *arg, int *error,
                                 char *why, size_t why_len)
{
    char name[IO_DEVICE_NAME_MAX];
    assert(handler->readable != NULL && handler->failed != NULL && handler->refused != NULL);
    *error = may_open(loop, config, name);
    if (*error != 0) {
        snprintf(why, why_len, "device %s: %s", config->name, io_error_text(*error));
        return NULL;
    }
    struct io_device *device = world_alloc(sizeof *device);
    *device = (struct io_device){.loop = loop,
                                 .host = loop->process->host,
                                 .handler = handler,
                                 .arg = arg,
                                 .kind = config->kind,
                                 .segments = config->segments,
                                 .mtu = config->mtu,
                                 .has_hook = config->hook_file != NULL};
    memcpy(device->name, name, sizeof name);
    struct list *lists[] = {&device->in,        &device->out,     &device->routes,
                            &device->addresses, &device->waiting, &device->refused};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    loop_source_init(&device->source, loop, call, device);
    sim_event_init(&device->work, loop_world(loop), routes_work, device);
    sim_event_init(&device->took, loop_world(loop), took, device);
    io_task_init(&device->settle, loop, routes_settle, device);
    io_task_queue(&device->settle);
    list_append(&loop->devices, &device->node);
    list_append(&device->host->devices, &device->here);
    for (size_t i = 0; i < config->address_count; i++)
        routes_address(device, &config->addresses[i]);
    return device;
}

const char *io_device_name(const struct io_device *device)
{
    return device->name;
}

/* The kernel forgets it. */
static void vanish(struct io_device *device)
{
    list_remove(&device->here);
    sim_event_cancel(&device->work);
    sim_event_cancel(&device->took);
    device_free_list(&device->routes);
    device_free_list(&device->addresses);
    device_free_list(&device->waiting);
    device_free_list(&device->in);
    device_free_list(&device->out);
    device->in_count = device->out_count = device->waiting_count = 0;
    device->host = NULL;
}

void io_device_close(struct io_device *device)
{
    if (device->host != NULL) {
        routes_unblock(device->host, device);
        routes_unblock(device->host, NULL);
        vanish(device);
    }
    device_free_list(&device->refused);
    io_task_cancel(&device->settle);
    loop_source_remove(&device->source);
    list_remove(&device->node);
    process_drop_file(device->loop->process);
    free(device);
}

void device_take_away(struct io_device *device)
{
    vanish(device);
    device->gone = IO_E_NOT_FOUND;
    loop_source_ready(&device->source);
}

void device_kill_all(struct io_loop *loop, bool power)
{
    for (struct list *at = loop->devices.next; at != &loop->devices; at = at->next) {
        struct io_device *device = container_of(at, struct io_device, node);
        if (device->host == NULL)
            continue;
        for (size_t i = 0; i < 2; i++)
            if (device->host->blocker[i] == device)
                device->host->blocker[i] = NULL;
        if (!power)
            routes_unblock(device->host, NULL);
        device_take_away(device);
    }
}

size_t device_count(const struct io_loop *loop)
{
    size_t count = 0;
    for (const struct list *at = loop->devices.next; at != &loop->devices; at = at->next)
        count++;
    return count;
}

/* ---- Packets ---- */

struct device_packet *device_packet_new(const void *bytes, size_t len,
                                        const struct offload *offload)
{
    struct device_packet *packet = world_alloc(sizeof *packet + len);
    list_init(&packet->node);
    packet->offload = *offload;
    packet->len = len;
    memcpy(packet->bytes, bytes, len);
    return packet;
}

ssize_t io_device_read(struct io_device *device, void *packet, size_t max, struct offload *offload)
{
    assert(max >= IO_DEVICE_PACKET_MAX);
    if (device->host == NULL)
        return IO_E_NOT_FOUND;
    if (list_empty(&device->in))
        return IO_AGAIN;
    struct device_packet *first = container_of(device->in.next, struct device_packet, node);
    size_t len = first->len;
    memcpy(packet, first->bytes, len);
    *offload = first->offload;
    list_remove(&first->node);
    device->in_count--;
    free(first);
    return (ssize_t)len;
}

static bool is_ip(const uint8_t *packet, size_t len)
{
    return len > 0 && (packet[0] >> 4 == 4 || packet[0] >> 4 == 6);
}

int io_device_write(struct io_device *device, const void *packet, size_t len,
                    const struct offload *offload)
{
    enum { ETHERNET_LEN = 14 };
    if (device->host == NULL)
        return IO_E_NOT_FOUND;
    bool ethernet = device->kind == IO_DEVICE_ETHERNET;
    if ((ethernet ? len < ETHERNET_LEN : !is_ip(packet, len)) ||
        !offload_fits(offload, packet, len, ethernet) ||
        (offload->cut == OFFLOAD_UDP && device->host->no_udp_segments))
        return IO_E_OTHER;
    if (device->out_count >= device->host->device_room)
        return IO_AGAIN;
    list_append(&device->out, &device_packet_new(packet, len, offload)->node);
    device->out_count++;
    sim_trace(device->host->world, "packet", device->host->id, len, offload->cut);
    if (device->took.slot == 0)
        sim_event_in(&device->took, 0);
    return 0;
}
