/*
 * The VPN: one packet device and many peers, over QuickTunTcp (lib/quicktun) on TCP. Which peer a
 * packet goes to, who may connect, what a full peer does and what is taken from a peer is decided
 * here; the wire is lib/quicktun, the kernel is io.
 */
#ifndef ROLES_VPN_VPN_H
#define ROLES_VPN_VPN_H

#include "io/device.h"

#include <adit/quicktun.h>
#include <jansson.h>

enum {
    VPN_NAME_MAX = 32,    /* characters of a peer's name */
    VPN_PEERS_MAX = 1024, /* in one configuration */
};

/* What a peer is told to set up, or empty: family 0 = not said. First IPv4, then IPv6. */
struct vpn_network {
    struct io_device_address addresses[2];
    struct adit_ip dns[2];
};

/* One that is configured. */
struct vpn_peer_config {
    char name[VPN_NAME_MAX + 1];
    bool
        keyed; /* it has a key; else it is whoever shows none, and there is one such peer at most */
    uint8_t public_key[QUICKTUN_KEY_LEN];
    char host[HOST_TEXT_MAX]; /* where it listens, looked up anew each time; "" = it connects */
    uint16_t port;
    struct cidr *allowed; /* IP mode: packets to these go to it, and come from these alone */
    size_t allowed_count;
    struct cidr *accept_routes; /* networks that may be learned of it */
    size_t accept_route_count;
    bool announce;              /* it hears of our networks, and of those that we have learned */
    struct vpn_network network; /* it is told */
    bool accept_network;        /* it may tell us */
    const char *password;       /* we answer with it when asked, or NULL */
    const char *ask_password;   /* it has to know, or NULL */
    /* What it may do less than prove itself and agree on session keys. peer_key, known, password,
     * ask and mode are set from the above. */
    struct quicktun_options options;
};

struct vpn_limits {
    uint32_t early_per_address; /* unproven connections of an IPv4 address or IPv6 /64 */
    uint32_t early_max;         /* unproven connections in all; one more replaces the oldest */
    uint32_t early_ms;          /* until a connection is proven */
    size_t queue_bytes;         /* that wait for one peer; then its packets are dropped … */
    uint32_t queue_ms;          /* … as when the oldest has waited so long */
};
void vpn_limits_default(struct vpn_limits *limits);

/* All of it is copied by vpn_start() and vpn_reload(). */
struct vpn_config {
    const char *name; /* of the device */
    enum io_device_kind kind;
    uint16_t mtu;
    struct io_device_address *addresses;
    size_t address_count;
    bool block_leaks;      /* with a full tunnel */
    const char *hook_file; /* is told DNS servers that were accepted; or NULL */
    const uint8_t *secret; /* QUICKTUN_KEY_LEN bytes; NULL = anonymous */
    struct addr *listen;
    size_t listen_count;
    struct cidr *announce; /* networks of our own that peers are told of */
    size_t announce_count;
    bool has_router_id; /* else it is made of the public key */
    uint8_t router_id[4];
    struct vpn_peer_config *peers;
    size_t peer_count;
    struct vpn_limits limits;
};

struct vpn;

/*
 * Opens the device and listens; the process gives up its privileges afterwards. stopped(arg) comes
 * after vpn_stop(), or when the device was taken away. NULL with one line for a person in why.
 */
struct vpn *vpn_start(struct io_loop *loop, const struct vpn_config *config,
                      void (*stopped)(void *arg), void *arg, char *why, size_t why_len);

/* The addresses bound, port 0 resolved, in the order of the configuration. */
size_t vpn_addresses(const struct vpn *vpn, struct addr *out, size_t max);

/*
 * Peers, networks of our own and limits again: peers that are as before keep their connection, the
 * others are ended or begun. Device, private key and listening addresses stay as they are: where
 * these differ nothing changes and the answer is -1 with why, as with anything else that fails.
 */
int vpn_reload(struct vpn *vpn, const struct vpn_config *config, char *why, size_t why_len);

/* Closes connections and device. */
void vpn_stop(struct vpn *vpn);
bool vpn_failed(const struct vpn *vpn); /* it has ended by itself */

/* Frees one whose stopped() came. */
void vpn_free(struct vpn *vpn);

/*
 * {"role": "vpn", "state", "uptime_s", "device", "mode", "listen": [...], "key", "peers": [...],
 * "counters": {...}}; the callee's, NULL without memory. Keys are shown as fingerprints.
 */
json_t *vpn_status(struct vpn *vpn);

enum { VPN_FINGERPRINT_MAX = 17 };

/* Eight bytes of the BLAKE2b of a public key, as hexadecimal digits. */
void vpn_fingerprint(const uint8_t key[QUICKTUN_KEY_LEN], char out[VPN_FINGERPRINT_MAX]);

#endif
