#include "roles/vpn/internal.h"

#include <stdio.h>
#include <stdlib.h>

void vpn_accept_give_back(struct vpn_link *link)
{
    if (!link->charged)
        return;
    link->charged = false;
    link->vpn->early--;
    quota_give_back(link->vpn->quota, &link->from.ip);
}

static void refuse(struct vpn *vpn, const struct addr *from, const char *why)
{
    char text[ADDR_TEXT_MAX];
    addr_format(from, text);
    vpn->refused++;
    log_overload(vpn->loop, LOG_INFO, "refused-address", "%s: %s", text, why);
}

/*
 * The unproven connection that is missed least: who had time to name a peer by its key and has not,
 * then the oldest. Peers' keys are no secrets: one that was named alone is worth no place.
 */
static struct vpn_link *oldest(const struct vpn *vpn)
{
    uint64_t now = io_now_ms(vpn->loop);
    struct vpn_link *best = NULL;
    for (struct list *at = vpn->links.next; at != &vpn->links; at = at->next) {
        struct vpn_link *link = container_of(at, struct vpn_link, node);
        if (link->charged && link->peer == NULL && now - link->started_ms >= VPN_SILENT_MS)
            return link;
        if (link->charged && best == NULL)
            best = link;
    }
    return best;
}

/* Else whoever holds all places, from many addresses, would keep peers out. */
static void make_room(struct vpn *vpn)
{
    struct vpn_link *link = vpn->early < vpn->config.limits.early_max ? NULL : oldest(vpn);
    if (link == NULL)
        return;
    vpn_link_end(link, "a newer connection has taken its place");
    vpn_accept_give_back(link);
}

static void on_accepted(void *arg, struct io_stream *stream)
{
    struct vpn *vpn = arg;
    const struct vpn_limits *limits = &vpn->config.limits;
    struct addr from = io_stream_peer(stream);
    if (!quota_take(vpn->quota, &from.ip, limits->early_per_address)) {
        refuse(vpn, &from, "its address holds as many unproven connections as it may");
        io_abort(stream);
    } else {
        make_room(vpn);
        vpn->early++;
        struct vpn_link *link = vpn_link_new(vpn, stream, NULL);
        if (link != NULL) {
            link->charged = true;
        } else {
            vpn->early--;
            quota_give_back(vpn->quota, &from.ip);
        }
    }
}

static void on_exhausted(void *arg, int error)
{
    struct vpn *vpn = arg;
    log_event(vpn->loop, LOG_ERROR, "exhausted", "no connection is accepted for a moment: %s",
              io_error_text(error));
    io_timer_set_in(&vpn->resume, VPN_RESUME_MS);
}

static void on_resume(void *arg)
{
    struct vpn *vpn = arg;
    for (size_t i = 0; i < vpn->listener_count; i++)
        io_listener_resume(vpn->listeners[i]);
}

static const struct io_listener_handler listener_handler = {.accepted = on_accepted,
                                                            .exhausted = on_exhausted};

bool vpn_accept_start(struct vpn *vpn, char *why, size_t why_len)
{
    const struct vpn_config *config = &vpn->config;
    vpn->listeners = calloc(config->listen_count + 1, sizeof(struct io_listener *));
    if (vpn->listeners == NULL) {
        snprintf(why, why_len, "out of memory");
        return false;
    }
    for (size_t i = 0; i < config->listen_count; i++) {
        int error = 0;
        const struct addr *at = &config->listen[i];
        vpn->listeners[i] = vpn->past
                                ? io_listen_past(vpn->device, at, &listener_handler, vpn, &error)
                                : io_listen(vpn->loop, at, &listener_handler, vpn, &error);
        if (vpn->listeners[i] == NULL) {
            char text[ADDR_TEXT_MAX];
            addr_format(at, text);
            snprintf(why, why_len, "cannot listen at %s: %s", text, io_listen_error_text(error));
            return false;
        }
        vpn->listener_count++;
    }
    return true;
}

void vpn_accept_init(struct vpn *vpn)
{
    io_timer_init(&vpn->resume, vpn->loop, on_resume, vpn);
}

void vpn_accept_stop(struct vpn *vpn)
{
    io_timer_stop(&vpn->resume);
    for (size_t i = 0; i < vpn->listener_count; i++)
        io_listener_close(vpn->listeners[i]);
    vpn->listener_count = 0;
}
