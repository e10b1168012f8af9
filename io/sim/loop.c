#include "io/sim/loop.h"

#include "io/sim/process.h"
#include "io/sim/stream.h"

#include <stdlib.h>
#include <string.h>

enum {
    WAKE_MAX_US = 60,         /* between an event and the round that sees it */
    SLOW_MAX_US = 150 * 1000, /* the same where something held the loop */
    JOIN_LOOK_US = 50000,
    JOIN_ROUNDS_MAX = 10000, /* a worker that is joined has nothing more to do than that */
    EMPTY_ROUNDS_MAX = 5000, /* in a second: more of them are a busy loop */
    SECOND_US = 1000 * 1000,
};

struct post {
    struct list node;
    void (*fn)(struct io_loop *loop, void *arg);
    void *arg;
};

struct sim_world *loop_world(const struct io_loop *loop)
{
    return loop->process->host->world;
}

/* Lines of the log are lines of the trace; they count for its hash. */
static void sink(void *arg, enum log_level level, const char *line, size_t len)
{
    struct io_loop *loop = arg;
    struct sim_world *world = loop_world(loop);
    sim_trace(world, "log", loop->id, level, len);
    if (world->trace != NULL)
        fprintf(world->trace, "             %s/%llu %s", loop->process->host->name,
                (unsigned long long)loop->id, line);
}

static void run_round(void *arg);
static void look_at_joined(void *arg);

struct io_loop *loop_new(struct sim_process *process)
{
    struct io_loop *loop = world_alloc(sizeof *loop);
    struct sim_world *world = process->host->world;
    loop->process = process;
    loop->id = ++world->next_loop;
    list_init(&loop->ready);
    list_init(&loop->batch);
    list_init(&loop->posts);
    list_init(&loop->streams);
    list_init(&loop->listeners);
    list_init(&loop->devices);
    list_init(&loop->lookups);
    sim_event_init(&loop->round, world, run_round, loop);
    sim_event_init(&loop->last, world, look_at_joined, loop);
    if (!io_core_init(&loop->core, sink, loop, LOG_DEBUG))
        abort();
    io_core_set_now(&loop->core, world->now_us / 1000);
    list_append(&process->loops, &loop->node);
    return loop;
}

void loop_free(struct io_loop *loop)
{
    while (!list_empty(&loop->posts)) {
        struct post *post = container_of(loop->posts.next, struct post, node);
        list_remove(&post->node);
        free(post);
    }
    sim_event_cancel(&loop->round);
    sim_event_cancel(&loop->last);
    list_remove(&loop->node);
    io_core_clear(&loop->core);
    free(loop);
}

/* A loop that is held up is not woken earlier by more news. */
static void wake(struct io_loop *loop)
{
    struct sim_world *world = loop_world(loop);
    uint64_t at_us = world->now_us + sim_random_below(world, WAKE_MAX_US);
    if (loop->held_until_us <= world->now_us && sim_chance(world, world->weather.slow_loop)) {
        sim_fault(world, SIM_SLOW_LOOP);
        loop->held_until_us = world->now_us + sim_random_below(world, SLOW_MAX_US);
    }
    if (at_us < loop->held_until_us)
        at_us = loop->held_until_us;
    if (loop->round.slot == 0 || loop->round.at_us > at_us)
        sim_event_at(&loop->round, at_us);
}

/* ---- Sources ---- */

void loop_source_init(struct loop_source *source, struct io_loop *loop, void (*call)(void *arg),
                      void *arg)
{
    *source = (struct loop_source){.loop = loop, .call = call, .arg = arg};
    list_init(&source->node);
}

void loop_source_ready(struct loop_source *source)
{
    struct io_loop *loop = source->loop;
    if (list_empty(&source->node)) {
        /* In no order that anyone could count on. */
        struct list *ready = &loop->ready;
        list_append(sim_chance(loop_world(loop), 5000) ? ready : ready->next, &source->node);
    }
    if (!loop->in_round)
        wake(loop);
}

void loop_source_remove(struct loop_source *source)
{
    list_remove(&source->node);
    if (source->loop->calling == source)
        source->loop->calling = NULL;
}

bool loop_source_alive(const struct loop_source *source, const struct io_loop *loop)
{
    return loop->calling == source;
}

static void call_sources(struct io_loop *loop)
{
    if (list_empty(&loop->ready))
        return;
    loop->batch = loop->ready;
    loop->batch.next->prev = &loop->batch;
    loop->batch.prev->next = &loop->batch;
    list_init(&loop->ready);
    while (!list_empty(&loop->batch)) {
        struct loop_source *source = container_of(loop->batch.next, struct loop_source, node);
        list_remove(&source->node);
        loop->calling = source;
        source->call(source->arg);
        loop->calling = NULL;
    }
}

/* ---- Messages ---- */

int io_post(struct io_loop *to, void (*fn)(struct io_loop *loop, void *arg), void *arg)
{
    struct post *post = world_alloc(sizeof *post);
    post->fn = fn;
    post->arg = arg;
    list_append(&to->posts, &post->node);
    if (!to->in_round)
        wake(to);
    return 0;
}

static void call_message(struct io_loop *loop, void *arg)
{
    struct io_message *message = arg;
    message->next = NULL;
    message->fn(loop, message->arg);
}

