#include "lib/sodiumtcp/box.h"
#include "lib/sodiumtcp/offer.h"
#include "tests/unit/sodiumtcp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- CLIENT_AUTH ---- */

static void server_learns_who_the_client_says_it_is(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair_control(pair, &pair->client);
    assert_int_equal(pair->client.out_len, 400);
    pair_deliver(pair, &pair->client);
    struct sodiumtcp_event event = pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    assert_string_equal(event.login->login, "me");
    assert_string_equal(event.login->passphrase, "secret");
    assert_memory_equal(event.login->client_public_key,
                        pair->client.session->opening->own.public_key, 32);
    pair_free(pair);
}

static void nothing_is_read_until_the_server_decides(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    pair->server.in_len = 100;
    pair_expect(pair, &pair->server, SODIUMTCP_WAIT);
    assert_int_equal(pair->server.in_len, 100);
    assert_int_equal(sodiumtcp_deadline(pair->server.session), UINT64_MAX);
    assert_int_equal(sodiumtcp_accept(pair->server.session, "", pair->now_ms), 0);
    pair_expect(pair, &pair->server, SODIUMTCP_WAIT);
    pair_free(pair);
}

static void refused_login_is_closed_without_a_word(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    sodiumtcp_refuse(pair->server.session);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_LOGIN);
    assert_int_equal(sodiumtcp_accept(pair->server.session, "", 0), SODIUMTCP_E_LOGIN);
    pair_free(pair);
}

static void accept_wants_a_login_and_a_short_text(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    char text[SODIUMTCP_TEXT_MAX + 2];
    memset(text, 'x', sizeof text);
    text[SODIUMTCP_TEXT_MAX + 1] = '\0';
    assert_int_equal(sodiumtcp_accept(pair->server.session, "", 0), SODIUMTCP_E_CALL);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    assert_int_equal(sodiumtcp_accept(pair->server.session, text, 0), SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_accept(pair->server.session, text + 1, 0), 0);
    pair_free(pair);
}

static void credentials_are_kept_nowhere(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    struct sodiumtcp_opening *opening = pair->server.session->opening;
    assert_true(sodium_is_zero(opening->own.secret_key, sizeof opening->own.secret_key));
    assert_int_equal(sodiumtcp_accept(pair->server.session, "", 0), 0);
    assert_true(sodium_is_zero((const uint8_t *)&opening->login, sizeof opening->login));
    pair_free(pair);
}

static void longest_login_passes_and_a_longer_one_does_not(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    char text[SODIUMTCP_CREDENTIAL_MAX + 2];
    memset(text, 'x', sizeof text);
    text[SODIUMTCP_CREDENTIAL_MAX + 1] = '\0';
    struct sodiumtcp_session *session;
    assert_int_equal(sodiumtcp_client_new(pair->client.context, pair->keys.public_key, text, "",
                                          NULL, 0, &session),
                     SODIUMTCP_E_CREDENTIAL);
    assert_null(session);
    assert_int_equal(sodiumtcp_client_new(pair->client.context, pair->keys.public_key, "", text,
                                          NULL, 0, &session),
                     SODIUMTCP_E_CREDENTIAL);
    sodiumtcp_session_free(pair->client.session);
    assert_int_equal(sodiumtcp_client_new(pair->client.context, pair->keys.public_key, text + 1,
                                          text + 1, NULL, 0, &pair->client.session),
                     0);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    struct sodiumtcp_event event = pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    assert_string_equal(event.login->login, text + 1);
    assert_string_equal(event.login->passphrase, text + 1);
    pair_free(pair);
}

static void other_server_key_does_not_open(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair->server.session->opening->own.secret_key[3] ^= 1;
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_SEALED);
    pair_free(pair);
}

static void every_byte_of_client_auth_is_authentic(void **state)
{
    (void)state;
    for (size_t i = 0; i < SODIUMTCP_AUTH_WIRE_LEN; i += 13) {
        struct pair *pair = pair_new(NULL, NULL);
        pair_control(pair, &pair->client);
        pair_deliver(pair, &pair->client);
        pair->server.in[i] ^= 1;
        pair_expect_error(pair, &pair->server, SODIUMTCP_E_SEALED);
        pair_free(pair);
    }
}

