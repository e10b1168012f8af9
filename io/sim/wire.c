#include "io/sim/wire.h"

#include <stdlib.h>

enum {
    PACKET_HEADERS = 52,
    LOOPBACK_US = 20,
    DELAY_MAX_US = 400 * 1000,
    STALL_MAX_US = 4 * 1000 * 1000,
};

static void arrive(void *arg);

void wire_init(struct wire *wire, struct sim_world *world,
               void (*arrived)(void *arg, const struct packet *packet), void *arg)
{
    *wire = (struct wire){.world = world, .arrived = arrived, .arg = arg};
    sim_event_init(&wire->event, world, arrive, wire);
}

void wire_clear(struct wire *wire)
{
    sim_event_cancel(&wire->event);
    free(wire->packets);
}

static uint64_t latest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* When a link that is busy until *free_us has passed on a packet it gets at at_us. */
static uint64_t through(uint64_t *free_us, uint64_t bytes_per_s, uint64_t at_us, uint64_t len)
{
    *free_us = latest(*free_us, at_us);
    if (bytes_per_s != 0)
        *free_us += len * 1000000 / bytes_per_s;
    return *free_us;
}

static uint64_t arrival(struct sim_world *world, struct sim_host *from, struct sim_host *to,
                        uint64_t len)
{
    if (from == to)
        return world->now_us + LOOPBACK_US + sim_random_below(world, LOOPBACK_US);
    if (sim_chance(world, world->weather.stall))
        sim_host_stall(from, sim_random_between(world, 1000, STALL_MAX_US));
    uint64_t at_us = latest(world->now_us, from->stalled_until_us);
    at_us = through(&from->out_free_us, from->access.bytes_per_s, at_us, len + PACKET_HEADERS);
    at_us = latest(at_us, to->stalled_until_us);
    at_us += from->access.latency_us + sim_random_below(world, from->access.jitter_us + 1);
    at_us += to->access.latency_us + sim_random_below(world, to->access.jitter_us + 1);
    if (sim_chance(world, world->weather.delay)) {
        sim_fault(world, SIM_DELAY);
        at_us += sim_random_below(world, DELAY_MAX_US);
    }
    return through(&to->in_free_us, to->access.bytes_per_s, at_us, len + PACKET_HEADERS);
}

bool wire_hole(const struct sim_host *from, const struct sim_host *to)
{
    if (to == NULL)
        return true;
    if (from == to)
        return !from->powered;
    return from->hole_out || to->hole_in || !from->powered || !to->powered;
}

static void push(struct wire *wire, const struct packet *packet)
{
    if (wire->count == wire->room) {
        size_t room = wire->room == 0 ? 8 : 2 * wire->room;
        struct packet *packets = world_alloc(room * sizeof *packets);
        for (size_t i = 0; i < wire->count; i++)
            packets[i] = wire->packets[(wire->first + i) % wire->room];
        free(wire->packets);
        wire->packets = packets;
        wire->room = room;
        wire->first = 0;
    }
    wire->packets[(wire->first + wire->count++) % wire->room] = *packet;
}

bool wire_send(struct wire *wire, struct sim_host *from, struct sim_host *to,
               const struct packet *packet)
{
    if (wire_hole(from, to))
        return false;
    struct packet sent = *packet;
    wire->last_us = latest(wire->last_us, arrival(wire->world, from, to, packet->len));
    sent.arrives_us = wire->last_us;
    push(wire, &sent);
    if (wire->count == 1)
        sim_event_at(&wire->event, sent.arrives_us);
    return true;
}

static void arrive(void *arg)
{
    struct wire *wire = arg;
    struct packet packet = wire->packets[wire->first];
    wire->first = (wire->first + 1) % wire->room;
    if (--wire->count > 0)
        sim_event_at(&wire->event, wire->packets[wire->first].arrives_us);
    wire->arrived(wire->arg, &packet);
}
