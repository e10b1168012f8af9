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
#include "base/encode.h"
#include "lib/sodiumtcp/pdu.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAPE_MAX = 512, WHERE_MAX = 160, RANDOM_PER_PDU_MAX = 8, RUNS = 20 };

struct bytes {
    uint8_t *at;
    size_t len;
};

struct pdu {
    bool from_server;
    uint32_t type;
    struct bytes body;
    struct bytes wire;
    size_t random_count;
    struct bytes random[RANDOM_PER_PDU_MAX];
};

struct recording {
    struct sodiumtcp_keypair server;
    struct sodiumtcp_keypair client;
    uint8_t client_tx_key[SODIUMTCP_KEY_LEN];
    uint8_t client_rx_key[SODIUMTCP_KEY_LEN];
    const char *login;
    const char *passphrase;
    const char *message;
    struct pdu *pdus;
    size_t count;
};

enum cut { CUT_NOWHERE, CUT_EVERYWHERE, CUT_AT_RANDOM };

struct replay {
    const struct recording *recording;
    bool server; /* the engine's role */
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

__attribute__((format(printf, 2, 3))) static bool fail(const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", where);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ---- The file ---- */

static bool load_hex(const json_t *json, const char *where, struct bytes *out)
{
    const char *text = json_string_value(json);
    if (!text || strlen(text) % 2 != 0) {
        return fail(where, "no hex string");
    }
    out->len = strlen(text) / 2;
    out->at = allocate(out->len, 1);
    return hex_decode(text, out->at, out->len) || fail(where, "no hex string");
}

static bool load_key(const json_t *root, const char *key, uint8_t out[SODIUMTCP_KEY_LEN])
{
    const char *text = json_string_value(json_object_get(root, key));
    bool right = text && strlen(text) == (size_t)2 * SODIUMTCP_KEY_LEN &&
                 hex_decode(text, out, SODIUMTCP_KEY_LEN);
    return right || fail(key, "not 32 bytes of hex");
}

static bool load_text(const json_t *root, const char *key, const char **out)
{
    *out = json_string_value(json_object_get(root, key));
    return *out || fail(key, "no string");
}

static bool load_random(const json_t *list, const char *where, struct pdu *pdu)
{
    pdu->random_count = json_array_size(list);
    if (!json_is_array(list) || pdu->random_count > RANDOM_PER_PDU_MAX) {
        return fail(where, "\"random\" is no list of at most %d", RANDOM_PER_PDU_MAX);
    }
    for (size_t i = 0; i < pdu->random_count; i++) {
        if (!load_hex(json_array_get(list, i), where, &pdu->random[i])) {
            return false;
        }
    }
    return true;
}

static bool sealed(const struct pdu *pdu)
{
    return pdu->type == SODIUMTCP_PDU_CLIENT_AUTH || pdu->type == SODIUMTCP_PDU_SERVER_HELO;
}

/* What the file says beside body and wire. */
static bool check_header(const json_t *json, const char *where, const struct pdu *pdu)
{
    const char *magic = json_string_value(json_object_get(json, "magic"));
    json_int_t body_size = json_integer_value(json_object_get(json, "body_size"));
    size_t overhead =
        sealed(pdu) ? SODIUMTCP_HEADER_LEN + crypto_box_SEALBYTES : (size_t)SODIUMTCP_PDU_OVERHEAD;
    if (!magic || strcmp(magic, "baadc0de") != 0) {
        return fail(where, "\"magic\" is not baadc0de");
    }
    if (body_size != (json_int_t)pdu->body.len || pdu->wire.len != pdu->body.len + overhead) {
        return fail(where, "body_size, body and wire do not fit");
    }
    return true;
}

static bool load_pdu(const json_t *json, const char *where, struct pdu *pdu)
{
    const char *from = json_string_value(json_object_get(json, "from"));
    const json_t *type = json_object_get(json, "pdu_type");
    if (!from || (strcmp(from, "client") != 0 && strcmp(from, "server") != 0)) {
        return fail(where, "\"from\" is neither client nor server");
    }
    pdu->from_server = strcmp(from, "server") == 0;
    pdu->type = (uint32_t)json_integer_value(type);
    if (!json_is_integer(type) || pdu->type < SODIUMTCP_PDU_CLIENT_AUTH ||
        pdu->type > SODIUMTCP_PDU_PONG) {
        return fail(where, "\"pdu_type\" is none of public mode");
    }
    return load_hex(json_object_get(json, "body"), where, &pdu->body) &&
           load_hex(json_object_get(json, "wire"), where, &pdu->wire) &&
           load_random(json_object_get(json, "random"), where, pdu) &&
           check_header(json, where, pdu);
}

static bool load(const json_t *root, struct recording *recording)
{
    const json_t *list = json_object_get(root, "pdus");
    if (!load_key(root, "server_secret_key", recording->server.secret_key) ||
        !load_key(root, "server_public_key", recording->server.public_key) ||
        !load_key(root, "client_secret_key", recording->client.secret_key) ||
        !load_key(root, "client_public_key", recording->client.public_key) ||
        !load_key(root, "client_tx_key", recording->client_tx_key) ||
        !load_key(root, "client_rx_key", recording->client_rx_key) ||
        !load_text(root, "login", &recording->login) ||
        !load_text(root, "passphrase", &recording->passphrase) ||
        !load_text(root, "server_message", &recording->message)) {
        return false;
    }
    if (json_array_size(list) == 0) {
        return fail("pdus", "no list with at least one PDU");
    }
    recording->pdus = allocate(json_array_size(list), sizeof *recording->pdus);
    recording->count = json_array_size(list);
    for (size_t i = 0; i < recording->count; i++) {
        char where[WHERE_MAX];
        snprintf(where, sizeof where, "pdus[%zu]", i);
        if (!load_pdu(json_array_get(list, i), where, &recording->pdus[i])) {
            return false;
        }
    }
    return true;
}

static void unload(struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) {
        struct pdu *pdu = &recording->pdus[i];
        free(pdu->body.at);
        free(pdu->wire.at);
        for (size_t k = 0; k < pdu->random_count && k < RANDOM_PER_PDU_MAX; k++) {
            free(pdu->random[k].at);
        }
    }
    free(recording->pdus);
}

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
    if (len > TAPE_MAX - replay->tape_len) {
        return fail(replay->where, "more random bytes than a PDU takes");
    }
    memcpy(replay->tape + replay->tape_len, bytes, len);
    replay->tape_len += len;
    return true;
}

