/*
 * All roles in one world: a session master, a server, publishers and their endpoints, devices, a
 * VPN, files on their way; a stranger at every port, a hostile peer of the server, a hostile
 * machine on the path of the VPN; an operator who shuts hosts out and lets them in. And everything
 * that can go wrong with them.
 */
#ifndef TESTS_SIM_EVERYTHING_H
#define TESTS_SIM_EVERYTHING_H

#include "tests/sim/clocks.h"
#include "tests/sim/courier.h"
#include "tests/sim/gang.h"
#include "tests/sim/overlay.h"
#include "tests/sim/stranger.h"
#include "tests/sim/town.h"

/* What is counted, beside the deeds of villains. */
enum everything_tally {
    TALLY_MASTER = VILLAIN_DEEDS,
    TALLY_SERVER,
    TALLY_PUBLISHER,
    TALLY_ENDPOINT,
    TALLY_END,
    TALLY_PATH,
    TALLY_SENDER,
    TALLY_RECEIVER,
    TALLY_AT_SERVER,
    TALLY_AT_MASTER,
    TALLY_AT_VPN,
    TALLY_AT_RECEIVER,
    TALLY_DEAD_ADDRESS,
    TALLY_DISABLED,
    TALLY_REMOVED,
    TALLY_LET_IN,
    TALLY_SHUT_OUT, /* at the end */
    TALLY_OLD_TOKEN,
    TALLY_KEPT, /* all files acknowledged */
};
extern const char *const everything_tallies[]; /* ends with NULL */

enum standing { LET_IN, DISABLED, REMOVED };

struct everything {
    struct sim_world *world;
    struct town town; /* its chaos is that of all */
    struct chancery chancery;
    struct overlay overlay;
    struct courier courier;
    bool whole;           /* nothing is wrong any more … */
    unsigned kept_before; /* … and so often the files had been acknowledged by then */
    struct stranger stranger;
    struct gang gang;
    struct service lies; /* of the gang */
    bool has_gang;
    struct outlet thief; /* has a token from before */
    bool has_thief;
    struct clocks clocks;
    enum standing standing[TOWN_HOUSEHOLDS_MAX];
    struct sim_event call;
    struct sim_event errand;
};

/* Builds and starts all but what people want and who is hostile. */
void everything_build(struct everything *all, struct sim_world *world);

/* From now on devices call, files are sent, packets go through the VPN, and strangers come. */
void everything_begin(struct everything *all);

/* From now on everything goes wrong, in some worlds less than in others. */
void everything_go_rough(struct everything *all);

/*
 * Nothing new goes wrong, and nobody wants anything but that the files arrive; returns when what
 * went wrong before is over.
 */
void everything_calm_down(struct everything *all);

/* A device calls. */
void everything_call(struct everything *all, const struct service *service);

/* All files were acknowledged since then. */
bool everything_has_arrived(const struct everything *all);

/* Counts what happened; stops everything and checks that nothing is left. */
void everything_count(const struct everything *all);
void everything_end(struct everything *all);

#endif
