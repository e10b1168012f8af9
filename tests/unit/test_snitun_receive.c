#include "base/ip.h"
#include "lib/snitun/channel.h"
#include "tests/unit/snitun_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct snitun_counters counters(const struct side *side)
{
    struct snitun_counters counters;
    snitun_session_counters(side->session, &counters);
    return counters;
}

/* The engine still reads the frame that follows: a ping, which it answers. */
static void goes_on(struct side *side)
{
    side_frame_in(side, SNITUN_FLAG_PING, side_id(77), "ping", SNITUN_NEED_MORE);
    assert_memory_equal(side_only(side, SNITUN_FLAG_PING).id, side_id(77), SNITUN_ID_LEN);
}

/* The client learns `expected` (NULL: unknown) from the NEW that a server writes for caller. */
static void opens_for(struct side *side, const char *caller, const char *expected)
{
    static unsigned n;
    uint8_t wire[SNITUN_CONTROL_MAX];
    size_t len = side_new(side, side_id(n++), caller, wire);
    struct snitun_event event = side_feed(side, wire, len, SNITUN_OPENED);
    struct adit_ip ip = {0};
    assert_true(!expected || ip_parse(expected, &ip));
    assert_true(ip_equal(&event.caller, &ip));
    assert_non_null(event.channel);
}

/* ---- NEW ---- */

static void check_callers(struct side *side)
{
    bool v2 = side->keys.protocol_version >= 2;
    opens_for(side, "203.0.113.7", "203.0.113.7");
    opens_for(side, "2001:db8::42", v2 ? "2001:db8::42" : NULL);
    opens_for(side, "0.0.0.0", NULL);
    opens_for(side, "::", NULL);
    assert_int_equal(snitun_session_channels(side->session), 4);
    assert_int_equal(counters(side).channels_opened, 4);
}

static void a_new_opens_a_channel_for_its_caller(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_callers);
}

/* A NEW of version 2 with any payload. */
static size_t new_v2(struct side *side, const char *type_and_address, uint32_t size, uint8_t *out)
{
    uint8_t payload[SNITUN_NEW_IPV6_LEN] = {0};
    memcpy(payload, type_and_address, strlen(type_and_address));
    size_t len = side_header(side, SNITUN_FLAG_NEW, side_id(1), size, NULL, out);
    return len + side_seal(side, payload, size, out + len);
}

static void an_ipv4_address_may_come_with_32_bytes(void **state)
{
    (void)state;
    struct side side = {0};
    uint8_t wire[SNITUN_CONTROL_MAX];
    side_simple(&side, SNITUN_CLIENT);
    size_t len = new_v2(&side, "4abcd", SNITUN_NEW_IPV6_LEN, wire);
    struct snitun_event event = side_feed(&side, wire, len, SNITUN_OPENED);
    assert_int_equal(event.caller.family, 4);
    assert_memory_equal(event.caller.bytes, "abcd", 4);
    side_stop(&side);
}

static void an_ipv4_mapped_address_is_an_ipv4_address(void **state)
{
    (void)state;
    static const uint8_t payload[SNITUN_NEW_IPV6_LEN] = {'6', 0, 0,    0,    0,   0, 0,   0, 0,
                                                         0,   0, 0xff, 0xff, 203, 0, 113, 7};
    struct side side = {0};
    uint8_t wire[SNITUN_CONTROL_MAX];
    side_simple(&side, SNITUN_CLIENT);
    size_t len = side_header(&side, SNITUN_FLAG_NEW, side_id(1), sizeof payload, NULL, wire);
    len += side_seal(&side, payload, sizeof payload, wire + len);
    struct adit_ip caller = side_feed(&side, wire, len, SNITUN_OPENED).caller;
    struct adit_ip expected;
    assert_true(ip_parse("203.0.113.7", &expected));
    assert_true(ip_equal(&caller, &expected));
    side_stop(&side);
}

static void a_new_without_an_address_type_is_for_an_unknown_caller_before_version_2(void **state)
{
    (void)state;
    struct side side = {0};
    side_start(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 1);
    side_establish(&side);
    struct snitun_event event =
        side_frame_in(&side, SNITUN_FLAG_NEW, side_id(1), "6abcd", SNITUN_OPENED);
    assert_int_equal(event.caller.family, 0);
    side_stop(&side);
}

