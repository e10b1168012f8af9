/*
 * A server, publishers with an endpoint each, devices that call the published names. Everything
 * goes wrong for a while; then everything is whole again and has to work.
 */
#include "base/encode.h"
#include "base/map.h"
#include "roles/publish/publish.h"
#include "roles/server/server.h"
#include "tests/sim/answerer.h"
#include "tests/sim/caller.h"
#include "tests/sim/chaos.h"
#include "tests/sim/hello.h"
#include "tests/sim/party.h"
#include "tests/sim/scenario.h"

#include <adit/snitun_token.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECOND_US = 1000 * 1000,
    HOUSEHOLDS_MAX = 3,
    DEVICES_MAX = 3,
    WORKERS_MAX = 3,
    CALLS_MAX = 16,
    CALM_CALLS = 6,
    BYTES_MAX = 150 * 1000,
    MANY_BYTES_MAX = 4 * 1000 * 1000, /* enough for PAUSE */
    MANY_BYTES_MIN = 2 * 1000 * 1000,
    ROUGH_MIN_S = 5,
    ROUGH_MAX_S = 120,
    GIVE_UP_MS = 30 * 1000,
    CALM_GIVE_UP_MS = 600 * 1000,
    NOTICE_S = 40,     /* after which a dead connection is noticed on both sides */
    RECONNECT_S = 100, /* handshake 30 s, longest wait 60 s, and a connection */
    END_S = 700,
    MEMORY = 6 * 1024 * 1024,
    MEMORY_SLACK = 1024 * 1024, /* a loop's, above its budget: what one round adds */
    VALID_S = 30 * 24 * 3600,
    KEY_LEN = 32,
};

static const char key_path[] = "/etc/adit/fernet.key";
static const char credential_path[] = "/etc/adit/credential.json";
static const char server_name[] = "tunnel.example.net";

/* RFC 8446, 6: a fatal unrecognized_name, in a record of its own. */
static const uint8_t unrecognized_name[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70};

struct tunnel_world;

struct household {
    struct tunnel_world *tunnel;
    char name[32];
    struct service service;
    struct sim_host *home;
    struct sim_host *site; /* of the endpoint; may be the same host */
    struct party publisher;
    struct party endpoint;
    struct answerers answerers;
    struct io_listener *listener;
    struct addr endpoint_at;
    int proxy_protocol;
};

struct tunnel_world {
    struct sim_world *world;
    struct snitun_keyring keyring;
    struct sim_host *server_host;
    struct party server;
    struct addr server_at;
    unsigned workers;
    struct household households[HOUSEHOLDS_MAX];
    size_t household_count;
    struct service unknown; /* a name that nobody publishes */
    struct sim_host *device_hosts[DEVICES_MAX];
    struct sim_process *devices[DEVICES_MAX];
    size_t device_count;
    struct transfers transfers;
    struct chaos chaos;
    struct sim_event call;
    uint64_t calls_left;
    uint64_t give_up_ms;
    uint64_t first_calm;
};

/* ---- Keys, tokens, credentials ---- */

static int world_random(void *arg, void *buf, size_t len)
{
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)sim_random_below(arg, 256);
    return 0;
}

static void make_key(struct tunnel_world *tunnel)
{
    char text[SNITUN_FERNET_KEY_TEXT + 2];
    tunnel->keyring.count = 1;
    world_random(tunnel->world, tunnel->keyring.keys[0], KEY_LEN);
    snitun_fernet_key_format(tunnel->keyring.keys[0], text);
    text[SNITUN_FERNET_KEY_TEXT] = '\n';
    sim_disk_put(tunnel->server_host, key_path, text, SNITUN_FERNET_KEY_TEXT + 1, 0600);
}

