#include "base/cursor.h"
#include "lib/sodiumtcp/items.h"
#include "tests/unit/sodiumtcp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t zeros[SODIUMTCP_ZSTD_PLAIN_MAX];
static const uint8_t hash[SODIUMTCP_HASH_LEN] = "thirty-two bytes of somebody's h";

static struct pair *open_pair(void)
{
    return pair_open(&pair_extension, &pair_extension);
}

/* ---- Steps of the client, delivered ---- */

static uint32_t begin(struct pair *pair, const struct sodiumtcp_item *item)
{
    uint32_t number = 0;
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_begin(client->session, item, &number, pair_out(client)));
    pair_deliver(pair, client);
    assert_int_equal(pair_expect(pair, &pair->server, SODIUMTCP_BEGIN).number, number);
    return number;
}

static uint32_t begin_file(struct pair *pair, uint64_t size, enum sodiumtcp_exists exists)
{
    struct sodiumtcp_item item = pair_file(size);
    item.exists = exists;
    return begin(pair, &item);
}

static uint32_t begin_directory(struct pair *pair)
{
    struct sodiumtcp_item item = pair_file(0);
    item.kind = SODIUMTCP_DIRECTORY;
    return begin(pair, &item);
}

static void start(struct pair *pair, uint32_t number, uint64_t offset)
{
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_start(client->session, number, offset, pair_out(client)));
    pair_deliver(pair, client);
    struct sodiumtcp_event event = pair_expect(pair, &pair->server, SODIUMTCP_START);
    assert_int_equal(event.number, number);
    assert_int_equal(event.length, offset);
}

static void data(struct pair *pair, size_t len)
{
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_data(client->session, zeros, len, pair_out(client)));
    pair_deliver(pair, client);
    struct sodiumtcp_event event = pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    assert_int_equal(event.len, len);
    assert_int_equal(event.plain_len, 0);
}

static struct sodiumtcp_event end(struct pair *pair, enum sodiumtcp_end_status status)
{
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_end(client->session, status, hash, pair_out(client)));
    pair_deliver(pair, client);
    return pair_expect(pair, &pair->server, SODIUMTCP_END);
}

static void offer(struct pair *pair, uint32_t number, enum sodiumtcp_verdict verdict,
                  uint64_t length)
{
    struct side *server = &pair->server;
    pair_wrote(server,
               sodiumtcp_offer(server->session, number, verdict, length, hash, pair_out(server)));
    pair_deliver(pair, server);
    struct sodiumtcp_event event = pair_expect(pair, &pair->client, SODIUMTCP_OFFER);
    assert_int_equal(event.number, number);
    assert_int_equal(event.verdict, verdict);
    assert_int_equal(event.length, length);
    assert_memory_equal(event.hash, verdict == SODIUMTCP_PART_THERE ? hash : zeros, sizeof hash);
}

static void ack(struct pair *pair, uint32_t number, enum sodiumtcp_ack_status status)
{
    struct side *server = &pair->server;
    pair_wrote(server, sodiumtcp_ack(server->session, number, status, 77, pair_out(server)));
    pair_deliver(pair, server);
    struct sodiumtcp_event event = pair_expect(pair, &pair->client, SODIUMTCP_ACK);
    assert_int_equal(event.number, number);
    assert_int_equal(event.status, status);
    assert_int_equal(event.length, 77);
}

static void finish(struct pair *pair)
{
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_finish(client->session, pair_out(client)));
    pair_deliver(pair, client);
    pair_expect(pair, &pair->server, SODIUMTCP_FINISH);
}

/* The engine calls what the protocol does not allow a mistake of the caller's, and goes on. */
#define assert_call_refused(call)                                                                  \
    do {                                                                                           \
        uint8_t out_[SODIUMTCP_BEGIN_ROOM];                                                        \
        uint8_t *out = out_;                                                                       \
        assert_int_equal(call, SODIUMTCP_E_CALL);                                                  \
        (void)out;                                                                                 \
    } while (0)

