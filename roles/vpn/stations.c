#include "roles/vpn/stations.h"

#include "base/list.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct station {
    struct map_node node;
    struct list of_port;
    uint64_t heard_ms;
    unsigned port;
    uint8_t mac[STATIONS_MAC_LEN];
};

struct port {
    struct list stations; /* the longest silent first */
    size_t count;
};

struct stations {
    struct map by_mac;
    uint8_t seed[16];
    size_t port_count;
    struct port ports[];
};

static bool match(const struct map_node *node, const void *mac)
{
    return memcmp(container_of(node, struct station, node)->mac, mac, STATIONS_MAC_LEN) == 0;
}

static uint64_t hash_of(const struct stations *stations, const uint8_t *mac)
{
    return map_hash(stations->seed, mac, STATIONS_MAC_LEN);
}

static struct station *look_up(const struct stations *stations, const uint8_t *mac)
{
    struct map_node *node = map_find(&stations->by_mac, hash_of(stations, mac), match, mac);

    return node == NULL ? NULL : container_of(node, struct station, node);
}

static bool is_group(const uint8_t *mac)
{
    return (mac[0] & 1) != 0;
}

static bool is_silent(const struct station *station, uint64_t now_ms)
{
    return now_ms - station->heard_ms >= STATIONS_AGE_MS;
}

struct stations *stations_new(size_t port_count, const uint8_t seed[16])
{
    struct stations *stations =
        calloc(1, sizeof(*stations) + port_count * sizeof(stations->ports[0]));

    if (stations == NULL)
        return NULL;
    map_init(&stations->by_mac);
    memcpy(stations->seed, seed, sizeof(stations->seed));
    stations->port_count = port_count;
    for (size_t i = 0; i < port_count; i++)
        list_init(&stations->ports[i].stations);
    return stations;
}

/* ---- A station and its port ---- */

static void attach(struct stations *stations, struct station *station, unsigned port)
{
    station->port = port;
    list_append(&stations->ports[port].stations, &station->of_port);
    stations->ports[port].count++;
}

static void detach(struct stations *stations, struct station *station)
{
    list_remove(&station->of_port);
    stations->ports[station->port].count--;
}

static void drop(struct stations *stations, struct station *station)
{
    detach(stations, station);
    map_remove(&stations->by_mac, &station->node);
    free(station);
}

/* The station of the port that has been silent for longest, or NULL. */
static struct station *oldest(const struct port *port)
{
    return list_empty(&port->stations) ? NULL
                                       : container_of(port->stations.next, struct station, of_port);
}

/* Forgets the port's silent stations; true when it can hold one more. */
static bool make_room(struct stations *stations, unsigned number, uint64_t now_ms)
{
    struct port *port = &stations->ports[number];
    struct station *station;

    while ((station = oldest(port)) != NULL && is_silent(station, now_ms))
        drop(stations, station);
    return port->count < STATIONS_MAX;
}

void stations_forget(struct stations *stations, unsigned port)
{
    struct station *station;

    while ((station = oldest(&stations->ports[port])) != NULL)
        drop(stations, station);
}

void stations_free(struct stations *stations)
{
    if (stations == NULL)
        return;
    for (size_t i = 0; i < stations->port_count; i++)
        stations_forget(stations, (unsigned)i);
    map_clear(&stations->by_mac);
    free(stations);
}

size_t stations_count(const struct stations *stations, unsigned port)
{
    return stations->ports[port].count;
}

/* ---- Frames ---- */

static bool learn(struct stations *stations, unsigned port, const uint8_t *mac, uint64_t now_ms)
{
    struct station *station = calloc(1, sizeof(*station));

    if (station == NULL)
        return false;
    memcpy(station->mac, mac, sizeof(station->mac));
    if (!map_insert(&stations->by_mac, &station->node, hash_of(stations, mac))) {
        free(station);
        return false;
    }
    list_init(&station->of_port);
    station->heard_ms = now_ms;
    attach(stations, station, port);
    return true;
}

enum stations_heard stations_hear(struct stations *stations, unsigned port,
                                  const uint8_t mac[STATIONS_MAC_LEN], uint64_t now_ms)
{
    static const uint8_t zeros[STATIONS_MAC_LEN];
    struct station *station;

    if (is_group(mac) || memcmp(mac, zeros, sizeof(zeros)) == 0)
        return STATIONS_INVALID;
    station = look_up(stations, mac);
    bool here = station != NULL && station->port == port;
    if (!here && !make_room(stations, port, now_ms))
        return STATIONS_FULL;
    if (station == NULL)
        return learn(stations, port, mac, now_ms) ? STATIONS_LEARNED : STATIONS_FULL;

    bool was_silent = is_silent(station, now_ms);
    detach(stations, station);
    station->heard_ms = now_ms;
    attach(stations, station, port);
    if (was_silent)
        return STATIONS_LEARNED;
    return here ? STATIONS_KNOWN : STATIONS_MOVED;
}

int stations_find(const struct stations *stations, const uint8_t mac[STATIONS_MAC_LEN],
                  uint64_t now_ms)
{
    const struct station *station = is_group(mac) ? NULL : look_up(stations, mac);

    return station == NULL || is_silent(station, now_ms) ? STATIONS_FLOOD : (int)station->port;
}
