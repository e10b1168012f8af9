/*
 * Ends of a VPN in the simulator: each a host with a device and the role, for tests of roles/vpn.
 * End 0 listens, the others dial it.
 */
#ifndef TESTS_UNIT_VPN_ENDS_H
#define TESTS_UNIT_VPN_ENDS_H

#include "io/sim/sim.h"
#include "roles/vpn/vpn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ENDS = 3, END_PORT = 2998, END_SECOND_US = 1000 * 1000 };

struct end {
    struct sim_host *host;
    struct sim_process *process;
    struct io_loop *loop;
    struct vpn *vpn; /* NULL = not started, or freed */
    bool stopped;
    char why[256];
    uint8_t secret[QUICKTUN_KEY_LEN];
    uint8_t public_key[QUICKTUN_KEY_LEN];
    struct vpn_config config; /* to be changed before ends_start() */
    struct vpn_peer_config peers[ENDS];
    struct cidr allowed[ENDS][2];
    struct io_device_address address;
    struct addr listen;
};

struct ends {
    struct sim_world *world;
    size_t count;
    struct end all[ENDS];
};

/*
 * A calm world with so many hosts, 192.0.2.1 and on, whose configurations have 10.9.0.1 and on: end
 * 0 knows all others, and these know end 0, which has 10.9.0.0/24 of theirs.
 */
void ends_open(struct ends *ends, size_t count);

/* Starts the role of an end; false with end->why. */
bool ends_start(struct ends *ends, size_t which);
void ends_start_all(struct ends *ends);

/* The same, until all others are connected with end 0. */
void ends_connect_all(struct ends *ends);

/* Stops what runs, looks for leaks, and ends the world. */
void ends_close(struct ends *ends);
void ends_stop(struct ends *ends, size_t which);

/* Calls fn(loop, arg) on the loop of an end and returns when that is done. */
void ends_on(struct ends *ends, size_t which, void (*fn)(struct io_loop *loop, void *arg),
             void *arg);
void ends_run_ms(struct ends *ends, uint64_t ms);

/* Until both are connected with each other, or a minute is over: false. */
bool ends_connected(struct ends *ends, size_t a, size_t b);

/* A number of the status of an end: "peers.0.drops.full", "counters.early". 0 when not there. */
json_int_t ends_number(struct ends *ends, size_t which, const char *path);
bool ends_text_is(struct ends *ends, size_t which, const char *path, const char *expected);

struct io_device *ends_device(const struct ends *ends, size_t which);

/* An IPv4 packet of UDP from 10.9.0.`from` to 10.9.0.`to`; returns its length. */
size_t ends_packet(uint8_t *out, unsigned from, unsigned to, size_t payload_len, uint8_t fill);

/* Sends it from a device; the next packet at another one is the same within a second. */
void ends_send(struct ends *ends, size_t which, const uint8_t *packet, size_t len);
void ends_expect(struct ends *ends, size_t which, const uint8_t *packet, size_t len);
void ends_expect_nothing(struct ends *ends, size_t which);

/* A packet from one end to the address of another arrives there. */
void ends_expect_pass(struct ends *ends, size_t from, size_t to);

#endif