static void key_that_makes_no_secret_is_refused(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    struct sodiumtcp_session *session;
    static const uint8_t zeros[SODIUMTCP_KEY_LEN];
    assert_int_equal(sodiumtcp_client_new(pair->client.context, zeros, "", "", NULL, 0, &session),
                     SODIUMTCP_E_KEY);
    assert_null(session);
    pair_free(pair);
}

/* A sealed PDU from somebody who has the server's public key and no engine. */
static void forge_sealed(struct pair *pair, struct side *to, const uint8_t *plain, size_t len)
{
    static const uint8_t ephemeral[SODIUMTCP_KEY_LEN] = {9};
    const uint8_t *public_key = to->session->opening->own.public_key;
    assert_int_equal(sodiumtcp_box_seal(plain, len, public_key, ephemeral, to->in), 0);
    to->in_len = len + crypto_box_SEALBYTES;
    (void)pair;
}

static void expect_forged_auth(size_t at, uint8_t value, int error)
{
    struct pair *pair = pair_new(NULL, NULL);
    uint8_t plain[SODIUMTCP_HEADER_LEN + SODIUMTCP_AUTH_LEN] = {0};
    sodiumtcp_pdu_header(plain, SODIUMTCP_PDU_CLIENT_AUTH, SODIUMTCP_AUTH_LEN);
    memcpy(plain + 12, "\xde\xad\xca\xfe", 4);
    memcpy(plain + 64, pair->keys.public_key, 32);
    plain[at] = value;
    forge_sealed(pair, &pair->server, plain, sizeof plain);
    if (error)
        pair_expect_error(pair, &pair->server, error);
    else
        pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    pair_free(pair);
}

static void client_auth_has_magic_type_size_version(void **state)
{
    (void)state;
    expect_forged_auth(100, 'x', SODIUMTCP_OK);
    expect_forged_auth(0, 0, SODIUMTCP_E_MAGIC);
    expect_forged_auth(7, 2, SODIUMTCP_E_TYPE);
    expect_forged_auth(11, 1, SODIUMTCP_E_SIZE);
    expect_forged_auth(12, 0, SODIUMTCP_E_VERSION);
    expect_forged_auth(15, 0xff, SODIUMTCP_E_VERSION);
}

static void client_key_that_makes_no_secret_is_refused(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    uint8_t plain[SODIUMTCP_HEADER_LEN + SODIUMTCP_AUTH_LEN] = {0};
    sodiumtcp_pdu_header(plain, SODIUMTCP_PDU_CLIENT_AUTH, SODIUMTCP_AUTH_LEN);
    memcpy(plain + 12, "\xde\xad\xca\xfe", 4);
    forge_sealed(pair, &pair->server, plain, sizeof plain);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_KEY);
    pair_free(pair);
}

/* ---- SERVER_HELO ---- */

static struct pair *before_helo(void)
{
    struct pair *pair = pair_new(&pair_public, NULL);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    assert_int_equal(sodiumtcp_accept(pair->server.session, "Hello", pair->now_ms), 0);
    return pair;
}

static void client_learns_the_servers_text(void **state)
{
    (void)state;
    struct pair *pair = before_helo();
    pair_control(pair, &pair->server);
    assert_int_equal(pair->server.out_len, 236);
    pair_deliver(pair, &pair->server);
    struct sodiumtcp_event event = pair_expect(pair, &pair->client, SODIUMTCP_READY);
    assert_false(event.extension);
    assert_int_equal(event.len, 5);
    assert_memory_equal(event.text, "Hello", 5);
    pair_free(pair);
}

static void every_byte_of_server_helo_is_authentic(void **state)
{
    (void)state;
    for (size_t i = 0; i < SODIUMTCP_HELO_WIRE_LEN; i += 13) {
        struct pair *pair = before_helo();
        pair_control(pair, &pair->server);
        pair_deliver(pair, &pair->server);
        pair->client.in[i] ^= 0x80;
        pair_expect_error(pair, &pair->client, SODIUMTCP_E_SEALED);
        pair_free(pair);
    }
}

static void expect_forged_helo(size_t at, uint8_t change, int error)
{
    struct pair *pair = pair_new(&pair_public, NULL);
    uint8_t plain[SODIUMTCP_HEADER_LEN + SODIUMTCP_HELO_LEN] = {0};
    sodiumtcp_pdu_header(plain, SODIUMTCP_PDU_SERVER_HELO, SODIUMTCP_HELO_LEN);
    memcpy(plain + 12, pair->client.session->opening->nonce, 24);
    sodium_increment(plain + 12, 24);
    plain[at] ^= change;
    forge_sealed(pair, &pair->client, plain, sizeof plain);
    if (error)
        pair_expect_error(pair, &pair->client, error);
    else
        pair_expect(pair, &pair->client, SODIUMTCP_READY);
    pair_free(pair);
}

