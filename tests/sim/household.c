#include "tests/sim/household.h"

#include "tests/sim/chancery.h"
#include "tests/sim/hello.h"

#include <stdlib.h>
#include <string.h>

enum { VALID_S = 30 * 24 * 3600 };

/* RFC 8446, 6: fatal alerts, each in a record of its own. */
static const uint8_t unrecognized_name[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70};
static const uint8_t internal_error[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50};

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
    household->service.other_refusal = internal_error; /* its publisher is just going */
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

static void set_credentials(struct household *household, const struct snitun_keyring *keyring)
{
    outlet_set_credential(&household->publisher, keyring, &household->token);
    if (household->has_twin)
        outlet_set_credential(&household->twin, keyring, &household->token);
}

static void make_token(struct household *household)
{
    struct snitun_token *token = &household->token;
    token->valid = sim_host_wall_s(household->publisher.home) + VALID_S;
    snprintf(token->hostname, sizeof token->hostname, "%s", household->name);
    outlet_draw_keys(household->world, token);
}

void household_start(struct household *household, struct transfers *transfers, size_t i,
                     const struct snitun_keyring *keyring, const char *server_name,
                     uint16_t server_port, bool twin)
{
    struct sim_world *world = transfers->world;
    char address[IP_TEXT_MAX];
    int proxy_protocol = (int)sim_random_below(world, 3);
    open_site(household, transfers, i, proxy_protocol);
    household->publishes = true;
    household->has_twin = twin;
    snprintf(address, sizeof address, "203.0.113.%zu", i + 1);
    outlet_init(&household->publisher, world, address, server_name, server_port,
                &household->endpoint_at);
    household->publisher.proxy_protocol = proxy_protocol;
    snprintf(address, sizeof address, "203.0.113.%zu", i + 51);
    if (twin)
        outlet_init(&household->twin, world, address, server_name, server_port,
                    &household->endpoint_at);
    household->twin.proxy_protocol = proxy_protocol;
    make_token(household);
    set_credentials(household, keyring);
    outlet_start(&household->publisher);
    if (twin)
        outlet_start(&household->twin);
}

void household_start_chartered(struct household *household, struct transfers *transfers, size_t i,
                               struct chancery *chancery)
{
    char address[IP_TEXT_MAX];
    open_site(household, transfers, i, 0);
    household->publishes = true;
    snprintf(address, sizeof address, "203.0.113.%zu", i + 1);
    outlet_init(&household->publisher, transfers->world, address, NULL, 0, &household->endpoint_at);
    household->publisher.master_url = CHANCERY_URL;
    household->publisher.api_key_file = CHANCERY_KEY_PATH;
    chancery_add(chancery, household->name, STORE_HOST, household->publisher.home);
    outlet_start(&household->publisher);
}

void household_renew(struct household *household, const struct snitun_keyring *keyring,
                     const struct snitun_keys *keys)
{
    household->token.keys = *keys;
    set_credentials(household, keyring);
}

void household_stop(struct household *household)
{
    party_stop(&household->endpoint);
    if (household->publishes)
        party_stop(&household->publisher.party);
    if (household->has_twin)
        party_stop(&household->twin.party);
}

bool household_is_over(const struct household *household)
{
    return party_is_over(&household->endpoint) &&
           (!household->publishes || party_is_over(&household->publisher.party)) &&
           (!household->has_twin || party_is_over(&household->twin.party));
}
