#include "tests/vectors/snitun_replay.h"

#include <openssl/sha.h>
#include <string.h>

uint64_t replay_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int draw(void *arg, void *buf, size_t len)
{
    struct replay_random *random = arg;
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++) {
        if (!random->recorded) {
            out[i] = (uint8_t)replay_next(&random->state);
        } else if (random->at < random->len) {
            out[i] = random->tape[random->at++];
        } else {
            random->overrun = true;
            out[i] = 0;
        }
    }
    return 0;
}

void replay_put_tape(struct replay *replay, const void *bytes, size_t len)
{
    struct replay_random *random = &replay->random;
    random->recorded = true;
    memcpy(random->tape + random->len, bytes, len);
    random->len += len;
}

void replay_put_nonce(struct replay *replay, const uint8_t *unit)
{
    replay->random.recorded = true;
    if (replay->recorded->keys.cipher == SNITUN_AES_GCM_SIV)
        replay_put_tape(replay, unit, UNITS_NONCE_LEN);
}

bool replay_take_tape(struct replay *replay)
{
    struct replay_random *random = &replay->random;
    bool exact = !random->overrun && random->at == random->len;
    random->recorded = false;
    random->overrun = false;
    random->at = random->len = 0;
    return exact ? true : vectors_fail(replay->where, "random bytes drawn other than documented");
}

bool replay_same(const struct replay *replay, const char *what, const uint8_t *written, long len,
                 const uint8_t *recorded, size_t recorded_len)
{
    if (len < 0)
        return vectors_fail(replay->where, "%s: %s", what, snitun_error_text((int)len));
    if ((size_t)len != recorded_len) {
        return vectors_fail(replay->where, "%s: %ld bytes written, %zu recorded", what, len,
                            recorded_len);
    }
    for (size_t i = 0; i < recorded_len; i++) {
        if (written[i] != recorded[i]) {
            return vectors_fail(replay->where, "%s: byte %zu is 0x%02x, recorded 0x%02x", what, i,
                                written[i], recorded[i]);
        }
    }
    return true;
}

/* ---- The other side ---- */

static bool feed_unit(struct replay *replay, const uint8_t *wire, size_t len,
                      enum snitun_event_type expected, struct snitun_event *event)
{
    size_t consumed;
    int error = snitun_receive(replay->session, replay->now_ms, wire, len, &consumed, event);
    if (error)
        return vectors_fail(replay->where, "refused: %s", snitun_error_text(error));
    if (consumed != len || event->type != expected) {
        return vectors_fail(replay->where, "event %d after %zu of %zu bytes, expected %d",
                            (int)event->type, consumed, len, (int)expected);
    }
    return true;
}

bool replay_inject(struct replay *replay, const struct snitun_frame *frame, const uint8_t *payload,
                   enum snitun_event_type expected, struct snitun_event *event)
{
    uint8_t header[SNITUN_FRAME_HEADER_LEN];
    memcpy(header, frame->id, sizeof frame->id);
    header[16] = frame->flag;
    header[17] = header[18] = header[19] = 0;
    header[20] = (uint8_t)frame->size;
    memcpy(header + 21, frame->extra, sizeof frame->extra);
    uint8_t wire[SNITUN_CONTROL_MAX];
    size_t len = sizeof header + units_overhead(&replay->other);
    if (units_seal(&replay->other, replay->other_context, header, sizeof header, wire))
        return vectors_fail(replay->where, "the other side could not encrypt");
    if (frame->size > 0) {
        if (units_seal(&replay->other, replay->other_context, payload, frame->size, wire + len))
            return vectors_fail(replay->where, "the other side could not encrypt");
        len += frame->size + units_overhead(&replay->other);
    }
    return feed_unit(replay, wire, len, expected, event);
}

/* Brings the other side's half of the ciphers past the handshake. */
static bool start_other(struct replay *replay)
{
    const struct recorded_session *recorded = replay->recorded;
    bool client = replay->role == SNITUN_SERVER;
    const struct recorded_unit *sent = client ? &recorded->response : &recorded->challenge;
    const struct recorded_unit *received = client ? &recorded->challenge : &recorded->response;
    replay->other_random = (struct replay_random){.state = 2};
    replay->other_context = units_context_new(draw, &replay->other_random);
    if (!replay->other_context)
        return vectors_fail(replay->where, "no cipher contexts");
    units_init(&replay->other, replay->other_context, (enum units_cipher)recorded->keys.cipher,
               recorded->keys.aes_key, recorded->keys.aes_iv, client);
    uint8_t buf[SNITUN_HEADER_MAX];
    if (units_seal(&replay->other, replay->other_context, sent->plain, SNITUN_CHALLENGE_LEN, buf) ||
        units_open(&replay->other, replay->other_context, received->wire.bytes,
                   SNITUN_CHALLENGE_LEN, buf))
        return vectors_fail(replay->where, "the recorded handshake does not decrypt");
    return true;
}

/* ---- Handshake ---- */

/* The engine writes the challenge or its answer, byte for byte as recorded. */
static bool write_handshake(struct replay *replay, const char *what,
                            const struct recorded_unit *unit)
{
    uint8_t out[REPLAY_OUT_MAX];
    replay_put_nonce(replay, unit->wire.bytes);
    long len = snitun_control(replay->session, replay->now_ms, out, sizeof out);
    return replay_take_tape(replay) &&
           replay_same(replay, what, out, len, unit->wire.bytes, unit->wire.len);
}

static bool new_session(struct replay *replay)
{
    static const uint8_t jitter[2];
    if (replay->role == SNITUN_SERVER)
        replay_put_tape(replay, replay->recorded->challenge.plain, SNITUN_CHALLENGE_LEN);
    replay_put_tape(replay, jitter, sizeof jitter);
    replay->session = snitun_session_new(replay->context, replay->role, &replay->recorded->keys,
                                         NULL, replay->now_ms);
    if (!replay->session)
        return vectors_fail(replay->where, "no session");
    return replay_take_tape(replay);
}

static bool handshake(struct replay *replay)
{
    const struct recorded_session *recorded = replay->recorded;
    struct snitun_event event;
    if (replay->role == SNITUN_SERVER) {
        return write_handshake(replay, "challenge", &recorded->challenge) &&
               feed_unit(replay, recorded->response.wire.bytes, recorded->response.wire.len,
                         SNITUN_ESTABLISHED, &event);
    }
    return feed_unit(replay, recorded->challenge.wire.bytes, recorded->challenge.wire.len,
                     SNITUN_ESTABLISHED, &event) &&
           write_handshake(replay, "response", &recorded->response);
}

bool replay_start(struct replay *replay, const struct recorded_session *recorded,
                  enum snitun_role role, const char *where)
{
    *replay = (struct replay){.recorded = recorded, .where = where, .role = role};
    uint8_t hash[SNITUN_CHALLENGE_LEN];
    SHA256(recorded->challenge.plain, sizeof recorded->challenge.plain, hash);
    if (memcmp(hash, recorded->response.plain, sizeof hash) != 0)
        return vectors_fail(where, "the response is not SHA-256 of the challenge");
    replay->random.state = 1;
    replay->context = snitun_context_new(draw, &replay->random);
    if (!replay->context)
        return vectors_fail(where, "no context");
    return new_session(replay) && handshake(replay) && start_other(replay);
}

void replay_end(struct replay *replay)
{
    snitun_session_free(replay->session);
    snitun_context_free(replay->context);
    units_context_free(replay->other_context);
}
