/*
 * What adit's ends do on their own: coming up, key updates, padding, echoes, time; sending in
 * place.
 */
#include "tests/unit/quicktun_hostile.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static struct quicktun_session *victim_session(void)
{
    return hostile_victim()->session;
}

/* ---- Coming up ---- */

static void safe_ends_come_up_with_session_keys(void **state)
{
    (void)state;
    hostile_start_up();
    assert_int_equal(quicktun_session_protection(victim_session()), QUICKTUN_SESSION);
    assert_true(quicktun_session_proven(victim_session()));
    assert_memory_equal(quicktun_session_peer(victim_session()),
                        quicktun_context_public(hostile_peer()->context), QUICKTUN_KEY_LEN);
}

static void first_packets_are_identification_and_options(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x80, 8,   81,  'U',  'I', 'C', 'K',
                                       'T',  'U', 'N', 0x80, 2,   17,  0x90};
    hostile_start();
    pair_tick(hostile_victim());
    assert_memory_equal(hostile_victim()->wire.bytes, expected, sizeof expected);
}

static void peer_is_nobody_before_its_start(void **state)
{
    (void)state;
    hostile_start();
    assert_null(quicktun_session_peer(victim_session()));
    assert_false(quicktun_session_proven(victim_session()));
    assert_false(quicktun_session_up(victim_session()));
    assert_int_equal(quicktun_session_protection(victim_session()), QUICKTUN_CLEAR);
}

static void passwords_of_both_sides_are_asked_before_the_tunnel(void **state)
{
    (void)state;
    hostile_victim()->password = hostile_peer()->password = "secret";
    hostile_victim()->ask = hostile_peer()->ask = "secret";
    hostile_start_up();
    assert_true(victim_session()->password_right);
    assert_true(hostile_peer()->session->password_right);
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    const char *why = NULL;
    struct quicktun_options options = {.weak_disable = true};
    hostile_start();
    struct quicktun_context *context = hostile_victim()->context;
    assert_int_equal(quicktun_options_check(context, &options, &why), QUICKTUN_E_POLICY);
    assert_non_null(why);
    assert_null(quicktun_session_new(context, &options, 0));
    options = (struct quicktun_options){.disable_encryption = true};
    assert_int_equal(quicktun_options_check(context, &options, &why), QUICKTUN_E_POLICY);
    options = (struct quicktun_options){.pad_to = QUICKTUN_PAD_MAX + 1};
    assert_int_equal(quicktun_options_check(context, &options, &why), QUICKTUN_E_POLICY);
    options = (struct quicktun_options){.pad_to = QUICKTUN_PAD_MAX};
    assert_int_equal(quicktun_options_check(context, &options, &why), QUICKTUN_OK);
    assert_null(why);
}

static void anonymous_end_cannot_disable_encryption(void **state)
{
    (void)state;
    const struct quicktun_options options = {.weak_disable = true, .weak_long_term_keys = true};
    hostile_victim()->keyed = false;
    hostile_start();
    assert_int_equal(quicktun_options_check(hostile_victim()->context, &options, NULL),
                     QUICKTUN_E_POLICY);
}

static void end_whose_key_is_key_0_is_anonymous(void **state)
{
    (void)state;
    hostile_start();
    struct quicktun_context *context =
        quicktun_context_new(quicktun_key0_secret, hostile_victim()->context->random, NULL);
    assert_non_null(context);
    assert_false(context->keyed);
    assert_memory_equal(quicktun_context_public(context), quicktun_key0_public, QUICKTUN_KEY_LEN);
    quicktun_context_free(context);
}

static int no_random_bytes(void *arg, void *buf, size_t len)
{
    (void)arg;
    memset(buf, 0, len);
    return -1;
}

static void session_needs_random_bytes(void **state)
{
    (void)state;
    hostile_start();
    struct quicktun_context *context = hostile_victim()->context;
    context->random = no_random_bytes;
    assert_null(quicktun_session_new(context, &hostile_victim()->options, 0));
    pair_tick(hostile_victim());
    assert_int_equal(hostile_victim()->error, QUICKTUN_E_RANDOM);
}

