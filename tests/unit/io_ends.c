#include "io_ends.h"

#include "io/real/loop.h"

struct world *world;
struct door door;
struct end near;
struct end far;

int ends_setup(void **state)
{
    world_setup(state);
    world = *state;
    door_open(world, &door);
    near = (struct end){0};
    far = (struct end){0};
    return 0;
}

int ends_teardown(void **state)
{
    if (door.listener != NULL)
        io_listener_close(door.listener);
    return world_teardown(state);
}

bool ends_has_ended(const void *end)
{
    const struct end *this = end;
    return this->ended || this->error != 0;
}

bool ends_has_failed(const void *end)
{
    return ((const struct end *)end)->error != 0;
}

bool ends_none_lingers(const void *arg)
{
    (void)arg;
    return list_empty(&world->loop->lingering);
}

void ends_send(struct io_stream *stream, size_t at, size_t len)
{
    static uint8_t bytes[MEGABYTE];
    for (size_t end = at + len; at < end;) {
        size_t piece = end - at < sizeof(bytes) ? end - at : sizeof(bytes);
        pattern_fill(bytes, at, piece);
        assert_int_equal(io_send(stream, bytes, piece), 0);
        at += piece;
    }
}

void ends_abort(void)
{
    io_abort(near.stream);
    io_abort(far.stream);
}
