/*
 * The helper pool: blocking work and look-ups take a while and end in an order of their own.
 */
#include "io/sim/loop.h"
#include "io/sim/names.h"
#include "io/sim/process.h"

#include <stdlib.h>

enum {
    WORK_MAX_US = 2000,
    SLOW_WORK_MAX_US = 5 * 1000 * 1000,
};

struct work {
    struct sim_event event;
    struct io_loop *loop;
    void (*work)(void *arg);
    void (*done)(struct io_loop *loop, void *arg);
    void *arg;
};

static uint64_t duration_us(struct sim_world *world)
{
    if (!sim_chance(world, world->weather.slow_helper))
        return sim_random_below(world, WORK_MAX_US);
    sim_fault(world, SIM_SLOW_HELPER);
    return sim_random_below(world, SLOW_WORK_MAX_US);
}

static void work_done(struct io_loop *loop, void *arg)
{
    struct work *work = arg;
    loop->process->working--;
    work->done(loop, work->arg);
    free(work);
}

static void do_work(void *arg)
{
    struct work *work = arg;
    work->work(work->arg);
    io_post(work->loop, work_done, work);
}

int io_submit(struct io_loop *loop, void (*work)(void *arg),
              void (*done)(struct io_loop *loop, void *arg), void *arg)
{
    if (loop->process->working == IO_SUBMIT_MAX)
        return IO_E_FULL;
    loop->process->working++;
    struct work *item = world_alloc(sizeof *item);
    *item = (struct work){.loop = loop, .work = work, .done = done, .arg = arg};
    sim_event_init(&item->event, loop_world(loop), do_work, item);
    sim_event_in(&item->event, duration_us(loop_world(loop)));
    return 0;
}

/* ---- Names ---- */

struct io_lookup {
    struct list node; /* of the loop's lookups */
    struct sim_event event;
    struct loop_source source;
    struct io_loop *loop;
    io_lookup_fn *done;
    void *arg;
    int error;
    struct addr addrs[NAMES_ADDRESSES_MAX];
    size_t count;
};

void io_lookup_cancel(struct io_lookup *lookup)
{
    sim_event_cancel(&lookup->event);
    loop_source_remove(&lookup->source);
    list_remove(&lookup->node);
    free(lookup);
}

static void lookup_answered(void *arg)
{
    struct io_lookup *lookup = arg;
    struct io_lookup answer = *lookup;
    io_lookup_cancel(lookup);
    answer.done(answer.arg, answer.error, answer.addrs, answer.count);
}

static void lookup_ready(void *arg)
{
    struct io_lookup *lookup = arg;
    loop_source_ready(&lookup->source);
}

/* Answers with what the name table says when the question is asked. */
static void resolve(struct io_lookup *lookup, const char *host, uint16_t port)
{
    struct sim_world *world = loop_world(lookup->loop);
    struct adit_ip ips[NAMES_ADDRESSES_MAX];
    if (ip_parse(host, &ips[0])) {
        lookup->count = 1;
    } else if (lookup->loop->process->ghost || sim_chance(world, world->weather.lookup_fails)) {
        sim_fault(world, SIM_LOOKUP);
        lookup->error = IO_E_NAME_AGAIN;
    } else {
        lookup->count = names_find(world, host, ips);
        lookup->error = lookup->count == 0 ? IO_E_NOT_FOUND : 0;
    }
    for (size_t i = 0; i < lookup->count; i++)
        lookup->addrs[i] = (struct addr){.ip = ips[i], .port = port};
}

struct io_lookup *io_lookup(struct io_loop *loop, const char *host, uint16_t port,
                            io_lookup_fn *done, void *arg)
{
    struct sim_world *world = loop_world(loop);
    struct io_lookup *lookup = world_alloc(sizeof *lookup);
    lookup->loop = loop;
    lookup->done = done;
    lookup->arg = arg;
    resolve(lookup, host, port);
    loop_source_init(&lookup->source, loop, lookup_answered, lookup);
    sim_event_init(&lookup->event, world, lookup_ready, lookup);
    list_append(&loop->lookups, &lookup->node);
    sim_event_in(&lookup->event, duration_us(world));
    return lookup;
}
