#include "tests/unit/snitun_side.h"

#include "base/ip.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

uint64_t side_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int draw(void *arg, void *buf, size_t len)
{
    struct side *side = arg;
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)side_next(&side->random_state);
    return side->random_fails ? -1 : 0;
}

void side_start(struct side *side, enum snitun_role role, enum snitun_cipher cipher,
                uint8_t version)
{
    side->role = role;
    side->keys.cipher = cipher;
    side->keys.protocol_version = version;
    for (size_t i = 0; i < sizeof side->keys.aes_key; i++)
        side->keys.aes_key[i] = (uint8_t)(i * 7 + cipher);
    memset(side->keys.aes_iv, 0x5a, sizeof side->keys.aes_iv);
    side->context = snitun_context_new(draw, side);
    assert_non_null(side->context);
    side->session =
        snitun_session_new(side->context, role, &side->keys, &side->options, side->now_ms);
    assert_non_null(side->session);
    side->other_context = units_context_new(draw, side);
    assert_non_null(side->other_context);
    units_init(&side->other, side->other_context, (enum units_cipher)cipher, side->keys.aes_key,
               side->keys.aes_iv, role == SNITUN_SERVER);
}

void side_stop(struct side *side)
{
    snitun_session_free(side->session);
    snitun_context_free(side->context);
    units_context_free(side->other_context);
}

static void establish_server(struct side *side)
{
    uint8_t wire[SNITUN_HEADER_MAX];
    uint8_t plain[SNITUN_CHALLENGE_LEN];
    uint8_t answer[SNITUN_CHALLENGE_LEN];
    long len = snitun_control(side->session, side->now_ms, wire, sizeof wire);
    assert_int_equal(len, snitun_header_len(side->session));
    assert_int_equal(units_open(&side->other, side->other_context, wire, sizeof plain, plain), 0);
    SHA256(plain, sizeof plain, answer);
    size_t n = side_seal(side, answer, sizeof answer, wire);
    side_feed(side, wire, n, SNITUN_ESTABLISHED);
}

static void establish_client(struct side *side)
{
    static const uint8_t challenge[SNITUN_CHALLENGE_LEN] = "thirty-two bytes of a challenge";
    uint8_t expected[SNITUN_CHALLENGE_LEN];
    uint8_t wire[SNITUN_HEADER_MAX];
    uint8_t plain[SNITUN_CHALLENGE_LEN];
    size_t n = side_seal(side, challenge, sizeof challenge, wire);
    side_feed(side, wire, n, SNITUN_ESTABLISHED);
    long len = snitun_control(side->session, side->now_ms, wire, sizeof wire);
    assert_int_equal(len, snitun_header_len(side->session));
    assert_int_equal(units_open(&side->other, side->other_context, wire, sizeof plain, plain), 0);
    SHA256(challenge, sizeof challenge, expected);
    assert_memory_equal(plain, expected, sizeof expected);
}

void side_establish(struct side *side)
{
    assert_false(snitun_session_established(side->session));
    if (side->role == SNITUN_SERVER)
        establish_server(side);
    else
        establish_client(side);
    assert_true(snitun_session_established(side->session));
    side_silent(side);
}

void side_each(enum snitun_role role, void (*test)(struct side *side))
{
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        for (uint8_t version = 0; version <= 2; version++) {
            struct side side = {.now_ms = 1000};
            side_start(&side, role, (enum snitun_cipher)cipher, version);
            side_establish(&side);
            test(&side);
            side_stop(&side);
        }
    }
}

void side_simple(struct side *side, enum snitun_role role)
{
    side_start(side, role, SNITUN_AES_GCM, 2);
    side_establish(side);
}

const uint8_t *side_id(unsigned n)
{
    static uint8_t id[SNITUN_ID_LEN];
    memset(id, 0, sizeof id);
    id[0] = (uint8_t)(n >> 16);
    id[1] = (uint8_t)(n >> 8);
    id[2] = (uint8_t)n;
    id[15] = 0xee;
    return id;
}

/* ---- To the engine ---- */

size_t side_seal(struct side *side, const uint8_t *plain, size_t len, uint8_t *out)
{
    assert_int_equal(units_seal(&side->other, side->other_context, plain, len, out), 0);
    return len + units_overhead(&side->other);
}

size_t side_header(struct side *side, uint8_t flag, const uint8_t *id, uint32_t size,
                   const char *extra, uint8_t *out)
{
    uint8_t header[SNITUN_FRAME_HEADER_LEN] = {0};
    memcpy(header, id, SNITUN_ID_LEN);
    header[16] = flag;
    for (int i = 0; i < 4; i++)
        header[17 + i] = (uint8_t)(size >> (24 - 8 * i));
    memset(header + 21, 0xaa, SNITUN_EXTRA_LEN);
    if (extra)
        memcpy(header + 21, extra, strlen(extra));
    return side_seal(side, header, sizeof header, out);
}

