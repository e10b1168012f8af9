/*
 * A household: a publisher at home, its endpoint on a site, a name under which it is called.
 */
#ifndef TESTS_SIM_HOUSEHOLD_H
#define TESTS_SIM_HOUSEHOLD_H

#include "roles/publish/publish.h"
#include "tests/sim/answerer.h"
#include "tests/sim/party.h"

#include <adit/snitun_token.h>

enum { HOUSEHOLD_MEMORY = 6 * 1024 * 1024 }; /* budget of a publisher */

struct household {
    struct sim_world *world;
    char name[32];
    struct service service;
    struct sim_host *home;
    struct sim_host *site; /* of the endpoint */
    struct party publisher;
    struct sim_host *second_home; /* NULL, or of the twin: */
    struct party twin;            /* another publisher with the same credential */
    struct party endpoint;
    struct answerers answerers;
    struct addr endpoint_at;
    const char *server_name;
    uint16_t server_port;
    int proxy_protocol;
};

/* Callers of `name` begin with its ClientHello and may be refused with an alert. */
void household_name_service(struct service *service, const char *name);

/*
 * Number i: makes its hosts and a credential from the keyring, and starts endpoint, publisher and,
 * if there is to be one, its twin. server_name stays the caller's.
 */
void household_start(struct household *household, struct transfers *transfers, size_t i,
                     const struct snitun_keyring *keyring, const char *server_name,
                     uint16_t server_port, bool twin);

/*
 * The same without a publisher: a site alone, for a fixed route. `home` is NULL.
 */
void household_start_site(struct household *household, struct transfers *transfers, size_t i);

/* Stops what was started; and whether all of that is over. */
void household_stop(struct household *household);
bool household_is_over(const struct household *household);

bool household_is_connected(const struct household *household);

/* How often its publisher has been connected since it was started. */
uint64_t household_connections(const struct household *household);

/* An adit_random_fn over the chance of a world. */
int household_random(void *world, void *buf, size_t len);

#endif
