#include "roles/publish/internal.h"

#include "base/encode.h"
#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    API_KEY_MAX = 512, /* characters */
    SHOWN_MAX = 200,   /* of what a master says */
    DEFAULT_PORT = 443,
    CREDENTIAL_HEX_MAX = 2 * 32 + 1,
};

static const char path[] = "/instance/snitun_token";

/* ---- Asking ---- */

/* The key as it stands in its file, without the newline. 0, or -1 with why. */
static int read_api_key(struct publish *publish, char key[API_KEY_MAX + 1], char *why,
                        size_t why_len)
{
    const char *file = publish->config.api_key_file;
    char *text = NULL;
    size_t len = 0;
    int error = io_file_read_secret(io_disk(publish->loop), file, API_KEY_MAX, &text, &len);
    size_t end;

    if (error != IO_OK) {
        snprintf(why, why_len, "cannot read the API key %s: %s", file, io_error_text(error));
        return -1;
    }
    end = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=");
    if (end == 0 || strspn(text + end, " \r\n") != len - end) {
        snprintf(why, why_len, "%s holds no API key as adit host add prints it", file);
        error = IO_E_OTHER;
    } else {
        memcpy(key, text, end);
        key[end] = '\0';
    }
    wipe(text, len);
    free(text);
    return error == IO_OK ? 0 : -1;
}

/* The body, from malloc(): a key that no other connection has. */
static char *make_wish(struct publish *publish)
{
    struct snitun_keys *keys = &publish->grant.credential.keys;
    char key[CREDENTIAL_HEX_MAX];
    char iv[CREDENTIAL_HEX_MAX];
    json_t *wish;
    char *text;

    memset(keys, 0, sizeof(*keys));
    io_random(publish->loop, keys->aes_key, sizeof(keys->aes_key));
    io_random(publish->loop, keys->aes_iv, sizeof(keys->aes_iv));
    keys->cipher = publish->config.cipher;
    hex_encode(keys->aes_key, sizeof(keys->aes_key), key);
    hex_encode(keys->aes_iv, sizeof(keys->aes_iv), iv);
    wish = json_pack("{s:s, s:s, s:s}", "aes_key", key, "aes_iv", iv, "cipher",
                     snitun_cipher_name(keys->cipher));
    if (wish != NULL && publish->hostname[0] != '\0')
        json_object_set_new(wish, "hostname", json_string(publish->hostname));
    text = json_dumps(wish, JSON_COMPACT);
    json_decref(wish);
    wipe(key, sizeof(key));
    wipe(iv, sizeof(iv));
    return text;
}

/* ---- Answers: a master may be hostile ---- */

static int read_server(struct publish *publish, const json_t *answer, char *why, size_t why_len)
{
    const json_t *server = json_object_get(answer, "server");
    const json_t *port = json_object_get(answer, "port");
    const char *host = json_string_value(server);
    struct adit_ip ip;

    if (host == NULL || strlen(host) >= HOST_TEXT_MAX ||
        (!hostname_valid(host) && !ip_parse(host, &ip))) {
        snprintf(why, why_len, "its \"server\" is no host name");
        return -1;
    }
    if (port != NULL && (!json_is_integer(port) || json_integer_value(port) < 1 ||
                         json_integer_value(port) > UINT16_MAX)) {
        snprintf(why, why_len, "its \"port\" is no port");
        return -1;
    }
    if (publish->config.server_host[0] != '\0') {
        memcpy(publish->grant.server_host, publish->config.server_host, HOST_TEXT_MAX);
        publish->grant.server_port = publish->config.server_port;
        return 0;
    }
    memcpy(publish->grant.server_host, host, strlen(host) + 1);
    publish->grant.server_port = (uint16_t)(port == NULL ? DEFAULT_PORT : json_integer_value(port));
    return 0;
}

/* Who may call, as the operator of the master says; it is enforced here as well. */
static int read_whitelist(struct publish *publish, const json_t *answer, char *why, size_t why_len)
{
    const json_t *list = json_object_get(answer, "whitelist");
    size_t count = json_array_size(list);
    struct cidr *blocks;

    if (list != NULL && (!json_is_array(list) || count > PUBLISH_WHITELIST_MAX)) {
        snprintf(why, why_len, "its \"whitelist\" is no list, or one of more than %d blocks",
                 PUBLISH_WHITELIST_MAX);
        return -1;
    }
    blocks = calloc(count + 1, sizeof(*blocks));
    for (size_t i = 0; blocks != NULL && i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text != NULL && cidr_parse(text, &blocks[i]))
            continue;
        snprintf(why, why_len, "its \"whitelist\" has what is no address block");
        free(blocks);
        return -1;
    }
    if (blocks == NULL) {
        snprintf(why, why_len, "out of memory");
        return -1;
    }
    free(publish->whitelist);
    publish->whitelist = blocks;
    publish->whitelist_count = count;
    return 0;
}

/* A token for another name than ours would publish our service there. */
static int check_name(struct publish *publish, const struct credential *credential, char *why,
                      size_t why_len)
{
    if (credential->hostname[0] == '\0') {
        snprintf(why, why_len, "its \"hostname\" is missing");
        return -1;
    }
    if (publish->hostname[0] == '\0')
        memcpy(publish->hostname, credential->hostname, sizeof(publish->hostname));
    if (strcmp(publish->hostname, credential->hostname) == 0)
        return 0;
    snprintf(why, why_len, "its token is for %s, and this publisher is for %s",
             credential->hostname, publish->hostname);
    return -1;
}

