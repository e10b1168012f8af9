#include "roles/master/service.h"

#include "base/encode.h"
#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REQUEST_MS = 10000, /* from the connection to the end of the answer */
    TICK_MS = 1000,     /* so often is written what is not promised, and looked what was revoked */
    PATH_SHOWN_MAX = 100,
};

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

static void flush(struct master_service *service)
{
    int error = store_flush(service->master.store);

    if (error != STORE_OK && !service->flush_failed)
        log_event(service->own, LOG_ERROR, "store",
                  "cannot write when hosts were seen: %s; tokens are given out all the same",
                  store_error_text(error));
    service->flush_failed = error != STORE_OK;
}

static void on_tick(void *arg)
{
    struct master_service *service = arg;

    flush(service);
    io_timer_set_in(&service->tick, watch_look(service) ? 0 : TICK_MS);
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
    io_timer_init(&service->tick, loop, on_tick, service);
    io_timer_set_in(&service->tick, 0);
    service->http = io_http_serve(loop, &config, on_request, service);
    if (service->http == NULL)
        (void)io_post(service->loop, on_worker_failed, service);
}

static void take_secrets(struct io_loop *loop, void *arg)
{
    struct master_secrets *news = arg;
    struct master_service *service = news->service;

    (void)loop;
    master_secrets_free(service->secrets);
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
        snprintf(why, why_len, "cannot listen on %s: %s", text, io_listen_error_text(error));
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
        .serves = config->here.serves,
        .serves_arg = config->here.arg,
        .acme_directory = service->config.acme_directory,
        .secure = config->tls_cert_file != NULL || config->behind_proxy,
    };
    return service->fernet_key_file != NULL && service->master.limiter != NULL &&
           (config->tls_cert_file == NULL) == (service->tls_cert_file == NULL) &&
           (config->tls_cert_file == NULL) == (service->tls_key_file == NULL);
}

struct master_service *master_open(struct io_loop *loop, const struct master_config *config,
                                   void (*stopped)(void *arg), void *arg, char *why, size_t why_len)
{
    struct master_service *service = calloc(1, sizeof(*service));

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
    service->secrets = master_secrets_read(service, why, why_len);
    if (service->secrets == NULL)
        goto err;
    service->master.keyring = &service->secrets->keyring;
    if (listen_at(service, why, why_len) != 0 || open_store(service, why, why_len) != 0)
        goto err;
    return service;

err:
    master_free(service);
    return NULL;
}

int master_run(struct master_service *service, uint16_t server_port, char *why, size_t why_len)
{
    int error = IO_OK;

    if (server_port != 0)
        service->config.server_port = server_port;
    service->master.server_port = service->config.server_port;
    log_ready(service);
    service->worker = io_worker_start(service->loop, "master", on_worker_started, service, &error);
    if (service->worker != NULL)
        return 0;
    snprintf(why, why_len, "cannot start a thread: %s", io_error_text(error));
    return -1;
}

struct master_service *master_start(struct io_loop *loop, const struct master_config *config,
                                    void (*stopped)(void *arg), void *arg, char *why,
                                    size_t why_len)
{
    struct master_service *service = master_open(loop, config, stopped, arg, why, why_len);

    if (service == NULL || master_run(service, 0, why, why_len) == 0)
        return service;
    master_free(service);
    return NULL;
}

struct addr master_addr(const struct master_service *service)
{
    return io_listener_addr(service->listener);
}

void master_secrets_use(struct master_secrets *secrets)
{
    secrets->message = (struct io_message){.fn = take_secrets, .arg = secrets};
    io_post_message(secrets->service->worker, &secrets->message);
}

int master_reload(struct master_service *service, char *why, size_t why_len)
{
    struct master_secrets *news = master_secrets_read(service, why, why_len);

    if (news == NULL)
        return -1;
    master_secrets_use(news);
    return 0;
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
    io_timer_stop(&service->tick);
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
    master_secrets_free(service->secrets);
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
