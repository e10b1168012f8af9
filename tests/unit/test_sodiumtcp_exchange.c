#include "base/encode.h"
#include "tests/unit/sodiumtcp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The client chose the extension: KEY_CLIENT is on its way. */
static struct pair *with_key_client(void)
{
    struct pair *pair = pair_new(&pair_extension, &pair_extension);
    pair_begin_exchange(pair);
    return pair;
}

/* KEY_SERVER is on its way. */
static struct pair *with_key_server(void)
{
    struct pair *pair = with_key_client();
    pair_expect(pair, &pair->server, SODIUMTCP_READY);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    return pair;
}

/* The client is accepted, chose nothing yet, and says what the test says. */
static struct pair *before_choice(const struct sodiumtcp_options *server)
{
    struct pair *pair = pair_new(&pair_public, server);
    pair_begin(pair, true);
    return pair;
}

/* ---- Keys ---- */

static void assert_keyed(const crypto_secretstream_xchacha20poly1305_state *stream,
                         const char *key_hex, uint8_t header_byte)
{
    uint8_t key[SODIUMTCP_KEY_LEN];
    uint8_t header[SODIUMTCP_STREAM_HEADER_LEN];
    crypto_secretstream_xchacha20poly1305_state expected;
    assert_true(hex_decode(key_hex, key, sizeof key));
    memset(header, header_byte, sizeof header);
    crypto_secretstream_xchacha20poly1305_init_push(&expected, header, key);
    memset(header, header_byte, sizeof header);
    crypto_secretstream_xchacha20poly1305_init_pull(&expected, header, key);
    assert_memory_equal(stream->k, expected.k, sizeof expected.k);
    assert_memory_equal(stream->nonce, expected.nonce, sizeof expected.nonce);
}

/* The keys of docs/protocols/sodiumtcp.md, Test values: computed there by other code than this. */
static void keys_are_derived_as_documented(void **state)
{
    (void)state;
    static const char to_server[] =
        "9104c2deaefc83155a7c07243d0c5c72a2313a860e29985949f220b1548027d7";
    static const char to_client[] =
        "4e1d80ec977fae6db395ceb9445f4f15bc85548d9ffb6ff0cc02cd38f56b6367";
    struct pair *pair = pair_counting(&pair_extension, &pair_extension);
    pair_begin(pair, false);
    assert_keyed(&pair->client.session->push, to_server, 0x06);
    assert_keyed(&pair->server.session->pull, to_server, 0x06);
    assert_keyed(&pair->server.session->push, to_client, 0x84);
    assert_keyed(&pair->client.session->pull, to_client, 0x84);
    pair_free(pair);
}

/* A recorded client's bytes meet another server value: the next PDU dies, and nothing was begun. */
static void replayed_session_dies_at_the_first_pdu_behind_the_exchange(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair_control(pair, &pair->client);
    uint8_t auth[SODIUMTCP_AUTH_WIRE_LEN];
    memcpy(auth, pair->client.out, sizeof auth);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    assert_int_equal(sodiumtcp_accept(pair->server.session, "", pair->now_ms), 0);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    pair_expect(pair, &pair->client, SODIUMTCP_NEED_MORE);
    pair_control(pair, &pair->client);
    uint8_t key[SODIUMTCP_CONTROL_ROOM];
    size_t key_len = pair->client.out_len;
    memcpy(key, pair->client.out, key_len);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_READY);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    pair_expect(pair, &pair->client, SODIUMTCP_READY);
    struct sodiumtcp_item item = pair_file(3);
    uint32_t number;
    pair_wrote(&pair->client,
               sodiumtcp_begin(pair->client.session, &item, &number, pair_out(&pair->client)));

    struct sodiumtcp_session *victim;
    assert_int_equal(sodiumtcp_server_new(pair->server.context, &pair->keys, NULL, 0, &victim), 0);
    sodiumtcp_session_free(pair->server.session);
    pair->server.session = victim;
    memcpy(pair->server.in, auth, sizeof auth);
    pair->server.in_len = sizeof auth;
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    assert_int_equal(sodiumtcp_accept(victim, "", pair->now_ms), 0);
    pair_control(pair, &pair->server);
    memcpy(pair->server.in, key, key_len);
    pair->server.in_len = key_len;
    pair_expect(pair, &pair->server, SODIUMTCP_READY);
    pair_deliver(pair, &pair->client);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_AUTHENTICATION);
    pair_free(pair);
}

