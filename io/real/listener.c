#include "io/real/listener.h"
#include "base/map.h"
#include "io/real/inherited.h"
#include "io/real/kernel_error.h"
#include "io/real/loop.h"
#include "io/real/socket.h"
#include "io/real/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LISTEN_BACKLOG = 4096,
    ACCEPT_BATCH = 64,     /* connections taken in one round, so that others have their turn */
    REARM_AGAIN_MS = 1000, /* when the kernel had no memory to watch the socket again */
};

/* One for all loops that listen on it. */
struct listen_socket {
    atomic_uint listeners;
    int fd;
    struct addr addr;
    struct sockaddr_un path; /* of a Unix socket, else "" */
    dev_t device;            /* its file, removed at the end if it is still the same */
    ino_t inode;
};

struct io_listener {
    struct source source; /* level triggered: no connection waits unseen when a loop stops */
    struct listen_socket *socket;
    const struct io_listener_handler *handler;
    void *arg;
    struct io_loop *loop;
    struct io_timer rearm;
    bool paused;
};

static void release(struct listen_socket *sock)
{
    if (atomic_fetch_sub(&sock->listeners, 1) > 1)
        return;
    struct stat now;
    if (sock->path.sun_path[0] != '\0' && lstat(sock->path.sun_path, &now) == 0 &&
        now.st_dev == sock->device && now.st_ino == sock->inode)
        unlink(sock->path.sun_path);
    close(sock->fd);
    free(sock);
}

/* ---- Accepting ---- */

static void exhausted(struct io_listener *listener, int error)
{
    io_listener_pause(listener);
    listener->handler->exhausted(listener->arg, error);
}

/* Returns 0, IO_AGAIN when none waits, or IO_E_NO_FILES or IO_E_NO_MEMORY. */
static int accept_one(struct io_listener *listener)
{
    struct sockaddr_storage from = {0};
    socklen_t from_len = sizeof(from);
    int fd = accept4(listener->socket->fd, (struct sockaddr *)&from, &from_len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        int error = kernel_error(errno);
        if (error == IO_AGAIN || error == IO_E_NO_FILES || error == IO_E_NO_MEMORY)
            return error;
        return 0; /* that connection has failed meanwhile (accept(2), Error handling) */
    }
    struct addr peer;
    bool tcp = socket_addr_read((const struct sockaddr *)&from, &peer);
    int error;
    struct io_stream *stream = stream_new(listener->loop, fd, tcp, false, &error);
    if (stream == NULL)
        return IO_E_NO_MEMORY;
    stream->peer = peer;
    listener->handler->accepted(listener->arg, stream);
    return 0;
}

static void dispatch(struct source *source, uint32_t what)
{
    (void)what;
    struct io_loop *loop = source->loop;
    struct io_listener *listener = container_of(source, struct io_listener, source);
    for (int i = 0; i < ACCEPT_BATCH && source_alive(loop, source); i++) {
        int error = accept_one(listener);
        if (error == IO_AGAIN)
            return;
        if (error != 0) {
            exhausted(listener, error);
            return;
        }
    }
}

/* ---- Life ---- */

static int watch(struct io_listener *listener)
{
    return source_add(&listener->source, listener->loop, listener->socket->fd, WATCH_READ,
                      dispatch);
}

static void rearm(void *arg)
{
    struct io_listener *listener = arg;
    listener->paused = true;
    io_listener_resume(listener);
}

/* A listener on a socket of which one reference is given to it, also when this fails. */
static struct io_listener *listener_new(struct io_loop *loop, struct listen_socket *sock,
                                        const struct io_listener_handler *handler, void *arg,
                                        int *error)
{
    struct io_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        *error = IO_E_NO_MEMORY;
        goto err_socket;
    }
    listener->socket = sock;
    listener->handler = handler;
    listener->arg = arg;
    listener->loop = loop;
    io_timer_init(&listener->rearm, loop, rearm, listener);
    *error = watch(listener);
    if (*error != 0)
        goto err_listener;
    return listener;

err_listener:
    free(listener);
err_socket:
    release(sock);
    return NULL;
}

/* Takes over the descriptor, also when this fails. */
static struct listen_socket *socket_new(int fd, int *error)
{
    struct listen_socket *sock = calloc(1, sizeof(*sock));
    if (sock == NULL) {
        *error = IO_E_NO_MEMORY;
        close(fd);
        return NULL;
    }
    atomic_init(&sock->listeners, 1);
    sock->fd = fd;
    return sock;
}

