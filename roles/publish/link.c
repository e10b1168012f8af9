#include "roles/publish/internal.h"

#include "io/log.h"

#include <stdio.h>
#include <string.h>

enum { WHY_MAX = 512 };

static void retry_in(struct publish *publish, uint64_t delay_ms)
{
    publish->state = LINK_WAITING;
    io_timer_set_in(&publish->retry, delay_ms);
}

/* The first attempt comes soon and spread, so that a thousand publishers are no storm. */
static void retry(struct publish *publish)
{
    unsigned doublings = publish->failures < 8 ? publish->failures : 8;
    uint64_t most_ms = (uint64_t)PUBLISH_FIRST_RETRY_MS << doublings;
    uint64_t least_ms;

    if (most_ms > PUBLISH_LAST_RETRY_MS)
        most_ms = PUBLISH_LAST_RETRY_MS;
    least_ms = publish->failures == 0 ? 0 : most_ms / 2;
    publish->failures++;
    retry_in(publish, least_ms + io_random_below(publish->loop, most_ms - least_ms + 1));
}

/* Nothing changes until somebody acts: a person, or a file that is renewed. */
static void retry_slowly(struct publish *publish)
{
    publish->failures++;
    retry_in(publish, PUBLISH_LAST_RETRY_MS / 2 +
                          io_random_below(publish->loop, PUBLISH_LAST_RETRY_MS / 2 + 1));
}

/* The file may have been renewed since the last attempt. */
static int renew_credential(struct publish *publish, char *why, size_t why_len)
{
    struct credential *credential = &publish->credential;
    struct io_disk *disk = io_disk(publish->loop);
    bool used = publish->credential_spent;

    if (publish->credential_file != NULL &&
        credential_read(credential, disk, publish->credential_file, why, why_len) != 0)
        return -1;
    if (credential->valid > 0 && credential->valid <= io_wall_s(publish->loop)) {
        snprintf(why, why_len, "the credential for %s has expired", credential->hostname);
        return -1;
    }
    if (credential->keys.cipher != SNITUN_AES_GCM)
        return 0;
    if (publish->credential_file != NULL &&
        credential_was_used(credential, disk, publish->credential_file, &used, why, why_len) != 0)
        return -1;
    if (!used)
        return 0;
    snprintf(why, why_len,
             "the aes-gcm credential for %s was used already and is good for one connection: "
             "put a fresh one in its place, or mint one with aes-gcm-siv",
             credential->hostname);
    return -1;
}

/* Before an aes-gcm token leaves: never again, whatever happens next. */
static int spend_credential(struct publish *publish, char *why, size_t why_len)
{
    if (publish->credential.keys.cipher != SNITUN_AES_GCM)
        return 0;
    publish->credential_spent = publish->credential_file == NULL;
    if (publish->credential_file == NULL)
        return 0;
    return credential_mark_used(&publish->credential, io_disk(publish->loop),
                                publish->credential_file, why, why_len);
}

/* Our answer to the challenge is on its way; only a pong shows that the server took it. */
static void on_established(void *arg)
{
    struct publish *publish = arg;

    tunnel_probe(publish->tunnel);
}

/* The server serves the name. */
static void on_accepted(struct publish *publish)
{
    publish->state = LINK_CONNECTED;
    publish->failures = 0;
    publish->refusals = 0;
    publish->counters.connections++;
    log_event(publish->loop, LOG_INFO, "connected", "publishing %s through %s:%u, %s, version %u",
              publish->credential.hostname, publish->config.server_host,
              publish->config.server_port, snitun_cipher_name(publish->credential.keys.cipher),
              publish->credential.keys.protocol_version);
}

static void on_answered(void *arg)
{
    struct publish *publish = arg;

    if (publish->state == LINK_HANDSHAKE)
        on_accepted(publish);
}

static void on_opened(void *arg, struct tunnel_channel *channel)
{
    on_answered(arg);
    endpoint_open(arg, channel);
}

static void on_abandoned(void *arg, struct tunnel_channel *channel)
{
    (void)arg;
    endpoint_abandon(channel);
}

