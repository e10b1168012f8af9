/*
 * Files on their way while either side is killed, the network fails, disks are full and power goes
 * between two steps of writing. Whatever happens, no file stands half under its own name, and what
 * a sender was told is there stays there without power. Once all is whole again, the next try
 * succeeds. Somebody tries to get in all the time.
 */
#include "tests/sim/burglar.h"
#include "tests/sim/chaos.h"
#include "tests/sim/courier.h"
#include "tests/sim/scenario.h"

enum {
    SECOND_US = 1000 * 1000,
    STEP_US = 100 * 1000,
    ROUGH_TRIES = 6,
    TRY_S = 300,
    KILL_AFTER_MAX_US = 4 * SECOND_US,
    DOWN_MAX_US = 3 * SECOND_US,
    STEPS_MAX = 150,   /* of writing, until the power fails */
    CALM_TRIES = 4,    /* a lost connection may hold a part for its silence of 180 s … */
    CALM_WAIT_S = 100, /* … which these outlast */
    END_S = 200,
    DISK_FULL = 100,
    LARGE_MAX = 1500 * 1000,
};

struct mishaps {
    struct courier *courier;
    bool rough;
    struct sim_event kill;
};

static enum sim_kill draw_kill(struct sim_world *world)
{
    return sim_chance(world, 5000) ? SIM_KILL_POWER : SIM_KILL_PROCESS;
}

/* One side dies; the receiver comes again by itself. */
static void strike(void *arg)
{
    struct mishaps *mishaps = arg;
    struct courier *courier = mishaps->courier;
    struct sim_world *world = courier->world;
    switch (sim_random_below(world, 4)) {
    case 0:
        party_kill(&courier->sender, draw_kill(world));
        break;
    case 1:
        if (party_is_up(&courier->receiver))
            party_restart(&courier->receiver, draw_kill(world),
                          1 + sim_random_below(world, DOWN_MAX_US));
        break;
    default:
        sim_disk_kill_at(courier->receiver_host, 1 + (unsigned)sim_random_below(world, STEPS_MAX),
                         draw_kill(world));
        break;
    }
}

static void let_pass(struct courier *courier, uint64_t seconds, bool (*until)(struct courier *))
{
    uint64_t end_us = sim_now_us(courier->world) + seconds * SECOND_US;
    while (sim_now_us(courier->world) < end_us && sim_failure(courier->world) == NULL &&
           !(until != NULL && until(courier))) {
        sim_run(courier->world, sim_now_us(courier->world) + STEP_US, NULL, NULL);
        courier_look_after_receiver(courier);
        courier_check_names(courier);
    }
}

static bool over(struct courier *courier)
{
    return courier_try_is_over(courier);
}

static bool sender_gone(struct courier *courier)
{
    return party_is_over(&courier->sender);
}

/* True when the sender says that all is kept. */
static bool run_try(struct courier *courier, struct mishaps *mishaps)
{
    struct sim_world *world = courier->world;
    courier_send(courier);
    if (mishaps->rough)
        sim_event_in(&mishaps->kill, sim_random_below(world, KILL_AFTER_MAX_US));
    let_pass(courier, TRY_S, over);
    sim_event_cancel(&mishaps->kill);
    bool all_kept = courier->done && courier->all_kept;
    if (all_kept)
        courier_check_promise(courier);
    if (sim_host_process(courier->sender_host) == NULL)
        party_kill(&courier->sender, SIM_KILL_PROCESS);
    courier_stop_sender(courier);
    let_pass(courier, END_S, sender_gone);
    return all_kept;
}

static void set_weather(struct sim_world *world)
{
    uint64_t strength = sim_random_below(world, 4); /* 0 = calm */
    struct sim_weather weather = {
        .split = (unsigned)(strength * 500),
        .short_read = (unsigned)(strength * 500),
        .short_write = (unsigned)(strength * 500),
        .spurious = (unsigned)(strength * 200),
        .delay = (unsigned)(strength * 20),
        .slow_helper = (unsigned)(strength * sim_random_below(world, 300)),
        .slow_loop = (unsigned)(strength * 10),
        .disk_full = sim_chance(world, 3000) ? DISK_FULL : 0,
    };
    sim_set_weather(world, &weather);
}

