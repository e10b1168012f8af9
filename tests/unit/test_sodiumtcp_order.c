/* Steps of the wrong side, out of their order, forged; ERROR and padding. */
#include "tests/unit/sodiumtcp_steps.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Sides ---- */

static void each_side_has_its_own_steps(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    struct sodiumtcp_session *client = pair->client.session;
    struct sodiumtcp_session *server = pair->server.session;
    struct sodiumtcp_item item = pair_file(0);
    uint32_t number;
    pair_settle(pair);
    assert_false(sodiumtcp_may_begin(server));
    assert_call_refused(sodiumtcp_begin(server, &item, &number, out));
    assert_call_refused(sodiumtcp_finish(server, out));
    steps_begin_file(pair, 1, SODIUMTCP_RESUME);
    assert_call_refused(sodiumtcp_offer(client, 0, SODIUMTCP_NOTHING_THERE, 0, steps_hash, out));
    steps_offer(pair, 0, SODIUMTCP_NOTHING_THERE, 0);
    assert_false(sodiumtcp_may_start(server, &number));
    assert_call_refused(sodiumtcp_start(server, 0, 0, out));
    steps_start(pair, 0, 0);
    assert_int_equal(sodiumtcp_room(server), 0);
    assert_int_equal(sodiumtcp_room_zstd(server), 0);
    assert_call_refused(sodiumtcp_end(server, SODIUMTCP_ABANDONED, NULL, out));
    steps_end(pair, SODIUMTCP_ABANDONED);
    assert_call_refused(sodiumtcp_ack(client, 0, SODIUMTCP_KEPT, 0, out));
    steps_ack(pair, 0, SODIUMTCP_KEPT);
    pair_free(pair);
}

/* ---- ERROR ---- */

static void error_ends_both_sides_with_its_text(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    struct side *server = &pair->server;
    uint32_t number = steps_begin_file(pair, 10, SODIUMTCP_REPLACE);
    pair_wrote(server, sodiumtcp_stop(server->session, number, SODIUMTCP_CODE_NO_SPACE, "disk full",
                                      pair_out(server)));
    assert_true(sodiumtcp_session_over(server->session));
    pair_deliver(pair, server);
    struct sodiumtcp_event event = pair_expect(pair, &pair->client, SODIUMTCP_ERROR);
    assert_int_equal(event.number, number);
    assert_int_equal(event.code, SODIUMTCP_CODE_NO_SPACE);
    assert_int_equal(event.len, 9);
    assert_memory_equal(event.text, "disk full", 9);
    assert_true(sodiumtcp_session_over(pair->client.session));
    assert_call_refused(sodiumtcp_start(pair->client.session, number, 0, out));
    assert_false(sodiumtcp_wants_to_send(server->session));
    server->in_len = 500;
    pair_expect(pair, server, SODIUMTCP_NEED_MORE);
    assert_int_equal(server->in_len, 0);
    assert_int_equal(sodiumtcp_end_of_input(pair->client.session, 0), 0);
    pair_free(pair);
}

static void long_error_text_is_cut_and_an_empty_one_refused(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    char text[SODIUMTCP_ERROR_TEXT_MAX + 10];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    struct side *client = &pair->client;
    assert_call_refused(
        sodiumtcp_stop(client->session, SODIUMTCP_NO_ITEM, SODIUMTCP_CODE_STOPPED, "", out));
    long len = sodiumtcp_stop(client->session, SODIUMTCP_NO_ITEM, SODIUMTCP_CODE_STOPPED, text,
                              pair_out(client));
    assert_int_equal(len, SODIUMTCP_SMALL_ROOM);
    pair_wrote(client, len);
    pair_deliver(pair, client);
    assert_int_equal(pair_expect(pair, &pair->server, SODIUMTCP_ERROR).len,
                     SODIUMTCP_ERROR_TEXT_MAX);
    pair_free(pair);
}

/* ---- Padding ---- */

