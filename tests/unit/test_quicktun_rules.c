/*
 * Rules 5 to 10 of docs/protocols/quicktun.md: each breach closes with its own error.
 */
#include "tests/unit/quicktun_hostile.h"

#include <string.h>

static const uint8_t packet[] = {0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17};

/* ---- Rule 5 ---- */

static void commands_for_proven_peers_close_before(void **state)
{
    (void)state;
    static const uint8_t codes[] = {5, 6, 9, 10, 11, 12, 13, 18};
    for (size_t i = 0; i < sizeof codes; i++) {
        size_t len = codes[i] == 6 ? QUICKTUN_HASH_LEN : codes[i] == 11 ? 101 : 32;
        hostile_pair();
        hostile_start_with_key_0();
        assert_int_equal(hostile_commands(codes[i], NULL, len), QUICKTUN_E_UNPROVEN);
        hostile_stop();
    }
    hostile_pair();
    hostile_start_with_key_0();
    assert_int_equal(hostile_says_raw(packet, sizeof packet), QUICKTUN_E_UNPROVEN);
}

static void start_tunnel_data_of_an_unproven_peer_is_ignored(void **state)
{
    (void)state;
    hostile_start_with_key_0();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_START_DATA, NULL, 0), QUICKTUN_OK);
    assert_false(hostile_victim()->session->zero_received);
}

static void start_tunnel_data_is_said_again_under_keys(void **state)
{
    (void)state;
    hostile_weaken(hostile_peer());
    hostile_start();
    pair_tick(hostile_peer()); /* wants nothing: Start tunnel data goes out at once */
    assert_true(hostile_peer()->session->zero_sent);
    assert_false(hostile_peer()->session->zero_sent_clean);
    pair_settle(hostile_peer()->pair);
    assert_true(hostile_peer()->session->zero_sent_clean);
    assert_true(pair_up(hostile_peer()->pair));
}

static void nothing_is_tunnelled_before_start_tunnel_data_is_said_again(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_weaken(hostile_peer());
    hostile_start();
    pair_tick(hostile_victim());
    pair_tick(hostile_peer());
    hostile_hears();
    assert_int_equal(hostile_heard(), 0);
    assert_true(quicktun_session_up(hostile_victim()->session));
    assert_true(quicktun_session_protected(hostile_victim()->session));
    assert_false(pair_send(hostile_victim(), 100, 0));
    pair_tick(hostile_victim());
    assert_true(pair_send(hostile_victim(), 100, 0));
}

static void echo_request_is_not_answered_under_key_0(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_start();
    assert_int_equal(hostile_starts(), QUICKTUN_OK);
    hostile_hears();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ECHO, "x", 1), QUICKTUN_OK);
    assert_int_equal(pair_underway(hostile_victim()), 0);
    assert_int_equal(hostile_victim()->session->counters.echoes_dropped, 1);
}

static void nothing_is_tunnelled_under_key_0(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_start();
    pair_tick(hostile_victim());
    assert_int_equal(hostile_starts(), QUICKTUN_OK);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_START_DATA, NULL, 0), QUICKTUN_OK);
    /* Its Start is not acknowledged, but its own keys are in place: it may. */
    assert_true(quicktun_session_protected(hostile_victim()->session));
    hostile_victim()->session->out.theirs_kind = QUICKTUN_KIND_KEY0;
    assert_false(pair_send(hostile_victim(), 100, 0));
    assert_false(quicktun_session_protected(hostile_victim()->session));
}

/* ---- Rule 6 ---- */

static void tunnelled_packets_before_the_tunnel_is_up_close(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_start();
    assert_int_equal(hostile_says_raw(packet, sizeof packet), QUICKTUN_E_DATA_EARLY);
}

static void data_command_before_the_tunnel_is_up_closes(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_start();
    pair_tick(hostile_victim());
    assert_int_equal(hostile_commands(QUICKTUN_CODE_PACKET, packet, sizeof packet),
                     QUICKTUN_E_DATA_EARLY);
}

static void start_tunnel_data_waits_for_the_policy(void **state)
{
    (void)state;
    hostile_start_with_key_0();
    pair_tick(hostile_victim());
    assert_false(hostile_victim()->session->zero_sent);
}

static void key_updates_do_not_take_the_tunnel_down(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_some_key(key);
    hostile_start_up();
    assert_int_equal(hostile_begins(key), QUICKTUN_OK);
    assert_true(quicktun_session_up(hostile_victim()->session));
}

