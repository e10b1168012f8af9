#include "cli/masterset.h"
#include "cli/service.h"
#include "cli/storefile.h"
#include "cli/whole.h"
#include "io/real/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOUR_MS = 60 * 60 * 1000,
    DAY_MS = 24 * HOUR_MS,
    WORKERS_MAX = 256,
    MEMORY_SHARE = 4, /* one part in so many of the memory is for queues */
};

static const struct option_spec specs[] = {
    {.name = "listen",
     .value = "ADDR:PORT",
     .kind = OPTION_ADDRESS,
     .traits = OPTION_NEEDED | OPTION_MANY,
     .help = "Where devices and publishers connect: they are told apart by their first byte. An "
             "IPv6 address listens for IPv6 alone. Port 0 picks one; the line `ready` says which."},
    {.name = "fernet-key-file",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .traits = OPTION_NEEDED,
     .help = "Fernet keys that open the publishers' tokens, one a line. Owner root or this user, "
             "mode 0640 or less."},
    {.name = "peer-listen",
     .value = "ADDR:PORT",
     .kind = OPTION_ADDRESS,
     .traits = OPTION_MANY,
     .help = "Where publishers alone connect; then --listen is for devices alone."},
    {.name = "workers",
     .value = "N",
     .kind = OPTION_NUMBER,
     .max = WORKERS_MAX,
     .fallback = "0",
     .help = "Threads that carry connections; 0 is one for each processor that this process may "
             "use."},
    {.name = "trust-proxy",
     .value = "CIDR",
     .kind = OPTION_CIDR,
     .traits = OPTION_MANY,
     .help = "Fronts whose PROXY header (version 1 or 2) is believed; from others it is refused."},
    {.name = "route",
     .value = "NAME=HOST:PORT",
     .kind = OPTION_ROUTE,
     .traits = OPTION_MANY,
     .help = "Devices that ask for this name go to a fixed place instead of a publisher, so that "
             "a website can share the port."},
    {.name = "drain",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .max = DAY_MS,
     .fallback = "30s",
     .help = "How long SIGTERM waits for connections: publishers without any are closed during "
             "the first half, the others at their last one. A second signal ends at once."},
    {.name = "early-per-address",
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .fallback = "64",
     .help = "Connections that one IPv4 address or IPv6 /64 may have before they are known."},
    {.name = "early-per-worker",
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .fallback = "4096",
     .help = "Connections that a worker holds before they are known. At so many further ones wait, "
             "and the oldest are closed after three seconds."},
    {.name = "early-bytes",
     .value = "SIZE",
     .kind = OPTION_SIZE,
     .min = 1024 * 1024,
     .max = 64ULL * 1024 * 1024 * 1024,
     .fallback = "32MiB",
     .help = "What these may hold in memory, a worker."},
    {.name = "token-timeout",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .min = 100,
     .max = HOUR_MS,
     .fallback = "10s",
     .help = "Until a publisher's token must be there."},
    {.name = "hello-timeout",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .min = 100,
     .max = HOUR_MS,
     .fallback = "10s",
     .help = "Until a device's ClientHello must be there."},
    {.name = "challenge-timeout",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .min = 100,
     .max = HOUR_MS,
     .fallback = "30s",
     .help = "Until a publisher must have answered the challenge."},
    {.name = "channel-idle",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .min = 1000,
     .max = 0x7fffffff,
     .fallback = "1h",
     .help = "A device's connection without traffic is closed after this."},
    {.name = "channels-per-peer",
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 65536,
     .fallback = "10000",
     .help = "Connections of devices that one publisher may have."},
    {.name = "channels-per-address",
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .fallback = "1000",
     .help = "Connections of devices that one IPv4 address or IPv6 /64 may have. Trusted fronts "
             "have no limit."},
    {.name = "memory",
     .value = "SIZE",
     .kind = OPTION_SIZE,
     .max = 1ULL << 50,
     .fallback = "0",
     .help = "Bytes that may wait in queues, all workers together; beyond it the greediest "
             "connection is closed. 0 is a quarter of the memory of the "
             "machine or of the control group."},
    {.name = "master",
     .value = "URL",
     .kind = OPTION_TEXT,
     .help = "The session master that is asked what was revoked: https://HOST[:PORT], or http:// "
             "on this machine. A disabled or removed host loses its tunnel. While the master does "
             "not answer, nothing changes."},
    {.name = "server-key-file",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .help = "What adit host add-server printed, needed with --master. Mode 0640 or less."},
    {.name = "master-ca",
     .value = "FILE",
     .kind = OPTION_FILE,
     .help = "The master's certificate must be signed by one of these, PEM. Default: the "
             "authorities of the system."},
    {.name = "master-interval",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .min = 1000,
     .max = HOUR_MS,
     .fallback = "30s",
     .help = "How often the master is asked."},
    {.name = "with-master",
     .value = "ADDR:PORT",
     .kind = OPTION_ADDRESS,
     .help = "Runs a session master in this process too, as adit master does; this is where "
             "publishers ask it for tokens. A host that is disabled or removed loses its tunnel "
             "within a second. Needs --store; the options below are the master's."},
    {.name = "store",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_WRITTEN,
     .help = "The hosts, an SQLite database that adit host changes. Made when it is not there."},
    {.name = "server",
     .value = "HOST:PORT",
     .kind = OPTION_HOST_PORT,
     .help = "What the master calls this server: where publishers are sent to. Needed with "
             "--with-master where the first --listen is for all addresses of the machine; "
             "default: that address."},
    MASTERSET_OPTIONS,
    {.name = NULL},
};

