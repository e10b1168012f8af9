#include "tests/sim/nonces.h"

#include <stdlib.h>
#include <string.h>

void nonces_add(struct nonces *nonces, const uint8_t key[NONCE_KEY_LEN], const uint8_t *nonce,
                size_t nonce_len)
{
    if (nonces->count == nonces->room) {
        nonces->room = nonces->room == 0 ? 256 : 2 * nonces->room;
        nonces->seen = realloc(nonces->seen, nonces->room * sizeof *nonces->seen);
        if (nonces->seen == NULL)
            abort();
    }
    struct nonce *seen = &nonces->seen[nonces->count++];
    *seen = (struct nonce){0};
    memcpy(seen->key, key, sizeof seen->key);
    memcpy(seen->nonce, nonce, nonce_len);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct nonce));
}

void nonces_end(struct nonces *nonces, struct sim_world *world)
{
    if (nonces->count > 1)
        qsort(nonces->seen, nonces->count, sizeof *nonces->seen, compare);
    for (size_t i = 1; i < nonces->count; i++)
        if (compare(&nonces->seen[i - 1], &nonces->seen[i]) == 0)
            sim_fail(world, "a nonce came twice under a key");
    free(nonces->seen);
    *nonces = (struct nonces){0};
}
