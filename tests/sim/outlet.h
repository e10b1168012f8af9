/*
 * An outlet: the publisher's role on a home of its own, with a credential on its disk.
 */
#ifndef TESTS_SIM_OUTLET_H
#define TESTS_SIM_OUTLET_H

#include "roles/publish/publish.h"
#include "tests/sim/party.h"

#include <adit/snitun_token.h>

enum {
    OUTLET_MEMORY = 6 * 1024 * 1024, /* budget of a publisher */
    OUTLET_CREDENTIAL_MAX = 4096,
};

struct outlet {
    struct sim_host *home;
    char address[IP_TEXT_MAX]; /* the home's */
    struct party party;
    const char *server_name; /* the caller's */
    uint16_t server_port;
    const char *master_url;   /* instead of a credential, or NULL */
    const char *api_key_file; /* on the home's disk */
    struct addr to;           /* the endpoint */
    int proxy_protocol;
    struct snitun_keys keys; /* of its credential */
    size_t token_len;
};

/*
 * Makes its home. server_name stays the caller's. The other fields may be set until it is started.
 */
void outlet_init(struct outlet *outlet, struct sim_world *world, const char *address,
                 const char *server_name, uint16_t server_port, const struct addr *to);

/* Draws keys for a token whose other fields are set. */
void outlet_draw_keys(struct sim_world *world, struct snitun_token *token);

/* Mints the token and writes the credential as a publisher reads it. */
void outlet_credential(struct sim_world *world, const struct snitun_keyring *keyring, double now_s,
                       const struct snitun_token *token, char *out, size_t len);

/* Mints the token and places the credential on the outlet's disk. */
void outlet_set_credential(struct outlet *outlet, const struct snitun_keyring *keyring,
                           const struct snitun_token *token);

void outlet_start(struct outlet *outlet);

/* Fails the world when it holds more than its budget. */
void outlet_check_memory(const struct outlet *outlet);

bool outlet_is_connected(const struct outlet *outlet);

/* It waits for its next attempt. */
bool outlet_is_waiting(const struct outlet *outlet);

/* By the names of its status. */
bool outlet_publish_is_in_state(struct publish *publish, const char *state);

/* How often it has been connected since it was started. */
uint64_t outlet_connections(const struct outlet *outlet);

/* An adit_random_fn over the chance of a world. */
int outlet_random(void *world, void *buf, size_t len);

#endif