/* ---- Key updates ---- */

static void advance(uint64_t ms)
{
    hostile_victim()->pair->now_ms += ms;
}

static void session_key_is_renewed_after_two_minutes_of_traffic(void **state)
{
    (void)state;
    hostile_start_up();
    assert_int_equal(victim_session()->counters.key_updates, 1);
    assert_true(pair_send(hostile_victim(), 100, 0));
    pair_settle(hostile_victim()->pair);
    for (int i = 0; i < 12; i++) { /* not in one leap: the other side is asked meanwhile */
        advance(QUICKTUN_UPDATE_AFTER_MS / 12 - (i == 0));
        pair_settle(hostile_victim()->pair);
    }
    assert_int_equal(victim_session()->counters.key_updates, 1);
    advance(1);
    pair_settle(hostile_victim()->pair);
    assert_int_equal(victim_session()->counters.key_updates, 2);
    assert_int_equal(hostile_peer()->session->counters.key_updates, 2);
    assert_true(pair_up(hostile_victim()->pair));
}

static void session_key_of_an_idle_tunnel_stays(void **state)
{
    (void)state;
    hostile_start_up();
    pair_run(hostile_victim()->pair, 10 * (uint64_t)QUICKTUN_UPDATE_AFTER_MS);
    assert_int_equal(hostile_victim()->error, 0);
    assert_int_equal(victim_session()->counters.key_updates, 1);
}

static void session_key_is_renewed_after_a_number_of_bytes(void **state)
{
    (void)state;
    hostile_victim()->options.update_after_bytes = 1000;
    hostile_start_up();
    assert_true(pair_send(hostile_victim(), 600, 0));
    pair_settle(hostile_victim()->pair);
    assert_int_equal(victim_session()->counters.key_updates, 1);
    assert_true(pair_send(hostile_peer(), 400, 0)); /* both directions count */
    pair_settle(hostile_victim()->pair);
    assert_int_equal(victim_session()->counters.key_updates, 2);
    assert_int_equal(hostile_peer()->session->counters.key_updates, 1);
}

/* Sends more than a key may carry, again and again, without time passing. */
static unsigned updates_of_a_fast_line(void)
{
    uint32_t before = victim_session()->counters.key_updates;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(pair_send(hostile_victim(), 200, 0));
        pair_settle(hostile_victim()->pair);
    }
    return victim_session()->counters.key_updates - before;
}

static void a_fast_line_has_no_more_key_updates_than_are_taken(void **state)
{
    (void)state;
    hostile_victim()->options.update_after_bytes = 100;
    hostile_start_up();
    assert_int_equal(updates_of_a_fast_line(), QUICKTUN_UPDATES_BURST - 1); /* and the first */
    assert_int_equal(updates_of_a_fast_line(), 0);
    assert_in_range(quicktun_deadline(victim_session()), hostile_victim()->pair->now_ms + 1,
                    hostile_victim()->pair->now_ms + QUICKTUN_UPDATE_EVERY_MS);
    advance(4 * QUICKTUN_UPDATE_EVERY_MS);
    assert_int_equal(updates_of_a_fast_line(), 4);
    assert_int_equal(hostile_victim()->error, 0);
    assert_int_equal(hostile_peer()->error, 0);
}

static void bytes_under_one_key_are_a_gibibyte_at_most(void **state)
{
    (void)state;
    hostile_start_up();
    victim_session()->counters.bytes_sent = QUICKTUN_UPDATE_AFTER_BYTES - 1;
    pair_settle(hostile_victim()->pair);
    assert_int_equal(victim_session()->counters.key_updates, 1);
    victim_session()->counters.bytes_sent++;
    assert_in_range(quicktun_deadline(victim_session()), 0, hostile_victim()->pair->now_ms);
    pair_settle(hostile_victim()->pair);
    assert_int_equal(victim_session()->counters.key_updates, 2);
}

