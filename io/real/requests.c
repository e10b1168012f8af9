#include "io/real/requests.h"

#include "base/encode.h"
#include "base/map.h"
#include "io/real/kernel_error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM_FIRST = 64, CLOSE_WAIT_MS = 5000 };

/* ---- The queue ---- */

static bool grow(struct requests *requests)
{
    size_t room = requests->room == 0 ? ROOM_FIRST : requests->room * 2;
    struct privileged_work *waiting = malloc(room * sizeof(*waiting));
    if (waiting == NULL)
        return false;
    for (size_t i = 0; i < requests->count; i++)
        waiting[i] = requests->waiting[(requests->first + i) % requests->room];
    free(requests->waiting);
    requests->waiting = waiting;
    requests->first = 0;
    requests->room = room;
    return true;
}

/* False when the helper process takes no more now; its end is told by what is read. */
static bool send_one(struct requests *requests, const struct privileged_work *work)
{
    const void *message = work;
    size_t len = sizeof(*work);
    if (work->what == PRIVILEGED_HOOK) {
        message = &requests->hook;
        len = sizeof(requests->hook);
    }
    return send(requests->work.fd, message, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void send_waiting(struct requests *requests)
{
    while (requests->count > 0 && send_one(requests, &requests->waiting[requests->first])) {
        requests->first = (requests->first + 1) % requests->room;
        requests->count--;
    }
}

int requests_add(struct requests *requests, const struct privileged_work *work)
{
    if (requests->ended)
        return 0; /* that was told, or is told soon */
    if (requests->count >= IO_DEVICE_WAITING_MAX)
        return IO_E_FULL;
    if (requests->count == requests->room && !grow(requests))
        return IO_E_NO_MEMORY;
    requests->waiting[(requests->first + requests->count) % requests->room] = *work;
    requests->count++;
    if (requests->count == 1)
        send_waiting(requests);
    return 0;
}

int requests_hook(struct requests *requests, const struct adit_ip *servers, size_t count)
{
    if (!requests->has_hook)
        return IO_E_NOT_FOUND;
    if (count > IO_DEVICE_DNS_MAX)
        return IO_E_TOO_LARGE;
    struct privileged_hook *hook = &requests->hook;
    *hook = (struct privileged_hook){.head.what = PRIVILEGED_HOOK, .count = (uint8_t)count};
    for (size_t i = 0; i < count; i++) {
        hook->servers[i].family = servers[i].family;
        memcpy(hook->servers[i].ip, servers[i].bytes, sizeof(hook->servers[i].ip));
    }
    return requests_add(requests, &hook->head);
}

/* ---- Reports ---- */

static void log_hook(struct requests *requests, const struct privileged_report *report)
{
    struct io_loop *loop = requests->work.loop;
    char line[PRIVILEGED_LINE_MAX * 2];
    size_t len = (size_t)report->value;
    switch (report->news) {
    case PRIVILEGED_LINE:
        if (len > sizeof(report->text))
            return;
        log_event(loop, LOG_INFO, "hook-output", "%s: %s", requests->device,
                  text_escape(report->text, len, line, sizeof(line)));
        return;
    case PRIVILEGED_EXITED:
        log_event(loop, report->value == 0 ? LOG_INFO : LOG_WARN, "hook",
                  "%s: the hook has ended with status %d", requests->device, (int)report->value);
        break;
    case PRIVILEGED_KILLED:
        log_event(loop, LOG_WARN, "hook", "%s: the hook was ended by signal %d", requests->device,
                  (int)report->value);
        break;
    case PRIVILEGED_TOO_LONG:
        log_event(loop, LOG_WARN, "hook", "%s: the hook was killed: it ran longer than %d s",
                  requests->device, PRIVILEGED_HOOK_S);
        break;
    default:
        log_event(loop, LOG_WARN, "hook", "%s: the hook was not started: %s", requests->device,
                  io_error_text(report->value));
        break;
    }
}

static void read_report(struct requests *requests, const struct privileged_report *report)
{
    if (report->news != PRIVILEGED_REFUSED) {
        log_hook(requests, report);
        return;
    }
    struct cidr to = {.prefix_len = report->work.prefix_len};
    to.ip.family = report->work.family;
    memcpy(to.ip.bytes, report->work.ip, sizeof(to.ip.bytes));
    requests->handler->refused(requests->arg, &to, report->value);
}

static void end(struct requests *requests)
{
    requests->ended = true;
    requests->count = 0;
    requests->handler->ended(requests->arg);
}

static void dispatch(struct source *source, uint32_t what)
{
    struct io_loop *loop = source->loop;
    struct requests *requests = container_of(source, struct requests, work);
    struct privileged_report report;
    (void)what;
    if (requests->ended)
        return;
    for (;;) {
        ssize_t len = recv(source->fd, &report, sizeof(report), 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            break;
        if (len != sizeof(report)) {
            end(requests);
            return;
        }
        read_report(requests, &report);
        if (!source_alive(loop, source))
            return;
    }
    send_waiting(requests);
}

/* ---- Questions ---- */

/* The descriptor that came with a message, or -1. */
static int descriptor_of(struct msghdr *message)
{
    int fd;
    struct cmsghdr *rights = CMSG_FIRSTHDR(message);
    if (rights == NULL || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS ||
        rights->cmsg_len != CMSG_LEN(sizeof(fd)))
        return -1;
    memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
    return fd;
}

int requests_socket(struct requests *requests, const struct addr *addr, bool to_listen)
{
    struct privileged_ask ask = {.question = to_listen ? PRIVILEGED_LISTEN : PRIVILEGED_CONNECT,
                                 .family = addr->ip.family,
                                 .port = addr->port};
    memcpy(ask.ip, addr->ip.bytes, sizeof(ask.ip));
    struct privileged_answer answer;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = &answer, .iov_len = sizeof(answer)};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    if (requests->ended || send(requests->ask, &ask, sizeof(ask), MSG_NOSIGNAL) != sizeof(ask))
        return IO_E_RESET;
    ssize_t len;
    do {
        len = recvmsg(requests->ask, &message, MSG_CMSG_CLOEXEC);
    } while (len < 0 && errno == EINTR);
    if (len != sizeof(answer)) {
        /* Its next answer would be that to this question. */
        shutdown(requests->ask, SHUT_RDWR);
        return len < 0 && errno == EAGAIN ? IO_E_TIMEOUT : IO_E_RESET;
    }
    int fd = descriptor_of(&message);
    if (fd < 0 && answer.error == 0)
        return IO_E_NO_FILES; /* of this process: the kernel dropped the one that was sent */
    return answer.error == 0 ? fd : answer.error;
}

/* ---- Life ---- */

int requests_open(struct requests *requests, struct io_loop *loop, const char *device,
                  const char *hook_file, const struct requests_handler *handler, void *arg)
{
    struct privileged helper;
    int error = privileged_start(&helper, device, hook_file);
    if (error != 0)
        return error;
    *requests = (struct requests){.ask = helper.ask,
                                  .pid = helper.pid,
                                  .device = device,
                                  .handler = handler,
                                  .arg = arg,
                                  .has_hook = hook_file != NULL};
    error = source_add(&requests->work, loop, helper.work, WATCH_EDGES, dispatch);
    if (error != 0)
        requests_close(requests);
    return error;
}

/* The end of `ask` is that of the helper process, or it hangs and is left to itself. */
static void wait_for_end(struct requests *requests)
{
    struct pollfd end = {.fd = requests->ask, .events = POLLRDHUP};
    while (poll(&end, 1, CLOSE_WAIT_MS) < 0 && errno == EINTR)
        ;
    waitpid(requests->pid, NULL, end.revents == 0 ? WNOHANG : 0);
}

void requests_close(struct requests *requests)
{
    struct privileged_ask close_it = {.question = PRIVILEGED_CLOSE};
    (void)send(requests->ask, &close_it, sizeof(close_it), MSG_NOSIGNAL);
    wait_for_end(requests);
    close(requests->ask);
    source_remove(&requests->work);
    close(requests->work.fd);
    free(requests->waiting);
}
