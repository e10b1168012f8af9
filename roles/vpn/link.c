#include "base/encode.h"
#include "roles/vpn/internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_INPUT = QUICKTUN_WIRE_MAX, /* room for input until the peer is known: one packet */
    INPUT = 128 * 1024 + QUICKTUN_WIRE_MAX,
    TURN_BYTES = 1024 * 1024, /* of one peer, before the others have their turn */
    LOOK_EVERY_MS = 1000,     /* for acknowledgements, while they say whether the line is alive */
};

bool vpn_link_ready(const struct vpn_link *link)
{
    return link->up && !link->over;
}

/* Which one is alone. */
static void count_ready(struct vpn *vpn)
{
    size_t count = 0;
    for (struct list *at = vpn->links.next; at != &vpn->links; at = at->next) {
        struct vpn_link *link = container_of(at, struct vpn_link, node);
        if (vpn_link_ready(link)) {
            vpn->only = link;
            count++;
        }
    }
    if (count != 1)
        vpn->only = NULL;
}

void vpn_link_end(struct vpn_link *link, const char *why)
{
    if (link->over)
        return;
    link->over = true;
    link->why = why;
    count_ready(link->vpn);
    io_task_queue(&link->vpn->reap);
}

/* ---- Time ---- */

/* Asked, and something in front of the question is still on its way. */
static bool awaits_progress(const struct vpn_link *link)
{
    return quicktun_asked(link->session) && link->acknowledged < link->before_ping;
}

/* The timer is only moved when it would come late: a deadline that has moved on is seen then. */
static void keep_time(struct vpn_link *link)
{
    uint64_t deadline = quicktun_deadline(link->session);
    uint64_t known_by = link->started_ms + link->vpn->config.limits.early_ms;
    if (link->over)
        return;
    if (!link->adopted && known_by < deadline)
        deadline = known_by;
    if (awaits_progress(link) && io_now_ms(link->vpn->loop) + LOOK_EVERY_MS < deadline)
        deadline = io_now_ms(link->vpn->loop) + LOOK_EVERY_MS;
    if (!io_timer_armed(&link->timer) || deadline < link->timer.at_ms)
        io_timer_set(&link->timer, deadline);
}

/* What a new connection must show, and what follows from it. */
static void recognise(struct vpn_link *link)
{
    const uint8_t *key = quicktun_session_peer(link->session);
    struct vpn_peer *peer = link->peer;
    if (link->adopted || link->over)
        return;
    if (peer == NULL && key != NULL) {
        peer = vpn_peer_find(link->vpn, key);
        /* From here on the session keeps that peer's policy, not the one for whoever calls. */
        if (peer != NULL) {
            struct quicktun_options options = vpn_peer_options(peer);
            if (quicktun_session_adjust(link->session, &options) != QUICKTUN_OK)
                vpn_link_end(link, "its peer's options contradict each other");
            /* Without a key of our own a password may have been asked for already: that one stays.
             */
            if (link->vpn->config.secret != NULL)
                link->terms = peer;
            link->peer = peer;
        }
    }
    if (peer == NULL && quicktun_session_up(link->session))
        peer = link->vpn->stranger;
    bool shown = peer != NULL && (peer->config.keyed ? quicktun_session_proven(link->session)
                                                     : quicktun_session_up(link->session));
    if (!shown)
        return;
    link->peer = peer;
    link->proven_ms = io_now_ms(link->vpn->loop);
    vpn_accept_give_back(link);
    if (!link->dialled && !vpn_peer_may_call(peer))
        vpn_link_end(link, "this peer connects more often than one may");
    else if (vpn_peer_adopt(peer, link))
        link->adopted = true;
    else
        vpn_link_end(link, "another connection of this peer is kept");
}

static void check_up(struct vpn_link *link)
{
    if (link->up || !link->adopted || link->over || !quicktun_session_up(link->session))
        return;
    link->up = true;
    count_ready(link->vpn);
    vpn_peer_up(link->peer);
}

void vpn_link_attend(struct vpn_link *link)
{
    if (link->over)
        return;
    bool asked = quicktun_asked(link->session);
    uint64_t sent = link->pace.sent;
    int error = quicktun_tick(link->session, io_now_ms(link->vpn->loop), vpn_wire_lend(link));
    if (error != 0)
        vpn_link_end(link, quicktun_error_text(error));
    if (!asked && quicktun_asked(link->session))
        link->before_ping = sent;
    recognise(link);
    check_up(link);
    vpn_wire_flush(link->vpn);
    keep_time(link);
}

