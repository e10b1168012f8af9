#include "tests/unit/sodiumtcp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t zeros[SODIUMTCP_PUBLIC_DATA_MAX + 1];

/* Opened, and the server knows the mode too. */
static struct pair *open_public(void)
{
    struct pair *pair = pair_open(&pair_public, NULL);
    pair_wrote(&pair->client,
               sodiumtcp_data(pair->client.session, NULL, 0, pair_out(&pair->client)));
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_READY);
    pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    assert_int_equal(pair_expect(pair, &pair->client, SODIUMTCP_ANSWERED).length, 0);
    return pair;
}

static void send_data(struct pair *pair, size_t len)
{
    pair_wrote(&pair->client,
               sodiumtcp_data(pair->client.session, zeros, len, pair_out(&pair->client)));
    pair_deliver(pair, &pair->client);
}

/* ---- DATA ---- */

static void data_is_answered_once_it_is_written(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    send_data(pair, SODIUMTCP_PUBLIC_DATA_MAX);
    assert_int_equal(pair_expect(pair, &pair->server, SODIUMTCP_DATA).len,
                     SODIUMTCP_PUBLIC_DATA_MAX);
    assert_false(sodiumtcp_wants_to_send(pair->server.session));
    sodiumtcp_written(pair->server.session, SODIUMTCP_PUBLIC_DATA_MAX - 1);
    assert_false(sodiumtcp_wants_to_send(pair->server.session));
    sodiumtcp_written(pair->server.session, 1);
    pair_control(pair, &pair->server);
    assert_int_equal(pair->server.out_len, SODIUMTCP_PUBLIC_ACK_LEN + SODIUMTCP_PDU_OVERHEAD);
    pair_deliver(pair, &pair->server);
    assert_int_equal(pair_expect(pair, &pair->client, SODIUMTCP_ANSWERED).length,
                     SODIUMTCP_PUBLIC_DATA_MAX);
    pair_free(pair);
}

static void sixteen_are_under_way_and_no_more(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    uint8_t out[100];
    for (size_t i = 0; i < SODIUMTCP_BLOCKS_MAX; i++) {
        assert_int_equal(sodiumtcp_room(pair->client.session), SODIUMTCP_PUBLIC_DATA_MAX);
        send_data(pair, i + 1);
        pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    }
    assert_int_equal(sodiumtcp_room(pair->client.session), 0);
    assert_int_equal(sodiumtcp_data(pair->client.session, zeros, 1, out), SODIUMTCP_E_CALL);
    sodiumtcp_written(pair->server.session, SIZE_MAX / 2);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    for (size_t i = 0; i < SODIUMTCP_BLOCKS_MAX; i++)
        assert_int_equal(pair_expect(pair, &pair->client, SODIUMTCP_ANSWERED).length, i + 1);
    send_data(pair, 7);
    pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    assert_false(sodiumtcp_wants_to_send(pair->server.session));
    pair_free(pair);
}

static void one_under_way_as_public_peers_do(void **state)
{
    (void)state;
    struct sodiumtcp_options options = {.public_only = true, .blocks = 1};
    struct pair *pair = pair_open(&options, NULL);
    send_data(pair, 5);
    assert_int_equal(sodiumtcp_room(pair->client.session), 0);
    pair_free(pair);
}

static void server_does_not_read_a_seventeenth(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    for (size_t i = 0; i <= SODIUMTCP_BLOCKS_MAX; i++)
        pair_forge(&pair->client, SODIUMTCP_PDU_DATA, zeros, 1);
    pair_deliver(pair, &pair->client);
    for (size_t i = 0; i < SODIUMTCP_BLOCKS_MAX; i++)
        pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    pair_expect(pair, &pair->server, SODIUMTCP_WAIT);
    assert_int_equal(pair->server.in_len, 1 + SODIUMTCP_MESSAGE_OVERHEAD);
    sodiumtcp_written(pair->server.session, 1);
    pair_expect(pair, &pair->server, SODIUMTCP_WAIT);
    pair_control(pair, &pair->server);
    pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    pair_free(pair);
}

static void expect_answer(const char *text, size_t len, int error)
{
    struct pair *pair = open_public();
    uint8_t body[SODIUMTCP_PUBLIC_ACK_LEN];
    memset(body, 0xaa, sizeof body);
    memcpy(body, text, len);
    send_data(pair, 100);
    if (error) {
        pair_breach(pair, &pair->server, SODIUMTCP_PDU_DATA, body, sizeof body, error);
    } else {
        pair_forge(&pair->server, SODIUMTCP_PDU_DATA, body, sizeof body);
        pair_deliver(pair, &pair->server);
        assert_int_equal(pair_expect(pair, &pair->client, SODIUMTCP_ANSWERED).length, 100);
    }
    pair_free(pair);
}

