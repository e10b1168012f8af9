#include "cli/masterset.h"

#include <stdio.h>
#include <string.h>

const char *masterset_contradiction(const struct options *options)
{
    const char *acme = options_text(options, "acme-directory");
    char why[IO_HTTP_URL_MAX];
    if (options_count(options, "tls-cert") != options_count(options, "tls-key"))
        return "--tls-cert and --tls-key belong together";
    if (acme != NULL && (strncmp(acme, "https://", strlen("https://")) != 0 ||
                         !io_http_url_check(acme, why, sizeof why)))
        return "--acme-directory is not https://HOST[:PORT][/PATH]";
    return NULL;
}

void masterset_config(const struct options *options, const char *listen,
                      struct master_config *config)
{
    memset(config, 0, sizeof *config);
    const struct option_value *server = options_value(options, "server", 0);
    config->listen = options_value(options, listen, 0)->addr;
    config->store_file = options_text(options, "store");
    config->fernet_key_file = options_text(options, "fernet-key-file");
    config->tls_cert_file = options_text(options, "tls-cert");
    config->tls_key_file = options_text(options, "tls-key");
    if (server != NULL) {
        memcpy(config->server_host, server->to.host, sizeof config->server_host);
        config->server_port = server->to.port;
    }
    config->token_valid_s = (uint32_t)(options_number(options, "token-valid") / 1000);
    config->rate_per_minute = (uint32_t)options_number(options, "rate");
    if (options_text(options, "acme-directory") != NULL)
        snprintf(config->acme_directory, sizeof config->acme_directory, "%s",
                 options_text(options, "acme-directory"));
    config->behind_proxy = options_switched_on(options, "behind-proxy");
}
