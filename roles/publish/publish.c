#include "roles/publish/internal.h"

#include "base/encode.h"
#include "base/map.h"
#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that may wait for endpoints and for the server, where nobody says otherwise. */
static const size_t memory_default = (size_t)256 * 1024 * 1024;

static void on_stopped(void *arg)
{
    struct publish *publish = arg;

    publish->stopped(publish->arg);
}

static void fill_defaults(struct publish_config *config)
{
    if (config->endpoint_connect_ms == 0)
        config->endpoint_connect_ms = PUBLISH_ENDPOINT_CONNECT_MS;
    if (config->channel_idle_ms == 0)
        config->channel_idle_ms = PUBLISH_CHANNEL_IDLE_MS;
    if (config->memory == 0)
        config->memory = memory_default;
}

/* True unless memory lacks; NULL stays NULL. */
static bool copy_text(const char **text)
{
    if (*text == NULL)
        return true;
    *text = strdup(*text);
    return *text != NULL;
}

static bool copy_blocks(struct cidr **blocks, size_t count)
{
    const struct cidr *from = *blocks;

    *blocks = calloc(count + 1, sizeof(**blocks));
    if (*blocks != NULL && count > 0)
        memcpy(*blocks, from, count * sizeof(**blocks));
    return *blocks != NULL;
}

/* Every field is a copy or NULL afterwards, also when memory lacks. */
static bool copy_config(struct publish_config *config)
{
    bool copied = copy_text(&config->name);

    copied = copy_text(&config->credential_file) && copied;
    copied = copy_text(&config->master_url) && copied;
    copied = copy_text(&config->api_key_file) && copied;
    copied = copy_text(&config->master_ca_file) && copied;
    copied = copy_text(&config->tls_cert_file) && copied;
    copied = copy_text(&config->tls_key_file) && copied;
    copied = copy_blocks(&config->allow, config->allow_count) && copied;
    copied = copy_blocks(&config->block, config->block_count) && copied;
    config->credential_text = NULL;
    fill_defaults(config);
    return copied;
}

static void free_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

static void clear_config(struct publish_config *config)
{
    free_text(config->name);
    free_text(config->credential_file);
    free_text(config->master_url);
    free_text(config->api_key_file);
    free_text(config->master_ca_file);
    free_text(config->tls_cert_file);
    free_text(config->tls_key_file);
    free(config->allow);
    free(config->block);
}

/* A credential that cannot be read at the start is the user's mistake and said at once. */
static int first_credential(struct publish *publish, const char *text, char *why, size_t why_len)
{
    const struct publish_config *config = &publish->config;

    if (config->master_url != NULL)
        return io_http_url_check(config->master_url, why, why_len) ? 0 : -1;
    memcpy(publish->grant.server_host, config->server_host, sizeof(config->server_host));
    publish->grant.server_port = config->server_port;
    if (config->patient) /* the first attempt says it */
        return 0;
    if (config->credential_file == NULL)
        return credential_parse(&publish->grant.credential, text, strlen(text), why, why_len);
    return credential_read(&publish->grant.credential, io_disk(publish->loop),
                           config->credential_file, why, why_len);
}

static int first_certificate(struct publish *publish, char *why, size_t why_len)
{
    const struct publish_config *config = &publish->config;

    if (connector_init(&publish->connector, publish->loop, publish->label, config->tls_cert_file,
                       config->tls_key_file, config->channel_idle_ms, why, why_len) == 0)
        return 0;
    if (!config->patient)
        return -1;
    log_event(publish->loop, LOG_ERROR, "certificate", "%sthere is none yet: %s", publish->label,
              why);
    return 0;
}

static void name_it(struct publish *publish)
{
    char name[PUBLISH_LABEL_MAX - 2];

    if (publish->config.name != NULL)
        snprintf(
            publish->label, sizeof(publish->label), "%s: ",
            text_escape(publish->config.name, strlen(publish->config.name), name, sizeof(name)));
}

static void clear(struct publish *publish)
{
    connector_clear(&publish->connector);
    wipe(&publish->grant, sizeof(publish->grant));
    clear_config(&publish->config);
    free(publish->whitelist);
    free(publish);
}

