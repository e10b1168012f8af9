/* The calls of the session master, each with what it refuses. */
#include "base/encode.h"
#include "roles/master/database.h"
#include "roles/master/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000.5
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define IV  "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

enum { LIFETIME = 86400 };

struct world {
    struct master master;
    struct snitun_keyring keyring;
    char home_key[MASTER_KEY_TEXT_MAX]; /* of home.example, alias cam.example */
    char old_key[MASTER_KEY_TEXT_MAX];  /* of old.example: aes-cbc alone */
    char server_key[MASTER_KEY_TEXT_MAX];
    struct master_response response;
    double now_s;
    uint64_t now_ms;
};

static int counting_random(void *arg, void *buf, size_t len)
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

    assert_true(master_key_new(counting_random, NULL, key, digest));
    assert_int_equal(store_add(world->master.store, host, digest, taken), STORE_OK);
}

static int setup(void **state)
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
    world->now_s = NOW;
    world->master = (struct master){
        .store = store_open(":memory:", true, &error),
        .keyring = &world->keyring,
        .server_host = "relay.example",
        .server_port = 8443,
        .token_valid_s = LIFETIME,
        .secure = true,
        .random = counting_random,
    };
    assert_non_null(world->master.store);
    store_promise(world->master.store, LIFETIME);
    add(world, &home, world->home_key);
    add(world, &old, world->old_key);
    add(world, &server, world->server_key);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    json_decref(world->response.body);
    limiter_free((struct limiter *)world->master.limiter);
    store_close(world->master.store);
    free(world);
    return 0;
}

