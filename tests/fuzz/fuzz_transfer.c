/*
 * The receiver's or the sender's role, in a simulated world with a disk, and a stranger who was let
 * in and holds the keys: he is a client of the one and the server of the other, in both modes, who
 * says PDUs of any kind. Every file of both has the same bytes, as far as it goes. Input: two bytes
 * of options, how many bytes come at once (1), then steps.
 * What holds of every input: what the role writes opens; what is kept has those bytes; nothing
 * outside of the receiver's directory changes; each connection ends, and nothing is left.
 */
#include "lib/sodiumtcp/begin.h"
#include "lib/sodiumtcp/pdu.h"
#include "roles/transfer/receive.h"
#include "roles/transfer/send.h"
#include "roles/transfer/zstd.h"
#include "tests/fuzz/stage.h"

enum {
    PORT = 5555,
    CONTENT_LEN = 400000,
    WIRE_MAX = SODIUMTCP_BLOCK_MAX + 4096,
    CONNECTIONS_MAX = 4,
    STEPS_MAX = 200,
    OFFERS = 8,
    NAMES = 8,
    OPENING_TRIES = 40,
};

static const char *const names[NAMES] = {"one",   "dir",  "dir/two", "dir/sub/three",
                                         "there", "file", ".hidden", "one/below"};
static const char outside[] = "not yours";

static struct stage stage;
static struct voice voice;
static struct cursor input;
static struct receive *receive;
static struct send *send;
static struct sodiumtcp_context *context;
static struct sodiumtcp_session *other; /* its keys and streams alone are used, once all is open */
static struct zstd_packer *packer;
static struct sodiumtcp_keypair keys;
static struct receive_config receive_config;
static struct send_config send_config;
static uint8_t content[CONTENT_LEN];
static uint8_t wire[WIRE_MAX];
static size_t piece;
static bool public_mode;
static bool is_open;
static bool altered; /* other bytes than those of the content were sent */
static unsigned connections;
static unsigned done;
/* What was said and heard on this connection: */
static uint32_t begun;
static uint32_t started;
static uint32_t ended;
static uint64_t item_len;
static uint64_t offers[OFFERS];

/* ---- The opening ---- */

static bool take_opening(void)
{
    for (;;) {
        struct sodiumtcp_event event;
        size_t consumed = 0;
        if (sodiumtcp_receive(other, stage_now_ms(&stage), voice.heard + voice.used,
                              voice.len - voice.used, NULL, 0, &consumed, &event) != 0)
            return false;
        voice.used += consumed;
        if (event.type == SODIUMTCP_LOGIN)
            FUZZ_CHECK(sodiumtcp_accept(other, "Welcome.", stage_now_ms(&stage)) == 0);
        is_open = is_open || event.type == SODIUMTCP_READY;
        if (is_open || event.type == SODIUMTCP_NEED_MORE || event.type == SODIUMTCP_WAIT)
            return true;
    }
}

static void open_up(void)
{
    bool sound = true;
    is_open = false;
    begun = started = ended = 0;
    for (int i = 0; i < OPENING_TRIES && sound && !is_open; i++) {
        long len = sodiumtcp_control(other, stage_now_ms(&stage), (struct sodiumtcp_wall){1, 2},
                                     wire, sizeof wire);
        sound = len >= 0;
        voice_say(&voice, wire, sound ? (size_t)len : 0, sizeof wire);
        stage_run_ms(&stage, 10);
        sound = sound && take_opening();
    }
    long len = sodiumtcp_control(other, stage_now_ms(&stage), (struct sodiumtcp_wall){1, 2}, wire,
                                 sizeof wire);
    voice_say(&voice, wire, len > 0 ? (size_t)len : 0, sizeof wire);
    is_open = is_open && len >= 0;
}

static void connect_as_client(void)
{
    const struct sodiumtcp_options options = {.public_only = public_mode, .zstd = true};
    if (connections++ == CONNECTIONS_MAX)
        return;
    sodiumtcp_session_free(other);
    voice_close(&voice);
    item_len = 0;
    FUZZ_CHECK(sodiumtcp_client_new(context, keys.public_key, connections % 2 ? "alice" : "bob",
                                    "secret", &options, stage_now_ms(&stage), &other) == 0);
    voice_call(&voice, &stage, PORT);
    open_up();
}

/* ---- PDUs ---- */