static void make_credential(struct household *household)
{
    struct tunnel_world *tunnel = household->tunnel;
    struct sim_world *world = tunnel->world;
    struct snitun_token token = {0};
    char minted[SNITUN_TOKEN_MINT_MAX + 1];
    char key[2 * sizeof token.keys.aes_key + 1];
    char iv[2 * sizeof token.keys.aes_iv + 1];
    token.valid = sim_host_wall_s(tunnel->server_host) + VALID_S;
    snprintf(token.hostname, sizeof token.hostname, "%s", household->name);
    world_random(world, token.keys.aes_key, sizeof token.keys.aes_key);
    world_random(world, token.keys.aes_iv, sizeof token.keys.aes_iv);
    token.keys.cipher = sim_chance(world, 5000) ? SNITUN_AES_CBC : SNITUN_AES_GCM_SIV;
    token.keys.protocol_version = (uint8_t)sim_random_below(world, 3);
    int error = snitun_token_mint(&tunnel->keyring, sim_host_wall_s(tunnel->server_host), &token,
                                  world_random, world, minted);
    if (error != 0)
        sim_fail(world, "mint: %s", snitun_token_error_text(error));
    hex_encode(token.keys.aes_key, sizeof token.keys.aes_key, key);
    hex_encode(token.keys.aes_iv, sizeof token.keys.aes_iv, iv);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:f}", "token", minted, "aes_key", key,
                             "aes_iv", iv, "cipher", snitun_cipher_name(token.keys.cipher),
                             "protocol_version", (int)token.keys.protocol_version, "hostname",
                             token.hostname, "valid", token.valid);
    char *text = json_dumps(json, 0);
    sim_disk_put(household->home, credential_path, text, strlen(text), 0600);
    free(text);
    json_decref(json);
}

/* ---- The server ---- */

static void life_stopped(void *arg)
{
    party_stopped(arg);
}

static void *server_life(struct io_loop *loop, void *arg, struct life *life, char *why,
                         size_t why_len)
{
    struct tunnel_world *tunnel = arg;
    struct addr at = {.ip = {.family = 4}, .port = tunnel->server_at.port};
    struct server_config config = {
        .listen = &at,
        .listen_count = 1,
        .fernet_key_file = key_path,
        .workers = tunnel->workers,
        .drain_ms = 5000,
    };
    server_limits_default(&config.limits);
    config.limits.memory = (size_t)MEMORY * tunnel->workers;
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

/* ---- Publishers ---- */

static void *publisher_life(struct io_loop *loop, void *arg, struct life *life, char *why,
                            size_t why_len)
{
    struct household *household = arg;
    struct publish_config config = {
        .server_port = household->tunnel->server_at.port,
        .credential_file = credential_path,
        .to_port = household->endpoint_at.port,
        .proxy_protocol = household->proxy_protocol,
        .memory = MEMORY,
    };
    snprintf(config.server_host, sizeof config.server_host, "%s", server_name);
    ip_format(&household->endpoint_at.ip, config.to_host);
    return publish_start(loop, &config, life_stopped, life, why, why_len);
}

static void publisher_life_stop(void *role)
{
    publish_stop(role);
}

static void publisher_life_free(void *role)
{
    publish_free(role);
}

static const struct party_ops publisher_ops = {.name = "publisher",
                                               .start = publisher_life,
                                               .stop = publisher_life_stop,
                                               .free = publisher_life_free};

static bool is_connected(const struct household *household)
{
    struct publish *publish = party_role(&household->publisher);
    if (publish == NULL)
        return false;
    json_t *status = publish_status(publish);
    bool connected = strcmp(json_string_value(json_object_get(status, "state")), "connected") == 0;
    json_decref(status);
    return connected;
}

/* ---- Endpoints ---- */

struct endpoint {
    struct household *household;
    struct life *life;
    struct io_loop *loop;
    struct io_listener *listener;
};

static void accepted(void *arg, struct io_stream *stream)
{
    struct endpoint *endpoint = arg;
    answerer_start(&endpoint->household->answerers, stream);
}

static void exhausted(void *arg, int error)
{
    struct endpoint *endpoint = arg;
    sim_fail(endpoint->household->tunnel->world, "endpoint: %s", io_error_text(error));
}

static const struct io_listener_handler listener_handler = {.accepted = accepted,
                                                            .exhausted = exhausted};

static void *endpoint_life(struct io_loop *loop, void *arg, struct life *life, char *why,
                           size_t why_len)
{
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL)
        abort();
    endpoint->household = arg;
    endpoint->life = life;
    endpoint->loop = loop;
    int error = 0;
    endpoint->listener =
        io_listen(loop, &endpoint->household->endpoint_at, &listener_handler, endpoint, &error);
    if (endpoint->listener != NULL)
        return endpoint;
    snprintf(why, why_len, "%s", io_error_text(error));
    free(endpoint);
    return NULL;
}