/* The answer, with the keys that the master was sent, is a credential. */
static int read_answer(struct publish *publish, json_t *answer, char *why, size_t why_len)
{
    struct credential credential;
    struct snitun_keys sent = publish->grant.credential.keys;
    char key[CREDENTIAL_HEX_MAX];
    char iv[CREDENTIAL_HEX_MAX];
    int result;

    hex_encode(sent.aes_key, sizeof(sent.aes_key), key);
    hex_encode(sent.aes_iv, sizeof(sent.aes_iv), iv);
    json_object_set_new(answer, "aes_key", json_string(key));
    json_object_set_new(answer, "aes_iv", json_string(iv));
    result = credential_from(&credential, answer, why, why_len);
    if (result == 0 && credential.keys.cipher != sent.cipher) {
        snprintf(why, why_len, "its token is for %s, and %s was asked for",
                 snitun_cipher_name(credential.keys.cipher), snitun_cipher_name(sent.cipher));
        result = -1;
    }
    if (result == 0 && credential.valid <= io_wall_s(publish->loop)) {
        snprintf(why, why_len, "its token has expired, or a clock is wrong");
        result = -1;
    }
    if (result == 0)
        result = check_name(publish, &credential, why, why_len);
    if (result == 0)
        result = read_server(publish, answer, why, why_len);
    if (result == 0)
        result = read_whitelist(publish, answer, why, why_len);
    if (result == 0)
        publish->grant.credential = credential;
    wipe(&credential, sizeof(credential));
    wipe(&sent, sizeof(sent));
    wipe(key, sizeof(key));
    wipe(iv, sizeof(iv));
    return result;
}

static void log_master(struct publish *publish, enum log_level level, const char *text)
{
    log_event(publish->loop, level, "master", "%s%s: %s", publish->label,
              publish->config.master_url, text);
}

static void take_answer(struct publish *publish, const struct io_http_answer *answer)
{
    char why[PUBLISH_WHY_MAX] = "its answer is no JSON object";
    char line[PUBLISH_WHY_MAX + 64];
    json_t *object = json_loadb(answer->body, answer->body_len, JSON_REJECT_DUPLICATES, NULL);
    int result = json_is_object(object) ? read_answer(publish, object, why, sizeof(why)) : -1;

    json_decref(object);
    if (result == 0) {
        attempt_granted(publish);
        return;
    }
    snprintf(line, sizeof(line), "cannot be used: %s", why);
    log_master(publish, LOG_ERROR, line);
    attempt_denied(publish, true, 0);
}

static void take_refusal(struct publish *publish, const struct io_http_answer *answer)
{
    json_t *object = json_loadb(answer->body, answer->body_len, 0, NULL);
    const char *message = json_string_value(json_object_get(object, "message"));
    char shown[SHOWN_MAX] = "without a message";
    char line[SHOWN_MAX + 64];

    if (message != NULL)
        text_escape(message, strlen(message), shown, sizeof(shown));
    snprintf(line, sizeof(line), "no token: %d, %s", answer->status, shown);
    json_decref(object);
    log_master(publish, LOG_WARN, line);
    attempt_denied(publish, answer->status < 500 && answer->status != 429, answer->retry_after_s);
}

static void on_answer(void *arg, const struct io_http_answer *answer)
{
    struct publish *publish = arg;

    publish->ask = NULL;
    if (answer->status == 200) {
        take_answer(publish, answer);
    } else if (answer->status != 0) {
        take_refusal(publish, answer);
    } else {
        log_master(publish, LOG_WARN, answer->why);
        attempt_denied(publish, false, 0);
    }
}

void ask_start(struct publish *publish)
{
    char authorization[API_KEY_MAX + 16] = "Bearer ";
    char url[IO_HTTP_URL_MAX + sizeof(path) + 1];
    char why[PUBLISH_WHY_MAX];
    char *wish;

    if (read_api_key(publish, authorization + strlen(authorization), why, sizeof(why)) != 0) {
        log_event(publish->loop, LOG_ERROR, "credential", "%s%s", publish->label, why);
        attempt_denied(publish, true, 0);
        return;
    }
    snprintf(url, sizeof(url), "%s%s", publish->config.master_url, path);
    wish = make_wish(publish);
    if (wish != NULL)
        publish->ask = io_http_ask(publish->loop,
                                   &(struct io_http_query){
                                       .method = "POST",
                                       .url = url,
                                       .authorization = authorization,
                                       .body = wish,
                                       .ca_file = publish->config.master_ca_file,
                                       .timeout_ms = PUBLISH_ASK_MS,
                                       .answer_max = PUBLISH_ANSWER_MAX,
                                   },
                                   on_answer, publish);
    wipe(authorization, sizeof(authorization));
    if (wish != NULL)
        wipe(wish, strlen(wish));
    free(wish);
    if (publish->ask == NULL)
        attempt_denied(publish, false, 0);
}

void ask_stop(struct publish *publish)
{
    if (publish->ask != NULL)
        io_http_cancel(publish->ask);
    publish->ask = NULL;
}