static void first_pdus_are_padded(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    struct sodiumtcp_counters counters;
    sodiumtcp_session_counters(pair->client.session, &counters);
    uint64_t before = counters.pdus_sent;
    for (int i = 0; i < 20; i++) {
        steps_begin_directory(pair);
        pair_settle(pair);
    }
    sodiumtcp_session_counters(pair->client.session, &counters);
    assert_int_equal(counters.pdus_sent - before, 20 + SODIUMTCP_PADDED_PDUS);
    pair_free(pair);
}

static void padding_has_its_limit(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    pair_forge(&pair->client, SODIUMTCP_PDU_PADDING, steps_zeros, SODIUMTCP_PADDING_MAX);
    pair_forge(&pair->client, SODIUMTCP_PDU_PADDING, steps_zeros, 0);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_PADDING, steps_zeros, SODIUMTCP_PADDING_MAX + 1,
                SODIUMTCP_E_SIZE);
    pair_free(pair);
}

/* ---- Steps out of order, forged ---- */

struct step {
    uint32_t type;
    size_t len;
    uint8_t body[45];
    int error;
};

/* Item 0 is open and has 4 of its 10 bytes, item 1 asks. */
static struct pair *midway(void)
{
    struct pair *pair = steps_open();
    steps_start(pair, steps_begin_file(pair, 10, SODIUMTCP_REPLACE), 0);
    steps_begin_file(pair, 10, SODIUMTCP_RESUME);
    steps_data(pair, 4);
    return pair;
}

static void client_steps_have_their_order(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {SODIUMTCP_PDU_START, 12, {0}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_START, 12, {0, 0, 0, 1}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_START, 11, {0}, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_BLOCK, 7, {0}, SODIUMTCP_E_LENGTH},
        {SODIUMTCP_PDU_BLOCK, 0, {0}, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_BLOCK_ZSTD, 6, {0, 0, 2, 0}, SODIUMTCP_E_LENGTH},
        {SODIUMTCP_PDU_END, 45, {0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 4}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_END, 45, {0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4}, SODIUMTCP_E_FIELD},
        {SODIUMTCP_PDU_END, 45, {0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5}, SODIUMTCP_E_LENGTH},
        {SODIUMTCP_PDU_END, 45, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4}, SODIUMTCP_E_LENGTH},
        {SODIUMTCP_PDU_END, 45, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10}, SODIUMTCP_E_LENGTH},
        {SODIUMTCP_PDU_END, 45, {0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 1}, SODIUMTCP_E_FIELD},
        {SODIUMTCP_PDU_END, 44, {0}, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_END, 45, {0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4}, SODIUMTCP_OK},
        {SODIUMTCP_PDU_FINISH, 4, {0, 0, 0, 2}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_OFFER, 45, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_ACK, 13, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_CREDIT, 8, {9}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_FINISHED, 4, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_DATA, 4, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_KEY_CLIENT, 45, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_ERROR, 5, {0}, SODIUMTCP_E_SIZE},
        {30, 0, {0}, SODIUMTCP_E_TYPE},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct pair *pair = midway();
        const struct step *step = &steps[i];
        if (step->error) {
            pair_breach(pair, &pair->client, step->type, step->body, step->len, step->error);
        } else {
            pair_forge(&pair->client, step->type, step->body, step->len);
            pair_deliver(pair, &pair->client);
            pair_expect(pair, &pair->server, SODIUMTCP_END);
        }
        pair_free(pair);
    }
}

