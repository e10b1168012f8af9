/*
 * Somebody who tries to get in where files are received: with a login that is not quite right, or
 * with one that he has overheard there, word for word. He must not get a word back.
 */
#ifndef TESTS_SIM_BURGLAR_H
#define TESTS_SIM_BURGLAR_H

#include "tests/sim/party.h"

#include <adit/sodiumtcp.h>

enum { BURGLAR_LOGIN_LEN = 400, BURGLAR_HEARD_MAX = 4 };

/* What is counted of him by sim_tally(). */
enum burglar_deed { BURGLAR_GUESSED, BURGLAR_REPLAYED, BURGLAR_DEEDS };
extern const char *const burglar_deed_names[BURGLAR_DEEDS + 1]; /* ends with NULL */

struct burglar {
    struct sim_world *world;
    struct adit_ip ip;
    struct party party;
    struct addr at; /* of the server */
    uint8_t server_key[SODIUMTCP_KEY_LEN];
    struct burglar_heard {
        uint64_t conn;
        size_t len;
        bool answered; /* so the server knows it: it may not take it again */
        uint8_t bytes[BURGLAR_LOGIN_LEN];
    } heard[BURGLAR_HEARD_MAX];
    size_t heard_count;
};

/* On a new host. Overhears everything (sim_watch()) until it stops. alice's passphrase is "secret".
 */
void burglar_start(struct burglar *burglar, struct sim_world *world, const char *address,
                   const struct addr *at, const uint8_t server_key[SODIUMTCP_KEY_LEN]);
void burglar_stop(struct burglar *burglar);

#endif
