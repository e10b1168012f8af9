#include "io/sim/host.h"

#include "io/sim/conn.h"
#include "io/sim/disk.h"
#include "io/sim/port.h"
#include "io/sim/routes.h"

#include <stdlib.h>

enum {
    LATENCY_MAX_US = 60 * 1000,
    JITTER_MAX_US = 3 * 1000,
    RATE_MIN_BYTES_PER_S = 250 * 1000,
    RATE_DOUBLINGS_MAX = 12, /* up to 1 GB/s */
    FIRST_FREE_PORT = 32768,
};

static struct sim_access draw_access(struct sim_world *world)
{
    return (struct sim_access){
        .latency_us = sim_random_below(world, LATENCY_MAX_US),
        .jitter_us = sim_random_below(world, JITTER_MAX_US),
        .bytes_per_s = (uint64_t)RATE_MIN_BYTES_PER_S
                       << sim_random_below(world, RATE_DOUBLINGS_MAX + 1),
    };
}

struct sim_host *sim_host_new(struct sim_world *world, const char *name, const char *address)
{
    struct sim_host *host = world_alloc(sizeof *host);
    host->world = world;
    host->id = list_empty(&world->hosts)
                   ? 1
                   : container_of(world->hosts.prev, struct sim_host, node)->id + 1;
    snprintf(host->name, sizeof host->name, "%s", name);
    host->access = draw_access(world);
    host->powered = true;
    host->next_port = FIRST_FREE_PORT;
    list_init(&host->ports);
    list_init(&host->devices);
    list_init(&host->routes);
    host->privileged = true;
    host->device_room = HOST_DEVICE_ROOM;
    list_append(&world->hosts, &host->node);
    host->disk = disk_new(host);
    sim_host_add_address(host, address);
    return host;
}

void sim_host_add_address(struct sim_host *host, const char *address)
{
    struct adit_ip ip;
    if (host->address_count == HOST_ADDRESSES_MAX || !ip_parse(address, &ip) ||
        host_find(host->world, &ip) != NULL)
        abort();
    host->addresses[host->address_count++] = ip;
}

struct sim_world *sim_host_world(const struct sim_host *host)
{
    return host->world;
}

const char *sim_host_name(const struct sim_host *host)
{
    return host->name;
}

void host_free_all(struct sim_world *world)
{
    while (!list_empty(&world->hosts)) {
        struct sim_host *host = container_of(world->hosts.next, struct sim_host, node);
        if (host->process != NULL)
            abort();
        disk_free(host->disk);
        routes_free(host);
        list_remove(&host->node);
        free(host);
    }
}

/* ---- Addresses ---- */

static bool loopback(const struct adit_ip *ip)
{
    static const struct adit_ip v6 = {.family = 6, .bytes = {[15] = 1}};
    return (ip->family == 4 && ip->bytes[0] == 127) || ip_equal(ip, &v6);
}

bool host_has(const struct sim_host *host, const struct adit_ip *ip)
{
    if (loopback(ip) || ip->family == 0)
        return true;
    for (size_t i = 0; i < host->address_count; i++)
        if (ip_equal(&host->addresses[i], ip))
            return true;
    return false;
}

struct sim_host *host_find(struct sim_world *world, const struct adit_ip *ip)
{
    if (loopback(ip) || ip->family == 0)
        return NULL;
    for (struct list *at = world->hosts.next; at != &world->hosts; at = at->next) {
        struct sim_host *host = container_of(at, struct sim_host, node);
        if (host_has(host, ip))
            return host;
    }
    return NULL;
}

bool host_source(const struct sim_host *host, uint8_t family, struct adit_ip *ip)
{
    for (size_t i = 0; i < host->address_count; i++) {
        if (host->addresses[i].family == family) {
            *ip = host->addresses[i];
            return true;
        }
    }
    return false;
}

uint16_t host_free_port(struct sim_host *host)
{
    uint16_t port = host->next_port;
    host->next_port = port == UINT16_MAX ? FIRST_FREE_PORT : (uint16_t)(port + 1);
    return port;
}

/* ---- Settings and harm ---- */

void sim_host_set_access(struct sim_host *host, const struct sim_access *access)
{
    host->access = *access;
}

void sim_host_set_buffers(struct sim_host *host, size_t send, size_t receive)
{
    host->send_buffer = send;
    host->receive_buffer = receive;
}

void sim_host_set_files_max(struct sim_host *host, size_t files)
{
    host->files_max = files;
}

void sim_host_set_backlog(struct sim_host *host, size_t connections)
{
    host->backlog = connections;
}

void sim_host_set_holes(struct sim_host *host, bool out, bool in)
{
    if (out && !host->hole_out)
        sim_fault(host->world, SIM_HOLE_OUT);
    if (in && !host->hole_in)
        sim_fault(host->world, SIM_HOLE_IN);
    host->hole_out = out;
    host->hole_in = in;
}

void sim_host_set_refusing(struct sim_host *host, bool refusing)
{
    host->refusing = refusing;
}

void sim_host_set_unreachable(struct sim_host *host, bool unreachable)
{
    host->unreachable = unreachable;
}

void sim_host_stall(struct sim_host *host, uint64_t for_us)
{
    uint64_t until_us = host->world->now_us + for_us;
    sim_fault(host->world, SIM_STALL);
    if (until_us > host->stalled_until_us)
        host->stalled_until_us = until_us;
}

void sim_host_jump_wall(struct sim_host *host, double jump_s)
{
    sim_fault(host->world, SIM_WALL_JUMP);
    host->wall_offset_s += jump_s;
}

double sim_host_wall_s(const struct sim_host *host)
{
    enum { START_S = 1800000000 };
    return START_S + host->wall_offset_s + (double)host->world->now_us / 1e6;
}
