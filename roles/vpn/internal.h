/*
 * What the files of the VPN share. vpn.c starts, reloads and stops; accept.c lets in who is not
 * proven yet, and not many of them. peer.c keeps a configured peer connected; link.c is one
 * connection: a session of lib/quicktun on a stream; wire.c is the buffer in which everything is
 * encrypted that leaves. packets.c moves packets between device and links, switch.c decides where
 * an Ethernet frame goes, pace.c when a link is full. routes.c keeps allowed_ips, the mesh and the
 * kernel's routes in step; network.c hands out and takes network configuration.
 *
 * Nothing frees a link but the end of the round: vpn_link_end() marks it, so that whoever is
 * sending to several of them need not look.
 */
#ifndef ROLES_VPN_INTERNAL_H
#define ROLES_VPN_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "io/dial.h"
#include "io/log.h"
#include "lib/packet/join.h"
#include "roles/quota.h"
#include "roles/vpn/allowed.h"
#include "roles/vpn/mesh.h"
#include "roles/vpn/pace.h"
#include "roles/vpn/stations.h"
#include "roles/vpn/vpn.h"

enum {
    VPN_DIAL_MS = 10000,
    VPN_FIRST_RETRY_MS = 3000, /* 0 to this, at random; doubled with each failure … */
    VPN_LAST_RETRY_MS = 60000, /* … up to this */
    VPN_CALLS_BURST = 32,      /* connections that a peer may make at once, … */
    VPN_CALL_EVERY_MS = 1000,  /* … and then one each so often: it may announce routes in each */
    VPN_SILENT_MS = 1000,      /* for the first word, when others want the place */
    VPN_CROSSING_MS = 5000,    /* two connections made at once: both ends must keep the same one */
    VPN_ANSWERS_MAX =
        512 * 1024, /* queued for a peer that asks and does not read: it is not read */
    VPN_WIRE_ROOM = 128 * 1024 + 4096,
    VPN_NETWORK_MS = 1000, /* at most one network configuration of a peer is taken in this time */
    VPN_RESUME_MS = 200,   /* a listener that ran out of files tries again */
    VPN_SETTLE_MS = 200,   /* routes that there was no room for are asked for again */
    VPN_METER_MS = 5000,   /* the round trip is measured so often */
    VPN_DEVICE_PORT = 0,   /* of the switch; a peer's is its number + 1 */
};

/* Packets that went nowhere, by reason. */
struct vpn_drops {
    uint64_t no_peer;   /* to an address that no peer has */
    uint64_t no_tunnel; /* to a peer that is not connected */
    uint64_t full;      /* to a peer whose queue is full */
    uint64_t source;    /* of a peer, from an address that is another's */
    uint64_t malformed; /* no packet of this mode */
    uint64_t device;    /* to the device, which had no room or refused it */
};

struct vpn_link {
    struct vpn *vpn;
    struct list node;       /* of vpn->links */
    struct vpn_peer *peer;  /* NULL = not known yet whose it is */
    struct vpn_peer *terms; /* whose options the session keeps, or NULL; it uses their passwords */
    struct io_stream *stream;
    struct quicktun_session *session;
    struct addr from; /* the other side's address */
    struct io_timer timer;
    struct vpn_pace pace;
    const char *why; /* it is over; static */
    uint8_t *in;
    size_t in_room;
    size_t in_at;
    size_t in_len;
    uint64_t started_ms;
    uint64_t proven_ms;    /* when it became the peer's */
    uint64_t acknowledged; /* bytes of ours, at the last look */
    size_t unacked;        /* those that were not yet */
    uint64_t before_ping;  /* sent when the session last asked for a sign of life */
    bool dialled;
    bool charged; /* counted among the unproven */
    bool adopted; /* it is the peer's one link */
    bool up;      /* packets pass; network and routes were told */
    bool over;
    bool stalled; /* not read until its queue is shorter */
};

/* What a peer has made us set up (network.c). */
struct vpn_granted {
    struct io_device_address addresses[2];
    struct adit_ip dns[2];
    struct quicktun_network wanted; /* what it said last */
    struct io_timer take;           /* armed: that is taken then */
    uint64_t took_ms;               /* 0 = never */
};

