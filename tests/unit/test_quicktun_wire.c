/*
 * Packets, wrappers and commands as bytes: what is malformed closes with its own error, what is
 * well-formed is understood at every cut.
 */
#include "tests/unit/quicktun_hostile.h"

#include "base/cursor.h"
#include "lib/quicktun/messages.h"

#include <stdlib.h>
#include <string.h>

/* ---- Malformed packets ---- */

static void closes(const void *payload, size_t len, int error)
{
    hostile_pair();
    hostile_start_up();
    assert_int_equal(hostile_says(payload, len), error);
}

static void empty_control_payload_closes(void **state)
{
    (void)state;
    static const uint8_t packet[] = {0x80, 0};
    hostile_start();
    pair_feed(hostile_victim(), packet, sizeof packet);
    assert_int_equal(hostile_victim()->error, QUICKTUN_E_EMPTY_CONTROL);
}

static void empty_encrypted_control_payload_closes(void **state)
{
    (void)state;
    closes("", 0, QUICKTUN_E_EMPTY_CONTROL);
}

static void padding_that_leaves_nothing_closes(void **state)
{
    (void)state;
    closes((uint8_t[]){14}, 1, QUICKTUN_E_PADDING);
    hostile_stop();
    closes((uint8_t[]){14, 0}, 2, QUICKTUN_E_PADDING);
    hostile_stop();
    closes((uint8_t[]){14, 3, 200, 0, 0}, 5, QUICKTUN_E_PADDING);
    hostile_stop();
    closes((uint8_t[]){14, 2, 0, 0}, 4, QUICKTUN_E_PADDING);
}

static void batch_that_lies_closes(void **state)
{
    (void)state;
    closes((uint8_t[]){15}, 1, QUICKTUN_E_BATCH); /* nothing in it */
    hostile_stop();
    closes((uint8_t[]){15, 0}, 2, QUICKTUN_E_BATCH); /* half a length */
    hostile_stop();
    closes((uint8_t[]){15, 0, 0}, 3, QUICKTUN_E_BATCH); /* an empty message */
    hostile_stop();
    closes((uint8_t[]){15, 0, 3, 200, 0}, 5, QUICKTUN_E_BATCH); /* past the end */
    hostile_stop();
    closes((uint8_t[]){15, 0, 1, 200, 0}, 5, QUICKTUN_E_BATCH); /* half a length behind one */
}

/* In memory that ends where the payload ends, so that a sanitizer sees a read past it. */
static void wrappers_are_not_read_past_the_end(void **state)
{
    (void)state;
    static const uint8_t whole[] = {15, 0, 9, 14, 2, 15, 0, 2, 200, 1, 0, 0, 0, 1, 201};
    hostile_start();
    assert_int_equal(quicktun_walk_check(whole, sizeof whole), QUICKTUN_OK);
    for (size_t len = 1; len < sizeof whole; len++) {
        uint8_t *cut = malloc(len);
        assert_non_null(cut);
        memcpy(cut, whole, len);
        int error = quicktun_walk_check(cut, len);
        assert_int_equal(error, len == 12 ? QUICKTUN_OK : QUICKTUN_E_BATCH);
        free(cut);
    }
}

/* n wrappers of that kind around an unknown command. */
static size_t wrap(uint8_t *payload, uint8_t code, size_t n)
{
    size_t len = 1;
    uint8_t inner[128] = {200};
    for (size_t i = 0; i < n; i++) {
        size_t header = code == QUICKTUN_CODE_PADDING ? 2 : 3;
        payload[0] = code;
        payload[1] = 0;
        payload[2] = (uint8_t)len; /* overwritten when it is padding */
        memcpy(payload + header, inner, len);
        len += header;
        memcpy(inner, payload, len);
    }
    return len;
}

static void ten_wrappers_are_opened_and_eleven_close(void **state)
{
    (void)state;
    static const uint8_t codes[] = {QUICKTUN_CODE_PADDING, QUICKTUN_CODE_BATCH};
    for (size_t i = 0; i < sizeof codes; i++) {
        uint8_t payload[128];
        hostile_pair();
        hostile_start_up();
        size_t len = wrap(payload, codes[i], QUICKTUN_WRAPPERS_MAX);
        assert_int_equal(hostile_says(payload, len), QUICKTUN_OK);
        assert_int_equal(hostile_victim()->session->counters.commands_skipped, 1);
        len = wrap(payload, codes[i], QUICKTUN_WRAPPERS_MAX + 1);
        assert_int_equal(hostile_says(payload, len), QUICKTUN_E_WRAPPERS);
        if (i == 0)
            hostile_stop();
    }
}

