/* The calls of the session master, of hosts and of servers, each with what it refuses. */
#include "master_world.h"

#include "base/encode.h"

#include <stdio.h>
#include <string.h>

/* ---- The calls of a host ---- */

static void ping_targets_are_none(void **state)
{
    struct world *world = *state;

    assert_int_equal(
        world_ask(world, "GET", "/instance/remote_ping_targets", world->home_key, NULL), 200);
    assert_true(json_is_array(json_object_get(world->response.body, "targets")));
    assert_true(world_number(world, "timeout") > 0);
    assert_true(world_number(world, "count") > 0);
}

static void register_answers_the_name_and_the_server(void **state)
{
    struct world *world = *state;
    const json_t *alias;

    assert_int_equal(world_ask(world, "POST", "/instance/register", world->home_key,
                               "{\"ping_result\": [{\"ip\": \"192.0.2.1\"}]}"),
                     200);
    assert_string_equal(world_text(world, "domain"), "home.example");
    assert_string_equal(world_text(world, "server"), "relay.example");
    assert_non_null(strchr(world_text(world, "email"), '@'));
    alias = json_object_get(world->response.body, "alias");
    assert_int_equal(json_array_size(alias), 1);
    assert_string_equal(json_string_value(json_array_get(alias, 0)), "cam.example");
    assert_int_equal(world_ask(world, "POST", "/instance/register", world->home_key, NULL), 200);
    assert_int_equal(
        world_ask(world, "POST", "/instance/register", world->home_key, "{\"ping_result\": 1}"),
        400);
}

static void a_body_that_is_no_json_object_is_400(void **state)
{
    struct world *world = *state;
    static const char *const bodies[] = {
        "{", "[]", "1", "\"a\"", "{} {}", "{\"a\":1,\"a\":2}", "\xff\xfe", "nul"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(world_ask(world, "POST", "/instance/register", world->home_key, bodies[i]),
                         400);
        assert_int_equal(world_ask_token(world, world->home_key, bodies[i]), 400);
    }
}

static void connection_says_nobody_where_it_is_not_known(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_ask(world, "GET", "/instance/connection", world->home_key, NULL), 200);
    assert_true(json_is_false(json_object_get(world->response.body, "connected")));
}