/* A listener on a TCP socket that listens already; takes over the descriptor. */
static struct io_listener *listen_through(struct io_loop *loop, int fd,
                                          const struct io_listener_handler *handler, void *arg,
                                          int *error)
{
    struct listen_socket *sock = socket_new(fd, error);
    if (sock == NULL)
        return NULL;
    sock->addr = socket_local(fd);
    return listener_new(loop, sock, handler, arg, error);
}

struct io_listener *listener_listen(struct io_loop *loop, int fd, const struct addr *at,
                                    const struct io_listener_handler *handler, void *arg,
                                    int *error)
{
    int on = 1;
    struct sockaddr_storage name;
    socklen_t len = socket_addr_write(at, &name);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (at->ip.family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, (const struct sockaddr *)&name, len) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        *error = kernel_error(errno);
        close(fd);
        return NULL;
    }
    return listen_through(loop, fd, handler, arg, error);
}

struct io_listener *io_listen(struct io_loop *loop, const struct addr *at,
                              const struct io_listener_handler *handler, void *arg, int *error)
{
    int fd = loop->inherited == NULL ? -1 : inherited_take(loop->inherited, at);
    if (fd >= 0)
        return listen_through(loop, fd, handler, arg, error);
    fd = socket_tcp(at);
    if (fd >= 0)
        return listener_listen(loop, fd, at, handler, arg, error);
    *error = kernel_error(errno);
    return NULL;
}

struct io_listener *io_listener_share(struct io_listener *original, struct io_loop *loop,
                                      const struct io_listener_handler *handler, void *arg,
                                      int *error)
{
    atomic_fetch_add(&original->socket->listeners, 1);
    return listener_new(loop, original->socket, handler, arg, error);
}

struct addr io_listener_addr(const struct io_listener *listener)
{
    return listener->socket->addr;
}

void io_listener_pause(struct io_listener *listener)
{
    io_timer_stop(&listener->rearm);
    if (!listener->paused)
        source_remove(&listener->source);
    listener->paused = true;
}

void io_listener_resume(struct io_listener *listener)
{
    if (!listener->paused)
        return;
    if (watch(listener) == 0)
        listener->paused = false;
    else
        io_timer_set_in(&listener->rearm, REARM_AGAIN_MS);
}

void io_listener_close(struct io_listener *listener)
{
    io_listener_pause(listener);
    release(listener->socket);
    free(listener);
}

/* ---- Unix sockets ---- */

/* True when somebody listens there. */
static bool is_live(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool refused =
        connect(fd, (const struct sockaddr *)name, sizeof(*name)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

/* Binds, over a socket that nobody listens on any more. Returns 0 or an error. */
static int bind_unix(int fd, const struct sockaddr_un *name)
{
    if (bind(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return kernel_error(errno);
    struct stat there;
    if (lstat(name->sun_path, &there) != 0 || !S_ISSOCK(there.st_mode) || is_live(name))
        return IO_E_IN_USE;
    if (unlink(name->sun_path) != 0 || bind(fd, (const struct sockaddr *)name, sizeof(*name)) != 0)
        return kernel_error(errno);
    return 0;
}

struct io_listener *io_listen_unix(struct io_loop *loop, const char *path,
                                   const struct io_listener_handler *handler, void *arg, int *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof(name.sun_path)) {
        *error = IO_E_TOO_LARGE;
        return NULL;
    }
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* The mode of the socket becomes that of its file, so there is no moment when it is wider. */
    if (fd < 0 || fchmod(fd, 0600) != 0) {
        *error = kernel_error(errno);
        goto err;
    }
    *error = bind_unix(fd, &name);
    if (*error != 0)
        goto err;
    struct stat file;
    if (listen(fd, LISTEN_BACKLOG) != 0 || lstat(path, &file) != 0) {
        *error = kernel_error(errno);
        unlink(path);
        goto err;
    }
    struct listen_socket *sock = socket_new(fd, error);
    if (sock == NULL) {
        unlink(path);
        return NULL;
    }
    sock->path = name;
    sock->device = file.st_dev;
    sock->inode = file.st_ino;
    return listener_new(loop, sock, handler, arg, error);

err:
    if (fd >= 0)
        close(fd);
    return NULL;
}

int listener_fd(const struct io_listener *listener)
{
    return listener->socket->fd;
}
