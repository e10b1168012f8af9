/*
 * As many channels as a session may have, all open at once, each with bytes of its own in both
 * directions; read in pieces that fit no frame.
 */
#include <adit/snitun.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MANY = SNITUN_CHANNELS_MAX,
    FRAMES = 3, /* of each channel and direction */
    PAYLOAD_LEN = 5,
    WIRE_LEN = 32 * 1024,
    PIECE_LEN = 1009,
};

/* A channel as one side sees it. */
struct seat {
    struct snitun_channel *channel;
    uint32_t index;
    unsigned sent;
    unsigned received; /* bytes */
};

struct side {
    struct snitun_session *session;
    struct seat seats[MANY];
    size_t opened;
    size_t ended;
};

static struct side sides[2]; /* by role */

static int draw(void *arg, void *buf, size_t len)
{
    uint64_t *state = arg;
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*state >> 56);
    }
    return 0;
}

/* Who sends on which channel, and for the how-manieth time, stands in each byte. */
static void payload(int role, uint32_t index, unsigned frame, uint8_t out[PAYLOAD_LEN])
{
    const uint8_t bytes[PAYLOAD_LEN] = {(uint8_t)role, (uint8_t)(index >> 8), (uint8_t)index,
                                        (uint8_t)frame, (uint8_t)(index * 31 + frame)};
    memcpy(out, bytes, PAYLOAD_LEN);
}

static void seat_opened(int role, uint32_t index, struct snitun_channel *channel)
{
    struct side *side = &sides[role];
    side->seats[index] = (struct seat){.channel = channel, .index = index};
    side->opened++;
    snitun_channel_set_user(channel, &side->seats[index]);
    snitun_channel_ready(channel);
}

static void seat_received(int role, struct seat *seat, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t expected[PAYLOAD_LEN];
        payload(1 - role, seat->index, seat->received / PAYLOAD_LEN, expected);
        assert_int_equal(bytes[i], expected[seat->received % PAYLOAD_LEN]);
        seat->received++;
    }
}

/* The client closes a channel when all has come; the server waits for that. */
static void seat_end_if_done(int role, struct seat *seat)
{
    if (role == SNITUN_SERVER || seat->channel == NULL || seat->sent < FRAMES ||
        seat->received < FRAMES * PAYLOAD_LEN)
        return;
    snitun_channel_close(seat->channel);
    seat->channel = NULL;
    sides[role].ended++;
}

static void on_event(int role, const struct snitun_event *event)
{
    struct seat *seat = event->channel == NULL ? NULL : snitun_channel_user(event->channel);
    switch (event->type) {
    case SNITUN_OPENED:
        seat_opened(role, (uint32_t)event->caller.bytes[2] << 8 | event->caller.bytes[3],
                    event->channel);
        break;
    case SNITUN_DATA:
        seat_received(role, seat, event->data, event->len);
        seat_end_if_done(role, seat);
        break;
    case SNITUN_CLOSED:
        assert_int_equal(seat->received, FRAMES * PAYLOAD_LEN);
        snitun_channel_close(event->channel);
        seat->channel = NULL;
        sides[role].ended++;
        break;
    case SNITUN_NEED_MORE:
    case SNITUN_ESTABLISHED:
    case SNITUN_PONG:
        break;
    }
}

static void feed(int role, const uint8_t *in, size_t len)
{
    struct snitun_event event;
    do {
        size_t used;
        assert_int_equal(snitun_receive(sides[role].session, 0, in, len, &used, &event), 0);
        on_event(role, &event);
        in += used;
        len -= used;
    } while (event.type != SNITUN_NEED_MORE);
}

/* Control frames and then frames by turns, as many as fit. */
static size_t fill(int role, uint8_t *wire)
{
    struct snitun_session *session = sides[role].session;
    long control = snitun_control(session, 0, wire, WIRE_LEN / 2);
    assert_true(control >= 0);
    size_t used = (size_t)control;
    size_t limit;
    struct snitun_channel *channel;
    while (used < WIRE_LEN / 2 && (channel = snitun_turn(session, &limit)) != NULL) {
        struct seat *seat = snitun_channel_user(channel);
        if (seat->sent == FRAMES) {
            snitun_channel_idle(channel);
            seat_end_if_done(role, seat);
            continue;
        }
        assert_int_equal(snitun_data(session, channel, PAYLOAD_LEN, wire + used), 0);
        used += snitun_header_len(session);
        payload(role, seat->index, seat->sent++, wire + used);
        used += PAYLOAD_LEN;
    }
    return used;
}

/* One batch from one side to the other. False when there is nothing to send. */
static bool carry(int from)
{
    static uint8_t wire[WIRE_LEN];
    size_t len = fill(from, wire);
    for (size_t at = 0; at < len; at += PIECE_LEN)
        feed(1 - from, wire + at, len - at < PIECE_LEN ? len - at : PIECE_LEN);
    return len > 0;
}

static void carry_all(void)
{
    bool more;
    do {
        more = carry(SNITUN_SERVER);
        more = carry(SNITUN_CLIENT) || more;
    } while (more);
}

static void run(uint8_t version)
{
    uint64_t random = 1 + version;
    const struct snitun_keys keys = {.cipher = SNITUN_AES_CBC, .protocol_version = version};
    const struct adit_ip nobody = {0};
    struct snitun_context *context = snitun_context_new(draw, &random);

    memset(sides, 0, sizeof sides);
    for (int role = 0; role < 2; role++)
        sides[role].session = snitun_session_new(context, (enum snitun_role)role, &keys, NULL, 0);
    carry_all();
    for (uint32_t i = 0; i < MANY; i++) {
        const struct adit_ip caller = {4, {10, 1, (uint8_t)(i >> 8), (uint8_t)i}};
        struct snitun_channel *channel = snitun_channel_open(sides[SNITUN_SERVER].session, &caller);
        assert_non_null(channel);
        seat_opened(SNITUN_SERVER, i, channel);
    }
    assert_null(snitun_channel_open(sides[SNITUN_SERVER].session, &nobody));
    carry_all();
    for (int role = 0; role < 2; role++) {
        assert_int_equal(sides[role].opened, MANY);
        assert_int_equal(sides[role].ended, MANY);
        assert_int_equal(snitun_session_channels(sides[role].session), 0);
        snitun_session_free(sides[role].session);
    }
    snitun_context_free(context);
}

static void ten_thousand_channels_keep_their_bytes_apart(void **state)
{
    (void)state;
    for (uint8_t version = 0; version <= 2; version++)
        run(version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_channels_keep_their_bytes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
