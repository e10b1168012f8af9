#include "roles/master/internal.h"

#include <stdio.h>
#include <string.h>

enum {
    VALID_FOR_S = 12 * 60 * 60,
    AUTHORITY_MAX = 260, /* HOST:PORT */
};

static const char not_offered[] = "/not-offered/";

/* What a client may look for; a path of NULL is not offered. */
static const struct {
    const char *name;
    const char *path;
} actions[] = {
    {"account_services", NULL},
    {"acme_directory", NULL},
    {"alexa_access_token", NULL},
    {"google_report_state_request_sync", NULL},
    {"google_report_state_websocket", NULL},
    {"instance_connection", "/instance/connection"},
    {"llm_connection_details", NULL},
    {"relayer_connect", NULL},
    {"remote_access_dns_challenge_remove", "/instance/dns_challenge_cleanup"},
    {"remote_access_dns_challenge_set", "/instance/dns_challenge_txt"},
    {"remote_access_ping_targets", "/instance/remote_ping_targets"},
    {"remote_access_register", "/instance/register"},
    {"remote_access_resolve_dns_cname", NULL},
    {"remote_access_snitun_token", "/instance/snitun_token"},
    {"storage_files_delete", NULL},
    {"storage_files_download", NULL},
    {"storage_files_list", NULL},
    {"storage_files_upload", NULL},
    {"subscription_info", NULL},
    {"subscription_migrate_paypal", NULL},
    {"voice_connection_details", NULL},
    {"webhook_generate", NULL},
    {"webrtc_ice_servers", NULL},
};
enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

bool discovery_not_offered(const char *path, const char **action)
{
    if (strncmp(path, not_offered, sizeof(not_offered) - 1) != 0)
        return false;
    for (size_t i = 0; i < ACTIONS; i++) {
        *action = actions[i].name;
        if (actions[i].path == NULL && strcmp(path + sizeof(not_offered) - 1, *action) == 0)
            return true;
    }
    return false;
}

/* The name by which the client has reached us: the addresses answered begin with it. */
static bool is_authority(const char *host)
{
    char name[HOST_TEXT_MAX];
    struct adit_ip ip;
    uint16_t port;

    if (host == NULL || strlen(host) >= AUTHORITY_MAX)
        return false;
    return hostname_valid(host) || ip_parse(host, &ip) || hostport_parse(host, false, name, &port);
}

static json_t *url(const struct call *call, size_t i)
{
    const char *path = actions[i].path;
    const char *elsewhere =
        strcmp(actions[i].name, "acme_directory") == 0 ? call->master->acme_directory : NULL;

    if (elsewhere != NULL && elsewhere[0] != '\0')
        return json_string(elsewhere);
    return json_sprintf("%s://%s%s%s", call->master->secure ? "https" : "http", call->request->host,
                        path == NULL ? not_offered : path, path == NULL ? actions[i].name : "");
}

void discovery_show(struct call *call)
{
    json_t *urls;

    if (!is_authority(call->request->host)) {
        call_refuse(call, 400, "the Host header is no host name");
        return;
    }
    urls = json_object();
    for (size_t i = 0; i < ACTIONS; i++)
        json_object_set_new(urls, actions[i].name, url(call, i));
    call_answer(call, json_pack("{s:o, s:i, s:s}", "actions", urls, "valid_for", VALID_FOR_S,
                                "version", "1"));
}
