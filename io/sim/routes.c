#include "io/sim/routes.h"

#include "io/sim/process.h"

#include <stdlib.h>
#include <string.h>

enum {
    REQUEST_MAX_US = 2000, /* what the helper process needs for one */
    HOOK_MAX_US = 2000 * 1000,
};

/* ---- What the helper process does ---- */

struct device_entry *routes_find(const struct list *head, const struct cidr *to)
{
    for (struct list *at = head->next; at != head; at = at->next) {
        struct device_entry *entry = container_of(at, struct device_entry, node);
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
        if (other != device && routes_find(&other->routes, to) != NULL)
            return true;
    }
    return routes_find(&host->routes, to) != NULL;
}

/* True when the entry was kept. */
static bool set_entry(struct io_device *device, struct device_entry *entry)
{
    struct list *head = entry->kind == ENTRY_ROUTE ? &device->routes : &device->addresses;
    struct device_entry *there = routes_find(head, &entry->to);
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

void routes_unblock(struct sim_host *host, const struct io_device *device)
{
    for (size_t i = 0; i < 2; i++) {
        if (host->blocker[i] == device) {
            host->blocked[i] = false;
            host->blocker[i] = NULL;
        }
    }
}

static void set_everything(struct io_device *device, const struct device_entry *entry)
{
    size_t at = device_family(entry->to.ip.family);
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

static void do_one(struct io_device *device, struct device_entry *entry)
{
    if (entry->kind == ENTRY_SETTLE) {
        routes_unblock(device->host, NULL);
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

void routes_work(void *arg)
{
    struct io_device *device = arg;
    struct device_entry *entry = container_of(device->waiting.next, struct device_entry, node);
    list_remove(&entry->node);
    device->waiting_count--;
    do_one(device, entry);
    plan_work(device);
}

static int ask(struct io_device *device, struct device_entry what)
{
    if (device->host == NULL)
        return 0;
    if (device->waiting_count >= IO_DEVICE_WAITING_MAX)
        return IO_E_FULL;
    struct device_entry *entry = world_alloc(sizeof *entry);
    *entry = what;
    list_append(&device->waiting, &entry->node);
    device->waiting_count++;
    plan_work(device);
    return 0;
}

void routes_settle(void *arg)
{
    (void)ask(arg, (struct device_entry){.kind = ENTRY_SETTLE});
}

void routes_address(struct io_device *device, const struct io_device_address *address)
{
    struct device_entry *entry = world_alloc(sizeof *entry);
    entry->kind = ENTRY_ADDRESS;
    entry->on = true;
    entry->to.ip = address->ip;
    entry->to.prefix_len = address->prefix_len;
    if (!set_entry(device, entry))
        free(entry);
}

int io_device_address(struct io_device *device, const struct io_device_address *address, bool add)
{
    struct cidr to = {.ip = address->ip, .prefix_len = address->prefix_len};
    return ask(device, (struct device_entry){.kind = ENTRY_ADDRESS, .to = to, .on = add});
}

int io_device_route(struct io_device *device, const struct cidr *to, bool add)
{
    return ask(device, (struct device_entry){.kind = ENTRY_ROUTE, .to = *to, .on = add});
}

int io_device_everything(struct io_device *device, unsigned family, bool on, bool block)
{
    struct cidr to = {.ip = {.family = (uint8_t)family}};
    return ask(device,
               (struct device_entry){.kind = ENTRY_EVERYTHING, .to = to, .on = on, .block = block});
}

/* ---- Past the device ---- */

bool routes_take(const struct sim_host *host, const struct adit_ip *to)
{
    size_t family = device_family(to->family);
    if (host_has(host, to))
        return false;
    for (const struct list *at = host->devices.next; at != &host->devices; at = at->next)
        if (container_of(at, struct io_device, here)->everything[family])
            return true;
    return host->blocked[family];
}

void routes_free(struct sim_host *host)
{
    device_free_list(&host->routes);
    sim_event_cancel(&host->hook_end);
}

/* ---- The hook ---- */

static void run_next_hook(struct sim_host *host)
{
    host->hook = host->next_hook;
    host->hook_waits = false;
    host->hooks++;
    sim_event_in(&host->hook_end, sim_random_below(host->world, HOOK_MAX_US));
}

static void hook_ended(void *arg)
{
    struct sim_host *host = arg;
    sim_trace(host->world, "hook ended", host->id, 0, 0);
    if (host->hook_waits)
        run_next_hook(host);
}

int io_device_hook(struct io_device *device, const struct adit_ip *servers, size_t count)
{
    if (device->host == NULL)
        return 0;
    struct sim_host *host = device->host;
    if (count > IO_DEVICE_DNS_MAX)
        return IO_E_TOO_LARGE;
    if (!device->has_hook)
        return IO_E_NOT_FOUND;
    host->next_hook.count = 2 + count;
    char *to = stpcpy(host->next_hook.text, "dns") + 1;
    to = stpcpy(to, io_device_name(device)) + 1;
    for (size_t i = 0; i < count; i++) {
        ip_format(&servers[i], to);
        to += strlen(to) + 1;
    }
    host->hook_waits = host->hook_end.slot != 0;
    if (!host->hook_waits) {
        sim_event_init(&host->hook_end, host->world, hook_ended, host);
        run_next_hook(host);
    }
    return 0;
}