/* arg is the only name that is served, by a tunnel that came at the second 1709210096. */
static bool serves(void *arg, const char *name, double *since_s, struct adit_ip *from)
{
    *since_s = 1709210096.5;
    *from = (struct adit_ip){.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    return strcmp(name, arg) == 0;
}

static void connection_says_who_is_connected_where_it_is_known(void **state)
{
    struct world *world = *state;
    char served[] = "home.example";
    const json_t *details;

    world->master.serves = serves;
    world->master.serves_arg = served;
    assert_int_equal(world_ask(world, "GET", "/instance/connection", world->old_key, NULL), 200);
    assert_true(json_is_false(json_object_get(world->response.body, "connected")));
    assert_int_equal(world_ask(world, "GET", "/instance/connection", world->home_key, NULL), 200);
    assert_true(json_is_true(json_object_get(world->response.body, "connected")));
    details = json_object_get(world->response.body, "details");
    assert_int_equal(json_object_size(details), 4);
    assert_string_equal(json_string_value(json_object_get(details, "connected_at")),
                        "2024-02-29T12:34:56+00:00");
    assert_string_equal(json_string_value(json_object_get(details, "name")), "home.example");
    assert_string_equal(json_string_value(json_object_get(details, "remote_ip_address")),
                        "2001:db8::1");
    assert_true(json_is_string(json_object_get(details, "version")));
}

static void last_challenge(void *arg, const char *txt)
{
    snprintf(arg, 64, "%s", txt);
}

static void a_dns_challenge_is_kept_and_removed(void **state)
{
    struct world *world = *state;
    struct store_host host;
    char txt[64] = "";

    store_find_name(world->master.store, "home.example", &host);
    assert_int_equal(world_ask(world, "POST", "/instance/dns_challenge_txt", world->home_key,
                               "{\"txt\": \"abc_DEF-1\"}"),
                     200);
    store_each_challenge(world->master.store, host.id, last_challenge, txt);
    assert_string_equal(txt, "abc_DEF-1");
    assert_int_equal(world_ask(world, "POST", "/instance/dns_challenge_cleanup", world->home_key,
                               "{\"txt\": \"abc_DEF-1\"}"),
                     200);
    txt[0] = '\0';
    store_each_challenge(world->master.store, host.id, last_challenge, txt);
    assert_string_equal(txt, "");
    store_host_clear(&host);
}

static void a_dns_challenge_is_printable_text(void **state)
{
    struct world *world = *state;
    static const char *const bodies[] = {"{}",
                                         "{\"txt\": \"\"}",
                                         "{\"txt\": 1}",
                                         "{\"txt\": \"a\\u0000b\"}",
                                         "{\"txt\": \"a\\nb\"}",
                                         "{\"txt\": \"\xc3\xa4\"}"};
    char long_one[STORE_TXT_MAX + 32];

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_int_equal(
            world_ask(world, "POST", "/instance/dns_challenge_txt", world->home_key, bodies[i]),
            400);
    snprintf(long_one, sizeof(long_one), "{\"txt\": \"%0*d\"}", STORE_TXT_MAX + 1, 0);
    assert_int_equal(
        world_ask(world, "POST", "/instance/dns_challenge_txt", world->home_key, long_one), 400);
}

/* ---- Tokens ---- */

static void a_plain_request_gets_aes_cbc_without_a_word(void **state)
{
    struct world *world = *state;
    struct snitun_token token;
    uint8_t key[32];

    assert_int_equal(world_ask_token(world, world->home_key,
                                     "{\"aes_key\": \"" WORLD_AES_KEY
                                     "\", \"aes_iv\": \"" WORLD_AES_IV "\"}"),
                     200);
    assert_null(json_object_get(world->response.body, "cipher"));
    assert_string_equal(world_text(world, "server"), "relay.example");
    assert_int_equal(world_number(world, "valid"), (json_int_t)WORLD_NOW_S + WORLD_LIFETIME_S);
    assert_int_equal(world_number(world, "throttling"), 0);
    world_open_token(world, &token);
    assert_int_equal(token.keys.cipher, SNITUN_AES_CBC);
    assert_int_equal(token.keys.protocol_version, world_number(world, "protocol_version"));
    assert_true(token.valid == (double)world_number(world, "valid"));
    assert_string_equal(token.hostname, "home.example");
    assert_int_equal(token.alias_count, 1);
    assert_string_equal(token.aliases[0], "cam.example");
    assert_int_equal(token.whitelist_count, 1);
    hex_decode(WORLD_AES_KEY, key, sizeof(key));
    assert_memory_equal(token.keys.aes_key, key, sizeof(key));
    snitun_token_clear(&token);
}

static void a_cipher_that_is_asked_for_is_echoed(void **state)
{
    struct world *world = *state;
    struct snitun_token token;

    assert_int_equal(world_ask_token(world, world->home_key,
                                     "{\"aes_key\": \"" WORLD_AES_KEY
                                     "\", \"aes_iv\": \"" WORLD_AES_IV
                                     "\", \"cipher\": \"aes-gcm\"}"),
                     200);
    assert_string_equal(world_text(world, "cipher"), "aes-gcm");
    assert_string_equal(world_text(world, "hostname"), "home.example");
    assert_int_equal(world_number(world, "port"), 8443);
    assert_int_equal(world_number(world, "protocol_version"), 2);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(world->response.body, "whitelist"), 0)),
        "192.0.2.0/24");
    world_open_token(world, &token);
    assert_int_equal(token.keys.cipher, SNITUN_AES_GCM);
    assert_int_equal(token.keys.protocol_version, 2);
    snitun_token_clear(&token);
}

