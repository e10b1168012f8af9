#include "cli/keyfile.h"
#include "cli/service.h"

#include "base/encode.h"
#include "roles/publish/publish.h"

#include <stdlib.h>
#include <string.h>

enum { HOUR_MS = 60 * 60 * 1000 };

static const char *const proxy_versions[] = {"v1", "v2", NULL};

static const struct option_spec specs[] = {
    {.name = "server",
     .value = "HOST:PORT",
     .kind = OPTION_HOST_PORT,
     .traits = OPTION_NEEDED,
     .help = "The public server; the name is looked up anew at each attempt to connect."},
    {.name = "credential",
     .value = "FILE|-",
     .kind = OPTION_SECRET,
     .traits = OPTION_NEEDED | OPTION_STDIN,
     .help = "What adit token mint made; - reads it from standard input. The file's mode must be "
             "0640 or less."},
    {.name = "to",
     .value = "HOST:PORT",
     .kind = OPTION_HOST_PORT,
     .traits = OPTION_NEEDED,
     .help = "The service that is published; it speaks TLS itself."},
    {.name = "proxy-protocol",
     .value = "v1|v2",
     .kind = OPTION_CHOICE,
     .choices = proxy_versions,
     .help = "Begins each connection to the service with a PROXY header that says the caller's "
             "address. The service must expect it. Default: no header."},
    {.name = "endpoint-timeout",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .min = 100,
     .max = HOUR_MS,
     .fallback = "10s",
     .help = "Until a connection to the service must be made."},
    {.name = "channel-idle",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .min = 1000,
     .max = 0x7fffffff,
     .fallback = "1h",
     .help = "A caller's connection without traffic is closed after this."},
    {.name = "channels",
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 65536,
     .fallback = "10000",
     .help = "Connections of callers at a time; the server's further ones are refused."},
    {.name = NULL},
};

/* The strings are those of the options. */
static void config_of(const struct options *options, struct publish_config *config)
{
    memset(config, 0, sizeof *config);
    const struct option_value *server = options_value(options, "server", 0);
    const struct option_value *to = options_value(options, "to", 0);
    memcpy(config->server_host, server->to.host, sizeof config->server_host);
    config->server_port = server->to.port;
    memcpy(config->to_host, to->to.host, sizeof config->to_host);
    config->to_port = to->to.port;
    config->credential_file = options_text(options, "credential");
    if (options_count(options, "proxy-protocol") > 0) {
        config->proxy_protocol = 1 + (int)options_number(options, "proxy-protocol");
    }
    config->endpoint_connect_ms = (uint32_t)options_number(options, "endpoint-timeout");
    config->channel_idle_ms = (uint32_t)options_number(options, "channel-idle");
    config->channels_max = (uint32_t)options_number(options, "channels");
}

static void *start(struct io_loop *loop, const struct options *options, void (*stopped)(void *arg),
                   void *arg, char *why, size_t why_len)
{
    struct publish_config config;
    config_of(options, &config);
    char *text = NULL;
    size_t len = 0;
    if (strcmp(config.credential_file, "-") == 0) {
        char inner[OPTION_WHY_MAX];
        text = keyfile_stdin(&len, inner);
        if (text == NULL) {
            snprintf(why, why_len, "%s", inner);
            return NULL;
        }
        config.credential_file = NULL;
        config.credential_text = text;
    }
    struct publish *publish = publish_start(loop, &config, stopped, arg, why, why_len);
    if (text != NULL) {
        wipe(text, len);
        free(text);
    }
    return publish;
}

static int reload(void *running, const struct options *options, char *why, size_t why_len)
{
    (void)options;
    return publish_reload(running, why, why_len);
}

static void stop(void *running)
{
    publish_stop(running);
}

static void free_publish(void *running)
{
    publish_free(running);
}

static void status(void *running, void (*answer)(void *arg, json_t *status), void *arg)
{
    answer(arg, publish_status(running));
}

static const struct service_role role = {start, reload, stop, free_publish, status};

static int run(const struct command *command, struct options *options)
{
    return service_run(command, &role, options);
}

const struct command command_publish = {
    .name = "publish",
    .group = "Publish a service under a host name",
    .summary = "is next to the service and keeps the tunnel to the server",
    .usage = "--server HOST:PORT --credential FILE|- --to HOST:PORT [options]",
    .about =
        "Keeps one encrypted connection to the server and joins each caller that it announces to "
        "a TCP connection of its own to the service. It comes back for ever: first after up to 3 "
        "seconds, then less and less often, once a minute at last.\n"
        "SIGHUP reads the credential again, for the next connection. SIGTERM and SIGINT end it "
        "with status 0. A credential with aes-gcm is good for one connection: it is marked as "
        "used before it is sent.",
    .example = "  adit publish --server home.example.org:443 --credential home.json \\\n"
               "      --to 127.0.0.1:8443 --proxy-protocol v2\n",
    .table = {specs, service_options},
    .run = run,
};
