/*
 * A sodium-tcp engine whose other side is the harness: it holds the keys, so that the input is
 * structure. Input: role and mode; how the bytes are cut into reads; then steps: a PDU of any kind
 * to the engine, or something that its caller does. In one mode of each role the input is what the
 * sealed PDU of the opening says.
 * What holds of every input: events point into what was handed in; names lead nowhere else; no
 * more is held than the window; what the engine writes opens to PDUs that it may send; a message
 * that was changed ends the session; an error stays.
 */
#include "base/cursor.h"
#include "lib/sodiumtcp/box.h"
#include "lib/sodiumtcp/pdu.h"
#include "tests/fuzz/fuzz.h"

enum { BODY_MAX = SODIUMTCP_BLOCK_MAX + 64, OUT_MAX = SODIUMTCP_BLOCK_MAX + 4096 };

struct harness {
    struct cursor input;
    bool server; /* the engine's role */
    size_t step;
    uint64_t now_ms;
    uint8_t next_random;
    struct sodiumtcp_context *context;
    struct sodiumtcp_session *session;
    struct sodiumtcp_session *other; /* its keys and streams alone are used, once all is open */
    struct sodiumtcp_keypair keys;
    uint8_t *pending; /* handed in and not consumed */
    size_t pending_len;
    uint64_t unwritten;
    int error; /* what ended the session */
};

static int draw(void *arg, void *buf, size_t len)
{
    struct harness *harness = arg;
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(harness->next_random++ * 167 + 13);
    return 0;
}

static void ended(struct harness *harness, int error)
{
    FUZZ_CHECK(error < 0 && error != SODIUMTCP_E_CALL);
    FUZZ_CHECK(harness->error == 0 || harness->error == error);
    FUZZ_CHECK(sodiumtcp_session_error(harness->session) == error);
    harness->error = error;
}

/* The next len bytes of the input, zeros after its end. */
static void input_bytes(struct harness *harness, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = cursor_left(&harness->input) ? cursor_u8(&harness->input) : 0;
}

/* ---- To the engine ---- */

static void check_name(struct sodiumtcp_name name)
{
    char component[SODIUMTCP_COMPONENT_MAX + 1];
    size_t count = 0;
    size_t len;
    while ((len = sodiumtcp_name_next(&name, component)) > 0) {
        FUZZ_CHECK(strlen(component) == len && !strchr(component, '/'));
        FUZZ_CHECK(strcmp(component, ".") != 0 && strcmp(component, "..") != 0);
        FUZZ_CHECK(++count <= SODIUMTCP_NAME_DEPTH_MAX);
    }
    FUZZ_CHECK(name.len == 0);
}

static void on_event(struct harness *harness, const struct sodiumtcp_event *event,
                     const uint8_t *in, size_t consumed, const uint8_t *into)
{
    switch (event->type) {
    case SODIUMTCP_DATA:
        FUZZ_CHECK(event->len <= SODIUMTCP_BLOCK_MAX);
        FUZZ_CHECK(event->data == into ||
                   (event->data > in && event->data + event->len <= in + consumed));
        harness->unwritten += event->plain_len ? event->plain_len : event->len;
        FUZZ_CHECK(harness->unwritten <= SODIUMTCP_WINDOW_MIN * UINT64_C(2));
        FUZZ_CHECK(event->plain_len == 0 || event->plain_len > event->len);
        break;
    case SODIUMTCP_BEGIN:
        check_name(event->item.name);
        FUZZ_CHECK(event->item.mode <= 0777);
        break;
    case SODIUMTCP_ERROR:
        FUZZ_CHECK(event->len >= 1 && event->len <= SODIUMTCP_ERROR_TEXT_MAX);
        break;
    case SODIUMTCP_LOGIN:
        FUZZ_CHECK(strlen(event->login->login) <= SODIUMTCP_CREDENTIAL_MAX);
        FUZZ_CHECK(strlen(event->login->passphrase) <= SODIUMTCP_CREDENTIAL_MAX);
        break;
    default:
        break;
    }
}