static void endpoint_life_stop(void *role)
{
    struct endpoint *endpoint = role;
    if (endpoint->listener == NULL)
        return;
    io_listener_close(endpoint->listener);
    endpoint->listener = NULL;
    answerers_abort(&endpoint->household->answerers, endpoint->loop);
    party_stopped(endpoint->life);
}

static void endpoint_life_free(void *role)
{
    free(role);
}

static const struct party_ops endpoint_ops = {.name = "endpoint",
                                              .start = endpoint_life,
                                              .stop = endpoint_life_stop,
                                              .free = endpoint_life_free};

/* ---- Devices ---- */

static void start_device(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void do_call(struct io_loop *loop, void *arg)
{
    struct transfer *transfer = arg;
    struct tunnel_world *tunnel = container_of(transfer->transfers, struct tunnel_world, transfers);
    caller_start(transfer, loop, &tunnel->server_at, tunnel->give_up_ms);
}

static struct transfer *draw_transfer(struct tunnel_world *tunnel)
{
    struct sim_world *world = tunnel->world;
    size_t which = sim_random_below(world, tunnel->household_count);
    const struct service *service = &tunnel->households[which].service;
    if (sim_chance(world, 300))
        return transfer_new_slow(&tunnel->transfers, service,
                                 sim_random_between(world, MANY_BYTES_MIN, MANY_BYTES_MAX));
    if (!sim_chance(world, 500))
        return transfer_new(&tunnel->transfers, service, BYTES_MAX, BYTES_MAX);
    struct transfer *transfer = transfer_new(&tunnel->transfers, &tunnel->unknown, BYTES_MAX, 0);
    transfer->end = TRANSFER_ANSWERER_CLOSES;
    return transfer;
}

static void plan_call(void *arg)
{
    struct tunnel_world *tunnel = arg;
    struct sim_world *world = tunnel->world;
    if (tunnel->calls_left == 0)
        return;
    tunnel->calls_left--;
    size_t from = sim_random_below(world, tunnel->device_count);
    sim_process_call(tunnel->devices[from], do_call, draw_transfer(tunnel));
    sim_event_in(&tunnel->call, sim_random_below(world, 4 * SECOND_US));
}

static bool all_ended(void *arg)
{
    const struct tunnel_world *tunnel = arg;
    if (tunnel->calls_left > 0 || tunnel->transfers.running > 0 || tunnel->call.slot != 0)
        return false;
    const struct list *head = &tunnel->transfers.all;
    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct transfer *transfer = container_of(at, struct transfer, node);
        if (transfer->id >= tunnel->first_calm && transfer->caller == TRANSFER_DONE &&
            transfer->answerer == TRANSFER_RUNNING && !transfer->service->unknown)
            return false;
    }
    return true;
}

/* ---- What must hold after every event ---- */

static void check_memory(const struct party *party, size_t budget)
{
    struct sim_process *process = party_process(party);
    size_t bytes = process == NULL ? 0 : sim_process_pool_bytes(process);
    if (bytes > budget)
        sim_fail(party->world, "%s holds %zu bytes of buffers, %zu are allowed", party->ops->name,
                 bytes, budget);
}

static void check(void *arg)
{
    const struct tunnel_world *tunnel = arg;
    check_memory(&tunnel->server, (size_t)(MEMORY + MEMORY_SLACK) * tunnel->workers);
    for (size_t i = 0; i < tunnel->household_count; i++)
        check_memory(&tunnel->households[i].publisher, MEMORY + MEMORY_SLACK);
}

/* ---- Building ---- */

static void name_service(struct service *service, const char *name)
{
    service->name = name;
    service->preamble_len = hello_write(name, service->preamble);
    service->refusal = unrecognized_name;
    service->refusal_len = sizeof unrecognized_name;
}