static void opening_keys_are_gone_afterwards(void **state)
{
    (void)state;
    struct pair *pair = pair_open(NULL, NULL);
    assert_null(pair->client.session->opening);
    assert_null(pair->server.session->opening);
    pair_free(pair);
}

static void changed_exchange_is_not_authentic(void **state)
{
    (void)state;
    for (size_t i = 0; i < 200; i += 7) {
        struct pair *pair = with_key_client();
        pair->server.in[i] ^= 4;
        pair_expect_error(pair, &pair->server, SODIUMTCP_E_AUTHENTICATION);
        pair_free(pair);
        pair = with_key_server();
        pair->client.in[i] ^= 4;
        pair_expect_error(pair, &pair->client, SODIUMTCP_E_AUTHENTICATION);
        pair_free(pair);
    }
}

/* Whoever knows the opening's keys and changes a value there gets keys that do not agree. */
static void other_values_make_other_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < SODIUMTCP_KEY_SERVER_LEN; i++) {
        struct pair *pair = with_key_client();
        struct sodiumtcp_session *client = pair->client.session;
        crypto_secretstream_xchacha20poly1305_state before = pair->server.session->push;
        pair_expect(pair, &pair->server, SODIUMTCP_READY);
        uint8_t body[SODIUMTCP_CONTROL_ROOM] = {0};
        const struct sodiumtcp_opening *opening = pair->server.session->opening;
        crypto_secretstream_xchacha20poly1305_state reader = before;
        size_t len = opening->wire_len - SODIUMTCP_PDU_OVERHEAD;
        uint8_t header[SODIUMTCP_HEADER_LEN];
        unsigned char tag;
        assert_int_equal(crypto_secretstream_xchacha20poly1305_pull(&reader, header, NULL, &tag,
                                                                    opening->wire, 29, NULL, 0),
                         0);
        assert_int_equal(crypto_secretstream_xchacha20poly1305_pull(
                             &reader, body, NULL, &tag, opening->wire + 29, len + 17, NULL, 0),
                         0);
        pair_control(pair, &pair->server);
        crypto_secretstream_xchacha20poly1305_state after = pair->server.session->push;
        body[i] ^= i == 56 || i == 57 || i == 58 || i == 59 ? 0 : 1;
        body[60] ^= i >= 56 && i < 60;
        pair->server.session->push = before;
        pair->server.out_len = 0;
        pair_forge(&pair->server, SODIUMTCP_PDU_KEY_SERVER, body, len);
        pair_deliver(pair, &pair->server);
        struct sodiumtcp_event event;
        int error = pair_receive(pair, &pair->client, &event);
        if (!error) {
            pair->server.session->push = after;
            pair_breach(pair, &pair->server, SODIUMTCP_PDU_PADDING, NULL, 0,
                        SODIUMTCP_E_AUTHENTICATION);
        } else {
            assert_int_equal(error, SODIUMTCP_E_CREDIT);
        }
        assert_int_not_equal(sodiumtcp_session_error(client), 0);
        pair_free(pair);
    }
}

static void ephemeral_key_that_makes_no_secret_is_refused(void **state)
{
    (void)state;
    uint8_t body[SODIUMTCP_KEY_SERVER_LEN] = {0};
    struct pair *pair = before_choice(NULL);
    body[57] = 1;
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_KEY_CLIENT, body, SODIUMTCP_KEY_CLIENT_LEN,
                SODIUMTCP_E_KEY);
    pair_free(pair);
    pair = with_key_client();
    body[57] = 0;
    body[60] = 2;
    pair_breach(pair, &pair->server, SODIUMTCP_PDU_KEY_SERVER, body, sizeof body, SODIUMTCP_E_KEY);
    pair_free(pair);
}

/* ---- Choice ---- */

static void zstd_is_agreed_where_both_want_it(void **state)
{
    (void)state;
    struct pair *pair = pair_open(&pair_extension, &pair_extension);
    assert_true(pair->client.session->zstd && pair->server.session->zstd);
    pair_free(pair);
    pair = pair_open(NULL, &pair_extension);
    assert_false(pair->client.session->zstd || pair->server.session->zstd);
    pair_free(pair);
    pair = pair_open(&pair_extension, NULL);
    assert_false(pair->client.session->zstd || pair->server.session->zstd);
    pair_free(pair);
}

