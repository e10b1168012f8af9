/*
 * The devices of the load generator: connections to the place that is measured, each with a
 * ClientHello, an order to the endpoint behind, and plain bytes.
 */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include "bench/endpoint.h"
#include "bench/histogram.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

enum { DEVICE_MESSAGE_MAX = 4096 };

enum device_mode {
    DEVICE_DOWN,    /* the endpoint sends in bulk */
    DEVICE_UP,      /* the devices send in bulk */
    DEVICE_ECHO,    /* one message to and fro on each connection, again and again */
    DEVICE_CONNECT, /* a connection, one echo, the end, again and again */
};

struct device_load {
    enum device_mode mode;
    struct sockaddr_in to;
    const char *name; /* of the ClientHello */
    unsigned connections;
    size_t message_len;
    uint64_t warm_ns, measure_ns; /* measuring begins after warm_ns */
};

struct device_result {
    uint64_t measured_ns;
    uint64_t bytes;      /* received and checked while measuring */
    uint64_t bytes_all;  /* the same with the warming up */
    uint64_t operations; /* echoes, or whole connections, while measuring */
    uint64_t operations_all;
    uint64_t errors; /* connections that failed, or brought other bytes */
    struct histogram latency_ns;
};

/*
 * Runs the load; bounded by its times. The endpoint is NULL where another process is it, which
 * DEVICE_UP cannot have. 0, or -1 when it could not even begin.
 */
int device_run(const struct device_load *load, const struct endpoint *endpoint,
               struct device_result *result);

#endif