/* Hands in all that is pending, in memory that ends where it ends, until the engine wants more. */
static void receive_pending(struct harness *harness)
{
    static uint8_t into[SODIUMTCP_BLOCK_MAX];
    uint8_t *in = fuzz_copy(harness->pending, harness->pending_len);
    size_t at = 0;
    bool more = true;
    while (more && !harness->error) {
        struct sodiumtcp_event event;
        size_t consumed = 0;
        size_t left = harness->pending_len - at;
        int error = sodiumtcp_receive(harness->session, harness->now_ms, in + at, left, into,
                                      harness->step % 2 ? sizeof into : 0, &consumed, &event);
        FUZZ_CHECK(consumed <= left);
        if (error) {
            ended(harness, error);
            break;
        }
        on_event(harness, &event, in + at, consumed, into);
        at += consumed;
        more = event.type != SODIUMTCP_NEED_MORE && event.type != SODIUMTCP_WAIT;
        FUZZ_CHECK(event.type != SODIUMTCP_NEED_MORE ||
                   (event.need > harness->pending_len - at && event.need <= SODIUMTCP_INPUT_MAX));
    }
    harness->pending_len -= at;
    memmove(harness->pending, harness->pending + at, harness->pending_len);
    free(in);
}

/* What does not fit any more is never sent: the engine waits for its caller. */
static void receive(struct harness *harness, const uint8_t *wire, size_t len)
{
    size_t step = len > 4096 ? len / 3 : harness->step;
    for (size_t at = 0; at < len && !harness->error; at += step) {
        size_t n = len - at < step ? len - at : step;
        if (harness->pending_len + n > OUT_MAX) {
            harness->input.at = harness->input.end;
            return;
        }
        memcpy(harness->pending + harness->pending_len, wire + at, n);
        harness->pending_len += n;
        receive_pending(harness);
    }
}

static size_t pick_len(struct harness *harness)
{
    static const size_t lens[] = {0,  1,  4,  8,  12, 13, 16, 31,   32,     37,
                                  38, 40, 44, 45, 46, 60, 64, 4128, 131070, SODIUMTCP_BLOCK_MAX};
    uint8_t choice = cursor_u8(&harness->input);
    enum { LENS = sizeof lens / sizeof *lens };
    return choice < LENS ? lens[choice] : choice < 250 ? choice : cursor_u24(&harness->input);
}

/* A PDU; with change != 0 one bit of its first message is flipped. */
static void pdu_in(struct harness *harness, uint8_t change)
{
    static uint8_t body[BODY_MAX];
    static uint8_t wire[BODY_MAX + SODIUMTCP_PDU_OVERHEAD];
    uint8_t choice = cursor_u8(&harness->input);
    uint32_t type = choice < 3 ? 3U + choice : choice < 192 ? 16U + choice % 15 : choice - 192U;
    size_t len = pick_len(harness);
    len = len <= BODY_MAX ? len : BODY_MAX;
    size_t given = len < 64 ? len : type == SODIUMTCP_PDU_BEGIN ? 300 : 16;
    given = given < len ? given : len;
    memset(body, 0, len);
    input_bytes(harness, body, given);
    size_t wire_len = sodiumtcp_pdu_seal(harness->other, type, body, len, wire);
    wire[change % SODIUMTCP_HEADER_WIRE_LEN] ^= change;
    bool reads = !sodiumtcp_session_over(harness->session) && harness->pending_len == 0;
    receive(harness, wire, wire_len);
    if (change && reads)
        FUZZ_CHECK(harness->error == SODIUMTCP_E_AUTHENTICATION);
}

/* ---- From the engine ---- */

