/*
 * A SniTun engine, whose other side is the harness: it holds the keys, so that the input is
 * structure. Input: role (bit 0), version (1-2), cipher (3-4), whether the handshake is changed
 * (5) or raw bytes (6); how the bytes are cut into reads; then steps: a frame of any kind to the
 * engine, or something that its caller does.
 * What holds of every input: events point into what was handed in and name channels that are
 * there; what the engine writes decrypts to frames that an engine may send; it holds as many
 * channels as the harness; a unit that was changed ends an AEAD session; an error stays.
 */
#include "base/cursor.h"
#include "lib/snitun/frame.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/sha.h>

enum {
    HELD_MAX = 24,
    CHANNELS_MAX = 16,
    IDS = 8,
    PAYLOAD_MAX = 256 * 1024,
    OUT_MAX = 1024,
    CHANGED = 32, /* of the handshake */
    RAW = 64,
};

struct harness {
    struct cursor input;
    enum snitun_role role;
    uint8_t version;
    uint8_t what;
    size_t step;
    uint64_t now_ms;
    uint8_t next_random;
    uint64_t serial; /* of ids drawn */
    struct snitun_context *context;
    struct snitun_session *session;
    struct units_context *other_context;
    struct units other;
    struct snitun_channel *held[HELD_MAX];
    size_t held_count;
    int error; /* what ended the session */
};

static int draw(void *arg, void *buf, size_t len)
{
    struct harness *harness = arg;
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(harness->next_random++ * 167 + 13);
    /* Channel ids must differ: a counter runs through them. */
    if (len >= SNITUN_ID_LEN)
        store_u64(out, ++harness->serial);
    return 0;
}

static struct snitun_channel *pick(struct harness *harness)
{
    size_t at = cursor_u8(&harness->input);
    return harness->held_count ? harness->held[at % harness->held_count] : NULL;
}

static void hold(struct harness *harness, struct snitun_channel *channel)
{
    FUZZ_CHECK(harness->held_count < HELD_MAX);
    harness->held[harness->held_count++] = channel;
}

static void let_go(struct harness *harness, struct snitun_channel *channel)
{
    size_t at = 0;
    while (harness->held[at] != channel)
        FUZZ_CHECK(++at < harness->held_count);
    harness->held[at] = harness->held[--harness->held_count];
    snitun_channel_close(channel);
}

static void ended(struct harness *harness, int error)
{
    FUZZ_CHECK(error < 0);
    FUZZ_CHECK(harness->error == 0 || harness->error == error);
    FUZZ_CHECK(snitun_session_error(harness->session) == error);
    harness->error = error;
}

/* ---- To the engine ---- */

static void on_event(struct harness *harness, const struct snitun_event *event, const uint8_t *in,
                     size_t consumed)
{
    switch (event->type) {
    case SNITUN_NEED_MORE:
    case SNITUN_ESTABLISHED:
    case SNITUN_PONG:
        break;
    case SNITUN_OPENED:
        FUZZ_CHECK(harness->role == SNITUN_CLIENT);
        hold(harness, event->channel);
        break;
    case SNITUN_DATA:
        FUZZ_CHECK(event->len >= 1 && event->len <= consumed);
        FUZZ_CHECK(event->data + event->len == in + consumed);
        FUZZ_CHECK(event->channel != NULL);
        break;
    case SNITUN_CLOSED:
        let_go(harness, event->channel);
        break;
    }
}

/* One read of the engine's caller; len >= 1. */
static void receive(struct harness *harness, const uint8_t *in, size_t len)
{
    FUZZ_CHECK(len >= 1);
    uint8_t *copy = fuzz_copy(in, len);
    for (size_t at = 0; at < len;) {
        struct snitun_event event;
        size_t consumed = 0;
        int error = snitun_receive(harness->session, harness->now_ms, copy + at, len - at,
                                   &consumed, &event);
        FUZZ_CHECK(consumed <= len - at);
        if (error) {
            ended(harness, error);
            break;
        }
        FUZZ_CHECK(event.type != SNITUN_NEED_MORE || consumed == len - at);
        on_event(harness, &event, copy + at, consumed);
        at += consumed;
    }
    free(copy);
}

static void receive_in_steps(struct harness *harness, const uint8_t *in, size_t len)
{
    for (size_t at = 0; at < len && !harness->error; at += harness->step)
        receive(harness, in + at, len - at < harness->step ? len - at : harness->step);
}