/* The engine has drawn all that was recorded, and no more. */
static bool take_tape(struct replay *replay)
{
    bool exact = !replay->tape_overrun && replay->tape_at == replay->tape_len;
    replay->tape_at = replay->tape_len = 0;
    return exact || fail(replay->where, "random bytes drawn other than documented");
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
    if (pdu->type == SODIUMTCP_PDU_PING || pdu->type == SODIUMTCP_PDU_PONG) {
        return 12;
    }
    const uint8_t *nul = NULL;
    if (pdu->type == SODIUMTCP_PDU_DATA && pdu->from_server) {
        nul = memchr(pdu->body.at, '\0', pdu->body.len);
    }
    return nul ? (size_t)(nul - pdu->body.at) + 1 : pdu->body.len;
}

static bool same(const struct replay *replay, const uint8_t *written, size_t len,
                 const struct pdu *pdu, size_t compared)
{
    if (len != pdu->wire.len) {
        return fail(replay->where, "%zu bytes written, %zu recorded", len, pdu->wire.len);
    }
    for (size_t i = 0; i < compared && i < len; i++) {
        if (written[i] != pdu->wire.at[i]) {
            return fail(replay->where, "byte %zu is 0x%02x, recorded 0x%02x", i, written[i],
                        pdu->wire.at[i]);
        }
    }
    return true;
}

/* Compares without what is masked, then with it, and goes on from there. */
static bool same_masked(struct replay *replay, const uint8_t *written, size_t len,
                        const struct pdu *pdu,
                        const crypto_secretstream_xchacha20poly1305_state *before)
{
    if (!same(replay, written, len, pdu, SODIUMTCP_PLAIN_AT + meant_len(pdu))) {
        return false;
    }
    uint8_t *out = allocate(pdu->wire.len, 1);
    replay->session->push = *before;
    len = sodiumtcp_pdu_seal(replay->session, pdu->type, pdu->body.at, pdu->body.len, out);
    bool right = same(replay, out, len, pdu, pdu->wire.len);
    free(out);
    return right;
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

static long write_helo(struct replay *replay, const struct pdu *pdu, uint8_t *out)
{
    for (size_t i = 0; i < pdu->random_count; i++) {
        put_tape(replay, pdu->random[i].at, pdu->random[i].len);
    }
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
        return write_helo(replay, pdu, out);
    case SODIUMTCP_PDU_PING:
        sodiumtcp_ping(session);
        return control(replay, true, pdu->body.at, out);
    case SODIUMTCP_PDU_PONG:
        return control(replay, false, pdu->body.at, out);
    default:
        if (!replay->server) {
            return sodiumtcp_data(session, pdu->body.at, pdu->body.len, out);
        }
        sodiumtcp_written(session, session->blocks.lens[session->blocks.first]);
        return control(replay, true, NULL, out);
    }
}