static void server_helo_has_magic_type_size_nonce(void **state)
{
    (void)state;
    expect_forged_helo(100, 'x', SODIUMTCP_OK);
    expect_forged_helo(3, 1, SODIUMTCP_E_MAGIC);
    expect_forged_helo(7, 3, SODIUMTCP_E_TYPE);
    expect_forged_helo(8, 1, SODIUMTCP_E_SIZE);
    expect_forged_helo(12, 1, SODIUMTCP_E_NONCE);
    expect_forged_helo(35, 1, SODIUMTCP_E_NONCE);
}

/* ---- The offer ---- */

static struct sodiumtcp_offer read_offer(const char *message, size_t len)
{
    char padded[SODIUMTCP_MESSAGE_LEN] = {0};
    memcpy(padded, message, len);
    return sodiumtcp_offer_read(padded);
}

#define OFFER(text) read_offer(text, sizeof(text) - 1)

static void offer_is_found_behind_the_text(void **state)
{
    (void)state;
    assert_true(OFFER("Welcome.\0adit/1").made);
    assert_false(OFFER("Welcome.\0adit/1").zstd);
    assert_true(OFFER("\0adit/1").made);
    assert_true(OFFER("Hi\0adit/1 zstd").zstd);
    assert_true(OFFER("Hi\0adit/1 adit/2 future zstd").zstd);
    assert_true(OFFER("Hi\0adit/1\0rubbish").made);
}

static void what_does_not_parse_is_no_offer(void **state)
{
    (void)state;
    assert_false(OFFER("Welcome.").made);
    assert_false(OFFER("adit/1").made);
    assert_false(OFFER("x\0adit/2").made);
    assert_false(OFFER("x\0adit/10").made);
    assert_false(OFFER("x\0zstd adit/1").made);
    assert_false(OFFER("x\0adit/1 ").made);
    assert_false(OFFER("x\0adit/1  zstd").made);
    assert_false(OFFER("x\0 adit/1").made);
    assert_false(OFFER("x\0adit/1 z\x80").made);
    assert_false(OFFER("x\0adit/1\tzstd").made);
    char full[SODIUMTCP_MESSAGE_LEN];
    memset(full, 'x', sizeof full);
    assert_false(sodiumtcp_offer_read(full).made);
    full[1] = '\0';
    memcpy(full + 2, "adit/1 ", 7);
    assert_false(sodiumtcp_offer_read(full).made);
    full[sizeof full - 1] = '\0';
    assert_true(sodiumtcp_offer_read(full).made);
}

static void offer_that_is_written_is_read(void **state)
{
    (void)state;
    char message[SODIUMTCP_MESSAGE_LEN] = {0};
    char text[SODIUMTCP_TEXT_MAX + 1];
    memset(text, 'x', sizeof text);
    text[SODIUMTCP_TEXT_MAX] = '\0';
    sodiumtcp_offer_write(message, text, true, true);
    assert_string_equal(message, text);
    assert_string_equal(message + SODIUMTCP_TEXT_MAX + 1, "adit/1 zstd");
    assert_true(sodiumtcp_offer_read(message).zstd);
    memset(message, 0, sizeof message);
    sodiumtcp_offer_write(message, "Hi", true, false);
    assert_true(sodiumtcp_offer_read(message).made);
    assert_false(sodiumtcp_offer_read(message).zstd);
    memset(message, 0, sizeof message);
    sodiumtcp_offer_write(message, "Hi", false, true);
    assert_false(sodiumtcp_offer_read(message).made);
}

/* ---- Both ---- */

static void opening_has_its_time(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    assert_int_equal(sodiumtcp_deadline(pair->server.session), pair->now_ms + SODIUMTCP_AUTH_MS);
    assert_int_equal(sodiumtcp_deadline(pair->client.session), pair->now_ms + SODIUMTCP_HELO_MS);
    assert_int_equal(sodiumtcp_tick(pair->server.session, pair->now_ms + SODIUMTCP_AUTH_MS - 1), 0);
    assert_int_equal(sodiumtcp_tick(pair->server.session, pair->now_ms + SODIUMTCP_AUTH_MS),
                     SODIUMTCP_E_TIMEOUT);
    assert_int_equal(sodiumtcp_tick(pair->client.session, pair->now_ms + SODIUMTCP_HELO_MS),
                     SODIUMTCP_E_TIMEOUT);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_TIMEOUT);
    pair_free(pair);
}

