/*
 * The server's role, in a simulated world, and a stranger with some connections who has the Fernet
 * key, so that the input is structure: devices, PROXY headers, tokens, answers to the challenge,
 * frames of a peer. Input: a byte of options, then steps.
 * What holds of every input: what the server writes opens; a name is served by those alone who
 * answered the challenge for it; at the end nothing is left.
 */
#include "adit/proxyheader.h"
#include "adit/snitun_token.h"
#include "lib/crypto/sha256.h"
#include "lib/crypto/units.h"
#include "lib/snitun/frame.h"
#include "roles/server/server.h"
#include "tests/fuzz/stage.h"
#include "tests/sim/hello.h"

enum {
    SPEAKERS = 4,
    NAMES = 4,
    IDS = 8,
    STEPS_MAX = 200,
    PORT = 443,
    PEER_PORT = 444,
    ROUTE_PORT = 9000,
    VALID_S = 3600,
};

static const char *const names[NAMES] = {"host-a.example.com", "host-b.example.com",
                                         "host-c.example.com", "host-r.example.com"};
static const char key_path[] = "/etc/adit/fernet.key";

struct speaker {
    struct voice voice;
    struct units units;
    bool keyed;
    bool answered;
    uint32_t skip;   /* bytes of payload that are still to come */
    size_t new_len;  /* of the payload unit that comes next, of a NEW */
    unsigned claims; /* a bit for each name of its token */
    uint8_t version;
    uint8_t ids[IDS][SNITUN_ID_LEN];
    size_t id_count;
};

static struct stage stage;
static struct server *server;
static struct speaker speakers[SPEAKERS];
static struct voice route;
static struct units_context *units;
static struct snitun_keyring keyring;
static struct cursor input;
static struct server_config config;
static struct server_route fixed;
static struct addr listen[2];
static struct cidr front;
static unsigned proven; /* names for which a challenge was answered rightly */
static size_t piece;

/* ---- Frames ---- */

static void say(struct speaker *speaker, const void *bytes, size_t len)
{
    voice_say(&speaker->voice, bytes, len, piece);
}

static size_t seal(struct speaker *speaker, const uint8_t *plain, size_t len, uint8_t *out)
{
    FUZZ_CHECK(units_seal(&speaker->units, units, plain, len, out) == UNITS_OK);
    return len + units_overhead(&speaker->units);
}

/* The next unit that came, opened; false while it is not whole, or more came than is kept. */
static bool hear_unit(struct speaker *speaker, size_t len, uint8_t *plain)
{
    const uint8_t *wire = voice_take(&speaker->voice, len + units_overhead(&speaker->units));
    if (wire == NULL)
        return false;
    FUZZ_CHECK(units_open(&speaker->units, units, wire, len, plain) == UNITS_OK);
    return true;
}

/* True when it was whole, and there may be more. */
static bool hear_frame(struct speaker *speaker)
{
    uint8_t plain[SNITUN_NEW_IPV6_LEN];
    speaker->skip -= (uint32_t)voice_skip(&speaker->voice, speaker->skip);
    if (speaker->new_len > 0 && !hear_unit(speaker, speaker->new_len, plain))
        return false;
    speaker->new_len = 0;
    if (speaker->skip > 0 || !hear_unit(speaker, SNITUN_FRAME_HEADER_LEN, plain))
        return false;
    struct snitun_frame frame = snitun_frame_decode(plain);
    if (frame.flag == SNITUN_FLAG_NEW) {
        memcpy(speaker->ids[speaker->id_count++ % IDS], frame.id, SNITUN_ID_LEN);
        speaker->new_len = frame.size;
    } else {
        speaker->skip = frame.size;
    }
    return true;
}

static void answer_challenge(struct speaker *speaker)
{
    uint8_t plain[SNITUN_CHALLENGE_LEN];
    uint8_t answer[SNITUN_CHALLENGE_LEN];
    uint8_t wire[SNITUN_HEADER_MAX];
    uint8_t change = cursor_u8(&input);
    if (!speaker->keyed || speaker->answered || !hear_unit(speaker, sizeof plain, plain))
        return;
    FUZZ_CHECK(sha256(plain, sizeof plain, answer) == 0);
    answer[change % sizeof answer] ^= change;
    say(speaker, wire, seal(speaker, answer, sizeof answer, wire));
    speaker->answered = true;
    proven |= change == 0 ? speaker->claims : 0;
}

