#include "tests/sim/party.h"

#include "base/map.h"

#include <stdlib.h>

enum {
    SECOND_US = 1000 * 1000,
    STOP_WITHIN_S = 90,             /* of a role that was told to stop */
    LINGER_S = IO_LINGER_MS / 1000, /* the process may send what it closed */
};

/* How often a role is told to stop: the second time hurries it. */
enum { ONCE = 1, HURRIED = 2 };

struct life {
    struct list node; /* of the party's lives */
    struct party *party;
    struct sim_process *process;
    void *role;
    bool begun;
    bool stopped;
    bool freed;
    unsigned stops;
    unsigned stops_max; /* how often it is told to; the second time hurries */
    unsigned lingered_s;
    bool restarts;
    uint64_t ending_since_us;
    struct sim_event wind;
};

void party_init(struct party *party, struct sim_host *host, const struct party_ops *ops, void *arg)
{
    *party = (struct party){.world = sim_host_world(host), .host = host, .ops = ops, .arg = arg};
    list_init(&party->lives);
}

static void start(struct io_loop *loop, void *arg)
{
    struct life *life = arg;
    struct party *party = life->party;
    char why[512] = "";
    life->begun = true;
    life->role = party->ops->start(loop, party->arg, life, why, sizeof why);
    if (life->role == NULL && party->now == life && sim_host_process(party->host) != NULL)
        sim_fail(party->world, "%s does not start: %s", party->ops->name, why);
    life->stopped = life->role == NULL;
}

static void stop(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct life *life = arg;
    if (!life->stopped)
        life->party->ops->stop(life->role);
}

static void clear(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct life *life = arg;
    if (life->role != NULL)
        life->party->ops->free(life->role);
    life->role = NULL;
    life->freed = true;
}

static void bury(struct life *life)
{
    struct party *party = life->party;
    char why[256];
    if (sim_process_leaks(life->process, why, sizeof why) > 0)
        sim_fail(party->world, "%s leaves %s", party->ops->name, why);
    else if (sim_process_files(life->process) > 0 && !sim_process_lingers(life->process))
        sim_fail(party->world, "%s leaves %zu descriptors", party->ops->name,
                 sim_process_files(life->process));
    sim_process_end(life->process);
    list_remove(&life->node);
    if (life->restarts && sim_failure(party->world) == NULL)
        party_start(party);
    free(life);
}

/* One step a second towards the end. */
static void wind(void *arg)
{
    struct life *life = arg;
    struct party *party = life->party;
    uint64_t for_s = (sim_now_us(party->world) - life->ending_since_us) / SECOND_US;
    if (!life->begun || (!life->stopped && life->stops < life->stops_max)) {
        if (life->begun) {
            life->stops++;
            sim_process_call(life->process, stop, life);
        }
    } else if (!life->stopped) {
        if (for_s > STOP_WITHIN_S)
            sim_fail(party->world, "%s does not stop", party->ops->name);
    } else if (!life->freed) {
        sim_process_call(life->process, clear, life);
    } else if (!sim_process_waits(life->process) || life->lingered_s++ > LINGER_S) {
        bury(life);
        return;
    }
    sim_event_in(&life->wind, SECOND_US);
}

void party_start(struct party *party)
{
    struct life *life = calloc(1, sizeof *life);
    if (life == NULL)
        abort();
    life->party = party;
    sim_event_init(&life->wind, party->world, wind, life);
    list_append(&party->lives, &life->node);
    party->now = life;
    life->process = sim_host_start(party->host, start, life);
}

static void end(struct party *party, unsigned stops_max)
{
    struct life *life = party->now;
    party->now = NULL;
    life->stops_max = stops_max;
    life->ending_since_us = sim_now_us(party->world);
    sim_event_in(&life->wind, 0);
}

void party_stop(struct party *party)
{
    if (party->now != NULL)
        end(party, HURRIED);
}

void party_kill(struct party *party, enum sim_kill how)
{
    if (party->now == NULL)
        return;
    party->killed++;
    sim_process_kill(party->now->process, how);
    end(party, HURRIED);
}

void party_cycle(struct party *party)
{
    if (party->now == NULL)
        return;
    party->now->restarts = true;
    end(party, ONCE);
}

static void start_again(void *arg)
{
    party_start(arg);
}

void party_restart(struct party *party, enum sim_kill how, uint64_t after_us)
{
    if (party->now == NULL)
        return;
    party_kill(party, how);
    sim_event_init(&party->again, party->world, start_again, party);
    sim_event_in(&party->again, after_us);
}

void party_stopped(struct life *life)
{
    life->stopped = true;
}

void *party_role(const struct party *party)
{
    return party->now == NULL ? NULL : party->now->role;
}

struct sim_process *party_process(const struct party *party)
{
    return party->now == NULL ? NULL : party->now->process;
}

bool party_is_over(const struct party *party)
{
    return list_empty(&party->lives) && party->again.slot == 0;
}

void party_check_memory(const struct party *party, size_t budget)
{
    struct sim_process *process = party_process(party);
    size_t bytes = process == NULL ? 0 : sim_process_pool_bytes(process);
    if (bytes > budget)
        sim_fail(party->world, "%s holds %zu bytes of buffers, %zu are allowed", party->ops->name,
                 bytes, budget);
}

bool party_is_up(const struct party *party)
{
    return party->now != NULL;
}