static void expect_choice(const struct sodiumtcp_options *server, uint16_t version,
                          uint16_t options, int error)
{
    uint8_t body[SODIUMTCP_KEY_CLIENT_LEN] = {9};
    struct pair *pair = before_choice(server);
    body[56] = (uint8_t)(version >> 8);
    body[57] = (uint8_t)version;
    body[58] = (uint8_t)(options >> 8);
    body[59] = (uint8_t)options;
    if (error) {
        pair_breach(pair, &pair->client, SODIUMTCP_PDU_KEY_CLIENT, body, sizeof body, error);
    } else {
        pair_forge(&pair->client, SODIUMTCP_PDU_KEY_CLIENT, body, sizeof body);
        pair_deliver(pair, &pair->client);
        assert_true(pair_expect(pair, &pair->server, SODIUMTCP_READY).extension);
    }
    pair_free(pair);
}

static void only_what_was_offered_may_be_chosen(void **state)
{
    (void)state;
    expect_choice(NULL, 1, 0, SODIUMTCP_OK);
    expect_choice(NULL, 0, 0, SODIUMTCP_E_VERSION);
    expect_choice(NULL, 2, 0, SODIUMTCP_E_VERSION);
    expect_choice(NULL, 1, 1, SODIUMTCP_E_OPTION);
    expect_choice(&pair_extension, 1, 1, SODIUMTCP_OK);
    expect_choice(&pair_extension, 1, 2, SODIUMTCP_E_OPTION);
    expect_choice(&pair_extension, 1, 0x8000, SODIUMTCP_E_OPTION);
    expect_choice(&pair_public, 1, 0, SODIUMTCP_E_TYPE);
}

static void exchange_has_its_sizes(void **state)
{
    (void)state;
    static const uint8_t body[SODIUMTCP_KEY_SERVER_LEN + SODIUMTCP_PADDING_MAX + 1];
    struct pair *pair = before_choice(NULL);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_KEY_CLIENT, body, SODIUMTCP_KEY_CLIENT_LEN - 1,
                SODIUMTCP_E_SIZE);
    pair_free(pair);
    pair = before_choice(NULL);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_KEY_CLIENT, body,
                SODIUMTCP_KEY_CLIENT_LEN + SODIUMTCP_PADDING_MAX + 1, SODIUMTCP_E_SIZE);
    pair_free(pair);
    pair = with_key_client();
    pair_breach(pair, &pair->server, SODIUMTCP_PDU_KEY_SERVER, body, SODIUMTCP_KEY_SERVER_LEN - 1,
                SODIUMTCP_E_SIZE);
    pair_free(pair);
    pair = with_key_client();
    pair_breach(pair, &pair->server, SODIUMTCP_PDU_KEY_SERVER, body,
                SODIUMTCP_KEY_SERVER_LEN + SODIUMTCP_PADDING_MAX + 1, SODIUMTCP_E_SIZE);
    pair_free(pair);
}

static void first_credit_is_within_its_limits(void **state)
{
    (void)state;
    static const uint64_t credits[] = {0, SODIUMTCP_WINDOW_MIN - 1, SODIUMTCP_WINDOW_MAX + 1,
                                       UINT64_MAX};
    for (size_t i = 0; i < sizeof credits / sizeof *credits; i++) {
        uint8_t body[SODIUMTCP_KEY_SERVER_LEN] = {9};
        struct pair *pair = with_key_client();
        for (unsigned k = 0; k < 8; k++)
            body[56 + k] = (uint8_t)(credits[i] >> (56 - 8 * k));
        pair_breach(pair, &pair->server, SODIUMTCP_PDU_KEY_SERVER, body, sizeof body,
                    SODIUMTCP_E_CREDIT);
        pair_free(pair);
    }
}

static void window_is_set_until_the_client_is_let_in(void **state)
{
    (void)state;
    const uint32_t window = 2 * SODIUMTCP_WINDOW_MIN;
    struct pair *pair = pair_new(&pair_extension, &pair_extension);
    sodiumtcp_set_window(pair->server.session, 0);
    assert_int_equal(pair->server.session->window, SODIUMTCP_WINDOW_MIN);
    sodiumtcp_set_window(pair->server.session, window);
    pair_begin(pair, false);
    assert_int_equal(pair->client.session->credit, window);
    sodiumtcp_set_window(pair->server.session, 3 * SODIUMTCP_WINDOW_MIN);
    assert_int_equal(pair->server.session->window, window);
    pair_free(pair);
}

static void public_client_stays_public(void **state)
{
    (void)state;
    static const uint8_t body[SODIUMTCP_KEY_CLIENT_LEN];
    struct pair *pair = before_choice(NULL);
    pair_wrote(&pair->client,
               sodiumtcp_data(pair->client.session, NULL, 0, pair_out(&pair->client)));
    pair_deliver(pair, &pair->client);
    assert_false(pair_expect(pair, &pair->server, SODIUMTCP_READY).extension);
    pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_KEY_CLIENT, body, sizeof body, SODIUMTCP_E_TYPE);
    pair_free(pair);
}