/* Large payloads are not worth a read for each byte. */
static void receive_zeros(struct harness *harness, size_t len)
{
    static const uint8_t zeros[4096];
    while (len > 0 && !harness->error) {
        size_t n = len < sizeof zeros ? len : sizeof zeros;
        if (n < 64)
            receive_in_steps(harness, zeros, n);
        else
            receive(harness, zeros, n);
        len -= n;
    }
}

static size_t seal(struct harness *harness, const uint8_t *plain, size_t len, uint8_t *out)
{
    FUZZ_CHECK(units_seal(&harness->other, harness->other_context, plain, len, out) == UNITS_OK);
    return len + units_overhead(&harness->other);
}

/* The next len bytes of the input, zeros after its end. */
static void input_bytes(struct harness *harness, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = cursor_left(&harness->input) ? cursor_u8(&harness->input) : 0;
}

/* An id that is likely to be in use. */
static void pick_id(struct harness *harness, uint8_t id[SNITUN_ID_LEN])
{
    uint8_t choice = cursor_u8(&harness->input);
    memset(id, choice % IDS, SNITUN_ID_LEN);
    if (harness->role == SNITUN_SERVER && choice >= IDS && harness->held_count)
        memcpy(id, harness->held[choice % harness->held_count]->id, SNITUN_ID_LEN);
}

static uint32_t pick_size(struct harness *harness)
{
    static const uint32_t sizes[] = {0, 0, 0, 1, 16, 32, 33, UINT32_MAX};
    uint8_t choice = cursor_u8(&harness->input);
    return choice < 8 ? sizes[choice] : choice < 250 ? choice - 8U : cursor_u24(&harness->input);
}

static uint8_t pick_flag(struct harness *harness)
{
    static const uint8_t flags[] = {
        SNITUN_FLAG_NEW,   SNITUN_FLAG_DATA,   SNITUN_FLAG_CLOSE,     SNITUN_FLAG_PING,
        SNITUN_FLAG_PAUSE, SNITUN_FLAG_RESUME, SNITUN_FLAG_PING_SEED, 0x77};
    uint8_t choice = cursor_u8(&harness->input);
    return choice < 128 ? flags[choice % sizeof flags] : choice;
}

/* A frame, whole; with change != 0 one bit of its header's unit is flipped. */
static void frame_in(struct harness *harness, uint8_t change)
{
    uint8_t header[SNITUN_FRAME_HEADER_LEN];
    uint8_t wire[SNITUN_CONTROL_MAX + 16];
    pick_id(harness, header);
    header[16] = pick_flag(harness);
    uint32_t size = pick_size(harness);
    bool unit = header[16] == SNITUN_FLAG_NEW && harness->version >= 2;
    store_u32(header + 17, size);
    input_bytes(harness, header + 21, SNITUN_EXTRA_LEN);
    size_t len = seal(harness, header, sizeof header, wire);
    wire[change % len] ^= change;
    if (unit && (size == SNITUN_NEW_IPV4_LEN || size == SNITUN_NEW_IPV6_LEN)) {
        uint8_t payload[SNITUN_NEW_IPV6_LEN];
        input_bytes(harness, payload, size);
        len += seal(harness, payload, size, wire + len);
    }
    receive_in_steps(harness, wire, len);
    if (change && units_overhead(&harness->other) > 0)
        FUZZ_CHECK(harness->error == SNITUN_E_AUTHENTICATION || harness->error == SNITUN_E_NONCE);
    if (!unit)
        receive_zeros(harness, size < PAYLOAD_MAX ? size : PAYLOAD_MAX);
    /* What is left of a larger payload or a changed header is not where the harness thinks. */
    if (change || (!unit && size > PAYLOAD_MAX))
        harness->input.at = harness->input.end;
}

static void garbage_in(struct harness *harness)
{
    uint8_t bytes[255];
    size_t len = cursor_u8(&harness->input);
    input_bytes(harness, bytes, len);
    receive_in_steps(harness, bytes, len);
    harness->input.at = harness->input.end;
}

/* ---- From the engine ---- */

static void open_unit(struct harness *harness, const uint8_t *wire, size_t len, uint8_t *plain)
{
    FUZZ_CHECK(units_open(&harness->other, harness->other_context, wire, len, plain) == UNITS_OK);
}