static void check_lying_new(struct side *side)
{
    if (side->keys.protocol_version >= 2)
        return;
    uint8_t wire[SNITUN_HEADER_MAX + 100] = {0};
    size_t len = side_header(side, SNITUN_FLAG_NEW, side_id(1), 100, "4abcd", wire);
    side_feed(side, wire, len + 100, SNITUN_OPENED);
    goes_on(side);
}

static void a_size_in_a_new_before_version_2_is_skipped_payload(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_lying_new);
}

/* A server: the client's NEW, of any allowed size, even for a live id, is skipped. */
static void check_new_from_client(struct side *side)
{
    uint8_t wire[SNITUN_CONTROL_MAX] = {0};
    struct snitun_channel *channel = side_open(side, "203.0.113.7");
    bool v2 = side->keys.protocol_version >= 2;
    const uint8_t *ids[] = {channel->id, side_id(1)};
    for (size_t i = 0; i < 4; i++) {
        uint32_t size = v2 ? 16U << i % 2 : 0;
        static const uint8_t payload[SNITUN_NEW_IPV6_LEN] = "nothing that is an address";
        size_t len = side_header(side, SNITUN_FLAG_NEW, ids[i / 2], size, "4abcd", wire);
        if (size > 0)
            len += side_seal(side, payload, size, wire + len);
        side_feed(side, wire, len, SNITUN_NEED_MORE);
        goes_on(side);
    }
    assert_int_equal(counters(side).frames_skipped, 4);
    assert_int_equal(snitun_session_channels(side->session), 1);
}

static void a_new_from_a_client_is_skipped(void **state)
{
    (void)state;
    side_each(SNITUN_SERVER, check_new_from_client);
}

/* ---- DATA ---- */

static void check_data_in_place(struct side *side)
{
    uint8_t wire[SNITUN_HEADER_MAX + 10];
    struct snitun_channel *channel = side_opened(side, 1);
    size_t len = side_header(side, SNITUN_FLAG_DATA, side_id(1), 10, NULL, wire);
    memcpy(wire + len, "0123456789", 10);
    struct snitun_event event = side_feed(side, wire, len + 4, SNITUN_DATA);
    assert_ptr_equal(event.channel, channel);
    assert_ptr_equal(event.data, wire + len);
    assert_int_equal(event.len, 4);
    event = side_feed(side, wire + len + 4, 6, SNITUN_DATA);
    assert_ptr_equal(event.data, wire + len + 4);
    assert_int_equal(event.len, 6);
    assert_int_equal(counters(side).payload_received, 10);
    goes_on(side);
}

static void data_is_a_piece_of_the_callers_input(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_data_in_place);
}

static void empty_data_is_no_event(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    side_opened(&side, 1);
    side_frame_in(&side, SNITUN_FLAG_DATA, side_id(1), NULL, SNITUN_NEED_MORE);
    assert_int_equal(counters(&side).frames_skipped, 0);
    /* and what is skipped next is not taken for its payload */
    uint8_t wire[SNITUN_HEADER_MAX + 9] = {0};
    size_t len = side_header(&side, 0x77, side_id(1), 9, NULL, wire);
    side_feed(&side, wire, len + 9, SNITUN_NEED_MORE);
    goes_on(&side);
    side_stop(&side);
}

/* A payload of 2^32 - 1 bytes, in pieces of a MiB. Returns how many bytes came as events. */
static uint64_t largest_frame(struct side *side, const uint8_t *id)
{
    enum { PIECE = 1024 * 1024 };
    uint8_t wire[SNITUN_HEADER_MAX];
    uint8_t *piece = calloc(1, PIECE);
    uint64_t seen = 0;
    assert_non_null(piece);
    side_feed(side, wire, side_header(side, SNITUN_FLAG_DATA, id, UINT32_MAX, NULL, wire),
              SNITUN_NEED_MORE);
    for (uint64_t left = UINT32_MAX; left > 0;) {
        size_t len = left < PIECE ? (size_t)left : PIECE;
        struct snitun_event event;
        size_t consumed;
        assert_int_equal(snitun_receive(side->session, side->now_ms, piece, len, &consumed, &event),
                         0);
        assert_int_equal(consumed, len);
        seen += event.len;
        left -= len;
    }
    free(piece);
    return seen;
}

