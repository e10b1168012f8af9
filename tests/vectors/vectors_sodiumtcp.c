/*
 * Replays recorded sodium-tcp sessions: the engine in each role, with the recorded randomness,
 * must write every PDU of its side byte for byte and read every PDU of the other side, however the
 * bytes are cut. Exits 0 only if all holds, 1 if something does not, 2 if the file is not such a
 * file.
 *
 * Public peers leave rubbish in the last 4 bytes of PING and PONG and after the NUL of an answer,
 * where ours has zeros. Those bytes are masked, and the stream goes on as if the engine had sent
 * the recorded ones: each message's MAC is part of the next one's nonce.
 */
#include "base/cursor.h"
#include "lib/sodiumtcp/offer.h"
#include "tests/vectors/vectors_sodiumtcp_case.h"
#include "tests/vectors/vectors_sodiumtcp_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAPE_MAX = 1024, RUNS = 20 };

enum cut { CUT_NOWHERE, CUT_EVERYWHERE, CUT_AT_RANDOM };

struct replay {
    const struct recording *recording;
    bool server; /* the engine's role */
    bool extension;
    enum cut cut;
    uint64_t seed;
    struct sodiumtcp_context *context;
    struct sodiumtcp_session *session;
    uint8_t tape[TAPE_MAX];
    size_t tape_len;
    size_t tape_at;
    bool tape_overrun;
    struct bytes input; /* received and not consumed; room for all of the recording */
    size_t next_read;   /* the first PDU of the other side without its event */
    char where[WHERE_MAX];
};

/* ---- Randomness ---- */

static int draw(void *arg, void *buf, size_t len)
{
    struct replay *replay = arg;
    if (replay->tape_len - replay->tape_at < len) {
        replay->tape_overrun = true;
        return -1;
    }
    memcpy(buf, replay->tape + replay->tape_at, len);
    replay->tape_at += len;
    return 0;
}

static bool put_tape(struct replay *replay, const void *bytes, size_t len)
{
    if (len > TAPE_MAX - replay->tape_len)
        return vectors_fail(replay->where, "more random bytes than a PDU takes");
    memcpy(replay->tape + replay->tape_len, bytes, len);
    replay->tape_len += len;
    return true;
}

static bool put_random(struct replay *replay, const struct pdu *pdu)
{
    for (size_t i = 0; i < pdu->random_count; i++)
        if (!put_tape(replay, pdu->random[i].at, pdu->random[i].len))
            return false;
    return true;
}

/* Drawn when the other side's half has come, which is before the engine's turn. */
static bool drawn_early(const struct pdu *pdu)
{
    return pdu->type == SODIUMTCP_PDU_KEY_CLIENT || pdu->type == SODIUMTCP_PDU_KEY_SERVER;
}

