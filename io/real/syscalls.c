#include "io/real/syscalls.h"

#include "io/real/sandbox.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { END = __NR_SCMP_ERROR };

/* libc may pick any of a family of calls (open, openat), so a family is allowed as one. */
static const int always[] = {
    /* Bytes, on descriptors that it has. */
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(dup), SCMP_SYS(dup3),
    SCMP_SYS(fcntl), SCMP_SYS(splice), SCMP_SYS(pipe2),
    /* Connections that it has, and those that come. */
    SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(shutdown), SCMP_SYS(getsockname),
    SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(listen),
    /* Waiting, and the time. */
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
    SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(signalfd4),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(restart_syscall),
    /* Reading files: Landlock says which. */
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(stat), SCMP_SYS(fstat),
    SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(getdents64),
    /* Its control socket goes with it. */
    SCMP_SYS(unlink), SCMP_SYS(unlinkat),
    /* Memory. */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    /* Threads and signals. */
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(gettid), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    /* Who and where it is. */
    SCMP_SYS(getpid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrlimit), SCMP_SYS(getrusage),
    SCMP_SYS(getrandom), END};

/* getaddrinfo(3) asks the kernel for addresses by netlink, and servers by many datagrams at once.
 */
static const int to_connect[] = {SCMP_SYS(connect),  SCMP_SYS(bind),       SCMP_SYS(sendmmsg),
                                 SCMP_SYS(recvmmsg), SCMP_SYS(socketpair), END};

static const int to_write[] = {
    SCMP_SYS(pwrite64),  SCMP_SYS(pwritev),   SCMP_SYS(ftruncate),       SCMP_SYS(fallocate),
    SCMP_SYS(fsync),     SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(flock),
    SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),   SCMP_SYS(rename),          SCMP_SYS(renameat),
    SCMP_SYS(renameat2), SCMP_SYS(link),      SCMP_SYS(linkat),          SCMP_SYS(fchmod),
    SCMP_SYS(fchown),    SCMP_SYS(utimensat), SCMP_SYS(umask),           END};

static const int of_a_parent[] = {SCMP_SYS(wait4), SCMP_SYS(waitid), END};

/*
 * A sanitizer needs more, to look for leaks at the end above all: in builds with one the list
 * comes from meson.build, in others it is empty.
 */
static const int of_the_build[] = {SANITIZER_CALLS END};

/* What an ioctl may ask: bytes that wait on a socket or in a pipe, and whether it is a terminal. */
static const unsigned long ioctls[] = {FIONREAD, FIONBIO, SIOCOUTQ, TCGETS, TIOCGWINSZ};

static const int families[] = {AF_INET, AF_INET6, AF_NETLINK};

static int allow(scmp_filter_ctx filter, const int *calls)
{
    int error = 0;
    while (error == 0 && *calls != END)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, *calls++, 0);
    return error;
}

/* Allows a call where one argument has this value. */
static int allow_if(scmp_filter_ctx filter, int call, unsigned argument, uint64_t value)
{
    const struct scmp_arg_cmp is = {argument, SCMP_CMP_EQ, value, 0};
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &is);
}

/* Memory is never both changed and run; modules of the name service are loaded all the same. */
static int allow_memory(scmp_filter_ctx filter, int call)
{
    const struct scmp_arg_cmp not_run = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
    const struct scmp_arg_cmp not_changed = {2, SCMP_CMP_MASKED_EQ, PROT_WRITE, 0};
    int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &not_run);
    return error != 0 ? error
                      : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &not_changed);
}

/* A thread and no process. libc falls back to clone() where clone3() is missing: a filter cannot
 * see what that is told. */
static int allow_threads(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp thread = {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD};
    int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread);
    return error != 0 ? error
                      : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int allow_some(scmp_filter_ctx filter, bool connects)
{
    int error = allow_memory(filter, SCMP_SYS(mmap));
    if (error == 0)
        error = allow_memory(filter, SCMP_SYS(mprotect));
    if (error == 0)
        error = allow_threads(filter);
    /* The name of a thread; a limit that is read and not set; abort(). */
    if (error == 0)
        error = allow_if(filter, SCMP_SYS(prctl), 0, PR_SET_NAME);
    if (error == 0)
        error = allow_if(filter, SCMP_SYS(prlimit64), 2, 0);
    if (error == 0)
        error = allow_if(filter, SCMP_SYS(tgkill), 0, (uint64_t)getpid());
    for (size_t i = 0; error == 0 && i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
        error = allow_if(filter, SCMP_SYS(ioctl), 1, ioctls[i]);
    /* The supervisor is told over a Unix socket. */
    if (error == 0)
        error = allow_if(filter, SCMP_SYS(socket), 0, AF_UNIX);
    for (size_t i = 0; error == 0 && connects && i < sizeof(families) / sizeof(families[0]); i++)
        error = allow_if(filter, SCMP_SYS(socket), 0, (uint64_t)families[i]);
    return error;
}

int syscalls_limit(unsigned work)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (filter == NULL)
        return ENOMEM;
    /* For all threads, and as a tree: the calls of each byte are found quickly. */
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (error == 0)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
    if (error == 0)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (error == 0)
        error = allow(filter, always);
    if (error == 0 && (work & IO_SANDBOX_CONNECT) != 0)
        error = allow(filter, to_connect);
    if (error == 0 && (work & IO_SANDBOX_WRITE) != 0)
        error = allow(filter, to_write);
    if (error == 0 && (work & IO_SANDBOX_CHILD) != 0)
        error = allow(filter, of_a_parent);
    if (error == 0)
        error = allow(filter, of_the_build);
    if (error == 0)
        error = allow_some(filter, (work & IO_SANDBOX_CONNECT) != 0);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return -error;
}