static void say_pdu(uint32_t type, const void *body, size_t len)
{
    if (is_open)
        voice_say(&voice, wire, sodiumtcp_pdu_seal(other, type, body, len, wire), piece);
}

/* The next message that came, opened; false where it is not whole, or more came than is kept. */
static bool hear_message(size_t len, uint8_t *plain)
{
    size_t wire_len = len + SODIUMTCP_MESSAGE_OVERHEAD;
    const uint8_t *bytes = is_open ? voice_take(&voice, wire_len) : NULL;
    if (bytes == NULL)
        return false;
    FUZZ_CHECK(sodiumtcp_pdu_open(other, bytes, wire_len, plain) == 0);
    return true;
}

/* One PDU, where it came whole. The opening may have taken its header. */
static bool hear_pdu(void)
{
    static uint8_t plain[SODIUMTCP_INPUT_MAX];
    if (!other->body_expected) {
        if (!hear_message(SODIUMTCP_HEADER_LEN, plain))
            return false;
        FUZZ_CHECK(!sodiumtcp_pdu_read_header(plain, &other->body_type, &other->body_len));
        FUZZ_CHECK(other->body_len <= SODIUMTCP_BLOCK_MAX);
        other->body_expected = true;
    }
    if (!hear_message(other->body_len, plain))
        return false;
    other->body_expected = false;
    struct cursor body = cursor_over(plain, other->body_len);
    uint32_t number = cursor_u32(&body);
    if (other->body_type == SODIUMTCP_PDU_BEGIN)
        begun++;
    if (other->body_type == SODIUMTCP_PDU_OFFER && cursor_u8(&body) == SODIUMTCP_PART_THERE)
        offers[number % OFFERS] = cursor_u64(&body);
    return true;
}

static void hash_content(uint64_t len, uint8_t change, uint8_t hash[SODIUMTCP_HASH_LEN])
{
    FUZZ_CHECK(crypto_generichash(hash, SODIUMTCP_HASH_LEN, content,
                                  len < CONTENT_LEN ? len : CONTENT_LEN, NULL, 0) == 0);
    hash[change % SODIUMTCP_HASH_LEN] ^= change;
}

/* Of any type, with the bytes that the input has. */
static void say_anything(void)
{
    static uint8_t body[SODIUMTCP_BLOCK_MAX + 1];
    uint8_t type = cursor_u8(&input) % 32;
    size_t len;
    const uint8_t *bytes = input_bytes(&input, &len);
    size_t padded = cursor_u8(&input) & 1 ? cursor_u24(&input) % sizeof body : len;
    memset(body, 0, sizeof body);
    if (len > 0)
        memcpy(body, bytes, len);
    altered = altered || type == SODIUMTCP_PDU_START || type == SODIUMTCP_PDU_BLOCK ||
              type == SODIUMTCP_PDU_BLOCK_ZSTD || type == SODIUMTCP_PDU_DATA;
    say_pdu(type, body, padded < len ? len : padded);
}

/* ---- A client of the receiver ---- */

static void say_begin(void)
{
    uint8_t body[SODIUMTCP_BEGIN_ROOM];
    uint8_t name[SODIUMTCP_NAME_MAX];
    uint8_t what = cursor_u8(&input);
    uint8_t how = cursor_u8(&input);
    size_t len;
    const uint8_t *raw = how & 128 ? input_bytes(&input, &len) : NULL;
    long name_len = sodiumtcp_name_from_path(names[what / 16 % NAMES], name);
    if (raw != NULL) {
        memcpy(name, raw, len < sizeof name ? len : sizeof name);
        name_len = (long)(len < sizeof name ? len : sizeof name);
    }
    struct sodiumtcp_item item = {
        .kind = (enum sodiumtcp_kind)(what & 3),
        .exists = (enum sodiumtcp_exists)(what >> 2 & 3),
        .has_mode = how & 1,
        .has_mtime = how & 2,
        .mode = (uint16_t)(how & 1 ? 0640 : 0),
        .size = how & 4 ? SODIUMTCP_SIZE_UNKNOWN : cursor_u24(&input),
        .mtime_s = how & 2 ? 1700000000 : 0,
        .name = {name, how & 8 ? 0 : (size_t)name_len},
    };
    item.size = item.kind == SODIUMTCP_DIRECTORY && !(how & 64) ? 0 : item.size;
    say_pdu(SODIUMTCP_PDU_BEGIN, body,
            sodiumtcp_begin_write(how & 32 ? how : begun++, &item, body));
}

