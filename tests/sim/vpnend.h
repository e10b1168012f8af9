/*
 * An end of a VPN on a host of its own, with the kernel behind its device: it sends letters into
 * the tunnel, takes those that are for it, and forwards the others, as far as its routes go.
 */
#ifndef TESTS_SIM_VPNEND_H
#define TESTS_SIM_VPNEND_H

#include "roles/vpn/vpn.h"
#include "tests/sim/letters.h"
#include "tests/sim/party.h"

enum { VPNEND_MAX = 3, VPNEND_PORT = 2998, VPNEND_FRAME_LEN = 14 };

struct vpnend {
    struct sim_world *world;
    struct letters *letters;
    unsigned number; /* from 0 */
    struct sim_host *host;
    struct party party;
    struct addr at;
    uint8_t secret[QUICKTUN_KEY_LEN];
    uint8_t public_key[QUICKTUN_KEY_LEN];
    enum io_device_kind kind;
    struct adit_ip tunnel;   /* 10.9.0.N */
    struct adit_ip inside;   /* 10.20.N.1, of the network that it announces */
    struct cidr networks[2]; /* it announces */
    struct cidr accepted[2]; /* routes */
    struct io_device_address address;
    struct vpn_peer_config peers[VPNEND_MAX];
    struct cidr allowed[VPNEND_MAX];
    size_t peer_count;
    struct io_device *watched; /* the device whose packets are taken */
    uint64_t got;
    uint64_t forwarded;
};

/* On a new host. Not started. */
void vpnend_init(struct vpnend *end, struct sim_world *world, struct letters *letters,
                 unsigned number, enum io_device_kind kind);

/* They know each other; `dials` calls the other at an address. */
void vpnend_join(struct vpnend *dials, struct vpnend *listens, const struct addr *at);
void vpnend_start(struct vpnend *end);

/* Takes what its device has, also of a device that was opened anew; call it often. */
void vpnend_turn(struct vpnend *end);

/*
 * Sends a letter to an end, to its tunnel's address or to that of its network: false when there is
 * no device, no route, or no room. *number (may be NULL) is the letter's.
 */
bool vpnend_send(struct vpnend *end, const struct vpnend *to, bool inside, size_t len,
                 size_t *number);

/* The same to its tunnel's address, from one that is nobody's: the other end must not deliver it.
 */
bool vpnend_forge(struct vpnend *end, const struct vpnend *to, size_t len);

/* Fails the world when it holds more than its peers' queues may. */
void vpnend_check(const struct vpnend *end);

#endif
