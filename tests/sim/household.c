#include "tests/sim/household.h"

#include "base/encode.h"
#include "tests/sim/hello.h"

#include <stdlib.h>
#include <string.h>

enum { VALID_S = 30 * 24 * 3600 };

static const char credential_path[] = "/etc/adit/credential.json";

/* RFC 8446, 6: fatal alerts, each in a record of its own. */
static const uint8_t unrecognized_name[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70};
static const uint8_t internal_error[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50};

int household_random(void *world, void *buf, size_t len)
{
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)sim_random_below(world, 256);
    return 0;
}

static void make_credential(struct household *household, const struct snitun_keyring *keyring)
{
    struct sim_world *world = household->world;
    double now_s = sim_host_wall_s(household->home);
    struct snitun_token token = {0};
    char minted[SNITUN_TOKEN_MINT_MAX + 1];
    char key[2 * sizeof token.keys.aes_key + 1];
    char iv[2 * sizeof token.keys.aes_iv + 1];
    token.valid = now_s + VALID_S;
    snprintf(token.hostname, sizeof token.hostname, "%s", household->name);
    household_random(world, token.keys.aes_key, sizeof token.keys.aes_key);
    household_random(world, token.keys.aes_iv, sizeof token.keys.aes_iv);
    token.keys.cipher = sim_chance(world, 5000) ? SNITUN_AES_CBC : SNITUN_AES_GCM_SIV;
    token.keys.protocol_version = (uint8_t)sim_random_below(world, 3);
    int error = snitun_token_mint(keyring, now_s, &token, household_random, world, minted);
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
    if (household->second_home != NULL)
        sim_disk_put(household->second_home, credential_path, text, strlen(text), 0600);
    free(text);
    json_decref(json);
}

/* ---- The publisher ---- */

static void life_stopped(void *arg)
{
    party_stopped(arg);
}

static void *publisher_life(struct io_loop *loop, void *arg, struct life *life, char *why,
                            size_t why_len)
{
    struct household *household = arg;
    struct publish_config config = {
        .server_port = household->server_port,
        .credential_file = credential_path,
        .to_port = household->endpoint_at.port,
        .proxy_protocol = household->proxy_protocol,
        .memory = HOUSEHOLD_MEMORY,
    };
    snprintf(config.server_host, sizeof config.server_host, "%s", household->server_name);
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

static json_t *status_of(const struct household *household)
{
    struct publish *publish = party_role(&household->publisher);
    return publish == NULL ? NULL : publish_status(publish);
}

bool household_is_connected(const struct household *household)
{
    json_t *status = status_of(household);
    const char *state = json_string_value(json_object_get(status, "state"));
    bool connected = state != NULL && strcmp(state, "connected") == 0;
    json_decref(status);
    return connected;
}

uint64_t household_connections(const struct household *household)
{
    json_t *status = status_of(household);
    const json_t *counters = json_object_get(status, "counters");
    json_int_t connections = json_integer_value(json_object_get(counters, "connections"));
    json_decref(status);
    return (uint64_t)connections;
}

/* ---- The endpoint ---- */

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
    sim_fail(endpoint->household->world, "endpoint: %s", io_error_text(error));
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

/* ---- Together ---- */

void household_name_service(struct service *service, const char *name)
{
    service->name = name;
    service->preamble_len = hello_write(name, service->preamble);
    service->refusal = unrecognized_name;
    service->refusal_len = sizeof unrecognized_name;
}

static void open_site(struct household *household, struct transfers *transfers, size_t i,
                      int proxy_protocol)
{
    char address[ADDR_TEXT_MAX];
    household->world = transfers->world;
    snprintf(household->name, sizeof household->name, "host-%c.example.com", (char)('a' + i));
    household_name_service(&household->service, household->name);
    household->proxy_protocol = proxy_protocol;
    answerers_init(&household->answerers, transfers, &household->service);
    household->answerers.proxy = proxy_protocol != 0;
    snprintf(address, sizeof address, "203.0.113.%zu:8443", i + 101);
    (void)addr_parse(address, &household->endpoint_at);
    ip_format(&household->endpoint_at.ip, address);
    household->site = sim_host_new(household->world, "site", address);
    party_init(&household->endpoint, household->site, &endpoint_ops, household);
    party_start(&household->endpoint);
}

void household_start_site(struct household *household, struct transfers *transfers, size_t i)
{
    open_site(household, transfers, i, 0);
    household->service.refusal = internal_error; /* the place cannot be reached */
    household->service.refusal_len = sizeof internal_error;
}

void household_start(struct household *household, struct transfers *transfers, size_t i,
                     const struct snitun_keyring *keyring, const char *server_name,
                     uint16_t server_port, bool twin)
{
    struct sim_world *world = transfers->world;
    char address[IP_TEXT_MAX];
    open_site(household, transfers, i, (int)sim_random_below(world, 3));
    household->server_name = server_name;
    household->server_port = server_port;
    snprintf(address, sizeof address, "203.0.113.%zu", i + 1);
    household->home = sim_host_new(world, "home", address);
    if (twin) {
        snprintf(address, sizeof address, "203.0.113.%zu", i + 51);
        household->second_home = sim_host_new(world, "second", address);
    }
    make_credential(household, keyring);
    party_init(&household->publisher, household->home, &publisher_ops, household);
    party_start(&household->publisher);
    if (household->second_home == NULL)
        return;
    party_init(&household->twin, household->second_home, &publisher_ops, household);
    party_start(&household->twin);
}

void household_stop(struct household *household)
{
    party_stop(&household->endpoint);
    if (household->home != NULL)
        party_stop(&household->publisher);
    if (household->second_home != NULL)
        party_stop(&household->twin);
}

bool household_is_over(const struct household *household)
{
    return party_is_over(&household->endpoint) &&
           (household->home == NULL || party_is_over(&household->publisher)) &&
           (household->second_home == NULL || party_is_over(&household->twin));
}