static void build_household(struct tunnel_world *tunnel, size_t i)
{
    struct sim_world *world = tunnel->world;
    struct household *household = &tunnel->households[i];
    char address[IP_TEXT_MAX];
    household->tunnel = tunnel;
    snprintf(household->name, sizeof household->name, "host-%c.example.com", (char)('a' + i));
    name_service(&household->service, household->name);
    household->proxy_protocol = (int)sim_random_below(world, 3);
    answerers_init(&household->answerers, &tunnel->transfers, &household->service);
    household->answerers.proxy = household->proxy_protocol != 0;

    snprintf(address, sizeof address, "203.0.113.%zu", i + 1);
    household->home = sim_host_new(world, "home", address);
    snprintf(address, sizeof address, "203.0.113.%zu:8443", i + 101);
    (void)addr_parse(address, &household->endpoint_at);
    ip_format(&household->endpoint_at.ip, address);
    household->site = sim_host_new(world, "site", address);
    make_credential(household);
    party_init(&household->endpoint, household->site, &endpoint_ops, household);
    party_init(&household->publisher, household->home, &publisher_ops, household);
    party_start(&household->endpoint);
    party_start(&household->publisher);
}

static void build(struct tunnel_world *tunnel, struct sim_world *world)
{
    tunnel->world = world;
    tunnel->give_up_ms = GIVE_UP_MS;
    tunnel->first_calm = UINT64_MAX;
    tunnel->workers = (unsigned)sim_random_between(world, 1, WORKERS_MAX);
    tunnel->household_count = sim_random_between(world, 1, HOUSEHOLDS_MAX);
    tunnel->device_count = sim_random_between(world, 1, DEVICES_MAX);
    transfers_init(&tunnel->transfers, world);
    name_service(&tunnel->unknown, "host-x.example.com");
    tunnel->unknown.unknown = true;
    chaos_init(&tunnel->chaos, world);
    sim_event_init(&tunnel->call, world, plan_call, tunnel);
    (void)addr_parse("192.0.2.1:443", &tunnel->server_at);
    tunnel->server_host = sim_host_new(world, "server", "192.0.2.1");
    const char *const addresses[] = {"192.0.2.1"};
    sim_name_set(world, server_name, addresses, 1);
    make_key(tunnel);
    party_init(&tunnel->server, tunnel->server_host, &server_ops, tunnel);
    party_start(&tunnel->server);
    for (size_t i = 0; i < tunnel->household_count; i++)
        build_household(tunnel, i);
    for (size_t i = 0; i < tunnel->device_count; i++) {
        char address[IP_TEXT_MAX];
        snprintf(address, sizeof address, "198.51.100.%zu", i + 1);
        tunnel->device_hosts[i] = sim_host_new(world, "device", address);
        tunnel->devices[i] = sim_host_start(tunnel->device_hosts[i], start_device, tunnel);
    }
    sim_set_check(world, check, tunnel);
}

/* ---- The run ---- */

static void restart(struct sim_world *world, struct party *party)
{
    enum sim_kill how = sim_chance(world, 5000) ? SIM_KILL_POWER : SIM_KILL_PROCESS;
    party_restart(party, how, sim_random_below(world, 20 * SECOND_US));
}

static void restart_or_cycle(struct sim_world *world, struct party *party)
{
    if (sim_chance(world, 5000))
        restart(world, party);
    else
        party_cycle(party);
}

static uint64_t restart_server(struct chaos *chaos, const struct chaos_target *target)
{
    (void)target;
    struct tunnel_world *tunnel = container_of(chaos, struct tunnel_world, chaos);
    restart_or_cycle(chaos->world, &tunnel->server);
    return 0;
}

static uint64_t restart_household(struct chaos *chaos, const struct chaos_target *target)
{
    (void)target;
    struct tunnel_world *tunnel = container_of(chaos, struct tunnel_world, chaos);
    struct household *household =
        &tunnel->households[sim_random_below(chaos->world, tunnel->household_count)];
    restart_or_cycle(chaos->world,
                     sim_chance(chaos->world, 5000) ? &household->publisher : &household->endpoint);
    return 0;
}

