#include "roles/master/master.h"

#include "base/encode.h"
#include "io/log.h"
#include "roles/master/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REQUEST_MS = 10000, /* from the connection to the end of the answer */
    FLUSH_MS = 1000,    /* what is not promised is written so often */
    KEY_FILE_MAX = 16 * 1024,
    PEM_FILE_MAX = 256 * 1024,
    PATH_SHOWN_MAX = 100,
};

/* What a reload replaces. */
struct secrets {
    struct master_service *service;
    struct snitun_keyring keyring;
    struct io_tls *tls; /* or NULL */
};

struct master_service {
    struct io_loop *loop;
    struct master_config config;
    char *fernet_key_file;
    char *tls_cert_file;
    char *tls_key_file;
    struct io_listener *listener; /* paused: the worker accepts */
    struct io_loop *worker;
    uint64_t started_ms;
    bool stopping;
    void (*stopped)(void *arg);
    void *arg;

    /* The worker's alone, while there is one: */
    struct io_loop *own; /* the worker, as it knows itself */
    struct master master;
    struct secrets *secrets;
    struct io_http_server *http;
    struct io_timer flush;
    bool flush_failed; /* said already */
    uint64_t requests;
    uint64_t tokens;
    uint64_t refused;
};

/* ---- Secrets ---- */

static void secrets_free(struct secrets *secrets)
{
    if (secrets == NULL)
        return;
    snitun_keyring_wipe(&secrets->keyring);
    io_tls_unref(secrets->tls);
    free(secrets);
}

static int read_keyring(struct master_service *service, struct snitun_keyring *keyring, char *why,
                        size_t why_len)
{
    const char *path = service->fernet_key_file;
    char *text = NULL;
    size_t len = 0;
    unsigned line = 0;
    int error = io_file_read_secret(io_disk(service->loop), path, KEY_FILE_MAX, &text, &len);

    if (error != IO_OK) {
        snprintf(why, why_len, "cannot read the Fernet key file %s: %s", path,
                 io_error_text(error));
        return -1;
    }
    error = snitun_keyring_parse(keyring, text, len, &line);
    wipe(text, len);
    free(text);
    if (error == 0)
        return 0;
    snprintf(why, why_len, "%s, line %u: %s", path, line, snitun_token_error_text(error));
    return -1;
}

static int read_tls(struct master_service *service, struct io_tls **tls, char *why, size_t why_len)
{
    struct io_disk *disk = io_disk(service->loop);
    char *cert = NULL;
    char *key = NULL;
    char inner[IO_TLS_TEXT_MAX + 64];
    size_t cert_len = 0;
    size_t key_len = 0;
    const char *path = service->tls_cert_file;
    int error;

    if (path == NULL)
        return 0;
    error = io_file_read(disk, path, PEM_FILE_MAX, &cert, &cert_len);
    if (error == IO_OK) {
        path = service->tls_key_file;
        error = io_file_read_secret(disk, path, PEM_FILE_MAX, &key, &key_len);
    }
    if (error != IO_OK) {
        snprintf(why, why_len, "cannot read %s: %s", path, io_error_text(error));
        goto out;
    }
    *tls = io_tls_server_new(cert, key, inner, sizeof(inner));
    if (*tls == NULL)
        snprintf(why, why_len, "%s and %s: %s", service->tls_cert_file, path, inner);
out:
    if (key != NULL)
        wipe(key, key_len);
    free(key);
    free(cert);
    return *tls == NULL ? -1 : 0;
}

static struct secrets *read_secrets(struct master_service *service, char *why, size_t why_len)
{
    struct secrets *secrets = calloc(1, sizeof(*secrets));

    if (secrets == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    secrets->service = service;
    if (read_keyring(service, &secrets->keyring, why, why_len) == 0 &&
        read_tls(service, &secrets->tls, why, why_len) == 0)
        return secrets;
    secrets_free(secrets);
    return NULL;
}

/* ---- On the worker ---- */

static void log_refusal(struct master_service *service, const struct io_http_request *request,
                        const struct master_response *response)
{
    char from[IP_TEXT_MAX];
    char path[PATH_SHOWN_MAX];

    ip_format(&request->from, from);
    text_escape(request->target, strcspn(request->target, "?"), path, sizeof(path));
    log_event(service->own, LOG_WARN, "refused", "%s: %s %s: %d, %s", from, request->method, path,
              response->status, response->why);
}

static void on_request(void *arg, const struct io_http_request *request,
                       struct io_http_response *answer)
{
    struct master_service *service = arg;
    struct io_loop *loop = service->own;
    struct master_response response;

