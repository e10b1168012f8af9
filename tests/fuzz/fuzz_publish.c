/*
 * The publisher's role, in a simulated world, and a stranger who is its server and its session
 * master; or the poll for what was revoked, and he is the master that it asks. He has the keys, so
 * that the input is structure: answers of a master whose fields are replaced, a challenge, frames.
 * Input: a byte of options, how many bytes come at once (1), then steps.
 * What holds of every input: the publisher answers the challenge, what it writes opens, it says no
 * NEW, and serves no other name than its own; at the end nothing is left.
 */
#include "base/encode.h"
#include "io/http.h"
#include "lib/crypto/sha256.h"
#include "lib/crypto/units.h"
#include "lib/snitun/frame.h"
#include "roles/publish/publish.h"
#include "roles/server/changes.h"
#include "tests/fuzz/stage.h"

enum {
    RELAY_PORT = 443,
    MASTER_PORT = 8444,
    ENDPOINT_PORT = 9000,
    STEPS_MAX = 200,
    IDS = 8,
    BODY_MAX = 4096,
    REQUEST_HEAD = 16, /* io/sim/http.c: lengths of method, target, authorization and body */
    ANSWER_HEAD = 12,  /* status, seconds to wait, length of the body */
    VALID_S = 3600,
};

static const char own_name[] = "host-a.example.com";
static const char key_path[] = "/etc/adit/api.key";
static const char pem_path[] = "/etc/adit/tls.pem";
static const char master_url[] = "https://" STAGE_STRANGER_ADDRESS ":8444";

static struct stage stage;
static struct voice relay, master, endpoint;
static struct cursor input;
static struct publish *publish;
static struct changes *changes;
static struct revoked *revoked;
static struct units_context *context;
static struct units units;
static struct snitun_keys keys;
static struct publish_config config;
static char credential[BODY_MAX];
static size_t piece;
static bool challenged;
static unsigned calls; /* of the relay, when it said its challenge */
static bool answered;
static size_t skip; /* bytes of payload that are still to be heard */
static uint8_t challenge[SNITUN_CHALLENGE_LEN];

/* ---- The server ---- */

static size_t seal(const uint8_t *plain, size_t len, uint8_t *out)
{
    FUZZ_CHECK(units_seal(&units, context, plain, len, out) == UNITS_OK);
    return len + units_overhead(&units);
}

static bool hear_unit(size_t len, uint8_t *plain)
{
    const uint8_t *wire = voice_take(&relay, len + units_overhead(&units));
    if (wire == NULL)
        return false;
    FUZZ_CHECK(units_open(&units, context, wire, len, plain) == UNITS_OK);
    return true;
}

static bool hear_frame(void)
{
    uint8_t plain[SNITUN_FRAME_HEADER_LEN];
    skip -= voice_skip(&relay, skip);
    if (!challenged || skip > 0 || !hear_unit(sizeof plain, plain))
        return false;
    if (!answered) {
        uint8_t answer[SHA256_LEN];
        FUZZ_CHECK(sha256(challenge, sizeof challenge, answer) == 0);
        FUZZ_CHECK(memcmp(plain, answer, sizeof answer) == 0);
        answered = true;
        return true;
    }
    struct snitun_frame frame = snitun_frame_decode(plain);
    FUZZ_CHECK(frame.flag != SNITUN_FLAG_NEW);
    FUZZ_CHECK(frame.size == 0 || frame.flag == SNITUN_FLAG_DATA);
    skip = frame.size;
    return true;
}

/* Takes what came as the token. */
static void say_challenge(void)
{
    uint8_t wire[SNITUN_HEADER_MAX];
    if (relay.stream == NULL || relay.len == 0 || challenged)
        return;
    input_take(&input, challenge, 4);
    FUZZ_CHECK(relay.heard[0] == 'g');
    relay.used = relay.len;
    units_init(&units, context, (enum units_cipher)keys.cipher, keys.aes_key, keys.aes_iv, false);
    challenged = true;
    calls = relay.calls;
    answered = false;
    skip = 0;
    voice_say(&relay, wire, seal(challenge, sizeof challenge, wire), piece);
}