/* ---- Rule 7 ---- */

static void permit_disable(struct pair_end *end)
{
    end->options.weak_long_term_keys = true;
    end->options.weak_disable = true;
}

/* The victim asks and answers with one password. */
static void share_password(void)
{
    struct pair_end *victim = hostile_victim();
    victim->session->options.ask = victim->session->options.password;
    assert_int_equal(quicktun_send_ask_password(victim->session, 5000, &victim->wire), 0);
}

static void disable_that_is_not_permitted_closes(void **state)
{
    (void)state;
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_DISABLE, NULL, 0),
                     QUICKTUN_E_DISABLE_FORBIDDEN);
}

static void disable_before_our_password_request_is_answered_closes(void **state)
{
    (void)state;
    permit_disable(hostile_victim());
    permit_disable(hostile_peer());
    hostile_victim()->password = "secret";
    hostile_start_up();
    share_password();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_DISABLE, NULL, 0), QUICKTUN_E_DISABLE_EARLY);
}

static void key_update_after_our_disable_closes(void **state)
{
    (void)state;
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_some_key(key);
    permit_disable(hostile_victim());
    permit_disable(hostile_peer());
    hostile_start_up();
    quicktun_send_disable(hostile_victim()->session, 5000, &hostile_victim()->wire);
    assert_int_equal(hostile_begins(key), QUICKTUN_E_UPDATE_AFTER_DISABLE);
}

static void data_between_our_disable_and_its_answer_closes(void **state)
{
    (void)state;
    permit_disable(hostile_victim());
    permit_disable(hostile_peer());
    hostile_start_up();
    quicktun_send_disable(hostile_victim()->session, 5000, &hostile_victim()->wire);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_PACKET, packet, sizeof packet),
                     QUICKTUN_E_DATA_EARLY);
}

static void crossing_disables_are_answered(void **state)
{
    (void)state;
    permit_disable(hostile_victim());
    permit_disable(hostile_peer());
    hostile_start_up();
    quicktun_send_disable(hostile_victim()->session, 5000, &hostile_victim()->wire);
    quicktun_send_disable(hostile_peer()->session, 5000, &hostile_peer()->wire);
    pair_settle(hostile_victim()->pair);
    assert_int_equal(hostile_victim()->error, 0);
    assert_int_equal(hostile_peer()->error, 0);
    assert_true(pair_up(hostile_victim()->pair));
    assert_false(hostile_victim()->session->out.on || hostile_victim()->session->in.on);
    assert_true(pair_send(hostile_victim(), 100, 0));
    pair_settle(hostile_victim()->pair);
    assert_int_equal(hostile_peer()->packets_heard, 1);
}

static void disable_waits_until_the_peer_has_said_whether_it_asks_for_a_password(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    permit_disable(hostile_victim());
    permit_disable(hostile_peer());
    hostile_victim()->options.disable_encryption = true;
    hostile_victim()->password = hostile_peer()->ask = "secret";
    hostile_start();
    pair_tick(hostile_peer());
    for (int i = 0; i < 3; i++) { /* the peer answers, and says nothing on its own */
        assert_int_equal(hostile_heard(), 0);
        pair_tick(hostile_victim());
        hostile_hears();
    }
    assert_true(hostile_victim()->session->settled);
    assert_false(hostile_victim()->session->disable_sent);
    pair_settle(hostile_victim()->pair);
    assert_true(hostile_victim()->session->disable_sent);
    assert_true(hostile_peer()->session->password_right);
    assert_true(pair_up(hostile_victim()->pair));
}

static void end_that_permits_disable_begins_no_update(void **state)
{
    (void)state;
    permit_disable(hostile_victim());
    permit_disable(hostile_peer());
    hostile_start_up();
    assert_int_equal(hostile_victim()->session->out.mine_kind, QUICKTUN_KIND_LONG_TERM);
}

/* ---- Rule 8 ---- */

static void password_request_after_disable_closes(void **state)
{
    (void)state;
    permit_disable(hostile_victim());
    permit_disable(hostile_peer());
    hostile_victim()->password = "secret";
    hostile_start_up();
    quicktun_send_disable(hostile_peer()->session, 5000, &hostile_peer()->wire);
    assert_int_equal(hostile_heard(), 0);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD, NULL, 32),
                     QUICKTUN_E_PASSWORD_UNVOUCHED);
}

