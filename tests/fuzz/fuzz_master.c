/*
 * Input: a byte of what the stranger has (bit 0: a publisher's key, bit 1: a server's), then lines
 * method, target, Host and Authorization, each ended by a line feed, and the body. A key replaces
 * the Authorization that came.
 * What holds of every request: there is an answer, it is of a known status, a refusal has one line
 * of printable text, and nobody without a key gets a token.
 */
#include "base/encode.h"
#include "roles/master/handle.h"
#include "tests/fuzz/fuzz.h"

enum { LINES = 4, LINE_MAX_LEN = 2048, HAS_HOST_KEY = 1, HAS_SERVER_KEY = 2 };

static struct snitun_keyring keyring = {.count = 1, .keys = {{7}}};
static struct master master;
static char host_key[MASTER_KEY_TEXT_MAX];
static char server_key[MASTER_KEY_TEXT_MAX];

static int count_up(void *arg, void *buf, size_t len)
{
    static uint8_t next;
    uint8_t *bytes = buf;
    (void)arg;
    for (size_t i = 0; i < len; i++)
        bytes[i] = next++;
    return 0;
}

static void add(const char *name, enum store_kind kind, char key[MASTER_KEY_TEXT_MAX])
{
    struct store_host host = {.kind = kind, .ciphers = MASTER_CIPHERS_ALL};
    char taken[HOSTNAME_MAX + 1];
    uint8_t digest[SHA256_LEN];
    snprintf(host.name, sizeof(host.name), "%s", name);
    FUZZ_CHECK(master_key_new(count_up, NULL, key, digest));
    FUZZ_CHECK(store_add(master.store, &host, digest, taken) == STORE_OK);
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
        .random = count_up,
    };
    FUZZ_CHECK(master.store != NULL);
    store_promise(master.store, 3600);
    add("home.example", STORE_HOST, host_key);
    add("relay.example", STORE_SERVER, server_key);
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

static void check(const struct master_response *response, bool has_key)
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
    FUZZ_CHECK(has_key || json_object_get(response->body, "token") == NULL);
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
                                                        : NULL;
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
    master_handle(&master, 1700000000, 1000, &request, &response);
    check(&response, key != NULL || strcmp(lines[3], host_key) == 0);
    json_decref(response.body);
    free(body);
    return 0;
}