static bool write_and_compare(struct replay *replay, const struct pdu *pdu)
{
    crypto_secretstream_xchacha20poly1305_state before = replay->session->push;
    uint8_t *out = allocate(SODIUMTCP_CONTROL_ROOM + pdu->wire.len, 1);
    long len = write_pdu(replay, pdu, out);
    bool right = len < 0 ? fail(replay->where, "%s", sodiumtcp_error_text((int)len))
                 : meant_len(pdu) < pdu->body.len
                     ? same_masked(replay, out, (size_t)len, pdu, &before)
                     : same(replay, out, (size_t)len, pdu, pdu->wire.len);
    free(out);
    return right && take_tape(replay);
}

/* ---- Reading ---- */

static bool is_text(const struct replay *replay, const char *what, const char *got,
                    const char *expected)
{
    return strcmp(got, expected) == 0 || fail(replay->where, "another %s than recorded", what);
}

static bool check_login(const struct replay *replay, const struct sodiumtcp_login *login)
{
    const struct recording *recording = replay->recording;
    const struct sodiumtcp_opening *opening = replay->session->opening;
    if (memcmp(login->client_public_key, recording->client.public_key, SODIUMTCP_KEY_LEN) != 0 ||
        memcmp(opening->to_server_key, recording->client_tx_key, SODIUMTCP_KEY_LEN) != 0 ||
        memcmp(opening->to_client_key, recording->client_rx_key, SODIUMTCP_KEY_LEN) != 0) {
        return fail(replay->where, "another key than recorded");
    }
    return is_text(replay, "login", login->login, recording->login) &&
           is_text(replay, "passphrase", login->passphrase, recording->passphrase);
}

/* The event must be that of the other side's next PDU that has one. */
static bool check_event(struct replay *replay, const struct sodiumtcp_event *event)
{
    const struct recording *recording = replay->recording;
    if (event->type == SODIUMTCP_READY) {
        return !event->extension &&
               (replay->server || is_text(replay, "message", event->text, recording->message));
    }
    const struct pdu *pdu;
    do {
        if (replay->next_read == recording->count) {
            return fail(replay->where, "an event without a PDU");
        }
        pdu = &recording->pdus[replay->next_read++];
    } while (pdu->from_server == replay->server || pdu->type == SODIUMTCP_PDU_PING ||
             pdu->type == SODIUMTCP_PDU_PONG || pdu->type == SODIUMTCP_PDU_SERVER_HELO);
    switch (event->type) {
    case SODIUMTCP_LOGIN:
        return pdu->type == SODIUMTCP_PDU_CLIENT_AUTH && check_login(replay, event->login);
    case SODIUMTCP_ANSWERED:
        return pdu->type == SODIUMTCP_PDU_DATA;
    case SODIUMTCP_DATA:
        return (pdu->type == SODIUMTCP_PDU_DATA && event->len == pdu->body.len &&
                memcmp(event->data, pdu->body.at, event->len) == 0) ||
               fail(replay->where, "other data than recorded");
    default:
        return fail(replay->where, "event %d", (int)event->type);
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
        if (error) {
            return fail(replay->where, "%s", sodiumtcp_error_text(error));
        }
        bool tells = event.type != SODIUMTCP_NEED_MORE && event.type != SODIUMTCP_WAIT;
        if (tells && !check_event(replay, &event)) {
            return false;
        }
        replay->input.len -= consumed;
        memmove(replay->input.at, replay->input.at + consumed, replay->input.len);
        if (!tells) {
            break;
        }
    } while (true);
    bool short_of = event.type == SODIUMTCP_WAIT || replay->input.len < event.need;
    return short_of || fail(replay->where, "needs no more than it had");
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
        if (!receive(replay)) {
            return false;
        }
    }
    return true;
}

