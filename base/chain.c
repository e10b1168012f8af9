#include "base/chain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pool_buffer {
    struct pool_buffer *next;
    size_t start; /* bytes[start..end) wait */
    size_t end;
    uint8_t bytes[POOL_BUFFER_LEN];
};

void pool_init(struct pool *pool)
{
    *pool = (struct pool){0};
}

void pool_clear(struct pool *pool)
{
    while (pool->spare != NULL) {
        struct pool_buffer *buffer = pool->spare;
        pool->spare = buffer->next;
        free(buffer);
    }
    pool->spare_count = 0;
}

static struct pool_buffer *borrow(struct pool *pool)
{
    struct pool_buffer *buffer = pool->spare;
    if (buffer != NULL) {
        pool->spare = buffer->next;
        pool->spare_count--;
    } else {
        buffer = malloc(sizeof(*buffer));
        if (buffer == NULL)
            return NULL;
    }
    pool->lent++;
    buffer->next = NULL;
    buffer->start = 0;
    buffer->end = 0;
    return buffer;
}

static void give_back(struct pool *pool, struct pool_buffer *buffer)
{
    pool->lent--;
    if (pool->spare_count >= POOL_SPARE_MAX) {
        free(buffer);
        return;
    }
    buffer->next = pool->spare;
    pool->spare = buffer;
    pool->spare_count++;
}

void chain_init(struct chain *chain)
{
    *chain = (struct chain){0};
}

/* Links buffers for len more bytes behind *link; all of them or, without memory, none. */
static bool extend(struct pool *pool, struct pool_buffer **link, size_t len)
{
    struct pool_buffer **first = link;
    for (size_t room = 0; room < len; room += POOL_BUFFER_LEN) {
        *link = borrow(pool);
        if (*link == NULL)
            goto err;
        link = &(*link)->next;
    }
    return true;

err:
    while (*first != NULL) {
        struct pool_buffer *buffer = *first;
        *first = buffer->next;
        give_back(pool, buffer);
    }
    return false;
}

bool chain_append(struct chain *chain, struct pool *pool, const void *bytes, size_t len)
{
    if (len == 0)
        return true;
    size_t room = chain->last == NULL ? 0 : POOL_BUFFER_LEN - chain->last->end;
    struct pool_buffer **link = chain->last == NULL ? &chain->first : &chain->last->next;
    if (len > room && !extend(pool, link, len - room))
        return false;

    const uint8_t *from = bytes;
    struct pool_buffer *buffer = room > 0 ? chain->last : *link;
    chain->len += len;
    for (;;) {
        assert(buffer != NULL); /* extend() has made room for all of it */
        room = POOL_BUFFER_LEN - buffer->end;
        size_t piece = len < room ? len : room;
        memcpy(buffer->bytes + buffer->end, from, piece);
        buffer->end += piece;
        from += piece;
        len -= piece;
        if (len == 0)
            break;
        buffer = buffer->next;
    }
    chain->last = buffer;
    return true;
}

int chain_peek(const struct chain *chain, struct iovec *pieces, int max)
{
    int count = 0;
    for (struct pool_buffer *buffer = chain->first; buffer != NULL && count < max;
         buffer = buffer->next) {
        pieces[count].iov_base = buffer->bytes + buffer->start;
        pieces[count].iov_len = buffer->end - buffer->start;
        count++;
    }
    return count;
}

void chain_consume(struct chain *chain, struct pool *pool, size_t len)
{
    chain->len -= len;
    while (len > 0) {
        struct pool_buffer *buffer = chain->first;
        size_t held = buffer->end - buffer->start;
        if (len < held) {
            buffer->start += len;
            return;
        }
        len -= held;
        chain->first = buffer->next;
        give_back(pool, buffer);
    }
    if (chain->first == NULL)
        chain->last = NULL;
}

size_t chain_take(struct chain *chain, struct pool *pool, void *out, size_t len)
{
    uint8_t *to = out;
    size_t taken = 0;
    while (taken < len && chain->first != NULL) {
        struct pool_buffer *buffer = chain->first;
        size_t held = buffer->end - buffer->start;
        size_t piece = len - taken < held ? len - taken : held;
        memcpy(to + taken, buffer->bytes + buffer->start, piece);
        taken += piece;
        chain_consume(chain, pool, piece);
    }
    return taken;
}

void chain_clear(struct chain *chain, struct pool *pool)
{
    chain_consume(chain, pool, chain->len);
}