static void a_request_for_a_token_that_is_wrong_is_400(void **state)
{
    struct world *world = *state;
    static const char *const bodies[] = {
        "{\"aes_iv\": \"" WORLD_AES_IV "\"}",
        "{\"aes_key\": \"" WORLD_AES_KEY "\"}",
        "{\"aes_key\": \"" WORLD_AES_KEY "00\", \"aes_iv\": \"" WORLD_AES_IV "\"}",
        "{\"aes_key\": \"00\", \"aes_iv\": \"" WORLD_AES_IV "\"}",
        "{\"aes_key\": \"" WORLD_AES_KEY "\", \"aes_iv\": \"" WORLD_AES_KEY "\"}",
        "{\"aes_key\": \"zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\","
        " \"aes_iv\": \"" WORLD_AES_IV "\"}",
        "{\"aes_key\": 5, \"aes_iv\": \"" WORLD_AES_IV "\"}",
        "{\"aes_key\": \"" WORLD_AES_KEY "\", \"aes_iv\": \"" WORLD_AES_IV
        "\", \"cipher\": \"rot13\"}",
        "{\"aes_key\": \"" WORLD_AES_KEY "\", \"aes_iv\": \"" WORLD_AES_IV "\", \"cipher\": null}",
        "{\"aes_key\": \"" WORLD_AES_KEY "\", \"aes_iv\": \"" WORLD_AES_IV
        "\", \"protocol_version\": 3}",
        "{\"aes_key\": \"" WORLD_AES_KEY "\", \"aes_iv\": \"" WORLD_AES_IV
        "\", \"protocol_version\": \"1\"}",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(world_ask_token(world, world->home_key, bodies[i]), 400);
        assert_null(strstr(world->response.why, WORLD_AES_KEY));
    }
}

static void a_host_uses_its_ciphers_alone(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_ask_token(world, world->old_key,
                                     "{\"aes_key\": \"" WORLD_AES_KEY
                                     "\", \"aes_iv\": \"" WORLD_AES_IV
                                     "\", \"cipher\": \"aes-gcm\"}"),
                     403);
    world_expect_message(world, "aes-gcm");
    assert_int_equal(world_ask_token(world, world->old_key,
                                     "{\"aes_key\": \"" WORLD_AES_KEY
                                     "\", \"aes_iv\": \"" WORLD_AES_IV "\"}"),
                     200);
}

static void a_key_of_another_host_is_403(void **state)
{
    struct world *world = *state;
    static const char body[] = "{\"aes_key\": \"" WORLD_AES_KEY "\", \"aes_iv\": \"" WORLD_AES_IV
                               "\", \"cipher\": \"aes-cbc\", \"hostname\": \"%s\"}";
    char asked[300];

    snprintf(asked, sizeof(asked), body, "home.example");
    assert_int_equal(world_ask_token(world, world->old_key, asked), 403);
    world_expect_message(world, "old.example");
    assert_int_equal(world_ask_token(world, world->home_key, asked), 200);
    snprintf(asked, sizeof(asked), body, "CAM.example.");
    assert_int_equal(world_ask_token(world, world->home_key, asked), 200);
}

static void a_new_token_is_not_taken_for_a_revoked_one(void **state)
{
    struct world *world = *state;
    static const char body[] =
        "{\"aes_key\": \"" WORLD_AES_KEY "\", \"aes_iv\": \"" WORLD_AES_IV "\"}";
    json_int_t before;

    world_ask_token(world, world->home_key, body);
    before = world_number(world, "valid");
    store_enable(world->master.store, "home.example", false, (int64_t)WORLD_NOW_S);
    store_enable(world->master.store, "home.example", true, (int64_t)WORLD_NOW_S);
    world->now_s = WORLD_NOW_S - 5000; /* and the clock is set back */
    assert_int_equal(world_ask_token(world, world->home_key, body), 200);
    assert_true(world_number(world, "valid") > before);
}

