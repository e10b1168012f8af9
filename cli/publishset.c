#include "cli/publishset.h"

#include "io/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_MS = 60 * 60 * 1000 };

static const char *const ciphers[] = {"aes-gcm", "aes-gcm-siv", "aes-cbc", NULL};
static const char *const proxy_versions[] = {"v1", "v2", NULL};

const struct option_spec publishset_options[] = {
    {.name = "services",
     .value = "{to: ..., api_key_file: ..., ...}",
     .kind = OPTION_GROUP,
     .traits = OPTION_MANY,
     .members = publishset_options + 1,
     .help = "Several services from one process, each with the keys that have a flag above. What "
             "stands beside the list is for those that do not say it; to, credential, "
             "api_key_file, hostname and name are each one's own. What is wrong with one stops no "
             "other, and a reload touches those alone that have changed."},
    {.name = "name",
     .value = "TEXT",
     .kind = OPTION_TEXT,
     .help = "What logs and status call the service, where there are several. Default: its "
             "hostname, or else what it is published from."},
    {.name = "server",
     .value = "HOST:PORT",
     .kind = OPTION_HOST_PORT,
     .help = "The public server; the name is looked up anew at each attempt to connect. Needed "
             "without --master; with it, instead of the server that the master names."},
    {.name = "credential",
     .value = "FILE|-",
     .kind = OPTION_SECRET,
     .traits = OPTION_STDIN | OPTION_WRITTEN,
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
     .help =
         "The service that is published. It speaks TLS itself, or, with http://, plain HTTP: "
         "then TLS ends at the publisher. A name is looked up again after five seconds, or when "
         "its addresses do not answer."},
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

/* ---- One of several ---- */

static const struct options *where(const struct publishset *set, const char *name)
{
    return options_count(set->own, name) > 0 || set->common == NULL ? set->own : set->common;
}

static size_t count_of(const struct publishset *set, const char *name)
{
    return options_count(where(set, name), name);
}

static const struct option_value *value_of(const struct publishset *set, const char *name)
{
    return options_value(where(set, name), name, 0);
}

static const char *text_of(const struct publishset *set, const char *name)
{
    return options_text(where(set, name), name);
}

static uint64_t number_of(const struct publishset *set, const char *name)
{
    return options_number(where(set, name), name);
}

size_t publishset_count(const struct options *options)
{
    size_t count = options_count(options, "services");
    return count == 0 ? 1 : count;
}

struct publishset publishset_at(const struct options *options, size_t index)
{
    if (options_count(options, "services") == 0)
        return (struct publishset){options, NULL};
    return (struct publishset){options_group(options, "services", index), options};
}

/* ---- What is wrong ---- */

static const char *wrong_with(const struct publishset *set)
{
    bool master = count_of(set, "master") > 0;
    bool plain = number_of(set, "to") == 1;
    if (count_of(set, "to") == 0)
        return "--to is missing";
    if (master && count_of(set, "credential") > 0)
        return "--credential and --master are two ways to a token: one of them";
    if (master && count_of(set, "api-key-file") == 0)
        return "--master needs --api-key-file";
    if (!master && count_of(set, "credential") == 0)
        return "--credential or --master is missing";
    if (!master && count_of(set, "server") == 0)
        return "--server is missing";
    if ((count_of(set, "tls-cert") > 0) != plain || (count_of(set, "tls-key") > 0) != plain)
        return "--tls-cert, --tls-key and --to http://HOST:PORT belong together";
    return count_of(set, "allow") > 0 && count_of(set, "block") > 0
               ? "--allow and --block exclude each other: with --allow all others are blocked"
               : NULL;
}

const char *publishset_contradiction(const struct options *options)
{
    static const struct {
        const char *name;
        const char *text;
    } own[] = {
        {"to", "--to is of each service, and services are in the file: it stands in each of them"},
        {"credential", "--credential is of each service: it stands in each of them"},
        {"api-key-file", "--api-key-file is of each service: it stands in each of them"},
        {"hostname", "--hostname is of each service: it stands in each of them"},
        {"name", "--name is of each service: it stands in each of them"},
    };
    if (options_count(options, "services") == 0)
        return wrong_with(&(struct publishset){options, NULL});
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (options_count(options, own[i].name) > 0)
            return own[i].text;
    return NULL;
}

/* The first service before this one with the same file, or NULL: they would be one host. */
static const struct option_value *same_file(const struct options *options, size_t index,
                                            const char *name)
{
    const struct publishset set = publishset_at(options, index);
    const char *path = text_of(&set, name);
    for (size_t i = 0; path != NULL && i < index; i++) {
        const struct publishset other = publishset_at(options, i);
        if (text_of(&other, name) != NULL && strcmp(text_of(&other, name), path) == 0)
            return options_value(options, "services", i);
    }
    return NULL;
}

static void examine_one(const struct options *options, size_t index, struct report *report)
{
    static const char *const secrets[] = {"credential", "api-key-file"};
    const struct option_value *place = options_value(options, "services", index);
    const struct publishset set = publishset_at(options, index);
    const char *wrong = wrong_with(&set);
    const char *url = text_of(&set, "master");
    const char *credential = text_of(&set, "credential");
    char why[OPTION_WHY_MAX];
    if (wrong != NULL)
        report_mistake(report, place->line, place->column, "services: %s", wrong);
    if (url != NULL && !io_http_url_check(url, why, sizeof why))
        report_mistake(report, place->line, place->column, "services.master: %s", why);
    if (credential != NULL && strcmp(credential, "-") == 0)
        report_mistake(report, place->line, place->column,
                       "services.credential: standard input is for one service alone");
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        const struct option_value *other = same_file(options, index, secrets[i]);
        if (other != NULL)
            report_mistake(report, place->line, place->column,
                           "services: --%s is that of the service in line %u: each service is a "
                           "host of its own",
                           secrets[i], other->line);
    }
}