/* Some part of the session is that secret. */
static bool holds(const struct quicktun_session *session, const uint8_t *secret)
{
    const uint8_t *bytes = (const uint8_t *)session;
    for (size_t i = 0; i + QUICKTUN_KEY_LEN <= sizeof *session; i++)
        if (memcmp(bytes + i, secret, QUICKTUN_KEY_LEN) == 0)
            return true;
    return false;
}

static void old_secrets_are_gone_when_the_new_are_in_force(void **state)
{
    (void)state;
    uint8_t old[QUICKTUN_KEY_LEN];
    hostile_victim()->options.update_after_bytes = 100;
    hostile_start_up();
    struct quicktun_session *session = victim_session();
    assert_false(holds(session, hostile_victim()->context->secret));
    memcpy(old, session->out.mine, sizeof old);
    assert_true(pair_send(hostile_victim(), 100, 0));
    pair_tick(hostile_victim());
    assert_true(holds(session, old)); /* still receives */
    pair_settle(hostile_victim()->pair);
    assert_int_equal(session->counters.key_updates, 2);
    assert_false(holds(session, old));
}

static void secrets_are_gone_after_an_error(void **state)
{
    (void)state;
    uint8_t secret[QUICKTUN_KEY_LEN];
    uint8_t shared[QUICKTUN_SHARED_LEN];
    hostile_start_up();
    memcpy(secret, victim_session()->out.mine, sizeof secret);
    memcpy(shared, victim_session()->out.key.shared, sizeof shared);
    assert_int_equal(hostile_says((uint8_t[]){15}, 1), QUICKTUN_E_BATCH);
    assert_false(holds(victim_session(), secret));
    assert_false(holds(victim_session(), shared));
}

/* ---- Tunnelled packets ---- */

static void largest_packet_goes_through_in_every_mode(void **state)
{
    (void)state;
    for (int mode = 0; mode < 4; mode++) {
        hostile_pair();
        hostile_victim()->options.segmented = mode & 1;
        hostile_victim()->options.pad_to = mode & 2 ? 256 : 0;
        hostile_start_up();
        assert_true(pair_send(hostile_victim(), QUICKTUN_PACKET_MAX, 0));
        assert_true(pair_send(hostile_victim(), QUICKTUN_PACKET_MAX, mode & 1));
        pair_settle(hostile_victim()->pair);
        assert_int_equal(hostile_peer()->packets_heard, 2);
        assert_int_equal(hostile_peer()->wrong, 0);
        if (mode < 3)
            hostile_stop();
    }
}

static void packets_are_sealed_where_they_stand(void **state)
{
    (void)state;
    size_t max = 0;
    hostile_start_up();
    struct quicktun_wire *wire = &hostile_victim()->wire;
    size_t len = wire->len;
    uint8_t *place = quicktun_place(victim_session(), wire, &max);
    assert_ptr_equal(place, wire->bytes + len + 2 + 16 + 1);
    assert_int_equal(max, QUICKTUN_PAYLOAD_MAX - 16 - 1);
    assert_true(pair_send(hostile_victim(), 100, 0));
    assert_int_equal(wire->len, len + 2 + 16 + 1 + 100);
}

static void payloads_are_padded_to_multiples(void **state)
{
    (void)state;
    hostile_victim()->options.pad_to = 100;
    hostile_start_up();
    for (size_t len = 11; len < 300; len++) {
        assert_true(pair_send(hostile_victim(), len, 0));
        size_t payload_len = pair_next_packet(hostile_victim()) - 2 - 16;
        assert_int_equal(payload_len % 100, 0);
        assert_true(payload_len < len + 3 + 100);
        hostile_hears();
    }
    assert_true(pair_send_batch(hostile_victim(), 3, 33));
    assert_int_equal((pair_next_packet(hostile_victim()) - 2 - 16) % 100, 0);
    hostile_hears();
    assert_int_equal(hostile_peer()->packets_heard, 289 + 3);
    assert_int_equal(hostile_peer()->wrong, 0);
}