/*
 * Of what waited at the last look something has arrived since; of the rest nobody knows when. What
 * is behind a question that is not answered says nothing: a machine acknowledges it for a program
 * that hangs.
 */
static void look_for_progress(struct vpn_link *link)
{
    size_t unacked = io_unacked(link->stream);
    uint64_t acknowledged = link->pace.sent - unacked;
    bool counts = !quicktun_asked(link->session) || awaits_progress(link);
    if (counts && link->unacked > 0 && acknowledged > link->acknowledged)
        quicktun_progress(link->session, io_now_ms(link->vpn->loop));
    link->unacked = unacked;
    link->acknowledged = acknowledged;
}

static void on_timer(void *arg)
{
    struct vpn_link *link = arg;
    uint64_t now = io_now_ms(link->vpn->loop);
    if (link->over)
        return;
    if (!link->adopted && now - link->started_ms >= link->vpn->config.limits.early_ms) {
        vpn_link_end(link, "it did not show in time who it is");
        return;
    }
    look_for_progress(link);
    if (quicktun_deadline(link->session) <= now)
        vpn_link_attend(link);
    else
        keep_time(link);
}

/* ---- Input ---- */

/* Room for `need` bytes from in_at on; of a known peer, for many packets. */
static bool make_room(struct vpn_link *link, size_t need)
{
    size_t wanted = link->adopted ? INPUT : FIRST_INPUT;
    if (link->in_len == 0)
        link->in_at = 0;
    if (link->in_room < wanted) {
        uint8_t *larger = malloc(wanted);
        if (larger == NULL)
            return false;
        if (link->in_len > 0)
            memcpy(larger, link->in + link->in_at, link->in_len);
        free(link->in);
        link->in = larger;
        link->in_room = wanted;
        link->in_at = 0;
    }
    if (link->in_room - link->in_at < need) {
        memmove(link->in, link->in + link->in_at, link->in_len);
        link->in_at = 0;
    }
    return true;
}

/* False when nothing more is there now, or for ever. */
static bool read_more(struct vpn_link *link, size_t need, size_t *budget)
{
    if (!make_room(link, need)) {
        vpn_link_end(link, io_error_text(IO_E_NO_MEMORY));
        return false;
    }
    if (*budget == 0) {
        io_again(link->stream);
        return false;
    }
    size_t end_at = link->in_at + link->in_len;
    ssize_t got = io_read(link->stream, link->in + end_at, link->in_room - end_at);
    if (got > 0) {
        link->in_len += (size_t)got;
        *budget -= (size_t)got < *budget ? (size_t)got : *budget;
        return true;
    }
    if (got != IO_AGAIN)
        vpn_link_end(link, got == 0 ? "closed by the other side" : io_error_text((int)got));
    return false;
}

static void act(struct vpn_link *link, const struct quicktun_event *event)
{
    /* Only the peer's one link says anything about device and routes. */
    if (!link->adopted || link->over)
        return;
    switch (event->type) {
    case QUICKTUN_PACKET:
        vpn_packets_received(link, event);
        break;
    case QUICKTUN_NETWORK:
        vpn_network_heard(link, &event->network);
        break;
    case QUICKTUN_ROUTE:
        vpn_routes_heard(link, &event->route);
        break;
    default:
        break;
    }
}

/* The joined packets point into what was read: they are delivered before it moves. */
static void take_input(struct vpn_link *link)
{
    struct vpn *vpn = link->vpn;
    size_t budget = TURN_BYTES;
    while (!link->over) {
        struct quicktun_event event;
        size_t consumed = 0;
        struct quicktun_wire *wire = vpn_wire_lend(link);
        if (wire->room - wire->len < QUICKTUN_WIRE_MAX + QUICKTUN_ROOM)
            vpn_wire_flush(vpn);
        int error = quicktun_receive(link->session, io_now_ms(vpn->loop), wire,
                                     link->in + link->in_at, link->in_len, &consumed, &event);
        if (error != 0) {
            vpn_link_end(link, quicktun_error_text(error));
            break;
        }
        if (!link->adopted)
            recognise(link);
        if (event.type == QUICKTUN_NEED_MORE) {
            vpn_packets_flush(vpn);
            if (!read_more(link, event.need, &budget))
                break;
            continue;
        }
        check_up(link);
        act(link, &event);
        link->in_at += consumed;
        link->in_len -= consumed;
    }
    vpn_packets_flush(vpn);
}

/* A peer that asks and does not read its answers is not read either. */
static bool is_stalled(struct vpn_link *link)
{
    link->stalled = io_queued(link->stream) >= VPN_ANSWERS_MAX;
    return link->stalled;
}