/* Checks one control frame; returns its wire bytes. */
static size_t check_frame(struct harness *harness, const uint8_t *wire, size_t room)
{
    uint8_t plain[SNITUN_NEW_IPV6_LEN];
    size_t len = snitun_header_len(harness->session);
    FUZZ_CHECK(len <= room);
    open_unit(harness, wire, SNITUN_FRAME_HEADER_LEN, plain);
    struct snitun_frame frame = snitun_frame_decode(plain);
    switch (frame.flag) {
    case SNITUN_FLAG_NEW:
        FUZZ_CHECK(harness->role == SNITUN_SERVER);
        FUZZ_CHECK(harness->version >= 2 ? frame.size == 16 || frame.size == 32 : frame.size == 0);
        if (frame.size > 0) {
            FUZZ_CHECK(len + frame.size + units_overhead(&harness->other) <= room);
            open_unit(harness, wire + len, frame.size, plain);
            FUZZ_CHECK(plain[0] == (frame.size == 16 ? '4' : '6'));
            len += frame.size + units_overhead(&harness->other);
        }
        break;
    case SNITUN_FLAG_PING:
        FUZZ_CHECK(frame.size == 0);
        FUZZ_CHECK(!memcmp(frame.extra, "ping", 4) || !memcmp(frame.extra, "pong", 4));
        break;
    case SNITUN_FLAG_PAUSE:
    case SNITUN_FLAG_RESUME:
        FUZZ_CHECK(harness->version >= 1 && frame.size == 0);
        break;
    default:
        FUZZ_CHECK(frame.flag == SNITUN_FLAG_CLOSE && frame.size == 0);
        break;
    }
    return len;
}

static void write_control(struct harness *harness)
{
    uint8_t out[OUT_MAX];
    size_t room = SNITUN_CONTROL_MAX + cursor_u8(&harness->input);
    bool wanted = snitun_wants_to_send(harness->session);
    long len = snitun_control(harness->session, harness->now_ms, out, room);
    if (len < 0) {
        ended(harness, (int)len);
        return;
    }
    FUZZ_CHECK((size_t)len <= room);
    FUZZ_CHECK(len == 0 || wanted);
    for (size_t at = 0; at < (size_t)len;)
        at += check_frame(harness, out + at, (size_t)len - at);
}

static void write_data(struct harness *harness)
{
    uint8_t out[SNITUN_HEADER_MAX];
    uint8_t plain[SNITUN_FRAME_HEADER_LEN];
    size_t limit = 0;
    struct snitun_channel *channel = snitun_turn(harness->session, &limit);
    if (!channel)
        return;
    size_t len = 1 + cursor_u16(&harness->input) % limit;
    FUZZ_CHECK(!snitun_channel_paused(channel));
    FUZZ_CHECK(snitun_data(harness->session, channel, len, out) == 0);
    open_unit(harness, out, sizeof plain, plain);
    struct snitun_frame frame = snitun_frame_decode(plain);
    FUZZ_CHECK(frame.flag == SNITUN_FLAG_DATA && frame.size == len);
    FUZZ_CHECK(memcmp(frame.id, channel->id, sizeof frame.id) == 0);
}

/* ---- What the engine's caller does ---- */

static void open_channel(struct harness *harness)
{
    struct adit_ip caller = {.family = cursor_u8(&harness->input) & 6};
    input_bytes(harness, caller.bytes, 4);
    struct snitun_channel *channel = snitun_channel_open(harness->session, &caller);
    if (channel)
        hold(harness, channel);
}

static void use_channel(struct harness *harness)
{
    struct snitun_channel *channel = pick(harness);
    uint8_t what = cursor_u8(&harness->input);
    if (!channel)
        return;
    switch (what % 5) {
    case 0:
        let_go(harness, channel);
        break;
    case 1:
        snitun_channel_idle(channel);
        break;
    case 2:
        FUZZ_CHECK(snitun_channel_backlog(channel, (size_t)what * 8192));
        break;
    default:
        snitun_channel_ready(channel);
        break;
    }
}

static void pass_time(struct harness *harness)
{
    harness->now_ms += cursor_u16(&harness->input);
    int error = snitun_tick(harness->session, harness->now_ms);
    if (error)
        ended(harness, error);
}

static void take_step(struct harness *harness)
{
    uint8_t what = cursor_u8(&harness->input);
    switch (what % 16) {
    case 8:
        write_control(harness);
        break;
    case 9:
        write_data(harness);
        break;
    case 10:
        open_channel(harness);
        break;
    case 11:
    case 12:
        use_channel(harness);
        break;
    case 13:
        pass_time(harness);
        break;
    case 14:
        what < 128 ? snitun_ping(harness->session)
                   : snitun_progress(harness->session, harness->now_ms);
        break;
    case 15:
        what < 128 ? frame_in(harness, cursor_u8(&harness->input)) : garbage_in(harness);
        break;
    default:
        frame_in(harness, 0);
        break;
    }
    FUZZ_CHECK(snitun_session_channels(harness->session) == harness->held_count);
    FUZZ_CHECK(harness->held_count <= CHANNELS_MAX);
    FUZZ_CHECK(harness->error || snitun_deadline(harness->session) > 0);
}