static void packet_that_is_neither_ipv4_nor_ipv6_is_not_sent(void **state)
{
    (void)state;
    size_t max = 0;
    hostile_start_up();
    struct quicktun_wire *wire = &hostile_victim()->wire;
    uint8_t *place = quicktun_place(victim_session(), wire, &max);
    size_t len = wire->len;
    place[0] = 0x55;
    assert_int_equal(quicktun_packet(victim_session(), wire, 20, 0), 0);
    place[0] = 0x65;
    assert_int_equal(quicktun_packet(victim_session(), wire, 0, 0), 0);
    assert_int_equal(quicktun_packet(victim_session(), wire, max + 1, 0), 0);
    assert_int_equal(wire->len, len);
    assert_int_equal(victim_session()->counters.packets_dropped, 3);
}

static void packet_that_is_neither_ipv4_nor_ipv6_is_not_delivered(void **state)
{
    (void)state;
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_PACKET, "\x55xyz", 4), QUICKTUN_OK);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_PACKET, NULL, 0), QUICKTUN_OK);
    assert_int_equal(hostile_victim()->packets_heard, 0);
    assert_int_equal(victim_session()->counters.packets_dropped, 2);
}

static void frames_begin_with_whatever_they_like(void **state)
{
    (void)state;
    hostile_victim()->options.mode = hostile_peer()->options.mode = QUICKTUN_ETHERNET;
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_PACKET, "\xff\xff\xff", 3), QUICKTUN_OK);
    assert_int_equal(hostile_victim()->packets_heard, 1);
}

static void raw_frames_need_no_control_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair_end *end = i ? hostile_victim() : hostile_peer();
        hostile_weaken(end);
        end->keyed = false;
        end->options.mode = QUICKTUN_ETHERNET;
    }
    hostile_start_up();
    assert_true(pair_send(hostile_victim(), 100, 0));
    assert_int_equal(pair_next_packet(hostile_victim()), 2 + 100);
    hostile_hears();
    assert_int_equal(hostile_peer()->packets_heard, 1);
    assert_int_equal(hostile_peer()->wrong, 0);
}

static void full_wire_buffer_takes_no_packet(void **state)
{
    (void)state;
    size_t max = 0;
    struct quicktun_batch batch = {0};
    hostile_start_up();
    struct quicktun_wire wire = hostile_victim()->wire;
    wire.room = wire.len + 2 + 16 + 1;
    assert_null(quicktun_place(victim_session(), &wire, &max));
    assert_null(quicktun_batch_place(victim_session(), &wire, &batch, &max));
    wire.room++;
    assert_non_null(quicktun_place(victim_session(), &wire, &max));
    assert_int_equal(max, 1);
}

static void batch_takes_no_more_than_a_packet_holds(void **state)
{
    (void)state;
    hostile_start_up();
    assert_true(pair_send_batch(hostile_victim(), 100, 1400));
    assert_in_range(pair_next_packet(hostile_victim()), QUICKTUN_WIRE_MAX - 1500,
                    QUICKTUN_WIRE_MAX);
    hostile_hears();
    assert_int_equal(hostile_peer()->packets_heard, hostile_victim()->packets_sent);
    assert_int_equal(hostile_peer()->wrong, 0);
}

static void empty_batch_is_nothing(void **state)
{
    (void)state;
    struct quicktun_batch batch = {0};
    hostile_start_up();
    size_t len = hostile_victim()->wire.len;
    quicktun_batch_end(victim_session(), &hostile_victim()->wire, &batch);
    assert_int_equal(hostile_victim()->wire.len, len);
}

static void segments_go_only_where_agreed(void **state)
{
    (void)state;
    size_t max = 0;
    hostile_start_up();
    assert_false(quicktun_session_segmented(victim_session()));
    uint8_t *place = quicktun_place(victim_session(), &hostile_victim()->wire, &max);
    place[0] = 0x45;
    assert_int_equal(quicktun_packet(victim_session(), &hostile_victim()->wire, 3000, 1400), 0);
}

/* ---- Echoes and time ---- */

static void echo_request_is_answered_with_its_data(void **state)
{
    (void)state;
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ECHO, NULL, 200), QUICKTUN_OK);
    assert_int_equal(pair_next_packet(hostile_victim()), 2 + 16 + 1 + 200);
}