    master_handle(&service->master, io_wall_s(loop), io_now_ms(loop), request, &response);
    service->requests++;
    if (response.status != 200) {
        service->refused++;
        log_refusal(service, request, &response);
    } else if (strcmp(request->target, "/instance/snitun_token") == 0) {
        service->tokens++;
    }
    answer->status = response.status;
    answer->allow = response.allow;
    answer->retry_after_s = response.retry_after_s;
    answer->body = json_dumps(response.body, JSON_COMPACT);
    answer->body_len = answer->body == NULL ? 0 : strlen(answer->body);
    json_decref(response.body);
}

static void on_flush(void *arg)
{
    struct master_service *service = arg;
    int error = store_flush(service->master.store);

    if (error != STORE_OK && !service->flush_failed)
        log_event(service->own, LOG_ERROR, "store",
                  "cannot write when hosts were seen: %s; tokens are given out all the same",
                  store_error_text(error));
    service->flush_failed = error != STORE_OK;
    io_timer_set_in(&service->flush, FLUSH_MS);
}

static void on_worker_failed(struct io_loop *loop, void *arg)
{
    struct master_service *service = arg;

    log_event(loop, LOG_ERROR, "start", "cannot serve: out of memory");
    master_stop(service);
}

static void on_worker_started(struct io_loop *loop, void *arg)
{
    struct master_service *service = arg;
    struct io_http_config config = {
        .listener = service->listener,
        .tls = service->secrets->tls,
        .timeout_ms = REQUEST_MS,
        .body_max = MASTER_BODY_MAX,
        .behind_proxy = service->config.behind_proxy,
    };

    service->own = loop;
    service->master.random = io_random_fn;
    service->master.random_arg = loop;
    io_timer_init(&service->flush, loop, on_flush, service);
    io_timer_set_in(&service->flush, FLUSH_MS);
    service->http = io_http_serve(loop, &config, on_request, service);
    if (service->http == NULL)
        (void)io_post(service->loop, on_worker_failed, service);
}

static void take_secrets(struct io_loop *loop, void *arg)
{
    struct secrets *news = arg;
    struct master_service *service = news->service;

    (void)loop;
    secrets_free(service->secrets);
    service->secrets = news;
    service->master.keyring = &news->keyring;
    if (service->http != NULL && news->tls != NULL)
        io_http_set_tls(service->http, news->tls);
}

/* ---- Starting and stopping ---- */

static void log_ready(const struct master_service *service)
{
    struct addr at = io_listener_addr(service->listener);
    char text[ADDR_TEXT_MAX];

    addr_format(&at, text);
    log_event(service->loop, LOG_INFO, "ready", "session master on %s, %s, for the server %s:%u",
              text, service->secrets->tls == NULL ? "without TLS" : "with TLS",
              service->config.server_host, service->config.server_port);
}

static bool is_loopback(const struct adit_ip *ip)
{
    static const struct adit_ip loopback6 = {.family = 6, .bytes = {[15] = 1}};

    return (ip->family == 4 && ip->bytes[0] == 127) || ip_equal(ip, &loopback6);
}

static int listen_at(struct master_service *service, char *why, size_t why_len)
{
    static const struct io_listener_handler none = {0};
    const struct addr *at = &service->config.listen;
    char text[ADDR_TEXT_MAX];
    int error = IO_OK;

    addr_format(at, text);
    if (service->secrets->tls == NULL && !service->config.behind_proxy && !is_loopback(&at->ip)) {
        snprintf(why, why_len,
                 "API keys must not cross a network in the clear: %s needs --tls-cert and "
                 "--tls-key, or --behind-proxy where a proxy ends TLS",
                 text);
        return -1;
    }
    service->listener = io_listen(service->loop, at, &none, NULL, &error);
    if (service->listener == NULL) {
        snprintf(why, why_len, "cannot listen on %s: %s", text, io_error_text(error));
        return -1;
    }
    io_listener_pause(service->listener);
    return 0;
}

static int open_store(struct master_service *service, char *why, size_t why_len)
{
    const char *path = service->config.store_file;
    int error = STORE_OK;

    service->master.store = store_open(path, true, &error);
    if (service->master.store != NULL)
        error = store_promise(service->master.store, service->config.token_valid_s);
    if (error == STORE_OK)
        return 0;
    snprintf(why, why_len, "%s: %s", path, store_error_text(error));
    return -1;
}

static bool copy_config(struct master_service *service, const struct master_config *config)
{
    uint8_t seed[16];

    service->config = *config;
    service->fernet_key_file = strdup(config->fernet_key_file);
    if (config->tls_cert_file != NULL) {
        service->tls_cert_file = strdup(config->tls_cert_file);
        service->tls_key_file = strdup(config->tls_key_file);
    }
    io_random(service->loop, seed, sizeof(seed));
    service->master = (struct master){
        .limiter = limiter_new(seed, config->rate_per_minute),
        .server_host = service->config.server_host,
        .server_port = config->server_port,
        .token_valid_s = config->token_valid_s,
        .secure = config->tls_cert_file != NULL || config->behind_proxy,
    };
    return service->fernet_key_file != NULL && service->master.limiter != NULL &&
           (config->tls_cert_file == NULL) == (service->tls_cert_file == NULL) &&
           (config->tls_cert_file == NULL) == (service->tls_key_file == NULL);
}

struct master_service *master_start(struct io_loop *loop, const struct master_config *config,
                                    void (*stopped)(void *arg), void *arg, char *why,
                                    size_t why_len)
{
    struct master_service *service = calloc(1, sizeof(*service));
    int error = IO_OK;

    if (service == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    service->loop = loop;
    service->stopped = stopped;
    service->arg = arg;
    service->started_ms = io_now_ms(loop);
    if (!copy_config(service, config)) {
        snprintf(why, why_len, "out of memory");
        goto err;
    }
    service->secrets = read_secrets(service, why, why_len);
    if (service->secrets == NULL)
        goto err;
    service->master.keyring = &service->secrets->keyring;
    if (listen_at(service, why, why_len) != 0 || open_store(service, why, why_len) != 0)
        goto err;
    log_ready(service);
    service->worker = io_worker_start(loop, "master", on_worker_started, service, &error);
    if (service->worker == NULL) {
        snprintf(why, why_len, "cannot start a thread: %s", io_error_text(error));
        goto err;
    }
    return service;

err:
    master_free(service);
    return NULL;
}

int master_reload(struct master_service *service, char *why, size_t why_len)
{
    struct secrets *news = read_secrets(service, why, why_len);

    if (news == NULL)
        return -1;
    if (io_post(service->worker, take_secrets, news) == IO_OK)
        return 0;
    secrets_free(news);
    snprintf(why, why_len, "out of memory");
    return -1;
}

static void on_worker_closed(struct io_loop *loop, void *arg)
{
    struct master_service *service = arg;

    io_worker_join(service->worker);
    io_listener_close(service->listener);
    service->listener = NULL;
    log_event(loop, LOG_INFO, "stopped", "the session master has ended");
    service->stopped(service->arg);
}

static void close_worker(struct io_loop *loop, void *arg)
{
    struct master_service *service = arg;

    (void)loop;
    io_http_close(service->http);
    io_timer_stop(&service->flush);
    (void)io_post(service->loop, on_worker_closed, service);
}

void master_stop(struct master_service *service)
{
    if (service->stopping)
        return;
    service->stopping = true;
    (void)io_post(service->worker, close_worker, service);
}

void master_free(struct master_service *service)
{
    if (service == NULL)
        return;
    if (service->listener != NULL)
        io_listener_close(service->listener);
    store_close(service->master.store);
    limiter_free(service->master.limiter);
    secrets_free(service->secrets);
    free(service->fernet_key_file);
    free(service->tls_cert_file);
    free(service->tls_key_file);
    free(service);
}

/* ---- Status ---- */

struct question {
    struct master_service *service;
    void (*answer)(void *arg, json_t *status);
    void *arg;
    json_t *status;
};

static void give_answer(struct io_loop *loop, void *arg)
{
    struct question *question = arg;

    (void)loop;
    question->answer(question->arg, question->status);
    free(question);
}

static json_t *status_of(const struct master_service *service)
{
    struct addr at = io_listener_addr(service->listener);
    char text[ADDR_TEXT_MAX];

    addr_format(&at, text);
    return json_pack("{s:s, s:f, s:s, s:{s:I, s:I, s:I}}", "role", "master", "uptime_s",
                     (double)(io_now_ms(service->own) - service->started_ms) / 1000, "address",
                     text, "counters", "requests", (json_int_t)service->requests, "tokens",
                     (json_int_t)service->tokens, "refused", (json_int_t)service->refused);
}

static void look_at_status(struct io_loop *loop, void *arg)
{
    struct question *question = arg;

    (void)loop;
    question->status = status_of(question->service);
    if (io_post(question->service->loop, give_answer, question) != IO_OK) {
        json_decref(question->status);
        free(question);
    }
}

void master_status(struct master_service *service, void (*answer)(void *arg, json_t *status),
                   void *arg)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question != NULL && !service->stopping) {
        *question = (struct question){.service = service, .answer = answer, .arg = arg};
        if (io_post(service->worker, look_at_status, question) == IO_OK)
            return;
    }
    free(question);
    answer(arg, json_pack("{s:s}", "role", "master"));
}
