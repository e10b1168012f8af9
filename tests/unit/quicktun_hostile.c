#include "tests/unit/quicktun_hostile.h"

#include <sodium.h>
#include <string.h>

static struct pair conversation;

struct pair *hostile_pair(void)
{
    conversation = (struct pair){.random_state = 7, .now_ms = 5000};
    pair_defaults(hostile_victim());
    pair_defaults(hostile_peer());
    hostile_peer()->options.segmented = true;
    hostile_peer()->options.weak_clear_passwords = true;
    return &conversation;
}

struct pair_end *hostile_victim(void)
{
    return &conversation.ends[0];
}

struct pair_end *hostile_peer(void)
{
    return &conversation.ends[1];
}

void hostile_weaken(struct pair_end *end)
{
    end->pinned = false;
    end->options.weak_anyone = true;
    end->options.weak_unproven_peer = true;
    end->options.weak_unencrypted = true;
    end->options.weak_long_term_keys = true;
}

void hostile_start(void)
{
    pair_start(&conversation);
}

void hostile_start_up(void)
{
    pair_start(&conversation);
    pair_settle(&conversation);
    assert_int_equal(hostile_victim()->error, 0);
    assert_true(pair_up(&conversation));
}

void hostile_stop(void)
{
    assert_int_equal(conversation.nonces_repeated, 0);
    assert_int_equal(conversation.plaintexts_repeated, 0);
    pair_stop(&conversation);
}

int hostile_setup(void **state)
{
    *state = hostile_pair();
    return 0;
}

int hostile_teardown(void **state)
{
    (void)state;
    hostile_stop();
    return 0;
}

void hostile_hears(void)
{
    pair_deliver(hostile_victim(), pair_underway(hostile_victim()));
}

int hostile_heard(void)
{
    pair_deliver(hostile_peer(), pair_underway(hostile_peer()));
    return hostile_victim()->error;
}

int hostile_says(const void *payload, size_t len)
{
    struct pair_end *peer = hostile_peer();
    assert_true(quicktun_send_payload(peer->session, &peer->wire, payload, len));
    return hostile_heard();
}

int hostile_says_raw(const void *payload, size_t len)
{
    struct pair_end *peer = hostile_peer();
    size_t overhead = quicktun_send_overhead(peer->session);
    memcpy(peer->wire.bytes + peer->wire.len + overhead, payload, len);
    quicktun_send_sealed(peer->session, &peer->wire, len, false);
    return hostile_heard();
}

int hostile_commands(uint8_t code, const void *arguments, size_t len)
{
    static const uint8_t zeros[256];
    struct pair_end *peer = hostile_peer();
    assert_true(quicktun_send_command(peer->session, &peer->wire, code,
                                      arguments ? arguments : zeros, len));
    return hostile_heard();
}

int hostile_starts(void)
{
    struct pair_end *peer = hostile_peer();
    assert_int_equal(
        quicktun_send_start_crypto(peer->session, peer->pair->now_ms, &peer->wire, false), 0);
    return hostile_heard();
}

int hostile_begins(const uint8_t *key)
{
    return hostile_commands(QUICKTUN_CODE_BEGIN_UPDATE, key, QUICKTUN_KEY_LEN);
}

void hostile_some_key(uint8_t key[QUICKTUN_KEY_LEN])
{
    uint8_t secret[QUICKTUN_KEY_LEN];
    memset(secret, 0x33, sizeof secret);
    assert_int_equal(crypto_scalarmult_base(key, secret), 0);
}

struct quicktun_session *hostile_second_session(uint8_t input[QUICKTUN_INPUT_LEN])
{
    static uint8_t bytes[4096];
    struct quicktun_wire wire = {bytes, 0, sizeof bytes};
    struct pair_end *victim = hostile_victim();
    struct quicktun_session *session =
        quicktun_session_new(victim->context, &victim->options, victim->pair->now_ms);
    assert_non_null(session);
    assert_int_equal(quicktun_tick(session, victim->pair->now_ms, &wire), 0);
    memcpy(input, session->local, QUICKTUN_INPUT_LEN);
    return session;
}

void hostile_start_with_key_0(void)
{
    hostile_start();
    pair_tick(hostile_victim());
    assert_int_equal(hostile_starts(), QUICKTUN_OK);
}
