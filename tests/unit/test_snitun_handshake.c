#include "tests/unit/snitun_side.h"

#include <openssl/sha.h>
#include <string.h>

static void each_role_and_cipher(void (*test)(struct side *side))
{
    for (int role = SNITUN_CLIENT; role <= SNITUN_SERVER; role++) {
        for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
            struct side side = {.now_ms = 5};
            side_start(&side, (enum snitun_role)role, (enum snitun_cipher)cipher, 2);
            test(&side);
            side_stop(&side);
        }
    }
}

static void both_roles_shake_hands_with_every_cipher(void **state)
{
    (void)state;
    each_role_and_cipher(side_establish);
}

/* The server's next unit: the challenge. Returns the wire bytes of the right answer. */
static size_t challenged(struct side *side, uint8_t answer_wire[SNITUN_HEADER_MAX])
{
    uint8_t wire[SNITUN_HEADER_MAX];
    uint8_t plain[SNITUN_CHALLENGE_LEN];
    uint8_t answer[SNITUN_CHALLENGE_LEN];
    assert_true(snitun_control(side->session, side->now_ms, wire, sizeof wire) > 0);
    assert_int_equal(units_open(&side->other, side->other_context, wire, sizeof plain, plain), 0);
    SHA256(plain, sizeof plain, answer);
    return side_seal(side, answer, sizeof answer, answer_wire);
}

static void the_answer_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct side side = {0};
    side_start(&side, SNITUN_SERVER, SNITUN_AES_GCM_SIV, 2);
    uint8_t wire[SNITUN_HEADER_MAX];
    size_t len = challenged(&side, wire);
    for (size_t i = 0; i + 1 < len; i++) {
        side_feed(&side, wire + i, 1, SNITUN_NEED_MORE);
        assert_false(snitun_session_established(side.session));
    }
    side_feed(&side, wire + len - 1, 1, SNITUN_ESTABLISHED);
    side_stop(&side);
}

static void challenges_differ(void **state)
{
    (void)state;
    struct side side = {0};
    uint8_t first[SNITUN_HEADER_MAX];
    uint8_t second[SNITUN_HEADER_MAX];
    side_start(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    assert_int_equal(snitun_control(side.session, 0, first, sizeof first), 32);
    struct snitun_session *session =
        snitun_session_new(side.context, SNITUN_SERVER, &side.keys, NULL, 0);
    assert_int_equal(snitun_control(session, 0, second, sizeof second), 32);
    assert_memory_not_equal(first, second, 32);
    snitun_session_free(session);
    side_stop(&side);
}

static void any_bit_of_a_wrong_answer_is_refused(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 8 * SNITUN_CHALLENGE_LEN; bit++) {
        struct side side = {0};
        uint8_t wire[SNITUN_HEADER_MAX];
        uint8_t plain[SNITUN_CHALLENGE_LEN];
        uint8_t answer[SNITUN_CHALLENGE_LEN];
        side_start(&side, SNITUN_SERVER, SNITUN_AES_GCM, 2);
        assert_true(snitun_control(side.session, 0, wire, sizeof wire) > 0);
        assert_int_equal(units_open(&side.other, side.other_context, wire, sizeof plain, plain), 0);
        SHA256(plain, sizeof plain, answer);
        answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        size_t len = side_seal(&side, answer, sizeof answer, wire);
        side_fails(&side, wire, len, SNITUN_E_CHALLENGE);
        assert_false(snitun_session_established(side.session));
        side_stop(&side);
    }
}

