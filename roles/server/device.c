#include "roles/server/internal.h"

#include "base/encode.h"
#include "lib/tls/alert.h"

#include <stdlib.h>
#include <string.h>

enum { HOPS_MAX = 3 }; /* a name may move while its device is handed over */

/* A device on its way to the worker that has the peer. */
struct handover {
    struct io_message message;
    struct server_worker *to;
    struct io_parcel *parcel;
    struct addr caller;
    struct peer_ref peer;
    uint64_t deadline_ms;
    unsigned hops;
    char name[HOSTNAME_MAX + 1];
};

static const char *refusal_text(enum refusal refusal)
{
    switch (refusal) {
    case REFUSED_NO_NAME:
        return "its ClientHello names no host";
    case REFUSED_UNKNOWN_NAME:
        return "nobody serves";
    case REFUSED_CALLER:
        return "its address is not on the whitelist of";
    case REFUSED_ROUTE:
        return "the place of the fixed route cannot be reached for";
    case REFUSED_CALLER_QUOTA:
        return "its address has as many channels as it may, for";
    case REFUSED_HANDOVER:
        return "the worker has too many devices waiting, for";
    default:
        return "no room for another channel of";
    }
}

void device_refuse(struct server_worker *worker, struct io_stream *stream,
                   const struct adit_ip *caller, enum refusal refusal, const char *name)
{
    uint8_t alert[TLS_ALERT_LEN];
    char shown[128];

    server_refused(worker, refusal, caller, "%s %s", refusal_text(refusal),
                   text_escape(name, strlen(name), shown, sizeof(shown)));
    switch (refusal) {
    case REFUSED_NO_NAME:
    case REFUSED_UNKNOWN_NAME:
        tls_alert_write(TLS_ALERT_UNRECOGNIZED_NAME, alert);
        break;
    case REFUSED_CALLER:
        tls_alert_write(TLS_ALERT_ACCESS_DENIED, alert);
        break;
    default:
        tls_alert_write(TLS_ALERT_INTERNAL_ERROR, alert);
    }
    (void)io_send(stream, alert, sizeof(alert));
    io_close(stream);
}

static void route(struct server_worker *worker, struct io_stream *stream, const struct addr *caller,
                  const char *name, unsigned hops);

/* The peer may have gone, or been replaced, while the device was on its way. */
static void take(struct io_loop *loop, void *arg)
{
    struct handover *handover = arg;
    struct server_worker *worker = handover->to;
    struct io_stream *stream;

    atomic_fetch_sub(&worker->handovers, 1);
    if (worker->stopping || io_now_ms(loop) > handover->deadline_ms) {
        io_parcel_discard(handover->parcel);
        free(handover);
        return;
    }
    stream = io_attach(loop, handover->parcel, NULL, NULL);
    if (stream != NULL)
        route(worker, stream, &handover->caller, handover->name, handover->hops);
    else
        server_refused(worker, REFUSED_RESOURCES, &handover->caller.ip, "out of memory");
    free(handover);
}

static void hand_over(struct server_worker *worker, struct io_stream *stream,
                      const struct addr *caller, const char *name, uint32_t to, unsigned hops)
{
    struct server_worker *target = &worker->server->workers[to];
    struct handover *handover;

    if (atomic_fetch_add(&target->handovers, 1) >= SERVER_HANDOVERS_MAX)
        goto err_count;
    handover = calloc(1, sizeof(*handover));
    if (handover == NULL)
        goto err_count;
    handover->message = (struct io_message){.fn = take, .arg = handover};
    handover->to = target;
    handover->caller = *caller;
    handover->hops = hops;
    handover->deadline_ms = io_now_ms(worker->loop) + worker->settings->limits.hello_ms;
    strcpy(handover->name, name);
    handover->parcel = io_detach(stream);
    if (handover->parcel == NULL)
        goto err_handover;
    io_post_message(target->loop, &handover->message);
    worker->counters.handed_over++;
    return;

err_handover:
    free(handover);
err_count:
    atomic_fetch_sub(&target->handovers, 1);
    device_refuse(worker, stream, &caller->ip, REFUSED_HANDOVER, name);
}

static void route(struct server_worker *worker, struct io_stream *stream, const struct addr *caller,
                  const char *name, unsigned hops)
{
    const struct server_route *fixed = snapshot_route(worker->settings, name);
    struct server_peer *peer;
    struct peer_ref ref;

    if (fixed != NULL) {
        route_join(worker, stream, caller, fixed);
        return;
    }
    if (!hosts_look_up(worker->server->hosts, name, &ref)) {
        device_refuse(worker, stream, &caller->ip, REFUSED_UNKNOWN_NAME, name);
        return;
    }
    if (ref.worker != worker->index && hops < HOPS_MAX) {
        hand_over(worker, stream, caller, name, ref.worker, hops + 1);
        return;
    }
    peer = ref.worker == worker->index ? slots_look_up(&worker->slots, ref) : NULL;
    if (peer == NULL)
        device_refuse(worker, stream, &caller->ip, REFUSED_UNKNOWN_NAME, name);
    else
        peer_join(peer, stream, caller);
}

void device_route(struct server_worker *worker, struct io_stream *stream, const struct addr *caller,
                  const char *name)
{
    route(worker, stream, caller, name, 0);
}
