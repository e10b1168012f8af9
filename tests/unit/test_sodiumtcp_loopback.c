/*
 * Two engines, the bytes between them cut anywhere, both sides doing what they may in any order:
 * everything arrives, once, in order, unchanged.
 */
#include "tests/unit/sodiumtcp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS_MAX = 400, STEPS_MAX = 1000000, PIPE_MAX = 600 * 1024 };

/* What of an item is known to both tests' ends: everything else must come over the wire. */
struct planned {
    struct sodiumtcp_item item;
    uint64_t part;    /* bytes that the receiver has already */
    bool abandon;     /* by the sender, in the middle */
    uint64_t sent;    /* position of the sender */
    uint64_t arrived; /* position of the receiver */
    bool begun;
    bool offered;
    bool done; /* at the receiver */
    bool acked;
};

struct run {
    struct pair *pair;
    uint64_t random;
    struct planned items[ITEMS_MAX];
    size_t count;
    uint32_t announced;
    uint32_t open; /* or SODIUMTCP_NO_ITEM */
    uint32_t receiving;
    uint32_t acked;
    uint64_t unwritten;
    bool finished;
    uint64_t public_sent;
    uint64_t public_arrived;
    uint64_t public_answered;
};

static uint64_t below(struct run *run, uint64_t bound)
{
    return pair_random(&run->random) % bound;
}

/* The byte at a place of an item: a place or an item mixed up shows. */
static uint8_t content(uint32_t number, uint64_t at)
{
    return (uint8_t)(number * 31 + at * 7 + (at >> 8) * 3 + (at >> 16));
}

static void fill(uint8_t *out, uint32_t number, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = content(number, at + i);
}

static void check(const uint8_t *data, uint32_t number, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != content(number, at + i))
            fail_msg("item %u, byte %llu changed", number, (unsigned long long)(at + i));
}

/* ---- The sender ---- */

static void plan(struct run *run)
{
    static const uint8_t name[] = "\1d\4file";
    run->count = 1 + (size_t)below(run, ITEMS_MAX - 1);
    uint64_t largest = below(run, 4) == 0 ? 700000 : 3000;
    for (size_t i = 0; i < run->count; i++) {
        struct planned *planned = &run->items[i];
        struct sodiumtcp_item *item = &planned->item;
        item->name = (struct sodiumtcp_name){name, sizeof name - 1};
        item->kind = (enum sodiumtcp_kind)below(run, 3);
        item->exists =
            item->kind == SODIUMTCP_FILE ? (enum sodiumtcp_exists)below(run, 3) : SODIUMTCP_REPLACE;
        item->size = item->kind == SODIUMTCP_DIRECTORY ? 0 : below(run, largest);
        planned->part = item->exists != SODIUMTCP_REPLACE ? below(run, item->size + 1) : 0;
        planned->abandon = item->kind != SODIUMTCP_DIRECTORY && below(run, 10) == 0;
    }
}

static void send_begin(struct run *run)
{
    struct side *client = &run->pair->client;
    if (run->announced == run->count || !sodiumtcp_may_begin(client->session))
        return;
    struct planned *planned = &run->items[run->announced];
    struct sodiumtcp_item item = planned->item;
    if (item.kind == SODIUMTCP_STREAM && item.size % 2)
        item.size = SODIUMTCP_SIZE_UNKNOWN;
    uint32_t number;
    pair_wrote(client, sodiumtcp_begin(client->session, &item, &number, pair_out(client)));
    assert_int_equal(number, run->announced++);
}

static void send_start(struct run *run)
{
    struct side *client = &run->pair->client;
    uint32_t number;
    if (!sodiumtcp_may_start(client->session, &number))
        return;
    struct planned *planned = &run->items[number];
    bool resumes = planned->item.exists == SODIUMTCP_RESUME && planned->part > 0 && below(run, 4);
    planned->sent = resumes ? planned->part : 0;
    pair_wrote(client, sodiumtcp_start(client->session, number, planned->sent, pair_out(client)));
    run->open = number;
}