static void arguments_of_a_wrong_length_close(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        size_t len;
    } wrong[] = {{0, 1},  {1, 55}, {1, 57}, {2, 1},    {3, 31},   {3, 33}, {4, 1}, {6, 63},
                 {6, 65}, {7, 1},  {8, 1},  {11, 100}, {11, 102}, {17, 0}, {17, 2}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hostile_pair();
        hostile_start_up();
        assert_int_equal(hostile_commands(wrong[i].code, NULL, wrong[i].len), QUICKTUN_E_ARGUMENT);
        if (i + 1 < sizeof wrong / sizeof *wrong)
            hostile_stop();
    }
}

static void segmented_packet_without_its_size_closes(void **state)
{
    (void)state;
    hostile_victim()->options.segmented = true;
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_SEGMENTED, NULL, 1), QUICKTUN_E_ARGUMENT);
}

static void segmented_packet_that_was_not_agreed_closes(void **state)
{
    (void)state;
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_SEGMENTED, NULL, 40), QUICKTUN_E_SEGMENTED);
}

static void another_identification_closes(void **state)
{
    (void)state;
    hostile_start();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_IDENTIFICATION, "UICKTUM", 7),
                     QUICKTUN_E_IDENTIFICATION);
}

static void cut_identification_closes(void **state)
{
    (void)state;
    hostile_start();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_IDENTIFICATION, "UICKTU", 6),
                     QUICKTUN_E_IDENTIFICATION);
}

static void packet_outside_the_control_stream_closes_where_that_was_agreed(void **state)
{
    (void)state;
    static const uint8_t packet[] = {0x45, 0, 0, 20};
    hostile_start_up();
    assert_int_equal(hostile_says_raw(packet, sizeof packet), QUICKTUN_E_NOT_CONTROL);
}

static void packet_outside_the_control_stream_closes_where_that_is_required(void **state)
{
    (void)state;
    static const uint8_t packet[] = {0x45, 0, 0, 20};
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_victim()->options.require_control_only = true;
    hostile_start();
    assert_int_equal(hostile_says_raw(packet, sizeof packet), QUICKTUN_E_NOT_CONTROL);
}

static void ethernet_with_a_peer_without_control_only_closes(void **state)
{
    (void)state;
    static const uint8_t options[] = {QUICKTUN_OFFER_ENCRYPTION};
    hostile_victim()->options.mode = QUICKTUN_ETHERNET;
    hostile_start_up();
    hostile_victim()->session->zero_received = false;
    assert_int_equal(hostile_commands(QUICKTUN_CODE_OPTIONS, options, 1), QUICKTUN_OK);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_START_DATA, NULL, 0),
                     QUICKTUN_E_NO_CONTROL_ONLY);
}

/* ---- Routes and network configuration ---- */

static const uint8_t route4[] = {4, 1, 10, 20, 0, 0, 255, 255, 0, 0, 0, 0, 0, 7};

static void malformed_routes_close(void **state)
{
    (void)state;
    uint8_t route[sizeof route4];
    static const size_t lengths[] = {0, 1, 2, 9, 10, 11, 13};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        hostile_pair();
        hostile_start_up();
        assert_int_equal(hostile_commands(QUICKTUN_CODE_ROUTE, route4, lengths[i]),
                         QUICKTUN_E_ROUTE);
        hostile_stop();
    }
    memcpy(route, route4, sizeof route);
    route[1] = 2;
    hostile_pair();
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ROUTE, route, sizeof route), QUICKTUN_E_ROUTE);
}

static void withdrawal_needs_no_router_id(void **state)
{
    (void)state;
    static const uint8_t route[10] = {4, 0, 10, 20, 0, 0, 255, 255};
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ROUTE, route, sizeof route), QUICKTUN_OK);
}

static void unknown_families_and_modes_are_skipped(void **state)
{
    (void)state;
    uint8_t network[QUICKTUN_NETWORK_LEN] = {2};
    static const uint8_t route[] = {5, 1, 0};
    hostile_start_up();
    assert_int_equal(hostile_commands(QUICKTUN_CODE_ROUTE, route, sizeof route), QUICKTUN_OK);
    assert_int_equal(hostile_commands(QUICKTUN_CODE_NETWORK, network, sizeof network), QUICKTUN_OK);
    assert_int_equal(hostile_victim()->session->counters.commands_skipped, 2);
    assert_int_equal(hostile_victim()->networks_heard + hostile_victim()->routes_heard, 0);
}