static void server_steps_have_their_order(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {SODIUMTCP_PDU_OFFER, 45, {0}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_OFFER, 45, {0, 0, 0, 2}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_OFFER, 45, {0, 0, 0, 1, 3}, SODIUMTCP_E_FIELD},
        {SODIUMTCP_PDU_OFFER, 45, {0, 0, 0, 1, 2}, SODIUMTCP_E_FIELD},
        {SODIUMTCP_PDU_OFFER, 45, {0, 0, 0, 1, 1}, SODIUMTCP_E_LENGTH},
        {SODIUMTCP_PDU_OFFER, 45, {0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 11}, SODIUMTCP_E_LENGTH},
        {SODIUMTCP_PDU_OFFER, 45, {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1}, SODIUMTCP_E_LENGTH},
        {SODIUMTCP_PDU_OFFER, 45, {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, SODIUMTCP_E_FIELD},
        {SODIUMTCP_PDU_OFFER, 44, {0}, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_ACK, 13, {0}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_ACK, 13, {0, 0, 0, 1}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_ACK, 12, {0}, SODIUMTCP_E_SIZE},
        {SODIUMTCP_PDU_FINISHED, 4, {0, 0, 0, 2}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_FINISHED, 4, {0}, SODIUMTCP_E_ORDER},
        {SODIUMTCP_PDU_BEGIN, 45, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_START, 12, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_BLOCK, 1, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_END, 45, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_FINISH, 4, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_DATA, 32, {0}, SODIUMTCP_E_TYPE},
        {SODIUMTCP_PDU_KEY_SERVER, 45, {0}, SODIUMTCP_E_TYPE},
        {30, 0, {0}, SODIUMTCP_E_TYPE},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct pair *pair = midway();
        pair_breach(pair, &pair->server, steps[i].type, steps[i].body, steps[i].len,
                    steps[i].error);
        pair_free(pair);
    }
}

static void ack_has_its_status_and_its_turn(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    steps_begin_directory(pair);
    pair_breach(pair, &pair->server, SODIUMTCP_PDU_ACK, "\0\0\0\0\4\0\0\0\0\0\0\0\0", 13,
                SODIUMTCP_E_FIELD);
    pair_free(pair);
    pair = steps_open();
    steps_begin_directory(pair);
    steps_ack(pair, 0, SODIUMTCP_KEPT);
    pair_breach(pair, &pair->server, SODIUMTCP_PDU_ACK, "\0\0\0\0\0\0\0\0\0\0\0\0\0", 13,
                SODIUMTCP_E_ORDER);
    pair_free(pair);
}

static void offset_is_nothing_or_the_part(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    uint32_t number = steps_begin_file(pair, 10, SODIUMTCP_RESUME);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_START, "\0\0\0\0\0\0\0\0\0\0\0\0", 12,
                SODIUMTCP_E_ORDER);
    pair_free(pair);
    pair = steps_open();
    number = steps_begin_file(pair, 10, SODIUMTCP_RESUME);
    steps_offer(pair, number, SODIUMTCP_PART_THERE, 6);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_START, "\0\0\0\0\0\0\0\0\0\0\0\5", 12,
                SODIUMTCP_E_LENGTH);
    pair_free(pair);
}

static void nothing_is_announced_after_finish(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    steps_begin_directory(pair);
    steps_finish(pair);
    struct sodiumtcp_item item = pair_file(0);
    uint32_t number;
    assert_false(sodiumtcp_may_begin(pair->client.session));
    assert_call_refused(sodiumtcp_begin(pair->client.session, &item, &number, out));
    assert_call_refused(sodiumtcp_finish(pair->client.session, out));
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_FINISH, "\0\0\0\1", 4, SODIUMTCP_E_ORDER);
    pair_free(pair);
    pair = steps_open();
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_FINISH, "\0\0\0\1", 4, SODIUMTCP_E_ORDER);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_side_has_its_own_steps),
        cmocka_unit_test(error_ends_both_sides_with_its_text),
        cmocka_unit_test(long_error_text_is_cut_and_an_empty_one_refused),
        cmocka_unit_test(first_pdus_are_padded),
        cmocka_unit_test(padding_has_its_limit),
        cmocka_unit_test(client_steps_have_their_order),
        cmocka_unit_test(server_steps_have_their_order),
        cmocka_unit_test(ack_has_its_status_and_its_turn),
        cmocka_unit_test(offset_is_nothing_or_the_part),
        cmocka_unit_test(nothing_is_announced_after_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
