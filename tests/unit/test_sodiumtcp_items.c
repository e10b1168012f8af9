/* Items from BEGIN to FINISHED: offers, limits, credit, zstd. */
#include "tests/unit/sodiumtcp_steps.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- A file from BEGIN to FINISHED ---- */

static void file_goes_its_way(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    uint32_t number = steps_begin_file(pair, 300000, SODIUMTCP_REPLACE);
    steps_start(pair, number, 0);
    assert_int_equal(sodiumtcp_room(pair->client.session), SODIUMTCP_BLOCK_MAX);
    steps_data(pair, SODIUMTCP_BLOCK_MAX);
    assert_int_equal(sodiumtcp_room(pair->client.session), 300000 - SODIUMTCP_BLOCK_MAX);
    steps_data(pair, 300000 - SODIUMTCP_BLOCK_MAX);
    assert_int_equal(sodiumtcp_room(pair->client.session), 0);
    struct sodiumtcp_event event = steps_end(pair, SODIUMTCP_COMPLETE_HASHED);
    assert_int_equal(event.length, 300000);
    assert_memory_equal(event.hash, steps_hash, sizeof steps_hash);
    steps_ack(pair, number, SODIUMTCP_KEPT_VERIFIED);
    steps_finish(pair);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    pair_expect(pair, &pair->client, SODIUMTCP_FINISHED);
    assert_true(sodiumtcp_session_over(pair->client.session));
    assert_true(sodiumtcp_session_over(pair->server.session));
    assert_int_equal(sodiumtcp_end_of_input(pair->client.session, 0), 0);
    assert_int_equal(sodiumtcp_end_of_input(pair->server.session, 0), 0);
    assert_int_equal(sodiumtcp_deadline(pair->client.session), UINT64_MAX);
    pair_free(pair);
}

static void finished_waits_for_the_last_ack(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    steps_begin_directory(pair);
    steps_begin_directory(pair);
    steps_finish(pair);
    pair_settle(pair);
    steps_ack(pair, 0, SODIUMTCP_KEPT);
    pair_settle(pair); /* no FINISHED came of it */
    steps_ack(pair, 1, SODIUMTCP_KEPT);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    pair_expect(pair, &pair->client, SODIUMTCP_FINISHED);
    pair_free(pair);
}

static void end_before_finished_is_too_early(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    assert_int_equal(sodiumtcp_end_of_input(pair->client.session, 0), SODIUMTCP_E_TRUNCATED);
    assert_int_equal(sodiumtcp_end_of_input(pair->server.session, 0), SODIUMTCP_E_TRUNCATED);
    pair_free(pair);
}

static void what_comes_when_all_is_over_is_dropped(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    steps_finish(pair);
    pair_control(pair, &pair->server);
    pair->server.in_len = 1000;
    pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    assert_int_equal(pair->server.in_len, 0);
    pair_free(pair);
}

static void item_arrives_as_it_was_sent(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    uint8_t name[SODIUMTCP_NAME_MAX];
    struct sodiumtcp_item item = {
        .kind = SODIUMTCP_FILE,
        .exists = SODIUMTCP_SKIP,
        .has_mode = true,
        .has_mtime = true,
        .mode = 0750,
        .size = SODIUMTCP_SIZE_MAX,
        .mtime_s = -5,
        .mtime_ns = 999999999,
    };
    item.name = (struct sodiumtcp_name){name, (size_t)sodiumtcp_name_from_path("a/b \xff/c", name)};
    struct side *client = &pair->client;
    uint32_t number;
    pair_wrote(client, sodiumtcp_begin(client->session, &item, &number, pair_out(client)));
    pair_deliver(pair, client);
    struct sodiumtcp_item got = pair_expect(pair, &pair->server, SODIUMTCP_BEGIN).item;
    assert_int_equal(got.kind, item.kind);
    assert_int_equal(got.exists, item.exists);
    assert_true(got.has_mode && got.has_mtime);
    assert_int_equal(got.mode, 0750);
    assert_int_equal(got.size, SODIUMTCP_SIZE_MAX);
    assert_int_equal(got.mtime_s, -5);
    assert_int_equal(got.mtime_ns, 999999999);
    assert_int_equal(got.name.len, item.name.len);
    assert_memory_equal(got.name.bytes, name, item.name.len);
    pair_free(pair);
}

