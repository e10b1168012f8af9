#include "roles/publish/internal.h"

#include "adit/proxyheader.h"
#include "io/log.h"

#include <stdlib.h>

/* An endpoint that is being connected for a channel. */
struct endpoint {
    struct publish *publish;
    struct tunnel_channel *channel;
    struct io_dial *dial;
};

/* Tells the endpoint who calls. False when the stream took no more. */
static bool send_header(const struct endpoint *endpoint, struct io_stream *stream)
{
    int version = endpoint->publish->config.proxy_protocol;
    struct addr local = io_stream_peer(stream);
    struct proxyheader header = {
        .has_source = true,
        .source = *tunnel_channel_caller(endpoint->channel),
        .destination = local.ip,
        .destination_port = local.port,
    };
    uint8_t bytes[PROXYHEADER_WRITE_MAX];

    if (version == 0)
        return true;
    return io_send(stream, bytes, proxyheader_write(version, &header, bytes)) == IO_OK;
}

static void join(struct publish *publish, struct tunnel_channel *channel, struct io_stream *stream)
{
    if (publish->config.tls_cert_file == NULL)
        tunnel_attach(channel, stream);
    else if (connector_join(&publish->connector, channel, stream) != 0)
        tunnel_refuse(channel);
}

static void on_dialled(void *arg, int error, struct io_stream *stream)
{
    struct endpoint *endpoint = arg;
    struct publish *publish = endpoint->publish;
    struct tunnel_channel *channel = endpoint->channel;
    bool ready = stream != NULL && send_header(endpoint, stream);

    free(endpoint);
    if (ready) {
        tunnel_channel_set_user(channel, NULL);
        join(publish, channel, stream);
        return;
    }
    publish->counters.endpoint_failures++;
    log_event(publish->loop, LOG_WARN, "endpoint", "%scannot connect to the endpoint %s:%u: %s",
              publish->label, publish->config.to_host, publish->config.to_port,
              io_error_text(stream == NULL ? error : IO_E_RESET));
    if (stream != NULL)
        io_abort(stream);
    tunnel_refuse(channel);
}

static bool is_in(const struct cidr *blocks, size_t count, const struct adit_ip *caller)
{
    for (size_t i = 0; i < count; i++)
        if (cidr_contains(&blocks[i], caller))
            return true;
    return false;
}

/* A caller without an address is in no list. */
static bool is_welcome(const struct publish *publish, const struct adit_ip *caller)
{
    const struct publish_config *config = &publish->config;

    if (publish->whitelist_count > 0 &&
        !is_in(publish->whitelist, publish->whitelist_count, caller))
        return false;
    if (config->allow_count > 0)
        return is_in(config->allow, config->allow_count, caller);
    return !is_in(config->block, config->block_count, caller);
}

static void block(struct publish *publish, struct tunnel_channel *channel)
{
    char caller[IP_TEXT_MAX];

    ip_format(tunnel_channel_caller(channel), caller);
    publish->counters.blocked++;
    log_event(publish->loop, LOG_WARN, "blocked", "%s%s may not call", publish->label, caller);
    tunnel_refuse(channel);
}

void endpoint_open(struct publish *publish, struct tunnel_channel *channel)
{
    const struct publish_config *config = &publish->config;
    struct endpoint *endpoint;

    if (!is_welcome(publish, tunnel_channel_caller(channel))) {
        block(publish, channel);
        return;
    }
    endpoint = calloc(1, sizeof(*endpoint));
    publish->counters.channels++;
    if (endpoint == NULL)
        goto err_channel;
    endpoint->dial =
        io_dial_often(publish->loop, &publish->endpoint_names, config->to_host, config->to_port,
                      config->endpoint_connect_ms, on_dialled, endpoint);
    if (endpoint->dial == NULL)
        goto err_endpoint;
    endpoint->publish = publish;
    endpoint->channel = channel;
    tunnel_channel_set_user(channel, endpoint);
    return;

err_endpoint:
    free(endpoint);
err_channel:
    tunnel_refuse(channel);
}

void endpoint_abandon(struct tunnel_channel *channel)
{
    struct endpoint *endpoint = tunnel_channel_user(channel);

    io_dial_cancel(endpoint->dial);
    free(endpoint);
}