/* Asks with a body, or NULL; answers the status. */
static int ask(struct world *world, const char *method, const char *target, const char *key,
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

static const char *text(const struct world *world, const char *field)
{
    const char *value = json_string_value(json_object_get(world->response.body, field));

    assert_non_null(value);
    return value;
}

static json_int_t number(const struct world *world, const char *field)
{
    const json_t *value = json_object_get(world->response.body, field);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* The refusal has a message, and it speaks of this. */
static void assert_message(const struct world *world, const char *part)
{
    if (strstr(text(world, "message"), part) == NULL)
        fail_msg("\"%s\" does not speak of \"%s\"", text(world, "message"), part);
}

static int ask_token(struct world *world, const char *key, const char *body)
{
    return ask(world, "POST", "/instance/snitun_token", key, body);
}

/* Opens the token that was answered; to be cleared. */
static void open_token(const struct world *world, struct snitun_token *token)
{
    const char *answered = text(world, "token");

    assert_int_equal(
        snitun_token_open(&world->keyring, world->now_s, answered, strlen(answered), token),
        SNITUN_TOKEN_OK);
}

/* ---- Discovery ---- */

static void discovery_names_all_23_actions(void **state)
{
    struct world *world = *state;
    const char *name;
    json_t *url;
    json_t *actions;

    assert_int_equal(ask(world, "GET", "/.well-known/service-discovery", NULL, NULL), 200);
    assert_true(number(world, "valid_for") >= 0);
    assert_true(strlen(text(world, "version")) > 0);
    actions = json_object_get(world->response.body, "actions");
    assert_int_equal(json_object_size(actions), 23);
    json_object_foreach(actions, name, url)
    {
        assert_non_null(strstr(json_string_value(url), "https://master.example:8443/"));
    }
    assert_string_equal(json_string_value(json_object_get(actions, "remote_access_snitun_token")),
                        "https://master.example:8443/instance/snitun_token");
}

static void what_is_not_offered_answers_501(void **state)
{
    struct world *world = *state;
    const char *name;
    json_t *url;
    json_t *actions;
    int refused = 0;

    ask(world, "GET", "/.well-known/service-discovery", NULL, NULL);
    actions = json_incref(json_object_get(world->response.body, "actions"));
    json_object_foreach(actions, name, url)
    {
        const char *path = json_string_value(url) + strlen("https://master.example:8443");
        int status = ask(world, "GET", path, NULL, NULL);

        assert_true(status == 501 || status == 401 || status == 405);
        if (status == 501) {
            refused++;
            assert_message(world, name);
        }
    }
    json_decref(actions);
    assert_int_equal(refused, 17);
    assert_int_equal(ask(world, "GET", "/not-offered/instance_connection", NULL, NULL), 404);
}

static void discovery_takes_no_host_header_that_is_none(void **state)
{
    struct world *world = *state;
    struct io_http_request request = {
        .method = "GET", .target = "/.well-known/service-discovery", .host = "a\"b", .body = ""};

    master_handle(&world->master, NOW, 0, &request, &world->response);
    assert_int_equal(world->response.status, 400);
    json_decref(world->response.body);
    request.host = NULL;
    master_handle(&world->master, NOW, 0, &request, &world->response);
    assert_int_equal(world->response.status, 400);
}

/* ---- Where to ---- */

static void an_unknown_path_is_404(void **state)
{
    struct world *world = *state;

    assert_int_equal(ask(world, "GET", "/", NULL, NULL), 404);
    assert_int_equal(ask(world, "GET", "/instance/\x1b[2J", NULL, NULL), 404);
    assert_message(world, "\\x1b");
    assert_int_equal(ask(world, "GET", "/instance/register/", world->home_key, NULL), 404);
}

static void a_wrong_method_is_405_with_allow(void **state)
{
    struct world *world = *state;

    assert_int_equal(ask(world, "GET", "/instance/snitun_token", world->home_key, NULL), 405);
    assert_string_equal(world->response.allow, "POST");
    assert_int_equal(ask(world, "DELETE", "/instance/connection", NULL, NULL), 405);
    assert_string_equal(world->response.allow, "GET");
}

static void a_body_of_more_than_16_kib_is_413(void **state)
{
    struct world *world = *state;
    char *body = malloc(MASTER_BODY_MAX + 2);

    memset(body, ' ', MASTER_BODY_MAX + 1);
    body[MASTER_BODY_MAX + 1] = '\0';
    assert_int_equal(ask(world, "POST", "/instance/register", world->home_key, body), 413);
    body[0] = '{';
    body[1] = '}';
    body[MASTER_BODY_MAX] = '\0';
    assert_int_equal(ask(world, "POST", "/instance/register", world->home_key, body), 200);
    free(body);
}

/* ---- Who asks ---- */

static void both_forms_of_authorization_are_taken(void **state)
{
    struct world *world = *state;
    char bearer[100];

    snprintf(bearer, sizeof(bearer), "Bearer %s", world->home_key);
    assert_int_equal(ask(world, "GET", "/instance/connection", bearer, NULL), 200);
    assert_int_equal(ask(world, "GET", "/instance/connection", world->home_key, NULL), 200);
}

static void no_or_a_wrong_key_is_401(void **state)
{
    struct world *world = *state;
    char almost[MASTER_KEY_TEXT_MAX];

    assert_int_equal(ask(world, "GET", "/instance/connection", NULL, NULL), 401);
    assert_int_equal(ask(world, "GET", "/instance/connection", "", NULL), 401);
    assert_int_equal(ask(world, "GET", "/instance/connection", "Bearer ", NULL), 401);
    memcpy(almost, world->home_key, sizeof(almost));
    almost[5] = almost[5] == 'A' ? 'B' : 'A';
    assert_int_equal(ask(world, "GET", "/instance/connection", almost, NULL), 401);
    almost[5] = world->home_key[5];
    almost[strlen(almost) - 1] = '\0';
    assert_int_equal(ask(world, "GET", "/instance/connection", almost, NULL), 401);
    assert_null(strstr(world->response.why, almost));
}

static void a_key_is_for_its_own_role_alone(void **state)
{
    struct world *world = *state;

    assert_int_equal(ask(world, "GET", "/adit/v1/changes", world->home_key, NULL), 403);
    assert_int_equal(ask(world, "GET", "/instance/connection", world->server_key, NULL), 403);
    assert_int_equal(
        ask_token(world, world->server_key, "{\"aes_key\":\"" KEY "\",\"aes_iv\":\"" IV "\"}"),
        403);
}

static void a_disabled_host_gets_nothing(void **state)
{
    struct world *world = *state;

    store_enable(world->master.store, "home.example", false, (int64_t)NOW);
    assert_int_equal(ask(world, "GET", "/instance/connection", world->home_key, NULL), 403);
    assert_message(world, "disabled");
}

static void a_removed_host_is_not_known(void **state)
{
    struct world *world = *state;

    store_remove(world->master.store, "home.example", (int64_t)NOW);
    assert_int_equal(ask(world, "GET", "/instance/connection", world->home_key, NULL), 401);
}

/* ---- The calls of a host ---- */

static void ping_targets_are_none(void **state)
{
    struct world *world = *state;

    assert_int_equal(ask(world, "GET", "/instance/remote_ping_targets", world->home_key, NULL),
                     200);
    assert_true(json_is_array(json_object_get(world->response.body, "targets")));
    assert_true(number(world, "timeout") > 0);
    assert_true(number(world, "count") > 0);
}

static void register_answers_the_name_and_the_server(void **state)
{
    struct world *world = *state;
    const json_t *alias;

    assert_int_equal(ask(world, "POST", "/instance/register", world->home_key,
                         "{\"ping_result\": [{\"ip\": \"192.0.2.1\"}]}"),
                     200);
    assert_string_equal(text(world, "domain"), "home.example");
    assert_string_equal(text(world, "server"), "relay.example");
    assert_non_null(strchr(text(world, "email"), '@'));
    alias = json_object_get(world->response.body, "alias");
    assert_int_equal(json_array_size(alias), 1);
    assert_string_equal(json_string_value(json_array_get(alias, 0)), "cam.example");
    assert_int_equal(ask(world, "POST", "/instance/register", world->home_key, NULL), 200);
    assert_int_equal(
        ask(world, "POST", "/instance/register", world->home_key, "{\"ping_result\": 1}"), 400);
}

static void a_body_that_is_no_json_object_is_400(void **state)
{
    struct world *world = *state;
    static const char *const bodies[] = {
        "{", "[]", "1", "\"a\"", "{} {}", "{\"a\":1,\"a\":2}", "\xff\xfe", "nul"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(ask(world, "POST", "/instance/register", world->home_key, bodies[i]), 400);
        assert_int_equal(ask_token(world, world->home_key, bodies[i]), 400);
    }
}

static void connection_says_nobody_where_it_is_not_known(void **state)
{
    struct world *world = *state;

    assert_int_equal(ask(world, "GET", "/instance/connection", world->home_key, NULL), 200);
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
    assert_int_equal(ask(world, "GET", "/instance/connection", world->old_key, NULL), 200);
    assert_true(json_is_false(json_object_get(world->response.body, "connected")));
    assert_int_equal(ask(world, "GET", "/instance/connection", world->home_key, NULL), 200);
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
    assert_int_equal(ask(world, "POST", "/instance/dns_challenge_txt", world->home_key,
                         "{\"txt\": \"abc_DEF-1\"}"),
                     200);
    store_each_challenge(world->master.store, host.id, last_challenge, txt);
    assert_string_equal(txt, "abc_DEF-1");
    assert_int_equal(ask(world, "POST", "/instance/dns_challenge_cleanup", world->home_key,
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
            ask(world, "POST", "/instance/dns_challenge_txt", world->home_key, bodies[i]), 400);
    snprintf(long_one, sizeof(long_one), "{\"txt\": \"%0*d\"}", STORE_TXT_MAX + 1, 0);
    assert_int_equal(ask(world, "POST", "/instance/dns_challenge_txt", world->home_key, long_one),
                     400);
}

/* ---- Tokens ---- */

static void a_plain_request_gets_aes_cbc_without_a_word(void **state)
{
    struct world *world = *state;
    struct snitun_token token;
    uint8_t key[32];

    assert_int_equal(
        ask_token(world, world->home_key, "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\"}"),
        200);
    assert_null(json_object_get(world->response.body, "cipher"));
    assert_string_equal(text(world, "server"), "relay.example");
    assert_int_equal(number(world, "valid"), (json_int_t)NOW + LIFETIME);
    assert_int_equal(number(world, "throttling"), 0);
    open_token(world, &token);
    assert_int_equal(token.keys.cipher, SNITUN_AES_CBC);
    assert_int_equal(token.keys.protocol_version, number(world, "protocol_version"));
    assert_true(token.valid == (double)number(world, "valid"));
    assert_string_equal(token.hostname, "home.example");
    assert_int_equal(token.alias_count, 1);
    assert_string_equal(token.aliases[0], "cam.example");
    assert_int_equal(token.whitelist_count, 1);
    hex_decode(KEY, key, sizeof(key));
    assert_memory_equal(token.keys.aes_key, key, sizeof(key));
    snitun_token_clear(&token);
}

static void a_cipher_that_is_asked_for_is_echoed(void **state)
{
    struct world *world = *state;
    struct snitun_token token;

    assert_int_equal(ask_token(world, world->home_key,
                               "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV
                               "\", \"cipher\": \"aes-gcm\"}"),
                     200);
    assert_string_equal(text(world, "cipher"), "aes-gcm");
    assert_string_equal(text(world, "hostname"), "home.example");
    assert_int_equal(number(world, "port"), 8443);
    assert_int_equal(number(world, "protocol_version"), 2);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(world->response.body, "whitelist"), 0)),
        "192.0.2.0/24");
    open_token(world, &token);
    assert_int_equal(token.keys.cipher, SNITUN_AES_GCM);
    assert_int_equal(token.keys.protocol_version, 2);
    snitun_token_clear(&token);
}