static void say_new_unit(size_t size)
{
    uint8_t caller[SNITUN_NEW_IPV6_LEN] = {0};
    uint8_t wire[SNITUN_HEADER_MAX];
    input_take(&input, caller, 6);
    if (calls == relay.calls && (size == SNITUN_NEW_IPV4_LEN || size == SNITUN_NEW_IPV6_LEN))
        voice_say(&relay, wire, seal(caller, size, wire), piece);
}

static void say_frame(void)
{
    static const uint8_t flags[] = {SNITUN_FLAG_NEW,       SNITUN_FLAG_NEW,   SNITUN_FLAG_DATA,
                                    SNITUN_FLAG_CLOSE,     SNITUN_FLAG_PAUSE, SNITUN_FLAG_RESUME,
                                    SNITUN_FLAG_PING_SEED, SNITUN_FLAG_PING};
    uint8_t header[SNITUN_FRAME_HEADER_LEN];
    uint8_t wire[SNITUN_HEADER_MAX + 255];
    uint8_t choice = cursor_u8(&input);
    size_t len;
    const uint8_t *payload = input_bytes(&input, &len);
    len = len < 255 ? len : 255;
    if (!challenged)
        return;
    memset(header, choice / 8 % IDS, SNITUN_ID_LEN);
    header[SNITUN_ID_LEN] = choice > 252 ? cursor_u8(&input) : flags[choice % 8];
    store_u32(header + SNITUN_ID_LEN + 1, choice > 247 ? cursor_u24(&input) : (uint32_t)len);
    input_take(&input, header + SNITUN_ID_LEN + 5, SNITUN_EXTRA_LEN);
    size_t wire_len = seal(header, sizeof header, wire);
    if (header[SNITUN_ID_LEN] == SNITUN_FLAG_NEW && keys.protocol_version == 2) {
        voice_say(&relay, wire, wire_len, piece);
        say_new_unit(len);
        return;
    }
    if (len > 0)
        memcpy(wire + wire_len, payload, len);
    voice_say(&relay, wire, wire_len + len, piece);
}

/* ---- The master ---- */

/* What is asked, without what is not JSON; NULL where nobody has asked. */
static json_t *hear_request(void)
{
    struct cursor cursor = cursor_over(master.heard, master.len);
    size_t lens[4];
    const uint8_t *part = NULL;
    for (int i = 0; i < 4; i++)
        lens[i] = cursor_u32(&cursor);
    for (int i = 0; i < 4; i++)
        part = cursor_take(&cursor, lens[i]);
    if (cursor.failed || master.len < REQUEST_HEAD)
        return NULL;
    json_t *asked = json_loadb((const char *)part, lens[3], 0, NULL);
    return asked == NULL ? json_object() : asked;
}

static json_t *token_answer(const json_t *asked)
{
    const char *key = json_string_value(json_object_get(asked, "aes_key"));
    const char *iv = json_string_value(json_object_get(asked, "aes_iv"));
    if (key != NULL && iv != NULL)
        FUZZ_CHECK(hex_decode(key, keys.aes_key, 32) && hex_decode(iv, keys.aes_iv, 16));
    return json_pack("{s:s, s:s, s:f, s:s, s:i, s:s, s:i, s:[s, s]}", "token", "gAAA", "hostname",
                     own_name, "valid", sim_host_wall_s(stage.hosts[STAGE_ROLE]) + VALID_S,
                     "cipher", snitun_cipher_name(keys.cipher), "protocol_version",
                     (int)keys.protocol_version, "server", STAGE_STRANGER_ADDRESS, "port",
                     RELAY_PORT, "whitelist", "0.0.0.0/0", "::/0");
}

static json_t *changes_answer(void)
{
    int seq = cursor_u8(&input);
    bool more = cursor_u8(&input) & 1;
    return json_pack("{s:[{s:s, s:f}, {s:s, s:n}], s:i, s:b}", "changes", "hostname", own_name,
                     "valid_after", 1e9, "hostname", "host-b.example.com", "valid_after", "seq",
                     seq, "more", more);
}