static uint64_t starve_server(struct chaos *chaos, const struct chaos_target *target)
{
    sim_host_set_files_max(target->a, sim_random_between(chaos->world, 3, 12));
    return sim_random_between(chaos->world, SECOND_US, 10 * SECOND_US);
}

static void feed_server(struct chaos *chaos, const struct chaos_target *target)
{
    (void)chaos;
    sim_host_set_files_max(target->a, 0);
}

/* ---- What users do meanwhile ---- */

static void status_came(void *arg, json_t *status)
{
    struct sim_world *world = arg;
    const char *role = json_string_value(json_object_get(status, "role"));
    if (role == NULL || strcmp(role, "server") != 0)
        sim_fail(world, "the server's status says no role");
    json_decref(status);
}

static void use_server(struct io_loop *loop, void *arg)
{
    struct tunnel_world *tunnel = arg;
    struct server *server = party_role(&tunnel->server);
    if (server != NULL && loop == sim_process_loop(party_process(&tunnel->server)))
        server_status(server, status_came, tunnel->world);
}

static void use_publisher(struct io_loop *loop, void *arg)
{
    struct household *household = arg;
    struct publish *publish = party_role(&household->publisher);
    char why[256];
    if (publish != NULL && loop == sim_process_loop(party_process(&household->publisher)) &&
        publish_reload(publish, why, sizeof why) != 0)
        sim_fail(household->tunnel->world, "reload: %s", why);
}

static uint64_t use(struct chaos *chaos, const struct chaos_target *target)
{
    (void)target;
    struct tunnel_world *tunnel = container_of(chaos, struct tunnel_world, chaos);
    struct household *household =
        &tunnel->households[sim_random_below(chaos->world, tunnel->household_count)];
    if (party_is_up(&tunnel->server))
        sim_process_call(party_process(&tunnel->server), use_server, tunnel);
    if (party_is_up(&household->publisher))
        sim_process_call(party_process(&household->publisher), use_publisher, household);
    return 0;
}

static void go_rough(struct tunnel_world *tunnel)
{
    struct chaos *chaos = &tunnel->chaos;
    struct chaos_target server = {.a = tunnel->server_host};
    chaos_weather(chaos);
    chaos_cuts(chaos, &server, 15 * SECOND_US);
    chaos_stalls(chaos, &server, 60 * SECOND_US);
    chaos_holes(chaos, &server, 120 * SECOND_US);
    chaos_refusals(chaos, &server, 60 * SECOND_US);
    chaos_unreachable(chaos, &server, 90 * SECOND_US);
    chaos_wall_jumps(chaos, &server, 120 * SECOND_US);
    chaos_add(chaos, restart_server, NULL, &server, 150 * SECOND_US);
    chaos_add(chaos, restart_household, NULL, &server, 60 * SECOND_US);
    chaos_add(chaos, starve_server, feed_server, &server, 120 * SECOND_US);
    chaos_add(chaos, use, NULL, &server, 20 * SECOND_US);
    for (size_t i = 0; i < tunnel->household_count; i++) {
        const struct household *household = &tunnel->households[i];
        struct chaos_target home = {.a = household->home};
        struct chaos_target site = {.a = household->site};
        struct chaos_target link = {.a = household->home, .b = tunnel->server_host};
        chaos_forgets(chaos, &link, 60 * SECOND_US);
        chaos_cuts(chaos, &link, 60 * SECOND_US);
        chaos_cuts(chaos, &site, 30 * SECOND_US);
        chaos_holes(chaos, &home, 90 * SECOND_US);
        chaos_stalls(chaos, &home, 60 * SECOND_US);
        chaos_refusals(chaos, &site, 60 * SECOND_US);
    }
}

static void run_calls(struct tunnel_world *tunnel, uint64_t calls, uint64_t seconds,
                      bool (*until)(void *arg))
{
    tunnel->calls_left = calls;
    sim_event_in(&tunnel->call, sim_random_below(tunnel->world, 5 * SECOND_US));
    (void)sim_run(tunnel->world, sim_now_us(tunnel->world) + seconds * SECOND_US, until, tunnel);
    tunnel->calls_left = 0;
}