static void a_request_for_a_token_that_is_wrong_is_400(void **state)
{
    struct world *world = *state;
    static const char *const bodies[] = {
        "{\"aes_iv\": \"" IV "\"}",
        "{\"aes_key\": \"" KEY "\"}",
        "{\"aes_key\": \"" KEY "00\", \"aes_iv\": \"" IV "\"}",
        "{\"aes_key\": \"00\", \"aes_iv\": \"" IV "\"}",
        "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" KEY "\"}",
        "{\"aes_key\": \"zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\","
        " \"aes_iv\": \"" IV "\"}",
        "{\"aes_key\": 5, \"aes_iv\": \"" IV "\"}",
        "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\", \"cipher\": \"rot13\"}",
        "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\", \"cipher\": null}",
        "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\", \"protocol_version\": 3}",
        "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\", \"protocol_version\": \"1\"}",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(ask_token(world, world->home_key, bodies[i]), 400);
        assert_null(strstr(world->response.why, KEY));
    }
}

static void a_host_uses_its_ciphers_alone(void **state)
{
    struct world *world = *state;

    assert_int_equal(ask_token(world, world->old_key,
                               "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV
                               "\", \"cipher\": \"aes-gcm\"}"),
                     403);
    assert_message(world, "aes-gcm");
    assert_int_equal(
        ask_token(world, world->old_key, "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\"}"),
        200);
}

