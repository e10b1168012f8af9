/*
 * Sockets and their addresses.
 */
#ifndef IO_REAL_SOCKET_H
#define IO_REAL_SOCKET_H

#include "base/ip.h"

#include <sys/socket.h>

/* False for another family than AF_INET and AF_INET6. */
bool socket_addr_read(const struct sockaddr *from, struct addr *addr);

/* Returns the length. */
socklen_t socket_addr_write(const struct addr *addr, struct sockaddr_storage *to);

/* Of this end; family 0 when it has none. */
struct addr socket_local(int fd);

/*
 * A TCP socket for the family of an address: not blocking, closed on exec, without Nagle's delay
 * (sockets accepted from it inherit that). Returns the descriptor, or -1 with errno set.
 */
int socket_tcp(const struct addr *addr);

/* The error that waits on a socket, as errno; taken off it. */
int socket_error(int fd);

#endif