static void say_start(void)
{
    uint8_t body[SODIUMTCP_START_LEN];
    uint8_t what = cursor_u8(&input);
    started = what & 64 ? begun - 1 : started;
    item_len = what & 32 ? what : offers[started % OFFERS];
    store_u32(body, what & 128 ? what : started++);
    store_u64(body + 4, item_len);
    say_pdu(SODIUMTCP_PDU_START, body, sizeof body);
}

static const uint8_t *content_next(size_t *len)
{
    size_t left = item_len < CONTENT_LEN ? (size_t)(CONTENT_LEN - item_len) : 0;
    *len = *len < left ? *len : left;
    const uint8_t *bytes = content + (item_len < CONTENT_LEN ? item_len : 0);
    item_len += *len;
    return bytes;
}

static void say_block(void)
{
    size_t len = cursor_u16(&input) * (size_t)4;
    len = len < SODIUMTCP_BLOCK_MAX ? len : SODIUMTCP_BLOCK_MAX;
    if (public_mode && len > SODIUMTCP_PUBLIC_DATA_MAX)
        len = SODIUMTCP_PUBLIC_DATA_MAX;
    const uint8_t *bytes = content_next(&len);
    say_pdu(public_mode ? SODIUMTCP_PDU_DATA : SODIUMTCP_PDU_BLOCK, bytes, len);
}

static void say_packed(void)
{
    static uint8_t body[SODIUMTCP_BLOCK_MAX];
    size_t len = SODIUMTCP_ZSTD_PLAIN_MIN + (size_t)cursor_u16(&input);
    uint16_t at = cursor_u16(&input);
    uint8_t change = cursor_u8(&input);
    const uint8_t *bytes = content_next(&len);
    zstd_packer_restart(packer);
    size_t packed = zstd_pack(packer, bytes, len, body + 4, sizeof body - 4);
    if (packed == 0)
        return;
    altered = altered || change != 0;
    store_u32(body, (uint32_t)len);
    body[at % (packed + 4)] ^= change;
    say_pdu(SODIUMTCP_PDU_BLOCK_ZSTD, body, packed + 4);
}

static void say_end(void)
{
    uint8_t body[SODIUMTCP_END_LEN] = {0};
    uint8_t status = cursor_u8(&input);
    uint8_t change = cursor_u8(&input);
    store_u32(body, started - 1);
    body[4] = status % 4;
    store_u64(body + 5, item_len + (status & 32 ? 1 : 0));
    if (status % 4 == SODIUMTCP_COMPLETE_HASHED)
        hash_content(item_len, change, body + 13);
    say_pdu(SODIUMTCP_PDU_END, body, sizeof body);
}

static void say_as_client(uint8_t what)
{
    uint8_t body[SODIUMTCP_FINISH_LEN];
    switch (what % 8) {
    case 0:
        say_begin();
        break;
    case 1:
        say_start();
        break;
    case 2:
        say_block();
        break;
    case 3:
        say_packed();
        break;
    case 4:
        say_end();
        break;
    case 5:
        store_u32(body, begun);
        say_pdu(SODIUMTCP_PDU_FINISH, body, sizeof body);
        break;
    case 6:
        connect_as_client();
        break;
    default:
        say_anything();
        break;
    }
}

/* ---- The server of the sender ---- */

static void say_offer(void)
{
    uint8_t body[SODIUMTCP_OFFER_LEN] = {0};
    uint8_t what = cursor_u8(&input);
    uint8_t change = cursor_u8(&input);
    uint64_t len = what & 128 ? cursor_u24(&input) : what % 32;
    store_u32(body, what & 64 ? what : started++);
    body[4] = what % 4;
    if (what % 4 == SODIUMTCP_PART_THERE) {
        store_u64(body + 5, len);
        hash_content(len, change, body + 13);
    }
    say_pdu(SODIUMTCP_PDU_OFFER, body, sizeof body);
}

static void say_ack(void)
{
    uint8_t body[SODIUMTCP_ACK_LEN];
    uint8_t what = cursor_u8(&input);
    store_u32(body, what & 64 ? what : ended++);
    body[4] = what % 5;
    store_u64(body + 5, cursor_u24(&input));
    say_pdu(SODIUMTCP_PDU_ACK, body, sizeof body);
}