static void a_key_of_another_host_is_403(void **state)
{
    struct world *world = *state;
    static const char body[] = "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV
                               "\", \"cipher\": \"aes-cbc\", \"hostname\": \"%s\"}";
    char asked[300];

    snprintf(asked, sizeof(asked), body, "home.example");
    assert_int_equal(ask_token(world, world->old_key, asked), 403);
    assert_message(world, "old.example");
    assert_int_equal(ask_token(world, world->home_key, asked), 200);
    snprintf(asked, sizeof(asked), body, "CAM.example.");
    assert_int_equal(ask_token(world, world->home_key, asked), 200);
}

static void a_new_token_is_not_taken_for_a_revoked_one(void **state)
{
    struct world *world = *state;
    static const char body[] = "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\"}";
    json_int_t before;

    ask_token(world, world->home_key, body);
    before = number(world, "valid");
    store_enable(world->master.store, "home.example", false, (int64_t)NOW);
    store_enable(world->master.store, "home.example", true, (int64_t)NOW);
    world->now_s = NOW - 5000; /* and the clock is set back */
    assert_int_equal(ask_token(world, world->home_key, body), 200);
    assert_true(number(world, "valid") > before);
}

static void a_token_is_noted_with_its_address(void **state)
{
    struct world *world = *state;
    struct store_host host;

    ask_token(world, world->home_key, "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\"}");
    store_flush(world->master.store);
    store_find_name(world->master.store, "home.example", &host);
    assert_int_equal(host.token_s, (int64_t)NOW);
    assert_int_equal(host.from.bytes[3], 7);
    store_host_clear(&host);
}