static void route_is_read_as_it_is_written(void **state)
{
    (void)state;
    static const uint8_t families[] = {0, 4, 6};
    static const size_t lengths[] = {6, 4, 16};
    static const uint8_t ids[12] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
    for (size_t i = 0; i < sizeof families; i++) {
        uint8_t bytes[QUICKTUN_ROUTE_FIXED_MAX + sizeof ids];
        struct quicktun_route route = {.family = families[i], .valid = true};
        struct quicktun_route again;
        memset(route.network, 0x31, lengths[i]);
        memset(route.mask, 0x32, lengths[i]);
        size_t len = quicktun_message_write_route(&route, bytes);
        assert_int_equal(len, 2 + 2 * lengths[i]);
        memcpy(bytes + len, ids, sizeof ids);
        assert_int_equal(quicktun_message_read_route(bytes, len + sizeof ids, &again), 1);
        assert_int_equal(again.family, families[i]);
        assert_true(again.valid);
        assert_memory_equal(again.network, route.network, sizeof route.network);
        assert_memory_equal(again.mask, route.mask, sizeof route.mask);
        assert_int_equal(again.id_count, 3);
        assert_memory_equal(again.ids, ids, sizeof ids);
    }
    hostile_start();
}

static void network_configuration_is_read_as_it_is_written(void **state)
{
    (void)state;
    uint8_t bytes[QUICKTUN_NETWORK_LEN];
    uint8_t back[QUICKTUN_NETWORK_LEN];
    struct quicktun_network network;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    bytes[0] = QUICKTUN_ETHERNET;
    assert_true(quicktun_message_read_network(bytes, &network));
    assert_int_equal(network.mode, QUICKTUN_ETHERNET);
    assert_int_equal(network.ipv4.dns[3], 20);
    assert_int_equal(network.ipv6.address[0], 21);
    quicktun_message_write_network(&network, back);
    assert_memory_equal(back, bytes, sizeof bytes);
    hostile_start();
}

/* ---- Reading ---- */

static void engine_says_how_many_bytes_it_needs(void **state)
{
    (void)state;
    static const uint8_t start[] = {0x80, 57, 1};
    uint8_t in[64];
    uint8_t out[QUICKTUN_ROOM];
    struct quicktun_wire wire = {out, 0, sizeof out};
    struct quicktun_event event;
    size_t consumed = 1;
    hostile_start();
    memcpy(in, start, sizeof start);
    struct quicktun_session *session = hostile_victim()->session;
    for (size_t len = 0; len <= sizeof start; len++) {
        assert_int_equal(quicktun_receive(session, 5000, &wire, in, len, &consumed, &event), 0);
        assert_int_equal(event.type, QUICKTUN_NEED_MORE);
        assert_int_equal(event.need, len < 2 ? 2 : 59);
        assert_int_equal(consumed, 0);
    }
}

static void nothing_is_read_without_room_for_an_answer(void **state)
{
    (void)state;
    uint8_t in[] = {0x80, 2, 9, 'x'};
    uint8_t out[QUICKTUN_ROOM];
    struct quicktun_wire wire = {out, 1, sizeof out};
    struct quicktun_event event;
    size_t consumed = 1;
    hostile_weaken(hostile_victim());
    hostile_victim()->keyed = false;
    hostile_start();
    struct quicktun_session *session = hostile_victim()->session;
    assert_int_equal(quicktun_receive(session, 5000, &wire, in, sizeof in, &consumed, &event), 0);
    assert_int_equal(event.type, QUICKTUN_WRITE_FIRST);
    assert_int_equal(consumed, 0);
    wire.len = 0;
    assert_int_equal(quicktun_receive(session, 5000, &wire, in, sizeof in, &consumed, &event), 0);
    assert_int_equal(event.type, QUICKTUN_COMMAND);
    assert_int_equal(consumed, sizeof in);
    assert_memory_equal(out, ((uint8_t[]){0x80, 2, 10, 'x'}), 4);
}

static void commands_of_a_packet_come_one_by_one_and_the_packet_may_move(void **state)
{
    (void)state;
    static const uint8_t packet[] = {0x80, 12, 15, 0, 2, 200, 1, 0, 2, 201, 2, 0, 1, 202};
    static uint8_t places[3][sizeof packet];
    uint8_t out[QUICKTUN_ROOM];
    struct quicktun_wire wire = {out, 0, sizeof out};
    hostile_start();
    memcpy(places[0], packet, sizeof packet);
    for (size_t i = 0; i < 3; i++) {
        struct quicktun_event event;
        size_t consumed = 1;
        assert_int_equal(quicktun_receive(hostile_victim()->session, 5000, &wire, places[i],
                                          sizeof packet, &consumed, &event),
                         0);
        assert_int_equal(event.type, QUICKTUN_UNKNOWN);
        assert_int_equal(event.code, 200 + i);
        assert_int_equal(event.len, i < 2);
        assert_int_equal(consumed, i < 2 ? 0 : sizeof packet);
        if (i < 2) {
            assert_int_equal(event.data[0], i + 1);
            memcpy(places[i + 1], places[i], sizeof packet);
        }
    }
}