static void answer_is_read_up_to_its_nul(void **state)
{
    (void)state;
    expect_answer("DATA OK: RECEIVED 100 BYTES", 28, SODIUMTCP_OK);
    expect_answer("DATA OK: RECEIVED 100 BYTES", 27, SODIUMTCP_E_ANSWER);
    expect_answer("DATA OK: RECEIVED 101 BYTES", 28, SODIUMTCP_E_ANSWER);
    expect_answer("DATA OK: RECEIVED 10 BYTES", 27, SODIUMTCP_E_ANSWER);
    expect_answer("DATA OK: RECEIVED 0100 BYTES", 29, SODIUMTCP_E_ANSWER);
    expect_answer("", 1, SODIUMTCP_E_ANSWER);
}

static void answer_to_nothing_is_a_breach(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    pair_breach(pair, &pair->server, SODIUMTCP_PDU_DATA, "DATA OK: RECEIVED 0 BYTES\0\0\0\0\0\0",
                32, SODIUMTCP_E_ANSWER);
    pair_free(pair);
}

/* ---- PDUs that may not be ---- */

static void expect_header(struct side *side, struct pair *pair, uint32_t magic, uint32_t type,
                          uint32_t len, int error)
{
    uint8_t header[SODIUMTCP_HEADER_LEN];
    sodiumtcp_pdu_header(header, type, len);
    header[0] = (uint8_t)(magic >> 24);
    crypto_secretstream_xchacha20poly1305_push(&side->session->push, pair_out(side), NULL, header,
                                               sizeof header, NULL, 0, 0);
    pair_wrote(side, SODIUMTCP_HEADER_WIRE_LEN);
    pair_deliver(pair, side);
    pair_expect_error(pair, pair_other(pair, side), error);
    pair_free(pair);
}

/* Judged as soon as the header is there, before a body is waited for. */
static void sizes_and_magic_are_judged_at_the_header(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        uint32_t len;
        int error;
    } cases[] = {
        {SODIUMTCP_PDU_DATA, SODIUMTCP_PUBLIC_DATA_MAX + 1, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_DATA, UINT32_MAX, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_PING, 15, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_PING, 17, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_PONG, 0, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_CLIENT_AUTH, SODIUMTCP_AUTH_LEN, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_SERVER_HELO, SODIUMTCP_HELO_LEN, SODIUMTCP_E_TYPE},
        {0, 0, SODIUMTCP_E_TYPE},
        {6, 16, SODIUMTCP_E_TYPE},
        {15, 16, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_BLOCK, 1, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_PADDING, 0, SODIUMTCP_E_TYPE},
        {30, 0, SODIUMTCP_E_TYPE},
        {UINT32_MAX, 0, SODIUMTCP_E_TYPE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair *pair = open_public();
        expect_header(&pair->client, pair, 0xba000000, cases[i].type, cases[i].len, cases[i].error);
        pair = open_public();
        expect_header(&pair->server, pair, 0xba000000, cases[i].type, cases[i].len, cases[i].error);
    }
    struct pair *pair = open_public();
    expect_header(&pair->client, pair, 0xbb000000, SODIUMTCP_PDU_DATA, 0, SODIUMTCP_E_MAGIC);
    pair = open_public();
    expect_header(&pair->server, pair, 0xbb000000, SODIUMTCP_PDU_DATA, 31, SODIUMTCP_E_MAGIC);
    pair = open_public();
    expect_header(&pair->server, pair, 0xba000000, SODIUMTCP_PDU_DATA, 31, SODIUMTCP_E_SIZE);
}

static void other_tags_than_0_are_refused(void **state)
{
    (void)state;
    for (unsigned tag = 1; tag < 6; tag++) {
        for (int in_body = 0; in_body < 2; in_body++) {
            struct pair *pair = open_public();
            struct side *client = &pair->client;
            uint8_t header[SODIUMTCP_HEADER_LEN];
            sodiumtcp_pdu_header(header, SODIUMTCP_PDU_DATA, 1);
            crypto_secretstream_xchacha20poly1305_push(&client->session->push, pair_out(client),
                                                       NULL, header, sizeof header, NULL, 0,
                                                       in_body ? 0 : (unsigned char)tag);
            crypto_secretstream_xchacha20poly1305_push(&client->session->push,
                                                       pair_out(client) + 29, NULL, zeros, 1, NULL,
                                                       0, in_body ? (unsigned char)tag : 0);
            pair_wrote(client, 47);
            pair_deliver(pair, client);
            pair_expect_error(pair, &pair->server, SODIUMTCP_E_TAG);
            pair_free(pair);
        }
    }
}

