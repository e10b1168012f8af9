/*
 * Everything that takes a publisher's connection away, one after the other, under load: as soon as
 * the path is whole again a new device must be served in time.
 *
 * The bound (docs/design.md, Alive or dead): a connection that is dead is noticed within
 * SNITUN_DEAD_AFTER_MS, an attempt that began before the path was whole ends within that too, and
 * an attempt on a whole path succeeds. Between attempts the publisher waits, by its own jitter:
 * FIRST_WAIT_MS at most after a connection that was good, LAST_WAIT_MS after failures.
 */
#include "tests/sim/scenario.h"
#include "tests/sim/town.h"

#include <string.h>

enum {
    START_S = 6,
    OUTAGES = 6, /* so that 1,800 seeds have more than 1,000 of each kind */
    OUTAGE_MAX_S = 90,
    QUIET_MAX_S = 15, /* between a mended path and the next fault */
    STEP_US = TOWN_SECOND_US / 10,
    SMALL_BYTES = 200,
    LOAD_BYTES = 60 * 1000,
    LAST_CALLS = 2, /* just before an outage */
    LAST_BYTES = 6000,
    LAST_MAX_US = TOWN_SECOND_US,
    CALL_GIVE_UP_MS = 6000,
    BUFFER_MIN = 32 * 1024, /* with less the path carries less than the load, whole or not */
    BUFFER_MAX = 1024 * 1024,
    NOTICE_MS = SNITUN_DEAD_AFTER_MS,
    FIRST_WAIT_MS = 3000,
    LAST_WAIT_MS = 60000,
    SETUP_MS = 4000, /* look-up, connection, token, challenge, call: round trips of 250 ms */
    HUNG_S = (NOTICE_MS + SETUP_MS + CALL_GIVE_UP_MS) / 1000,
};

enum outage {
    OUTAGE_HOLE_OUT,
    OUTAGE_HOLE_IN,
    OUTAGE_HOLE_BOTH,
    OUTAGE_FORGOTTEN,
    OUTAGE_HUNG,
    OUTAGE_KILLED,
    OUTAGE_POWER,
    OUTAGE_MOVED,
    OUTAGES_KINDS,
};

static const char *const outage_names[] = {"hole-out",   "hole-in",      "hole-both",
                                           "NAT-forgot", "server-hung",  "kill",
                                           "power",      "server-moved", NULL};

/* ---- Calls ---- */

static struct transfer *call(struct town *town, uint64_t bytes_max)
{
    struct transfer *transfer =
        transfer_new(&town->transfers, &town->households[0].service, bytes_max, bytes_max);
    transfer->slow = false;
    town_call(town, transfer);
    return transfer;
}

static struct transfer *call_small(struct town *town)
{
    struct transfer *transfer = call(town, SMALL_BYTES);
    transfer->end = TRANSFER_CALLER_CLOSES;
    return transfer;
}

/* True when one of the calls from a number on came through. */
static bool served_since(const struct town *town, uint64_t first)
{
    for (uint64_t id = first; id < town->transfers.next_id; id++) {
        const struct transfer *transfer = transfers_find(&town->transfers, id);
        if (transfer->caller == TRANSFER_DONE && transfer->answered)
            return true;
    }
    return false;
}

static void run_loaded(struct town *town, uint64_t seconds)
{
    for (uint64_t s = 0; s < seconds && sim_failure(town->world) == NULL; s++) {
        if (sim_chance(town->world, 3000))
            (void)call(town, LOAD_BYTES);
        town_run_seconds(town, 1);
    }
}

/* Bytes are on their way when the outage comes. */
static void load_link(struct town *town)
{
    for (int i = 0; i < LAST_CALLS; i++)
        (void)call(town, LAST_BYTES);
    (void)sim_run(town->world, sim_now_us(town->world) + sim_random_below(town->world, LAST_MAX_US),
                  NULL, NULL);
}

static void set_buffers(struct sim_host *host)
{
    struct sim_world *world = sim_host_world(host);
    sim_host_set_buffers(host, sim_random_between(world, BUFFER_MIN, BUFFER_MAX),
                         sim_random_between(world, BUFFER_MIN, BUFFER_MAX));
}

/* ---- Outages ---- */

static void forget_link(struct town *town)
{
    struct sim_conn *conn =
        sim_conn_pick(town->world, town->households[0].publisher.home, town->server_host);
    if (conn != NULL)
        sim_conn_cut(conn, SIM_CUT_FORGET);
}

/*
 * A machine that acknowledges everything is no server. Only the bytes that were on their way when
 * the program hung are a sign of life when they arrive, late perhaps: the time counts from then.
 */
