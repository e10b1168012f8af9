#include "tests/sim/overlay.h"

#include "base/map.h"
#include "tests/sim/seals.h"

enum {
    SECOND_US = 1000 * 1000,
    BURST_MAX = 12,
    PROBE_US = 250 * 1000,
    ETHERNET_PER_10000 = 2500,
    THREE_PER_10000 = 6000,
    FORGED_PER_10000 = 1000,
    PATH_KILLED_PER_10000 = 3000,
};

/* ---- Load ---- */

static void turn(void *arg)
{
    struct overlay *overlay = arg;
    for (size_t i = 0; i < overlay->count; i++)
        vpnend_turn(&overlay->ends[i]);
    sim_event_in(&overlay->turn, overlay->turn_us);
}

static struct vpnend *any_end(struct overlay *overlay)
{
    return &overlay->ends[sim_random_below(overlay->world, overlay->count)];
}

static void load(void *arg)
{
    struct overlay *overlay = arg;
    struct sim_world *world = overlay->world;
    struct vpnend *from = any_end(overlay);
    struct vpnend *to = any_end(overlay);
    uint64_t burst = sim_random_between(world, 1, BURST_MAX);
    if (from != to && sim_chance(world, FORGED_PER_10000))
        (void)vpnend_forge(from, to, sim_random_between(world, LETTER_MIN, LETTER_MAX));
    for (; from != to && burst > 0; burst--)
        (void)vpnend_send(from, to, overlay->routed && sim_chance(world, 5000),
                          sim_random_between(world, LETTER_MIN, LETTER_MAX), NULL);
    sim_event_in(&overlay->load, sim_random_below(world, overlay->pause_max_us));
}

void overlay_set_load(struct overlay *overlay, uint64_t pause_max_us)
{
    overlay->pause_max_us = pause_max_us;
    if (pause_max_us == 0)
        sim_event_cancel(&overlay->load);
    else
        sim_event_in(&overlay->load, 0);
}

void overlay_check(const struct overlay *overlay)
{
    for (size_t i = 0; i < overlay->count; i++)
        vpnend_check(&overlay->ends[i]);
}

/* ---- What goes wrong ---- */

static uint64_t strike_path(struct chaos *chaos, const struct chaos_target *target)
{
    struct overlay *overlay = target->arg;
    struct sim_world *world = chaos->world;
    if (sim_chance(world, PATH_KILLED_PER_10000))
        party_restart(&overlay->path.party, SIM_KILL_PROCESS,
                      sim_random_below(world, OVERLAY_AWAY_MAX_S * SECOND_US));
    else
        overlay->path.per_10000 = (unsigned)sim_random_below(world, OVERLAY_MEDDLED_MAX);
    return 0;
}

void overlay_trouble(struct overlay *overlay, struct chaos *chaos, uint64_t mean_us)
{
    struct chaos_target path = {.arg = overlay};
    for (size_t i = 0; i < overlay->count; i++) {
        struct chaos_target end = {.party = &overlay->ends[i].party, .most = OVERLAY_AWAY_MAX_S};
        chaos_restarts(chaos, &end, mean_us * overlay->count);
    }
    chaos_add(chaos, strike_path, NULL, &path, mean_us / 3);
    overlay->path.per_10000 = (unsigned)sim_random_below(overlay->world, OVERLAY_MEDDLED_MAX);
}

void overlay_calm(struct overlay *overlay)
{
    overlay->path.per_10000 = 0;
}

/* ---- All reach all ---- */

struct probe {
    struct overlay *overlay;
    struct vpnend *from;
    struct vpnend *to;
    bool inside;
    uint64_t first; /* letters from this number on count */
    uint64_t got;   /* letters in all, when it was last looked */
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
    uint64_t now_us = sim_now_us(probe->overlay->world);
    if (probe->got != probe->overlay->letters.got && is_through(probe))
        return true;
    probe->got = probe->overlay->letters.got;
    if (now_us - probe->last_us >= PROBE_US) {
        probe->last_us = now_us;
        (void)vpnend_send(probe->from, probe->to, probe->inside, LETTER_MIN, NULL);
    }
    return false;
}

static void must_reach(struct overlay *overlay, uint64_t until_us, bool inside)
{
    for (size_t i = 0; i < overlay->count; i++) {
        for (size_t j = 0; j < overlay->count; j++) {
            struct probe probe = {.overlay = overlay,
                                  .from = &overlay->ends[i],
                                  .to = &overlay->ends[j],
                                  .inside = inside,
                                  .first = overlay->letters.count};
            if (i != j && sim_failure(overlay->world) == NULL &&
                !sim_run(overlay->world, until_us, probed, &probe))
                sim_fail(overlay->world, "end %zu does not reach %s of end %zu", i + 1,
                         inside ? "the network" : "the tunnel", j + 1);
        }
    }
}

void overlay_must_reach(struct overlay *overlay, uint64_t until_us)
{
    must_reach(overlay, until_us, false);
    if (overlay->routed)
        must_reach(overlay, until_us, true);
}

/* ---- From start to end ---- */

void overlay_start(struct overlay *overlay, struct sim_world *world, uint64_t turn_us)
{
    enum io_device_kind kind =
        sim_chance(world, ETHERNET_PER_10000) ? IO_DEVICE_ETHERNET : IO_DEVICE_IP;
    *overlay = (struct overlay){.world = world, .letters = {.world = world}, .turn_us = turn_us};
    overlay->count = kind == IO_DEVICE_IP && sim_chance(world, THREE_PER_10000) ? 3 : 2;
    overlay->routed = overlay->count == 3;
    sim_event_init(&overlay->turn, world, turn, overlay);
    sim_event_init(&overlay->load, world, load, overlay);
    for (unsigned i = 0; i < overlay->count; i++)
        vpnend_init(&overlay->ends[i], world, &overlay->letters, i, kind);
    meddler_init(&overlay->path, world, "192.0.2.100", &overlay->ends[0].at);
    vpnend_join(&overlay->ends[1], &overlay->ends[0], &overlay->path.at);
    if (overlay->count == 3) {
        vpnend_join(&overlay->ends[2], &overlay->ends[0], &overlay->ends[0].at);
        vpnend_join(&overlay->ends[1], &overlay->ends[2], &overlay->ends[2].at);
    }
    seals_begin(&overlay->seals);
    party_start(&overlay->path.party);
    for (size_t i = 0; i < overlay->count; i++)
        vpnend_start(&overlay->ends[i]);
    sim_event_in(&overlay->turn, turn_us);
}

void overlay_stop(struct overlay *overlay)
{
    overlay_set_load(overlay, 0);
    party_stop(&overlay->path.party);
    for (size_t i = 0; i < overlay->count; i++)
        party_stop(&overlay->ends[i].party);
}

bool overlay_is_over(const struct overlay *overlay)
{
    bool over = party_is_over(&overlay->path.party);
    for (size_t i = 0; i < overlay->count; i++)
        over = over && party_is_over(&overlay->ends[i].party);
    return over;
}

void overlay_end(struct overlay *overlay)
{
    sim_event_cancel(&overlay->turn);
    seals_end(&overlay->seals, overlay->world);
    letters_end(&overlay->letters);
}