/* ---- A file from BEGIN to FINISHED ---- */

static void file_goes_its_way(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    uint32_t number = begin_file(pair, 300000, SODIUMTCP_REPLACE);
    start(pair, number, 0);
    assert_int_equal(sodiumtcp_room(pair->client.session), SODIUMTCP_BLOCK_MAX);
    data(pair, SODIUMTCP_BLOCK_MAX);
    assert_int_equal(sodiumtcp_room(pair->client.session), 300000 - SODIUMTCP_BLOCK_MAX);
    data(pair, 300000 - SODIUMTCP_BLOCK_MAX);
    assert_int_equal(sodiumtcp_room(pair->client.session), 0);
    struct sodiumtcp_event event = end(pair, SODIUMTCP_COMPLETE_HASHED);
    assert_int_equal(event.length, 300000);
    assert_memory_equal(event.hash, hash, sizeof hash);
    ack(pair, number, SODIUMTCP_KEPT_VERIFIED);
    finish(pair);
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
    struct pair *pair = open_pair();
    begin_directory(pair);
    begin_directory(pair);
    finish(pair);
    pair_settle(pair);
    ack(pair, 0, SODIUMTCP_KEPT);
    pair_settle(pair); /* no FINISHED came of it */
    ack(pair, 1, SODIUMTCP_KEPT);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    pair_expect(pair, &pair->client, SODIUMTCP_FINISHED);
    pair_free(pair);
}

static void end_before_finished_is_too_early(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    assert_int_equal(sodiumtcp_end_of_input(pair->client.session, 0), SODIUMTCP_E_TRUNCATED);
    assert_int_equal(sodiumtcp_end_of_input(pair->server.session, 0), SODIUMTCP_E_TRUNCATED);
    pair_free(pair);
}

static void what_comes_when_all_is_over_is_dropped(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    finish(pair);
    pair_control(pair, &pair->server);
    pair->server.in_len = 1000;
    pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    assert_int_equal(pair->server.in_len, 0);
    pair_free(pair);
}

static void item_arrives_as_it_was_sent(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
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
    struct pair *pair = open_pair();
    struct sodiumtcp_item item = {.kind = SODIUMTCP_STREAM, .size = SODIUMTCP_SIZE_UNKNOWN};
    uint32_t number = begin(pair, &item);
    start(pair, number, 0);
    data(pair, 5);
    data(pair, 6);
    assert_int_equal(end(pair, SODIUMTCP_COMPLETE).length, 11);
    pair_free(pair);
}

static void abandoned_file_may_be_short(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    uint32_t number = begin_file(pair, 10, SODIUMTCP_REPLACE);
    start(pair, number, 0);
    data(pair, 5);
    assert_call_refused(sodiumtcp_end(pair->client.session, SODIUMTCP_COMPLETE, NULL, out));
    struct sodiumtcp_event event = end(pair, SODIUMTCP_ABANDONED);
    assert_int_equal(event.status, SODIUMTCP_ABANDONED);
    assert_int_equal(event.length, 5);
    ack(pair, number, SODIUMTCP_NOT_KEPT);
    begin_file(pair, 10, SODIUMTCP_REPLACE);
    pair_free(pair);
}

/* ---- Offers ---- */