static void a_payload_of_4_gib_streams_through(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    side_opened(&side, 1);
    assert_int_equal(largest_frame(&side, side_id(1)), UINT32_MAX);
    goes_on(&side);
    assert_int_equal(largest_frame(&side, side_id(2)), 0);
    goes_on(&side);
    side_stop(&side);
}

static void a_channel_closed_within_a_frame_loses_its_rest(void **state)
{
    (void)state;
    struct side side = {0};
    uint8_t wire[SNITUN_HEADER_MAX + 100] = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *channel = side_opened(&side, 1);
    size_t len = side_header(&side, SNITUN_FLAG_DATA, side_id(1), 100, NULL, wire);
    side_feed(&side, wire, len + 40, SNITUN_DATA);
    snitun_channel_close(channel);
    side_feed(&side, wire + len + 40, 60, SNITUN_NEED_MORE);
    side_only(&side, SNITUN_FLAG_CLOSE);
    goes_on(&side);
    side_stop(&side);
}

/* ---- Skipping ---- */

static void check_sizes_where_none_belongs(struct side *side)
{
    static const uint8_t flags[] = {SNITUN_FLAG_PAUSE,     SNITUN_FLAG_RESUME, SNITUN_FLAG_PING,
                                    SNITUN_FLAG_PING_SEED, SNITUN_FLAG_CLOSE,  0x77};
    uint8_t wire[SNITUN_HEADER_MAX + 70] = {0};
    struct snitun_channel *channel = side_opened(side, 1);
    for (size_t i = 0; i < sizeof flags; i++) {
        bool ping = flags[i] == SNITUN_FLAG_PING || flags[i] == SNITUN_FLAG_PING_SEED;
        size_t len = side_header(side, flags[i], side_id(1), 70, "ping", wire);
        bool closes = flags[i] == SNITUN_FLAG_CLOSE;
        bool pauses = flags[i] == SNITUN_FLAG_PAUSE && side->keys.protocol_version >= 1;
        side_feed(side, wire, len + 70, closes ? SNITUN_CLOSED : SNITUN_NEED_MORE);
        if (ping)
            side_only(side, SNITUN_FLAG_PING);
        assert_int_equal(snitun_channel_paused(channel), pauses);
        goes_on(side);
    }
}

static void payload_where_none_belongs_is_skipped_and_the_frame_acted_upon(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_sizes_where_none_belongs);
}

static void check_unknown(struct side *side)
{
    static const uint8_t flags[] = {SNITUN_FLAG_DATA,
                                    SNITUN_FLAG_CLOSE,
                                    SNITUN_FLAG_PAUSE,
                                    SNITUN_FLAG_RESUME,
                                    0x00,
                                    0x03,
                                    0x77,
                                    0xff};
    uint8_t wire[SNITUN_HEADER_MAX + 1000] = {0};
    side_opened(side, 1);
    for (size_t i = 0; i < sizeof flags; i++) {
        size_t len = side_header(side, flags[i], side_id(2), 1000, NULL, wire);
        side_feed(side, wire, len + 1000, SNITUN_NEED_MORE);
        goes_on(side);
    }
    assert_int_equal(counters(side).frames_skipped, sizeof flags);
    assert_int_equal(counters(side).payload_received, 0);
}

static void unknown_flags_and_channels_are_skipped_and_counted(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_unknown);
}

static void version_0_knows_no_pause(void **state)
{
    (void)state;
    struct side side = {0};
    side_start(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 0);
    side_establish(&side);
    struct snitun_channel *channel = side_opened(&side, 1);
    side_frame_in(&side, SNITUN_FLAG_PAUSE, side_id(1), NULL, SNITUN_NEED_MORE);
    assert_false(snitun_channel_paused(channel));
    assert_int_equal(counters(&side).frames_skipped, 1);
    side_stop(&side);
}