static void password_is_not_said_in_clear(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_victim()->password = "secret";
    hostile_start();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD, NULL, 32),
                     QUICKTUN_E_PASSWORD_IN_CLEAR);
    assert_int_equal(pair_underway(hostile_victim()), 0);
}

static void password_is_not_said_under_key_0(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_victim()->password = "secret";
    hostile_start();
    assert_int_equal(hostile_starts(), QUICKTUN_OK);
    assert_true(hostile_victim()->session->out.on);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD, NULL, 32),
                     QUICKTUN_E_PASSWORD_IN_CLEAR);
}

static void password_request_closes_where_none_is_configured(void **state)
{
    (void)state;
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD, NULL, 32),
                     QUICKTUN_E_PASSWORD_NONE);
}

static void short_salt_closes(void **state)
{
    (void)state;
    hostile_victim()->password = "secret";
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD, NULL, QUICKTUN_SALT_MIN - 1),
                     QUICKTUN_E_SALT);
}

static void shortest_salt_is_answered(void **state)
{
    (void)state;
    hostile_victim()->password = "secret";
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD, NULL, QUICKTUN_SALT_MIN),
                     QUICKTUN_OK);
    assert_int_equal(pair_next_packet(hostile_victim()), 2 + 16 + 1 + QUICKTUN_HASH_LEN);
}

static void own_salt_reflected_closes(void **state)
{
    (void)state;
    hostile_victim()->password = "secret";
    hostile_start_up();
    share_password();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD,
                                      hostile_victim()->session->salt_live.value, 32),
                     QUICKTUN_E_SALT);
}

static void salt_outstanding_on_another_connection_closes(void **state)
{
    (void)state;
    uint8_t input[QUICKTUN_INPUT_LEN];
    hostile_victim()->password = "secret";
    hostile_start_up();
    struct quicktun_session *other = hostile_second_session(input);
    uint8_t bytes[QUICKTUN_ROOM];
    struct quicktun_wire wire = {bytes, 0, sizeof bytes};
    other->options.ask = other->options.password;
    assert_int_equal(quicktun_send_ask_password(other, 5000, &wire), 0);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD, other->salt_live.value, 32),
                     QUICKTUN_E_SALT);
    quicktun_session_free(other);
}

static void salt_that_was_answered_is_nothing_special(void **state)
{
    (void)state;
    uint8_t salt[QUICKTUN_SALT_LEN];
    hostile_victim()->password = hostile_peer()->password = "secret";
    hostile_start_up();
    share_password();
    memcpy(salt, hostile_victim()->session->salt_live.value, sizeof salt);
    hostile_hears();
    assert_int_equal(hostile_heard(), QUICKTUN_OK);
    assert_true(hostile_victim()->session->password_right);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ASK_PASSWORD, salt, sizeof salt), QUICKTUN_OK);
}

static void tunnel_waits_for_the_password(void **state)
{
    (void)state;
    hostile_victim()->ask = hostile_peer()->password = "secret";
    hostile_start();
    struct pair_end *victim = hostile_victim();
    while (!quicktun_pending_has(victim->session, QUICKTUN_CODE_ASK_PASSWORD)) {
        pair_tick(victim);
        pair_tick(hostile_peer());
        assert_true(pair_underway(hostile_peer()) > 0);
        assert_int_equal(hostile_heard(), 0);
        pair_tick(victim);
        if (!quicktun_pending_has(victim->session, QUICKTUN_CODE_ASK_PASSWORD))
            hostile_hears();
    }
    assert_false(victim->session->zero_sent);
    pair_settle(victim->pair);
    assert_true(pair_up(victim->pair));
}

static void wrong_password_closes(void **state)
{
    (void)state;
    hostile_victim()->password = "secret";
    hostile_start_up();
    share_password();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_PASSWORD, NULL, QUICKTUN_HASH_LEN),
                     QUICKTUN_E_PASSWORD_WRONG);
}

/* ---- Rule 9 ---- */

static void changed_packet_closes(void **state)
{
    (void)state;
    hostile_start_up();
    struct pair_end *peer = hostile_peer();
    assert_true(quicktun_send_command(peer->session, &peer->wire, 200, "x", 1));
    peer->wire.bytes[peer->wire.len - 1] ^= 1;
    assert_int_equal(hostile_heard(), QUICKTUN_E_AUTHENTICATION);
}

