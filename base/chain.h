/*
 * Chains of pooled buffers: bytes that wait. Buffers are borrowed from a pool while there are
 * bytes and go back when they are consumed, so an idle owner holds none. One pool a thread.
 */
#ifndef BASE_CHAIN_H
#define BASE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    POOL_BUFFER_LEN = 16 * 1024, /* payload bytes of one buffer */
    POOL_SPARE_MAX = 256,        /* buffers kept for reuse; more go back to the heap */
};

struct pool_buffer;

struct pool {
    struct pool_buffer *spare;
    size_t spare_count;
    size_t lent; /* buffers out now: lent * POOL_BUFFER_LEN bytes of memory */
};

void pool_init(struct pool *pool);
void pool_clear(struct pool *pool); /* every chain of it must be empty */

struct chain {
    struct pool_buffer *first;
    struct pool_buffer *last;
    size_t len; /* bytes in the chain */
};

void chain_init(struct chain *chain);

/* Appends a copy of the bytes. Returns false without memory: the chain is as before. */
bool chain_append(struct chain *chain, struct pool *pool, const void *bytes, size_t len);

/* The bytes in order, as up to max pieces; returns how many pieces were stored. */
int chain_peek(const struct chain *chain, struct iovec *pieces, int max);

/* Drops the first len bytes; len is at most chain->len. */
void chain_consume(struct chain *chain, struct pool *pool, size_t len);

/* Copies and drops up to len of the first bytes; returns how many. */
size_t chain_take(struct chain *chain, struct pool *pool, void *out, size_t len);

void chain_clear(struct chain *chain, struct pool *pool);

#endif
