#include "io/real/privileged.h"

#include "io/real/capability.h"
#include "io/real/hook.h"
#include "io/real/kernel_error.h"
#include "io/real/netsetup.h"
#include "io/real/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors of the helper process: no other one is left open in it. */
enum { FD_WORK = 3, FD_ASK = 4, FD_REST = 5 };

enum { ASKS_MAX = 4 }; /* that can wait when the process ends that asks one at a time */

struct helper {
    const char *device; /* its name */
    struct netsetup setup;
    struct hook hook;
    struct privileged_hook next; /* the hook that was asked for last, while one runs */
    bool has_next;
    bool knows_servers; /* the hook: it was told of some, and not yet that they are gone */
    bool reporting;     /* `report` waits to be sent; meanwhile nothing is read from `work` */
    struct privileged_report report;
    bool ended;
    bool closed; /* PRIVILEGED_CLOSE came */
};

/* ---- Reports ---- */

static void report(struct helper *helper, struct privileged_report report)
{
    helper->report = report;
    helper->reporting = true;
}

static void send_report(struct helper *helper)
{
    ssize_t sent =
        send(FD_WORK, &helper->report, sizeof(helper->report), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    helper->reporting = false;
    helper->ended = sent != sizeof(helper->report);
}

/* ---- Work ---- */

static int do_work(struct helper *helper, const struct privileged_work *work)
{
    bool on = (work->flags & PRIVILEGED_ON) != 0;
    struct adit_ip ip = {.family = work->family};
    memcpy(ip.bytes, work->ip, work->family == 4 ? 4 : 16);
    struct io_device_address address = {.ip = ip, .prefix_len = work->prefix_len};
    struct cidr to = {.ip = ip, .prefix_len = work->prefix_len};
    switch (work->what) {
    case PRIVILEGED_ADDRESS:
        return netsetup_address(&helper->setup, &address, on);
    case PRIVILEGED_ROUTE:
        return netsetup_route(&helper->setup, &to, on);
    case PRIVILEGED_EVERYTHING:
        return netsetup_everything(&helper->setup, work->family, on,
                                   (work->flags & PRIVILEGED_BLOCK) != 0);
    default:
        netsetup_settle(&helper->setup);
        return 0;
    }
}

static bool work_is_sound(const struct privileged_work *work, size_t len)
{
    return len == sizeof(*work) && work->what >= PRIVILEGED_ADDRESS &&
           work->what <= PRIVILEGED_SETTLE &&
           (work->flags & ~(PRIVILEGED_ON | PRIVILEGED_BLOCK)) == 0 &&
           (work->what == PRIVILEGED_SETTLE || work->family == 4 || work->family == 6);
}

static bool hook_is_sound(const struct privileged_hook *hook, size_t len)
{
    static const struct privileged_work head = {.what = PRIVILEGED_HOOK};
    if (len != sizeof(*hook) || memcmp(&hook->head, &head, sizeof(head)) != 0 ||
        hook->count > IO_DEVICE_DNS_MAX)
        return false;
    for (size_t i = 0; i < hook->count; i++)
        if (hook->servers[i].family != 4 && hook->servers[i].family != 6)
            return false;
    return true;
}

/* What the hook is told is written here: who asks can choose nothing but addresses. */
static bool start_hook(struct helper *helper, const struct privileged_hook *hook, size_t len)
{
    const char *arguments[2 + IO_DEVICE_DNS_MAX] = {"dns", helper->device};
    char servers[IO_DEVICE_DNS_MAX][IP_TEXT_MAX];
    if (!hook_is_sound(hook, len))
        return false;
    for (size_t i = 0; i < hook->count; i++) {
        struct adit_ip ip = {.family = hook->servers[i].family};
        memcpy(ip.bytes, hook->servers[i].ip, ip.family == 4 ? 4 : 16);
        ip_format(&ip, servers[i]);
        arguments[2 + i] = servers[i];
    }
    int error = hook_start(&helper->hook, arguments, 2 + (size_t)hook->count);
    helper->has_next = error == IO_E_FULL;
    if (helper->has_next)
        helper->next = *hook;
    else if (error == 0)
        helper->knows_servers = hook->count > 0;
    else
        report(helper, (struct privileged_report){.news = PRIVILEGED_NOT_STARTED, .value = error});
    return true;
}

/* A request that is not sound comes from nobody that we know. */
static void read_work(struct helper *helper)
{
    union {
        struct privileged_work work;
        struct privileged_hook hook;
        uint8_t bytes[sizeof(struct privileged_hook) + 1];
    } request;
    ssize_t len = recv(FD_WORK, &request, sizeof(request), MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        helper->ended = true;
    } else if (work_is_sound(&request.work, (size_t)len)) {
        int error = do_work(helper, &request.work);
        if (error != 0)
            report(helper, (struct privileged_report){
                               .news = PRIVILEGED_REFUSED, .value = error, .work = request.work});
    } else {
        helper->ended = !start_hook(helper, &request.hook, (size_t)len);
    }
}

/* ---- Questions ---- */

/* A socket of this device: the rules let its packets past. Returns it, or an error. */
static int marked_socket(struct helper *helper, const struct privileged_ask *ask)
{
    struct netsetup_past past = {.addr = {.ip.family = ask->family, .port = ask->port},
                                 .accepted = ask->question == PRIVILEGED_LISTEN};
    uint32_t mark = helper->setup.table;
    if (ask->family != 4 && ask->family != 6)
        return IO_E_OTHER;
    memcpy(past.addr.ip.bytes, ask->ip, ask->family == 4 ? 4 : 16);
    int fd = socket_tcp(&past.addr);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) {
        int error = kernel_error(errno);
        close(fd);
        return error;
    }
    netsetup_past(&helper->setup, &past);
    return fd >= 0 ? fd : kernel_error(errno);
}