static void run_seconds(struct tunnel_world *tunnel, uint64_t seconds)
{
    (void)sim_run(tunnel->world, sim_now_us(tunnel->world) + seconds * SECOND_US, NULL, NULL);
}

/* Everything is whole: every publisher has to be back in time. */
static void must_reconnect(struct tunnel_world *tunnel)
{
    run_seconds(tunnel, NOTICE_S);
    for (uint64_t passed_s = NOTICE_S;; passed_s++) {
        const struct household *away = NULL;
        for (size_t i = 0; i < tunnel->household_count; i++)
            away = is_connected(&tunnel->households[i]) ? away : &tunnel->households[i];
        if (away == NULL || sim_failure(tunnel->world) != NULL)
            return;
        if (passed_s == RECONNECT_S) {
            sim_fail(tunnel->world, "the publisher of %s is not back after %d s", away->name,
                     RECONNECT_S);
            return;
        }
        run_seconds(tunnel, 1);
    }
}

static void check_calm(const struct tunnel_world *tunnel)
{
    const struct list *head = &tunnel->transfers.all;
    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct transfer *transfer = container_of(at, struct transfer, node);
        if (transfer->id >= tunnel->first_calm)
            transfer_must_be_complete(transfer);
    }
}

static bool is_over(void *arg)
{
    const struct tunnel_world *tunnel = arg;
    bool over = party_is_over(&tunnel->server) && sim_conn_count(tunnel->world) == 0;
    for (size_t i = 0; i < tunnel->household_count; i++)
        over = over && party_is_over(&tunnel->households[i].publisher) &&
               party_is_over(&tunnel->households[i].endpoint);
    return over;
}

static void end(struct tunnel_world *tunnel)
{
    party_stop(&tunnel->server);
    for (size_t i = 0; i < tunnel->household_count; i++) {
        party_stop(&tunnel->households[i].publisher);
        party_stop(&tunnel->households[i].endpoint);
    }
    for (size_t i = 0; i < tunnel->device_count; i++)
        sim_process_end(tunnel->devices[i]);
    if (!sim_run(tunnel->world, sim_now_us(tunnel->world) + END_S * UINT64_C(1000000), is_over,
                 tunnel))
        sim_fail(tunnel->world, "%zu connections are left, or a role",
                 sim_conn_count(tunnel->world));
    transfers_free(&tunnel->transfers);
    snitun_keyring_wipe(&tunnel->keyring);
}

static void run(struct sim_world *world)
{
    struct tunnel_world tunnel = {0};
    build(&tunnel, world);
    run_seconds(&tunnel, 5);
    go_rough(&tunnel);
    run_calls(&tunnel, sim_random_between(world, 1, CALLS_MAX),
              sim_random_between(world, ROUGH_MIN_S, ROUGH_MAX_S), NULL);
    chaos_stop(&tunnel.chaos);
    must_reconnect(&tunnel);
    tunnel.give_up_ms = CALM_GIVE_UP_MS;
    tunnel.first_calm = tunnel.transfers.next_id;
    run_calls(&tunnel, CALM_CALLS, CALM_GIVE_UP_MS / 1000, all_ended);
    check_calm(&tunnel);
    end(&tunnel);
}

static const enum sim_fault faults[] = {
    SIM_SPLIT,       SIM_SHORT_READ, SIM_SHORT_WRITE, SIM_SPURIOUS,  SIM_DELAY,   SIM_STALL,
    SIM_CUT_BOTH,    SIM_CUT_ONE,    SIM_NAT_FORGOT,  SIM_HOLE_OUT,  SIM_HOLE_IN, SIM_REFUSED,
    SIM_UNREACHABLE, SIM_RESET_ATE,  SIM_LOOKUP,      SIM_SLOW_LOOP, SIM_KILL,    SIM_POWER,
    SIM_WALL_JUMP,   SIM_NO_FILES,   SIM_FAULT_KINDS,
};

const struct scenario scenario_tunnel = {
    .name = "tunnel",
    .about = "server, publishers, endpoints and devices while everything goes wrong",
    .run = run,
    .faults = faults,
};