static void announcements_run_ahead_of_contents(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    uint32_t number;
    uint32_t first = begin_file(pair, 1, SODIUMTCP_REPLACE);
    start(pair, first, 0);
    uint32_t asked = begin_file(pair, 100, SODIUMTCP_RESUME);
    uint32_t skipped = begin_file(pair, 100, SODIUMTCP_SKIP);
    uint32_t directory = begin_directory(pair);
    uint32_t last = begin_file(pair, 1, SODIUMTCP_REPLACE);
    offer(pair, asked, SODIUMTCP_PART_THERE, 60);
    data(pair, 1);
    assert_false(sodiumtcp_may_start(pair->client.session, &number));
    end(pair, SODIUMTCP_COMPLETE);
    assert_true(sodiumtcp_may_start(pair->client.session, &number));
    assert_int_equal(number, asked);
    offer(pair, skipped, SODIUMTCP_LEAVE_IT, 0);
    assert_call_refused(sodiumtcp_start(pair->client.session, asked, 59, out));
    assert_call_refused(sodiumtcp_start(pair->client.session, skipped, 0, out));
    start(pair, asked, 60);
    data(pair, 40);
    assert_int_equal(end(pair, SODIUMTCP_COMPLETE).length, 100);
    assert_true(sodiumtcp_may_start(pair->client.session, &number));
    assert_int_equal(number, last);
    start(pair, last, 0);
    ack(pair, first, SODIUMTCP_KEPT);
    ack(pair, asked, SODIUMTCP_KEPT);
    ack(pair, skipped, SODIUMTCP_SKIPPED);
    ack(pair, directory, SODIUMTCP_KEPT);
    assert_call_refused(sodiumtcp_ack(pair->server.session, last, SODIUMTCP_KEPT, 0, out));
    pair_free(pair);
}

static void asked_file_waits_for_its_offer(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    uint32_t number = begin_file(pair, 100, SODIUMTCP_RESUME);
    assert_call_refused(sodiumtcp_start(pair->client.session, number, 0, out));
    offer(pair, number, SODIUMTCP_PART_THERE, 100);
    start(pair, number, 0);
    pair_free(pair);
}

static void whole_part_needs_no_data(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    uint32_t number = begin_file(pair, 100, SODIUMTCP_RESUME);
    offer(pair, number, SODIUMTCP_PART_THERE, 100);
    start(pair, number, 100);
    assert_int_equal(end(pair, SODIUMTCP_COMPLETE).length, 100);
    pair_free(pair);
}

static void offer_fits_its_question(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    struct sodiumtcp_session *server = pair->server.session;
    uint32_t resume = begin_file(pair, 100, SODIUMTCP_RESUME);
    uint32_t skip = begin_file(pair, 100, SODIUMTCP_SKIP);
    uint32_t plain = begin_file(pair, 100, SODIUMTCP_REPLACE);
    assert_call_refused(sodiumtcp_offer(server, skip, SODIUMTCP_NOTHING_THERE, 0, hash, out));
    assert_call_refused(sodiumtcp_offer(server, resume, SODIUMTCP_LEAVE_IT, 0, hash, out));
    assert_call_refused(sodiumtcp_offer(server, resume, SODIUMTCP_PART_THERE, 0, hash, out));
    assert_call_refused(sodiumtcp_offer(server, resume, SODIUMTCP_PART_THERE, 101, hash, out));
    assert_call_refused(sodiumtcp_offer(server, resume, SODIUMTCP_NOTHING_THERE, 1, hash, out));
    assert_call_refused(sodiumtcp_offer(server, resume, (enum sodiumtcp_verdict)3, 0, hash, out));
    offer(pair, resume, SODIUMTCP_NOTHING_THERE, 0);
    assert_call_refused(sodiumtcp_offer(server, resume, SODIUMTCP_NOTHING_THERE, 0, hash, out));
    assert_call_refused(sodiumtcp_offer(server, skip, SODIUMTCP_PART_THERE, 1, hash, out));
    offer(pair, skip, SODIUMTCP_NOTHING_THERE, 0);
    assert_call_refused(sodiumtcp_offer(server, plain, SODIUMTCP_NOTHING_THERE, 0, hash, out));
    pair_free(pair);
}

/* ---- Limits ---- */

