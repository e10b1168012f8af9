/*
 * A role made of villains: a client that claims a name with valid tokens, again and again; or a
 * server that publishers were led to.
 */
#ifndef TESTS_SIM_GANG_H
#define TESTS_SIM_GANG_H

#include "tests/sim/party.h"
#include "tests/sim/villain.h"

struct gang {
    struct villains villains;
    struct party party;
    enum snitun_role role;
    struct addr at;   /* where the server listens, or the one that is called */
    const char *name; /* that a client claims; the caller's */
    char token[SNITUN_TOKEN_MINT_MAX + 1];
    struct snitun_keys keys;
};

/* On a host that has no process. */
void gang_start(struct gang *gang, struct sim_host *host, const struct snitun_keyring *keyring,
                enum snitun_role role, const struct addr *at, const char *name);
void gang_stop(struct gang *gang);

/* After it is over: checks what was seen. */
void gang_end(struct gang *gang);

#endif