static void send_zstd(struct run *run, size_t len)
{
    struct side *client = &run->pair->client;
    uint8_t body[SODIUMTCP_ZSTD_HEAD + 1] = {0};
    body[SODIUMTCP_ZSTD_HEAD] = 0x5a; /* stands for the bytes from here on */
    pair_wrote(client, sodiumtcp_data_zstd(client->session, body, sizeof body, (uint32_t)len,
                                           pair_out(client)));
}

static void send_data(struct run *run)
{
    struct side *client = &run->pair->client;
    size_t room = sodiumtcp_room(client->session);
    if (run->open == SODIUMTCP_NO_ITEM || client->out_len > PIPE_MAX)
        return;
    struct planned *planned = &run->items[run->open];
    uint64_t left = planned->item.size - planned->sent;
    if (left == 0 || (planned->abandon && below(run, 3) == 0)) {
        enum sodiumtcp_end_status status =
            planned->abandon ? SODIUMTCP_ABANDONED : SODIUMTCP_COMPLETE;
        pair_wrote(client, sodiumtcp_end(client->session, status, NULL, pair_out(client)));
        run->open = SODIUMTCP_NO_ITEM;
        return;
    }
    size_t len = (size_t)(left < room ? left : room);
    if (len == 0)
        return;
    len = 1 + (size_t)below(run, len);
    if (len >= SODIUMTCP_ZSTD_PLAIN_MIN && sodiumtcp_room_zstd(client->session) &&
        below(run, 3) == 0) {
        send_zstd(run, len);
    } else {
        uint8_t *out = pair_out(client);
        fill(out + SODIUMTCP_PLAIN_AT, run->open, planned->sent, len);
        pair_wrote(client, sodiumtcp_data(client->session, out + SODIUMTCP_PLAIN_AT, len, out));
    }
    planned->sent += len;
}

static void send_finish(struct run *run)
{
    struct side *client = &run->pair->client;
    uint32_t number;
    const struct sodiumtcp_session *session = client->session;
    bool all = run->announced == run->count && run->open == SODIUMTCP_NO_ITEM &&
               !sodiumtcp_may_start(session, &number);
    if (all) {
        long len = sodiumtcp_finish(client->session, pair_out(client));
        pair_wrote(client, len == SODIUMTCP_E_CALL ? 0 : len); /* an offer is still to come */
    }
}

/* ---- The receiver ---- */

static void on_data(struct run *run, const struct sodiumtcp_event *event)
{
    struct planned *planned = &run->items[run->receiving];
    size_t len = event->plain_len ? event->plain_len : event->len;
    if (event->plain_len) {
        assert_int_equal(event->len, 1);
        assert_int_equal(event->data[0], 0x5a);
    } else {
        check(event->data, run->receiving, planned->arrived, len);
    }
    planned->arrived += len;
    run->unwritten += len;
    assert_true(run->unwritten <= SODIUMTCP_WINDOW_MIN);
}

static void on_server_event(struct run *run, const struct sodiumtcp_event *event)
{
    struct planned *planned = &run->items[event->number];
    switch (event->type) {
    case SODIUMTCP_BEGIN:
        planned->begun = true;
        assert_int_equal(event->item.kind, planned->item.kind);
        planned->done = event->item.kind == SODIUMTCP_DIRECTORY;
        break;
    case SODIUMTCP_START:
        run->receiving = event->number;
        planned->arrived = event->length;
        assert_true(event->length == 0 || event->length == planned->part);
        break;
    case SODIUMTCP_DATA:
        on_data(run, event);
        break;
    case SODIUMTCP_END:
        planned->done = true;
        assert_int_equal(event->length, planned->arrived);
        assert_int_equal(event->status,
                         planned->abandon ? SODIUMTCP_ABANDONED : SODIUMTCP_COMPLETE);
        assert_true(planned->abandon || planned->arrived == planned->item.size);
        break;
    case SODIUMTCP_FINISH:
        break;
    default:
        fail_msg("event %d at the server", (int)event->type);
    }
}