/* ---- Changes ---- */

static void a_server_learns_what_was_revoked(void **state)
{
    struct world *world = *state;
    const json_t *changes;
    char next[64];

    assert_int_equal(ask(world, "GET", "/adit/v1/changes", world->server_key, NULL), 200);
    assert_int_equal(number(world, "seq"), 0);
    store_enable(world->master.store, "old.example", false, (int64_t)NOW);
    assert_int_equal(ask(world, "GET", "/adit/v1/changes?since=0", world->server_key, NULL), 200);
    changes = json_object_get(world->response.body, "changes");
    assert_int_equal(json_array_size(changes), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(changes, 0), "hostname")),
                        "old.example");
    assert_true(json_is_null(json_object_get(json_array_get(changes, 0), "valid_after")));
    snprintf(next, sizeof(next), "/adit/v1/changes?since=%lld", (long long)number(world, "seq"));
    assert_int_equal(ask(world, "GET", next, world->server_key, NULL), 200);
    assert_int_equal(json_array_size(json_object_get(world->response.body, "changes")), 0);
    store_enable(world->master.store, "old.example", true, (int64_t)NOW);
    ask(world, "GET", next, world->server_key, NULL);
    changes = json_object_get(world->response.body, "changes");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(changes, 0), "valid_after")),
                     (int64_t)NOW + LIFETIME);
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
        assert_int_equal(ask(world, "GET", target, world->server_key, NULL), 400);
    }
}

/* ---- Trouble ---- */

static void who_asks_too_often_is_told_when_to_come_back(void **state)
{
    struct world *world = *state;
    uint8_t seed[16] = {1};

    world->master.limiter = limiter_new(seed, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(ask(world, "GET", "/", NULL, NULL), 404);
    assert_int_equal(ask(world, "GET", "/", NULL, NULL), 429);
    assert_int_equal(world->response.retry_after_s, 10);
    world->now_ms += 9999;
    assert_int_equal(ask(world, "GET", "/", NULL, NULL), 429);
    assert_int_equal(world->response.retry_after_s, 1);
    world->now_ms += 1;
    assert_int_equal(ask(world, "GET", "/", NULL, NULL), 404);
    assert_int_equal(ask(world, "GET", "/", NULL, NULL), 429);
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
    assert_int_equal(
        ask(world, "POST", "/instance/dns_challenge_txt", world->home_key, "{\"txt\": \"a\"}"),
        503);
    assert_true(world->response.retry_after_s > 0);
    assert_non_null(strstr(world->response.why, "cannot be written"));
    assert_int_equal(
        ask_token(world, world->home_key, "{\"aes_key\": \"" KEY "\", \"aes_iv\": \"" IV "\"}"),
        200);
}

static void a_store_that_is_damaged_is_500(void **state)
{
    struct world *world = *state;

    sqlite3_exec(world->master.store->database, "DROP TABLE host", NULL, NULL, NULL);
    assert_int_equal(ask(world, "GET", "/instance/connection", world->home_key, NULL), 500);
}

static void names_that_no_token_holds_are_refused_when_added(void **state)
{
    char aliases[STORE_ALIASES_MAX][HOSTNAME_MAX + 1];
    struct store_host host = {.name = "home.example", .aliases = aliases};

    (void)state;
    for (size_t i = 0; i < STORE_ALIASES_MAX; i++)
        snprintf(aliases[i], sizeof(aliases[i]), "%063zu.%063zu.example", i, i);
    host.alias_count = 2;
    assert_true(master_host_fits(&host, counting_random, NULL));
    host.alias_count = STORE_ALIASES_MAX;
    assert_false(master_host_fits(&host, counting_random, NULL));
}

static void keys_are_256_bits_and_differ(void **state)
{
    char one[MASTER_KEY_TEXT_MAX];
    char two[MASTER_KEY_TEXT_MAX];
    uint8_t digest[SHA256_LEN];

    (void)state;
    assert_true(master_key_new(counting_random, NULL, one, digest));
    assert_true(master_key_new(counting_random, NULL, two, digest));
    assert_int_equal(strlen(one), 43);
    assert_string_not_equal(one, two);
}

int main(void)
{
#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(discovery_names_all_23_actions),
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