static void sixty_four_are_announced_ahead(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    for (uint32_t i = 0; i < SODIUMTCP_ASKED_MAX; i++) {
        assert_true(sodiumtcp_may_begin(pair->client.session));
        begin_file(pair, 0, SODIUMTCP_REPLACE);
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
    struct pair *pair = open_pair();
    for (uint32_t i = 0; i < SODIUMTCP_UNACKED_MAX; i++)
        begin_directory(pair);
    assert_false(sodiumtcp_may_begin(pair->client.session));
    ack(pair, 0, SODIUMTCP_KEPT);
    assert_true(sodiumtcp_may_begin(pair->client.session));
    begin_directory(pair);
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
    start(pair, begin_file(pair, UINT64_C(1) << 40, SODIUMTCP_REPLACE), 0);
    for (int i = 0; i < 4; i++)
        data(pair, SODIUMTCP_BLOCK_MAX);
    pair_settle(pair);
    assert_int_equal(sodiumtcp_room(pair->client.session), 0);
    assert_call_refused(sodiumtcp_data(pair->client.session, zeros, 1, out));
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
    struct pair *pair = open_pair();
    start(pair, begin_file(pair, 100, SODIUMTCP_REPLACE), 0);
    data(pair, 50);
    sodiumtcp_written(pair->server.session, SIZE_MAX);
    assert_int_equal(pair->server.session->written, 50);
    pair_free(pair);
}

static void bytes_beyond_the_credit_are_a_breach(void **state)
{
    (void)state;
    struct sodiumtcp_options options = {.window = SODIUMTCP_WINDOW_MIN};
    struct pair *pair = pair_open(NULL, &options);
    start(pair, begin_file(pair, UINT64_C(1) << 40, SODIUMTCP_REPLACE), 0);
    for (int i = 0; i < 4; i++)
        data(pair, SODIUMTCP_BLOCK_MAX);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_BLOCK, zeros, 1, SODIUMTCP_E_CREDIT);
    pair_free(pair);
}

static void credit_only_grows(void **state)
{
    (void)state;
    static const uint64_t limits[] = {0, SODIUMTCP_WINDOW, SODIUMTCP_SIZE_MAX + 1};
    for (size_t i = 0; i < 3; i++) {
        struct pair *pair = open_pair();
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
    struct pair *pair = open_pair();
    struct side *client = &pair->client;
    start(pair, begin_file(pair, 1000000, SODIUMTCP_REPLACE), 0);
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
    data(pair, 1);
    assert_int_equal(end(pair, SODIUMTCP_COMPLETE).length, 1000000);
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
        struct pair *pair = open_pair();
        uint8_t *body = calloc(1, SODIUMTCP_BLOCK_MAX + 1);
        start(pair, begin_file(pair, SODIUMTCP_SIZE_MAX, SODIUMTCP_REPLACE), 0);
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
    start(pair, begin_file(pair, 1000, SODIUMTCP_REPLACE), 0);
    assert_int_equal(sodiumtcp_room_zstd(pair->client.session), 0);
    assert_call_refused(sodiumtcp_data_zstd(pair->client.session, body, 10, 100, out));
    store_u32(body, 100);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_BLOCK_ZSTD, body, 10, SODIUMTCP_E_TYPE);
    pair_free(pair);
}

/* ---- Sides ---- */

static void each_side_has_its_own_steps(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    struct sodiumtcp_session *client = pair->client.session;
    struct sodiumtcp_session *server = pair->server.session;
    struct sodiumtcp_item item = pair_file(0);
    uint32_t number;
    pair_settle(pair);
    assert_false(sodiumtcp_may_begin(server));
    assert_call_refused(sodiumtcp_begin(server, &item, &number, out));
    assert_call_refused(sodiumtcp_finish(server, out));
    begin_file(pair, 1, SODIUMTCP_RESUME);
    assert_call_refused(sodiumtcp_offer(client, 0, SODIUMTCP_NOTHING_THERE, 0, hash, out));
    offer(pair, 0, SODIUMTCP_NOTHING_THERE, 0);
    assert_false(sodiumtcp_may_start(server, &number));
    assert_call_refused(sodiumtcp_start(server, 0, 0, out));
    start(pair, 0, 0);
    assert_int_equal(sodiumtcp_room(server), 0);
    assert_int_equal(sodiumtcp_room_zstd(server), 0);
    assert_call_refused(sodiumtcp_end(server, SODIUMTCP_ABANDONED, NULL, out));
    end(pair, SODIUMTCP_ABANDONED);
    assert_call_refused(sodiumtcp_ack(client, 0, SODIUMTCP_KEPT, 0, out));
    ack(pair, 0, SODIUMTCP_KEPT);
    pair_free(pair);
}