static void check_written(struct harness *harness, const uint8_t *wire, size_t len)
{
    static uint8_t plain[BODY_MAX];
    while (len > 0) {
        uint32_t type = 0;
        uint32_t body_len = 0;
        FUZZ_CHECK(len >= SODIUMTCP_PDU_OVERHEAD);
        FUZZ_CHECK(!sodiumtcp_pdu_open(harness->other, wire, SODIUMTCP_HEADER_WIRE_LEN, plain));
        FUZZ_CHECK(!sodiumtcp_pdu_read_header(plain, &type, &body_len));
        FUZZ_CHECK(!sodiumtcp_pdu_check(harness->other, type, body_len));
        FUZZ_CHECK(len >= body_len + SODIUMTCP_PDU_OVERHEAD);
        FUZZ_CHECK(!sodiumtcp_pdu_open(harness->other, wire + SODIUMTCP_HEADER_WIRE_LEN,
                                       body_len + SODIUMTCP_MESSAGE_OVERHEAD, plain));
        wire += body_len + SODIUMTCP_PDU_OVERHEAD;
        len -= body_len + SODIUMTCP_PDU_OVERHEAD;
    }
}

static void wrote(struct harness *harness, const uint8_t *out, long len)
{
    if (len >= 0)
        check_written(harness, out, (size_t)len);
    else if (len != SODIUMTCP_E_CALL)
        ended(harness, (int)len);
}

static void write_control(struct harness *harness, uint8_t *out)
{
    size_t room = SODIUMTCP_CONTROL_ROOM + cursor_u8(&harness->input);
    bool wanted = sodiumtcp_wants_to_send(harness->session);
    long len = sodiumtcp_control(harness->session, harness->now_ms, (struct sodiumtcp_wall){1, 2},
                                 out, room);
    FUZZ_CHECK(len <= (long)room && (len != 0) == wanted);
    wrote(harness, out, len);
    receive_pending(harness);
}

static void send_begin(struct harness *harness, uint8_t *out)
{
    uint8_t path[16];
    uint8_t name[SODIUMTCP_NAME_MAX];
    uint32_t number;
    input_bytes(harness, path, sizeof path);
    path[15] = '\0';
    long len = sodiumtcp_name_from_path((const char *)path, name);
    struct sodiumtcp_item item = {
        .kind = (enum sodiumtcp_kind)(cursor_u8(&harness->input) % 4),
        .exists = (enum sodiumtcp_exists)(cursor_u8(&harness->input) % 4),
        .size = cursor_u32(&harness->input),
        .name = {name, len > 0 ? (size_t)len : 0},
    };
    wrote(harness, out, sodiumtcp_begin(harness->session, &item, &number, out));
}

static void send_data(struct harness *harness, uint8_t *out)
{
    static const uint8_t plain[SODIUMTCP_BLOCK_MAX];
    size_t room = sodiumtcp_room(harness->session);
    size_t len = cursor_u16(&harness->input);
    wrote(harness, out, sodiumtcp_data(harness->session, plain, len < room ? len : room, out));
}

static void send_as_client(struct harness *harness, uint8_t what, uint8_t *out)
{
    uint32_t number = 0;
    switch (what % 6) {
    case 0:
    case 1:
        send_begin(harness, out);
        break;
    case 2:
        sodiumtcp_may_start(harness->session, &number);
        wrote(harness, out,
              sodiumtcp_start(harness->session, number, cursor_u8(&harness->input), out));
        break;
    case 3:
        send_data(harness, out);
        break;
    case 4:
        wrote(harness, out,
              sodiumtcp_end(harness->session, (enum sodiumtcp_end_status)(what / 6 % 4), out, out));
        break;
    default:
        wrote(harness, out, sodiumtcp_finish(harness->session, out));
        break;
    }
}