static void send_offer(struct run *run)
{
    static const uint8_t hash[SODIUMTCP_HASH_LEN] = {1};
    struct side *server = &run->pair->server;
    uint32_t number = 0;
    while (number < run->count &&
           (run->items[number].item.exists == SODIUMTCP_REPLACE || run->items[number].offered))
        number++;
    if (number == run->count || !run->items[number].begun)
        return;
    struct planned *planned = &run->items[number];
    enum sodiumtcp_verdict verdict = SODIUMTCP_NOTHING_THERE;
    if (planned->part > 0) {
        bool skip = planned->item.exists == SODIUMTCP_SKIP;
        verdict = skip ? SODIUMTCP_LEAVE_IT : SODIUMTCP_PART_THERE;
        planned->done = skip;
    }
    pair_wrote(server, sodiumtcp_offer(server->session, number, verdict,
                                       verdict == SODIUMTCP_PART_THERE ? planned->part : 0, hash,
                                       pair_out(server)));
    planned->offered = true;
}

/* Items may be done out of order, and wait; nothing is acknowledged before those ahead of it. */
static void send_ack(struct run *run)
{
    struct side *server = &run->pair->server;
    if (run->acked < run->count && run->items[run->acked].done) {
        for (uint32_t i = 0; i < run->acked; i++)
            assert_true(run->items[i].done);
        pair_wrote(server, sodiumtcp_ack(server->session, run->acked++, SODIUMTCP_KEPT, 0,
                                         pair_out(server)));
    }
}

static void write_some(struct run *run)
{
    uint64_t n = below(run, run->unwritten + 1);
    sodiumtcp_written(run->pair->server.session, (size_t)n);
    run->unwritten -= n;
}

static void on_client_event(struct run *run, const struct sodiumtcp_event *event)
{
    switch (event->type) {
    case SODIUMTCP_OFFER:
        break;
    case SODIUMTCP_ACK:
        assert_false(run->items[event->number].acked);
        run->items[event->number].acked = true;
        break;
    case SODIUMTCP_FINISHED:
        run->finished = true;
        break;
    default:
        fail_msg("event %d at the client", (int)event->type);
    }
}

/* ---- The pipe ---- */

static void deliver_some(struct run *run, struct side *side)
{
    struct side *other = pair_other(run->pair, side);
    size_t most = below(run, 2) ? 100 : PIPE_MAX;
    size_t len = (size_t)below(run, most);
    len = len < side->out_len ? len : side->out_len;
    memcpy(other->in + other->in_len, side->out, len);
    other->in_len += len;
    side->out_len -= len;
    memmove(side->out, side->out + len, side->out_len);
}

/* Lends the receive buffer itself, or a second one, as it comes. */
static bool receive_one(struct run *run, struct side *side, struct sodiumtcp_event *event,
                        uint8_t *into)
{
    size_t consumed = 0;
    size_t room = (size_t)below(run, 2) * SODIUMTCP_BLOCK_MAX;
    int error = sodiumtcp_receive(side->session, run->pair->now_ms, side->in, side->in_len,
                                  room ? into : NULL, room, &consumed, event);
    if (error)
        fail_msg("%s", sodiumtcp_error_text(error));
    side->in_len -= consumed;
    bool tells = event->type != SODIUMTCP_NEED_MORE && event->type != SODIUMTCP_WAIT;
    if (!tells) {
        memmove(side->in, side->in + consumed, side->in_len);
        return false;
    }
    return true;
}

static void receive_all(struct run *run, struct side *side,
                        void (*on_event)(struct run *, const struct sodiumtcp_event *))
{
    static uint8_t into[SODIUMTCP_BLOCK_MAX];
    struct sodiumtcp_event event;
    size_t before = side->in_len;
    while (receive_one(run, side, &event, into)) {
        on_event(run, &event);
        memmove(side->in, side->in + before - side->in_len, side->in_len);
        before = side->in_len;
    }
}

static void control_some(struct run *run, struct side *side)
{
    if (below(run, 50) == 0)
        sodiumtcp_ping(side->session);
    run->pair->now_ms += below(run, 3);
    struct sodiumtcp_wall wall = {1, 2};
    size_t room = SODIUMTCP_CONTROL_ROOM + (size_t)below(run, 5000);
    if (side->out_len + room < PAIR_WIRE_MAX) {
        pair_wrote(side,
                   sodiumtcp_control(side->session, run->pair->now_ms, wall, pair_out(side), room));
    }
}

/* ---- Extension mode ---- */

