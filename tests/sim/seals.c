#include "tests/sim/seals.h"

#include "lib/quicktun/box.h"

static struct nonces *watching; /* what --wrap calls has no argument for it */

void __real_quicktun_box_seal(const uint8_t *shared, const uint8_t *nonce, uint8_t *box,
                              size_t len);
void __wrap_quicktun_box_seal(const uint8_t *shared, const uint8_t *nonce, uint8_t *box,
                              size_t len);

void __wrap_quicktun_box_seal(const uint8_t *shared, const uint8_t *nonce, uint8_t *box, size_t len)
{
    if (watching != NULL)
        nonces_add(watching, shared, nonce, QUICKTUN_NONCE_LEN);
    __real_quicktun_box_seal(shared, nonce, box, len);
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
