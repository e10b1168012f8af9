/*
 * The engine's context, joined with the faster ChaCha20-Poly1305 of OpenSSL, so that the engine
 * itself needs libsodium alone.
 */
#ifndef ROLES_TRANSFER_CONTEXT_H
#define ROLES_TRANSFER_CONTEXT_H

#include "adit/sodiumtcp.h"
#include "io/io.h"

struct chacha;

struct context {
    struct sodiumtcp_context *engine;
    struct chacha *chacha;
};

/* False where libsodium or OpenSSL does not start, or without memory. */
bool context_init(struct context *context, struct io_loop *loop);

/* What context_init() left, also after a failure; zeros are allowed. */
void context_clear(struct context *context);

#endif
