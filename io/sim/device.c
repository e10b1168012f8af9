#include "io/sim/device.h"

#include "io/device.h"
#include "io/packet.h"
#include "io/sim/process.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN_QUEUE_MAX = 500,    /* packets that wait to be read: a tun device's default */
    REQUEST_MAX_US = 2000, /* what the helper process needs for one */
    HOOK_MAX_US = 2000 * 1000,
};

struct packet {
    struct list node;
    struct offload offload;
    size_t len;
    uint8_t bytes[];
};

/* A route or an address, and in the queue what is to become of it. */
struct entry {
    struct list node;
    enum { ENTRY_ROUTE, ENTRY_ADDRESS, ENTRY_EVERYTHING, ENTRY_SETTLE } kind;
    struct cidr to; /* of ENTRY_EVERYTHING the family alone */
    bool on;
    bool block;
    int error; /* why it was refused */
};

struct io_device {
    struct list node; /* of the loop's devices */
    struct list here; /* of the host's devices */
    struct io_loop *loop;
    struct sim_host *host; /* NULL = the process was killed */
    struct loop_source source;
    const struct io_device_handler *handler;
    void *arg;
    char name[IO_DEVICE_NAME_MAX];
    enum io_device_kind kind;
    bool segments;
    uint16_t mtu;
    bool has_hook;
    int gone;        /* why it was taken away; then it is told */
    bool readable;   /* to be told */
    struct list in;  /* from the kernel */
    struct list out; /* to the kernel */
    size_t in_count;
    size_t out_count;
    struct list routes;
    struct list addresses;
    bool everything[2]; /* IPv4, IPv6 */
    struct list waiting;
    size_t waiting_count;
    struct sim_event work; /* the helper process does the next of `waiting` */
    struct list refused;   /* to be told */
    struct io_task settle;
    struct sim_event took; /* tells the scenario of a packet in `out` */
    void (*written)(void *arg);
    void *written_arg;
};

static size_t family_at(unsigned family)
{
    return family == 6 ? 1 : 0;
}

static void free_list(struct list *head)
{
    while (!list_empty(head)) {
        struct list *first = head->next;
        list_remove(first);
        free(container_of(first, struct entry, node)); /* entries and packets start with the node */
    }
}

/* ---- What the loop tells ---- */