static void say_frame(struct speaker *speaker)
{
    static const uint8_t flags[] = {SNITUN_FLAG_NEW,       SNITUN_FLAG_DATA,  SNITUN_FLAG_DATA,
                                    SNITUN_FLAG_CLOSE,     SNITUN_FLAG_PAUSE, SNITUN_FLAG_RESUME,
                                    SNITUN_FLAG_PING_SEED, SNITUN_FLAG_PING};
    uint8_t header[SNITUN_FRAME_HEADER_LEN] = {0};
    uint8_t wire[SNITUN_HEADER_MAX + 255];
    uint8_t choice = cursor_u8(&input);
    size_t len = 0;
    const uint8_t *payload = input_bytes(&input, &len);
    len = len < 255 ? len : 255;
    if (!speaker->keyed)
        return;
    memcpy(header, speaker->ids[choice / 8 % IDS], SNITUN_ID_LEN);
    header[SNITUN_ID_LEN] = choice == 255 ? cursor_u8(&input) : flags[choice % 8];
    store_u32(header + SNITUN_ID_LEN + 1, choice > 247 ? cursor_u24(&input) : (uint32_t)len);
    if (header[SNITUN_ID_LEN] == SNITUN_FLAG_PING)
        memcpy(header + SNITUN_ID_LEN + 5, choice & 64 ? "ping" : "pong", 4);
    size_t wire_len = seal(speaker, header, sizeof header, wire);
    if (len > 0)
        memcpy(wire + wire_len, payload, len);
    say(speaker, wire, wire_len + len);
}

/* ---- What a connection begins with ---- */

static void say_token(struct speaker *speaker)
{
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    char aliases[NAMES][SNITUN_TOKEN_NAME_MAX + 1];
    struct snitun_token_cidr cidr = {.ip = {.family = 4, .bytes = {192, 0, 2}}, .prefix_len = 24};
    uint8_t what = cursor_u8(&input);
    uint8_t kind = cursor_u8(&input);
    struct snitun_token token = {
        .valid = sim_host_wall_s(stage.hosts[STAGE_ROLE]) + (kind & 128 ? -1 : VALID_S),
        .keys = {.aes_key = {what, 1, 2}, .aes_iv = {3, what}},
        .aliases = aliases,
        .whitelist = &cidr,
        .whitelist_count = kind & 64 ? 1 : 0,
    };
    token.keys.cipher = (enum snitun_cipher)(kind % 3);
    token.keys.protocol_version = (uint8_t)(kind / 4 % 3);
    cidr.ip.bytes[3] = kind & 32 ? 0 : 77;
    cidr.prefix_len = kind & 32 ? 24 : 32;
    strcpy(token.hostname, names[what % NAMES]);
    for (size_t i = 0; i < NAMES; i++)
        if (what & 16 << i)
            strcpy(aliases[token.alias_count++], names[i]);
    FUZZ_CHECK(
        snitun_token_mint(&keyring, token.valid - VALID_S, &token, stage_random, NULL, text) == 0);
    if (!speaker->keyed) {
        speaker->keyed = true;
        speaker->version = token.keys.protocol_version;
        speaker->claims = 1U << what % NAMES | what >> 4;
        units_init(&speaker->units, units, (enum units_cipher)token.keys.cipher, token.keys.aes_key,
                   token.keys.aes_iv, true);
    }
    say(speaker, text, strlen(text));
}

static void say_hello(struct speaker *speaker)
{
    uint8_t hello[HELLO_LEN];
    uint8_t which = cursor_u8(&input);
    uint8_t at = cursor_u8(&input);
    uint8_t change = which & 128 ? cursor_u8(&input) : 0;
    size_t len = hello_write(names[which % NAMES], hello);
    hello[at] ^= change;
    say(speaker, hello, which & 64 ? at : len);
}

static void say_proxy(struct speaker *speaker)
{
    uint8_t out[PROXYHEADER_WRITE_MAX];
    uint8_t kind = cursor_u8(&input);
    struct proxyheader header = {.has_source = true, .source_port = 7, .destination_port = PORT};
    header.source.family = header.destination.family = kind & 2 ? 6 : 4;
    input_take(&input, header.source.bytes, 4);
    say(speaker, out, proxyheader_write(1 + kind % 2, &header, out));
}

static void say_bytes(struct speaker *speaker)
{
    size_t len;
    const uint8_t *bytes = input_bytes(&input, &len);
    if (len > 0)
        say(speaker, bytes, len);
}

static void call(struct speaker *speaker, bool as_peer)
{
    voice_close(&speaker->voice);
    memset(&speaker->units, 0, sizeof *speaker - offsetof(struct speaker, units));
    voice_call(&speaker->voice, &stage, as_peer && config.peer_listen_count > 0 ? PEER_PORT : PORT);
}

/* ---- What the operator does ---- */

static void on_stopped(void *arg)
{
    (void)arg;
    server_free(server);
    server = NULL;
}