static void add_chaos(struct chaos *chaos, struct courier *courier)
{
    const struct chaos_target target = {.a = courier->sender_host, .b = courier->receiver_host};
    const struct chaos_target receiver = {.a = courier->receiver_host};
    chaos_init(chaos, courier->world);
    set_weather(courier->world);
    chaos_cuts(chaos, &target, 8 * SECOND_US);
    chaos_stalls(chaos, &receiver, 10 * SECOND_US);
    chaos_refusals(chaos, &receiver, 60 * SECOND_US);
    chaos_wall_jumps(chaos, &receiver, 20 * SECOND_US);
    if (sim_chance(courier->world, 2000))
        chaos_forgets(chaos, &target, 30 * SECOND_US);
}

static void be_rough(struct courier *courier, struct mishaps *mishaps)
{
    struct chaos chaos;
    add_chaos(&chaos, courier);
    mishaps->rough = true;
    for (int i = 0; i < ROUGH_TRIES && sim_failure(courier->world) == NULL; i++)
        run_try(courier, mishaps);
    chaos_stop(&chaos);
    sim_disk_fail_at(courier->receiver_host, 0);
    mishaps->rough = false;
}

static void be_calm(struct courier *courier, struct mishaps *mishaps)
{
    for (int i = 0; i < CALM_TRIES && sim_failure(courier->world) == NULL; i++) {
        if (run_try(courier, mishaps))
            return;
        let_pass(courier, CALM_WAIT_S, NULL);
    }
    if (sim_failure(courier->world) == NULL)
        sim_fail(courier->world, "nothing fails any more, and it does not arrive: %s",
                 courier->why);
}

static bool all_over(void *arg)
{
    const struct courier *courier = arg;
    return party_is_over(&courier->sender) && party_is_over(&courier->receiver);
}

static bool burglar_has_left(void *arg)
{
    const struct burglar *burglar = arg;
    return party_is_over(&burglar->party);
}

static void run(struct sim_world *world)
{
    struct burglar burglar;
    struct courier courier;
    struct mishaps mishaps = {.courier = &courier};
    courier_build(&courier, world, LARGE_MAX);
    sim_event_init(&mishaps.kill, world, strike, &mishaps);
    party_start(&courier.receiver);
    burglar_start(&burglar, world, "10.0.0.66", &courier.listen, courier.pair.public_key);
    be_rough(&courier, &mishaps);
    be_calm(&courier, &mishaps);
    let_pass(&courier, 5, NULL);
    burglar_stop(&burglar);
    (void)sim_run(world, sim_now_us(world) + END_S * (uint64_t)SECOND_US, burglar_has_left,
                  &burglar);
    party_stop(&courier.receiver);
    if (!sim_run(world, sim_now_us(world) + END_S * (uint64_t)SECOND_US, all_over, &courier))
        sim_fail(world, "the end does not come");
    courier_free(&courier);
}

static const enum sim_fault faults[] = {
    SIM_SPLIT,     SIM_SHORT_READ, SIM_SHORT_WRITE, SIM_STALL,       SIM_CUT_BOTH,
    SIM_CUT_ONE,   SIM_KILL,       SIM_POWER,       SIM_DISK_LOST,   SIM_DISK_FULL,
    SIM_WALL_JUMP, SIM_REFUSED,    SIM_NAT_FORGOT,  SIM_SLOW_HELPER, SIM_FAULT_KINDS};

const struct scenario scenario_send = {
    .name = "send",
    .about = "files on their way while everything fails, power above all",
    .one_in = 1,
    .run = run,
    .faults = faults,
    .tallies = burglar_deed_names,
};
