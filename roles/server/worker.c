#include "roles/server/internal.h"

#include "io/log.h"

#include <stdlib.h>

/* At the limit of early connections, so large a part must be free before more are accepted. */
enum { EARLY_LIMIT_SPARE = 16 };

static bool empty(const struct server_worker *worker)
{
    return list_empty(&worker->early) && list_empty(&worker->peers) && list_empty(&worker->routes);
}

static void check_idle(void *arg)
{
    struct server_worker *worker = arg;

    if (!worker->stopping || worker->told_idle || !empty(worker))
        return;
    worker->told_idle = true;
    io_timer_stop(&worker->clock_look);
    io_post_message(worker->server->loop, &worker->idle);
}

void worker_check_idle(struct server_worker *worker)
{
    if (worker->stopping)
        io_task_queue(&worker->idle_check);
}

static void resume_accepting(void *arg)
{
    struct server_worker *worker = arg;

    if (worker->full || io_timer_armed(&worker->resume_accepting))
        return;
    for (size_t i = 0; i < worker->listener_count; i++)
        io_listener_resume(worker->listeners[i].listener);
}

static void pause_accepting(struct server_worker *worker)
{
    for (size_t i = 0; i < worker->listener_count; i++)
        io_listener_pause(worker->listeners[i].listener);
}

/*
 * Who says nothing keeps its place while there are free ones. So who would hold all of them has to
 * connect as often as there are places within that time. It is long enough for a token that waits
 * behind thousands of others on the line, after a restart of the server.
 */
static void make_room(void *arg)
{
    struct server_worker *worker = arg;

    while (worker->full && !list_empty(&worker->early)) {
        uint64_t safe_until_ms = early_oldest_ms(worker) + SERVER_EARLY_SAFE_MS;

        if (io_now_ms(worker->loop) < safe_until_ms) {
            io_timer_set(&worker->make_room, safe_until_ms);
            return;
        }
        early_end_oldest(worker);
    }
}

void worker_count_early(struct server_worker *worker, int change)
{
    uint32_t max = worker->settings->limits.early_per_worker;

    worker->early_count += (uint32_t)change;
    if (!worker->full && worker->early_count >= max) {
        worker->full = true;
        worker->counters.early_limit++;
        log_overload(worker->loop, LOG_WARN, "early-limit",
                     "paused accepting: %u connections are not known yet, as many as may be",
                     worker->early_count);
        pause_accepting(worker);
        io_timer_set_in(&worker->make_room, 0);
    } else if (worker->full && worker->early_count < max - max / EARLY_LIMIT_SPARE) {
        worker->full = false;
        io_timer_stop(&worker->make_room);
        resume_accepting(worker);
    }
}

static void on_accepted(void *arg, struct io_stream *stream)
{
    early_accepted(arg, stream);
}

static void on_exhausted(void *arg, int error)
{
    struct server_listener *listener = arg;
    struct server_worker *worker = listener->worker;

    worker->counters.exhausted++;
    log_overload(worker->loop, LOG_WARN, "exhausted", "paused accepting for %d ms: %s",
                 SERVER_EXHAUSTED_MS, io_error_text(error));
    if (!io_timer_armed(&worker->resume_accepting))
        io_timer_set_in(&worker->resume_accepting, SERVER_EXHAUSTED_MS);
}

static const struct io_listener_handler listener_handler = {
    .accepted = on_accepted,
    .exhausted = on_exhausted,
};

static int share_listeners(struct server_worker *worker)
{
    struct server *server = worker->server;
    int error = IO_OK;

    worker->listeners = calloc(server->listener_count, sizeof(*worker->listeners));
    if (worker->listeners == NULL)
        return IO_E_NO_MEMORY;
    for (size_t i = 0; i < server->listener_count; i++) {
        struct server_listener *listener = &worker->listeners[i];

        listener->worker = worker;
        listener->door = server->doors[i];
        listener->listener = io_listener_share(server->listeners[i], worker->loop,
                                               &listener_handler, listener, &error);
        if (listener->listener == NULL)
            return error;
        worker->listener_count++;
    }
    return IO_OK;
}