static void hang_server(struct town *town)
{
    struct sim_process *server = party_process(&town->server);
    const struct outlet *publisher = &town->households[0].publisher;
    const struct sim_conn *conn = sim_conn_pick(town->world, publisher->home, town->server_host);
    struct sim_flow flow = {0};
    if (conn != NULL)
        flow = sim_conn_flow(conn, publisher->home);
    uint64_t before = outlet_connections(publisher);
    bool noticed = !outlet_is_connected(publisher);

    sim_process_hang(server, HUNG_S * TOWN_SECOND_US);
    for (unsigned silent_s = 0; silent_s < HUNG_S; silent_s++) {
        run_loaded(town, 1);
        noticed =
            noticed || !outlet_is_connected(publisher) || outlet_connections(publisher) != before;
        if (noticed || conn == NULL || flow.acked >= flow.written)
            continue;
        uint64_t acked = sim_conn_flow(conn, publisher->home).acked;
        if (acked > flow.acked) {
            flow.acked = acked;
            silent_s = 0;
            sim_process_hang(server, HUNG_S * TOWN_SECOND_US);
        }
    }
    if (!noticed)
        sim_fail(town->world, "a server that hangs was not noticed in %u s", (unsigned)HUNG_S);
    uint64_t more_s = sim_random_below(town->world, OUTAGE_MAX_S);
    sim_process_hang(server, more_s * TOWN_SECOND_US);
    run_loaded(town, more_s);
}

/* Returns when the path is whole again. */
static void suffer(struct town *town, enum outage outage)
{
    struct sim_host *home = town->households[0].publisher.home;
    uint64_t seconds = sim_random_below(town->world, OUTAGE_MAX_S);
    switch (outage) {
    case OUTAGE_HOLE_OUT:
    case OUTAGE_HOLE_IN:
    case OUTAGE_HOLE_BOTH:
        sim_host_set_holes(home, outage != OUTAGE_HOLE_IN, outage != OUTAGE_HOLE_OUT);
        run_loaded(town, seconds);
        sim_host_set_holes(home, false, false);
        break;
    case OUTAGE_FORGOTTEN:
        forget_link(town);
        break;
    case OUTAGE_HUNG:
        hang_server(town);
        break;
    case OUTAGE_KILLED:
    case OUTAGE_POWER:
        party_kill(&town->server, outage == OUTAGE_POWER ? SIM_KILL_POWER : SIM_KILL_PROCESS);
        run_loaded(town, seconds);
        party_start(&town->server);
        break;
    default:
        town_move_server(town);
        set_buffers(town->server_host);
        break;
    }
}

/* The path is whole: calls every second until one comes through. */
static void must_come_back(struct town *town, enum outage outage)
{
    struct sim_world *world = town->world;
    uint64_t first = town->transfers.next_id;
    uint64_t waited_ms = 0;
    uint64_t worked_ms = 0;
    for (unsigned step = 0; !served_since(town, first) && sim_failure(world) == NULL; step++) {
        if (step % (TOWN_SECOND_US / STEP_US) == 0)
            (void)call_small(town);
        *(outlet_is_waiting(&town->households[0].publisher) ? &waited_ms : &worked_ms) +=
            STEP_US / 1000;
        (void)sim_run(world, sim_now_us(world) + STEP_US, NULL, NULL);
        if (worked_ms > NOTICE_MS + SETUP_MS || waited_ms > LAST_WAIT_MS)
            sim_fail(world, "after %s: not back after %u ms, and %u ms of waiting",
                     outage_names[outage], (unsigned)worked_ms, (unsigned)waited_ms);
    }
    if (outage == OUTAGE_FORGOTTEN && waited_ms > FIRST_WAIT_MS + STEP_US / 1000)
        sim_fail(world, "after %s: waited %u ms", outage_names[outage], (unsigned)waited_ms);
    sim_trace(world, "back", outage, worked_ms, waited_ms);
    sim_tally(world, outage);
}

static void run(struct sim_world *world)
{
    struct town town;
    town_build(&town, world, 1, TOWN_DEVICES_MAX, 0);
    town.give_up_ms = CALL_GIVE_UP_MS;
    set_buffers(town.server_host);
    set_buffers(town.households[0].publisher.home);
    town_run_seconds(&town, START_S);
    for (int i = 0; i < OUTAGES && sim_failure(world) == NULL; i++) {
        enum outage outage = (enum outage)sim_random_below(world, OUTAGES_KINDS);
        run_loaded(&town, sim_random_below(world, QUIET_MAX_S));
        load_link(&town);
        suffer(&town, outage);
        must_come_back(&town, outage);
    }
    town_run_seconds(&town, CALL_GIVE_UP_MS / 1000);
    town_end(&town);
}

static const enum sim_fault faults[] = {SIM_HOLE_OUT, SIM_HOLE_IN, SIM_NAT_FORGOT, SIM_HUNG,
                                        SIM_KILL,     SIM_POWER,   SIM_FAULT_KINDS};

const struct scenario scenario_reconnect = {
    .name = "reconnect",
    .about = "a publisher that loses its server in every way is back in time",
    .one_in = 1,
    .run = run,
    .faults = faults,
    .tallies = outage_names,
};
