#include "roles/splice/splice.h"

#include "base/map.h"

#include <stdlib.h>

/* Then the others of the loop have their turn. */
enum { RELAY_PER_ROUND = 256 * 1024 };

static void end(struct splice *splice, void (*how)(struct io_stream *stream), int error)
{
    if (splice->over != NULL)
        splice->over(splice->arg, error);
    how(splice->ends[0]);
    how(splice->ends[1]);
    io_timer_stop(&splice->idle);
    list_remove(&splice->link);
    free(splice);
}

/* False when the direction has failed. */
static bool move(struct splice *splice, int from, size_t *moved)
{
    struct io_stream *source = splice->ends[from];
    struct io_stream *sink = splice->ends[1 - from];

    *moved = 0;
    if (splice->ended[from])
        return true;
    switch (io_relay(source, sink, RELAY_PER_ROUND, moved)) {
    case IO_RELAY_END:
        splice->ended[from] = true;
        io_shutdown(sink);
        break;
    case IO_RELAY_MAX:
        io_again(source);
        break;
    case IO_RELAY_FAILED:
        return false;
    case IO_RELAY_SOURCE:
    case IO_RELAY_SINK:
        break;
    }
    return true;
}

static void pump(void *arg)
{
    struct splice *splice = arg;
    size_t moved[2] = {0, 0};

    if (!move(splice, 0, &moved[0]) || !move(splice, 1, &moved[1])) {
        end(splice, io_abort, IO_E_RESET);
        return;
    }
    if (moved[0] + moved[1] > 0)
        io_timer_set_in(&splice->idle, splice->idle_ms);
    if (splice->ended[0] && splice->ended[1])
        end(splice, io_close, IO_OK);
}

static void on_failed(void *arg, int error)
{
    end(arg, io_abort, error);
}

static void on_idle(void *arg)
{
    end(arg, io_close, IO_E_TIMEOUT);
}

static const struct io_stream_handler handler = {
    .connected = pump,
    .readable = pump,
    .sent = pump,
    .failed = on_failed,
};

struct splice *splice_new(struct io_stream *one, struct io_stream *other, uint32_t first_ms,
                          uint32_t idle_ms, struct list *list, void (*over)(void *arg, int error),
                          void *arg)
{
    struct splice *splice = calloc(1, sizeof(*splice));

    if (splice == NULL)
        return NULL;
    splice->ends[0] = one;
    splice->ends[1] = other;
    splice->idle_ms = idle_ms;
    splice->over = over;
    splice->arg = arg;
    list_init(&splice->link);
    list_append(list, &splice->link);
    io_timer_init(&splice->idle, io_stream_loop(one), on_idle, splice);
    io_timer_set_in(&splice->idle, first_ms == 0 ? idle_ms : first_ms);
    io_stream_set_handler(one, &handler, splice);
    io_stream_set_handler(other, &handler, splice);
    io_again(one);
    io_again(other);
    return splice;
}

void splice_end_all(struct list *list)
{
    while (!list_empty(list))
        end(container_of(list->next, struct splice, link), io_abort, IO_E_RESET);
}