static void changed_repeated_and_missing_messages_are_not_authentic(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        struct pair *pair = open_public();
        send_data(pair, 4);
        pair->server.in[i] ^= 1;
        pair_expect_error(pair, &pair->server, SODIUMTCP_E_AUTHENTICATION);
        pair_free(pair);
    }
    struct pair *pair = open_public();
    send_data(pair, 4);
    memcpy(pair->server.in + 50, pair->server.in, 50);
    pair->server.in_len = 100;
    pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_AUTHENTICATION);
    pair_free(pair);
    pair = open_public();
    send_data(pair, 4);
    pair->server.in_len = 0;
    send_data(pair, 4);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_AUTHENTICATION);
    pair_free(pair);
}

static void no_plain_byte_leaves_a_changed_message(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    uint8_t plain[64];
    uint8_t into[64] = {0};
    memset(plain, 0x55, sizeof plain);
    pair_wrote(&pair->client,
               sodiumtcp_data(pair->client.session, plain, sizeof plain, pair_out(&pair->client)));
    pair_deliver(pair, &pair->client);
    struct side *server = &pair->server;
    server->in[server->in_len - 1] ^= 1;
    struct sodiumtcp_event event;
    size_t consumed;
    assert_int_equal(sodiumtcp_receive(server->session, 0, server->in, server->in_len, into,
                                       sizeof into, &consumed, &event),
                     SODIUMTCP_E_AUTHENTICATION);
    assert_true(sodium_is_zero(into, sizeof into));
    assert_null(event.data);
    pair_free(pair);
}

static void body_is_opened_where_the_caller_wants_it(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    uint8_t plain[64];
    uint8_t into[64];
    memset(plain, 0x55, sizeof plain);
    struct side *server = &pair->server;
    for (size_t room = 63; room <= 64; room++) {
        pair_wrote(&pair->client, sodiumtcp_data(pair->client.session, plain, sizeof plain,
                                                 pair_out(&pair->client)));
        pair_deliver(pair, &pair->client);
        struct sodiumtcp_event event;
        size_t consumed;
        assert_int_equal(sodiumtcp_receive(server->session, 0, server->in, server->in_len, into,
                                           room, &consumed, &event),
                         0);
        assert_int_equal(consumed, server->in_len);
        assert_memory_equal(event.data, plain, sizeof plain);
        assert_ptr_equal(event.data, room == 64 ? into : server->in + SODIUMTCP_PLAIN_AT);
        server->in_len = 0;
    }
    pair_free(pair);
}

static void body_may_lie_in_the_wire_buffer_already(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    uint8_t *out = pair_out(&pair->client);
    memset(out + SODIUMTCP_PLAIN_AT, 0x77, 1000);
    pair_wrote(&pair->client,
               sodiumtcp_data(pair->client.session, out + SODIUMTCP_PLAIN_AT, 1000, out));
    pair_deliver(pair, &pair->client);
    struct sodiumtcp_event event = pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    assert_int_equal(event.len, 1000);
    for (size_t i = 0; i < event.len; i++)
        assert_int_equal(event.data[i], 0x77);
    pair_free(pair);
}

static void end_is_in_order_between_two_pdus_alone(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    assert_int_equal(sodiumtcp_end_of_input(pair->client.session, 0), 0);
    assert_int_equal(sodiumtcp_end_of_input(pair->server.session, 0), 0);
    send_data(pair, 3);
    assert_int_equal(sodiumtcp_end_of_input(pair->client.session, 0), SODIUMTCP_E_TRUNCATED);
    pair->server.in_len = SODIUMTCP_HEADER_WIRE_LEN;
    pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    assert_int_equal(sodiumtcp_end_of_input(pair->server.session, 0), SODIUMTCP_E_TRUNCATED);
    pair_free(pair);
    pair = open_public();
    assert_int_equal(sodiumtcp_end_of_input(pair->server.session, 1), SODIUMTCP_E_TRUNCATED);
    pair_free(pair);
}

