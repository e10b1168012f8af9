/*
 * Callers and a service with nothing but the network between them: proves the simulator, and what
 * io.h promises, before any role is on top.
 */
#include "base/map.h"
#include "tests/sim/answerer.h"
#include "tests/sim/caller.h"
#include "tests/sim/chaos.h"
#include "tests/sim/scenario.h"

#include <stdlib.h>
#include <string.h>

enum {
    SECOND_US = 1000 * 1000,
    LOOPS_MAX = 3,
    CALLERS_MAX = 4,
    CALLS_MAX = 12,
    BYTES_MAX = 200 * 1000,
    ROUGH_S = 60,
    CALM_CALLS = 8,
    GIVE_UP_MS = 30 * 1000,
    CALM_GIVE_UP_MS = 600 * 1000,
    SETTLE_S = 700, /* longer than anything lingers or retries */
};

struct echo;

struct server_loop {
    struct echo *echo;
    struct io_loop *loop;
    struct io_listener *listener;
    struct io_timer resume;
};

struct echo {
    struct sim_world *world;
    struct sim_host *server;
    struct sim_process *server_process;
    struct sim_host *caller_hosts[CALLERS_MAX];
    struct sim_process *callers[CALLERS_MAX];
    size_t caller_count;
    struct addr at;
    struct server_loop loops[LOOPS_MAX];
    size_t loop_count;
    size_t loops_up;
    struct service service;
    struct transfers transfers;
    struct answerers answerers;
    struct chaos chaos;
    struct sim_event call;
    uint64_t calls_left;
    uint64_t give_up_ms;
    uint64_t first_calm; /* transfers from this number on must come through */
    size_t joined;
};

/* ---- The service ---- */

struct handover {
    struct echo *echo;
    struct io_parcel *parcel;
};

static void take_over(struct io_loop *loop, void *arg)
{
    struct handover *handover = arg;
    answerer_attach(&handover->echo->answerers, loop, handover->parcel);
    free(handover);
}

static void accepted(void *arg, struct io_stream *stream)
{
    struct echo *echo = ((struct server_loop *)arg)->echo;
    uint64_t to = sim_random_below(echo->world, 2 * LOOPS_MAX);
    struct io_parcel *parcel = NULL;
    if (to < echo->loops_up)
        parcel = io_detach(stream);
    if (parcel == NULL) {
        answerer_start(&echo->answerers, stream);
        return;
    }
    struct handover *handover = calloc(1, sizeof *handover);
    if (handover == NULL)
        abort();
    *handover = (struct handover){.echo = echo, .parcel = parcel};
    (void)io_post(echo->loops[to].loop, take_over, handover);
}

static void resume(void *arg)
{
    struct server_loop *server = arg;
    io_listener_resume(server->listener);
}

static void exhausted(void *arg, int error)
{
    struct server_loop *server = arg;
    if (error != IO_E_NO_FILES)
        sim_fail(server->echo->world, "exhausted: %s", io_error_text(error));
    io_timer_set_in(&server->resume, 100);
}

static const struct io_listener_handler listener_handler = {.accepted = accepted,
                                                            .exhausted = exhausted};

static struct server_loop *loop_up(struct echo *echo, struct io_loop *loop)
{
    struct server_loop *server = &echo->loops[echo->loops_up++];
    server->echo = echo;
    server->loop = loop;
    io_timer_init(&server->resume, loop, resume, server);
    return server;
}

static void start_worker(struct io_loop *loop, void *arg)
{
    struct echo *echo = arg;
    struct server_loop *server = loop_up(echo, loop);
    int error;
    server->listener =
        io_listener_share(echo->loops[0].listener, loop, &listener_handler, server, &error);
}

static void start_server(struct io_loop *loop, void *arg)
{
    struct echo *echo = arg;
    struct server_loop *server = loop_up(echo, loop);
    int error;
    struct addr any = {.ip = {.family = 4}, .port = echo->at.port};
    server->listener = io_listen(loop, &any, &listener_handler, server, &error);
    if (server->listener == NULL) {
        sim_fail(echo->world, "listen: %s", io_error_text(error));
        return;
    }
    for (size_t i = 1; i < echo->loop_count; i++)
        (void)io_worker_start(loop, "worker", start_worker, echo, &error);
}

