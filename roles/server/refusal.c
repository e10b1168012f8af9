#include "roles/server/internal.h"

#include "io/log.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[REFUSALS] = {
    [REFUSED_PROTOCOL] = "refused-protocol",
    [REFUSED_PROXY_HEADER] = "refused-proxy-header",
    [REFUSED_HELLO] = "refused-hello",
    [REFUSED_NO_NAME] = "refused-no-name",
    [REFUSED_UNKNOWN_NAME] = "refused-unknown-name",
    [REFUSED_TOKEN] = "refused-token",
    [REFUSED_TOKEN_EXPIRED] = "refused-token-expired",
    [REFUSED_KEY_USED] = "refused-key-used",
    [REFUSED_REVOKED] = "refused-revoked",
    [REFUSED_CHALLENGE] = "refused-challenge",
    [REFUSED_CALLER] = "refused-caller",
    [REFUSED_CALLER_QUOTA] = "refused-caller-quota",
    [REFUSED_TIMEOUT] = "refused-timeout",
    [REFUSED_ADDRESS_QUOTA] = "refused-address-quota",
    [REFUSED_EARLY_LIMIT] = "refused-early-limit",
    [REFUSED_EARLY_BYTES] = "refused-early-bytes",
    [REFUSED_HANDOVER] = "refused-handover",
    [REFUSED_ROUTE] = "refused-route",
    [REFUSED_RESOURCES] = "refused-resources",
};

const char *server_refusal_name(enum refusal refusal)
{
    return names[refusal];
}

/* Whoever is refused has done nothing wrong: there are too many of them. */
static bool is_overload(enum refusal refusal)
{
    switch (refusal) {
    case REFUSED_CALLER_QUOTA:
    case REFUSED_ADDRESS_QUOTA:
    case REFUSED_EARLY_LIMIT:
    case REFUSED_EARLY_BYTES:
    case REFUSED_HANDOVER:
    case REFUSED_RESOURCES:
        return true;
    default:
        return false;
    }
}

void server_refused(struct server_worker *worker, enum refusal refusal, const struct adit_ip *from,
                    const char *format, ...)
{
    char address[IP_TEXT_MAX];
    char why[256];
    va_list arguments;

    worker->counters.refused[refusal]++;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    ip_format(from, address);
    if (is_overload(refusal))
        log_overload(worker->loop, LOG_INFO, names[refusal], "closed %s: %s", address, why);
    else
        log_event(worker->loop, LOG_INFO, names[refusal], "closed %s: %s", address, why);
}

void ticket_take(struct server_worker *worker, struct ticket *ticket)
{
    ticket->counted = true;
    worker_count_early(worker, 1);
}

bool ticket_take_address(struct server_worker *worker, struct ticket *ticket,
                         const struct adit_ip *address)
{
    if (!quota_take(worker->server->quota, address, worker->settings->limits.early_per_address))
        return false;
    ticket->has_address = true;
    ticket->address = *address;
    return true;
}

void ticket_give_back(struct server_worker *worker, struct ticket *ticket)
{
    if (ticket->counted)
        worker_count_early(worker, -1);
    if (ticket->has_address)
        quota_give_back(worker->server->quota, &ticket->address);
    *ticket = (struct ticket){0};
}

bool caller_take(struct server_worker *worker, const struct adit_ip *caller)
{
    const struct snapshot *settings = worker->settings;
    uint32_t max =
        snapshot_trusts(settings, caller) ? UINT32_MAX : settings->limits.channels_per_address;

    return quota_take(worker->server->callers, caller, max);
}

void caller_give_back(struct server_worker *worker, const struct adit_ip *caller)
{
    quota_give_back(worker->server->callers, caller);
}