static void a_token_is_noted_with_its_address(void **state)
{
    struct world *world = *state;
    struct store_host host;

    world_ask_token(world, world->home_key,
                    "{\"aes_key\": \"" WORLD_AES_KEY "\", \"aes_iv\": \"" WORLD_AES_IV "\"}");
    store_flush(world->master.store);
    store_find_name(world->master.store, "home.example", &host);
    assert_int_equal(host.token_s, (int64_t)WORLD_NOW_S);
    assert_int_equal(host.from.bytes[3], 7);
    store_host_clear(&host);
}

/* ---- Changes ---- */

static void a_server_learns_what_was_revoked(void **state)
{
    struct world *world = *state;
    const json_t *changes;
    char next[64];

    assert_int_equal(world_ask(world, "GET", "/adit/v1/changes", world->server_key, NULL), 200);
    assert_int_equal(world_number(world, "seq"), 0);
    store_enable(world->master.store, "old.example", false, (int64_t)WORLD_NOW_S);
    assert_int_equal(world_ask(world, "GET", "/adit/v1/changes?since=0", world->server_key, NULL),
                     200);
    changes = json_object_get(world->response.body, "changes");
    assert_int_equal(json_array_size(changes), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(changes, 0), "hostname")),
                        "old.example");
    assert_true(json_is_null(json_object_get(json_array_get(changes, 0), "valid_after")));
    snprintf(next, sizeof(next), "/adit/v1/changes?since=%lld",
             (long long)world_number(world, "seq"));
    assert_int_equal(world_ask(world, "GET", next, world->server_key, NULL), 200);
    assert_int_equal(json_array_size(json_object_get(world->response.body, "changes")), 0);
    store_enable(world->master.store, "old.example", true, (int64_t)WORLD_NOW_S);
    world_ask(world, "GET", next, world->server_key, NULL);
    changes = json_object_get(world->response.body, "changes");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(changes, 0), "valid_after")),
                     (int64_t)WORLD_NOW_S + WORLD_LIFETIME_S);
}

static void a_query_that_is_none_is_400(void **state)
{
    struct world *world = *state;
    static const char *const queries[] = {"since=",   "since=-1",
                                          "since=1x", "since=99999999999999999999",
                                          "until=1",  "since=1&since=2"};

    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        char target[80];

        snprintf(target, sizeof(target), "/adit/v1/changes?%s", queries[i]);
        assert_int_equal(world_ask(world, "GET", target, world->server_key, NULL), 400);
    }
}

int main(void)
{
#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(ping_targets_are_none),
        IN_A_WORLD(register_answers_the_name_and_the_server),
        IN_A_WORLD(a_body_that_is_no_json_object_is_400),
        IN_A_WORLD(connection_says_nobody_where_it_is_not_known),
        IN_A_WORLD(connection_says_who_is_connected_where_it_is_known),
        IN_A_WORLD(a_dns_challenge_is_kept_and_removed),
        IN_A_WORLD(a_dns_challenge_is_printable_text),
        IN_A_WORLD(a_plain_request_gets_aes_cbc_without_a_word),
        IN_A_WORLD(a_cipher_that_is_asked_for_is_echoed),
        IN_A_WORLD(a_request_for_a_token_that_is_wrong_is_400),
        IN_A_WORLD(a_host_uses_its_ciphers_alone),
        IN_A_WORLD(a_key_of_another_host_is_403),
        IN_A_WORLD(a_new_token_is_not_taken_for_a_revoked_one),
        IN_A_WORLD(a_token_is_noted_with_its_address),
        IN_A_WORLD(a_server_learns_what_was_revoked),
        IN_A_WORLD(a_query_that_is_none_is_400),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