/* ---- A run ---- */

/* What the harness says in the handshake, as it should be or not. */
static void say_handshake(struct harness *harness, uint8_t plain[SNITUN_CHALLENGE_LEN])
{
    uint8_t wire[SNITUN_HEADER_MAX];
    uint8_t before = harness->what & CHANGED ? cursor_u8(&harness->input) : 0;
    uint8_t after = harness->what & CHANGED ? cursor_u8(&harness->input) : 0;
    plain[before % SNITUN_CHALLENGE_LEN] ^= before;
    size_t len = seal(harness, plain, SNITUN_CHALLENGE_LEN, wire);
    wire[after % len] ^= after;
    receive_in_steps(harness, wire, len);
    if (after != 0 && units_overhead(&harness->other) > 0)
        FUZZ_CHECK(harness->error == SNITUN_E_AUTHENTICATION || harness->error == SNITUN_E_NONCE);
    else if (harness->role == SNITUN_SERVER)
        FUZZ_CHECK(harness->error == (before | after ? SNITUN_E_CHALLENGE : 0));
    else
        FUZZ_CHECK(!harness->error);
}

static void shake_hands(struct harness *harness)
{
    uint8_t challenge[SNITUN_CHALLENGE_LEN] = {1};
    uint8_t wire[SNITUN_HEADER_MAX];
    uint8_t plain[SNITUN_CHALLENGE_LEN];
    uint8_t answer[SNITUN_CHALLENGE_LEN];
    if (harness->what & RAW)
        garbage_in(harness);
    if (harness->role == SNITUN_CLIENT && !harness->error && !(harness->what & RAW))
        say_handshake(harness, challenge);
    if (harness->error || (harness->what & RAW && harness->role == SNITUN_CLIENT))
        return;
    long len = snitun_control(harness->session, harness->now_ms, wire, sizeof wire);
    FUZZ_CHECK(len == (long)snitun_header_len(harness->session));
    open_unit(harness, wire, sizeof plain, plain);
    if (harness->what & RAW)
        return;
    if (harness->role == SNITUN_SERVER) {
        SHA256(plain, sizeof plain, answer);
        say_handshake(harness, answer);
    }
    FUZZ_CHECK(harness->error || snitun_session_established(harness->session));
}

static void start(struct harness *harness)
{
    uint8_t what = harness->what = cursor_u8(&harness->input);
    const struct snitun_options options = {.channels_max = CHANNELS_MAX};
    struct snitun_keys keys = {.aes_key = {1, 2, 3}, .aes_iv = {4, 5, 6}};
    harness->role = what & 1 ? SNITUN_SERVER : SNITUN_CLIENT;
    harness->version = keys.protocol_version = (uint8_t)((what >> 1 & 3) % 3);
    keys.cipher = (enum snitun_cipher)((what >> 3 & 3) % 3);
    harness->step = 1 + (size_t)cursor_u8(&harness->input);
    harness->context = snitun_context_new(draw, harness);
    harness->other_context = units_context_new(draw, harness);
    FUZZ_CHECK(harness->context && harness->other_context);
    harness->session =
        snitun_session_new(harness->context, harness->role, &keys, &options, harness->now_ms);
    FUZZ_CHECK(harness->session != NULL);
    units_init(&harness->other, harness->other_context, (enum units_cipher)keys.cipher,
               keys.aes_key, keys.aes_iv, harness->role == SNITUN_SERVER);
}

/* After an error nothing else comes. */
static void check_error(struct harness *harness)
{
    uint8_t bytes[SNITUN_CONTROL_MAX] = {0};
    struct snitun_event event;
    size_t consumed;
    size_t limit;
    int error = harness->error;
    FUZZ_CHECK(snitun_receive(harness->session, 0, bytes, 1, &consumed, &event) == error);
    FUZZ_CHECK(snitun_control(harness->session, 0, bytes, sizeof bytes) == error);
    FUZZ_CHECK(snitun_turn(harness->session, &limit) == NULL);
    FUZZ_CHECK(!snitun_wants_to_send(harness->session));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct harness harness = {.input = cursor_over(data, size), .now_ms = 1};
    start(&harness);
    shake_hands(&harness);
    while (!harness.error && cursor_left(&harness.input) > 0)
        take_step(&harness);
    if (harness.error)
        check_error(&harness);
    while (harness.held_count > harness.now_ms % 3) /* the others go with the session */
        let_go(&harness, harness.held[0]);
    snitun_session_free(harness.session);
    snitun_context_free(harness.context);
    units_context_free(harness.other_context);
    return 0;
}
