#include "roles/publish/internal.h"

#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that may wait for endpoints and for the server, where nobody says otherwise. */
static const size_t memory_default = (size_t)256 * 1024 * 1024;

static void on_retry(void *arg)
{
    link_start(arg);
}

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

/* A credential that cannot be read at the start is the user's mistake and said at once. */
static int first_credential(struct publish *publish, const struct publish_config *config, char *why,
                            size_t why_len)
{
    if (config->credential_file == NULL)
        return credential_parse(&publish->credential, config->credential_text,
                                strlen(config->credential_text), why, why_len);
    publish->credential_file = strdup(config->credential_file);
    if (publish->credential_file == NULL) {
        snprintf(why, why_len, "out of memory");
        return -1;
    }
    return credential_read(&publish->credential, io_disk(publish->loop), publish->credential_file,
                           why, why_len);
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
    publish->config.credential_file = NULL;
    publish->config.credential_text = NULL;
    fill_defaults(&publish->config);
    publish->stopped = stopped;
    publish->arg = arg;
    publish->started_ms = io_now_ms(loop);
    io_timer_init(&publish->retry, loop, on_retry, publish);
    io_task_init(&publish->tell_stopped, loop, on_stopped, publish);
    if (first_credential(publish, config, why, why_len) != 0)
        goto err;
    if (tunnel_hub_init(&publish->hub, loop, publish->config.memory) != 0) {
        snprintf(why, why_len, "out of memory");
        goto err;
    }
    io_timer_set_in(&publish->retry, 0);
    return publish;

err:
    credential_wipe(&publish->credential);
    free(publish->credential_file);
    free(publish);
    return NULL;
}

void publish_stop(struct publish *publish)
{
    link_stop(publish);
    io_task_queue(&publish->tell_stopped);
}

void publish_free(struct publish *publish)
{
    if (publish == NULL)
        return;
    io_task_cancel(&publish->tell_stopped);
    tunnel_hub_clear(&publish->hub);
    credential_wipe(&publish->credential);
    free(publish->credential_file);
    free(publish);
}

int publish_reload(struct publish *publish, char *why, size_t why_len)
{
    struct credential credential;
    int result;

    if (publish->credential_file == NULL)
        return 0;
    result = credential_read(&credential, io_disk(publish->loop), publish->credential_file, why,
                             why_len);
    credential_wipe(&credential);
    if (result != 0)
        return -1;
    if (publish->state == LINK_WAITING) {
        publish->failures = 0;
        publish->refusals = 0;
        io_timer_set_in(&publish->retry, 0);
    }
    log_event(publish->loop, LOG_INFO, "reloaded",
              "the credential is used from the next connection on");
    return 0;
}

static const char *state_name(enum link_state state)
{
    switch (state) {
    case LINK_WAITING:
        return "waiting";
    case LINK_CONNECTING:
    case LINK_HANDSHAKE:
        return "connecting";
    case LINK_CONNECTED:
        return "connected";
    }
    return "";
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
    struct snitun_counters session = {0};
    json_t *channels = json_array();
    char server[HOST_TEXT_MAX + 8];
    char to[HOST_TEXT_MAX + 8];

    if (publish->tunnel != NULL) {
        snitun_session_counters(tunnel_session(publish->tunnel), &session);
        tunnel_each_channel(publish->tunnel, add_channel, channels);
    }
    snprintf(server, sizeof(server), "%s:%u", publish->config.server_host,
             publish->config.server_port);
    snprintf(to, sizeof(to), "%s:%u", publish->config.to_host, publish->config.to_port);
    return json_pack(
        "{s:s, s:f, s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:I, s:o, s:{s:I, s:I, s:I, s:I, s:I}}",
        "role", "publish", "uptime_s",
        (double)(io_now_ms(publish->loop) - publish->started_ms) / 1000, "state",
        state_name(publish->state), "server", server, "to", to, "hostname",
        publish->credential.hostname, "cipher", snitun_cipher_name(publish->credential.keys.cipher),
        "protocol_version", (int)publish->credential.keys.protocol_version, "valid",
        publish->credential.valid, "rtt_ms", (json_int_t)session.rtt_ms, "channels", channels,
        "counters", "connections", (json_int_t)counters->connections, "channels",
        (json_int_t)counters->channels, "endpoint_failures",
        (json_int_t)counters->endpoint_failures, "bytes_received",
        (json_int_t)(counters->payload_received + session.payload_received), "bytes_sent",
        (json_int_t)(counters->payload_sent + session.payload_sent));
}