static void say_credit(void)
{
    uint8_t body[SODIUMTCP_CREDIT_LEN];
    item_len += (uint64_t)cursor_u16(&input) << 8;
    store_u64(body, item_len);
    say_pdu(SODIUMTCP_PDU_CREDIT, body, sizeof body);
}

static void say_answer(void)
{
    char body[SODIUMTCP_PUBLIC_ACK_LEN + 1] = "";
    snprintf(body, sizeof body, "DATA OK: RECEIVED %u BYTES", cursor_u24(&input));
    say_pdu(SODIUMTCP_PDU_DATA, body, SODIUMTCP_PUBLIC_ACK_LEN);
}

static void say_as_server(uint8_t what)
{
    uint8_t body[SODIUMTCP_FINISH_LEN];
    switch (what % 8) {
    case 0:
    case 1:
        say_offer();
        break;
    case 2:
    case 3:
        say_ack();
        break;
    case 4:
        say_credit();
        break;
    case 5:
        store_u32(body, begun);
        say_pdu(SODIUMTCP_PDU_FINISHED, body, sizeof body);
        break;
    case 6:
        say_answer();
        break;
    default:
        say_anything();
        break;
    }
}

/* ---- The roles ---- */

static void receive_stopped(void *arg)
{
    (void)arg;
    receive_free(receive);
    receive = NULL;
}

static void left_out(void *arg, const char *root, const char *path, const char *why, bool failed)
{
    (void)arg, (void)root, (void)path, (void)why, (void)failed;
}

static void send_done(void *arg, const char *why)
{
    (void)arg, (void)why;
    done++;
    send_free(send);
    send = NULL;
}

static const struct send_handler send_handler = {left_out, send_done};

static void start(struct io_loop *loop, void *arg)
{
    char why[256];
    if (*(const bool *)arg)
        receive = receive_start(loop, &receive_config, receive_stopped, NULL, why, sizeof why);
    else
        send = send_start(loop, &send_config, &send_handler, NULL);
    FUZZ_CHECK(receive != NULL || send != NULL);
}

static void stop(struct io_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    if (receive != NULL)
        receive_stop(receive);
    if (send != NULL)
        send_stop(send);
}

static void show(struct io_loop *loop, void *arg)
{
    struct send_progress progress;
    (void)loop, (void)arg;
    if (receive != NULL)
        json_decref(receive_status(receive));
    if (send != NULL)
        send_progress(send, &progress);
}

static void configure_receive(uint8_t options, uint8_t more)
{
    static const struct addr listen = {.ip = {.family = 4}, .port = PORT};
    static char hash[crypto_pwhash_STRBYTES];
    struct sim_host *host = stage.hosts[STAGE_ROLE];
    char users[3 * sizeof hash];
    if (hash[0] == '\0')
        FUZZ_CHECK(crypto_pwhash_str_alg(hash, "secret", strlen("secret"),
                                         crypto_pwhash_OPSLIMIT_MIN, crypto_pwhash_MEMLIMIT_MIN,
                                         crypto_pwhash_ALG_ARGON2ID13) == 0);
    snprintf(users, sizeof users, "alice:%s::\nbob:%s:dir:size=5000\n", hash, hash);
    sim_disk_put(host, "/etc/users", users, strlen(users), 0600);
    sim_tree_put(host, "/var", NULL, 0);
    sim_tree_put(host, "/in/there", content, 100);
    sim_tree_put(host, "/in/dir/sub", NULL, 0);
    sim_tree_put(host, "/outside", outside, sizeof outside);
    receive_config = (struct receive_config){.listen = &listen,
                                             .listen_count = 1,
                                             .pair = keys,
                                             .users_file = "/etc/users",
                                             .seen_file = "/var/seen",
                                             .into = more & 1 ? "/in/file" : "/in",
                                             .window = SODIUMTCP_WINDOW_MIN,
                                             .umask = 022,
                                             .once = more & 2,
                                             .public_only = more & 4};
    public_mode = options & 2 || more & 4;
    const struct sim_weather weather = {.disk_full = more & 8 ? 2000 : 0};
    sim_set_weather(stage.world, &weather);
}

