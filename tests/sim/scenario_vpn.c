/*
 * Two or three ends of a VPN, each joined with each, one link by a machine on the path that turns
 * hostile and may go away. Under load, with new keys all the time, while everything goes wrong:
 * what is delivered was sent, to there, once. Once the world is calm all reach all again; where the
 * machine on the path is gone for good, by the third end.
 */
#include "tests/sim/overlay.h"
#include "tests/sim/scenario.h"

enum {
    SECOND_US = 1000 * 1000,
    ROUGH_S = 60,
    PAUSE_MAX_US = 100 * 1000,
    TURN_US = 2000,
    SETTLE_S = 1100, /* longer than any TCP tries */
    LONG_AWAY_MAX_S = 300,
    LONG_PER_10000 = 3000,
};

static void check(void *arg)
{
    overlay_check(arg);
}

static void go_rough(struct overlay *overlay, struct chaos *chaos)
{
    struct chaos_target any = {0};
    struct chaos_target end = {.a = overlay->ends[0].host};
    chaos_weather(chaos, false);
    chaos_cuts(chaos, &any, 15 * SECOND_US);
    chaos_forgets(chaos, &any, 30 * SECOND_US);
    chaos_stalls(chaos, &end, 30 * SECOND_US);
    chaos_holes(chaos, &end, 60 * SECOND_US);
    overlay_trouble(overlay, chaos, 15 * SECOND_US);
}

static void must_come_back(struct overlay *overlay)
{
    overlay_must_reach(overlay, sim_now_us(overlay->world) + OVERLAY_BACK_S * (uint64_t)SECOND_US);
}

/* The direct way between the first two is gone. */
static void must_go_round(struct overlay *overlay)
{
    uint64_t forwarded = overlay->ends[2].forwarded;
    party_kill(&overlay->path.party, SIM_KILL_PROCESS);
    must_come_back(overlay);
    if (overlay->ends[2].forwarded == forwarded)
        sim_fail(overlay->world, "nothing went by the third end");
}

/* The only way between the two is gone, for so long that each waits as long as it ever does. */
static void must_come_back_late(struct overlay *overlay)
{
    struct sim_world *world = overlay->world;
    party_kill(&overlay->path.party, SIM_KILL_PROCESS);
    (void)sim_run(world,
                  sim_now_us(world) +
                      sim_random_between(world, 1, LONG_AWAY_MAX_S) * (uint64_t)SECOND_US,
                  NULL, NULL);
    party_start(&overlay->path.party);
    must_come_back(overlay);
}

static bool is_over(void *arg)
{
    return overlay_is_over(arg);
}

static void stop(struct overlay *overlay)
{
    struct sim_world *world = overlay->world;
    overlay_stop(overlay);
    if (!sim_run(world, sim_now_us(world) + SETTLE_S * (uint64_t)SECOND_US, is_over, overlay))
        sim_fail(world, "the ends do not end");
    overlay_end(overlay);
    (void)sim_run(world, sim_now_us(world) + SETTLE_S * (uint64_t)SECOND_US, NULL, NULL);
    if (sim_conn_count(world) > 0)
        sim_fail(world, "%zu connections are left", sim_conn_count(world));
}

static void run(struct sim_world *world)
{
    static struct overlay overlay;
    struct chaos chaos;
    chaos_init(&chaos, world);
    overlay_start(&overlay, world, TURN_US);
    sim_set_check(world, check, &overlay);
    (void)sim_run(world, sim_now_us(world) + SECOND_US, NULL, NULL);
    overlay_set_load(&overlay, PAUSE_MAX_US);
    go_rough(&overlay, &chaos);
    (void)sim_run(world, sim_now_us(world) + ROUGH_S * (uint64_t)SECOND_US, NULL, NULL);
    chaos_stop(&chaos);
    overlay_calm(&overlay);
    /* Who was ended is back. */
    (void)sim_run(world, sim_now_us(world) + OVERLAY_AWAY_MAX_S * (uint64_t)SECOND_US, NULL, NULL);
    must_come_back(&overlay);
    if (overlay.routed)
        must_go_round(&overlay);
    else if (sim_chance(world, LONG_PER_10000))
        must_come_back_late(&overlay);
    stop(&overlay);
}

static const enum sim_fault faults[] = {
    SIM_SPLIT,    SIM_SHORT_READ, SIM_SHORT_WRITE, SIM_SPURIOUS,    SIM_DELAY,
    SIM_STALL,    SIM_CUT_BOTH,   SIM_CUT_ONE,     SIM_NAT_FORGOT,  SIM_HOLE_OUT,
    SIM_HOLE_IN,  SIM_KILL,       SIM_POWER,       SIM_FLIPPED,     SIM_DROPPED,
    SIM_REPLAYED, SIM_REORDERED,  SIM_SLOW_LOOP,   SIM_FAULT_KINDS,
};

const struct scenario scenario_vpn = {
    .name = "vpn",
    .about = "ends of a VPN, restarted, cut off, with a hostile machine on the path",
    .one_in = 1,
    .run = run,
    .faults = faults,
};
