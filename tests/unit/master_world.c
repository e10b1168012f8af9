#include "master_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int world_random(void *arg, void *buf, size_t len)
{
    static uint8_t next;
    uint8_t *bytes = buf;

    (void)arg;
    for (size_t i = 0; i < len; i++)
        bytes[i] = next++;
    return 0;
}

static void add(struct world *world, struct store_host *host, char key[MASTER_KEY_TEXT_MAX])
{
    char taken[HOSTNAME_MAX + 1];
    uint8_t digest[SHA256_LEN];

    assert_true(master_key_new(world_random, NULL, key, digest));
    assert_int_equal(store_add(world->master.store, host, digest, taken), STORE_OK);
}

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    char aliases[1][HOSTNAME_MAX + 1] = {"cam.example"};
    struct cidr allow[1];
    int error;
    struct store_host home = {.name = "home.example",
                              .aliases = aliases,
                              .alias_count = 1,
                              .allow = allow,
                              .allow_count = 1,
                              .ciphers = MASTER_CIPHERS_ALL};
    struct store_host old = {.name = "old.example", .ciphers = 1 << SNITUN_AES_CBC};
    struct store_host server = {.name = "relay.example", .kind = STORE_SERVER};

    assert_non_null(world);
    cidr_parse("192.0.2.0/24", &allow[0]);
    world->keyring.count = 1;
    memset(world->keyring.keys[0], 7, 32);
    world->now_s = WORLD_NOW_S;
    world->master = (struct master){
        .store = store_open(":memory:", true, &error),
        .keyring = &world->keyring,
        .server_host = "relay.example",
        .server_port = 8443,
        .token_valid_s = WORLD_LIFETIME_S,
        .secure = true,
        .random = world_random,
    };
    assert_non_null(world->master.store);
    store_promise(world->master.store, WORLD_LIFETIME_S);
    add(world, &home, world->home_key);
    add(world, &old, world->old_key);
    add(world, &server, world->server_key);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;

    json_decref(world->response.body);
    limiter_free((struct limiter *)world->master.limiter);
    store_close(world->master.store);
    free(world);
    return 0;
}

int world_ask(struct world *world, const char *method, const char *target, const char *key,
              const char *body)
{
    struct io_http_request request = {.method = method,
                                      .target = target,
                                      .host = "master.example:8443",
                                      .authorization = key,
                                      .body = body == NULL ? "" : body,
                                      .body_len = body == NULL ? 0 : strlen(body),
                                      .from = {.family = 4, .bytes = {192, 0, 2, 7}}};

    json_decref(world->response.body);
    master_handle(&world->master, world->now_s, world->now_ms, &request, &world->response);
    assert_non_null(world->response.body);
    assert_true((world->response.status == 200) == (world->response.why[0] == '\0'));
    return world->response.status;
}

const char *world_text(const struct world *world, const char *field)
{
    const char *value = json_string_value(json_object_get(world->response.body, field));

    assert_non_null(value);
    return value;
}

json_int_t world_number(const struct world *world, const char *field)
{
    const json_t *value = json_object_get(world->response.body, field);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

void world_expect_message(const struct world *world, const char *part)
{
    if (strstr(world_text(world, "message"), part) == NULL)
        fail_msg("\"%s\" does not speak of \"%s\"", world_text(world, "message"), part);
}

int world_ask_token(struct world *world, const char *key, const char *body)
{
    return world_ask(world, "POST", "/instance/snitun_token", key, body);
}

void world_open_token(const struct world *world, struct snitun_token *token)
{
    const char *answered = world_text(world, "token");

    assert_int_equal(
        snitun_token_open(&world->keyring, world->now_s, answered, strlen(answered), token),
        SNITUN_TOKEN_OK);
}