static void stream_has_no_size_and_perhaps_no_name(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    struct sodiumtcp_item item = {.kind = SODIUMTCP_STREAM, .size = SODIUMTCP_SIZE_UNKNOWN};
    uint32_t number = steps_begin(pair, &item);
    steps_start(pair, number, 0);
    steps_data(pair, 5);
    steps_data(pair, 6);
    assert_int_equal(steps_end(pair, SODIUMTCP_COMPLETE).length, 11);
    pair_free(pair);
}

static void abandoned_file_may_be_short(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    uint32_t number = steps_begin_file(pair, 10, SODIUMTCP_REPLACE);
    steps_start(pair, number, 0);
    steps_data(pair, 5);
    assert_call_refused(sodiumtcp_end(pair->client.session, SODIUMTCP_COMPLETE, NULL, out));
    struct sodiumtcp_event event = steps_end(pair, SODIUMTCP_ABANDONED);
    assert_int_equal(event.status, SODIUMTCP_ABANDONED);
    assert_int_equal(event.length, 5);
    steps_ack(pair, number, SODIUMTCP_NOT_KEPT);
    steps_begin_file(pair, 10, SODIUMTCP_REPLACE);
    pair_free(pair);
}

/* ---- Offers ---- */

static void announcements_run_ahead_of_contents(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    uint32_t number;
    uint32_t first = steps_begin_file(pair, 1, SODIUMTCP_REPLACE);
    steps_start(pair, first, 0);
    uint32_t asked = steps_begin_file(pair, 100, SODIUMTCP_RESUME);
    uint32_t skipped = steps_begin_file(pair, 100, SODIUMTCP_SKIP);
    uint32_t directory = steps_begin_directory(pair);
    uint32_t last = steps_begin_file(pair, 1, SODIUMTCP_REPLACE);
    steps_offer(pair, asked, SODIUMTCP_PART_THERE, 60);
    steps_data(pair, 1);
    assert_false(sodiumtcp_may_start(pair->client.session, &number));
    steps_end(pair, SODIUMTCP_COMPLETE);
    assert_true(sodiumtcp_may_start(pair->client.session, &number));
    assert_int_equal(number, asked);
    steps_offer(pair, skipped, SODIUMTCP_LEAVE_IT, 0);
    assert_call_refused(sodiumtcp_start(pair->client.session, asked, 59, out));
    assert_call_refused(sodiumtcp_start(pair->client.session, skipped, 0, out));
    steps_start(pair, asked, 60);
    steps_data(pair, 40);
    assert_int_equal(steps_end(pair, SODIUMTCP_COMPLETE).length, 100);
    assert_true(sodiumtcp_may_start(pair->client.session, &number));
    assert_int_equal(number, last);
    steps_start(pair, last, 0);
    steps_ack(pair, first, SODIUMTCP_KEPT);
    steps_ack(pair, asked, SODIUMTCP_KEPT);
    steps_ack(pair, skipped, SODIUMTCP_SKIPPED);
    steps_ack(pair, directory, SODIUMTCP_KEPT);
    assert_call_refused(sodiumtcp_ack(pair->server.session, last, SODIUMTCP_KEPT, 0, out));
    pair_free(pair);
}

static void asked_file_waits_for_its_offer(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    uint32_t number = steps_begin_file(pair, 100, SODIUMTCP_RESUME);
    assert_call_refused(sodiumtcp_start(pair->client.session, number, 0, out));
    steps_offer(pair, number, SODIUMTCP_PART_THERE, 100);
    steps_start(pair, number, 0);
    pair_free(pair);
}