struct publish *publish_start(struct io_loop *loop, const struct publish_config *config,
                              void (*stopped)(void *arg), void *arg, char *why, size_t why_len)
{
    struct publish *publish = calloc(1, sizeof(*publish));

    if (publish == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    publish->loop = loop;
    publish->config = *config;
    publish->stopped = stopped;
    publish->arg = arg;
    publish->started_ms = io_now_ms(loop);
    list_init(&publish->links);
    memcpy(publish->hostname, config->hostname, sizeof(publish->hostname));
    io_task_init(&publish->tell_stopped, loop, on_stopped, publish);
    if (!copy_config(&publish->config)) {
        snprintf(why, why_len, "out of memory");
        goto err;
    }
    name_it(publish);
    if (first_credential(publish, config->credential_text, why, why_len) != 0 ||
        first_certificate(publish, why, why_len) != 0)
        goto err;
    if (tunnel_hub_init(&publish->hub, loop, publish->config.memory) != 0) {
        snprintf(why, why_len, "out of memory");
        goto err;
    }
    attempt_init(publish);
    return publish;

err:
    io_timer_stop(&publish->connector.check);
    clear(publish);
    return NULL;
}

void publish_stop(struct publish *publish)
{
    attempt_stop(publish);
    while (!list_empty(&publish->links))
        link_close(container_of(publish->links.next, struct link, in_publish));
    connector_stop(&publish->connector);
    io_task_queue(&publish->tell_stopped);
}

void publish_free(struct publish *publish)
{
    if (publish == NULL)
        return;
    io_task_cancel(&publish->tell_stopped);
    tunnel_hub_clear(&publish->hub);
    clear(publish);
}

int publish_reload(struct publish *publish, char *why, size_t why_len)
{
    struct credential credential;
    int result = 0;

    if (publish->config.credential_file != NULL) {
        result = credential_read(&credential, io_disk(publish->loop),
                                 publish->config.credential_file, why, why_len);
        credential_wipe(&credential);
    }
    if (result != 0 || connector_reload(&publish->connector, why, why_len) != 0)
        return -1;
    attempt_now(publish);
    log_event(publish->loop, LOG_INFO, "reloaded",
              "%sthe credential is used from the next connection on", publish->label);
    return 0;
}

static const char *state_name(const struct publish *publish)
{
    if (publish->current != NULL)
        return "connected";
    return publish->next != NULL || publish->ask != NULL ? "connecting" : "waiting";
}

static void add_channel(void *arg, const struct tunnel_channel_state *state)
{
    char caller[IP_TEXT_MAX];

    ip_format(&state->caller, caller);
    json_array_append_new(
        arg, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "caller", caller, "bytes_received",
                       (json_int_t)state->received, "bytes_sent", (json_int_t)state->sent,
                       "backlog", (json_int_t)state->backlog, "age_ms", (json_int_t)state->age_ms,
                       "idle_ms", (json_int_t)state->idle_ms, "paused", (int)state->paused));
}

json_t *publish_status(struct publish *publish)
{
    const struct publish_counters *counters = &publish->counters;
    const struct grant *grant =
        publish->current == NULL ? &publish->grant : &publish->current->grant;
    uint64_t received = counters->payload_received;
    uint64_t sent = counters->payload_sent;
    json_int_t rtt_ms = 0;
    json_t *channels = json_array();
    char server[HOST_TEXT_MAX + 8] = "";
    char to[HOST_TEXT_MAX + 8];

    for (struct list *p = publish->links.next; p != &publish->links; p = p->next) {
        const struct link *link = container_of(p, struct link, in_publish);
        struct snitun_counters session = {0};

        if (link->tunnel == NULL)
            continue;
        snitun_session_counters(tunnel_session(link->tunnel), &session);
        tunnel_each_channel(link->tunnel, add_channel, channels);
        received += session.payload_received;
        sent += session.payload_sent;
        if (link == publish->current)
            rtt_ms = (json_int_t)session.rtt_ms;
    }
    if (grant->server_host[0] != '\0')
        snprintf(server, sizeof(server), "%s:%u", grant->server_host, grant->server_port);
    snprintf(to, sizeof(to), "%s:%u", publish->config.to_host, publish->config.to_port);
    return json_pack(
        "{s:s, s:s*, s:f, s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:I, s:o, s:{s:I, s:I, s:I, s:I, s:I, "
        "s:I}}",
        "role", "publish", "name", publish->config.name, "uptime_s",
        (double)(io_now_ms(publish->loop) - publish->started_ms) / 1000, "state",
        state_name(publish), "server", server, "to", to, "hostname", grant->credential.hostname,
        "cipher", snitun_cipher_name(grant->credential.keys.cipher), "protocol_version",
        (int)grant->credential.keys.protocol_version, "valid", grant->credential.valid, "rtt_ms",
        rtt_ms, "channels", channels, "counters", "connections", (json_int_t)counters->connections,
        "channels", (json_int_t)counters->channels, "endpoint_failures",
        (json_int_t)counters->endpoint_failures, "blocked", (json_int_t)counters->blocked,
        "bytes_received", (json_int_t)received, "bytes_sent", (json_int_t)sent);
}
