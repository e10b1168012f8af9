/*
 * A household: a publisher at home, its endpoint on a site, a name under which it is called.
 */
#ifndef TESTS_SIM_HOUSEHOLD_H
#define TESTS_SIM_HOUSEHOLD_H

#include "tests/sim/answerer.h"
#include "tests/sim/outlet.h"

struct household {
    struct sim_world *world;
    char name[32];
    struct service service;
    struct sim_host *site; /* of the endpoint */
    struct outlet publisher;
    struct outlet twin; /* another publisher with the same credential */
    struct party endpoint;
    struct answerers answerers;
    struct addr endpoint_at;
    struct snitun_token token;
    bool publishes; /* has a publisher: no site alone */
    bool has_twin;
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

/* The same with a publisher that gets its tokens from the chancery, where the host is added. */
struct chancery;
void household_start_chartered(struct household *household, struct transfers *transfers, size_t i,
                               struct chancery *chancery);

/* Another credential, from the next connection of its publisher on; keys and cipher are set. */
void household_renew(struct household *household, const struct snitun_keyring *keyring,
                     const struct snitun_keys *keys);

/* The same without a publisher: a site alone, for a fixed route. */
void household_start_site(struct household *household, struct transfers *transfers, size_t i);

/* Stops what was started; and whether all of that is over. */
void household_stop(struct household *household);
bool household_is_over(const struct household *household);

#endif