static void whole_part_needs_no_data(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    uint32_t number = steps_begin_file(pair, 100, SODIUMTCP_RESUME);
    steps_offer(pair, number, SODIUMTCP_PART_THERE, 100);
    steps_start(pair, number, 100);
    assert_int_equal(steps_end(pair, SODIUMTCP_COMPLETE).length, 100);
    pair_free(pair);
}

static void offer_fits_its_question(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    struct sodiumtcp_session *server = pair->server.session;
    uint32_t resume = steps_begin_file(pair, 100, SODIUMTCP_RESUME);
    uint32_t skip = steps_begin_file(pair, 100, SODIUMTCP_SKIP);
    uint32_t plain = steps_begin_file(pair, 100, SODIUMTCP_REPLACE);
    assert_call_refused(sodiumtcp_offer(server, skip, SODIUMTCP_NOTHING_THERE, 0, steps_hash, out));
    assert_call_refused(sodiumtcp_offer(server, resume, SODIUMTCP_LEAVE_IT, 0, steps_hash, out));
    assert_call_refused(sodiumtcp_offer(server, resume, SODIUMTCP_PART_THERE, 0, steps_hash, out));
    assert_call_refused(
        sodiumtcp_offer(server, resume, SODIUMTCP_PART_THERE, 101, steps_hash, out));
    assert_call_refused(
        sodiumtcp_offer(server, resume, SODIUMTCP_NOTHING_THERE, 1, steps_hash, out));
    assert_call_refused(
        sodiumtcp_offer(server, resume, (enum sodiumtcp_verdict)3, 0, steps_hash, out));
    steps_offer(pair, resume, SODIUMTCP_NOTHING_THERE, 0);
    assert_call_refused(
        sodiumtcp_offer(server, resume, SODIUMTCP_NOTHING_THERE, 0, steps_hash, out));
    assert_call_refused(sodiumtcp_offer(server, skip, SODIUMTCP_PART_THERE, 1, steps_hash, out));
    steps_offer(pair, skip, SODIUMTCP_NOTHING_THERE, 0);
    assert_call_refused(
        sodiumtcp_offer(server, plain, SODIUMTCP_NOTHING_THERE, 0, steps_hash, out));
    pair_free(pair);
}

/* ---- Limits ---- */

static void sixty_four_are_announced_ahead(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    for (uint32_t i = 0; i < SODIUMTCP_ASKED_MAX; i++) {
        assert_true(sodiumtcp_may_begin(pair->client.session));
        steps_begin_file(pair, 0, SODIUMTCP_REPLACE);
    }
    struct sodiumtcp_item item = pair_file(0);
    uint32_t number;
    assert_false(sodiumtcp_may_begin(pair->client.session));
    assert_call_refused(sodiumtcp_begin(pair->client.session, &item, &number, out));
    uint8_t body[SODIUMTCP_BEGIN_LEN + 5] = {0};
    store_u32(body, SODIUMTCP_ASKED_MAX);
    body[30] = 1;
    memcpy(body + SODIUMTCP_BEGIN_LEN, "\4name", 5);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_BEGIN, body, sizeof body, SODIUMTCP_E_ITEMS);
    pair_free(pair);
}

static void a_thousand_and_24_wait_for_their_ack(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    for (uint32_t i = 0; i < SODIUMTCP_UNACKED_MAX; i++)
        steps_begin_directory(pair);
    assert_false(sodiumtcp_may_begin(pair->client.session));
    steps_ack(pair, 0, SODIUMTCP_KEPT);
    assert_true(sodiumtcp_may_begin(pair->client.session));
    steps_begin_directory(pair);
    uint8_t body[SODIUMTCP_BEGIN_LEN + 5] = {0};
    store_u32(body, SODIUMTCP_UNACKED_MAX + 1);
    body[4] = SODIUMTCP_DIRECTORY;
    body[30] = 1;
    memcpy(body + SODIUMTCP_BEGIN_LEN, "\4name", 5);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_BEGIN, body, sizeof body, SODIUMTCP_E_ITEMS);
    pair_free(pair);
}