static void extension_pdus_before_the_exchange_are_refused(void **state)
{
    (void)state;
    static const uint8_t body[SODIUMTCP_BLOCK_MAX];
    for (uint32_t type = 16; type < 40; type++) {
        if (type == SODIUMTCP_PDU_KEY_CLIENT)
            continue;
        struct pair *pair = before_choice(NULL);
        pair_breach(pair, &pair->client, type, body, 45, SODIUMTCP_E_TYPE);
        pair_free(pair);
    }
}

static void client_waiting_for_the_key_takes_nothing_else_but_a_ping(void **state)
{
    (void)state;
    static const uint8_t body[64];
    for (uint32_t type = 0; type < 40; type++) {
        struct pair *pair = with_key_client();
        if (type == SODIUMTCP_PDU_KEY_SERVER || type == SODIUMTCP_PDU_PING) {
            pair_free(pair);
            continue;
        }
        pair_breach(pair, &pair->server, type, body, type == SODIUMTCP_PDU_PONG ? 16 : 45,
                    type == SODIUMTCP_PDU_PONG ? SODIUMTCP_E_PONG : SODIUMTCP_E_TYPE);
        pair_free(pair);
    }
}

static void ping_before_the_key_is_answered_under_the_new_one(void **state)
{
    (void)state;
    struct pair *pair = with_key_client();
    sodiumtcp_ping(pair->server.session);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    pair_expect(pair, &pair->client, SODIUMTCP_NEED_MORE);
    assert_false(sodiumtcp_wants_to_send(pair->client.session));
    pair_expect(pair, &pair->server, SODIUMTCP_READY);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    pair_expect(pair, &pair->client, SODIUMTCP_READY);
    pair_settle(pair);
    assert_int_equal(pair->server.session->pings.unanswered, 0);
    pair_free(pair);
}

static void eager_client_waits_until_server_helo_is_written(void **state)
{
    (void)state;
    struct pair *pair = pair_new(&pair_public, NULL);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    assert_int_equal(sodiumtcp_accept(pair->server.session, "", pair->now_ms), 0);
    pair->server.in_len = 500;
    pair_expect(pair, &pair->server, SODIUMTCP_WAIT);
    pair_free(pair);
}

static void nothing_is_sent_before_the_exchange_is_written(void **state)
{
    (void)state;
    struct pair *pair = with_key_client();
    uint8_t out[SODIUMTCP_SMALL_ROOM];
    pair_expect(pair, &pair->server, SODIUMTCP_READY);
    assert_int_equal(sodiumtcp_stop(pair->server.session, 0, SODIUMTCP_CODE_OTHER, "x", out),
                     SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_session_error(pair->server.session), 0);
    pair_free(pair);
}

static void end_in_the_exchange_is_too_early(void **state)
{
    (void)state;
    struct pair *pair = with_key_client();
    assert_int_equal(sodiumtcp_end_of_input(pair->client.session, 0), SODIUMTCP_E_TRUNCATED);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_derived_as_documented),
        cmocka_unit_test(replayed_session_dies_at_the_first_pdu_behind_the_exchange),
        cmocka_unit_test(opening_keys_are_gone_afterwards),
        cmocka_unit_test(changed_exchange_is_not_authentic),
        cmocka_unit_test(other_values_make_other_keys),
        cmocka_unit_test(ephemeral_key_that_makes_no_secret_is_refused),
        cmocka_unit_test(zstd_is_agreed_where_both_want_it),
        cmocka_unit_test(only_what_was_offered_may_be_chosen),
        cmocka_unit_test(exchange_has_its_sizes),
        cmocka_unit_test(first_credit_is_within_its_limits),
        cmocka_unit_test(window_is_set_until_the_client_is_let_in),
        cmocka_unit_test(public_client_stays_public),
        cmocka_unit_test(extension_pdus_before_the_exchange_are_refused),
        cmocka_unit_test(client_waiting_for_the_key_takes_nothing_else_but_a_ping),
        cmocka_unit_test(ping_before_the_key_is_answered_under_the_new_one),
        cmocka_unit_test(eager_client_waits_until_server_helo_is_written),
        cmocka_unit_test(nothing_is_sent_before_the_exchange_is_written),
        cmocka_unit_test(end_in_the_exchange_is_too_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
