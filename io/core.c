#include "io/core.h"

#include <stdlib.h>

struct io_core *io_core_of(const struct io_loop *loop)
{
    return (struct io_core *)(uintptr_t)loop;
}

struct io_loop *io_core_loop(struct io_core *core)
{
    return (struct io_loop *)(void *)core;
}

bool io_core_init(struct io_core *core, log_sink_fn *sink, void *sink_arg, enum log_level max_level)
{
    *core = (struct io_core){0};
    core->tasks.end = &core->tasks.first;
    core->running.end = &core->running.first;
    pool_init(&core->pool);
    log_init(core, sink, sink_arg, max_level);
    core->scratch = malloc(IO_SCRATCH_LEN);
    return core->scratch != NULL;
}

void io_core_clear(struct io_core *core)
{
    free(core->scratch);
    core->scratch = NULL;
    pool_clear(&core->pool);
}

void io_core_set_now(struct io_core *core, uint64_t now_ms)
{
    if (now_ms > core->now_ms)
        core->now_ms = now_ms;
}

uint64_t io_now_ms(const struct io_loop *loop)
{
    return io_core_of(loop)->now_ms;
}

size_t io_buffered(const struct io_loop *loop)
{
    return io_core_of(loop)->pool.lent * POOL_BUFFER_LEN;
}

int io_random_fn(void *loop, void *buf, size_t len)
{
    io_random(loop, buf, len);
    return 0;
}

uint64_t io_random_below(struct io_loop *loop, uint64_t bound)
{
    if (bound < 2)
        return 0;
    /* The numbers from 0 to `unfair` - 1 would favour the small remainders. */
    uint64_t unfair = (0 - bound) % bound;
    uint64_t number;
    do {
        io_random(loop, &number, sizeof(number));
    } while (number < unfair);
    return number % bound;
}
