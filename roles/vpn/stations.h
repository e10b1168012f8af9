/*
 * The learning switch of Ethernet mode: behind which port a station (a MAC address) was heard last.
 * Ports are numbers below the count given to stations_new(): a peer each, and the caller's own
 * device where it wants one.
 *
 * A port holds STATIONS_MAX stations at most and only ever pushes out its own silent ones, so a
 * peer that invents addresses makes nobody else's be forgotten; frames to what does not fit are
 * flooded, as with any switch. A station that is heard behind another port has moved there, if that
 * one has room. The caller keeps the topology free of loops: it never sends a frame back to the
 * port that it came from, and what joins peers by two ways needs a spanning tree of its own.
 *
 * One thread. now_ms is any clock that never runs backwards.
 */
#ifndef ROLES_VPN_STATIONS_H
#define ROLES_VPN_STATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATIONS_MAC_LEN = 6,
    STATIONS_MAX = 1024,      /* a port */
    STATIONS_AGE_MS = 300000, /* a station that was silent for so long is unknown */
    STATIONS_FLOOD = -1,
};

struct stations;

/* The seed is random: who chooses addresses must not choose buckets. NULL without memory. */
struct stations *stations_new(size_t port_count, const uint8_t seed[16]);
void stations_free(struct stations *stations);

enum stations_heard {
    STATIONS_KNOWN,
    STATIONS_LEARNED,
    STATIONS_MOVED,   /* it was behind another port */
    STATIONS_FULL,    /* the port has STATIONS_MAX that are not silent, or no memory: not learned */
    STATIONS_INVALID, /* no station can have this address: a group's, or zeros. Drop the frame */
};

/* A frame from this address came from this port. */
enum stations_heard stations_hear(struct stations *stations, unsigned port,
                                  const uint8_t mac[STATIONS_MAC_LEN], uint64_t now_ms);

/* The port for frames to this address, or STATIONS_FLOOD: a group, broadcast, unknown, silent. */
int stations_find(const struct stations *stations, const uint8_t mac[STATIONS_MAC_LEN],
                  uint64_t now_ms);

/* Forgets all of a port's: its peer is gone. */
void stations_forget(struct stations *stations, unsigned port);

size_t stations_count(const struct stations *stations, unsigned port);

#endif