/* ---- ERROR ---- */

static void error_ends_both_sides_with_its_text(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    struct side *server = &pair->server;
    uint32_t number = begin_file(pair, 10, SODIUMTCP_REPLACE);
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
    struct pair *pair = open_pair();
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
    struct pair *pair = open_pair();
    struct sodiumtcp_counters counters;
    sodiumtcp_session_counters(pair->client.session, &counters);
    uint64_t before = counters.pdus_sent;
    for (int i = 0; i < 20; i++) {
        begin_directory(pair);
        pair_settle(pair);
    }
    sodiumtcp_session_counters(pair->client.session, &counters);
    assert_int_equal(counters.pdus_sent - before, 20 + SODIUMTCP_PADDED_PDUS);
    pair_free(pair);
}

static void padding_has_its_limit(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    pair_forge(&pair->client, SODIUMTCP_PDU_PADDING, zeros, SODIUMTCP_PADDING_MAX);
    pair_forge(&pair->client, SODIUMTCP_PDU_PADDING, zeros, 0);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_PADDING, zeros, SODIUMTCP_PADDING_MAX + 1,
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
    struct pair *pair = open_pair();
    start(pair, begin_file(pair, 10, SODIUMTCP_REPLACE), 0);
    begin_file(pair, 10, SODIUMTCP_RESUME);
    data(pair, 4);
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
    struct pair *pair = open_pair();
    begin_directory(pair);
    pair_breach(pair, &pair->server, SODIUMTCP_PDU_ACK, "\0\0\0\0\4\0\0\0\0\0\0\0\0", 13,
                SODIUMTCP_E_FIELD);
    pair_free(pair);
    pair = open_pair();
    begin_directory(pair);
    ack(pair, 0, SODIUMTCP_KEPT);
    pair_breach(pair, &pair->server, SODIUMTCP_PDU_ACK, "\0\0\0\0\0\0\0\0\0\0\0\0\0", 13,
                SODIUMTCP_E_ORDER);
    pair_free(pair);
}

static void offset_is_nothing_or_the_part(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    uint32_t number = begin_file(pair, 10, SODIUMTCP_RESUME);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_START, "\0\0\0\0\0\0\0\0\0\0\0\0", 12,
                SODIUMTCP_E_ORDER);
    pair_free(pair);
    pair = open_pair();
    number = begin_file(pair, 10, SODIUMTCP_RESUME);
    offer(pair, number, SODIUMTCP_PART_THERE, 6);
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_START, "\0\0\0\0\0\0\0\0\0\0\0\5", 12,
                SODIUMTCP_E_LENGTH);
    pair_free(pair);
}

static void nothing_is_announced_after_finish(void **state)
{
    (void)state;
    struct pair *pair = open_pair();
    begin_directory(pair);
    finish(pair);
    struct sodiumtcp_item item = pair_file(0);
    uint32_t number;
    assert_false(sodiumtcp_may_begin(pair->client.session));
    assert_call_refused(sodiumtcp_begin(pair->client.session, &item, &number, out));
    assert_call_refused(sodiumtcp_finish(pair->client.session, out));
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_FINISH, "\0\0\0\1", 4, SODIUMTCP_E_ORDER);
    pair_free(pair);
    pair = open_pair();
    pair_breach(pair, &pair->client, SODIUMTCP_PDU_FINISH, "\0\0\0\1", 4, SODIUMTCP_E_ORDER);
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