/* Replaces a field, or one of a change, by what the input has, or leaves it out. */
static void spoil(json_t *answer)
{
    static const char *const fields[] = {"token",  "hostname", "valid",     "cipher",
                                         "server", "port",     "whitelist", "protocol_version",
                                         "seq",    "more",     "changes",   "message"};
    static const char *const of_change[] = {"hostname", "valid_after"};
    uint8_t which = cursor_u8(&input);
    size_t len;
    const uint8_t *bytes = input_bytes(&input, &len);
    json_t *change = json_array_get(json_object_get(answer, "changes"), 0);
    json_t *value = json_loadb((const char *)bytes, len, JSON_DECODE_ANY, NULL);
    const char *field = fields[which % (sizeof fields / sizeof fields[0])];
    if (change != NULL && which >= 128) {
        answer = change;
        field = of_change[which % 2];
    }
    if (value != NULL)
        json_object_set_new(answer, field, value);
    else
        json_object_del(answer, field);
}

/* The token of an answer that is for another name must not be used. */
static bool is_foreign(const json_t *answer)
{
    char normal[HOSTNAME_MAX + 1];
    const char *name = json_string_value(json_object_get(answer, "hostname"));
    return name != NULL &&
           (!hostname_normalise(name, strlen(name), normal) || strcmp(normal, own_name) != 0);
}

static void answer_as_master(void)
{
    static const int statuses[] = {200, 200, 200, 401, 429, 500, 503, 0};
    uint8_t what = cursor_u8(&input);
    uint8_t head[ANSWER_HEAD];
    json_t *asked = hear_request();
    if (asked == NULL)
        return;
    json_t *answer = publish != NULL ? token_answer(asked) : changes_answer();
    for (int i = what >> 6; i > 0; i--)
        spoil(answer);
    char *text = json_dumps(answer, JSON_COMPACT);
    const uint8_t *body = (const uint8_t *)text;
    size_t len = strlen(text);
    if (what & 32)
        body = input_bytes(&input, &len);
    store_u32(head, (uint32_t)statuses[what % 8]);
    store_u32(head + 4, what & 16 ? cursor_u24(&input) : 0);
    store_u32(head + 8, what & 8 ? (uint32_t)len + cursor_u8(&input) : (uint32_t)len);
    unsigned before = relay.calls;
    voice_say(&master, head, sizeof head, piece);
    voice_say(&master, body, len, piece);
    voice_end(&master);
    voice_close(&master);
    if (!(what & 32) && is_foreign(answer))
        FUZZ_CHECK(relay.calls == before);
    free(text);
    json_decref(answer);
    json_decref(asked);
}

/* ---- The roles ---- */

static void on_stopped(void *arg)
{
    (void)arg;
    publish_free(publish);
    publish = NULL;
}

static void on_learnt(void *arg)
{
    (void)arg;
}

static void start_publish(struct io_loop *loop, void *arg)
{
    char why[256] = "";
    (void)arg;
    publish = publish_start(loop, &config, on_stopped, NULL, why, sizeof why);
    if (publish == NULL)
        fprintf(stderr, "%s\n", why);
    FUZZ_CHECK(publish != NULL);
}

static void start_changes(struct io_loop *loop, void *arg)
{
    static const uint8_t seed[16] = {1};
    const struct server_config of_server = {
        .master_url = master_url, .server_key_file = key_path, .master_interval_ms = 1000};
    char why[256];
    (void)arg;
    revoked = revoked_new(seed);
    FUZZ_CHECK(revoked != NULL);
    changes = changes_new(loop, &of_server, revoked, on_learnt, NULL, why, sizeof why);
    FUZZ_CHECK(changes != NULL);
    changes_start(changes);
}

static void stop(struct io_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    if (publish != NULL)
        publish_stop(publish);
    changes_free(changes);
    revoked_free(revoked);
    changes = NULL;
    revoked = NULL;
}

static void operate(struct io_loop *loop, void *arg)
{
    char why[256];
    (void)loop;
    if (publish == NULL)
        return;
    if (*(const uint8_t *)arg & 1)
        (void)publish_reload(publish, why, sizeof why);
    json_t *status = publish_status(publish);
    const char *name = json_string_value(json_object_get(status, "hostname"));
    FUZZ_CHECK(name == NULL || name[0] == '\0' || strcmp(name, own_name) == 0);
    json_decref(status);
}