static void step_files(struct run *run)
{
    switch (below(run, 12)) {
    case 0:
        send_begin(run);
        break;
    case 1:
        send_start(run);
        break;
    case 2:
    case 3:
        send_data(run);
        break;
    case 4:
        send_finish(run);
        break;
    case 5:
        send_offer(run);
        break;
    case 6:
        send_ack(run);
        break;
    case 7:
        write_some(run);
        break;
    case 8:
        control_some(run, below(run, 2) ? &run->pair->client : &run->pair->server);
        break;
    case 9:
        deliver_some(run, below(run, 2) ? &run->pair->client : &run->pair->server);
        break;
    case 10:
        receive_all(run, &run->pair->client, on_client_event);
        break;
    default:
        receive_all(run, &run->pair->server, on_server_event);
        break;
    }
}

static void files_arrive_under_every_schedule(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct sodiumtcp_options options = {.window = SODIUMTCP_WINDOW_MIN, .zstd = true};
        struct run *run = calloc(1, sizeof *run);
        run->pair = pair_open(&pair_extension, &options);
        run->random = seed;
        run->open = SODIUMTCP_NO_ITEM;
        plan(run);
        long steps = 0;
        while (!run->finished) {
            step_files(run);
            if (++steps > STEPS_MAX)
                fail_msg("seed %llu does not finish", (unsigned long long)seed);
        }
        for (size_t i = 0; i < run->count; i++)
            assert_true(run->items[i].acked);
        assert_true(sodiumtcp_session_over(run->pair->server.session));
        pair_free(run->pair);
        free(run);
    }
}

/* ---- Public mode ---- */

static void on_public_server_event(struct run *run, const struct sodiumtcp_event *event)
{
    if (event->type == SODIUMTCP_READY)
        return;
    assert_int_equal(event->type, SODIUMTCP_DATA);
    check(event->data, 0, run->public_arrived, event->len);
    run->public_arrived += event->len;
    run->unwritten += event->len;
}

static void on_public_client_event(struct run *run, const struct sodiumtcp_event *event)
{
    assert_int_equal(event->type, SODIUMTCP_ANSWERED);
    run->public_answered += event->length;
    assert_true(run->public_answered <= run->public_arrived - run->unwritten);
}

static void send_public(struct run *run, uint64_t total)
{
    struct side *client = &run->pair->client;
    size_t room = sodiumtcp_room(client->session);
    if (room == 0 || run->public_sent == total || client->out_len > PIPE_MAX)
        return;
    uint64_t left = total - run->public_sent;
    size_t len = (size_t)below(run, (left < room ? left : room) + 1);
    uint8_t *out = pair_out(client);
    fill(out + SODIUMTCP_PLAIN_AT, 0, run->public_sent, len);
    pair_wrote(client, sodiumtcp_data(client->session, out + SODIUMTCP_PLAIN_AT, len, out));
    run->public_sent += len;
}

static void step_public(struct run *run, uint64_t total)
{
    switch (below(run, 8)) {
    case 0:
    case 1:
        send_public(run, total);
        break;
    case 2:
        write_some(run);
        break;
    case 3:
        control_some(run, below(run, 2) ? &run->pair->client : &run->pair->server);
        break;
    case 4:
    case 5:
        deliver_some(run, below(run, 2) ? &run->pair->client : &run->pair->server);
        break;
    case 6:
        receive_all(run, &run->pair->client, on_public_client_event);
        break;
    default:
        receive_all(run, &run->pair->server, on_public_server_event);
        break;
    }
}

static void stream_arrives_under_every_schedule(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct sodiumtcp_options options = {.public_only = true,
                                            .blocks = 1 + (uint32_t)(seed % SODIUMTCP_BLOCKS_MAX)};
        struct run *run = calloc(1, sizeof *run);
        run->pair = pair_open(&options, NULL);
        run->random = seed;
        uint64_t total = below(run, 3000000);
        long steps = 0;
        while (run->public_answered < total) {
            step_public(run, total);
            if (++steps > STEPS_MAX)
                fail_msg("seed %llu does not finish", (unsigned long long)seed);
        }
        assert_int_equal(run->public_arrived, total);
        pair_free(run->pair);
        free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_arrive_under_every_schedule),
        cmocka_unit_test(stream_arrives_under_every_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
