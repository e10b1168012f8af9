/*
 * A million of each frame from a peer that never reads our answers: memory stays where it is.
 * Linked with --wrap, so that live allocations are counted.
 */
#include "tests/unit/snitun_side.h"

#include <stdlib.h>
#include <string.h>

enum { MILLION = 1000000 };

static long live;

/* The names that ld --wrap asks for. */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void __real_free(void *memory);
void __wrap_free(void *memory);

void *__wrap_calloc(size_t count, size_t size)
{
    live++;
    return __real_calloc(count, size);
}

void *__wrap_malloc(size_t size)
{
    live++;
    return __real_malloc(size);
}

void __wrap_free(void *memory)
{
    live -= memory != NULL;
    __real_free(memory);
}

static struct snitun_counters counters(const struct side *side)
{
    struct snitun_counters counters;
    snitun_session_counters(side->session, &counters);
    return counters;
}

/* The engine takes in whatever comes; the test ends each channel at once. */
static void swallow(struct side *side, const uint8_t *in, size_t len)
{
    while (len > 0) {
        struct snitun_event event;
        size_t consumed;
        int error = snitun_receive(side->session, side->now_ms, in, len, &consumed, &event);
        assert_int_equal(error, 0);
        if (event.type == SNITUN_OPENED || event.type == SNITUN_CLOSED)
            snitun_channel_close(event.channel);
        in += consumed;
        len -= consumed;
    }
}

/* A million frames of a flag for ids that count up; returns how many allocations stayed. */
static long million(struct side *side, uint8_t flag, const char *extra)
{
    long before = live;
    uint8_t wire[SNITUN_HEADER_MAX];
    for (unsigned i = 0; i < MILLION; i++)
        swallow(side, wire, side_header(side, flag, side_id(i + 10), 0, extra, wire));
    return live - before;
}

static void start(struct side *side, enum snitun_role role, uint32_t channels_max)
{
    *side = (struct side){.options = {.channels_max = channels_max}};
    side_start(side, role, SNITUN_AES_CBC, 1);
    side_establish(side);
}

static void a_million_pings_leave_16_pongs(void **state)
{
    (void)state;
    static struct side_frame frames[SIDE_FRAMES_MAX];
    struct side side;
    start(&side, SNITUN_SERVER, 0);
    assert_in_range(million(&side, SNITUN_FLAG_PING, "ping"), 0, 1);
    assert_int_equal(side_control(&side, frames), SNITUN_PONGS_MAX);
    assert_int_equal(counters(&side).pings_dropped, MILLION - SNITUN_PONGS_MAX);
    side_stop(&side);
}

static void a_million_pauses_and_closes_for_nothing_leave_nothing(void **state)
{
    (void)state;
    struct side side;
    start(&side, SNITUN_SERVER, 0);
    assert_int_equal(million(&side, SNITUN_FLAG_PAUSE, NULL), 0);
    assert_int_equal(million(&side, SNITUN_FLAG_CLOSE, NULL), 0);
    assert_int_equal(counters(&side).frames_skipped, 2 * MILLION);
    assert_false(snitun_wants_to_send(side.session));
    side_stop(&side);
}

static void a_million_pauses_of_a_channel_leave_it_paused(void **state)
{
    (void)state;
    struct side side;
    uint8_t wire[SNITUN_HEADER_MAX];
    start(&side, SNITUN_SERVER, 0);
    struct snitun_channel *channel = side_open(&side, "203.0.113.7");
    long before = live;
    for (int i = 0; i < MILLION; i++) {
        uint8_t flag = i % 2 ? SNITUN_FLAG_PAUSE : SNITUN_FLAG_RESUME;
        swallow(&side, wire, side_header(&side, flag, channel->id, 0, NULL, wire));
    }
    assert_true(snitun_channel_paused(channel));
    assert_int_equal(live, before);
    side_stop(&side);
}

static void a_million_news_from_a_client_leave_nothing(void **state)
{
    (void)state;
    struct side side;
    start(&side, SNITUN_SERVER, 0);
    assert_int_equal(million(&side, SNITUN_FLAG_NEW, "4abcd"), 0);
    assert_false(snitun_wants_to_send(side.session));
    side_stop(&side);
}

/* Each channel is closed by us at once, but no CLOSE is read: they count until it is. */
static void a_million_news_leave_as_many_channels_as_may_be(void **state)
{
    (void)state;
    static struct side_frame frames[SIDE_FRAMES_MAX];
    enum { MOST = 100 };
    struct side side;
    start(&side, SNITUN_CLIENT, MOST);
    assert_in_range(million(&side, SNITUN_FLAG_NEW, "4abcd"), MOST, MOST + 2);
    assert_int_equal(snitun_session_channels(side.session), 0);
    assert_int_equal(counters(&side).channels_refused, MILLION - MOST);
    assert_int_equal(side_control(&side, frames), MOST + SNITUN_REFUSALS_MAX);
    side_opened(&side, 1);
    side_stop(&side);
}

static void a_million_channels_opened_and_closed_leave_nothing(void **state)
{
    (void)state;
    struct side side;
    uint8_t wire[2 * SNITUN_HEADER_MAX];
    start(&side, SNITUN_CLIENT, 0);
    side_opened(&side, 1);
    long before = live;
    for (unsigned i = 0; i < MILLION; i++) {
        size_t len = side_header(&side, SNITUN_FLAG_NEW, side_id(i + 10), 0, "4abcd", wire);
        struct snitun_channel *channel = side_feed(&side, wire, len, SNITUN_OPENED).channel;
        len = side_header(&side, SNITUN_FLAG_CLOSE, side_id(i + 10), 0, NULL, wire);
        side_feed(&side, wire, len, SNITUN_CLOSED);
        snitun_channel_close(channel);
    }
    assert_int_equal(live, before);
    assert_false(snitun_wants_to_send(side.session));
    side_stop(&side);
}

/* Nobody tells the engine that it may write: what the caller says adds up to one frame each. */
static void a_million_backlogs_leave_one_pause(void **state)
{
    (void)state;
    struct side side;
    start(&side, SNITUN_CLIENT, 0);
    struct snitun_channel *channel = side_opened(&side, 1);
    long before = live;
    for (int i = 0; i < MILLION + 1; i++) {
        assert_true(snitun_channel_backlog(channel, i % 2 ? 0 : SNITUN_PAUSE_AT));
        snitun_ping(side.session);
    }
    assert_int_equal(live, before);
    static struct side_frame frames[SIDE_FRAMES_MAX];
    assert_int_equal(side_control(&side, frames), 2);
    side_stop(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_pings_leave_16_pongs),
        cmocka_unit_test(a_million_pauses_and_closes_for_nothing_leave_nothing),
        cmocka_unit_test(a_million_pauses_of_a_channel_leave_it_paused),
        cmocka_unit_test(a_million_news_from_a_client_leave_nothing),
        cmocka_unit_test(a_million_news_leave_as_many_channels_as_may_be),
        cmocka_unit_test(a_million_channels_opened_and_closed_leave_nothing),
        cmocka_unit_test(a_million_backlogs_leave_one_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