void io_post_message(struct io_loop *to, struct io_message *message)
{
    if (message->next != NULL)
        sim_fail(loop_world(to), "a message was posted again before it came");
    message->next = message;
    io_post(to, call_message, message);
}

static void call_posts(struct io_loop *loop)
{
    struct list *last = loop->posts.prev;
    for (bool more = !list_empty(&loop->posts); more;) {
        struct post *post = container_of(loop->posts.next, struct post, node);
        more = &post->node != last;
        list_remove(&post->node);
        post->fn(loop, post->arg);
        free(post);
    }
}

size_t loop_posts(const struct io_loop *loop)
{
    size_t count = 0;
    for (const struct list *at = loop->posts.next; at != &loop->posts; at = at->next)
        count++;
    return count;
}

/* ---- Rounds ---- */

/* Rounds without a cause from outside may not come without end. */
static void watch_for_busy_loop(struct io_loop *loop)
{
    struct sim_world *world = loop_world(loop);
    if (!list_empty(&loop->posts) || !list_empty(&loop->ready))
        return;
    if (world->now_us - loop->empty_since_us >= SECOND_US) {
        loop->empty_since_us = world->now_us;
        loop->empty_rounds = 0;
    }
    if (++loop->empty_rounds > EMPTY_ROUNDS_MAX)
        sim_fail(world, "%s: a busy loop, %u rounds without a cause in a second",
                 loop->process->host->name, loop->empty_rounds);
}

static void round_once(struct io_loop *loop)
{
    struct sim_world *world = loop_world(loop);
    watch_for_busy_loop(loop);
    loop->in_round = true;
    io_core_set_now(&loop->core, world->now_us / 1000);
    bool posts_first = sim_chance(world, 5000);
    if (posts_first)
        call_posts(loop);
    call_sources(loop);
    if (!posts_first)
        call_posts(loop);
    io_core_fire_timers(&loop->core);
    io_core_run_tasks(&loop->core);
    loop->in_round = false;
}

static void plan_next(struct io_loop *loop)
{
    uint64_t at_ms;
    if (io_core_busy(&loop->core) || !list_empty(&loop->ready) || !list_empty(&loop->posts))
        wake(loop);
    else if (io_core_deadline(&loop->core, &at_ms))
        sim_event_at(&loop->round, at_ms > UINT64_MAX / 1000 ? UINT64_MAX : at_ms * 1000);
}

static void run_round(void *arg)
{
    struct io_loop *loop = arg;
    if (loop_world(loop)->now_us < loop->held_until_us) {
        sim_event_at(&loop->round, loop->held_until_us);
        return;
    }
    round_once(loop);
    plan_next(loop);
    loop_settle(loop);
}

/* ---- Workers ---- */

struct io_loop *io_worker_start(struct io_loop *loop, const char *name,
                                void (*start)(struct io_loop *loop, void *arg), void *arg,
                                int *error)
{
    (void)error;
    struct io_loop *worker = loop_new(loop->process);
    sim_trace(loop_world(loop), name, loop->id, worker->id, 0);
    io_post(worker, start, arg);
    return worker;
}

void loop_settle(struct io_loop *loop)
{
    if (loop->joined && !loop->in_round && list_empty(&loop->streams))
        loop_free(loop);
}

/* As io/real: looks now and then, and waits no longer than IO_LINGER_MS. */
static void look_at_joined(void *arg)
{
    struct io_loop *loop = arg;
    if (loop_world(loop)->now_us / 1000 >= loop->joined_ms + IO_LINGER_MS)
        stream_end_lingering(loop);
    else
        stream_end_still(loop, loop->joined_ms);
    sim_event_in(&loop->last, JOIN_LOOK_US);
    loop_settle(loop);
}

/*
 * What was posted before is done now; streams may linger on (io_close()). io/real waits here for
 * them, the world goes on meanwhile.
 */
void io_worker_join(struct io_loop *worker)
{
    for (int i = 0; i < JOIN_ROUNDS_MAX && !list_empty(&worker->posts); i++)
        round_once(worker);
    worker->joined = true;
    worker->joined_ms = loop_world(worker)->now_us / 1000;
    sim_event_in(&worker->last, JOIN_LOOK_US);
    plan_next(worker);
    loop_settle(worker);
}

/* Joining waits for nobody here. */
void io_worker_end(struct io_loop *worker)
{
    (void)worker;
}

/* ---- Time and randomness ---- */

double io_wall_s(const struct io_loop *loop)
{
    return sim_host_wall_s(loop->process->host);
}

void io_random(struct io_loop *loop, void *buf, size_t len)
{
    uint8_t *to = buf;
    while (len > 0) {
        uint64_t number = world_random_next(&loop->process->random);
        size_t part = len < sizeof number ? len : sizeof number;
        memcpy(to, &number, part);
        to += part;
        len -= part;
    }
}

static size_t count_timers(const struct io_timer *timer)
{
    size_t count = 0;
    for (; timer != NULL; timer = timer->next)
        count += 1 + count_timers(timer->child);
    return count;
}

size_t loop_timers(const struct io_loop *loop)
{
    return count_timers(loop->core.timers) - (io_timer_armed(&loop->core.log.tell) ? 1 : 0);
}
