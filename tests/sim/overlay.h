/*
 * Two or three ends of a VPN, each joined with each, one link by a machine on the path that may
 * turn hostile; what they send each other; and the proof that all reach all.
 */
#ifndef TESTS_SIM_OVERLAY_H
#define TESTS_SIM_OVERLAY_H

#include "tests/sim/chaos.h"
#include "tests/sim/meddler.h"
#include "tests/sim/nonces.h"
#include "tests/sim/vpnend.h"

enum {
    OVERLAY_MEDDLED_MAX = 300, /* of 10,000 pieces: as hostile as the path gets */
    OVERLAY_AWAY_MAX_S = 10,   /* how long an end is down, or the path */
    /* Silence is noticed after 20 s, and then there may be an attempt that hangs for 10 s and a
     * pause of 60 s. */
    OVERLAY_BACK_S = 20 + 10 + 60 + 10,
};

struct overlay {
    struct sim_world *world;
    struct vpnend ends[VPNEND_MAX];
    size_t count;
    struct meddler path; /* between the first two */
    struct letters letters;
    struct nonces seals;
    struct sim_event turn;
    uint64_t turn_us;
    struct sim_event load;
    uint64_t pause_max_us; /* between two bursts; 0 = none come */
    bool routed;           /* by the mesh: IP, three ends */
};

/*
 * Builds and starts it; kind and number of ends are from the seed. What a device has is taken
 * every turn_us. What is encrypted is watched until overlay_end(): there can be one at a time.
 */
void overlay_start(struct overlay *overlay, struct sim_world *world, uint64_t turn_us);

/* From now on ends send each other letters, as often as that; 0 ends it. */
void overlay_set_load(struct overlay *overlay, uint64_t pause_max_us);

/* Fails the world where an end holds more than it may. */
void overlay_check(const struct overlay *overlay);

/* Ends are killed, or stop, and come again; the path is more hostile, or less, or away. */
void overlay_trouble(struct overlay *overlay, struct chaos *chaos, uint64_t mean_us);

/* The path meddles with nothing more. */
void overlay_calm(struct overlay *overlay);

/* Runs the world until each has reached each; fails it where that is not so by that time. */
void overlay_must_reach(struct overlay *overlay, uint64_t until_us);

void overlay_stop(struct overlay *overlay);
bool overlay_is_over(const struct overlay *overlay);

/* After it is over: no nonce came twice under a key. */
void overlay_end(struct overlay *overlay);

#endif
