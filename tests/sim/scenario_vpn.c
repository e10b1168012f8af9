/*
 * Two or three ends of a VPN, each joined with each, one link by a machine on the path that turns
 * hostile and may go away. Under load, with new keys all the time, while everything goes wrong:
 * what is delivered was sent, to there, once. Once the world is calm all reach all again; where the
 * machine on the path is gone for good, by the third end.
 */
#include "base/map.h"
#include "tests/sim/chaos.h"
#include "tests/sim/meddler.h"
#include "tests/sim/scenario.h"
#include "tests/sim/seals.h"
#include "tests/sim/vpnend.h"

#include <string.h>

enum {
    SECOND_US = 1000 * 1000,
    ROUGH_S = 60,
    AWAY_MAX_S = 10,
    BURST_MAX = 12,
    PAUSE_MAX_US = 60 * 1000,
    TURN_US = 1000,
    PROBE_US = 250 * 1000,
    /* Silence is noticed after 20 s, and then there may be an attempt that hangs for 10 s and a
     * pause of 60 s. */
    BACK_S = 20 + 10 + 60 + 10,
    SETTLE_S = 1100,   /* longer than any TCP tries */
    MEDDLED_MAX = 300, /* of 10,000 pieces */
};

struct network {
    struct sim_world *world;
    struct vpnend ends[VPNEND_MAX];
    size_t count;
    struct meddler path;
    struct letters letters;
    struct nonces seals;
    struct chaos chaos;
    struct sim_event turn;
    struct sim_event load;
    bool loads;
    bool routed; /* by the mesh: IP, three ends */
};

/* ---- Load ---- */

static void turn(void *arg)
{
    struct network *network = arg;
    for (size_t i = 0; i < network->count; i++)
        vpnend_turn(&network->ends[i]);
    sim_event_in(&network->turn, TURN_US);
}

static struct vpnend *any_end(struct network *network)
{
    return &network->ends[sim_random_below(network->world, network->count)];
}

static void load(void *arg)
{
    struct network *network = arg;
    struct sim_world *world = network->world;
    struct vpnend *from = any_end(network);
    struct vpnend *to = any_end(network);
    uint64_t burst = sim_random_between(world, 1, BURST_MAX);
    for (; from != to && burst > 0; burst--)
        (void)vpnend_send(from, to, network->routed && sim_chance(world, 5000),
                          sim_random_between(world, LETTER_MIN, LETTER_MAX), NULL);
    if (network->loads)
        sim_event_in(&network->load, sim_random_below(world, PAUSE_MAX_US));
}

static void check(void *arg)
{
    const struct network *network = arg;
    for (size_t i = 0; i < network->count; i++)
        vpnend_check(&network->ends[i]);
}

/* ---- What goes wrong ---- */

static uint64_t strike_end(struct chaos *chaos, const struct chaos_target *target)
{
    struct network *network = container_of(chaos, struct network, chaos);
    struct sim_world *world = network->world;
    (void)target;
    struct party *party = &any_end(network)->party;
    switch (sim_random_below(world, 3)) {
    case 0:
        party_cycle(party);
        break;
    case 1:
        party_restart(party, SIM_KILL_PROCESS, sim_random_below(world, AWAY_MAX_S * SECOND_US));
        break;
    default:
        party_restart(party, SIM_KILL_POWER, sim_random_below(world, AWAY_MAX_S * SECOND_US));
    }
    return 0;
}

static uint64_t strike_path(struct chaos *chaos, const struct chaos_target *target)
{
    struct network *network = container_of(chaos, struct network, chaos);
    (void)target;
    if (sim_chance(network->world, 3000))
        party_restart(&network->path.party, SIM_KILL_PROCESS,
                      sim_random_below(network->world, AWAY_MAX_S * SECOND_US));
    else
        network->path.per_10000 = (unsigned)sim_random_below(network->world, MEDDLED_MAX);
    return 0;
}

static void go_rough(struct network *network)
{
    struct chaos_target any = {0};
    struct chaos_target end = {.a = network->ends[0].host};
    chaos_weather(&network->chaos);
    chaos_cuts(&network->chaos, &any, 15 * SECOND_US);
    chaos_forgets(&network->chaos, &any, 30 * SECOND_US);
    chaos_stalls(&network->chaos, &end, 30 * SECOND_US);
    chaos_holes(&network->chaos, &end, 60 * SECOND_US);
    chaos_add(&network->chaos, strike_end, NULL, &any, 15 * SECOND_US);
    chaos_add(&network->chaos, strike_path, NULL, &any, 5 * SECOND_US);
    network->path.per_10000 = (unsigned)sim_random_below(network->world, MEDDLED_MAX);
}

/* ---- All reach all ---- */

struct probe {
    struct network *network;
    struct vpnend *from;
    struct vpnend *to;
    bool inside;
    uint64_t first; /* letters from this number on count */
    uint64_t last_us;
};