static void call(void *arg)
{
    struct io_device *device = arg;
    struct io_loop *loop = device->loop;
    while (!list_empty(&device->refused)) {
        struct entry *entry = container_of(device->refused.next, struct entry, node);
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

static void tell_readable(struct io_device *device)
{
    device->readable = true;
    loop_source_ready(&device->source);
}

void io_device_again(struct io_device *device)
{
    tell_readable(device);
}

/* ---- What the helper process does ---- */

static struct entry *find(const struct list *head, const struct cidr *to)
{
    for (struct list *at = head->next; at != head; at = at->next) {
        struct entry *entry = container_of(at, struct entry, node);
        if (entry->to.prefix_len == to->prefix_len && ip_equal(&entry->to.ip, &to->ip))
            return entry;
    }
    return NULL;
}

static bool route_of_another(const struct io_device *device, const struct cidr *to)
{
    const struct sim_host *host = device->host;
    for (const struct list *at = host->devices.next; at != &host->devices; at = at->next) {
        const struct io_device *other = container_of(at, struct io_device, here);
        if (other != device && find(&other->routes, to) != NULL)
            return true;
    }
    return find(&host->routes, to) != NULL;
}

/* True when the entry was kept. */
static bool set_entry(struct io_device *device, struct entry *entry)
{
    struct list *head = entry->kind == ENTRY_ROUTE ? &device->routes : &device->addresses;
    struct entry *there = find(head, &entry->to);
    if (entry->on && there == NULL) {
        list_append(head, &entry->node);
        return true;
    }
    if (!entry->on && there != NULL) {
        list_remove(&there->node);
        free(there);
    }
    return false;
}

static void unblock(struct sim_host *host, const void *owner)
{
    for (size_t i = 0; i < 2; i++) {
        if (host->blocker[i] == owner) {
            host->blocked[i] = false;
            host->blocker[i] = NULL;
        }
    }
}

static void set_everything(struct io_device *device, const struct entry *entry)
{
    size_t at = family_at(entry->to.ip.family);
    struct sim_host *host = device->host;
    device->everything[at] = entry->on;
    if (entry->on && entry->block) {
        host->blocked[at] = true;
        host->blocker[at] = device;
    } else if (host->blocker[at] == device) {
        host->blocked[at] = false;
        host->blocker[at] = NULL;
    }
}

static void do_one(struct io_device *device, struct entry *entry)
{
    if (entry->kind == ENTRY_SETTLE) {
        unblock(device->host, NULL);
    } else if (entry->kind == ENTRY_EVERYTHING) {
        set_everything(device, entry);
    } else {
        if (entry->kind == ENTRY_ROUTE && entry->on && route_of_another(device, &entry->to)) {
            entry->error = IO_E_EXISTS;
            list_append(&device->refused, &entry->node);
            loop_source_ready(&device->source);
            return;
        }
        if (set_entry(device, entry))
            return;
    }
    free(entry);
}

static void plan_work(struct io_device *device)
{
    struct sim_world *world = loop_world(device->loop);
    if (device->work.slot == 0 && !list_empty(&device->waiting))
        sim_event_in(&device->work, sim_random_below(world, REQUEST_MAX_US));
}

static void work(void *arg)
{
    struct io_device *device = arg;
    struct entry *entry = container_of(device->waiting.next, struct entry, node);
    list_remove(&entry->node);
    device->waiting_count--;
    do_one(device, entry);
    plan_work(device);
}

static int ask(struct io_device *device, struct entry what)
{
    if (device->host == NULL)
        return 0;
    if (device->waiting_count >= IO_DEVICE_WAITING_MAX)
        return IO_E_FULL;
    struct entry *entry = world_alloc(sizeof *entry);
    *entry = what;
    list_append(&device->waiting, &entry->node);
    device->waiting_count++;
    plan_work(device);
    return 0;
}

static void settle(void *arg)
{
    (void)ask(arg, (struct entry){.kind = ENTRY_SETTLE});
}

int io_device_address(struct io_device *device, const struct io_device_address *address, bool add)
{
    struct cidr to = {.ip = address->ip, .prefix_len = address->prefix_len};
    return ask(device, (struct entry){.kind = ENTRY_ADDRESS, .to = to, .on = add});
}

int io_device_route(struct io_device *device, const struct cidr *to, bool add)
{
    return ask(device, (struct entry){.kind = ENTRY_ROUTE, .to = *to, .on = add});
}

int io_device_everything(struct io_device *device, unsigned family, bool on, bool block)
{
    struct cidr to = {.ip = {.family = (uint8_t)family}};
    return ask(device,
               (struct entry){.kind = ENTRY_EVERYTHING, .to = to, .on = on, .block = block});
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
    sim_event_init(&device->work, loop_world(loop), work, device);
    sim_event_init(&device->took, loop_world(loop), took, device);
    io_task_init(&device->settle, loop, settle, device);
    io_task_queue(&device->settle);
    list_append(&loop->devices, &device->node);
    list_append(&device->host->devices, &device->here);
    for (size_t i = 0; i < config->address_count; i++) {
        struct entry *entry = world_alloc(sizeof *entry);
        entry->kind = ENTRY_ADDRESS;
        entry->on = true;
        entry->to.ip = config->addresses[i].ip;
        entry->to.prefix_len = config->addresses[i].prefix_len;
        if (!set_entry(device, entry))
            free(entry);
    }
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
    free_list(&device->routes);
    free_list(&device->addresses);
    free_list(&device->waiting);
    free_list(&device->in);
    free_list(&device->out);
    device->in_count = device->out_count = device->waiting_count = 0;
    device->host = NULL;
}

void io_device_close(struct io_device *device)
{
    if (device->host != NULL) {
        unblock(device->host, device);
        unblock(device->host, NULL);
        vanish(device);
    }
    free_list(&device->refused);
    io_task_cancel(&device->settle);
    loop_source_remove(&device->source);
    list_remove(&device->node);
    process_drop_file(device->loop->process);
    free(device);
}

static void take_away(struct io_device *device)
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
            unblock(device->host, NULL);
        take_away(device);
    }
}

