/* What all calls of the session master go through: discovery, paths, keys, limits, trouble. */
#include "master_world.h"

#include "roles/master/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Discovery ---- */

static void discovery_names_all_23_actions(void **state)
{
    struct world *world = *state;
    const char *name;
    json_t *url;
    json_t *actions;

    assert_int_equal(world_ask(world, "GET", "/.well-known/service-discovery", NULL, NULL), 200);
    assert_true(world_number(world, "valid_for") >= 0);
    assert_true(strlen(world_text(world, "version")) > 0);
    actions = json_object_get(world->response.body, "actions");
    assert_int_equal(json_object_size(actions), 23);
    json_object_foreach(actions, name, url)
    {
        assert_non_null(strstr(json_string_value(url), "https://master.example:8443/"));
    }
    assert_string_equal(json_string_value(json_object_get(actions, "remote_access_snitun_token")),
                        "https://master.example:8443/instance/snitun_token");
}

static void an_acme_directory_is_named_where_there_is_one(void **state)
{
    struct world *world = *state;
    const char *directory = "https://acme.example/directory";

    world->master.acme_directory = directory;
    world_ask(world, "GET", "/.well-known/service-discovery", NULL, NULL);
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(world->response.body, "actions"), "acme_directory")),
                        directory);
}

static void what_is_not_offered_answers_501(void **state)
{
    struct world *world = *state;
    const char *name;
    json_t *url;
    json_t *actions;
    int refused = 0;

    world_ask(world, "GET", "/.well-known/service-discovery", NULL, NULL);
    actions = json_incref(json_object_get(world->response.body, "actions"));
    json_object_foreach(actions, name, url)
    {
        const char *path = json_string_value(url) + strlen("https://master.example:8443");
        int status = world_ask(world, "GET", path, NULL, NULL);

        assert_true(status == 501 || status == 401 || status == 405);
        if (status == 501) {
            refused++;
            world_expect_message(world, name);
        }
    }
    json_decref(actions);
    assert_int_equal(refused, 17);
    assert_int_equal(world_ask(world, "GET", "/not-offered/instance_connection", NULL, NULL), 404);
}

static void discovery_takes_no_host_header_that_is_none(void **state)
{
    struct world *world = *state;
    struct io_http_request request = {
        .method = "GET", .target = "/.well-known/service-discovery", .host = "a\"b", .body = ""};

    master_handle(&world->master, WORLD_NOW_S, 0, &request, &world->response);
    assert_int_equal(world->response.status, 400);
    json_decref(world->response.body);
    request.host = NULL;
    master_handle(&world->master, WORLD_NOW_S, 0, &request, &world->response);
    assert_int_equal(world->response.status, 400);
}

/* ---- Where to ---- */

static void an_unknown_path_is_404(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_ask(world, "GET", "/", NULL, NULL), 404);
    assert_int_equal(world_ask(world, "GET", "/instance/\x1b[2J", NULL, NULL), 404);
    world_expect_message(world, "\\x1b");
    assert_int_equal(world_ask(world, "GET", "/instance/register/", world->home_key, NULL), 404);
}

static void a_wrong_method_is_405_with_allow(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_ask(world, "GET", "/instance/snitun_token", world->home_key, NULL), 405);
    assert_string_equal(world->response.allow, "POST");
    assert_int_equal(world_ask(world, "DELETE", "/instance/connection", NULL, NULL), 405);
    assert_string_equal(world->response.allow, "GET");
}

static void a_body_of_more_than_16_kib_is_413(void **state)
{
    struct world *world = *state;
    char *body = malloc(MASTER_BODY_MAX + 2);

    memset(body, ' ', MASTER_BODY_MAX + 1);
    body[MASTER_BODY_MAX + 1] = '\0';
    assert_int_equal(world_ask(world, "POST", "/instance/register", world->home_key, body), 413);
    body[0] = '{';
    body[1] = '}';
    body[MASTER_BODY_MAX] = '\0';
    assert_int_equal(world_ask(world, "POST", "/instance/register", world->home_key, body), 200);
    free(body);
}

/* ---- Who asks ---- */