static void start(struct io_loop *loop, void *arg)
{
    char why[256] = "";
    (void)arg;
    server = server_start(loop, &config, on_stopped, NULL, why, sizeof why);
    FUZZ_CHECK(server != NULL);
}

static void got_status(void *arg, json_t *status)
{
    (void)arg;
    FUZZ_CHECK(json_is_object(status));
    json_decref(status);
}

static void operate(struct io_loop *loop, void *arg)
{
    char why[256];
    uint8_t what = *(const uint8_t *)arg;
    if (server == NULL)
        return;
    if (what < 64)
        server_status(server, got_status, NULL);
    else if (what < 128)
        FUZZ_CHECK(server_reload(server, &config, why, sizeof why) == 0);
    else if (what < 250)
        server_revoke(server, names[what % NAMES], io_wall_s(loop) + (what & 32 ? VALID_S : 0));
    else
        server_stop(server);
    if (server != NULL && what >= 128 && what < 250)
        server_end_revoked(server);
}

static void stop(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    if (server != NULL)
        server_stop(server);
}

/* ---- A run ---- */

static void take_step(void)
{
    uint8_t what = cursor_u8(&input);
    struct speaker *speaker = &speakers[what / 16 % SPEAKERS];
    switch (what % 16) {
    case 0:
        call(speaker, what & 64);
        break;
    case 1:
        say_bytes(speaker);
        break;
    case 2:
        say_proxy(speaker);
        break;
    case 3:
    case 4:
        say_hello(speaker);
        break;
    case 5:
    case 6:
        say_token(speaker);
        break;
    case 7:
        answer_challenge(speaker);
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        say_frame(speaker);
        break;
    case 12:
        voice_end(&speaker->voice);
        break;
    case 13:
        voice_close(&speaker->voice);
        break;
    case 14:
        stage_run_ms(&stage, cursor_u16(&input));
        break;
    default:
        what = cursor_u8(&input);
        stage_on(&stage, STAGE_ROLE, operate, &what);
        break;
    }
    while (speaker->answered && hear_frame(speaker))
        ;
}

static void check_names(void)
{
    double since_s;
    struct adit_ip from;
    for (unsigned i = 0; i < NAMES && server != NULL; i++)
        if (server_serves(server, names[i], &since_s, &from))
            FUZZ_CHECK((proven & 1U << i) != 0);
}

static void configure(uint8_t options)
{
    char text[SNITUN_FERNET_KEY_TEXT + 2];
    keyring = (struct snitun_keyring){.count = 1, .keys = {{7}}};
    snitun_fernet_key_format(keyring.keys[0], text);
    strcat(text, "\n");
    sim_disk_put(stage.hosts[STAGE_ROLE], key_path, text, strlen(text), 0600);
    listen[0] = (struct addr){.ip = {.family = 4}, .port = PORT};
    listen[1] = (struct addr){.ip = {.family = 4}, .port = PEER_PORT};
    front = (struct cidr){.ip = {.family = 4, .bytes = {192, 0, 2, 2}}, .prefix_len = 32};
    fixed = (struct server_route){.host = STAGE_STRANGER_ADDRESS, .port = ROUTE_PORT};
    strcpy(fixed.name, names[NAMES - 1]);
    config = (struct server_config){.listen = listen,
                                    .listen_count = 1,
                                    .peer_listen = listen + 1,
                                    .peer_listen_count = options & 4 ? 1 : 0,
                                    .fernet_key_file = key_path,
                                    .workers = options & 2 ? 2 : 1,
                                    .trust_proxy = &front,
                                    .trust_proxy_count = options & 1,
                                    .routes = &fixed,
                                    .route_count = 1,
                                    .drain_ms = 5000};
    server_limits_default(&config.limits);
    if (options & 8)
        config.limits.early_per_address = config.limits.channels_per_address = 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = cursor_over(data, size);
    stage_open(&stage);
    configure(cursor_u8(&input));
    piece = 1 + (size_t)cursor_u8(&input) * 8;
    proven = 0;
    units = units_context_new(stage_random, NULL);
    FUZZ_CHECK(units != NULL);
    stage_on(&stage, STAGE_ROLE, start, NULL);
    voice_wait(&route, &stage, ROUTE_PORT);
    for (int i = 0; i < STEPS_MAX && cursor_left(&input) > 0; i++) {
        take_step();
        check_names();
    }
    for (size_t i = 0; i < SPEAKERS; i++)
        voice_leave(&speakers[i].voice);
    voice_leave(&route);
    stage_on(&stage, STAGE_ROLE, stop, NULL);
    stage_run_ms(&stage, 60000);
    FUZZ_CHECK(server == NULL);
    stage_close(&stage);
    units_context_free(units);
    memset(speakers, 0, sizeof speakers);
    return 0;
}
