#include "tests/sim/town.h"

#include "base/map.h"
#include "tests/sim/caller.h"

#include <string.h>

enum {
    END_S = 1100, /* longer than any TCP tries, also where a round trip took seconds */
    GIVE_UP_MS = 30 * 1000,
    MEMORY = 6 * 1024 * 1024, /* budget of a worker */
    KEY_LEN = 32,
    MASTER_INTERVAL_MS = 30000,
    WEBSITE = 'w' - 'a', /* its number among the households */
};

static const char key_path[] = "/etc/adit/fernet.key";
static const char server_name[] = TOWN_SERVER_NAME;

/* ---- The server ---- */

static void write_key(const struct town *town, char text[SNITUN_FERNET_KEY_TEXT + 2])
{
    snitun_fernet_key_format(town->keyring.keys[0], text);
    text[SNITUN_FERNET_KEY_TEXT] = '\n';
    text[SNITUN_FERNET_KEY_TEXT + 1] = '\0';
}

static void put_key(struct town *town)
{
    char text[SNITUN_FERNET_KEY_TEXT + 2];
    write_key(town, text);
    sim_disk_put(town->server_host, key_path, text, SNITUN_FERNET_KEY_TEXT + 1, 0600);
}

static void make_key(struct town *town)
{
    town->keyring.count = 1;
    outlet_random(town->world, town->keyring.keys[0], KEY_LEN);
    put_key(town);
}

static void life_stopped(void *arg)
{
    party_stopped(arg);
}

static void *server_life(struct io_loop *loop, void *arg, struct life *life, char *why,
                         size_t why_len)
{
    struct town *town = arg;
    struct addr at = {.ip = {.family = 4}, .port = town->server_at.port};
    struct server_route route = {.port = town->website.endpoint_at.port};
    struct server_config config = {
        .listen = &at,
        .listen_count = 1,
        .routes = &route,
        .route_count = 1,
        .fernet_key_file = key_path,
        .workers = town->workers,
        .drain_ms = 5000,
    };
    snprintf(route.name, sizeof route.name, "%s", town->website.name);
    ip_format(&town->website.endpoint_at.ip, route.host);
    server_limits_default(&config.limits);
    config.limits.memory = (size_t)MEMORY * town->workers;
    if (town->early_per_worker != 0)
        config.limits.early_per_worker = town->early_per_worker;
    if (town->chancery != NULL) {
        config.master_url = CHANCERY_URL;
        config.server_key_file = CHANCERY_KEY_PATH;
        config.master_interval_ms = MASTER_INTERVAL_MS;
    }
    return server_start(loop, &config, life_stopped, life, why, why_len);
}

static void server_life_stop(void *role)
{
    server_stop(role);
}

static void server_life_free(void *role)
{
    server_free(role);
}

static const struct party_ops server_ops = {
    .name = "server", .start = server_life, .stop = server_life_stop, .free = server_life_free};

/* ---- Devices ---- */

static void start_device(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void do_call(struct io_loop *loop, void *arg)
{
    struct transfer *transfer = arg;
    struct town *town = container_of(transfer->transfers, struct town, transfers);
    caller_start(transfer, loop, &town->server_at, town->give_up_ms);
}

void town_call(struct town *town, struct transfer *transfer)
{
    size_t from = sim_random_below(town->world, town->device_count);
    sim_process_call(town->devices[from], do_call, transfer);
}

static bool must_come_through(const struct town *town, const struct transfer *transfer)
{
    return transfer->id >= town->first_calm;
}

/* Called, or about to be; or done for the caller alone. */
static bool runs(const struct transfer *transfer)
{
    if (transfer->caller == TRANSFER_RUNNING)
        return true;
    return transfer->caller == TRANSFER_DONE && transfer->answerer == TRANSFER_RUNNING &&
           !transfer->service->unknown && !transfer->service->lies;
}

bool town_is_quiet(const struct town *town)
{
    const struct list *head = &town->transfers.all;
    if (town->transfers.running > 0)
        return false;
    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct transfer *transfer = container_of(at, struct transfer, node);
        if (must_come_through(town, transfer) && runs(transfer))
            return false;
    }
    return true;
}

void town_calm(struct town *town, uint64_t give_up_ms)
{
    town->give_up_ms = give_up_ms;
    town->first_calm = town->transfers.next_id;
}

void town_check_calm(const struct town *town)
{
    const struct list *head = &town->transfers.all;
    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct transfer *transfer = container_of(at, struct transfer, node);
        if (must_come_through(town, transfer))
            transfer_must_be_complete(transfer);
    }
}

bool town_serves(const struct town *town, size_t household)
{
    struct server *server = party_role(&town->server);
    double since_s;
    struct adit_ip from;
    return server != NULL &&
           server_serves(server, town->households[household].name, &since_s, &from);
}

bool town_is_published(const struct town *town, size_t household)
{
    return town_serves(town, household) &&
           outlet_is_connected(&town->households[household].publisher);
}