static void configure_send(uint8_t options, uint8_t more)
{
    static const char *const paths[] = {"/src", "/src/large", "/nothing"};
    struct sim_host *host = stage.hosts[STAGE_ROLE];
    sim_tree_put(host, "/src/small", content, 10);
    sim_tree_put(host, "/src/large", content, more & 32 ? CONTENT_LEN : 30000);
    sim_tree_put(host, "/src/dir/deep", content, 1000);
    public_mode = options & 2;
    send_config = (struct send_config){.host = STAGE_STRANGER_ADDRESS,
                                       .port = PORT,
                                       .login = "me",
                                       .passphrase = "secret",
                                       .paths = paths + (public_mode ? 1 : 0),
                                       .path_count = more & 16 && !public_mode ? 3 : 1,
                                       .exists = (enum sodiumtcp_exists)(more & 3 % 3),
                                       .verify = more & 4,
                                       .compress = more & 8,
                                       .public_only = public_mode,
                                       .rate_bytes_per_s = more & 64 ? 5000 : 0,
                                       .connect_ms = 10000};
    memcpy(send_config.server_key, keys.public_key, sizeof send_config.server_key);
}

static void begin(bool receives)
{
    const struct sodiumtcp_options options = {.window = SODIUMTCP_WINDOW_MIN, .zstd = true};
    FUZZ_CHECK(context != NULL);
    if (!receives)
        voice_wait(&voice, &stage, PORT);
    stage_on(&stage, STAGE_ROLE, start, &receives);
    if (receives) {
        connect_as_client();
        return;
    }
    FUZZ_CHECK(sodiumtcp_server_new(context, &keys, &options, stage_now_ms(&stage), &other) == 0);
    stage_run_ms(&stage, 10);
    open_up();
    item_len = SODIUMTCP_WINDOW_MIN;
}

static void take_step(bool receives)
{
    uint8_t what = cursor_u8(&input);
    if (what < 240)
        receives ? say_as_client(what) : say_as_server(what);
    else if (what < 250)
        stage_run_ms(&stage, cursor_u16(&input));
    else if (what < 253)
        stage_on(&stage, STAGE_ROLE, show, NULL);
    else
        voice_end(&voice);
    while (hear_pdu())
        ;
}

static void check_disk(bool receives)
{
    struct sim_host *host = stage.hosts[STAGE_ROLE];
    char path[64];
    size_t len;
    for (size_t i = 0; receives && !altered && i < NAMES; i++) {
        snprintf(path, sizeof path, "/in/%s", names[i]);
        const void *bytes = sim_tree_get(host, path, &len);
        FUZZ_CHECK(bytes == NULL || (len <= CONTENT_LEN && memcmp(bytes, content, len) == 0));
    }
    const void *bytes = receives ? sim_tree_get(host, "/outside", &len) : outside;
    FUZZ_CHECK(bytes != NULL && memcmp(bytes, outside, sizeof outside) == 0);
}

/* Once: what does not change. */
static void prepare(void)
{
    for (size_t i = 0; i < CONTENT_LEN; i++)
        content[i] = (uint8_t)(i / 16 * 7);
    context = sodiumtcp_context_new(stage_random, NULL);
    packer = zstd_packer_new();
    FUZZ_CHECK(context != NULL && packer != NULL);
    memset(keys.secret_key, 5, sizeof keys.secret_key);
    FUZZ_CHECK(crypto_scalarmult_base(keys.public_key, keys.secret_key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (context == NULL)
        prepare();
    input = cursor_over(data, size);
    uint8_t options = cursor_u8(&input);
    uint8_t more = cursor_u8(&input);
    bool receives = options & 1;
    piece = 1 + (size_t)cursor_u8(&input) * 64;
    stage_open(&stage);
    memset(&voice, 0, sizeof voice);
    memset(offers, 0, sizeof offers);
    connections = done = 0;
    altered = false;
    item_len = 0;
    receives ? configure_receive(options, more) : configure_send(options, more);
    begin(receives);
    for (int i = 0; i < STEPS_MAX && cursor_left(&input) > 0; i++)
        take_step(receives);
    voice_leave(&voice);
    stage_run_ms(&stage, 1000);
    stage_on(&stage, STAGE_ROLE, stop, NULL);
    stage_run_ms(&stage, 300000);
    FUZZ_CHECK(receive == NULL && send == NULL && done == !receives);
    check_disk(receives);
    stage_close(&stage);
    sodiumtcp_session_free(other);
    other = NULL;
    return 0;
}
