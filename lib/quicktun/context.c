#include "lib/quicktun/session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct quicktun_context *quicktun_context_new(const uint8_t *secret, adit_random_fn *random,
                                              void *random_arg)
{
    if (sodium_init() < 0)
        return NULL;
    struct quicktun_context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->random = random;
    context->random_arg = random_arg;
    map_init(&context->inputs);
    memcpy(context->secret, secret ? secret : quicktun_key0_secret, sizeof context->secret);
    if (crypto_scalarmult_base(context->public_key, context->secret) != 0 ||
        !quicktun_key_class(context->public_key, context->own_class) ||
        !quicktun_key_class(quicktun_key0_public, context->key0_class)) {
        quicktun_context_free(context);
        return NULL;
    }
    context->keyed =
        memcmp(context->own_class, context->key0_class, sizeof context->own_class) != 0;
    return context;
}

void quicktun_context_free(struct quicktun_context *context)
{
    if (context) {
        map_clear(&context->inputs);
        sodium_memzero(context, sizeof *context);
        free(context);
    }
}

const uint8_t *quicktun_context_public(const struct quicktun_context *context)
{
    return context->public_key;
}

struct quicktun_password *quicktun_password_new(const void *bytes, size_t len)
{
    struct quicktun_password *password = calloc(1, sizeof *password);
    if (!password)
        return NULL;
    map_init(&password->salts);
    password->bytes = malloc(len + 1);
    if (!password->bytes) {
        free(password);
        return NULL;
    }
    memcpy(password->bytes, bytes, len);
    password->len = len;
    return password;
}

void quicktun_password_free(struct quicktun_password *password)
{
    if (password) {
        map_clear(&password->salts);
        sodium_memzero(password->bytes, password->len);
        free(password->bytes);
        free(password);
    }
}
