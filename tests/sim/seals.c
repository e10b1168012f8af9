#include "tests/sim/seals.h"

#include "lib/quicktun/box.h"

static struct nonces *watching; /* what --wrap calls has no argument for it */

void __real_quicktun_box_seal(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len);
void __wrap_quicktun_box_seal(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len);

void __wrap_quicktun_box_seal(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len)
{
    if (watching != NULL)
        nonces_add(watching, key->shared, nonce, QUICKTUN_NONCE_LEN);
    __real_quicktun_box_seal(key, nonce, box, len);
}

void seals_begin(struct nonces *nonces)
{
    watching = nonces;
}

void seals_end(struct nonces *nonces, struct sim_world *world)
{
    watching = NULL;
    if (nonces->count == 0)
        sim_fail(world, "nothing was encrypted");
    nonces_end(nonces, world);
}