static void both_forms_of_authorization_are_taken(void **state)
{
    struct world *world = *state;
    char bearer[100];

    snprintf(bearer, sizeof(bearer), "Bearer %s", world->home_key);
    assert_int_equal(world_ask(world, "GET", "/instance/connection", bearer, NULL), 200);
    assert_int_equal(world_ask(world, "GET", "/instance/connection", world->home_key, NULL), 200);
}

static void no_or_a_wrong_key_is_401(void **state)
{
    struct world *world = *state;
    char almost[MASTER_KEY_TEXT_MAX];

    assert_int_equal(world_ask(world, "GET", "/instance/connection", NULL, NULL), 401);
    assert_int_equal(world_ask(world, "GET", "/instance/connection", "", NULL), 401);
    assert_int_equal(world_ask(world, "GET", "/instance/connection", "Bearer ", NULL), 401);
    memcpy(almost, world->home_key, sizeof(almost));
    almost[5] = almost[5] == 'A' ? 'B' : 'A';
    assert_int_equal(world_ask(world, "GET", "/instance/connection", almost, NULL), 401);
    almost[5] = world->home_key[5];
    almost[strlen(almost) - 1] = '\0';
    assert_int_equal(world_ask(world, "GET", "/instance/connection", almost, NULL), 401);
    assert_null(strstr(world->response.why, almost));
}

static void a_key_is_for_its_own_role_alone(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_ask(world, "GET", "/adit/v1/changes", world->home_key, NULL), 403);
    assert_int_equal(world_ask(world, "GET", "/instance/connection", world->server_key, NULL), 403);
    assert_int_equal(world_ask_token(world, world->server_key,
                                     "{\"aes_key\":\"" WORLD_AES_KEY "\",\"aes_iv\":\"" WORLD_AES_IV
                                     "\"}"),
                     403);
}

static void a_disabled_host_gets_nothing(void **state)
{
    struct world *world = *state;

    store_enable(world->master.store, "home.example", false, (int64_t)WORLD_NOW_S);
    assert_int_equal(world_ask(world, "GET", "/instance/connection", world->home_key, NULL), 403);
    world_expect_message(world, "disabled");
}

static void a_removed_host_is_not_known(void **state)
{
    struct world *world = *state;

    store_remove(world->master.store, "home.example", (int64_t)WORLD_NOW_S);
    assert_int_equal(world_ask(world, "GET", "/instance/connection", world->home_key, NULL), 401);
}

/* ---- Trouble ---- */

static void who_asks_too_often_is_told_when_to_come_back(void **state)
{
    struct world *world = *state;
    uint8_t seed[16] = {1};

    world->master.limiter = limiter_new(seed, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(world_ask(world, "GET", "/", NULL, NULL), 404);
    assert_int_equal(world_ask(world, "GET", "/", NULL, NULL), 429);
    assert_int_equal(world->response.retry_after_s, 10);
    world->now_ms += 9999;
    assert_int_equal(world_ask(world, "GET", "/", NULL, NULL), 429);
    assert_int_equal(world->response.retry_after_s, 1);
    world->now_ms += 1;
    assert_int_equal(world_ask(world, "GET", "/", NULL, NULL), 404);
    assert_int_equal(world_ask(world, "GET", "/", NULL, NULL), 429);
}

static void addresses_are_slowed_down_one_by_one(void **state)
{
    struct adit_ip one = {.family = 6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 1}};
    struct adit_ip same_64 = {.family = 6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 2}};
    struct adit_ip other_64 = {.family = 6, .bytes = {0x20, 1, 0xd, 0xb8, [7] = 1}};
    uint8_t seed[16] = {1};
    struct limiter *limiter = limiter_new(seed, 1);

    (void)state;
    assert_int_equal(limiter_ask(limiter, &one, 0), 0);
    assert_int_equal(limiter_ask(limiter, &same_64, 0), 60);
    assert_int_equal(limiter_ask(limiter, &other_64, 0), 0);
    limiter_free(limiter);
}

