#include "io/real/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

bool socket_addr_read(const struct sockaddr *from, struct addr *addr)
{
    *addr = (struct addr){0};
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof(in));
        addr->ip = ip_from_bytes(&in.sin_addr, 4);
        addr->port = ntohs(in.sin_port);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof(in6));
        addr->ip = ip_from_bytes(&in6.sin6_addr, 16);
        addr->port = ntohs(in6.sin6_port);
        return true;
    }
    return false;
}

socklen_t socket_addr_write(const struct addr *addr, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof(*to));
    if (addr->ip.family == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
        memcpy(&in.sin_addr, addr->ip.bytes, 4);
        memcpy(to, &in, sizeof(in));
        return sizeof(in);
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
    memcpy(&in6.sin6_addr, addr->ip.bytes, 16);
    memcpy(to, &in6, sizeof(in6));
    return sizeof(in6);
}

struct addr socket_local(int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof(name);
    struct addr addr = {0};
    if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
        socket_addr_read((const struct sockaddr *)&name, &addr);
    return addr;
}

int socket_tcp(const struct addr *addr)
{
    int family = addr->ip.family == 4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return errno;
    return error;
}