/* The engine has drawn all that was recorded, and no more. */
static bool take_tape(struct replay *replay)
{
    bool exact = !replay->tape_overrun && replay->tape_at == replay->tape_len;
    replay->tape_at = replay->tape_len = 0;
    return exact || vectors_fail(replay->where, "random bytes drawn other than documented");
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* ---- Writing ---- */

/* Body bytes that an implementation is free in. */
static size_t meant_len(const struct pdu *pdu)
{
    if (pdu->type == SODIUMTCP_PDU_PING || pdu->type == SODIUMTCP_PDU_PONG)
        return 12;
    const uint8_t *nul = NULL;
    if (pdu->type == SODIUMTCP_PDU_DATA && pdu->from_server)
        nul = memchr(pdu->body.at, '\0', pdu->body.len);
    return nul ? (size_t)(nul - pdu->body.at) + 1 : pdu->body.len;
}

static bool same(const struct replay *replay, const uint8_t *written, size_t len,
                 const struct pdu *pdu, size_t compared)
{
    if (len != pdu->wire.len)
        return vectors_fail(replay->where, "%zu bytes written, %zu recorded", len, pdu->wire.len);
    for (size_t i = 0; i < compared && i < len; i++) {
        if (written[i] != pdu->wire.at[i]) {
            return vectors_fail(replay->where, "byte %zu is 0x%02x, recorded 0x%02x", i, written[i],
                                pdu->wire.at[i]);
        }
    }
    return true;
}

/* The recorded body makes the recorded wire bytes, from the engine's state before it. */
static bool same_sealed(struct replay *replay, const struct pdu *pdu,
                        const crypto_secretstream_xchacha20poly1305_state *before)
{
    uint8_t *out = vectors_allocate(pdu->wire.len, 1);
    struct sodiumtcp_session session = {.context = replay->context, .push = *before};
    size_t len = sodiumtcp_pdu_seal(&session, pdu->type, pdu->body.at, pdu->body.len, out);
    bool right = same(replay, out, len, pdu, pdu->wire.len);
    replay->session->push = session.push;
    free(out);
    return right;
}

/* The values of the key exchange are what was drawn, and its padding is zeros. */
static bool check_exchange(const struct replay *replay, const struct pdu *pdu)
{
    size_t fixed =
        pdu->type == SODIUMTCP_PDU_KEY_CLIENT ? SODIUMTCP_KEY_CLIENT_LEN : SODIUMTCP_KEY_SERVER_LEN;
    uint8_t public_key[SODIUMTCP_KEY_LEN];
    return (pdu->body.len >= fixed && pdu->random_count == 3 &&
            pdu->random[0].len == SODIUMTCP_KEY_LEN &&
            pdu->random[1].len == SODIUMTCP_STREAM_HEADER_LEN &&
            crypto_scalarmult_base(public_key, pdu->random[0].at) == 0 &&
            memcmp(pdu->body.at, public_key, sizeof public_key) == 0 &&
            memcmp(pdu->body.at + 32, pdu->random[1].at, SODIUMTCP_STREAM_HEADER_LEN) == 0 &&
            sodium_is_zero(pdu->body.at + fixed, pdu->body.len - fixed)) ||
           vectors_fail(replay->where, "a key exchange other than drawn");
}

static bool same_pdu(struct replay *replay, const uint8_t *written, size_t len,
                     const struct pdu *pdu,
                     const crypto_secretstream_xchacha20poly1305_state *before)
{
    size_t meant = meant_len(pdu);
    size_t compared = meant < pdu->body.len ? SODIUMTCP_PLAIN_AT + meant : pdu->wire.len;
    if (!same(replay, written, len, pdu, compared))
        return false;
    if (recorded_sealed(pdu))
        return true; /* check_sealed() has opened it */
    return drawn_early(pdu) ? check_exchange(replay, pdu) : same_sealed(replay, pdu, before);
}

/* One PDU of the engine's control bytes; PONGs may be held back, where they were sent later. */
static long control(struct replay *replay, bool hold_pongs, const uint8_t *clock, uint8_t *out)
{
    struct sodiumtcp_pings *pings = &replay->session->pings;
    uint8_t held = hold_pongs ? pings->pongs : 0;
    struct cursor cursor = cursor_over(clock, clock ? 12 : 0);
    struct sodiumtcp_wall wall = {cursor_u64(&cursor), cursor_u32(&cursor)};
    pings->pongs = (uint8_t)(pings->pongs - held);
    long len = sodiumtcp_control(replay->session, 0, wall, out, SODIUMTCP_CONTROL_ROOM);
    pings->pongs = (uint8_t)(pings->pongs + held);
    return len;
}

static long write_helo(struct replay *replay, uint8_t *out)
{
    int error = sodiumtcp_accept(replay->session, replay->recording->message, 0);
    return error ? error : control(replay, true, NULL, out);
}

static long write_pdu(struct replay *replay, const struct pdu *pdu, uint8_t *out)
{
    struct sodiumtcp_session *session = replay->session;
    switch (pdu->type) {
    case SODIUMTCP_PDU_CLIENT_AUTH:
        return control(replay, true, NULL, out);
    case SODIUMTCP_PDU_SERVER_HELO:
        return write_helo(replay, out);
    case SODIUMTCP_PDU_PING:
        sodiumtcp_ping(session);
        return control(replay, true, pdu->body.at, out);
    case SODIUMTCP_PDU_PONG:
        return control(replay, false, pdu->body.at, out);
    case SODIUMTCP_PDU_DATA:
        if (!replay->server)
            return sodiumtcp_data(session, pdu->body.at, pdu->body.len, out);
        sodiumtcp_written(session, session->blocks.lens[session->blocks.first]);
        return control(replay, true, NULL, out);
    default:
        break;
    }
    long len = pdu->type < SODIUMTCP_PDU_BEGIN ? 0 : files_write(session, pdu, out);
    return len ? len : control(replay, true, NULL, out);
}

static bool write_and_compare(struct replay *replay, const struct pdu *pdu)
{
    crypto_secretstream_xchacha20poly1305_state before = replay->session->push;
    bool drawn = pdu->type == SODIUMTCP_PDU_CLIENT_AUTH || drawn_early(pdu);
    if (!drawn && !put_random(replay, pdu))
        return false;
    uint8_t *out = vectors_allocate(SODIUMTCP_CONTROL_ROOM + pdu->wire.len, 1);
    long len = write_pdu(replay, pdu, out);
    bool right = len < 0 ? vectors_fail(replay->where, "%s", sodiumtcp_error_text((int)len))
                         : same_pdu(replay, out, (size_t)len, pdu, &before);
    free(out);
    return right && take_tape(replay);
}

/* ---- Reading ---- */

static bool is_text(const struct replay *replay, const char *what, const char *got,
                    const char *expected)
{
    return strcmp(got, expected) == 0 ||
           vectors_fail(replay->where, "another %s than recorded", what);
}

static bool check_login(const struct replay *replay, const struct sodiumtcp_login *login)
{
    const struct recording *recording = replay->recording;
    const struct sodiumtcp_opening *opening = replay->session->opening;
    if (memcmp(login->client_public_key, recording->client.public_key, SODIUMTCP_KEY_LEN) != 0 ||
        memcmp(opening->to_server_key, recording->client_tx_key, SODIUMTCP_KEY_LEN) != 0 ||
        memcmp(opening->to_client_key, recording->client_rx_key, SODIUMTCP_KEY_LEN) != 0)
        return vectors_fail(replay->where, "another key than recorded");
    return is_text(replay, "login", login->login, recording->login) &&
           is_text(replay, "passphrase", login->passphrase, recording->passphrase);
}

/* True when an event with what it says comes of a PDU. */
static bool tells(const struct pdu *pdu)
{
    return pdu->type == SODIUMTCP_PDU_CLIENT_AUTH || pdu->type == SODIUMTCP_PDU_DATA ||
           (pdu->type >= SODIUMTCP_PDU_BEGIN && files_tells(pdu));
}

/* The event must be that of the other side's next PDU that has one. */
static bool check_event(struct replay *replay, const struct sodiumtcp_event *event)
{
    const struct recording *recording = replay->recording;
    if (event->type == SODIUMTCP_READY) {
        return (event->extension == replay->extension ||
                vectors_fail(replay->where, "the other mode")) &&
               (replay->server || is_text(replay, "message", event->text, recording->message));
    }
    const struct pdu *pdu;
    do {
        if (replay->next_read == recording->count)
            return vectors_fail(replay->where, "an event without a PDU");
        pdu = &recording->pdus[replay->next_read++];
    } while (pdu->from_server == replay->server || !tells(pdu));
    if (pdu->type >= SODIUMTCP_PDU_BEGIN) {
        return files_same_event(event, pdu) ||
               vectors_fail(replay->where, "another event than pdus[%zu]", replay->next_read - 1);
    }
    switch (event->type) {
    case SODIUMTCP_LOGIN:
        return pdu->type == SODIUMTCP_PDU_CLIENT_AUTH && check_login(replay, event->login);
    case SODIUMTCP_ANSWERED:
        return pdu->type == SODIUMTCP_PDU_DATA;
    case SODIUMTCP_DATA:
        return (pdu->type == SODIUMTCP_PDU_DATA && event->len == pdu->body.len &&
                memcmp(event->data, pdu->body.at, event->len) == 0) ||
               vectors_fail(replay->where, "other data than recorded");
    default:
        return vectors_fail(replay->where, "event %d", (int)event->type);
    }
}

/* Hands in what has come so far, until the engine needs more or waits for us. */
static bool receive(struct replay *replay)
{
    static uint8_t into[SODIUMTCP_PUBLIC_DATA_MAX];
    size_t room = replay->cut == CUT_NOWHERE ? sizeof into : 0;
    struct sodiumtcp_event event;
    do {
        size_t consumed = 0;
        int error = sodiumtcp_receive(replay->session, 0, replay->input.at, replay->input.len,
                                      room > 0 ? into : NULL, room, &consumed, &event);
        if (error)
            return vectors_fail(replay->where, "%s", sodiumtcp_error_text(error));
        bool told = event.type != SODIUMTCP_NEED_MORE && event.type != SODIUMTCP_WAIT;
        if (told && !check_event(replay, &event))
            return false;
        replay->input.len -= consumed;
        memmove(replay->input.at, replay->input.at + consumed, replay->input.len);
        if (!told)
            break;
    } while (true);
    bool short_of = event.type == SODIUMTCP_WAIT || replay->input.len < event.need;
    return short_of || vectors_fail(replay->where, "needs no more than it had");
}

static size_t next_cut(struct replay *replay, size_t left)
{
    size_t len = left;
    if (replay->cut == CUT_EVERYWHERE) {
        len = 1;
    } else if (replay->cut == CUT_AT_RANDOM) {
        uint64_t drawn = next_random(&replay->seed);
        uint64_t most = (drawn >> 60) % 2 ? 64 : 65536;
        len = 1 + (size_t)(drawn % most);
    }
    return len < left ? len : left;
}

static bool read_wire(struct replay *replay, const struct bytes *wire)
{
    for (size_t at = 0; at < wire->len;) {
        size_t len = next_cut(replay, wire->len - at);
        memcpy(replay->input.at + replay->input.len, wire->at + at, len);
        replay->input.len += len;
        at += len;
        if (!receive(replay))
            return false;
    }
    return true;
}

/* The run of PDUs that the other side sent before ours is its turn, as one piece of bytes. */
static bool read_run(struct replay *replay, size_t *at)
{
    const struct recording *recording = replay->recording;
    struct bytes run = {vectors_allocate(replay->input.len + 1, 1), 0};
    bool from_server = recording->pdus[*at].from_server;
    for (; *at < recording->count && recording->pdus[*at].from_server == from_server; ++*at) {
        const struct bytes *wire = &recording->pdus[*at].wire;
        uint8_t *grown = realloc(run.at, run.len + wire->len + 1);
        if (!grown)
            exit(1);
        run.at = grown;
        memcpy(run.at + run.len, wire->at, wire->len);
        run.len += wire->len;
    }
    bool early = *at < recording->count && drawn_early(&recording->pdus[*at]);
    bool right = (!early || put_random(replay, &recording->pdus[*at])) && read_wire(replay, &run);
    free(run.at);
    return right;
}

/* A sealed PDU opens, and has the body that the file says. */
static bool check_sealed(const struct recording *recording, const struct pdu *pdu)
{
    const struct sodiumtcp_keypair *keys =
        pdu->from_server ? &recording->client : &recording->server;
    uint8_t plain[SODIUMTCP_HEADER_LEN + SODIUMTCP_AUTH_LEN];
    uint8_t header[SODIUMTCP_HEADER_LEN];
    sodiumtcp_pdu_header(header, pdu->type, (uint32_t)pdu->body.len);
    return (pdu->body.len <= SODIUMTCP_AUTH_LEN &&
            crypto_box_seal_open(plain, pdu->wire.at, pdu->wire.len, keys->public_key,
                                 keys->secret_key) == 0 &&
            memcmp(plain, header, sizeof header) == 0 &&
            memcmp(plain + sizeof header, pdu->body.at, pdu->body.len) == 0) ||
           vectors_fail("sealed PDU", "does not open to what was recorded");
}

/* ---- A replay ---- */

/* The first PDU of a type, or NULL. */
static const struct pdu *find(const struct recording *recording, uint32_t type, size_t least_len)
{
    for (size_t i = 0; i < recording->count; i++) {
        const struct pdu *pdu = &recording->pdus[i];
        if (pdu->type == type)
            return pdu->body.len >= least_len ? pdu : NULL;
    }
    return NULL;
}

/* How the side was configured that was recorded. */
static struct sodiumtcp_options options_of(struct replay *replay)
{
    const struct recording *recording = replay->recording;
    const struct pdu *helo = find(recording, SODIUMTCP_PDU_SERVER_HELO, SODIUMTCP_HELO_LEN);
    const struct pdu *ask = find(recording, SODIUMTCP_PDU_KEY_CLIENT, SODIUMTCP_KEY_CLIENT_LEN);
    const struct pdu *answer = find(recording, SODIUMTCP_PDU_KEY_SERVER, SODIUMTCP_KEY_SERVER_LEN);
    struct sodiumtcp_options options = {.public_only = true};
    replay->extension = ask && answer;
    if (replay->server && helo) {
        const char *message = (const char *)helo->body.at + 48;
        options.public_only = !sodiumtcp_offer_read(message).made;
        options.zstd = sodiumtcp_offer_read(message).zstd;
    }
    if (replay->extension) {
        struct cursor cursor = cursor_over(answer->body.at + 60, 4);
        options.window = cursor_u32(&cursor);
        options.public_only = false;
        options.zstd = replay->server ? options.zstd : ask->body.at[59] & 1;
    }
    return options;
}

static bool start(struct replay *replay)
{
    const struct recording *recording = replay->recording;
    struct sodiumtcp_options options = options_of(replay);
    int error = 0;
    replay->context = sodiumtcp_context_new(draw, replay);
    if (!replay->context)
        return vectors_fail(replay->where, "no context");
    if (replay->server) {
        error = sodiumtcp_server_new(replay->context, &recording->server, &options, 0,
                                     &replay->session);
    } else {
        const struct pdu *auth = &recording->pdus[0];
        if (auth->type != SODIUMTCP_PDU_CLIENT_AUTH || auth->random_count != 5) {
            return vectors_fail(replay->where,
                                "the first PDU is no CLIENT_AUTH with 5 random strings");
        }
        static const size_t meant[] = {0, 3, 4};
        put_tape(replay, recording->client.secret_key, SODIUMTCP_KEY_LEN);
        for (size_t i = 0; i < sizeof meant / sizeof *meant; i++)
            put_tape(replay, auth->random[meant[i]].at, auth->random[meant[i]].len);
        error =
            sodiumtcp_client_new(replay->context, recording->server.public_key, recording->login,
                                 recording->passphrase, &options, 0, &replay->session);
    }
    return error ? vectors_fail(replay->where, "%s", sodiumtcp_error_text(error))
                 : take_tape(replay);
}

static bool all_read(const struct replay *replay)
{
    size_t events = 0;
    for (size_t i = replay->next_read; i < replay->recording->count; i++) {
        const struct pdu *pdu = &replay->recording->pdus[i];
        events += pdu->from_server != replay->server && tells(pdu);
    }
    if (events > 0 || replay->input.len > 0) {
        return vectors_fail(replay->where, "%zu PDUs, %zu bytes not read", events,
                            replay->input.len);
    }
    return true;
}

static bool run(struct replay *replay)
{
    const struct recording *recording = replay->recording;
    const char *role = replay->server ? "server" : "client";
    snprintf(replay->where, sizeof replay->where, "%s, start", role);
    if (!start(replay))
        return false;
    for (size_t i = 0; i < recording->count;) {
        snprintf(replay->where, sizeof replay->where, "%s, cut %d, pdus[%zu]", role,
                 (int)replay->cut, i);
        if (recording->pdus[i].from_server != replay->server) {
            if (!read_run(replay, &i))
                return false;
        } else if (!write_and_compare(replay, &recording->pdus[i++])) {
            return false;
        }
    }
    return all_read(replay);
}

static bool replay(const struct recording *recording, bool server, enum cut cut, uint64_t seed)
{
    struct replay replay = {.recording = recording, .server = server, .cut = cut, .seed = seed};
    size_t total = 0;
    for (size_t i = 0; i < recording->count; i++)
        total += recording->pdus[i].wire.len;
    replay.input.at = vectors_allocate(total, 1);
    bool right = run(&replay);
    sodiumtcp_session_free(replay.session);
    sodiumtcp_context_free(replay.context);
    free(replay.input.at);
    return right;
}

static bool replay_all(const struct recording *recording)
{
    bool right = true;
    for (size_t i = 0; i < recording->count; i++) {
        const struct pdu *pdu = &recording->pdus[i];
        right = (!recorded_sealed(pdu) || check_sealed(recording, pdu)) && right;
    }
    for (int server = 0; server < 2; server++) {
        right = replay(recording, server, CUT_NOWHERE, 0) && right;
        right = replay(recording, server, CUT_EVERYWHERE, 0) && right;
        for (uint64_t seed = 1; seed <= RUNS && right; seed++)
            right = replay(recording, server, CUT_AT_RANDOM, seed);
    }
    return right;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: vectors_sodiumtcp FILE\n");
        return 2;
    }
    json_error_t error;
    json_t *root = json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        fprintf(stderr, "%s:%d: %s\n", argv[1], error.line, error.text);
        return 2;
    }
    struct recording recording = {0};
    int status = recording_load(root, &recording) ? 0 : 2;
    if (status == 0 && !replay_all(&recording))
        status = 1;
    printf("%s: %zu PDUs, both roles: %s\n", argv[1], recording.count,
           status == 0 ? "replayed" : "failed");
    recording_free(&recording);
    json_decref(root);
    return status;
}