static void last_number_is_not_used(void **state)
{
    (void)state;
    struct sodiumtcp_items items = {.announced = SODIUMTCP_NO_ITEM,
                                    .offered = SODIUMTCP_NO_ITEM,
                                    .over = SODIUMTCP_NO_ITEM,
                                    .acked = SODIUMTCP_NO_ITEM};
    struct sodiumtcp_item item = pair_file(0);
    assert_int_equal(sodiumtcp_items_begin(&items, SODIUMTCP_NO_ITEM, &item), SODIUMTCP_E_ORDER);
    items.announced = items.offered = items.over = items.acked = SODIUMTCP_NO_ITEM - 1;
    assert_int_equal(sodiumtcp_items_begin(&items, SODIUMTCP_NO_ITEM - 1, &item), 0);
}

/* ---- Credit ---- */

static void client_stops_where_its_credit_ends(void **state)
{
    (void)state;
    struct sodiumtcp_options options = {.window = SODIUMTCP_WINDOW_MIN};
    struct pair *pair = pair_open(NULL, &options);
    steps_start(pair, steps_begin_file(pair, UINT64_C(1) << 40, SODIUMTCP_REPLACE), 0);
    for (int i = 0; i < 4; i++)
        steps_data(pair, SODIUMTCP_BLOCK_MAX);
    pair_settle(pair);
    assert_int_equal(sodiumtcp_room(pair->client.session), 0);
    assert_call_refused(sodiumtcp_data(pair->client.session, steps_zeros, 1, out));
    sodiumtcp_written(pair->server.session, SODIUMTCP_WINDOW_MIN / 4 - 1);
    assert_false(sodiumtcp_wants_to_send(pair->server.session));
    sodiumtcp_written(pair->server.session, 1);
    assert_true(sodiumtcp_wants_to_send(pair->server.session));
    pair_settle(pair);
    assert_int_equal(sodiumtcp_room(pair->client.session), SODIUMTCP_WINDOW_MIN / 4);
    pair_free(pair);
}

static void more_than_was_there_cannot_be_written(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    steps_start(pair, steps_begin_file(pair, 100, SODIUMTCP_REPLACE), 0);
    steps_data(pair, 50);
    sodiumtcp_written(pair->server.session, SIZE_MAX);
    assert_int_equal(pair->server.session->written, 50);
    pair_free(pair);
}

static void bytes_beyond_the_credit_are_a_breach(void **state)
{
    (void)state;
    struct sodiumtcp_options options = {.window = SODIUMTCP_WINDOW_MIN};
    struct pair *pair = pair_open(NULL, &options);
    steps_start(pair, steps_begin_file(pair, UINT64_C(1) << 40, SODIUMTCP_REPLACE), 0);
    for (int i = 0; i < 4; i++)
        steps_data(pair, SODIUMTCP_BLOCK_MAX);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_BLOCK, steps_zeros, 1, SODIUMTCP_E_CREDIT);
    pair_free(pair);
}

static void credit_only_grows(void **state)
{
    (void)state;
    static const uint64_t limits[] = {0, SODIUMTCP_WINDOW, SODIUMTCP_SIZE_MAX + 1};
    for (size_t i = 0; i < 3; i++) {
        struct pair *pair = steps_open();
        uint8_t body[SODIUMTCP_CREDIT_LEN];
        store_u64(body, limits[i]);
        pair_breach(pair, &pair->server, SODIUMTCP_PDU_CREDIT, body, sizeof body,
                    SODIUMTCP_E_CREDIT);
        pair_free(pair);
    }
}

/* ---- zstd ---- */

static void zstd_frame_counts_as_what_it_gives(void **state)
{
    (void)state;
    struct pair *pair = steps_open();
    struct side *client = &pair->client;
    steps_start(pair, steps_begin_file(pair, 1000000, SODIUMTCP_REPLACE), 0);
    uint8_t body[SODIUMTCP_ZSTD_HEAD + 10] = "....0123456789";
    assert_int_equal(sodiumtcp_room_zstd(client->session), 1000000);
    pair_wrote(client,
               sodiumtcp_data_zstd(client->session, body, sizeof body, 999999, pair_out(client)));
    pair_deliver(pair, client);
    struct sodiumtcp_event event = pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    assert_int_equal(event.plain_len, 999999);
    assert_int_equal(event.len, 10);
    assert_memory_equal(event.data, "0123456789", 10);
    assert_int_equal(sodiumtcp_room(client->session), 1);
    steps_data(pair, 1);
    assert_int_equal(steps_end(pair, SODIUMTCP_COMPLETE).length, 1000000);
    pair_free(pair);
}