struct io_loop *device_loop(const struct io_device *device)
{
    return device->loop;
}

size_t device_count(const struct io_loop *loop)
{
    size_t count = 0;
    for (const struct list *at = loop->devices.next; at != &loop->devices; at = at->next)
        count++;
    return count;
}

void device_free_all(struct sim_host *host)
{
    free_list(&host->routes);
    sim_event_cancel(&host->hook_end);
}

/* ---- Packets ---- */

static struct packet *packet_new(const void *bytes, size_t len, const struct offload *offload)
{
    struct packet *packet = world_alloc(sizeof *packet + len);
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
    struct packet *first = container_of(device->in.next, struct packet, node);
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
        !packet_fits(offload, packet, len, ethernet))
        return IO_E_OTHER;
    if (device->out_count >= device->host->device_room)
        return IO_AGAIN;
    list_append(&device->out, &packet_new(packet, len, offload)->node);
    device->out_count++;
    sim_trace(device->host->world, "packet", device->host->id, len, offload->cut);
    if (device->took.slot == 0)
        sim_event_in(&device->took, 0);
    return 0;
}

/* ---- Past the device ---- */

bool device_takes(const struct sim_host *host, const struct adit_ip *to)
{
    size_t family = family_at(to->family);
    if (host_has(host, to))
        return false;
    for (const struct list *at = host->devices.next; at != &host->devices; at = at->next)
        if (container_of(at, struct io_device, here)->everything[family])
            return true;
    return host->blocked[family];
}

/* ---- The hook ---- */

static void hook_ended(void *arg)
{
    struct sim_host *host = arg;
    sim_trace(host->world, "hook ended", host->id, 0, 0);
}

int io_device_hook(struct io_device *device, const char *const *arguments, size_t count)
{
    size_t len = 0;
    if (device->host == NULL)
        return 0;
    struct sim_host *host = device->host;
    for (size_t i = 0; i < count && i < IO_DEVICE_HOOK_ARGUMENTS; i++)
        len += strlen(arguments[i]) + 1;
    if (count > IO_DEVICE_HOOK_ARGUMENTS || len > IO_DEVICE_HOOK_TEXT)
        return IO_E_TOO_LARGE;
    if (!device->has_hook)
        return IO_E_NOT_FOUND;
    if (host->hook_end.slot != 0)
        return IO_E_FULL;
    host->hook_count = count;
    char *to = host->hook_text;
    for (size_t i = 0; i < count; i++)
        to = stpcpy(to, arguments[i]) + 1;
    host->hooks++;
    sim_event_init(&host->hook_end, host->world, hook_ended, host);
    sim_event_in(&host->hook_end, sim_random_below(host->world, HOOK_MAX_US));
    return 0;
}

uint64_t sim_host_hooks(const struct sim_host *host)
{
    return host->hooks;
}

const char *sim_host_hook_argument(const struct sim_host *host, size_t index)
{
    const char *at = host->hook_text;
    if (index >= host->hook_count)
        return NULL;
    for (; index > 0; index--)
        at += strlen(at) + 1;
    return at;
}

/* ---- The scenario's side ---- */

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
    struct entry *entry = world_alloc(sizeof *entry);
    entry->to = *to;
    list_append(&host->routes, &entry->node);
}

void sim_host_set_device_room(struct sim_host *host, size_t packets)
{
    host->device_room = packets;
}

bool sim_host_blocked(const struct sim_host *host, unsigned family)
{
    return host->blocked[family_at(family)];
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
    list_append(&device->in, &packet_new(packet, len, offload == NULL ? &whole : offload)->node);
    device->in_count++;
    tell_readable(device);
    return true;
}

size_t sim_device_receive(struct io_device *device, void *packet, size_t max,
                          struct offload *offload)
{
    if (list_empty(&device->out))
        return 0;
    struct packet *first = container_of(device->out.next, struct packet, node);
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
    unblock(device->host, device);
    take_away(device);
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
    return find(&device->routes, to) != NULL;
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
    return find(&device->addresses, address) != NULL;
}

size_t sim_device_addresses(const struct io_device *device)
{
    return entries(&device->addresses);
}

bool sim_device_everything(const struct io_device *device, unsigned family)
{
    return device->everything[family_at(family)];
}