static void conversation_is_the_same_at_every_cut(void **state)
{
    (void)state;
    hostile_start_up();
    struct pair_end *peer = hostile_peer();
    assert_true(pair_send(peer, 300, 0));
    assert_true(pair_send_batch(peer, 3, 40));
    while (pair_underway(peer) > 0)
        pair_deliver(peer, 1);
    assert_int_equal(hostile_victim()->error, 0);
    assert_int_equal(hostile_victim()->packets_heard, 4);
    assert_int_equal(hostile_victim()->wrong, 0);
}

static void plaintext_does_not_show_before_its_tag_is_checked(void **state)
{
    (void)state;
    uint8_t in[64];
    uint8_t before[64];
    uint8_t out[QUICKTUN_ROOM];
    struct quicktun_wire wire = {out, 0, sizeof out};
    struct quicktun_event event;
    size_t consumed;
    hostile_start_up();
    struct pair_end *peer = hostile_peer();
    assert_true(quicktun_send_command(peer->session, &peer->wire, 200, "secret", 6));
    size_t len = pair_underway(peer);
    memcpy(in, peer->wire.bytes + peer->gone, len);
    in[len - 1] ^= 1;
    memcpy(before, in, len);
    assert_int_equal(
        quicktun_receive(hostile_victim()->session, 5000, &wire, in, len, &consumed, &event),
        QUICKTUN_E_AUTHENTICATION);
    assert_memory_equal(in, before, len);
    assert_null(event.data);
}

static void after_an_error_there_is_only_that_error(void **state)
{
    (void)state;
    uint8_t out[QUICKTUN_ROOM];
    struct quicktun_wire wire = {out, 0, sizeof out};
    hostile_start_up();
    assert_int_equal(hostile_says((uint8_t[]){15}, 1), QUICKTUN_E_BATCH);
    struct quicktun_session *session = hostile_victim()->session;
    assert_int_equal(hostile_commands(200, NULL, 0), QUICKTUN_E_BATCH);
    assert_int_equal(quicktun_tick(session, 5000, &wire), QUICKTUN_E_BATCH);
    assert_int_equal(quicktun_session_error(session), QUICKTUN_E_BATCH);
    assert_int_equal(quicktun_deadline(session), 0);
    assert_int_equal(wire.len, 0);
    assert_false(pair_send(hostile_victim(), 60, 0));
}

static void errors_have_texts_of_their_own(void **state)
{
    (void)state;
    for (int i = 0; i >= QUICKTUN_E_FLOOD; i--) {
        assert_string_not_equal(quicktun_error_text(i), "unknown error");
        for (int j = 0; j > i; j--)
            assert_string_not_equal(quicktun_error_text(i), quicktun_error_text(j));
    }
    assert_string_equal(quicktun_error_text(QUICKTUN_E_FLOOD - 1), "unknown error");
    assert_string_equal(quicktun_error_text(1), "unknown error");
    assert_string_equal(quicktun_command_name(9), "Echo request");
    assert_string_equal(quicktun_command_name(16), "unknown command");
    assert_string_equal(quicktun_command_name(QUICKTUN_NO_CODE), "unknown command");
    hostile_start();
}

int main(void)
{
#define WIRE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, hostile_teardown)
    const struct CMUnitTest tests[] = {
        WIRE(empty_control_payload_closes),
        WIRE(empty_encrypted_control_payload_closes),
        WIRE(padding_that_leaves_nothing_closes),
        WIRE(batch_that_lies_closes),
        WIRE(wrappers_are_not_read_past_the_end),
        WIRE(ten_wrappers_are_opened_and_eleven_close),
        WIRE(arguments_of_a_wrong_length_close),
        WIRE(segmented_packet_without_its_size_closes),
        WIRE(segmented_packet_that_was_not_agreed_closes),
        WIRE(another_identification_closes),
        WIRE(cut_identification_closes),
        WIRE(packet_outside_the_control_stream_closes_where_that_was_agreed),
        WIRE(packet_outside_the_control_stream_closes_where_that_is_required),
        WIRE(ethernet_with_a_peer_without_control_only_closes),
        WIRE(malformed_routes_close),
        WIRE(withdrawal_needs_no_router_id),
        WIRE(unknown_families_and_modes_are_skipped),
        WIRE(route_is_read_as_it_is_written),
        WIRE(network_configuration_is_read_as_it_is_written),
        WIRE(engine_says_how_many_bytes_it_needs),
        WIRE(nothing_is_read_without_room_for_an_answer),
        WIRE(commands_of_a_packet_come_one_by_one_and_the_packet_may_move),
        WIRE(conversation_is_the_same_at_every_cut),
        WIRE(plaintext_does_not_show_before_its_tag_is_checked),
        WIRE(after_an_error_there_is_only_that_error),
        WIRE(errors_have_texts_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
