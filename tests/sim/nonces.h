/*
 * The nonces that were seen under each key: none may come twice.
 */
#ifndef TESTS_SIM_NONCES_H
#define TESTS_SIM_NONCES_H

#include "io/sim/sim.h"

enum { NONCE_KEY_LEN = 32, NONCE_LEN_MAX = 24 };

struct nonce {
    uint8_t key[NONCE_KEY_LEN];
    uint8_t nonce[NONCE_LEN_MAX]; /* shorter ones are followed by zeros */
};

struct nonces {
    struct nonce *seen;
    size_t count;
    size_t room;
};

void nonces_add(struct nonces *nonces, const uint8_t key[NONCE_KEY_LEN], const uint8_t *nonce,
                size_t nonce_len);

/* Fails the world where one came twice; frees what was collected. */
void nonces_end(struct nonces *nonces, struct sim_world *world);

#endif
