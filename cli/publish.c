#include "cli/keyfile.h"
#include "cli/service.h"

#include "base/encode.h"
#include "roles/publish/publish.h"

#include <stdlib.h>
#include <string.h>

enum { HOUR_MS = 60 * 60 * 1000 };

static const char *const ciphers[] = {"aes-gcm", "aes-gcm-siv", "aes-cbc", NULL};
static const char *const proxy_versions[] = {"v1", "v2", NULL};

static const struct option_spec specs[] = {
    {.name = "server",
     .value = "HOST:PORT",
     .kind = OPTION_HOST_PORT,
     .help = "The public server; the name is looked up anew at each attempt to connect. Needed "
             "without --master; with it, instead of the server that the master names."},
    {.name = "credential",
     .value = "FILE|-",
     .kind = OPTION_SECRET,
     .traits = OPTION_STDIN,
     .help = "What adit token mint made; - reads it from standard input. The file's mode must be "
             "0640 or less. Needed without --master."},
    {.name = "master",
     .value = "URL",
     .kind = OPTION_TEXT,
     .help = "The session master: https://HOST[:PORT], or http:// on this machine. It is asked "
             "for a new token for each connection, and again in time before that expires."},
    {.name = "api-key-file",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .help = "What adit host add printed, needed with --master. Read anew each time. Mode 0640 or "
             "less."},
    {.name = "master-ca",
     .value = "FILE",
     .kind = OPTION_FILE,
     .help = "The master's certificate must be signed by one of these, PEM. Default: the "
             "authorities of the system."},
    {.name = "cipher",
     .value = "CIPHER",
     .kind = OPTION_CHOICE,
     .choices = ciphers,
     .fallback = "aes-gcm",
     .help = "aes-gcm, aes-gcm-siv or aes-cbc (no integrity), asked from the master. A credential "
             "has its own."},
    {.name = "hostname",
     .value = "NAME",
     .kind = OPTION_HOST_NAME,
     .help = "The only name that is taken from the master. Default: the one that it says first."},
    {.name = "allow",
     .value = "CIDR",
     .kind = OPTION_CIDR,
     .traits = OPTION_MANY,
     .help = "Only callers from this address block reach the service. The address is what the "
             "server says; a caller without one is not let in."},
    {.name = "block",
     .value = "CIDR",
     .kind = OPTION_CIDR,
     .traits = OPTION_MANY,
     .help = "Callers from this address block do not reach the service, all others do."},
    {.name = "to",
     .value = "[http://]HOST:PORT",
     .kind = OPTION_ENDPOINT,
     .traits = OPTION_NEEDED,
     .help = "The service that is published. It speaks TLS itself, or, with http://, plain HTTP: "
             "then TLS ends at the publisher."},
    {.name = "tls-cert",
     .value = "FILE",
     .kind = OPTION_FILE,
     .help = "Certificate chain for the published names, PEM; needed with http://. A changed file "
             "is taken within 10 seconds, a broken one is refused and the former stays."},
    {.name = "tls-key",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .help = "The private key of the certificate, PEM, without a password. Mode 0640 or less."},
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

static const char *contradiction(const struct options *options)
{
    bool master = options_count(options, "master") > 0;
    if (master && options_count(options, "credential") > 0)
        return "--credential and --master are two ways to a token: one of them";
    if (master && options_count(options, "api-key-file") == 0)
        return "--master needs --api-key-file";
    if (!master && options_count(options, "credential") == 0)
        return "--credential or --master is missing";
    if (!master && options_count(options, "server") == 0)
        return "--server is missing";
    bool plain = options_number(options, "to") == 1;
    if ((options_count(options, "tls-cert") > 0) != plain ||
        (options_count(options, "tls-key") > 0) != plain)
        return "--tls-cert, --tls-key and --to http://HOST:PORT belong together";
    return options_count(options, "allow") > 0 && options_count(options, "block") > 0
               ? "--allow and --block exclude each other: with --allow all others are blocked"
               : NULL;
}

/* The values of an option, from malloc(); NULL without memory. */
static struct cidr *blocks_of(const struct options *options, const char *name, size_t *count)
{
    *count = options_count(options, name);
    struct cidr *blocks = calloc(*count + 1, sizeof *blocks);
    for (size_t i = 0; blocks != NULL && i < *count; i++)
        blocks[i] = options_value(options, name, i)->cidr;
    return blocks;
}

static void config_clear(struct publish_config *config)
{
    free(config->allow);
    free(config->block);
}

/* The strings are those of the options. False without memory; clear it in any case. */
static bool config_of(const struct options *options, struct publish_config *config)
{
    memset(config, 0, sizeof *config);
    const struct option_value *server = options_value(options, "server", 0);
    const struct option_value *hostname = options_value(options, "hostname", 0);
    const struct option_value *to = options_value(options, "to", 0);
    if (server != NULL) {
        memcpy(config->server_host, server->to.host, sizeof config->server_host);
        config->server_port = server->to.port;
    }
    if (hostname != NULL)
        memcpy(config->hostname, hostname->to.name, sizeof config->hostname);
    config->tls_cert_file = options_text(options, "tls-cert");
    config->tls_key_file = options_text(options, "tls-key");
    config->master_url = options_text(options, "master");
    config->api_key_file = options_text(options, "api-key-file");
    config->master_ca_file = options_text(options, "master-ca");
    config->cipher = (enum snitun_cipher)snitun_cipher_by_name(options_text(options, "cipher"));
    config->allow = blocks_of(options, "allow", &config->allow_count);
    config->block = blocks_of(options, "block", &config->block_count);
    memcpy(config->to_host, to->to.host, sizeof config->to_host);
    config->to_port = to->to.port;
    config->credential_file = options_text(options, "credential");
    if (options_count(options, "proxy-protocol") > 0)
        config->proxy_protocol = 1 + (int)options_number(options, "proxy-protocol");
    config->endpoint_connect_ms = (uint32_t)options_number(options, "endpoint-timeout");
    config->channel_idle_ms = (uint32_t)options_number(options, "channel-idle");
    config->channels_max = (uint32_t)options_number(options, "channels");
    return config->allow != NULL && config->block != NULL;
}

/* Starts with the credential that standard input has, where the option says "-". */
static struct publish *start_with(struct io_loop *loop, struct publish_config *config,
                                  void (*stopped)(void *arg), void *arg, char *why, size_t why_len)
{
    if (config->credential_file == NULL || strcmp(config->credential_file, "-") != 0)
        return publish_start(loop, config, stopped, arg, why, why_len);
    char inner[OPTION_WHY_MAX];
    size_t len = 0;
    char *text = keyfile_stdin(&len, inner);
    if (text == NULL) {
        snprintf(why, why_len, "%s", inner);
        return NULL;
    }
    config->credential_file = NULL;
    config->credential_text = text;
    struct publish *publish = publish_start(loop, config, stopped, arg, why, why_len);
    wipe(text, len);
    free(text);
    return publish;
}

static void *start(struct io_loop *loop, const struct options *options, void (*stopped)(void *arg),
                   void *arg, char *why, size_t why_len)
{
    struct publish_config config;
    struct publish *publish = NULL;
    if (config_of(options, &config))
        publish = start_with(loop, &config, stopped, arg, why, why_len);
    else
        snprintf(why, why_len, "out of memory");
    config_clear(&config);
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
    .usage = "--server HOST:PORT --credential FILE|- --to HOST:PORT [options]\n"
             "       adit publish --master URL --api-key-file FILE --to HOST:PORT [options]",
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
    .contradiction = contradiction,
    .run = run,
};
