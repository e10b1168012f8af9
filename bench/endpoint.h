/*
 * The endpoint of the load generator: a thread that takes connections, checks the ClientHello and
 * does what the order after it says.
 */
#ifndef BENCH_ENDPOINT_H
#define BENCH_ENDPOINT_H

#include <netinet/in.h>
#include <stdint.h>

struct endpoint;

/* Listens and starts the thread. NULL, with errno, when the address cannot be had. */
struct endpoint *endpoint_start(const struct sockaddr_in *at, const char *name);

/* So far: bytes received and checked, and connections that did not hold what was agreed. */
uint64_t endpoint_received(const struct endpoint *endpoint);
uint64_t endpoint_errors(const struct endpoint *endpoint);

/* Ends the thread and every connection. */
void endpoint_stop(struct endpoint *endpoint);

#endif