struct vpn_peer {
    struct vpn *vpn;
    unsigned number; /* in vpn->peers */
    struct vpn_peer_config config;
    struct quicktun_password *password;
    struct quicktun_password *ask;
    struct vpn_link *link;   /* proven */
    struct vpn_link *trying; /* dialled, and not proven yet */
    struct io_dial *dial;
    struct io_timer retry;
    unsigned failures; /* in a row */
    int dial_error;    /* of the last attempt */
    bool lookup_failed;
    bool name_known;  /* or it has none, or was tried */
    struct addr last; /* where it was reached last; family 0 = never */
    bool in_mesh;     /* mesh_up() was called */
    struct vpn_granted granted;
    uint64_t connections;
    uint64_t calls_paid_ms; /* those that it has made are within VPN_CALL_EVERY_MS then */
    uint64_t up_at_ms;      /* when packets began to pass last; 0 = never */
    struct vpn_drops drops;
    struct quicktun_counters past; /* added up over its former links */
    struct list node;              /* while it is made, and when it is gone */
};

struct vpn {
    struct io_loop *loop;
    struct vpn_config config; /* without peers; what it points to is its own */
    struct io_device *device;
    uint8_t secret[QUICKTUN_KEY_LEN];
    struct quicktun_context *context;
    struct io_listener **listeners;
    size_t listener_count;
    struct io_timer resume;
    struct quota *quota;                   /* unproven connections by address */
    uint32_t early;                        /* in all */
    struct vpn_peer *peers[VPN_PEERS_MAX]; /* by number; holes */
    size_t peer_count;
    struct vpn_peer *stranger; /* the one without a key, or NULL */
    struct list links;
    struct vpn_link *only; /* the one that is ready, if no other is */
    struct list gone;      /* peers that are to be freed with their links */
    struct io_task reap;
    struct allowed *allowed;   /* IP mode */
    struct stations *stations; /* Ethernet mode */
    struct mesh *mesh;
    struct io_task tell_routes;
    struct io_timer tell_later;
    bool past; /* carriers go past the device: there is a full tunnel */
    /* routes.c: rules for everything wait at the start until names were looked up */
    bool names_open;
    struct io_timer names_late;
    struct io_task settle;
    struct io_timer settle_later; /* the helper process had no room for all */
    struct packet_join *join;
    struct io_timer wait; /* armed: the device is not read until the only peer takes more */
    /* wire.c */
    struct quicktun_wire wire;
    struct quicktun_batch batch;
    struct vpn_link *wire_link; /* whose bytes stand in it; NULL = nobody's */
    bool batching;              /* the last packet was a small one */
    uint8_t *scratch;           /* a packet that has no place there yet */
    struct vpn_drops drops;     /* of no peer's */
    uint64_t refused;           /* connections */
    uint64_t started_ms;
    struct io_task tell_stopped;
    bool stopping;
    bool failed;
    void (*stopped)(void *arg);
    void *arg;
};

/* ---- config.c ---- */

/* Deep copies; false without memory, and then there is nothing to clear. */
bool vpn_config_copy_peer(struct vpn_peer_config *to, const struct vpn_peer_config *from);
void vpn_config_clear_peer(struct vpn_peer_config *config);
bool vpn_config_same_peer(const struct vpn_peer_config *a, const struct vpn_peer_config *b);
bool vpn_config_copy(struct vpn *vpn, const struct vpn_config *from);
void vpn_config_clear(struct vpn *vpn);

/* NULL, or what differs that a reload cannot change. */
const char *vpn_config_fixed(const struct vpn *vpn, const struct vpn_config *config);

/* ---- vpn.c ---- */

/* The device is gone, or what stands behind it. */
void vpn_fail(struct vpn *vpn, const char *why);

/* ---- accept.c ---- */

void vpn_accept_init(struct vpn *vpn);
bool vpn_accept_start(struct vpn *vpn, char *why, size_t why_len); /* listens; false with why */
void vpn_accept_stop(struct vpn *vpn);

/* An unproven connection became known, or is over. */
void vpn_accept_give_back(struct vpn_link *link);

/* ---- peer.c ---- */

/* NULL without memory. It is in no list and does nothing yet. */
struct vpn_peer *vpn_peer_new(struct vpn *vpn, const struct vpn_peer_config *config);

/* Takes the number, which is free, and begins: allowed_ips, dialling. False without memory. */
bool vpn_peer_start(struct vpn_peer *peer, unsigned number);

/* Ends its connections and gives up what it has; the caller frees it when they are reaped. */
void vpn_peer_stop(struct vpn_peer *peer, const char *why);
void vpn_peer_free(struct vpn_peer *peer);

/* NULL = no peer has this key. */
struct vpn_peer *vpn_peer_find(const struct vpn *vpn, const uint8_t key[QUICKTUN_KEY_LEN]);

/* Who is expected to be behind a new connection: the only peer, or else a stranger, or NULL. */
struct vpn_peer *vpn_peer_expected(const struct vpn *vpn);

/* What its sessions are to keep. */
struct quicktun_options vpn_peer_options(const struct vpn_peer *peer);

/* One of its own connections more; false when it makes too many. */
bool vpn_peer_may_call(struct vpn_peer *peer);

