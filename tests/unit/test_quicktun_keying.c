/*
 * Rules 1 to 4 of docs/protocols/quicktun.md, keys and who vouches for them: each breach closes
 * with its own error.
 */
#include "tests/unit/quicktun_hostile.h"

#include <sodium.h>
#include <string.h>

/* ---- What the peer says ---- */

/* A Start with that key and input; NULL: zeros, and an input of the peer's. */
static int start_with(const uint8_t *key, const uint8_t *input)
{
    uint8_t arguments[QUICKTUN_KEY_LEN + QUICKTUN_INPUT_LEN] = {0};
    if (key)
        memcpy(arguments, key, QUICKTUN_KEY_LEN);
    if (input)
        memcpy(arguments + QUICKTUN_KEY_LEN, input, QUICKTUN_INPUT_LEN);
    else
        memset(arguments + QUICKTUN_KEY_LEN, 0x5a, QUICKTUN_INPUT_LEN);
    return hostile_commands(QUICKTUN_CODE_START_CRYPTO, arguments, sizeof arguments);
}

static const uint8_t *peer_key(void)
{
    return quicktun_context_public(hostile_peer()->context);
}

/* ---- Rule 1 ---- */

static void second_start_closes(void **state)
{
    (void)state;
    hostile_start();
    assert_int_equal(start_with(peer_key(), NULL), QUICKTUN_OK);
    /* By the keys that are in force now. */
    struct pair_end *peer = hostile_peer();
    uint8_t input[QUICKTUN_INPUT_LEN];
    memset(input, 0x5a, sizeof input);
    peer->session->out.on = true;
    quicktun_direction_mine(&peer->session->out, peer->context->secret, QUICKTUN_KIND_LONG_TERM);
    quicktun_direction_nonce(&peer->session->out, peer->session->remote, input);
    assert_int_equal(start_with(peer_key(), NULL), QUICKTUN_E_SECOND_START);
}

static void zero_nonce_input_closes(void **state)
{
    (void)state;
    uint8_t input[QUICKTUN_INPUT_LEN] = {0};
    memset(input + QUICKTUN_INPUT_USED, 0xff, sizeof input - QUICKTUN_INPUT_USED);
    hostile_start();
    assert_int_equal(start_with(peer_key(), input), QUICKTUN_E_NONCE_INPUT);
}

static void own_nonce_input_reflected_closes(void **state)
{
    (void)state;
    hostile_start();
    pair_tick(hostile_victim());
    uint8_t input[QUICKTUN_INPUT_LEN];
    memcpy(input, hostile_victim()->session->local, sizeof input);
    input[QUICKTUN_INPUT_LEN - 1] ^= 1; /* the half that enters no nonce */
    assert_int_equal(start_with(peer_key(), input), QUICKTUN_E_NONCE_INPUT);
}

static void nonce_input_of_another_live_connection_closes(void **state)
{
    (void)state;
    uint8_t input[QUICKTUN_INPUT_LEN];
    hostile_start();
    struct quicktun_session *other = hostile_second_session(input);
    assert_int_equal(start_with(peer_key(), input), QUICKTUN_E_NONCE_INPUT);
    quicktun_session_free(other);
}

static void nonce_input_of_a_dead_connection_is_nothing_special(void **state)
{
    (void)state;
    uint8_t input[QUICKTUN_INPUT_LEN];
    hostile_start();
    quicktun_session_free(hostile_second_session(input));
    assert_int_equal(start_with(peer_key(), input), QUICKTUN_OK);
}

static void key_that_is_not_configured_closes(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_some_key(key);
    hostile_start();
    assert_int_equal(start_with(key, NULL), QUICKTUN_E_KEY_UNKNOWN);
}

static bool knows_everyone_but_zeros(void *arg, const uint8_t key[QUICKTUN_KEY_LEN])
{
    (void)arg;
    return !sodium_is_zero(key, QUICKTUN_KEY_LEN);
}

static void zeros_mean_the_one_peer_that_is_configured(void **state)
{
    (void)state;
    hostile_start();
    assert_int_equal(start_with(NULL, NULL), QUICKTUN_OK);
    assert_memory_equal(quicktun_session_peer(hostile_victim()->session), peer_key(),
                        QUICKTUN_KEY_LEN);
}

static void zeros_close_where_several_peers_are_configured(void **state)
{
    (void)state;
    hostile_victim()->pinned = false;
    hostile_victim()->options.known = knows_everyone_but_zeros;
    hostile_start();
    assert_int_equal(start_with(NULL, NULL), QUICKTUN_E_KEY_UNKNOWN);
}

static void one_of_several_peers_is_known(void **state)
{
    (void)state;
    hostile_victim()->pinned = false;
    hostile_victim()->options.known = knows_everyone_but_zeros;
    hostile_start_up();
    assert_true(quicktun_session_proven(hostile_victim()->session));
}

static void start_refuses(const uint8_t key[QUICKTUN_KEY_LEN])
{
    hostile_pair();
    hostile_weaken(hostile_victim());
    hostile_start();
    const uint8_t *own = key ? key : quicktun_context_public(hostile_victim()->context);
    assert_int_equal(start_with(own, NULL), QUICKTUN_E_KEY_REFUSED);
}