/* ---- What must hold after every event ---- */

void town_check(void *arg)
{
    const struct town *town = arg;
    party_check_memory(&town->server, (size_t)(MEMORY + PARTY_MEMORY_SLACK) * town->workers);
    for (size_t i = 0; i < town->household_count; i++)
        outlet_check_memory(&town->households[i].publisher);
}

/* ---- From start to end ---- */

static void start_devices(struct town *town)
{
    for (size_t i = 0; i < town->device_count; i++) {
        char address[IP_TEXT_MAX];
        snprintf(address, sizeof address, "198.51.100.%zu", i + 1);
        town->device_hosts[i] = sim_host_new(town->world, "device", address);
        town->devices[i] = sim_host_start(town->device_hosts[i], start_device, town);
    }
    sim_set_check(town->world, town_check, town);
}

/* Everything but publishers and devices; the server is not started yet. */
static void lay_out(struct town *town, struct sim_world *world, size_t households_max,
                    size_t devices_max)
{
    static const char *const addresses[] = {TOWN_SERVER_ADDRESS};
    *town = (struct town){.world = world, .give_up_ms = GIVE_UP_MS, .first_calm = UINT64_MAX};
    town->workers = (unsigned)sim_random_between(world, 1, TOWN_WORKERS_MAX);
    town->household_count = sim_random_between(world, 1, households_max);
    town->device_count = sim_random_between(world, 1, devices_max);
    transfers_init(&town->transfers, world);
    chaos_init(&town->chaos, world);
    household_name_service(&town->unknown, "host-x.example.com");
    town->unknown.unknown = true;
    (void)addr_parse(TOWN_SERVER_ADDRESS ":443", &town->server_at);
    town->server_host = sim_host_new(world, "server", addresses[0]);
    sim_name_set(world, server_name, addresses, 1);
    make_key(town);
    household_start_site(&town->website, &town->transfers, WEBSITE);
    party_init(&town->server, town->server_host, &server_ops, town);
}

void town_build(struct town *town, struct sim_world *world, size_t households_max,
                size_t devices_max, unsigned twins_per_10000)
{
    lay_out(town, world, households_max, devices_max);
    party_start(&town->server);
    for (size_t i = 0; i < town->household_count; i++)
        household_start(&town->households[i], &town->transfers, i, &town->keyring, server_name,
                        town->server_at.port, sim_chance(world, twins_per_10000));
    start_devices(town);
}

void town_build_chartered(struct town *town, struct sim_world *world, size_t households_max,
                          size_t devices_max, struct chancery *chancery, uint32_t token_valid_s)
{
    char key[SNITUN_FERNET_KEY_TEXT + 2];
    lay_out(town, world, households_max, devices_max);
    write_key(town, key);
    chancery_start(chancery, world, key, server_name, town->server_at.port, token_valid_s);
    chancery_add(chancery, "relay.example.net", STORE_SERVER, town->server_host);
    town->chancery = chancery;
    party_start(&town->server);
    for (size_t i = 0; i < town->household_count; i++)
        household_start_chartered(&town->households[i], &town->transfers, i, chancery);
    start_devices(town);
}

void town_move_server(struct town *town)
{
    char address[IP_TEXT_MAX];
    const char *const addresses[] = {address};
    town->server_at.ip.bytes[3]++;
    ip_format(&town->server_at.ip, address);
    party_kill(&town->server, SIM_KILL_POWER);
    town->server_host = sim_host_new(town->world, "server", address);
    put_key(town);
    sim_name_set(town->world, server_name, addresses, 1);
    town->server.host = town->server_host;
    party_start(&town->server);
}

void town_run_seconds(struct town *town, uint64_t seconds)
{
    (void)sim_run(town->world, sim_now_us(town->world) + seconds * TOWN_SECOND_US, NULL, NULL);
}

static bool is_over(void *arg)
{
    const struct town *town = arg;
    bool over = party_is_over(&town->server) &&
                (town->chancery == NULL || party_is_over(&town->chancery->master)) &&
                household_is_over(&town->website) && sim_conn_count(town->world) == 0;
    for (size_t i = 0; i < town->household_count; i++)
        over = over && household_is_over(&town->households[i]);
    return over;
}

void town_end(struct town *town)
{
    uint64_t end_us = sim_now_us(town->world) + END_S * UINT64_C(1000000);
    party_stop(&town->server);
    if (town->chancery != NULL)
        chancery_stop(town->chancery);
    household_stop(&town->website);
    for (size_t i = 0; i < town->household_count; i++)
        household_stop(&town->households[i]);
    for (size_t i = 0; i < town->device_count; i++)
        sim_process_end(town->devices[i]);
    if (!sim_run(town->world, end_us, is_over, town))
        sim_fail(town->world, "%zu connections are left, or a role", sim_conn_count(town->world));
    transfers_free(&town->transfers);
    snitun_keyring_wipe(&town->keyring);
}