/* A link has shown that it is the peer's. False when another one is kept instead. */
bool vpn_peer_adopt(struct vpn_peer *peer, struct vpn_link *link);

/* The peer's link came up; one of its links is over. */
void vpn_peer_up(struct vpn_peer *peer);
void vpn_peer_lost(struct vpn_peer *peer, struct vpn_link *link);

/* ---- link.c ---- */

/*
 * A session on a connected stream, which it takes over, also when it fails: NULL without memory.
 * peer is who was dialled, NULL of an accepted stream.
 */
struct vpn_link *vpn_link_new(struct vpn *vpn, struct io_stream *stream, struct vpn_peer *peer);

/* It is over, for this reason, a static text. The rest happens at the end of the round. */
void vpn_link_end(struct vpn_link *link, const char *why);

/* Closes and frees all that are over. */
void vpn_link_reap(struct vpn *vpn);

/* Something of the session's own was appended: lets it do what is due, and keeps its time. */
void vpn_link_attend(struct vpn_link *link);

/* Packets pass now. */
bool vpn_link_ready(const struct vpn_link *link);

/* ---- wire.c ---- */

/* The wire buffer for this link: what another one has in it is sent. No batch is open. */
struct quicktun_wire *vpn_wire_lend(struct vpn_link *link);

/* Sends what stands in it. */
void vpn_wire_flush(struct vpn *vpn);

/*
 * Where the next packet that is read from the device is to be put, IO_DEVICE_PACKET_MAX bytes: in
 * the wire buffer, where it can stay if it goes to the link that was used last.
 */
uint8_t *vpn_wire_place(struct vpn *vpn);

/* Where the packet stands when it no longer stands in the wire buffer: it is sent several times. */
uint8_t *vpn_wire_aside(struct vpn *vpn, const struct packet *packet);

/*
 * Encrypts a packet for a link that is ready; it may stand at vpn_wire_place(), and stays where it
 * is otherwise. What offload left is finished, cut or told. False when it does not fit: dropped.
 */
bool vpn_wire_packet(struct vpn_link *link, const struct packet *packet,
                     const struct offload *offload);

/* ---- packets.c ---- */

void vpn_packets_readable(void *arg); /* of the device */
void vpn_packets_waited(void *arg);   /* long enough */

/* Where packets for the device are joined; NULL without memory. */
struct packet_join *vpn_packets_join(struct vpn *vpn);

/* The queue of a link is shorter: the device may be read again. */
void vpn_packets_room(struct vpn_link *link);

/* One that came from the peer of a link. */
void vpn_packets_received(struct vpn_link *link, const struct quicktun_event *event);

/* All that was received is delivered; its bytes are needed no more. */
void vpn_packets_flush(struct vpn *vpn);

/* To the device, joined with others where possible. */
void vpn_packets_deliver(struct vpn *vpn, const struct packet *packet,
                         const struct offload *offload);

/* To a peer, if it is connected and not full. */
void vpn_packets_send(struct vpn_peer *peer, const struct packet *packet,
                      const struct offload *offload);

/* ---- switch.c ---- */

/* A frame from the device, from = NULL, or from a peer. */
void vpn_switch_frame(struct vpn *vpn, struct vpn_peer *from, const struct packet *frame,
                      const struct offload *offload);

/* ---- routes.c ---- */

/* allowed_ips and routes of a peer. False without memory: then there is nothing of it. */
bool vpn_routes_add(struct vpn_peer *peer);
void vpn_routes_remove(struct vpn_peer *peer);

/*
 * Asks for the routes that the kernel has not, or has in vain, now and not at the end of the round.
 * While peers change it is called after the last of them, so that what one loses and another gets
 * is never without a route in between.
 */
void vpn_routes_settle(struct vpn *vpn);

/* The peer's tunnel is up or down: the mesh. */
void vpn_routes_up(struct vpn_peer *peer);
void vpn_routes_down(struct vpn_peer *peer);
void vpn_routes_heard(struct vpn_link *link, const struct quicktun_route *update);

/* Own networks, from a configuration; false without memory. */
bool vpn_routes_start(struct vpn *vpn, const struct vpn_config *config);
bool vpn_routes_reload(struct vpn *vpn, const struct vpn_config *config);
void vpn_routes_stop(struct vpn *vpn);

/* A peer's first attempt to connect has ended: its name needs no look-up any more. */
void vpn_routes_name_known(struct vpn_peer *peer);

/* ---- network.c ---- */

void vpn_network_init(struct vpn_peer *peer);
void vpn_network_tell(struct vpn_link *link);
void vpn_network_heard(struct vpn_link *link, const struct quicktun_network *network);
void vpn_network_forget(struct vpn_peer *peer);

#endif