static void send_as_server(struct harness *harness, uint8_t what, uint8_t *out)
{
    static const uint8_t hash[SODIUMTCP_HASH_LEN] = {7};
    uint32_t number = cursor_u8(&harness->input);
    uint64_t n = harness->unwritten / (1 + what / 64);
    switch (what % 4) {
    case 0:
        wrote(harness, out,
              sodiumtcp_offer(harness->session, number, (enum sodiumtcp_verdict)(what / 4 % 4),
                              cursor_u8(&harness->input), hash, out));
        break;
    case 1:
        wrote(harness, out,
              sodiumtcp_ack(harness->session, number, (enum sodiumtcp_ack_status)(what / 4 % 5), 1,
                            out));
        break;
    default:
        sodiumtcp_written(harness->session, (size_t)n);
        harness->unwritten -= n;
        break;
    }
}

static void pass_time(struct harness *harness)
{
    harness->now_ms += (uint64_t)cursor_u16(&harness->input) * 16;
    int error = sodiumtcp_tick(harness->session, harness->now_ms);
    if (error)
        ended(harness, error);
}

static void take_step(struct harness *harness)
{
    static uint8_t out[OUT_MAX];
    uint8_t what = cursor_u8(&harness->input);
    switch (what % 8) {
    case 0:
        write_control(harness, out);
        break;
    case 1:
    case 2:
        harness->server ? send_as_server(harness, what / 8, out)
                        : send_as_client(harness, what / 8, out);
        break;
    case 3:
        if (what < 64) {
            pass_time(harness);
        } else if (what < 128) {
            sodiumtcp_ping(harness->session);
        } else if (what < 192) {
            sodiumtcp_progress(harness->session, harness->now_ms);
        } else if (what < 200) {
            wrote(harness, out,
                  sodiumtcp_stop(harness->session, 0, SODIUMTCP_CODE_OTHER, "stop", out));
        }
        break;
    case 4:
        pdu_in(harness, what < 32 ? cursor_u8(&harness->input) : 0);
        break;
    default:
        pdu_in(harness, 0);
        break;
    }
}

/* ---- A run ---- */

/* Moves the control bytes of one engine to the other; both are sound. */
static void carry(struct harness *harness, struct sodiumtcp_session *from,
                  struct sodiumtcp_session *to)
{
    uint8_t out[4 * SODIUMTCP_CONTROL_ROOM];
    struct sodiumtcp_event event = {.type = SODIUMTCP_READY};
    size_t consumed = 0;
    long len =
        sodiumtcp_control(from, harness->now_ms, (struct sodiumtcp_wall){1, 2}, out, sizeof out);
    FUZZ_CHECK(len >= 0);
    for (size_t at = 0; event.type != SODIUMTCP_NEED_MORE; at += consumed) {
        FUZZ_CHECK(!sodiumtcp_receive(to, harness->now_ms, out + at, (size_t)len - at, NULL, 0,
                                      &consumed, &event));
        if (event.type == SODIUMTCP_LOGIN) {
            FUZZ_CHECK(!sodiumtcp_accept(to, "Welcome.", harness->now_ms));
            break;
        }
    }
}

static void start(struct harness *harness, bool public_mode)
{
    struct sodiumtcp_options options = {
        .window = SODIUMTCP_WINDOW_MIN, .public_only = public_mode, .zstd = true};
    struct sodiumtcp_session *client;
    struct sodiumtcp_session *server;
    memset(harness->keys.secret_key, 5, sizeof harness->keys.secret_key);
    harness->context = sodiumtcp_context_new(draw, harness);
    FUZZ_CHECK(harness->context != NULL);
    FUZZ_CHECK(!crypto_scalarmult_base(harness->keys.public_key, harness->keys.secret_key));
    FUZZ_CHECK(!sodiumtcp_client_new(harness->context, harness->keys.public_key, "me", "secret",
                                     &options, harness->now_ms, &client));
    FUZZ_CHECK(!sodiumtcp_server_new(harness->context, &harness->keys, &options, harness->now_ms,
                                     &server));
    harness->session = harness->server ? server : client;
    harness->other = harness->server ? client : server;
}

