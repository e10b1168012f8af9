#include "io/http.h"

#include "base/encode.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WHY_MAX = 2 * CURL_ERROR_SIZE,
    HEAD_MAX = 64 * 1024, /* bytes of an answer's headers */
    STATUS_MIN = 100,
};

/* One question, on a helper's thread until it is answered. */
struct io_http_ask {
    void (*done)(void *arg, const struct io_http_answer *answer); /* the loop's alone */
    void *arg;
    atomic_bool cancelled;
    char *method;
    char *url;
    char *authorization; /* or NULL, as are: */
    char *body;
    char *ca_file;
    uint32_t timeout_ms;
    size_t answer_max;

    char *answer;
    size_t answer_len;
    size_t head_len;
    int status;
    unsigned retry_after_s;
    char why[WHY_MAX];
};

static void free_secret(char *text)
{
    if (text != NULL)
        wipe(text, strlen(text));
    free(text);
}

static void ask_free(struct io_http_ask *ask)
{
    free(ask->method);
    free(ask->url);
    free_secret(ask->authorization);
    free_secret(ask->body);
    free(ask->ca_file);
    if (ask->answer != NULL)
        wipe(ask->answer, ask->answer_len);
    free(ask->answer);
    free(ask);
}

/* ---- On a helper ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct io_http_ask *ask = arg;
    size_t len = size * count;

    if (len > ask->answer_max - ask->answer_len)
        return 0;
    memcpy(ask->answer + ask->answer_len, bytes, len);
    ask->answer_len += len;
    return len;
}

static size_t on_head(char *bytes, size_t size, size_t count, void *arg)
{
    struct io_http_ask *ask = arg;

    (void)bytes;
    ask->head_len += size * count;
    return ask->head_len > HEAD_MAX ? 0 : size * count;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct io_http_ask *ask = arg;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return atomic_load(&ask->cancelled);
}

static struct curl_slist *headers_of(const struct io_http_ask *ask)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    struct curl_slist *more;
    char line[2048];

    if (headers != NULL && ask->body != NULL) {
        more = curl_slist_append(headers, "Content-Type: application/json");
        headers = more == NULL ? headers : more;
    }
    if (headers != NULL && ask->authorization != NULL) {
        snprintf(line, sizeof(line), "Authorization: %s", ask->authorization);
        more = curl_slist_append(headers, line);
        headers = more == NULL ? headers : more;
        wipe(line, sizeof(line));
    }
    return headers;
}

static void set_options(CURL *curl, struct io_http_ask *ask, struct curl_slist *headers,
                        char error[CURL_ERROR_SIZE])
{
    bool secure = strncmp(ask->url, "https", 5) == 0;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_URL, ask->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http");
    /* What is not encrypted must not go by way of a proxy. */
    if (!secure)
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (ask->body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask->body);
    if (ask->ca_file != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, ask->ca_file);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "adit");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ask->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, ask);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, ask);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, ask);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

/* A date that has passed is a negative number of seconds: nothing to wait for. */
static unsigned wait_of(curl_off_t retry_after_s)
{
    if (retry_after_s < 0)
        return 0;
    return retry_after_s > UINT16_MAX ? UINT16_MAX : (unsigned)retry_after_s;
}

static void perform(CURL *curl, struct io_http_ask *ask)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = headers_of(ask);
    CURLcode code;
    long status = 0;
    curl_off_t retry_after_s = 0;

    set_options(curl, ask, headers, error);
    code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status < STATUS_MIN) {
        snprintf(ask->why, sizeof(ask->why), "the answer has no status of HTTP");
    } else if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
        ask->status = (int)status;
        ask->retry_after_s = wait_of(retry_after_s);
    } else if (code == CURLE_WRITE_ERROR) {
        snprintf(ask->why, sizeof(ask->why), "the answer is larger than %zu bytes",
                 ask->answer_max);
    } else {
        const char *text = error[0] == '\0' ? curl_easy_strerror(code) : error;

        text_escape(text, strlen(text), ask->why, sizeof(ask->why));
    }
    for (struct curl_slist *header = headers; header != NULL; header = header->next)
        wipe(header->data, strlen(header->data));
    curl_slist_free_all(headers);
}

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
}

static void work(void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct io_http_ask *ask = arg;
    CURL *curl;

    if (atomic_load(&ask->cancelled))
        return;
    pthread_once(&once, init_curl);
    curl = curl_easy_init();
    ask->answer = calloc(1, ask->answer_max + 1);
    if (curl == NULL || ask->answer == NULL)
        snprintf(ask->why, sizeof(ask->why), "out of memory");
    else
        perform(curl, ask);
    curl_easy_cleanup(curl);
    /* What OpenSSL keeps for this thread: it may end together with the process. */
    OPENSSL_thread_stop();
}

/* ---- On the loop ---- */

static void on_worked(struct io_loop *loop, void *arg)
{
    struct io_http_ask *ask = arg;
    struct io_http_answer answer = {.status = ask->status,
                                    .body = ask->answer == NULL ? "" : ask->answer,
                                    .body_len = ask->answer_len,
                                    .retry_after_s = ask->retry_after_s,
                                    .why = ask->why};

    (void)loop;
    if (ask->done != NULL)
        ask->done(ask->arg, &answer);
    ask_free(ask);
}

static bool copy(char **to, const char *from)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL;
}

struct io_http_ask *io_http_ask(struct io_loop *loop, const struct io_http_query *query,
                                void (*done)(void *arg, const struct io_http_answer *answer),
                                void *arg)
{
    struct io_http_ask *ask = calloc(1, sizeof(*ask));

    if (ask == NULL)
        return NULL;
    atomic_init(&ask->cancelled, false);
    ask->done = done;
    ask->arg = arg;
    ask->timeout_ms = query->timeout_ms;
    ask->answer_max = query->answer_max;
    if (copy(&ask->method, query->method) && copy(&ask->url, query->url) &&
        copy(&ask->authorization, query->authorization) && copy(&ask->body, query->body) &&
        copy(&ask->ca_file, query->ca_file) && io_submit(loop, work, on_worked, ask) == IO_OK)
        return ask;
    ask_free(ask);
    return NULL;
}

void io_http_cancel(struct io_http_ask *ask)
{
    ask->done = NULL;
    atomic_store(&ask->cancelled, true);
}