static void echo_request_whose_answer_would_not_fit_is_dropped(void **state)
{
    (void)state;
    hostile_start_up();
    hostile_victim()->wire.room = hostile_victim()->wire.len + QUICKTUN_ROOM;
    uint8_t *data = calloc(1, 1000);
    assert_non_null(data);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ECHO, data, 1000), QUICKTUN_OK);
    free(data);
    assert_int_equal(pair_underway(hostile_victim()), 0);
    assert_int_equal(victim_session()->counters.echoes_dropped, 1);
    hostile_victim()->wire.room = PAIR_BYTES_MAX;
}

static void silence_is_broken_by_an_echo_request_that_tells_the_round_trip(void **state)
{
    (void)state;
    hostile_start_up();
    uint64_t due_ms = quicktun_deadline(victim_session());
    assert_in_range(due_ms, 5000 + QUICKTUN_PING_AFTER_MS * 9 / 10, 5000 + QUICKTUN_PING_AFTER_MS);
    advance(due_ms - 5000);
    pair_tick(hostile_victim());
    assert_int_equal(pair_next_packet(hostile_victim()), 2 + 16 + 1 + 8);
    advance(37);
    hostile_hears();
    assert_int_equal(hostile_heard(), 0);
    assert_int_equal(victim_session()->counters.rtt_ms, 37);
}

static void round_trip_is_measured_at_once_and_while_packets_come(void **state)
{
    (void)state;
    hostile_start_up();
    struct quicktun_options options = {.meter_every_ms = 2000};
    assert_int_equal(quicktun_session_adjust(victim_session(), &options), QUICKTUN_OK);
    pair_tick(hostile_victim());
    assert_int_equal(pair_next_packet(hostile_victim()), 2 + 16 + 1 + 8);
    advance(37);
    hostile_hears();
    assert_int_equal(hostile_heard(), 0);
    assert_int_equal(victim_session()->counters.rtt_ms, 37);
    assert_int_equal(quicktun_deadline(victim_session()), 5000 + 2000);
    advance(2000 - 37);
    pair_tick(hostile_victim());
    assert_int_equal(pair_next_packet(hostile_victim()), 2 + 16 + 1 + 8);
}

static void silent_peer_is_dead(void **state)
{
    (void)state;
    hostile_start_up();
    advance(QUICKTUN_PING_AFTER_MS);
    pair_tick(hostile_victim());
    uint64_t dead_ms = quicktun_deadline(victim_session());
    assert_int_equal(dead_ms, 5000 + QUICKTUN_DEAD_AFTER_MS);
    advance(dead_ms - 5000 - QUICKTUN_PING_AFTER_MS - 1);
    pair_tick(hostile_victim());
    assert_int_equal(hostile_victim()->error, 0);
    advance(1);
    pair_tick(hostile_victim());
    assert_int_equal(hostile_victim()->error, QUICKTUN_E_DEAD);
}

static void adjusted_silence_counts_from_the_next_sign_of_life(void **state)
{
    (void)state;
    hostile_start_up();
    struct quicktun_options options = {.ping_after_ms = 500, .dead_after_ms = 1000};
    assert_int_equal(quicktun_session_adjust(victim_session(), &options), QUICKTUN_OK);
    assert_true(pair_send(hostile_peer(), 100, 0));
    pair_deliver(hostile_peer(), pair_underway(hostile_peer()));
    assert_in_range(quicktun_deadline(victim_session()), 5450, 5500);
    advance(500);
    pair_tick(hostile_victim());
    assert_int_equal(quicktun_deadline(victim_session()), 6000);
    advance(500);
    pair_tick(hostile_victim());
    assert_int_equal(hostile_victim()->error, QUICKTUN_E_DEAD);
}

