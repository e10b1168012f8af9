#include "io/sim/process.h"

#include "io/sim/device.h"
#include "io/sim/disk.h"
#include "io/sim/listener.h"
#include "io/sim/loop.h"
#include "io/sim/stream.h"

#include <stdlib.h>

enum { CALL_WAIT_US = 1000000 };

struct sim_process *sim_host_start(struct sim_host *host,
                                   void (*start)(struct io_loop *loop, void *arg), void *arg)
{
    if (host->process != NULL)
        abort();
    struct sim_process *process = world_alloc(sizeof *process);
    process->host = host;
    process->random = sim_random_below(host->world, UINT64_MAX);
    process->disk = (struct io_disk){.disk = host->disk, .process = process};
    list_init(&process->loops);
    list_init(&process->parcels);
    process->main = loop_new(process);
    host->process = process;
    host->powered = true;
    sim_trace(host->world, "start", host->id, 0, 0);
    io_post(process->main, start, arg);
    return process;
}

struct sim_process *sim_host_process(const struct sim_host *host)
{
    return host->process;
}

struct sim_host *sim_process_host(const struct sim_process *process)
{
    return process->host;
}

struct io_loop *sim_process_loop(const struct sim_process *process)
{
    return process->main;
}

void sim_process_call(struct sim_process *process, void (*fn)(struct io_loop *loop, void *arg),
                      void *arg)
{
    io_post(process->main, fn, arg);
}

struct errand {
    void (*fn)(struct io_loop *loop, void *arg); /* NULL = nobody waits any more */
    void *arg;
    bool done;
};

static void run_errand(struct io_loop *loop, void *arg)
{
    struct errand *errand = arg;
    if (errand->fn == NULL) {
        free(errand);
        return;
    }
    errand->fn(loop, errand->arg);
    errand->done = true;
}

static bool is_done(void *arg)
{
    return ((struct errand *)arg)->done;
}

bool sim_process_call_wait(struct sim_process *process, void (*fn)(struct io_loop *loop, void *arg),
                           void *arg)
{
    struct sim_world *world = process->host->world;
    struct errand *errand = world_alloc(sizeof *errand);
    *errand = (struct errand){.fn = fn, .arg = arg};
    sim_process_call(process, run_errand, errand);
    bool returned = sim_run(world, world->now_us + CALL_WAIT_US, is_done, errand);
    if (errand->done)
        free(errand);
    else
        errand->fn = NULL;
    return returned;
}

bool process_take_file(struct sim_process *process)
{
    size_t max = process->host->files_max;
    if (max != 0 && process->files >= max && !process->ghost) {
        sim_fault(process->host->world, SIM_NO_FILES);
        return false;
    }
    process->files++;
    return true;
}

void process_drop_file(struct sim_process *process)
{
    process->files--;
}

/* ---- The end ---- */

void sim_process_kill(struct sim_process *process, enum sim_kill how)
{
    struct sim_host *host = process->host;
    if (process->ghost)
        return;
    bool power = how == SIM_KILL_PROCESS;
    sim_fault(host->world, power ? SIM_KILL : SIM_POWER);
    sim_trace(host->world, "kill", host->id, how, 0);
    process->ghost = true;
    process->disk.disk = NULL;
    host->process = NULL;
    host->powered = power;
    for (struct list *at = process->loops.next; at != &process->loops; at = at->next) {
        struct io_loop *loop = container_of(at, struct io_loop, node);
        listener_kill_all(loop, power);
        stream_kill_all(loop, power);
        device_kill_all(loop, power);
    }
    stream_kill_parcels(process, power);
    if (!power)
        disk_lose_power(host->disk);
}

void sim_process_hang(struct sim_process *process, uint64_t for_us)
{
    sim_fault(process->host->world, SIM_HUNG);
    for (struct list *at = process->loops.next; at != &process->loops; at = at->next)
        container_of(at, struct io_loop, node)->held_until_us =
            process->host->world->now_us + for_us;
}

static size_t list_len(const struct list *head)
{
    size_t len = 0;
    for (const struct list *at = head->next; at != head; at = at->next)
        len++;
    return len;
}

size_t sim_process_leaks(const struct sim_process *process, char *why, size_t why_len)
{
    size_t timers = 0;
    size_t tasks = 0;
    size_t streams = 0;
    size_t listeners = 0;
    size_t lookups = 0;
    size_t devices = 0;
    size_t posts = 0;
    size_t buffers = 0;
    size_t workers = 0;
    for (struct list *at = process->loops.next; at != &process->loops; at = at->next) {
        const struct io_loop *loop = container_of(at, struct io_loop, node);
        size_t lingering = stream_lingering(loop);
        timers += loop_timers(loop) - lingering;
        tasks += io_core_busy(&loop->core) ? 1 : 0;
        streams += list_len(&loop->streams) - lingering;
        listeners += list_len(&loop->listeners);
        lookups += list_len(&loop->lookups);
        devices += device_count(loop);
        posts += loop_posts(loop);
        buffers += lingering == 0 ? loop->core.pool.lent : 0;
        workers += loop != process->main && !loop->joined ? 1 : 0;
    }
    size_t parcels = list_len(&process->parcels);
    snprintf(why, why_len,
             "timers=%zu tasks=%zu streams=%zu listeners=%zu lookups=%zu devices=%zu posts=%zu "
             "buffers=%zu workers=%zu parcels=%zu work=%zu",
             timers, tasks, streams, listeners, lookups, devices, posts, buffers, workers, parcels,
             process->working);
    return timers + tasks + streams + listeners + lookups + devices + posts + buffers + workers +
           parcels + process->working;
}

bool sim_process_lingers(const struct sim_process *process)
{
    for (struct list *at = process->loops.next; at != &process->loops; at = at->next)
        if (stream_lingering(container_of(at, struct io_loop, node)) > 0)
            return true;
    return false;
}

bool sim_process_waits(struct sim_process *process)
{
    struct list *next;
    uint64_t now_ms = process->host->world->now_us / 1000;
    if (!process->ending)
        process->ending_since_ms = now_ms;
    process->ending = true;
    for (struct list *at = process->loops.next; at != &process->loops; at = next) {
        struct io_loop *loop = container_of(at, struct io_loop, node);
        next = at->next;
        stream_end_still(loop, process->ending_since_ms);
        loop_settle(loop);
    }
    return sim_process_lingers(process);
}

size_t sim_process_pool_bytes(const struct sim_process *process)
{
    size_t bytes = 0;
    for (struct list *at = process->loops.next; at != &process->loops; at = at->next)
        bytes += io_buffered(container_of(at, struct io_loop, node));
    return bytes;
}

size_t sim_process_files(const struct sim_process *process)
{
    return process->files;
}

void sim_process_end(struct sim_process *process)
{
    struct sim_host *host = process->host;
    if (!process->ghost) {
        process->ghost = true;
        host->process = NULL;
    }
    for (struct list *at = process->loops.next; at != &process->loops; at = at->next) {
        struct io_loop *loop = container_of(at, struct io_loop, node);
        listener_kill_all(loop, true);
        stream_end_lingering(loop);
        stream_kill_all(loop, true);
    }
    while (!list_empty(&process->loops))
        loop_free(container_of(process->loops.next, struct io_loop, node));
    sim_trace(host->world, "end", host->id, 0, 0);
    free(process);
}