static void a_ping_that_says_neither_ping_nor_pong_is_nothing(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    side_frame_in(&side, SNITUN_FLAG_PING, side_id(1), "pint", SNITUN_NEED_MORE);
    side_silent(&side);
    side_stop(&side);
}

/* ---- CLOSE ---- */

static void check_close(struct side *side)
{
    int mark;
    struct snitun_channel *channel = side_opened(side, 1);
    snitun_channel_set_user(channel, &mark);
    struct snitun_event event =
        side_frame_in(side, SNITUN_FLAG_CLOSE, side_id(1), NULL, SNITUN_CLOSED);
    assert_ptr_equal(event.channel, channel);
    assert_ptr_equal(snitun_channel_user(event.channel), &mark);
    assert_int_equal(snitun_session_channels(side->session), 1);
    uint8_t wire[SNITUN_HEADER_MAX + 5] = {0};
    size_t len = side_header(side, SNITUN_FLAG_DATA, side_id(1), 5, NULL, wire);
    side_feed(side, wire, len + 5, SNITUN_NEED_MORE);
    side_frame_in(side, SNITUN_FLAG_CLOSE, side_id(1), NULL, SNITUN_NEED_MORE);
    assert_int_equal(counters(side).frames_skipped, 2);
    snitun_channel_close(channel);
    assert_int_equal(snitun_session_channels(side->session), 0);
    side_silent(side);
}

static void what_follows_a_close_is_skipped_and_no_close_answers_it(void **state)
{
    (void)state;
    side_each(SNITUN_CLIENT, check_close);
}

static void an_id_is_free_once_its_channel_is_closed(void **state)
{
    (void)state;
    struct side side = {0};
    side_simple(&side, SNITUN_CLIENT);
    struct snitun_channel *first = side_opened(&side, 1);
    side_frame_in(&side, SNITUN_FLAG_CLOSE, side_id(1), NULL, SNITUN_CLOSED);
    struct snitun_channel *second = side_opened(&side, 1);
    assert_ptr_not_equal(first, second);
    snitun_channel_close(first);
    assert_ptr_equal(snitun_channel_find(side.session, side_id(1)), second);
    side_stop(&side);
}

/* ---- Segmentation ---- */

/* What a stream of frames led to, as text. */
struct story {
    char text[4096];
    size_t len;
};

static void tell(struct story *story, const struct snitun_event *event)
{
    char *out = story->text + story->len;
    assert_true(story->len + event->len + 8 < sizeof story->text);
    switch (event->type) {
    case SNITUN_OPENED:
        story->len += (size_t)sprintf(out, "+%02x ", event->channel->id[2]);
        break;
    case SNITUN_CLOSED:
        story->len += (size_t)sprintf(out, "-%02x ", event->channel->id[2]);
        break;
    case SNITUN_DATA:
        memcpy(out, event->data, event->len);
        story->len += event->len;
        break;
    case SNITUN_NEED_MORE:
    case SNITUN_ESTABLISHED:
    case SNITUN_PONG:
        break;
    }
}

/* The pieces are in memory of their own, so that a read past their end is seen. */
static void receive_piece(struct side *side, struct story *story, const uint8_t *in, size_t len)
{
    uint8_t *piece = malloc(len ? len : 1);
    assert_non_null(piece);
    memcpy(piece, in, len);
    for (size_t at = 0; at < len;) {
        struct snitun_event event;
        size_t consumed;
        assert_int_equal(
            snitun_receive(side->session, side->now_ms, piece + at, len - at, &consumed, &event),
            0);
        tell(story, &event);
        at += consumed;
    }
    free(piece);
}