static struct server_loop *server_loop(struct echo *echo, const struct io_loop *loop)
{
    for (size_t i = 0; i < echo->loops_up; i++)
        if (echo->loops[i].loop == loop)
            return &echo->loops[i];
    return NULL;
}

static void stop_loop(struct io_loop *loop, void *arg)
{
    struct echo *echo = arg;
    struct server_loop *server = server_loop(echo, loop);
    io_listener_close(server->listener);
    io_timer_stop(&server->resume);
    answerers_abort(&echo->answerers, loop);
}

static void stop_server(struct io_loop *loop, void *arg)
{
    struct echo *echo = arg;
    for (size_t i = 1; i < echo->loops_up; i++) {
        (void)io_post(echo->loops[i].loop, stop_loop, echo);
        io_worker_join(echo->loops[i].loop);
    }
    stop_loop(loop, arg);
    echo->joined = echo->loops_up;
}

/* ---- The callers ---- */

static void start_caller(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void do_call(struct io_loop *loop, void *arg)
{
    struct transfer *transfer = arg;
    struct echo *echo = container_of(transfer->transfers, struct echo, transfers);
    caller_start(transfer, loop, &echo->at, echo->give_up_ms);
}

static void plan_call(void *arg)
{
    struct echo *echo = arg;
    if (echo->calls_left == 0)
        return;
    echo->calls_left--;
    struct transfer *transfer =
        transfer_new(&echo->transfers, &echo->service, BYTES_MAX, BYTES_MAX);
    size_t from = sim_random_below(echo->world, echo->caller_count);
    sim_process_call(echo->callers[from], do_call, transfer);
    sim_event_in(&echo->call, sim_random_below(echo->world, 2 * SECOND_US));
}

static bool all_called(void *arg)
{
    const struct echo *echo = arg;
    return echo->calls_left == 0 && echo->transfers.running == 0 && echo->call.slot == 0;
}

/* Called, or about to be; or done for the caller alone. */
static bool runs(const struct transfer *transfer)
{
    return transfer->caller == TRANSFER_RUNNING ||
           (transfer->caller == TRANSFER_DONE && transfer->answerer == TRANSFER_RUNNING);
}

/* Both ends of each. */
static bool all_ended(void *arg)
{
    const struct echo *echo = arg;
    if (!all_called(arg))
        return false;
    const struct list *head = &echo->transfers.all;
    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct transfer *transfer = container_of(at, struct transfer, node);
        if (transfer->id >= echo->first_calm && runs(transfer))
            return false;
    }
    return true;
}

/* ---- The run ---- */

static void build(struct echo *echo, struct sim_world *world)
{
    echo->world = world;
    echo->give_up_ms = GIVE_UP_MS;
    echo->loop_count = sim_random_between(world, 1, LOOPS_MAX);
    echo->caller_count = sim_random_between(world, 1, CALLERS_MAX);
    echo->service.name = "echo";
    echo->service.preamble_len = sim_random_below(world, 100);
    memset(echo->service.preamble, 'p', echo->service.preamble_len);
    transfers_init(&echo->transfers, world);
    answerers_init(&echo->answerers, &echo->transfers, &echo->service);
    chaos_init(&echo->chaos, world);
    sim_event_init(&echo->call, world, plan_call, echo);
    (void)addr_parse("192.0.2.1:443", &echo->at);
    echo->server = sim_host_new(world, "server", "192.0.2.1");
    if (sim_chance(world, 2000))
        sim_host_set_files_max(echo->server, 3);
    if (sim_chance(world, 2000))
        sim_host_set_backlog(echo->server, 1);
    echo->server_process = sim_host_start(echo->server, start_server, echo);
    for (size_t i = 0; i < echo->caller_count; i++) {
        char name[32];
        char address[32];
        snprintf(name, sizeof name, "caller%zu", i);
        snprintf(address, sizeof address, "198.51.100.%zu", i + 1);
        echo->caller_hosts[i] = sim_host_new(world, name, address);
        echo->callers[i] = sim_host_start(echo->caller_hosts[i], start_caller, echo);
    }
}

