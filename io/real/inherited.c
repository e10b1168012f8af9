#include "io/real/inherited.h"

#include "io/real/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 3 };

/* A decimal number of the environment; 0 when it is none. */
static unsigned long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    unsigned long number = text == NULL || *text < '0' || *text > '9' ? 0 : strtoul(text, &end, 10);

    return end == NULL || *end != '\0' ? 0 : number;
}

static bool listens(int fd)
{
    int on = 0;
    socklen_t len = sizeof(on);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on != 0 &&
           socket_local(fd).ip.family != 0;
}

/* As our own are. The first is for the file behind the descriptor, which others share. */
static bool prepare(int fd)
{
    int on = 1;
    int flags = fcntl(fd, F_GETFL);

    return listens(fd) && flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
}

void inherited_read(struct inherited *inherited)
{
    unsigned long count = number_of("LISTEN_FDS");

    inherited->count = 0;
    if (number_of("LISTEN_PID") != (unsigned long)getpid())
        count = 0;
    for (unsigned long i = 0; i < count && i < INHERITED_MAX; i++) {
        int fd = FIRST + (int)i;

        inherited->fds[inherited->count++] = prepare(fd) ? fd : -1;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static bool is_at(int fd, const struct addr *at)
{
    struct addr local = socket_local(fd);

    return local.port == at->port && ip_equal(&local.ip, &at->ip);
}

int inherited_take(struct inherited *inherited, const struct addr *at)
{
    for (size_t i = 0; i < inherited->count; i++) {
        int fd = inherited->fds[i];

        if (fd < 0 || !is_at(fd, at))
            continue;
        inherited->fds[i] = -1;
        return fd;
    }
    return -1;
}

bool inherited_drop(struct inherited *inherited, struct addr *at)
{
    while (inherited->count > 0) {
        int fd = inherited->fds[--inherited->count];

        if (fd < 0)
            continue;
        *at = socket_local(fd);
        close(fd);
        return true;
    }
    return false;
}