static size_t every_kind_of_frame(struct side *side, uint8_t *out)
{
    size_t len = side_new(side, side_id(1), "203.0.113.7", out);
    len += side_header(side, SNITUN_FLAG_DATA, side_id(1), 26, NULL, out + len);
    memcpy(out + len, "twenty-six bytes of data 1", 26);
    len += 26;
    len += side_header(side, 0x77, side_id(1), 3, NULL, out + len);
    memset(out + len, 0x77, 3);
    len += 3;
    len += side_new(side, side_id(2), "2001:db8::1", out + len);
    len += side_header(side, SNITUN_FLAG_PING, side_id(5), 0, "ping", out + len);
    len += side_header(side, SNITUN_FLAG_DATA, side_id(2), 1, NULL, out + len);
    out[len++] = '!';
    len += side_header(side, SNITUN_FLAG_CLOSE, side_id(1), 2, NULL, out + len);
    len += 2;
    len += side_header(side, SNITUN_FLAG_PAUSE, side_id(2), 0, NULL, out + len);
    return len;
}

static const char expected_story[] = "+01 twenty-six bytes of data 1+02 !-01 ";

/* The stream cut at `cut`, and then in pieces of `step`. */
static void check_split(enum snitun_cipher cipher, uint8_t version, size_t cut, size_t step)
{
    struct side side = {0};
    struct story story = {0};
    uint8_t wire[1024] = {0};
    side_start(&side, SNITUN_CLIENT, cipher, version);
    side_establish(&side);
    size_t len = every_kind_of_frame(&side, wire);
    cut = cut < len ? cut : len;
    receive_piece(&side, &story, wire, cut);
    for (size_t at = cut; at < len; at += step)
        receive_piece(&side, &story, wire + at, len - at < step ? len - at : step);
    assert_memory_equal(story.text, expected_story, sizeof expected_story);
    side_only(&side, SNITUN_FLAG_PING);
    struct snitun_channel *second = snitun_channel_find(side.session, side_id(2));
    assert_int_equal(snitun_channel_paused(second), version >= 1);
    side_stop(&side);
}

static void every_split_in_two_tells_the_same(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < 700; cut++) {
        check_split(SNITUN_AES_GCM, 2, cut, 1024);
        check_split(SNITUN_AES_CBC, 1, cut, 1024);
    }
}

static void every_size_of_reads_tells_the_same(void **state)
{
    (void)state;
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        for (uint8_t version = 0; version <= 2; version++)
            for (size_t step = 1; step < 70; step++)
                check_split((enum snitun_cipher)cipher, version, 0, step);
    }
}

static void no_input_is_no_event(void **state)
{
    (void)state;
    struct side side = {0};
    struct snitun_event event;
    size_t consumed = 1;
    side_simple(&side, SNITUN_CLIENT);
    assert_int_equal(snitun_receive(side.session, 0, NULL, 0, &consumed, &event), 0);
    assert_int_equal(consumed, 0);
    assert_int_equal(event.type, SNITUN_NEED_MORE);
    side_stop(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_opens_a_channel_for_its_caller),
        cmocka_unit_test(an_ipv4_address_may_come_with_32_bytes),
        cmocka_unit_test(an_ipv4_mapped_address_is_an_ipv4_address),
        cmocka_unit_test(a_new_without_an_address_type_is_for_an_unknown_caller_before_version_2),
        cmocka_unit_test(a_size_in_a_new_before_version_2_is_skipped_payload),
        cmocka_unit_test(a_new_from_a_client_is_skipped),
        cmocka_unit_test(data_is_a_piece_of_the_callers_input),
        cmocka_unit_test(empty_data_is_no_event),
        cmocka_unit_test(a_payload_of_4_gib_streams_through),
        cmocka_unit_test(a_channel_closed_within_a_frame_loses_its_rest),
        cmocka_unit_test(payload_where_none_belongs_is_skipped_and_the_frame_acted_upon),
        cmocka_unit_test(unknown_flags_and_channels_are_skipped_and_counted),
        cmocka_unit_test(version_0_knows_no_pause),
        cmocka_unit_test(a_ping_that_says_neither_ping_nor_pong_is_nothing),
        cmocka_unit_test(what_follows_a_close_is_skipped_and_no_close_answers_it),
        cmocka_unit_test(an_id_is_free_once_its_channel_is_closed),
        cmocka_unit_test(every_split_in_two_tells_the_same),
        cmocka_unit_test(every_size_of_reads_tells_the_same),
        cmocka_unit_test(no_input_is_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
