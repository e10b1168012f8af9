/*
 * Reads along with honest publishers and their server: opens every unit on the wire, with the
 * publisher's keys, and collects the nonces.
 */
#ifndef TESTS_SIM_WIRETAP_H
#define TESTS_SIM_WIRETAP_H

#include "lib/crypto/units.h"
#include "tests/sim/nonces.h"
#include "tests/sim/town.h"

struct wiretap {
    const struct town *town;
    struct units_context *units;
    struct nonces nonces;
    struct list wires;
};

/* Listens to the town's households from now on, until wiretap_end(). */
void wiretap_init(struct wiretap *tap, const struct town *town);
void wiretap_end(struct wiretap *tap);

#endif