/* With a descriptor, where it is not negative. */
static bool answer(struct privileged_answer answer, int fd)
{
    struct iovec piece = {.iov_base = &answer, .iov_len = sizeof(answer)};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
    }
    /* Who does not fetch its answers gets none, and no helper process that waits for it. */
    return sendmsg(FD_ASK, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(answer);
}

static void read_ask(struct helper *helper)
{
    struct privileged_ask asks[2]; /* the second one is for what is too long */
    ssize_t len = recv(FD_ASK, asks, sizeof(asks), MSG_DONTWAIT);
    uint8_t question = len == sizeof(asks[0]) ? asks[0].question : 0;
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (question == PRIVILEGED_CONNECT || question == PRIVILEGED_LISTEN) {
        int fd = marked_socket(helper, &asks[0]);
        helper->ended = !answer((struct privileged_answer){.error = fd < 0 ? fd : 0}, fd);
        if (fd >= 0)
            close(fd);
        return;
    }
    helper->closed = question == PRIVILEGED_CLOSE;
    helper->ended = true;
}

/* ---- The process ---- */

static void serve(struct helper *helper)
{
    while (!helper->ended) {
        struct pollfd fds[2 + HOOK_FDS] = {
            {.fd = FD_ASK, .events = POLLIN},
            {.fd = FD_WORK, .events = helper->reporting ? POLLOUT : POLLIN}};
        int wait_ms = hook_watch(&helper->hook, fds + 2);
        poll(fds, helper->reporting ? 2 : 2 + HOOK_FDS, wait_ms);
        hook_tick(&helper->hook);
        if (fds[0].revents != 0)
            read_ask(helper);
        if (helper->reporting && !helper->ended)
            send_report(helper);
        if (!helper->reporting && hook_step(&helper->hook, &helper->report))
            helper->reporting = true;
        if (!helper->reporting && helper->has_next && helper->hook.pid == 0)
            (void)start_hook(helper, &helper->next, sizeof(helper->next));
        if (!helper->reporting && !helper->ended && fds[1].revents != 0)
            read_work(helper);
    }
    /* The end of `work` may have been seen before the word that it was meant. */
    for (int i = 0; i < ASKS_MAX && !helper->closed; i++)
        read_ask(helper);
}

/*
 * A hook that was asked for before the end is the one that takes back what the others have set up:
 * it is run, and has PRIVILEGED_HOOK_LAST_MS. Who was killed could not ask for it: then it is run
 * all the same. What else was asked for is undone anyway.
 */