static bool is_any(const struct adit_ip *ip)
{
    static const struct adit_ip any4 = {.family = 4};
    static const struct adit_ip any6 = {.family = 6};
    return ip_equal(ip, &any4) || ip_equal(ip, &any6);
}

/* An option of the master that was given where none runs, or NULL. */
static const char *master_alone(const struct options *options)
{
    static const struct {
        const char *name;
        const char *text;
    } needing[] = {
        {"store", "--store is for --with-master"},
        {"server", "--server is for --with-master"},
        {"tls-cert", "--tls-cert is for --with-master"},
        {"tls-key", "--tls-key is for --with-master"},
        {"token-valid", "--token-valid is for --with-master"},
        {"rate", "--rate is for --with-master"},
        {"acme-directory", "--acme-directory is for --with-master"},
        {"behind-proxy", "--behind-proxy is for --with-master"},
    };
    for (size_t i = 0; i < sizeof needing / sizeof needing[0]; i++)
        if (options_count(options, needing[i].name) > 0)
            return needing[i].text;
    return NULL;
}

static const char *contradiction(const struct options *options)
{
    if (options_count(options, "master") != options_count(options, "server-key-file"))
        return "--master and --server-key-file belong together";
    if (options_count(options, "with-master") == 0)
        return master_alone(options);
    if (options_count(options, "master") > 0)
        return "--with-master and --master exclude each other: the master is here or elsewhere";
    if (options_count(options, "store") == 0)
        return "--with-master needs --store";
    if (options_count(options, "server") == 0 &&
        is_any(&options_value(options, "listen", 0)->addr.ip))
        return "--with-master needs --server HOST:PORT: publishers cannot be sent to the address "
               "that --listen says";
    return masterset_contradiction(options);
}

static void limits_of(const struct options *options, struct server_limits *limits)
{
    server_limits_default(limits);
    limits->early_per_address = (uint32_t)options_number(options, "early-per-address");
    limits->early_per_worker = (uint32_t)options_number(options, "early-per-worker");
    limits->early_bytes = options_number(options, "early-bytes");
    limits->token_ms = (uint32_t)options_number(options, "token-timeout");
    limits->hello_ms = (uint32_t)options_number(options, "hello-timeout");
    limits->challenge_ms = (uint32_t)options_number(options, "challenge-timeout");
    limits->channel_idle_ms = (uint32_t)options_number(options, "channel-idle");
    limits->channels_per_peer = (uint32_t)options_number(options, "channels-per-peer");
    limits->channels_per_address = (uint32_t)options_number(options, "channels-per-address");
    limits->memory = options_number(options, "memory");
    if (limits->memory == 0)
        limits->memory = io_machine_memory() / MEMORY_SHARE;
}

static void config_clear(struct server_config *config)
{
    free(config->listen);
    free(config->peer_listen);
    free(config->trust_proxy);
    free(config->routes);
}