static void repeated_packet_closes(void **state)
{
    (void)state;
    uint8_t copy[64];
    hostile_start_up();
    struct pair_end *peer = hostile_peer();
    assert_true(quicktun_send_command(peer->session, &peer->wire, 200, "x", 1));
    size_t len = pair_underway(peer);
    memcpy(copy, peer->wire.bytes + peer->gone, len);
    assert_int_equal(hostile_heard(), QUICKTUN_OK);
    pair_feed(hostile_victim(), copy, len);
    assert_int_equal(hostile_victim()->error, QUICKTUN_E_AUTHENTICATION);
}

static void left_out_packet_closes(void **state)
{
    (void)state;
    hostile_start_up();
    struct pair_end *peer = hostile_peer();
    assert_true(quicktun_send_command(peer->session, &peer->wire, 200, "x", 1));
    peer->gone = peer->wire.len;
    assert_int_equal(hostile_commands(200, NULL, 0), QUICKTUN_E_AUTHENTICATION);
}

static void packet_without_a_tag_closes_at_its_length(void **state)
{
    (void)state;
    static const uint8_t length[] = {0x80, 15};
    hostile_start_up();
    pair_feed(hostile_victim(), length, sizeof length);
    assert_int_equal(hostile_victim()->error, QUICKTUN_E_AUTHENTICATION);
}

/* ---- Rule 10, and time ---- */

static void not_up_after_30_s_closes(void **state)
{
    (void)state;
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_start();
    struct pair_end *victim = hostile_victim();
    pair_tick(victim);
    assert_int_equal(quicktun_deadline(victim->session), 5000 + QUICKTUN_UP_MS);
    victim->pair->now_ms += QUICKTUN_UP_MS - 1;
    pair_tick(victim);
    assert_int_equal(victim->error, 0);
    victim->pair->now_ms++;
    pair_tick(victim);
    assert_int_equal(victim->error, QUICKTUN_E_NOT_UP);
}

static void request_that_is_not_answered_closes(void **state)
{
    (void)state;
    hostile_start();
    struct pair_end *victim = hostile_victim();
    pair_tick(victim);
    assert_int_equal(quicktun_deadline(victim->session), 5000 + QUICKTUN_UNANSWERED_MS);
    victim->pair->now_ms += QUICKTUN_UNANSWERED_MS - 1;
    pair_tick(victim);
    assert_int_equal(victim->error, 0);
    victim->pair->now_ms++;
    pair_tick(victim);
    assert_int_equal(victim->error, QUICKTUN_E_UNANSWERED);
}

int main(void)
{
#define RULE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, hostile_teardown)
    const struct CMUnitTest tests[] = {
        RULE(commands_for_proven_peers_close_before),
        RULE(start_tunnel_data_of_an_unproven_peer_is_ignored),
        RULE(start_tunnel_data_is_said_again_under_keys),
        RULE(nothing_is_tunnelled_before_start_tunnel_data_is_said_again),
        RULE(echo_request_is_not_answered_under_key_0),
        RULE(nothing_is_tunnelled_under_key_0),
        RULE(tunnelled_packets_before_the_tunnel_is_up_close),
        RULE(data_command_before_the_tunnel_is_up_closes),
        RULE(start_tunnel_data_waits_for_the_policy),
        RULE(key_updates_do_not_take_the_tunnel_down),
        RULE(disable_that_is_not_permitted_closes),
        RULE(disable_before_our_password_request_is_answered_closes),
        RULE(key_update_after_our_disable_closes),
        RULE(data_between_our_disable_and_its_answer_closes),
        RULE(crossing_disables_are_answered),
        RULE(disable_waits_until_the_peer_has_said_whether_it_asks_for_a_password),
        RULE(end_that_permits_disable_begins_no_update),
        RULE(password_request_after_disable_closes),
        RULE(password_is_not_said_in_clear),
        RULE(password_is_not_said_under_key_0),
        RULE(password_request_closes_where_none_is_configured),
        RULE(short_salt_closes),
        RULE(shortest_salt_is_answered),
        RULE(own_salt_reflected_closes),
        RULE(salt_outstanding_on_another_connection_closes),
        RULE(salt_that_was_answered_is_nothing_special),
        RULE(tunnel_waits_for_the_password),
        RULE(wrong_password_closes),
        RULE(changed_packet_closes),
        RULE(repeated_packet_closes),
        RULE(left_out_packet_closes),
        RULE(packet_without_a_tag_closes_at_its_length),
        RULE(not_up_after_30_s_closes),
        RULE(request_that_is_not_answered_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
