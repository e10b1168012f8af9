/*
 * A stranger with no key of anybody's, who calls at every port and says nothing, noise, or what it
 * has overheard there: whole, in part, changed. It takes what it is told, and stays as long as it
 * likes.
 */
#ifndef TESTS_SIM_STRANGER_H
#define TESTS_SIM_STRANGER_H

#include "tests/sim/party.h"

enum {
    STRANGER_PORTS_MAX = 4,
    STRANGER_HEARD_MAX = 4,    /* connections whose beginning it remembers, for each port */
    STRANGER_HEARD_LEN = 2048, /* bytes of each */
};

struct stranger_heard {
    uint64_t conn;
    size_t len;
    uint8_t bytes[STRANGER_HEARD_LEN];
};

struct stranger_port {
    struct addr at;
    const char *name;
    unsigned tally; /* of its calls there */
    uint64_t newest;
    struct stranger_heard heard[STRANGER_HEARD_MAX];
    size_t heard_count;
};

struct stranger {
    struct sim_world *world;
    struct sim_host *host;
    struct adit_ip ip;
    struct party party;
    struct stranger_port ports[STRANGER_PORTS_MAX];
    size_t port_count;
    bool quiet;     /* makes no more calls of its own */
    size_t waiting; /* calls that the other side has to end */
};

/* On a new host. Overhears everything from now on; starts with its party. */
void stranger_init(struct stranger *stranger, struct sim_world *world, const char *address);
void stranger_add_port(struct stranger *stranger, const struct addr *at, const char *name,
                       unsigned tally);

/*
 * From now on it makes only these calls: one of each manner at each port, which it does not end.
 * The world fails unless all are ended by the other side in time; true when they have been.
 */
void stranger_stay(struct stranger *stranger);
bool stranger_was_shown_out(const struct stranger *stranger);

#endif