/* False without memory; clear it in any case. */
static bool config_of(const struct options *options, struct server_config *config)
{
    memset(config, 0, sizeof *config);
    config->listen = options_addresses(options, "listen", &config->listen_count);
    config->peer_listen = options_addresses(options, "peer-listen", &config->peer_listen_count);
    config->trust_proxy = options_cidrs(options, "trust-proxy", &config->trust_proxy_count);
    config->route_count = options_count(options, "route");
    config->routes = calloc(config->route_count + 1, sizeof *config->routes);
    if (config->listen == NULL || config->peer_listen == NULL || config->trust_proxy == NULL ||
        config->routes == NULL)
        return false;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct option_value *value = options_value(options, "route", i);
        struct server_route *route = &config->routes[i];
        memcpy(route->name, value->to.name, sizeof route->name);
        memcpy(route->host, value->to.host, sizeof route->host);
        route->port = value->to.port;
    }
    config->fernet_key_file = options_text(options, "fernet-key-file");
    config->workers = (unsigned)options_number(options, "workers");
    if (config->workers == 0) {
        unsigned processors = io_machine_processors();
        config->workers = processors < WORKERS_MAX ? processors : WORKERS_MAX;
    }
    config->drain_ms = (uint32_t)options_number(options, "drain");
    limits_of(options, &config->limits);
    config->master_url = options_text(options, "master");
    config->server_key_file = options_text(options, "server-key-file");
    config->master_ca_file = options_text(options, "master-ca");
    config->master_interval_ms = (uint32_t)options_number(options, "master-interval");
    return true;
}

/* The master beside it. Returns false with why when there is no store. */
static bool prepare_master(struct io_loop *loop, const struct options *options,
                           struct master_config *config, char *why, size_t why_len)
{
    masterset_config(options, "with-master", config);
    if (config->server_host[0] == '\0')
        ip_format(&options_value(options, "listen", 0)->addr.ip, config->server_host);
    return storefile_make(loop, config->store_file, options_text(options, "user"), why, why_len);
}

static void *start(struct io_loop *loop, const struct options *options, void (*stopped)(void *arg),
                   void *arg, char *why, size_t why_len)
{
    struct server_config config;
    struct master_config master;
    struct whole *whole = NULL;
    bool with_master = options_count(options, "with-master") > 0;
    if (!config_of(options, &config))
        snprintf(why, why_len, "out of memory");
    else if (!with_master || prepare_master(loop, options, &master, why, why_len))
        whole =
            whole_start(loop, &config, with_master ? &master : NULL, stopped, arg, why, why_len);
    config_clear(&config);
    return whole;
}

static int reload(void *running, const struct options *options, char *why, size_t why_len)
{
    struct server_config config;
    int result = -1;
    if (whole_has_master(running) != (options_count(options, "with-master") > 0)) {
        snprintf(why, why_len,
                 "a session master comes or goes with a restart alone: --with-master");
        return -1;
    }
    if (config_of(options, &config))
        result = whole_reload(running, &config, why, why_len);
    else
        snprintf(why, why_len, "out of memory");
    config_clear(&config);
    return result;
}

static void stop(void *running)
{
    whole_stop(running);
}

static void free_whole(void *running)
{
    whole_free(running);
}

static void status(void *running, void (*answer)(void *arg, json_t *status), void *arg)
{
    whole_status(running, answer, arg);
}

static const struct service_role role = {
    start, reload, stop, free_whole, status, IO_SANDBOX_CONNECT | IO_SANDBOX_WRITE, false};

static int run(const struct command *command, struct options *options)
{
    io_machine_return_memory();
    return service_run_finite(command, &role, whole_failed, options);
}

const struct command command_serve = {
    .name = "serve",
    .group = "Publish a service under a host name",
    .summary = "is the public server: devices on one side, publishers on the other",
    .usage = "--listen ADDR:PORT... --fernet-key-file FILE [options]",
    .about =
        "Accepts devices and publishers on the same addresses. A publisher shows a token made by "
        "adit token mint; a device is joined to the publisher of the host name that its TLS "
        "ClientHello asks for, and from then on TLS runs between the device and the service "
        "behind the publisher.\n"
        "With --with-master this one process is a whole service: hosts are added with adit host "
        "add, and their publishers get their tokens here.\n"
        "SIGHUP reads keys, routes, limits and --config again and keeps every connection; "
        "addresses and workers stay as they are. SIGTERM and SIGINT drain and end with status 0.",
    .example = "  adit serve --listen 0.0.0.0:443 --listen '[::]:443' --fernet-key-file "
               "/etc/adit/fernet.key \\\n"
               "      --route www.example.org=127.0.0.1:8443\n"
               "  adit serve --listen 203.0.113.5:443 --fernet-key-file fernet.key \\\n"
               "      --with-master 127.0.0.1:8444 --store hosts.db\n",
    .table = {specs, service_options},
    .contradiction = contradiction,
    .run = run,
};
