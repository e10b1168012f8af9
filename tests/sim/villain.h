/*
 * One hostile end of a SniTun connection, in either role, with every key that it needs: it opens
 * the connection properly, mostly, and then says what no honest end says, whole frames and bytes,
 * until it is thrown out or has enough.
 */
#ifndef TESTS_SIM_VILLAIN_H
#define TESTS_SIM_VILLAIN_H

#include "base/list.h"
#include "lib/crypto/units.h"
#include "tests/sim/nonces.h"

#include <adit/snitun_token.h>

/* What is counted of them by sim_tally(). */
enum villain_deed {
    VILLAIN_FLIPPED,
    VILLAIN_REPEATED,
    VILLAIN_LEFT_OUT,
    VILLAIN_REORDERED,
    VILLAIN_RAVED, /* bytes of no meaning */
    VILLAIN_ENDLESS,
    VILLAIN_DEEDS,
};
extern const char *const villain_deed_names[VILLAIN_DEEDS + 1]; /* ends with NULL */

/* What the villains of a world share. */
struct villains {
    struct sim_world *world;
    struct units_context *units;
    const struct snitun_keyring *keyring;
    struct nonces nonces; /* of the honest ends that they spoke with */
    struct list open;
    bool impostors;       /* never know the answer to a challenge */
    bool unsettled;       /* the other side is cut off or starts again at times */
    uint64_t thrown_out;  /* connections that had to be closed by the other side, and were */
    uint64_t established; /* connections that were opened properly */
};

void villains_init(struct villains *villains, struct sim_world *world,
                   const struct snitun_keyring *keyring);
void villains_end(struct villains *villains);

/* A stranger's stream: waits for a token and is its server. */
void villain_serve(struct villains *villains, struct io_stream *stream);

/* A connected stream to a server: sends the token. Keys are those in the token. */
void villain_claim(struct villains *villains, struct io_stream *stream, const char *token,
                   const struct snitun_keys *keys);

/* Aborts those on a loop, in one of its callbacks. */
void villains_abort(struct villains *villains, const struct io_loop *loop);

#endif