static void the_limiter_forgets_the_address_not_seen_for_longest(void **state)
{
    struct adit_ip from = {.family = 4};
    uint8_t seed[16] = {1};
    struct limiter *limiter = limiter_new(seed, 1);

    (void)state;
    for (uint32_t i = 0; i <= LIMITER_ADDRESSES_MAX; i++) {
        memcpy(from.bytes, &i, sizeof(i));
        assert_int_equal(limiter_ask(limiter, &from, 0), 0);
    }
    assert_int_equal(limiter_ask(limiter, &from, 0), 60);
    memset(from.bytes, 0, sizeof(from.bytes));
    assert_int_equal(limiter_ask(limiter, &from, 0), 0);
    limiter_free(limiter);
}

static void a_store_that_cannot_be_written_is_503_where_it_matters(void **state)
{
    struct world *world = *state;

    sqlite3_exec(world->master.store->database, "PRAGMA query_only = 1", NULL, NULL, NULL);
    assert_int_equal(world_ask(world, "POST", "/instance/dns_challenge_txt", world->home_key,
                               "{\"txt\": \"a\"}"),
                     503);
    assert_true(world->response.retry_after_s > 0);
    assert_non_null(strstr(world->response.why, "cannot be written"));
    assert_int_equal(world_ask_token(world, world->home_key,
                                     "{\"aes_key\": \"" WORLD_AES_KEY
                                     "\", \"aes_iv\": \"" WORLD_AES_IV "\"}"),
                     200);
}

static void a_store_that_is_damaged_is_500(void **state)
{
    struct world *world = *state;

    sqlite3_exec(world->master.store->database, "DROP TABLE host", NULL, NULL, NULL);
    assert_int_equal(world_ask(world, "GET", "/instance/connection", world->home_key, NULL), 500);
}

static void names_that_no_token_holds_are_refused_when_added(void **state)
{
    char aliases[STORE_ALIASES_MAX][HOSTNAME_MAX + 1];
    struct store_host host = {.name = "home.example", .aliases = aliases};

    (void)state;
    for (size_t i = 0; i < STORE_ALIASES_MAX; i++)
        snprintf(aliases[i], sizeof(aliases[i]), "%063zu.%063zu.example", i, i);
    host.alias_count = 2;
    assert_true(master_host_fits(&host, world_random, NULL));
    host.alias_count = STORE_ALIASES_MAX;
    assert_false(master_host_fits(&host, world_random, NULL));
}

static void keys_are_256_bits_and_differ(void **state)
{
    char one[MASTER_KEY_TEXT_MAX];
    char two[MASTER_KEY_TEXT_MAX];
    uint8_t digest[SHA256_LEN];

    (void)state;
    assert_true(master_key_new(world_random, NULL, one, digest));
    assert_true(master_key_new(world_random, NULL, two, digest));
    assert_int_equal(strlen(one), 43);
    assert_string_not_equal(one, two);
}

int main(void)
{
#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(discovery_names_all_23_actions),
        IN_A_WORLD(an_acme_directory_is_named_where_there_is_one),
        IN_A_WORLD(what_is_not_offered_answers_501),
        IN_A_WORLD(discovery_takes_no_host_header_that_is_none),
        IN_A_WORLD(an_unknown_path_is_404),
        IN_A_WORLD(a_wrong_method_is_405_with_allow),
        IN_A_WORLD(a_body_of_more_than_16_kib_is_413),
        IN_A_WORLD(both_forms_of_authorization_are_taken),
        IN_A_WORLD(no_or_a_wrong_key_is_401),
        IN_A_WORLD(a_key_is_for_its_own_role_alone),
        IN_A_WORLD(a_disabled_host_gets_nothing),
        IN_A_WORLD(a_removed_host_is_not_known),
        IN_A_WORLD(who_asks_too_often_is_told_when_to_come_back),
        IN_A_WORLD(addresses_are_slowed_down_one_by_one),
        IN_A_WORLD(the_limiter_forgets_the_address_not_seen_for_longest),
        IN_A_WORLD(a_store_that_cannot_be_written_is_503_where_it_matters),
        IN_A_WORLD(a_store_that_is_damaged_is_500),
        IN_A_WORLD(names_that_no_token_holds_are_refused_when_added),
        IN_A_WORLD(keys_are_256_bits_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