static void close_tunnel(struct publish *publish)
{
    struct snitun_counters counters;

    snitun_session_counters(tunnel_session(publish->tunnel), &counters);
    publish->counters.payload_received += counters.payload_received;
    publish->counters.payload_sent += counters.payload_sent;
    tunnel_free(publish->tunnel);
    publish->tunnel = NULL;
}

/* A server that refuses a token closes; so does one that is being stopped. */
static void on_refused(struct publish *publish)
{
    publish->refusals++;
    log_event(publish->loop, LOG_WARN, "refused",
              "%s:%u refused the credential for %s: it does not know the token's key, or the token "
              "has expired or was used before",
              publish->config.server_host, publish->config.server_port,
              publish->credential.hostname);
    if (publish->refusals < PUBLISH_REFUSALS_MAX)
        retry(publish);
    else
        retry_slowly(publish);
}

static void on_ended(void *arg, enum tunnel_end how, int error)
{
    struct publish *publish = arg;
    enum link_state state = publish->state;

    close_tunnel(publish);
    if (state == LINK_HANDSHAKE && how == TUNNEL_END_CLOSED) {
        on_refused(publish);
        return;
    }
    log_event(publish->loop, LOG_WARN, "disconnected", "lost %s:%u: %s",
              publish->config.server_host, publish->config.server_port,
              how == TUNNEL_END_CLOSED ? "it closed the connection"
              : how == TUNNEL_END_IO   ? io_error_text(error)
                                       : snitun_error_text(error));
    retry(publish);
}

static const struct tunnel_handler tunnel_handler = {
    .established = on_established,
    .answered = on_answered,
    .opened = on_opened,
    .abandoned = on_abandoned,
    .ended = on_ended,
};

static void begin(struct publish *publish, struct io_stream *stream)
{
    const struct credential *credential = &publish->credential;
    struct tunnel_options options = {
        .snitun = {.channels_max = publish->config.channels_max,
                   .handshake_ms = PUBLISH_HANDSHAKE_MS},
        .channel_idle_ms = publish->config.channel_idle_ms,
    };

    if (io_send(stream, credential->token, strlen(credential->token)) != IO_OK) {
        io_abort(stream);
        retry(publish);
        return;
    }
    publish->tunnel = tunnel_new(&publish->hub, stream, SNITUN_CLIENT, &credential->keys, &options,
                                 &tunnel_handler, publish);
    if (publish->tunnel != NULL)
        publish->state = LINK_HANDSHAKE;
    else
        retry(publish);
}

static void on_dialled(void *arg, int error, struct io_stream *stream)
{
    struct publish *publish = arg;
    char why[WHY_MAX];

    publish->dial = NULL;
    if (stream == NULL) {
        log_event(publish->loop, LOG_WARN, "unreachable", "cannot connect to %s:%u: %s",
                  publish->config.server_host, publish->config.server_port, io_error_text(error));
        retry(publish);
        return;
    }
    if (spend_credential(publish, why, sizeof(why)) != 0) {
        log_event(publish->loop, LOG_ERROR, "credential", "%s", why);
        io_close(stream);
        retry_slowly(publish);
        return;
    }
    begin(publish, stream);
}

void link_start(struct publish *publish)
{
    char why[WHY_MAX];

    if (renew_credential(publish, why, sizeof(why)) != 0) {
        log_event(publish->loop, LOG_ERROR, "credential", "%s", why);
        retry_slowly(publish);
        return;
    }
    publish->state = LINK_CONNECTING;
    publish->dial = io_dial(publish->loop, publish->config.server_host, publish->config.server_port,
                            PUBLISH_DIAL_MS, on_dialled, publish);
    if (publish->dial == NULL)
        retry(publish);
}

void link_stop(struct publish *publish)
{
    io_timer_stop(&publish->retry);
    if (publish->dial != NULL)
        io_dial_cancel(publish->dial);
    publish->dial = NULL;
    if (publish->tunnel != NULL)
        close_tunnel(publish);
    publish->state = LINK_WAITING;
}