static void zstd_frame_is_shorter_than_what_it_gives(void **state)
{
    (void)state;
    static const struct {
        uint32_t plain_len;
        size_t body_len;
        int error;
    } cases[] = {
        {0, 10, SODIUMTCP_E_FIELD},
        {SODIUMTCP_ZSTD_PLAIN_MIN - 1, 10, SODIUMTCP_E_FIELD},
        {600, 604, SODIUMTCP_E_FIELD},
        {SODIUMTCP_ZSTD_PLAIN_MAX + 1, 10, SODIUMTCP_E_FIELD},
        {UINT32_MAX, 10, SODIUMTCP_E_FIELD},
        {1000, 4, SODIUMTCP_E_SIZE},
        {SODIUMTCP_ZSTD_PLAIN_MAX, SODIUMTCP_BLOCK_MAX + 1, SODIUMTCP_E_SIZE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair *pair = steps_open();
        uint8_t *body = calloc(1, SODIUMTCP_BLOCK_MAX + 1);
        steps_start(pair, steps_begin_file(pair, SODIUMTCP_SIZE_MAX, SODIUMTCP_REPLACE), 0);
        assert_call_refused(sodiumtcp_data_zstd(pair->client.session, body, cases[i].body_len,
                                                cases[i].plain_len, out));
        store_u32(body, cases[i].plain_len);
        pair_breach(pair, &pair->client, SODIUMTCP_PDU_BLOCK_ZSTD, body, cases[i].body_len,
                    cases[i].error);
        free(body);
        pair_free(pair);
    }
}

static void zstd_that_was_not_agreed_is_refused(void **state)
{
    (void)state;
    struct pair *pair = pair_open(NULL, NULL);
    uint8_t body[10] = {0};
    steps_start(pair, steps_begin_file(pair, 1000, SODIUMTCP_REPLACE), 0);
    assert_int_equal(sodiumtcp_room_zstd(pair->client.session), 0);
    assert_call_refused(sodiumtcp_data_zstd(pair->client.session, body, 10, 100, out));
    store_u32(body, 100);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_BLOCK_ZSTD, body, 10, SODIUMTCP_E_TYPE);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_goes_its_way),
        cmocka_unit_test(finished_waits_for_the_last_ack),
        cmocka_unit_test(end_before_finished_is_too_early),
        cmocka_unit_test(what_comes_when_all_is_over_is_dropped),
        cmocka_unit_test(item_arrives_as_it_was_sent),
        cmocka_unit_test(stream_has_no_size_and_perhaps_no_name),
        cmocka_unit_test(abandoned_file_may_be_short),
        cmocka_unit_test(announcements_run_ahead_of_contents),
        cmocka_unit_test(asked_file_waits_for_its_offer),
        cmocka_unit_test(whole_part_needs_no_data),
        cmocka_unit_test(offer_fits_its_question),
        cmocka_unit_test(sixty_four_are_announced_ahead),
        cmocka_unit_test(a_thousand_and_24_wait_for_their_ack),
        cmocka_unit_test(last_number_is_not_used),
        cmocka_unit_test(client_stops_where_its_credit_ends),
        cmocka_unit_test(more_than_was_there_cannot_be_written),
        cmocka_unit_test(bytes_beyond_the_credit_are_a_breach),
        cmocka_unit_test(credit_only_grows),
        cmocka_unit_test(zstd_frame_counts_as_what_it_gives),
        cmocka_unit_test(zstd_frame_is_shorter_than_what_it_gives),
        cmocka_unit_test(zstd_that_was_not_agreed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