/* The run of PDUs that the other side sent before ours is its turn, as one piece of bytes. */
static bool read_run(struct replay *replay, size_t *at)
{
    const struct recording *recording = replay->recording;
    struct bytes run = {allocate(replay->input.len + 1, 1), 0};
    bool from_server = recording->pdus[*at].from_server;
    for (; *at < recording->count && recording->pdus[*at].from_server == from_server; ++*at) {
        const struct bytes *wire = &recording->pdus[*at].wire;
        uint8_t *grown = realloc(run.at, run.len + wire->len + 1);
        if (!grown) {
            exit(1);
        }
        run.at = grown;
        memcpy(run.at + run.len, wire->at, wire->len);
        run.len += wire->len;
    }
    bool right = read_wire(replay, &run);
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
           fail("sealed PDU", "does not open to what was recorded");
}

/* ---- A replay ---- */

static bool start(struct replay *replay)
{
    const struct recording *recording = replay->recording;
    struct sodiumtcp_options options = {.public_only = true};
    int error = 0;
    replay->context = sodiumtcp_context_new(draw, replay);
    if (!replay->context) {
        return fail(replay->where, "no context");
    }
    if (replay->server) {
        error = sodiumtcp_server_new(replay->context, &recording->server, &options, 0,
                                     &replay->session);
    } else {
        const struct pdu *auth = &recording->pdus[0];
        if (auth->type != SODIUMTCP_PDU_CLIENT_AUTH || auth->random_count != 5) {
            return fail(replay->where, "the first PDU is no CLIENT_AUTH with 5 random strings");
        }
        static const size_t meant[] = {0, 3, 4};
        put_tape(replay, recording->client.secret_key, SODIUMTCP_KEY_LEN);
        for (size_t i = 0; i < sizeof meant / sizeof *meant; i++) {
            put_tape(replay, auth->random[meant[i]].at, auth->random[meant[i]].len);
        }
        error =
            sodiumtcp_client_new(replay->context, recording->server.public_key, recording->login,
                                 recording->passphrase, &options, 0, &replay->session);
    }
    return error ? fail(replay->where, "%s", sodiumtcp_error_text(error)) : take_tape(replay);
}

static bool all_read(const struct replay *replay)
{
    size_t events = 0;
    for (size_t i = replay->next_read; i < replay->recording->count; i++) {
        const struct pdu *pdu = &replay->recording->pdus[i];
        events += pdu->from_server != replay->server && pdu->type == SODIUMTCP_PDU_DATA;
    }
    if (events > 0 || replay->input.len > 0) {
        return fail(replay->where, "%zu PDUs, %zu bytes not read", events, replay->input.len);
    }
    return true;
}

static bool run(struct replay *replay)
{
    const struct recording *recording = replay->recording;
    const char *role = replay->server ? "server" : "client";
    snprintf(replay->where, sizeof replay->where, "%s, start", role);
    if (!start(replay)) {
        return false;
    }
    for (size_t i = 0; i < recording->count;) {
        snprintf(replay->where, sizeof replay->where, "%s, cut %d, pdus[%zu]", role,
                 (int)replay->cut, i);
        if (recording->pdus[i].from_server != replay->server) {
            if (!read_run(replay, &i)) {
                return false;
            }
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
    for (size_t i = 0; i < recording->count; i++) {
        total += recording->pdus[i].wire.len;
    }
    replay.input.at = allocate(total, 1);
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
        right = (!sealed(pdu) || check_sealed(recording, pdu)) && right;
    }
    for (int server = 0; server < 2; server++) {
        right = replay(recording, server, CUT_NOWHERE, 0) && right;
        right = replay(recording, server, CUT_EVERYWHERE, 0) && right;
        for (uint64_t seed = 1; seed <= RUNS && right; seed++) {
            right = replay(recording, server, CUT_AT_RANDOM, seed);
        }
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
    int status = load(root, &recording) ? 0 : 2;
    if (status == 0 && !replay_all(&recording)) {
        status = 1;
    }
    printf("%s: %zu PDUs, both roles: %s\n", argv[1], recording.count,
           status == 0 ? "replayed" : "failed");
    unload(&recording);
    json_decref(root);
    return status;
}