static void dripping_bytes_do_not_prolong_it(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    uint64_t deadline = sodiumtcp_deadline(pair->server.session);
    pair->now_ms += 9000;
    pair->server.in_len = 1;
    pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    assert_int_equal(sodiumtcp_deadline(pair->server.session), deadline);
    pair_free(pair);
}

static void without_randomness_nothing_is_sealed(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    struct sodiumtcp_session *session;
    pair->client.random_fails = true;
    assert_int_equal(sodiumtcp_client_new(pair->client.context, pair->keys.public_key, "", "", NULL,
                                          0, &session),
                     SODIUMTCP_E_RANDOM);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    pair->server.random_fails = true;
    assert_int_equal(sodiumtcp_accept(pair->server.session, "", 0), SODIUMTCP_E_RANDOM);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_RANDOM);
    pair_free(pair);
}

static void end_in_the_opening_is_too_early(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    assert_int_equal(sodiumtcp_end_of_input(pair->server.session, 0), SODIUMTCP_E_TRUNCATED);
    assert_int_equal(sodiumtcp_end_of_input(pair->client.session, 7), SODIUMTCP_E_TRUNCATED);
    pair_expect_error(pair, &pair->client, SODIUMTCP_E_TRUNCATED);
    pair_free(pair);
}

static void sealed_box_is_libsodiums(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    uint8_t sealed[5 + crypto_box_SEALBYTES];
    uint8_t plain[5];
    static const uint8_t ephemeral[SODIUMTCP_KEY_LEN] = {1};
    assert_int_equal(
        sodiumtcp_box_seal((const uint8_t *)"hello", 5, pair->keys.public_key, ephemeral, sealed),
        0);
    assert_int_equal(crypto_box_seal_open(plain, sealed, sizeof sealed, pair->keys.public_key,
                                          pair->keys.secret_key),
                     0);
    assert_memory_equal(plain, "hello", 5);
    pair_free(pair);
}

static void every_error_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (int a = SODIUMTCP_E_CIPHER; a <= 0; a++) {
        assert_string_not_equal(sodiumtcp_error_text(a), "unknown error");
        for (int b = a + 1; b <= 0; b++)
            assert_string_not_equal(sodiumtcp_error_text(a), sodiumtcp_error_text(b));
    }
    assert_string_equal(sodiumtcp_error_text(SODIUMTCP_E_CIPHER - 1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_learns_who_the_client_says_it_is),
        cmocka_unit_test(nothing_is_read_until_the_server_decides),
        cmocka_unit_test(refused_login_is_closed_without_a_word),
        cmocka_unit_test(accept_wants_a_login_and_a_short_text),
        cmocka_unit_test(credentials_are_kept_nowhere),
        cmocka_unit_test(longest_login_passes_and_a_longer_one_does_not),
        cmocka_unit_test(other_server_key_does_not_open),
        cmocka_unit_test(every_byte_of_client_auth_is_authentic),
        cmocka_unit_test(key_that_makes_no_secret_is_refused),
        cmocka_unit_test(client_auth_has_magic_type_size_version),
        cmocka_unit_test(client_key_that_makes_no_secret_is_refused),
        cmocka_unit_test(client_learns_the_servers_text),
        cmocka_unit_test(every_byte_of_server_helo_is_authentic),
        cmocka_unit_test(server_helo_has_magic_type_size_nonce),
        cmocka_unit_test(offer_is_found_behind_the_text),
        cmocka_unit_test(what_does_not_parse_is_no_offer),
        cmocka_unit_test(offer_that_is_written_is_read),
        cmocka_unit_test(opening_has_its_time),
        cmocka_unit_test(dripping_bytes_do_not_prolong_it),
        cmocka_unit_test(without_randomness_nothing_is_sealed),
        cmocka_unit_test(end_in_the_opening_is_too_early),
        cmocka_unit_test(sealed_box_is_libsodiums),
        cmocka_unit_test(every_error_has_a_text_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
