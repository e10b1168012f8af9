/*
 * quicktun_session_adjust(): a session that was begun for whoever calls gets the policy of the peer
 * whose key was announced.
 */
#include "tests/unit/quicktun_hostile.h"

#include <string.h>

static const uint8_t packet[] = {0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17};

static struct quicktun_session *victim_session(void)
{
    return hostile_victim()->session;
}

/* Safe options, as a configured peer has them. */
static int adjust_to_safety(void)
{
    const struct quicktun_options safe = {.segmented = true};
    return quicktun_session_adjust(victim_session(), &safe);
}

/* The victim takes whoever calls, and the peer has said that it will send packets, and its Start.
 */
static void start_with_a_stranger(void)
{
    hostile_weaken(hostile_victim());
    hostile_victim()->pinned = false;
    hostile_start();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_START_DATA, NULL, 0), QUICKTUN_OK);
    assert_true(victim_session()->zero_received);
    assert_int_equal(hostile_starts(), QUICKTUN_OK);
}

static void options_that_contradict_each_other_change_nothing(void **state)
{
    (void)state;
    hostile_start();
    const struct quicktun_options wrong = {.disable_encryption = true};
    const struct quicktun_options before = victim_session()->options;
    assert_int_equal(quicktun_session_adjust(victim_session(), &wrong), QUICKTUN_E_POLICY);
    assert_memory_equal(&victim_session()->options, &before, sizeof before);
}

static void who_may_be_a_stranger_must_prove_a_key_that_is_known(void **state)
{
    (void)state;
    start_with_a_stranger();
    assert_int_equal(adjust_to_safety(), QUICKTUN_OK);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_PACKET, packet, sizeof packet),
                     QUICKTUN_E_UNPROVEN);
}

static void what_was_said_before_the_proof_counts_no_more(void **state)
{
    (void)state;
    start_with_a_stranger();
    assert_int_equal(adjust_to_safety(), QUICKTUN_OK);
    assert_false(victim_session()->zero_received);
    assert_false(quicktun_session_up(victim_session()));
}

static void who_proves_it_comes_up_under_the_new_policy(void **state)
{
    (void)state;
    start_with_a_stranger();
    assert_int_equal(adjust_to_safety(), QUICKTUN_OK);
    pair_settle(hostile_peer()->pair);
    assert_true(pair_up(hostile_peer()->pair));
    assert_true(quicktun_session_proven(victim_session()));
    assert_int_equal(quicktun_session_protection(victim_session()), QUICKTUN_SESSION);
}

static void mode_and_who_is_known_stay(void **state)
{
    (void)state;
    hostile_start();
    const struct quicktun_options other = {.mode = QUICKTUN_ETHERNET, .pad_to = 64};
    assert_int_equal(quicktun_session_adjust(victim_session(), &other), QUICKTUN_OK);
    assert_int_equal(victim_session()->options.mode, QUICKTUN_IP);
    assert_ptr_equal(victim_session()->options.peer_key, victim_session()->configured);
    assert_int_equal(victim_session()->options.pad_to, 64);
}

static void the_password_of_the_new_options_is_asked_for(void **state)
{
    (void)state;
    struct quicktun_password *password = quicktun_password_new("sesame", 6);
    hostile_start();
    assert_int_equal(hostile_starts(), QUICKTUN_OK);
    const struct quicktun_options asking = {.ask = password};
    assert_int_equal(quicktun_session_adjust(victim_session(), &asking), QUICKTUN_OK);
    pair_settle(hostile_peer()->pair);
    assert_false(quicktun_session_up(victim_session()));
    assert_int_equal(hostile_peer()->error, QUICKTUN_E_PASSWORD_NONE);
    quicktun_session_free(victim_session());
    hostile_victim()->session = NULL;
    quicktun_password_free(password);
}

#define ADJUST(test) cmocka_unit_test_setup_teardown(test, hostile_setup, hostile_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ADJUST(options_that_contradict_each_other_change_nothing),
        ADJUST(who_may_be_a_stranger_must_prove_a_key_that_is_known),
        ADJUST(what_was_said_before_the_proof_counts_no_more),
        ADJUST(who_proves_it_comes_up_under_the_new_policy),
        ADJUST(mode_and_who_is_known_stay),
        ADJUST(the_password_of_the_new_options_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