static void go_rough(struct echo *echo)
{
    struct chaos_target server = {.a = echo->server};
    chaos_weather(&echo->chaos, false);
    chaos_cuts(&echo->chaos, &server, 8 * SECOND_US);
    chaos_forgets(&echo->chaos, &server, 20 * SECOND_US);
    chaos_stalls(&echo->chaos, &server, 30 * SECOND_US);
    chaos_holes(&echo->chaos, &server, 60 * SECOND_US);
    chaos_refusals(&echo->chaos, &server, 30 * SECOND_US);
    chaos_unreachable(&echo->chaos, &server, 60 * SECOND_US);
}

static void run_calls(struct echo *echo, uint64_t calls, uint64_t seconds, bool (*until)(void *arg))
{
    echo->calls_left = calls;
    sim_event_in(&echo->call, 0);
    (void)sim_run(echo->world, sim_now_us(echo->world) + seconds * SECOND_US, until, echo);
}

static void check_calm(struct echo *echo)
{
    struct list *head = &echo->transfers.all;
    for (struct list *at = head->next; at != head; at = at->next) {
        const struct transfer *transfer = container_of(at, struct transfer, node);
        if (transfer->id >= echo->first_calm)
            transfer_must_be_complete(transfer);
    }
}

static void check_left(struct sim_process *process, const char *who, struct sim_world *world)
{
    char why[256];
    if (sim_process_leaks(process, why, sizeof why) > 0)
        sim_fail(world, "%s leaves %s", who, why);
    if (sim_process_files(process) > 0 && !sim_process_lingers(process))
        sim_fail(world, "%s leaves %zu descriptors", who, sim_process_files(process));
}

static void end(struct echo *echo)
{
    uint64_t settle_us = (uint64_t)SETTLE_S * SECOND_US;
    sim_process_call(echo->server_process, stop_server, echo);
    (void)sim_run(echo->world, sim_now_us(echo->world) + settle_us, NULL, NULL);
    check_left(echo->server_process, "server", echo->world);
    sim_process_end(echo->server_process);
    for (size_t i = 0; i < echo->caller_count; i++) {
        check_left(echo->callers[i], "caller", echo->world);
        sim_process_end(echo->callers[i]);
    }
    (void)sim_run(echo->world, sim_now_us(echo->world) + settle_us, NULL, NULL);
    if (sim_conn_count(echo->world) > 0)
        sim_fail(echo->world, "%zu connections are left", sim_conn_count(echo->world));
    transfers_free(&echo->transfers);
}

static void run(struct sim_world *world)
{
    struct echo echo = {0};
    build(&echo, world);
    go_rough(&echo);
    run_calls(&echo, sim_random_between(world, 1, CALLS_MAX), ROUGH_S, all_called);
    chaos_stop(&echo.chaos);
    echo.give_up_ms = CALM_GIVE_UP_MS;
    sim_host_set_files_max(echo.server, 0);
    echo.first_calm = echo.transfers.next_id;
    run_calls(&echo, CALM_CALLS, CALM_GIVE_UP_MS / 1000, all_ended);
    check_calm(&echo);
    end(&echo);
}

static const enum sim_fault faults[] = {
    SIM_SPLIT,       SIM_SHORT_READ, SIM_SHORT_WRITE, SIM_SPURIOUS,  SIM_DELAY,     SIM_STALL,
    SIM_CUT_BOTH,    SIM_CUT_ONE,    SIM_NAT_FORGOT,  SIM_HOLE_OUT,  SIM_HOLE_IN,   SIM_REFUSED,
    SIM_UNREACHABLE, SIM_BACKLOG,    SIM_NO_FILES,    SIM_RESET_ATE, SIM_SLOW_LOOP, SIM_FAULT_KINDS,
};

const struct scenario scenario_echo = {
    .name = "echo",
    .about = "callers and a service with nothing but the network between them",
    .one_in = 1,
    .run = run,
    .faults = faults,
};