static void open_both(struct harness *harness)
{
    struct sodiumtcp_session *server = harness->server ? harness->session : harness->other;
    struct sodiumtcp_session *client = harness->server ? harness->other : harness->session;
    carry(harness, client, server);
    carry(harness, server, client);
    carry(harness, client, server);
    carry(harness, server, client);
    if (harness->other->state == SODIUMTCP_STATE_CHOICE)
        harness->other->state = SODIUMTCP_STATE_PUBLIC;
}

/* The sealed PDU of the opening, whose plain bytes are a right one's with the input over them. */
static void fuzz_opening(struct harness *harness)
{
    uint8_t plain[SODIUMTCP_HEADER_LEN + SODIUMTCP_AUTH_LEN] = {0};
    uint8_t wire[SODIUMTCP_AUTH_WIRE_LEN];
    uint8_t secret[SODIUMTCP_KEY_LEN] = {3};
    size_t body_len = harness->server ? SODIUMTCP_AUTH_LEN : SODIUMTCP_HELO_LEN;
    size_t len = SODIUMTCP_HEADER_LEN + body_len;
    const struct sodiumtcp_opening *opening = harness->session->opening;
    sodiumtcp_pdu_header(plain,
                         harness->server ? SODIUMTCP_PDU_CLIENT_AUTH : SODIUMTCP_PDU_SERVER_HELO,
                         (uint32_t)body_len);
    if (harness->server) {
        memcpy(plain + 12, "\xde\xad\xca\xfe", 4);
        memcpy(plain + 64, harness->keys.public_key, SODIUMTCP_KEY_LEN);
    } else {
        memcpy(plain + 12, opening->nonce, sizeof opening->nonce);
        sodium_increment(plain + 12, sizeof opening->nonce);
    }
    size_t at = cursor_u16(&harness->input) % len;
    while (cursor_left(&harness->input) > 0 && at < len)
        plain[at++] = cursor_u8(&harness->input);
    FUZZ_CHECK(!sodiumtcp_box_seal(plain, len, opening->own.public_key, secret, wire));
    receive(harness, wire, len + crypto_box_SEALBYTES);
}

/* After an error nothing else comes. */
static void check_error(struct harness *harness)
{
    uint8_t bytes[SODIUMTCP_CONTROL_ROOM] = {0};
    struct sodiumtcp_event event;
    size_t consumed;
    FUZZ_CHECK(sodiumtcp_receive(harness->session, 0, bytes, 1, NULL, 0, &consumed, &event) ==
               harness->error);
    FUZZ_CHECK(sodiumtcp_control(harness->session, 0, (struct sodiumtcp_wall){0}, bytes,
                                 sizeof bytes) == harness->error);
    FUZZ_CHECK(sodiumtcp_room(harness->session) == 0);
    FUZZ_CHECK(!sodiumtcp_wants_to_send(harness->session));
    FUZZ_CHECK(
        sodium_is_zero((const uint8_t *)&harness->session->push, sizeof harness->session->push));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct harness harness = {.input = cursor_over(data, size), .now_ms = 1};
    uint8_t what = cursor_u8(&harness.input);
    harness.server = what & 1;
    harness.step = 1 + (size_t)cursor_u8(&harness.input);
    harness.pending = malloc(OUT_MAX);
    FUZZ_CHECK(harness.pending != NULL);
    start(&harness, what & 2);
    if (what & 4) {
        fuzz_opening(&harness);
    } else {
        open_both(&harness);
        while (!harness.error && cursor_left(&harness.input) > 0)
            take_step(&harness);
    }
    if (harness.error)
        check_error(&harness);
    sodiumtcp_session_free(harness.session);
    sodiumtcp_session_free(harness.other);
    sodiumtcp_context_free(harness.context);
    free(harness.pending);
    return 0;
}