static void extension_calls_are_refused_and_do_no_harm(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    uint8_t out[SODIUMTCP_BEGIN_ROOM];
    uint32_t number;
    struct sodiumtcp_item item = pair_file(0);
    struct sodiumtcp_session *client = pair->client.session;
    struct sodiumtcp_session *server = pair->server.session;
    assert_int_equal(sodiumtcp_begin(client, &item, &number, out), SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_start(client, 0, 0, out), SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_end(client, SODIUMTCP_COMPLETE, NULL, out), SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_finish(client, out), SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_offer(server, 0, SODIUMTCP_NOTHING_THERE, 0, NULL, out),
                     SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_ack(server, 0, SODIUMTCP_KEPT, 0, out), SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_stop(server, 0, SODIUMTCP_CODE_OTHER, "x", out), SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_data(server, zeros, 1, out), SODIUMTCP_E_CALL);
    assert_int_equal(sodiumtcp_room_zstd(client), 0);
    assert_false(sodiumtcp_may_begin(client));
    assert_false(sodiumtcp_may_start(client, &number));
    assert_int_equal(sodiumtcp_session_error(client), 0);
    assert_int_equal(sodiumtcp_session_error(server), 0);
    pair_free(pair);
}

/* ---- Pings ---- */

static void tick(struct pair *pair, struct side *side, uint64_t now_ms)
{
    pair->now_ms = now_ms;
    assert_int_equal(sodiumtcp_tick(side->session, now_ms), 0);
}

static void ping_comes_after_60_s_then_every_60_to_119(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    uint64_t start = pair->now_ms;
    assert_int_equal(sodiumtcp_deadline(pair->client.session), start + SODIUMTCP_PING_AFTER_MS);
    tick(pair, &pair->client, start + SODIUMTCP_PING_AFTER_MS - 1);
    assert_false(sodiumtcp_wants_to_send(pair->client.session));
    uint64_t shortest = UINT64_MAX;
    uint64_t longest = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t at = pair->client.session->pings.next_ms;
        tick(pair, &pair->client, at);
        assert_true(sodiumtcp_wants_to_send(pair->client.session));
        pair_settle(pair);
        uint64_t gap = pair->client.session->pings.next_ms - at;
        shortest = gap < shortest ? gap : shortest;
        longest = gap > longest ? gap : longest;
    }
    assert_in_range(shortest, 60000, 65000);
    assert_in_range(longest, 114000, 119000);
    pair_free(pair);
}

static void ping_and_pong_show_the_wall_clock_and_zeros(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    sodiumtcp_ping(pair->client.session);
    struct sodiumtcp_wall wall = {0x0102030405060708, 0x090a0b0c};
    long len = sodiumtcp_control(pair->client.session, 0, wall, pair_out(&pair->client),
                                 SODIUMTCP_CONTROL_ROOM);
    assert_int_equal(len, SODIUMTCP_PING_LEN + SODIUMTCP_PDU_OVERHEAD);
    crypto_secretstream_xchacha20poly1305_state pull = pair->server.session->pull;
    uint8_t plain[SODIUMTCP_PING_LEN];
    unsigned char tag;
    crypto_secretstream_xchacha20poly1305_pull(&pull, plain, NULL, &tag, pair->client.out, 29, NULL,
                                               0);
    crypto_secretstream_xchacha20poly1305_pull(&pull, plain, NULL, &tag, pair->client.out + 29, 33,
                                               NULL, 0);
    assert_memory_equal(plain, "\1\2\3\4\5\6\7\10\11\12\13\14\0\0\0\0", 16);
    pair_free(pair);
}

static void pong_gives_the_round_trip(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    struct sodiumtcp_counters counters;
    sodiumtcp_ping(pair->client.session);
    pair_control(pair, &pair->client);
    pair->now_ms += 42;
    pair_settle(pair);
    sodiumtcp_session_counters(pair->client.session, &counters);
    assert_int_equal(counters.rtt_ms, 42);
    pair_free(pair);
}

static void pong_nobody_asked_for_is_a_breach(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_PONG, zeros, 16, SODIUMTCP_E_PONG);
    pair_free(pair);
    pair = open_public();
    sodiumtcp_ping(pair->client.session);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    pair_control(pair, &pair->server);
    pair_forge(&pair->server, SODIUMTCP_PDU_PONG, zeros, 16);
    pair_deliver(pair, &pair->server);
    pair_expect_error(pair, &pair->client, SODIUMTCP_E_PONG);
    pair_free(pair);
}