void publishset_examine(const struct options *options, struct report *report)
{
    for (size_t i = 0; i < options_count(options, "services"); i++)
        examine_one(options, i, report);
}

/* ---- As a configuration ---- */

void publishset_clear(struct publish_config *config)
{
    free(config->allow);
    free(config->block);
}

static const char *name_of(const struct publishset *set)
{
    if (count_of(set, "name") > 0 || set->common == NULL)
        return text_of(set, "name");
    return text_of(set, count_of(set, "hostname") > 0 ? "hostname" : "to");
}

bool publishset_config(const struct publishset *set, struct publish_config *config)
{
    memset(config, 0, sizeof *config);
    const struct option_value *server = value_of(set, "server");
    const struct option_value *hostname = value_of(set, "hostname");
    const struct option_value *to = value_of(set, "to");
    config->name = name_of(set);
    config->patient = set->common != NULL;
    if (server != NULL) {
        memcpy(config->server_host, server->to.host, sizeof config->server_host);
        config->server_port = server->to.port;
    }
    if (hostname != NULL)
        memcpy(config->hostname, hostname->to.name, sizeof config->hostname);
    config->tls_cert_file = text_of(set, "tls-cert");
    config->tls_key_file = text_of(set, "tls-key");
    config->master_url = text_of(set, "master");
    config->api_key_file = text_of(set, "api-key-file");
    config->master_ca_file = text_of(set, "master-ca");
    config->cipher = (enum snitun_cipher)snitun_cipher_by_name(text_of(set, "cipher"));
    config->allow = options_cidrs(where(set, "allow"), "allow", &config->allow_count);
    config->block = options_cidrs(where(set, "block"), "block", &config->block_count);
    memcpy(config->to_host, to->to.host, sizeof config->to_host);
    config->to_port = to->to.port;
    config->credential_file = text_of(set, "credential");
    if (count_of(set, "proxy-protocol") > 0)
        config->proxy_protocol = 1 + (int)number_of(set, "proxy-protocol");
    config->endpoint_connect_ms = (uint32_t)number_of(set, "endpoint-timeout");
    config->channel_idle_ms = (uint32_t)number_of(set, "channel-idle");
    config->channels_max = (uint32_t)number_of(set, "channels");
    return config->allow != NULL && config->block != NULL;
}

char *publishset_text(const struct publishset *set)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    fputs(set->common == NULL ? "alone\n" : "one of several\n", out);
    for (const struct option_spec *s = publishset_options + 1; s->name != NULL; s++) {
        const struct options *options = where(set, s->name);
        for (size_t i = 0; i < options_count(options, s->name); i++)
            fprintf(out, "%s: %s\n", s->name, options_value(options, s->name, i)->text);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