static void an_answer_before_the_challenge_is_refused(void **state)
{
    (void)state;
    struct side side = {0};
    uint8_t wire[SNITUN_HEADER_MAX];
    uint8_t answer[SNITUN_CHALLENGE_LEN];
    side_start(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    SHA256(side.session->challenge, sizeof answer, answer);
    size_t len = side_seal(&side, answer, sizeof answer, wire);
    side_fails(&side, wire, len, SNITUN_E_CHALLENGE);
    side_stop(&side);
}

/* With the answer a stranger sends frames in the same read: none of them is looked at. */
static void nothing_after_a_wrong_answer_is_read(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_event event;
    uint8_t wire[2 * SNITUN_HEADER_MAX] = {0};
    uint8_t challenge[SNITUN_HEADER_MAX];
    size_t consumed;
    side_start(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    assert_int_equal(snitun_control(side.session, 0, challenge, sizeof challenge), 32);
    assert_int_equal(snitun_receive(side.session, 0, wire, 64, &consumed, &event),
                     SNITUN_E_CHALLENGE);
    assert_int_equal(consumed, 32);
    assert_int_equal(event.type, SNITUN_NEED_MORE);
    side_stop(&side);
}

static void a_client_is_silent_before_the_challenge(void **state)
{
    (void)state;
    struct side side = {0};
    side_start(&side, SNITUN_CLIENT, SNITUN_AES_GCM, 2);
    assert_false(snitun_wants_to_send(side.session));
    side_silent(&side);
    side_stop(&side);
}

static void the_answer_goes_before_everything_else(void **state)
{
    (void)state;
    static const uint8_t challenge[SNITUN_CHALLENGE_LEN];
    struct side side = {0};
    uint8_t wire[SNITUN_CONTROL_MAX];
    uint8_t plain[SNITUN_CHALLENGE_LEN];
    uint8_t expected[SNITUN_CHALLENGE_LEN];
    side_start(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 1);
    side_feed(&side, wire, side_seal(&side, challenge, sizeof challenge, wire), SNITUN_ESTABLISHED);
    side_frame_in(&side, SNITUN_FLAG_PING, side_id(9), "ping", SNITUN_NEED_MORE);
    struct snitun_channel *channel = side_opened(&side, 1);
    snitun_channel_ready(channel);
    size_t limit;
    assert_null(snitun_turn(side.session, &limit));
    assert_true(snitun_wants_to_send(side.session));
    long len = snitun_control(side.session, 0, wire, sizeof wire);
    assert_int_equal(len, 64);
    SHA256(challenge, sizeof challenge, expected);
    assert_int_equal(units_open(&side.other, side.other_context, wire, sizeof plain, plain), 0);
    assert_memory_equal(plain, expected, sizeof expected);
    assert_memory_equal(side_read(&side, wire + 32).extra, "pong", 4);
    assert_ptr_equal(snitun_turn(side.session, &limit), channel);
    side_stop(&side);
}

static void the_handshake_waits_for_room(void **state)
{
    (void)state;
    struct side side = {0};
    uint8_t wire[SNITUN_HEADER_MAX];
    side_start(&side, SNITUN_SERVER, SNITUN_AES_GCM, 2);
    assert_int_equal(snitun_control(side.session, 0, wire, 59), 0);
    assert_true(snitun_wants_to_send(side.session));
    assert_int_equal(snitun_control(side.session, 0, wire, 60), 60);
    assert_false(snitun_wants_to_send(side.session));
    side_stop(&side);
}

static void no_channel_opens_before_the_handshake_ends(void **state)
{
    (void)state;
    const struct adit_ip caller = {.family = 4, .bytes = {203, 0, 113, 7}};
    struct side side = {0};
    side_start(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    assert_null(snitun_channel_open(side.session, &caller));
    snitun_ping(side.session);
    uint8_t answer[SNITUN_HEADER_MAX];
    size_t len = challenged(&side, answer);
    assert_null(snitun_channel_open(side.session, &caller));
    side_feed(&side, answer, len, SNITUN_ESTABLISHED);
    side_silent(&side);
    snitun_channel_close(side_open(&side, "203.0.113.7"));
    side_stop(&side);
}

static void a_client_opens_no_channels(void **state)
{
    (void)state;
    const struct adit_ip caller = {.family = 4};
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    assert_null(snitun_channel_open(side.session, &caller));
    side_stop(&side);
}

static void a_session_and_a_channel_are_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct snitun_session) <= 440);
    assert_true(sizeof(struct snitun_channel) <= 128);
}

static void names_and_ciphers_match(void **state)
{
    (void)state;
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        const char *name = snitun_cipher_name((enum snitun_cipher)cipher);
        assert_int_equal(snitun_cipher_by_name(name), cipher);
    }
    assert_string_equal(snitun_cipher_name(SNITUN_AES_GCM_SIV), "aes-gcm-siv");
    assert_null(snitun_cipher_name((enum snitun_cipher)3));
    assert_int_equal(snitun_cipher_by_name("AES-CBC"), -1);
    assert_int_equal(snitun_cipher_by_name(""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_roles_shake_hands_with_every_cipher),
        cmocka_unit_test(the_answer_may_come_byte_by_byte),
        cmocka_unit_test(challenges_differ),
        cmocka_unit_test(any_bit_of_a_wrong_answer_is_refused),
        cmocka_unit_test(an_answer_before_the_challenge_is_refused),
        cmocka_unit_test(nothing_after_a_wrong_answer_is_read),
        cmocka_unit_test(a_client_is_silent_before_the_challenge),
        cmocka_unit_test(the_answer_goes_before_everything_else),
        cmocka_unit_test(the_handshake_waits_for_room),
        cmocka_unit_test(no_channel_opens_before_the_handshake_ends),
        cmocka_unit_test(a_client_opens_no_channels),
        cmocka_unit_test(a_session_and_a_channel_are_small),
        cmocka_unit_test(names_and_ciphers_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
