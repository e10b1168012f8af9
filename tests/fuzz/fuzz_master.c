/*
 * Input: a byte of what the stranger has (bit 0: a publisher's key, bit 1: a server's, bit 2: that
 * of a publisher with aliases and blocks, and one cipher; bit 3: this one was disabled and enabled
 * again), then lines method, target, Host and Authorization, each ended by a line feed, and the
 * body. A key replaces the Authorization that came.
 * What holds of every request: there is an answer, it is of a known status, a refusal has one line
 * of printable text, nobody without a key gets a token, and who has one gets it for the names,
 * blocks and ciphers of its host alone.
 */
#include "base/encode.h"
#include "roles/master/handle.h"
#include "tests/fuzz/fuzz.h"

enum { LINES = 4, LINE_MAX_LEN = 2048, NOW_S = 1700000000 };
enum { HAS_HOST_KEY = 1, HAS_SERVER_KEY = 2, HAS_BOUND_KEY = 4, WAS_REVOKED = 8 };

static struct snitun_keyring keyring = {.count = 1, .keys = {{7}}};
static struct master master;
static char host_key[MASTER_KEY_TEXT_MAX];
static char server_key[MASTER_KEY_TEXT_MAX];
static char bound_key[MASTER_KEY_TEXT_MAX];
static const char bound_name[] = "bound.example";

static int count_up(void *arg, void *buf, size_t len)
{
    static uint8_t next;
    uint8_t *bytes = buf;
    (void)arg;
    for (size_t i = 0; i < len; i++)
        bytes[i] = next++;
    return 0;
}

static void add(struct store_host host, const char *name, char key[MASTER_KEY_TEXT_MAX])
{
    char taken[HOSTNAME_MAX + 1];
    uint8_t digest[SHA256_LEN];
    snprintf(host.name, sizeof(host.name), "%s", name);
    FUZZ_CHECK(master_key_new(count_up, NULL, key, digest));
    FUZZ_CHECK(store_add(master.store, &host, digest, taken) == STORE_OK);
}

static bool serves(void *arg, const char *name, double *since_s, struct adit_ip *from)
{
    (void)arg;
    *since_s = NOW_S - 1e8;
    *from = (struct adit_ip){.family = 4, .bytes = {198, 51, 100, 1}};
    return strcmp(name, bound_name) == 0;
}

/* Once: requests change little in the store, and an input is run again alone. */
static void begin(void)
{
    int error;
    master = (struct master){
        .store = store_open(":memory:", true, &error),
        .keyring = &keyring,
        .server_host = "relay.example",
        .server_port = 443,
        .token_valid_s = 3600,
        .secure = true,
        .serves = serves,
        .random = count_up,
    };
    char aliases[][HOSTNAME_MAX + 1] = {"alias.example", "other.example"};
    struct cidr allow[] = {{.ip = {.family = 4, .bytes = {10}}, .prefix_len = 8},
                           {.ip = {.family = 6, .bytes = {0xfd}}, .prefix_len = 8}};
    const struct store_host bound = {.aliases = aliases,
                                     .alias_count = 2,
                                     .allow = allow,
                                     .allow_count = 2,
                                     .ciphers = 1 << SNITUN_AES_GCM_SIV};
    const struct store_host host = {.ciphers = MASTER_CIPHERS_ALL};
    const struct store_host server = {.kind = STORE_SERVER, .ciphers = MASTER_CIPHERS_ALL};

    FUZZ_CHECK(master.store != NULL);
    store_promise(master.store, 3600);
    add(host, "home.example", host_key);
    add(server, "relay.example", server_key);
    add(bound, bound_name, bound_key);
}

/* Cuts a line off, at most LINE_MAX_LEN bytes; what is behind a NUL is lost, as in a header. */
static const char *cut_line(const uint8_t **at, size_t *left, char out[LINE_MAX_LEN + 1])
{
    const uint8_t *end = *left == 0 ? NULL : memchr(*at, '\n', *left);
    size_t len = end == NULL ? *left : (size_t)(end - *at);
    size_t kept = len < LINE_MAX_LEN ? len : LINE_MAX_LEN;
    memcpy(out, *at, kept);
    out[kept] = '\0';
    size_t used = end == NULL ? len : len + 1;
    *at += used;
    *left -= used;
    return out;
}

static void check_token(const char *text, const char *key)
{
    struct snitun_token token;
    FUZZ_CHECK(key != NULL && key != server_key);
    FUZZ_CHECK(snitun_token_open(&keyring, NOW_S, text, strlen(text), &token) == 0);
    FUZZ_CHECK(strcmp(token.hostname, key == bound_key ? bound_name : "home.example") == 0);
    FUZZ_CHECK(token.alias_count == (key == bound_key ? 2 : 0));
    FUZZ_CHECK(token.whitelist_count == (key == bound_key ? 2 : 0));
    FUZZ_CHECK(key != bound_key || token.keys.cipher == SNITUN_AES_GCM_SIV);
    snitun_token_clear(&token);
}

static void check(const struct master_response *response, const char *key)
{
    static const int known[] = {200, 400, 401, 403, 404, 405, 413, 429, 500, 501, 503};
    bool found = false;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        found = found || response->status == known[i];
    FUZZ_CHECK(found);
    FUZZ_CHECK(response->body != NULL);
    FUZZ_CHECK((response->status == 200) == (response->why[0] == '\0'));
    for (const char *c = response->why; *c != '\0'; c++)
        FUZZ_CHECK(*c >= ' ' && *c != 127);
    const char *token = json_string_value(json_object_get(response->body, "token"));
    if (token != NULL)
        check_token(token, key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char lines[LINES][LINE_MAX_LEN + 1];
    if (size == 0)
        return 0;
    if (master.store == NULL)
        begin();
    const uint8_t *at = data + 1;
    size_t left = size - 1;
    for (int i = 0; i < LINES; i++)
        cut_line(&at, &left, lines[i]);
    const char *key = (data[0] & HAS_HOST_KEY) != 0     ? host_key
                      : (data[0] & HAS_SERVER_KEY) != 0 ? server_key
                      : (data[0] & HAS_BOUND_KEY) != 0  ? bound_key
                                                        : NULL;
    if ((data[0] & WAS_REVOKED) != 0)
        for (int enabled = 0; enabled < 2; enabled++)
            FUZZ_CHECK(store_enable(master.store, bound_name, enabled, NOW_S) == STORE_OK);
    uint8_t *body = fuzz_copy(at, left);
    const struct io_http_request request = {
        .method = lines[0],
        .target = lines[1],
        .host = lines[2][0] == '\0' ? NULL : lines[2],
        .authorization = key != NULL           ? key
                         : lines[3][0] == '\0' ? NULL
                                               : lines[3],
        .body = body,
        .body_len = left,
        .from = {.family = 4, .bytes = {192, 0, 2, 7}},
    };
    struct master_response response = {0};
    master_handle(&master, NOW_S, 1000, &request, &response);
    check(&response, key);
    json_decref(response.body);
    free(body);
    return 0;
}