static void serve_last_hook(struct helper *helper)
{
    static const struct privileged_hook gone = {.head.what = PRIVILEGED_HOOK};
    struct privileged_hook request;
    ssize_t len;
    do {
        len = recv(FD_WORK, &request, sizeof(request), MSG_DONTWAIT);
        if (len > 0)
            (void)start_hook(helper, &request, (size_t)len);
    } while (len > 0 || (len < 0 && errno == EINTR));
    hook_finish(&helper->hook, PRIVILEGED_HOOK_LAST_MS);
    if (helper->has_next)
        (void)start_hook(helper, &helper->next, sizeof(helper->next));
    hook_finish(&helper->hook, PRIVILEGED_HOOK_LAST_MS);
    if (helper->knows_servers)
        (void)start_hook(helper, &gone, sizeof(gone));
    hook_finish(&helper->hook, PRIVILEGED_HOOK_LAST_MS);
}

/* Only what the helper process uses stays open: neither the device nor another helper's sockets. */
static bool keep_descriptors(int work, int ask)
{
    int nothing = open("/dev/null", O_RDWR);
    int work_copy = fcntl(work, F_DUPFD, FD_REST);
    int ask_copy = fcntl(ask, F_DUPFD, FD_REST);
    if (nothing < 0 || work_copy < 0 || ask_copy < 0)
        return false;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(nothing, fd) < 0)
            return false;
    return dup3(work_copy, FD_WORK, O_CLOEXEC) >= 0 && dup3(ask_copy, FD_ASK, O_CLOEXEC) >= 0 &&
           close_range(FD_REST, ~0U, 0) == 0;
}

/* It ends when its sockets do: what ends the process that it serves is not meant for it as well. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGPIPE};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
}

static int prepare(struct helper *helper)
{
    ignore_signals();
    setsid();
    prctl(PR_SET_NAME, "adit-network");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    int error =
        chdir("/") == 0 ? netsetup_open(&helper->setup, helper->device) : kernel_error(errno);
    bool limited = helper->hook.file == NULL ? capability_no_others() : capability_only_network();
    return error == 0 && !limited ? IO_E_DENIED : error;
}

static void run(struct helper *helper, int work, int ask)
{
    if (!keep_descriptors(work, ask))
        _exit(1);
    int error = prepare(helper);
    if (answer((struct privileged_answer){.error = error}, -1) && error == 0) {
        serve(helper);
        serve_last_hook(helper);
        netsetup_end(&helper->setup, helper->closed);
    }
    _exit(0);
}

/* ---- Its start ---- */

static int first_answer(int ask)
{
    struct timeval wait = {.tv_sec = PRIVILEGED_WAIT_S};
    struct privileged_answer answer;
    if (setsockopt(ask, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        setsockopt(ask, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
        return kernel_error(errno);
    ssize_t len;
    /* Where there is a time-out, a stop and its end interrupt without any handler. */
    do {
        len = recv(ask, &answer, sizeof(answer), 0);
    } while (len < 0 && errno == EINTR);
    if (len < 0)
        return errno == EAGAIN ? IO_E_TIMEOUT : kernel_error(errno);
    return len == sizeof(answer) ? answer.error : IO_E_OTHER;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int privileged_start(struct privileged *privileged, const char *device, const char *hook_file)
{
    int work[2] = {-1, -1};
    int ask[2] = {-1, -1};
    pid_t pid = -1;
    int error = 0;
    struct helper *helper = calloc(1, sizeof(*helper));
    if (helper == NULL)
        return IO_E_NO_MEMORY;
    helper->device = device;
    helper->hook = (struct hook){.file = hook_file, .output = -1, .pid_fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, work) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ask) != 0 ||
        fcntl(work[0], F_SETFL, O_NONBLOCK) != 0) {
        error = kernel_error(errno);
        goto out;
    }
    pid = fork();
    if (pid == 0)
        run(helper, work[1], ask[1]);
    error = pid < 0 ? kernel_error(errno) : 0;
    close_end(&work[1]);
    close_end(&ask[1]);
    if (error == 0)
        error = first_answer(ask[0]);
    *privileged = (struct privileged){.pid = pid, .work = work[0], .ask = ask[0]};
    if (error == 0)
        work[0] = ask[0] = -1;
out:
    for (int i = 0; i < 2; i++) {
        close_end(&work[i]);
        close_end(&ask[i]);
    }
    if (error != 0 && pid > 0)
        waitpid(pid, NULL, 0);
    free(helper);
    return error;
}