static void on_readable(void *arg)
{
    struct vpn_link *link = arg;
    if (link->over || is_stalled(link))
        return;
    take_input(link);
    vpn_link_attend(link);
}

static void on_sent(void *arg)
{
    struct vpn_link *link = arg;
    vpn_packets_room(link);
    if (link->stalled && !is_stalled(link))
        io_again(link->stream);
}

static void on_failed(void *arg, int error)
{
    vpn_link_end(arg, io_error_text(error));
}

static const struct io_stream_handler stream_handler = {
    .readable = on_readable, .sent = on_sent, .failed = on_failed};

/* ---- Life ---- */

static bool is_known(void *arg, const uint8_t key[QUICKTUN_KEY_LEN])
{
    const struct vpn_link *link = arg;
    return vpn_peer_find(link->vpn, key) != NULL;
}

/* Of a connection that was accepted: whoever it is must be known, unless strangers are. */
static struct quicktun_options options_of(struct vpn_link *link)
{
    struct quicktun_options options = {
        .mode = link->vpn->config.kind == IO_DEVICE_IP ? QUICKTUN_IP : QUICKTUN_ETHERNET,
        .segmented = true,
    };
    if (link->terms != NULL)
        options = vpn_peer_options(link->terms);
    if (link->peer == NULL && (link->terms == NULL || !link->terms->config.keyed)) {
        options.known = is_known;
        options.known_arg = link;
    }
    return options;
}

struct vpn_link *vpn_link_new(struct vpn *vpn, struct io_stream *stream, struct vpn_peer *peer)
{
    struct vpn_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        goto err;
    link->vpn = vpn;
    link->peer = peer;
    link->stream = stream;
    link->dialled = peer != NULL;
    link->from = io_stream_peer(stream);
    link->started_ms = io_now_ms(vpn->loop);
    link->terms = peer == NULL ? vpn_peer_expected(vpn) : peer;
    struct quicktun_options options = options_of(link);
    link->session = quicktun_session_new(vpn->context, &options, link->started_ms);
    if (link->session == NULL)
        goto err_link;
    io_timer_init(&link->timer, vpn->loop, on_timer, link);
    list_append(&vpn->links, &link->node);
    io_stream_set_multiplexed(stream);
    io_stream_set_handler(stream, &stream_handler, link);
    vpn_link_attend(link);
    io_again(stream);
    return link;

err_link:
    free(link);
err:
    io_abort(stream);
    return NULL;
}

static void add_up(struct vpn_peer *peer, const struct quicktun_session *session)
{
    struct quicktun_counters counters;
    quicktun_session_counters(session, &counters);
    peer->past.bytes_received += counters.bytes_received;
    peer->past.bytes_sent += counters.bytes_sent;
    peer->past.packets_received += counters.packets_received;
    peer->past.packets_sent += counters.packets_sent;
    peer->past.packets_dropped += counters.packets_dropped;
    peer->past.key_updates += counters.key_updates;
}

static void log_end(const struct vpn_link *link)
{
    char from[ADDR_TEXT_MAX];
    addr_format(&link->from, from);
    if (link->adopted) {
        log_event(link->vpn->loop, LOG_INFO, "disconnected", "%s at %s: %s",
                  link->peer->config.name, from, link->why);
    } else {
        log_event(link->vpn->loop, LOG_INFO, "refused", "%s%s%s: %s",
                  link->dialled ? link->peer->config.name : "", link->dialled ? " at " : "", from,
                  link->why);
    }
}

static void dispose(struct vpn_link *link)
{
    struct vpn *vpn = link->vpn;
    log_end(link);
    if (link->adopted)
        add_up(link->peer, link->session);
    else
        vpn->refused++;
    if (vpn->wire_link == link) {
        vpn->wire_link = NULL;
        vpn->wire.len = 0;
        vpn->batch = (struct quicktun_batch){0};
    }
    vpn_accept_give_back(link);
    if (link->peer != NULL)
        vpn_peer_lost(link->peer, link);
    list_remove(&link->node);
    io_timer_stop(&link->timer);
    io_close(link->stream);
    quicktun_session_free(link->session);
    if (link->in != NULL)
        wipe(link->in, link->in_room);
    free(link->in);
    free(link);
}

void vpn_link_reap(struct vpn *vpn)
{
    struct list *at = vpn->links.next;
    while (at != &vpn->links) {
        struct vpn_link *link = container_of(at, struct vpn_link, node);
        at = at->next;
        if (link->over)
            dispose(link);
    }
}