size_t side_new(struct side *side, const uint8_t *id, const char *caller, uint8_t *out)
{
    struct adit_ip ip;
    assert_true(ip_parse(caller, &ip));
    if (side->keys.protocol_version < 2) {
        uint8_t header[SNITUN_FRAME_HEADER_LEN] = {0};
        memcpy(header, id, SNITUN_ID_LEN);
        header[16] = SNITUN_FLAG_NEW;
        header[21] = '4';
        memcpy(header + 22, ip.bytes, ip.family == 4 ? 4 : 0);
        return side_seal(side, header, sizeof header, out);
    }
    uint8_t payload[SNITUN_NEW_IPV6_LEN] = {ip.family == 4 ? '4' : '6'};
    uint32_t size = ip.family == 4 ? SNITUN_NEW_IPV4_LEN : SNITUN_NEW_IPV6_LEN;
    memcpy(payload + 1, ip.bytes, ip.family == 4 ? 4 : 16);
    size_t len = side_header(side, SNITUN_FLAG_NEW, id, size, NULL, out);
    return len + side_seal(side, payload, size, out + len);
}

struct snitun_event side_feed(struct side *side, const uint8_t *in, size_t len,
                              enum snitun_event_type expected)
{
    struct snitun_event event;
    struct snitun_event found = {.type = SNITUN_NEED_MORE};
    while (len > 0) {
        size_t consumed = 0;
        int error = snitun_receive(side->session, side->now_ms, in, len, &consumed, &event);
        assert_int_equal(error, 0);
        assert_true(consumed > 0 && consumed <= len);
        if (event.type != SNITUN_NEED_MORE) {
            assert_int_equal(found.type, SNITUN_NEED_MORE);
            found = event;
        }
        in += consumed;
        len -= consumed;
    }
    assert_int_equal(found.type, expected);
    return found;
}

struct snitun_event side_frame_in(struct side *side, uint8_t flag, const uint8_t *id,
                                  const char *extra, enum snitun_event_type expected)
{
    uint8_t wire[SNITUN_HEADER_MAX];
    size_t len = side_header(side, flag, id, 0, extra, wire);
    return side_feed(side, wire, len, expected);
}

struct snitun_channel *side_opened(struct side *side, unsigned n)
{
    uint8_t wire[SNITUN_CONTROL_MAX];
    size_t len = side_new(side, side_id(n), "203.0.113.7", wire);
    return side_feed(side, wire, len, SNITUN_OPENED).channel;
}

struct snitun_channel *side_open(struct side *side, const char *caller)
{
    struct adit_ip ip;
    assert_true(ip_parse(caller, &ip));
    struct snitun_channel *channel = snitun_channel_open(side->session, &ip);
    assert_non_null(channel);
    side_only(side, SNITUN_FLAG_NEW);
    return channel;
}

void side_fails(struct side *side, const uint8_t *in, size_t len, int error)
{
    struct snitun_event event;
    size_t consumed;
    assert_int_equal(snitun_receive(side->session, side->now_ms, in, len, &consumed, &event),
                     error);
    assert_int_equal(snitun_session_error(side->session), error);
}

/* ---- From the engine ---- */

struct snitun_frame side_read(struct side *side, const uint8_t *wire)
{
    uint8_t plain[SNITUN_FRAME_HEADER_LEN];
    assert_int_equal(units_open(&side->other, side->other_context, wire, sizeof plain, plain), 0);
    return snitun_frame_decode(plain);
}

size_t side_control(struct side *side, struct side_frame *frames)
{
    uint8_t *out = malloc(SIDE_OUT_MAX);
    assert_non_null(out);
    size_t count = 0;
    for (long len; (len = snitun_control(side->session, side->now_ms, out, SIDE_OUT_MAX)) != 0;) {
        assert_true(len > 0);
        for (size_t at = 0; at < (size_t)len; count++) {
            assert_true(count < SIDE_FRAMES_MAX);
            struct side_frame *frame = &frames[count];
            frame->header = side_read(side, out + at);
            at += snitun_header_len(side->session);
            size_t size = frame->header.size;
            if (frame->header.flag == SNITUN_FLAG_NEW && size > 0) {
                assert_true(size <= sizeof frame->payload);
                assert_int_equal(
                    units_open(&side->other, side->other_context, out + at, size, frame->payload),
                    0);
                at += size + units_overhead(&side->other);
            } else {
                assert_int_equal(size, 0);
            }
        }
    }
    free(out);
    return count;
}

struct snitun_frame side_only(struct side *side, uint8_t flag)
{
    static struct side_frame frames[SIDE_FRAMES_MAX];
    assert_int_equal(side_control(side, frames), 1);
    assert_int_equal(frames[0].header.flag, flag);
    return frames[0].header;
}

void side_silent(struct side *side)
{
    uint8_t out[SNITUN_CONTROL_MAX];
    assert_int_equal(snitun_control(side->session, side->now_ms, out, sizeof out), 0);
}
