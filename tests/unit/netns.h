/*
 * Real devices in network namespaces of the test's own. Without root, /dev/net/tun or ip(8) such a
 * test says so and is skipped.
 */
#ifndef TESTS_UNIT_NETNS_H
#define TESTS_UNIT_NETNS_H

#include "io/device.h"
#include "io_world.h"

#include <sys/types.h>

enum { NETNS_SKIPPED = 77, NETNS_OUTPUT_MAX = 65536 };

/* False, and says why, when such tests cannot run here. */
bool netns_possible(void);

/* From now on this thread is in a new namespace, whose loopback is up. Returns it, as a descriptor.
 */
int netns_enter_new(void);
void netns_enter(int netns);

/* Runs a shell command; what it prints is answered, valid until the next call. It must succeed. */
const char *netns_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True when the output of a command contains the text. */
bool netns_shows(const char *command, const char *text);

/* A device, and what was told of it. */
struct tap {
    struct io_device *device;
    int error; /* of opening it */
    char why[512];
    int failed;
    size_t readables;
    size_t refusals;
    struct cidr refused;
    int why_refused;
    void (*packet)(struct tap *tap, const uint8_t *packet, size_t len,
                   const struct offload *offload); /* of each that is read, or NULL */
    void *arg;
    size_t packets;
    size_t longest;
    uint8_t last[IO_DEVICE_PACKET_MAX];
    size_t last_len;
    struct offload last_offload;
    uint8_t buffer[IO_DEVICE_PACKET_MAX];
};

/* adit0, 10.9.0.1/24 and fd00:9::1/64, MTU 1500, with segments, no hook. */
struct io_device_config netns_config(void);

/* False, with tap->error and tap->why, when it cannot be opened. */
bool netns_open(struct tap *tap, struct io_loop *loop, const struct io_device_config *config);
void netns_close(struct tap *tap);

/* Runs until all is done that the device was asked for. */
void netns_settle(struct world *world, struct tap *tap);

/* The helper process of the only device that a process has open. */
pid_t netns_helper(pid_t of);

#endif