static void peer_that_takes_our_bytes_is_alive(void **state)
{
    (void)state;
    hostile_start_up();
    advance(QUICKTUN_PING_AFTER_MS);
    pair_tick(hostile_victim());
    quicktun_progress(victim_session(), hostile_victim()->pair->now_ms);
    advance(QUICKTUN_DEAD_AFTER_MS - 1);
    pair_tick(hostile_victim());
    assert_int_equal(hostile_victim()->error, 0);
}

static void peer_that_takes_our_bytes_is_still_asked_and_given_up(void **state)
{
    (void)state;
    hostile_start_up();
    assert_false(quicktun_asked(victim_session()));
    advance(QUICKTUN_PING_AFTER_MS);
    pair_tick(hostile_victim());
    assert_true(quicktun_asked(victim_session()));
    quicktun_progress(victim_session(), hostile_victim()->pair->now_ms);
    assert_true(quicktun_asked(victim_session()));
    advance(QUICKTUN_DEAD_AFTER_MS);
    pair_tick(hostile_victim());
    assert_int_equal(hostile_victim()->error, QUICKTUN_E_DEAD);
}

static void peer_whose_bytes_drip_in_is_alive(void **state)
{
    (void)state;
    hostile_start_up();
    assert_true(pair_send(hostile_peer(), 1000, 0));
    for (int i = 0; i < 10; i++) {
        advance(QUICKTUN_PING_AFTER_MS - 1500);
        pair_deliver(hostile_peer(), 3);
        pair_tick(hostile_victim());
        assert_int_equal(hostile_victim()->error, 0);
        assert_int_equal(pair_underway(hostile_victim()), 0);
    }
    /* The same bytes again are no sign of life. */
    advance(QUICKTUN_PING_AFTER_MS);
    pair_feed(hostile_victim(), hostile_victim()->in, 0);
    pair_tick(hostile_victim());
    assert_true(pair_underway(hostile_victim()) > 0);
}

static void who_slept_asks_before_it_judges(void **state)
{
    (void)state;
    hostile_start_up();
    advance(3600 * 1000);
    pair_tick(hostile_victim());
    assert_int_equal(hostile_victim()->error, 0);
    assert_int_equal(pair_next_packet(hostile_victim()), 2 + 16 + 1 + 8);
    hostile_hears();
    assert_int_equal(hostile_heard(), 0);
    advance(QUICKTUN_DEAD_AFTER_MS);
    pair_tick(hostile_victim());
    assert_int_equal(hostile_victim()->error, 0);
}

/* A packet with that many commands that nobody knows. */
static int unknown_commands(size_t count)
{
    static uint8_t payload[1 + 3 * 10000];
    payload[0] = QUICKTUN_CODE_BATCH;
    for (size_t i = 0; i < count; i++)
        memcpy(payload + 1 + 3 * i, (uint8_t[]){0, 1, 200}, 3);
    return hostile_says(payload, 1 + 3 * count);
}

static void flood_of_commands_closes(void **state)
{
    (void)state;
    hostile_start_up();
    advance(10 * 1000); /* what they said so far is forgiven */
    assert_int_equal(unknown_commands(QUICKTUN_COMMANDS_BURST / 2), QUICKTUN_OK);
    assert_int_equal(unknown_commands(QUICKTUN_COMMANDS_BURST / 2), QUICKTUN_OK);
    advance(1000);
    assert_int_equal(unknown_commands(QUICKTUN_COMMANDS_PER_S), QUICKTUN_OK);
    assert_int_equal(unknown_commands(1), QUICKTUN_E_FLOOD);
}

static void flood_of_key_updates_closes_sooner(void **state)
{
    (void)state;
    uint8_t secret[QUICKTUN_KEY_LEN] = {1};
    uint8_t key[QUICKTUN_KEY_LEN];
    hostile_start_up();
    struct quicktun_session *peer = hostile_peer()->session;
    int error = 0;
    unsigned count = 0;
    for (; !error && count < 200; count++) {
        secret[1] = (uint8_t)count;
        assert_int_equal(crypto_scalarmult_base(key, secret), 0);
        error = hostile_commands(QUICKTUN_CODE_BEGIN_UPDATE, key, sizeof key);
        quicktun_direction_mine(&peer->out, secret, QUICKTUN_KIND_SESSION);
    }
    assert_int_equal(error, QUICKTUN_E_FLOOD);
    assert_true(count <= QUICKTUN_COMMANDS_BURST / QUICKTUN_COSTLY);
}