static void update_refuses(const uint8_t key[QUICKTUN_KEY_LEN])
{
    hostile_pair();
    hostile_start_up();
    const uint8_t *own = key ? key : quicktun_context_public(hostile_victim()->context);
    assert_int_equal(hostile_begins(own), QUICKTUN_E_KEY_REFUSED);
}

static const uint8_t order_1[QUICKTUN_KEY_LEN] = {1};
static const uint8_t order_8[QUICKTUN_KEY_LEN] = {
    0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
    0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
};

static void weak_keys_close_a_start(void **state)
{
    (void)state;
    start_refuses(order_1);
    hostile_stop();
    start_refuses(order_8);
}

static void weak_keys_close_an_update(void **state)
{
    (void)state;
    static const uint8_t zeros[QUICKTUN_KEY_LEN];
    update_refuses(zeros);
    hostile_stop();
    update_refuses(order_8);
}

static void own_key_and_key_0_close_a_start(void **state)
{
    (void)state;
    start_refuses(NULL);
    hostile_stop();
    start_refuses(quicktun_key0_public);
}

static void own_key_and_key_0_close_an_update(void **state)
{
    (void)state;
    update_refuses(NULL);
    hostile_stop();
    update_refuses(quicktun_key0_public);
}

/* The top bit of a Curve25519 coordinate is not looked at. */
static void own_key_in_another_spelling_closes(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_weaken(hostile_victim());
    hostile_start();
    memcpy(key, quicktun_context_public(hostile_victim()->context), sizeof key);
    key[QUICKTUN_KEY_LEN - 1] |= 0x80;
    assert_int_equal(start_with(key, NULL), QUICKTUN_E_KEY_REFUSED);
}

/* ---- Rule 2 ---- */

static void answers_to_nothing_close(void **state)
{
    (void)state;
    static const uint8_t codes[] = {QUICKTUN_CODE_ACK_CRYPTO, QUICKTUN_CODE_ACK_UPDATE,
                                    QUICKTUN_CODE_ACK_DISABLE, QUICKTUN_CODE_PASSWORD};
    for (size_t i = 0; i < sizeof codes; i++) {
        hostile_pair();
        hostile_start_up();
        size_t len = codes[i] == QUICKTUN_CODE_PASSWORD ? QUICKTUN_HASH_LEN : 0;
        assert_int_equal(hostile_commands(codes[i], NULL, len), QUICKTUN_E_ANSWER);
        if (i + 1 < sizeof codes)
            hostile_stop();
    }
}

static void second_answer_closes(void **state)
{
    (void)state;
    hostile_start();
    pair_tick(hostile_victim());
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ACK_CRYPTO, NULL, 0), QUICKTUN_OK);
    quicktun_direction_theirs(&hostile_peer()->session->out,
                              quicktun_context_public(hostile_victim()->context),
                              QUICKTUN_KIND_LONG_TERM);
    hostile_peer()->session->out.on = true;
    memcpy(hostile_peer()->session->out.nonce, hostile_victim()->session->local,
           QUICKTUN_INPUT_USED);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ACK_CRYPTO, NULL, 0), QUICKTUN_E_ANSWER);
}

static void answer_out_of_order_closes(void **state)
{
    (void)state;
    hostile_start();
    pair_tick(hostile_victim());
    assert_int_equal(hostile_starts(), QUICKTUN_OK);
    pair_tick(hostile_victim()); /* begins a key update, its Start not acknowledged yet */
    assert_int_equal(hostile_victim()->session->pending.count, 2);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ACK_UPDATE, NULL, 0), QUICKTUN_E_ANSWER);
}

static void each_request_is_answered_at_once(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_some_key(key);
    hostile_start_up();
    size_t before = hostile_victim()->wire.len;
    assert_int_equal(hostile_begins(key), QUICKTUN_OK);
    assert_int_equal(pair_next_packet(hostile_victim()), 2 + 16 + 1);
    assert_true(hostile_victim()->wire.len <= before + 19);
}

static void two_password_requests_in_a_packet_close(void **state)
{
    (void)state;
    uint8_t payload[1 + 2 * (2 + 17)] = {QUICKTUN_CODE_BATCH};
    for (size_t i = 0; i < 2; i++) {
        uint8_t *message = payload + 1 + i * 19;
        message[1] = 17;
        message[2] = QUICKTUN_CODE_ASK_PASSWORD;
        message[3] = (uint8_t)i;
    }
    hostile_victim()->password = "secret";
    hostile_start_up();
    assert_int_equal(hostile_says(payload, sizeof payload), QUICKTUN_E_SECOND_REQUEST);
}

/* ---- Rule 3 ---- */