static void close_listeners(struct server_worker *worker)
{
    for (size_t i = 0; i < worker->listener_count; i++)
        io_listener_close(worker->listeners[i].listener);
    free(worker->listeners);
    worker->listeners = NULL;
    worker->listener_count = 0;
}

/* Tokens end by the wall clock, which may be set; timers know the loop's clock alone. */
static void look_at_clock(void *arg)
{
    struct server_worker *worker = arg;
    double offset_s = io_wall_s(worker->loop) - (double)io_now_ms(worker->loop) / 1000;
    double step_ms = (offset_s - worker->clock_offset_s) * 1000;

    if (step_ms > SERVER_CLOCK_STEP_MS || step_ms < -SERVER_CLOCK_STEP_MS) {
        worker->clock_offset_s = offset_s;
        peer_clock_set_all(worker);
    }
    io_timer_set_in(&worker->clock_look, SERVER_CLOCK_LOOK_MS);
}

static void open_doors(struct io_loop *loop, void *arg)
{
    struct server_worker *worker = arg;

    (void)loop;
    if (worker->failure == IO_OK && !worker->stopping)
        worker->failure = share_listeners(worker);
    if (worker->failure == IO_OK && !worker->stopping)
        look_at_clock(worker);
    io_post_message(worker->server->loop, &worker->ready);
}

static void stop(struct io_loop *loop, void *arg)
{
    struct server_worker *worker = arg;

    worker->stopping = true;
    worker->stop_at_ms = io_now_ms(loop) + worker->settings->drain_ms;
    close_listeners(worker);
    io_timer_stop(&worker->resume_accepting);
    io_timer_stop(&worker->make_room);
    early_end_all(worker);
    peer_drain_all(worker);
    worker_check_idle(worker);
}

static void cut(struct io_loop *loop, void *arg)
{
    struct server_worker *worker = arg;

    (void)loop;
    route_end_all(worker);
    peer_end_all(worker);
}

void worker_init(struct server_worker *worker, struct server *server, uint32_t index)
{
    worker->server = server;
    worker->index = index;
    worker->orders[ORDER_OPEN] = (struct io_message){.fn = open_doors, .arg = worker};
    worker->orders[ORDER_STOP] = (struct io_message){.fn = stop, .arg = worker};
    worker->orders[ORDER_CUT] = (struct io_message){.fn = cut, .arg = worker};
    worker->ready = (struct io_message){.fn = server_worker_ready, .arg = server};
    worker->idle = (struct io_message){.fn = server_worker_idle, .arg = server};
    slots_init(&worker->slots, index);
    list_init(&worker->early);
    list_init(&worker->peers);
    list_init(&worker->walks);
    list_init(&worker->superseded);
    list_init(&worker->routes);
    atomic_init(&worker->handovers, 0);
    atomic_init(&worker->peer_count, 0);
}

void worker_run(struct io_loop *loop, void *arg)
{
    struct server_worker *worker = arg;

    io_timer_init(&worker->resume_accepting, loop, resume_accepting, worker);
    io_timer_init(&worker->make_room, loop, make_room, worker);
    io_timer_init(&worker->clock_look, loop, look_at_clock, worker);
    io_task_init(&worker->idle_check, loop, check_idle, worker);
    worker->scratch = malloc(EARLY_BYTES_MAX);
    if (worker->scratch == NULL ||
        tunnel_hub_init(&worker->hub, loop, worker->settings->memory_per_worker) != 0)
        worker->failure = IO_E_NO_MEMORY;
    worker->hub.relieve = route_end_greediest;
    worker->hub.relieve_arg = worker;
}

void worker_clear(struct server_worker *worker)
{
    slots_clear(&worker->slots);
    if (worker->hub.loop != NULL)
        tunnel_hub_clear(&worker->hub);
    free(worker->scratch);
    free(worker->notice);
    snapshot_unref(worker->settings);
}