static void make_credential(void)
{
    char key[65];
    char iv[33];
    hex_encode(keys.aes_key, sizeof keys.aes_key, key);
    hex_encode(keys.aes_iv, sizeof keys.aes_iv, iv);
    snprintf(credential, sizeof credential,
             "{\"token\": \"gAAA\", \"aes_key\": \"%s\", \"aes_iv\": \"%s\", \"cipher\": \"%s\", "
             "\"protocol_version\": %u, \"hostname\": \"%s\", \"valid\": %.0f}",
             key, iv, snitun_cipher_name(keys.cipher), keys.protocol_version, own_name,
             sim_host_wall_s(stage.hosts[STAGE_ROLE]) + VALID_S);
}

static void configure(uint8_t options)
{
    static const char api_key[] = "adit-key\n";
    keys = (struct snitun_keys){.aes_key = {1, 2}, .aes_iv = {3, 4}};
    keys.cipher = (enum snitun_cipher)((options >> 2 & 3) % 3);
    keys.protocol_version = (uint8_t)((options >> 4 & 3) % 3);
    make_credential();
    sim_disk_put(stage.hosts[STAGE_ROLE], key_path, api_key, strlen(api_key), 0600);
    config = (struct publish_config){.cipher = keys.cipher,
                                     .to_host = STAGE_STRANGER_ADDRESS,
                                     .to_port = ENDPOINT_PORT,
                                     .proxy_protocol = options >> 6 & 1,
                                     .channels_max = 4};
    if (options & 128) { /* TLS is an identity filter here */
        sim_disk_put(stage.hosts[STAGE_ROLE], pem_path, "pem", 3, 0600);
        config.tls_cert_file = config.tls_key_file = pem_path;
    }
    strcpy(config.hostname, own_name);
    if (options & 2) {
        config.master_url = master_url;
        config.api_key_file = key_path;
    } else {
        config.credential_text = credential;
        strcpy(config.server_host, STAGE_STRANGER_ADDRESS);
        config.server_port = RELAY_PORT;
    }
}

/* ---- A run ---- */

static void take_step(void)
{
    static const char text[] = "the endpoint's answer";
    uint8_t what = cursor_u8(&input);
    switch (what % 16) {
    case 0:
    case 1:
    case 2:
        answer_as_master();
        break;
    case 3:
        say_challenge();
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        say_frame();
        break;
    case 9:
        voice_say(&endpoint, text, sizeof text, piece);
        break;
    case 10:
        what & 16 ? voice_close(&endpoint) : voice_end(&endpoint);
        break;
    case 11:
        what & 16 ? voice_close(&relay) : voice_end(&relay);
        break;
    case 12:
        stage_on(&stage, STAGE_ROLE, operate, &what);
        break;
    default:
        stage_run_ms(&stage, what % 16 == 13 ? 60000 : cursor_u16(&input));
        break;
    }
    if (calls != relay.calls || relay.stream == NULL)
        challenged = false;
    while (hear_frame())
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = cursor_over(data, size);
    uint8_t options = cursor_u8(&input);
    piece = 1 + (size_t)cursor_u8(&input) * 8;
    memset(&relay, 0, sizeof relay);
    memset(&master, 0, sizeof master);
    memset(&endpoint, 0, sizeof endpoint);
    challenged = answered = false;
    context = units_context_new(stage_random, NULL);
    FUZZ_CHECK(context != NULL);
    stage_open(&stage);
    configure(options);
    voice_wait(&relay, &stage, RELAY_PORT);
    voice_wait(&master, &stage, MASTER_PORT);
    voice_wait(&endpoint, &stage, ENDPOINT_PORT);
    stage_on(&stage, STAGE_ROLE, options & 1 ? start_changes : start_publish, NULL);
    stage_run_ms(&stage, 4000);
    for (int i = 0; i < STEPS_MAX && cursor_left(&input) > 0; i++)
        take_step();
    voice_leave(&relay);
    voice_leave(&master);
    voice_leave(&endpoint);
    stage_on(&stage, STAGE_ROLE, stop, NULL);
    stage_run_ms(&stage, 10000);
    FUZZ_CHECK(publish == NULL);
    stage_close(&stage);
    units_context_free(context);
    return 0;
}