static bool is_through(const struct probe *probe)
{
    const struct letters *letters = probe->from->letters;
    const struct adit_ip *to = probe->inside ? &probe->to->inside : &probe->to->tunnel;
    for (size_t i = probe->first; i < letters->count; i++)
        if (letters->all[i].got > 0 && ip_equal(&letters->all[i].from, &probe->from->tunnel) &&
            ip_equal(&letters->all[i].to, to))
            return true;
    return false;
}

static bool probed(void *arg)
{
    struct probe *probe = arg;
    uint64_t now_us = sim_now_us(probe->network->world);
    if (is_through(probe))
        return true;
    if (now_us - probe->last_us >= PROBE_US) {
        probe->last_us = now_us;
        (void)vpnend_send(probe->from, probe->to, probe->inside, LETTER_MIN, NULL);
    }
    return false;
}

static void must_reach(struct network *network, uint64_t until_us, bool inside)
{
    for (size_t i = 0; i < network->count; i++) {
        for (size_t j = 0; j < network->count; j++) {
            struct probe probe = {.network = network,
                                  .from = &network->ends[i],
                                  .to = &network->ends[j],
                                  .inside = inside,
                                  .first = network->letters.count};
            if (i != j && sim_failure(network->world) == NULL &&
                !sim_run(network->world, until_us, probed, &probe))
                sim_fail(network->world, "end %zu does not reach %s of end %zu", i + 1,
                         inside ? "the network" : "the tunnel", j + 1);
        }
    }
}

static void must_come_back(struct network *network)
{
    uint64_t until_us = sim_now_us(network->world) + BACK_S * (uint64_t)SECOND_US;
    must_reach(network, until_us, false);
    if (network->routed)
        must_reach(network, until_us, true);
}

/* The direct way between the first two is gone. */
static void must_go_round(struct network *network)
{
    uint64_t forwarded = network->ends[2].forwarded;
    party_kill(&network->path.party, SIM_KILL_PROCESS);
    must_come_back(network);
    if (network->ends[2].forwarded == forwarded)
        sim_fail(network->world, "nothing went by the third end");
}

/* ---- The run ---- */

static void build(struct network *network, struct sim_world *world)
{
    enum io_device_kind kind = sim_chance(world, 2500) ? IO_DEVICE_ETHERNET : IO_DEVICE_IP;
    network->world = world;
    network->letters.world = world;
    network->count = kind == IO_DEVICE_IP && sim_chance(world, 6000) ? 3 : 2;
    network->routed = network->count == 3;
    chaos_init(&network->chaos, world);
    sim_event_init(&network->turn, world, turn, network);
    sim_event_init(&network->load, world, load, network);
    for (unsigned i = 0; i < network->count; i++)
        vpnend_init(&network->ends[i], world, &network->letters, i, kind);
    meddler_init(&network->path, world, "192.0.2.100", &network->ends[0].at);
    vpnend_join(&network->ends[1], &network->ends[0], &network->path.at);
    if (network->count == 3) {
        vpnend_join(&network->ends[2], &network->ends[0], &network->ends[0].at);
        vpnend_join(&network->ends[1], &network->ends[2], &network->ends[2].at);
    }
    seals_begin(&network->seals);
    party_start(&network->path.party);
    for (size_t i = 0; i < network->count; i++)
        vpnend_start(&network->ends[i]);
    sim_set_check(world, check, network);
    sim_event_in(&network->turn, TURN_US);
}

static bool is_over(void *arg)
{
    const struct network *network = arg;
    bool over = party_is_over(&network->path.party);
    for (size_t i = 0; i < network->count; i++)
        over = over && party_is_over(&network->ends[i].party);
    return over;
}

static void stop(struct network *network)
{
    struct sim_world *world = network->world;
    party_stop(&network->path.party);
    for (size_t i = 0; i < network->count; i++)
        party_stop(&network->ends[i].party);
    if (!sim_run(world, sim_now_us(world) + SETTLE_S * (uint64_t)SECOND_US, is_over, network))
        sim_fail(world, "the ends do not end");
    sim_event_cancel(&network->turn);
    (void)sim_run(world, sim_now_us(world) + SETTLE_S * (uint64_t)SECOND_US, NULL, NULL);
    if (sim_conn_count(world) > 0)
        sim_fail(world, "%zu connections are left", sim_conn_count(world));
    seals_end(&network->seals, world);
    letters_end(&network->letters);
}

static void run(struct sim_world *world)
{
    static struct network network;
    memset(&network, 0, sizeof network);
    build(&network, world);
    network.loads = true;
    sim_event_in(&network.load, SECOND_US);
    go_rough(&network);
    (void)sim_run(world, sim_now_us(world) + ROUGH_S * (uint64_t)SECOND_US, NULL, NULL);
    chaos_stop(&network.chaos);
    network.path.per_10000 = 0;
    /* Who was ended is back. */
    (void)sim_run(world, sim_now_us(world) + AWAY_MAX_S * (uint64_t)SECOND_US, NULL, NULL);
    must_come_back(&network);
    if (network.routed)
        must_go_round(&network);
    network.loads = false;
    stop(&network);
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
    .one_in = 8,
    .run = run,
    .faults = faults,
};
