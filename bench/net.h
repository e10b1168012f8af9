/* Sockets of the load generator: non-blocking, without delay, by IPv4. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Reads "127.0.0.1:443". */
bool net_parse(const char *text, struct sockaddr_in *out);

/* A listening socket, or -1. */
int net_listen(const struct sockaddr_in *at);

/*
 * Starts to connect; -1 on failure. To a loopback address it comes from an address that follows
 * from `number`, so that neither ports nor a limit per address run out.
 */
int net_connect(const struct sockaddr_in *to, uint32_t number);

/* Whether a connection that epoll reports as writable has come about. */
bool net_connected(int fd);

void net_set_nodelay(int fd);

/* Nanoseconds of the monotonic clock. */
uint64_t net_now_ns(void);

#endif