static void anything_after_a_keying_command_closes(void **state)
{
    (void)state;
    static const uint8_t codes[] = {1, 2, 3, 4, 7, 8};
    for (size_t i = 0; i < sizeof codes; i++) {
        const uint8_t payload[] = {QUICKTUN_CODE_BATCH, 0, 1, codes[i], 0, 1, 200};
        hostile_pair();
        hostile_start_up();
        assert_int_equal(hostile_says(payload, sizeof payload), QUICKTUN_E_AFTER_KEYING);
        if (i + 1 < sizeof codes)
            hostile_stop();
    }
}

static void wrappers_do_not_hide_what_follows_a_keying_command(void **state)
{
    (void)state;
    /* batch { batch { padding { 4 } }, unknown } */
    static const uint8_t payload[] = {15, 0, 6, 15, 0, 3, 14, 0, 4, 0, 1, 200};
    hostile_start_up();
    assert_int_equal(hostile_says(payload, sizeof payload), QUICKTUN_E_AFTER_KEYING);
}

static void keying_command_may_be_last_and_padded(void **state)
{
    (void)state;
    uint8_t payload[1 + 3 + 2 + 2 + 1 + QUICKTUN_KEY_LEN + 5] = {15, 0, 1, 200, 0, 40, 14, 5, 3};
    hostile_some_key(payload + 9);
    hostile_start_up();
    assert_int_equal(hostile_says(payload, sizeof payload), QUICKTUN_OK);
    assert_int_equal(hostile_victim()->session->counters.commands_skipped, 1);
}

static void refused_packet_has_no_effect_at_all(void **state)
{
    (void)state;
    static const uint8_t payload[] = {15, 0, 3, 13, 0x45, 0, 0, 1, 4, 0, 1, 200};
    hostile_start_up();
    assert_int_equal(hostile_says(payload, sizeof payload), QUICKTUN_E_AFTER_KEYING);
    assert_int_equal(hostile_victim()->packets_heard, 0);
}

/* ---- Rule 4 ---- */

static void key_update_under_key_0_closes(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_some_key(key);
    hostile_start_with_key_0();
    assert_int_equal(hostile_begins(key), QUICKTUN_E_UPDATE_UNVOUCHED);
}

static void key_update_before_their_start_closes(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_some_key(key);
    hostile_start();
    pair_tick(hostile_victim());
    hostile_hears(); /* acknowledged with keys that the victim opens: but whose? */
    assert_int_equal(hostile_begins(key), QUICKTUN_E_UPDATE_UNVOUCHED);
}

static void key_update_in_clear_closes_without_their_start(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_some_key(key);
    hostile_weaken(hostile_victim());
    hostile_start();
    assert_int_equal(hostile_begins(key), QUICKTUN_E_UPDATE_UNVOUCHED);
}

static void key_update_after_their_start_is_the_public_flow(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_some_key(key);
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_start();
    assert_int_equal(hostile_starts(), QUICKTUN_OK);
    assert_int_equal(hostile_begins(key), QUICKTUN_OK);
    assert_false(quicktun_session_proven(hostile_victim()->session));
}

static void anonymous_peer_is_never_proven(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_peer()->keyed = false;
    hostile_start_up();
    assert_int_equal(quicktun_session_protection(hostile_victim()->session), QUICKTUN_SESSION);
    assert_false(quicktun_session_proven(hostile_victim()->session));
}

static void disable_under_key_0_closes(void **state)
{
    (void)state;
    hostile_victim()->options.weak_long_term_keys = true;
    hostile_victim()->options.weak_disable = true;
    hostile_start_with_key_0();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_DISABLE, NULL, 0),
                     QUICKTUN_E_DISABLE_UNVOUCHED);
}

int main(void)
{
#define RULE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, hostile_teardown)
    const struct CMUnitTest tests[] = {
        RULE(second_start_closes),
        RULE(zero_nonce_input_closes),
        RULE(own_nonce_input_reflected_closes),
        RULE(nonce_input_of_another_live_connection_closes),
        RULE(nonce_input_of_a_dead_connection_is_nothing_special),
        RULE(key_that_is_not_configured_closes),
        RULE(zeros_mean_the_one_peer_that_is_configured),
        RULE(zeros_close_where_several_peers_are_configured),
        RULE(one_of_several_peers_is_known),
        RULE(weak_keys_close_a_start),
        RULE(weak_keys_close_an_update),
        RULE(own_key_and_key_0_close_a_start),
        RULE(own_key_and_key_0_close_an_update),
        RULE(own_key_in_another_spelling_closes),
        RULE(answers_to_nothing_close),
        RULE(second_answer_closes),
        RULE(answer_out_of_order_closes),
        RULE(each_request_is_answered_at_once),
        RULE(two_password_requests_in_a_packet_close),
        RULE(anything_after_a_keying_command_closes),
        RULE(wrappers_do_not_hide_what_follows_a_keying_command),
        RULE(keying_command_may_be_last_and_padded),
        RULE(refused_packet_has_no_effect_at_all),
        RULE(key_update_under_key_0_closes),
        RULE(key_update_before_their_start_closes),
        RULE(key_update_in_clear_closes_without_their_start),
        RULE(key_update_after_their_start_is_the_public_flow),
        RULE(anonymous_peer_is_never_proven),
        RULE(disable_under_key_0_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
