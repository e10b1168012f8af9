/*
 * A town: a server, households that publish through it, devices that call them. What happens to it
 * is the scenario's matter; what must hold after every event is checked here.
 */
#ifndef TESTS_SIM_TOWN_H
#define TESTS_SIM_TOWN_H

#include "roles/server/server.h"
#include "tests/sim/chancery.h"
#include "tests/sim/chaos.h"
#include "tests/sim/household.h"

enum {
    TOWN_HOUSEHOLDS_MAX = 3,
    TOWN_DEVICES_MAX = 3,
    TOWN_WORKERS_MAX = 3,
    TOWN_SECOND_US = 1000 * 1000,
};

#define TOWN_SERVER_NAME    "tunnel.example.net"
#define TOWN_SERVER_ADDRESS "192.0.2.1"

struct town {
    struct sim_world *world;
    struct snitun_keyring keyring;
    struct sim_host *server_host;
    struct party server;
    struct addr server_at;
    unsigned workers;
    struct chancery *chancery; /* or NULL */
    struct household households[TOWN_HOUSEHOLDS_MAX];
    size_t household_count;
    struct household website; /* behind a fixed route */
    struct service unknown;   /* a name that nobody publishes */
    struct sim_host *device_hosts[TOWN_DEVICES_MAX];
    struct sim_process *devices[TOWN_DEVICES_MAX];
    size_t device_count;
    struct transfers transfers;
    struct chaos chaos;
    uint32_t early_per_worker; /* limit of the server, before it starts; 0 = its default */
    uint64_t give_up_ms;       /* of a device that calls */
    uint64_t first_calm;       /* transfers from this number on must come through */
};

/*
 * Builds and starts everything; the counts are drawn from the seed up to those given, and whether
 * a household has two publishers.
 */
void town_build(struct town *town, struct sim_world *world, size_t households_max,
                size_t devices_max, unsigned twins_per_10000);

/*
 * The same with a session master that gives the publishers' tokens, and tells the server what was
 * revoked. It is cleared by the caller after town_end().
 */
void town_build_chartered(struct town *town, struct sim_world *world, size_t households_max,
                          size_t devices_max, struct chancery *chancery, uint32_t token_valid_s);

/* A device, by chance, calls for a transfer. */
void town_call(struct town *town, struct transfer *transfer);

/* True when no caller runs, and no answerer of a caller that is done. */
bool town_is_quiet(const struct town *town);

/* From now on transfers must come through, however long they take; and whether they have. */
void town_calm(struct town *town, uint64_t give_up_ms);
void town_check_calm(const struct town *town);

/* The server has a peer for a household's name; and that household's publisher thinks so, too. */
bool town_serves(const struct town *town, size_t household);
bool town_is_published(const struct town *town, size_t household);

/* The server's machine is gone, without a word; another one takes its name at the next address. */
void town_move_server(struct town *town);

/* What must hold after every event. */
void town_check(void *town);

void town_run_seconds(struct town *town, uint64_t seconds);

/* Stops all and checks that nothing is left. */
void town_end(struct town *town);

#endif