static void three_unanswered_pings_are_the_most(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    struct side *client = &pair->client;
    for (int i = 0; i < SODIUMTCP_PINGS_MAX; i++) {
        tick(pair, client, client->session->pings.next_ms);
        pair_control(pair, client);
        sodiumtcp_progress(client->session, pair->now_ms);
    }
    sodiumtcp_ping(client->session);
    assert_false(sodiumtcp_wants_to_send(client->session));
    assert_int_equal(sodiumtcp_tick(client->session, client->session->pings.next_ms),
                     SODIUMTCP_E_PONGS);
    pair_expect_error(pair, client, SODIUMTCP_E_PONGS);
    pair_free(pair);
}

static void pings_without_room_for_a_pong_are_limited(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    for (int i = 0; i < SODIUMTCP_PONGS_MAX; i++)
        pair_forge(&pair->client, SODIUMTCP_PDU_PING, zeros, 16);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_PING, zeros, 16, SODIUMTCP_E_PINGS);
    pair_free(pair);
}

static void silence_of_180_s_is_death(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    struct sodiumtcp_session *client = pair->client.session;
    uint64_t dead = pair->now_ms + SODIUMTCP_IDLE_MS;
    assert_int_equal(sodiumtcp_tick(client, dead - 1), 0);
    assert_int_equal(sodiumtcp_tick(client, dead), SODIUMTCP_E_DEAD);
    pair_expect_error(pair, &pair->client, SODIUMTCP_E_DEAD);
    pair_free(pair);
}

static void progress_and_bytes_are_signs_of_life(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    struct sodiumtcp_session *server = pair->server.session;
    uint64_t start = pair->now_ms;
    sodiumtcp_progress(server, start + 100000);
    assert_int_equal(sodiumtcp_tick(server, start + SODIUMTCP_IDLE_MS + 99999), 0);
    pair->now_ms = start + 200000;
    send_data(pair, 1);
    pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    assert_int_equal(sodiumtcp_tick(server, start + 200000 + SODIUMTCP_IDLE_MS - 1), 0);
    pair_free(pair);
}

/* The machine slept: the silence is not the other side's. It is asked once. */
static void who_slept_asks_before_giving_up(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    struct sodiumtcp_session *client = pair->client.session;
    uint64_t woke = pair->now_ms + 3600000;
    assert_int_equal(sodiumtcp_tick(client, woke), 0);
    assert_true(sodiumtcp_wants_to_send(client));
    uint64_t deadline = sodiumtcp_deadline(client);
    assert_in_range(deadline, woke + 10000, woke + 30000);
    assert_int_equal(sodiumtcp_tick(client, deadline + 3600000), SODIUMTCP_E_DEAD);
    pair_free(pair);
}

static void without_randomness_the_next_ping_is_not_timed(void **state)
{
    (void)state;
    struct pair *pair = open_public();
    pair->client.random_fails = true;
    assert_int_equal(sodiumtcp_tick(pair->client.session, pair->now_ms + SODIUMTCP_PING_AFTER_MS),
                     SODIUMTCP_E_RANDOM);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_answered_once_it_is_written),
        cmocka_unit_test(sixteen_are_under_way_and_no_more),
        cmocka_unit_test(one_under_way_as_public_peers_do),
        cmocka_unit_test(server_does_not_read_a_seventeenth),
        cmocka_unit_test(answer_is_read_up_to_its_nul),
        cmocka_unit_test(answer_to_nothing_is_a_breach),
        cmocka_unit_test(sizes_and_magic_are_judged_at_the_header),
        cmocka_unit_test(other_tags_than_0_are_refused),
        cmocka_unit_test(changed_repeated_and_missing_messages_are_not_authentic),
        cmocka_unit_test(no_plain_byte_leaves_a_changed_message),
        cmocka_unit_test(body_is_opened_where_the_caller_wants_it),
        cmocka_unit_test(body_may_lie_in_the_wire_buffer_already),
        cmocka_unit_test(end_is_in_order_between_two_pdus_alone),
        cmocka_unit_test(extension_calls_are_refused_and_do_no_harm),
        cmocka_unit_test(ping_comes_after_60_s_then_every_60_to_119),
        cmocka_unit_test(ping_and_pong_show_the_wall_clock_and_zeros),
        cmocka_unit_test(pong_gives_the_round_trip),
        cmocka_unit_test(pong_nobody_asked_for_is_a_breach),
        cmocka_unit_test(three_unanswered_pings_are_the_most),
        cmocka_unit_test(pings_without_room_for_a_pong_are_limited),
        cmocka_unit_test(silence_of_180_s_is_death),
        cmocka_unit_test(progress_and_bytes_are_signs_of_life),
        cmocka_unit_test(who_slept_asks_before_giving_up),
        cmocka_unit_test(without_randomness_the_next_ping_is_not_timed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