static void tunnelled_packets_are_no_flood(void **state)
{
    (void)state;
    hostile_start_up();
    for (unsigned i = 0; i < 2 * QUICKTUN_COMMANDS_BURST; i += 100) {
        assert_true(pair_send_batch(hostile_peer(), 100, 20));
        assert_int_equal(hostile_heard(), 0);
    }
}

static void little_room_makes_it_slower_but_not_wrong(void **state)
{
    (void)state;
    hostile_start();
    hostile_victim()->wire.room = QUICKTUN_ROOM - 1;
    pair_tick(hostile_victim());
    assert_int_equal(pair_underway(hostile_victim()), 0);
    hostile_victim()->wire.room = QUICKTUN_ROOM;
    pair_tick(hostile_victim());
    assert_int_equal(pair_underway(hostile_victim()), 10); /* the first packet, no more */
    hostile_victim()->wire.room = PAIR_BYTES_MAX;
    pair_settle(hostile_victim()->pair);
    assert_true(pair_up(hostile_victim()->pair));
}

int main(void)
{
#define SESSION(test) cmocka_unit_test_setup_teardown(test, hostile_setup, hostile_teardown)
    const struct CMUnitTest tests[] = {
        SESSION(safe_ends_come_up_with_session_keys),
        SESSION(first_packets_are_identification_and_options),
        SESSION(peer_is_nobody_before_its_start),
        SESSION(passwords_of_both_sides_are_asked_before_the_tunnel),
        SESSION(options_that_contradict_each_other_are_refused),
        SESSION(anonymous_end_cannot_disable_encryption),
        SESSION(end_whose_key_is_key_0_is_anonymous),
        SESSION(session_needs_random_bytes),
        SESSION(session_key_is_renewed_after_two_minutes_of_traffic),
        SESSION(session_key_of_an_idle_tunnel_stays),
        SESSION(session_key_is_renewed_after_a_number_of_bytes),
        SESSION(a_fast_line_has_no_more_key_updates_than_are_taken),
        SESSION(bytes_under_one_key_are_a_gibibyte_at_most),
        SESSION(old_secrets_are_gone_when_the_new_are_in_force),
        SESSION(secrets_are_gone_after_an_error),
        SESSION(largest_packet_goes_through_in_every_mode),
        SESSION(packets_are_sealed_where_they_stand),
        SESSION(payloads_are_padded_to_multiples),
        SESSION(packet_that_is_neither_ipv4_nor_ipv6_is_not_sent),
        SESSION(packet_that_is_neither_ipv4_nor_ipv6_is_not_delivered),
        SESSION(frames_begin_with_whatever_they_like),
        SESSION(raw_frames_need_no_control_only),
        SESSION(full_wire_buffer_takes_no_packet),
        SESSION(batch_takes_no_more_than_a_packet_holds),
        SESSION(empty_batch_is_nothing),
        SESSION(segments_go_only_where_agreed),
        SESSION(echo_request_is_answered_with_its_data),
        SESSION(echo_request_whose_answer_would_not_fit_is_dropped),
        SESSION(silence_is_broken_by_an_echo_request_that_tells_the_round_trip),
        SESSION(round_trip_is_measured_at_once_and_while_packets_come),
        SESSION(silent_peer_is_dead),
        SESSION(adjusted_silence_counts_from_the_next_sign_of_life),
        SESSION(peer_that_takes_our_bytes_is_alive),
        SESSION(peer_that_takes_our_bytes_is_still_asked_and_given_up),
        SESSION(peer_whose_bytes_drip_in_is_alive),
        SESSION(who_slept_asks_before_it_judges),
        SESSION(flood_of_commands_closes),
        SESSION(flood_of_key_updates_closes_sooner),
        SESSION(tunnelled_packets_are_no_flood),
        SESSION(little_room_makes_it_slower_but_not_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
