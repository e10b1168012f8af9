#include "roles/transfer/context.h"

#include "lib/crypto/chacha.h"

static bool seal(void *arg, const uint8_t key[32], const uint8_t nonce[12],
                 uint8_t head[SODIUMTCP_AEAD_HEAD_LEN], const uint8_t *plain, size_t len,
                 uint8_t *out, uint8_t mac[16])
{
    return chacha_seal(arg, key, nonce, head, SODIUMTCP_AEAD_HEAD_LEN, plain, len, out, mac);
}

static bool open_sealed(void *arg, const uint8_t key[32], const uint8_t nonce[12],
                        uint8_t head[SODIUMTCP_AEAD_HEAD_LEN], const uint8_t *in, size_t len,
                        const uint8_t mac[16], uint8_t *plain)
{
    return chacha_open(arg, key, nonce, head, SODIUMTCP_AEAD_HEAD_LEN, in, len, mac, plain);
}

bool context_init(struct context *context, struct io_loop *loop)
{
    context->engine = sodiumtcp_context_new(io_random_fn, loop);
    context->chacha = chacha_new();
    if (context->engine == NULL || context->chacha == NULL) {
        context_clear(context);
        return false;
    }
    const struct sodiumtcp_aead aead = {.arg = context->chacha, .seal = seal, .open = open_sealed};
    sodiumtcp_context_set_aead(context->engine, &aead);
    return true;
}

void context_clear(struct context *context)
{
    sodiumtcp_context_free(context->engine);
    chacha_free(context->chacha);
    *context = (struct context){0};
}
