#include "io/real/hook.h"

#include "io/real/capability.h"
#include "io/real/kernel_error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    HOOK_NOT_RUN = 127,    /* as of a shell */
    HOOK_FIRST_FD = 3,     /* that is closed */
    HOOK_FILES_MAX = 1024, /* the usual limit; ours has been raised */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Whose the program is ---- */

/* Others may write into a directory where only the owner of a file may replace it. */
static bool is_safe(const char *path, bool directory)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return false;
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return false;
    return (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
           (directory && (status.st_mode & S_ISVTX) != 0);
}

/* The path is one that realpath(3) has answered. */
static bool is_all_safe(const char *path, char *why, size_t why_len)
{
    char at[PATH_MAX];
    snprintf(at, sizeof(at), "%s", path);
    for (bool directory = false; at[0] != '\0'; directory = true) {
        if (!is_safe(at, directory)) {
            snprintf(why, why_len,
                     "can be changed by others than root and the user who starts it: look at owner "
                     "and mode of %.200s",
                     at);
            return false;
        }
        *strrchr(at, '/') = '\0';
    }
    return true;
}

bool hook_resolve(const char *file, char path[PATH_MAX], char *why, size_t why_len)
{
    struct stat status;
    if (file[0] != '/' || realpath(file, path) == NULL || stat(path, &status) != 0) {
        snprintf(why, why_len, "%s", file[0] != '/' ? "is no absolute path" : strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode) || access(path, X_OK) != 0) {
        snprintf(why, why_len, "is no program that can be run");
        return false;
    }
    return is_all_safe(path, why, why_len);
}

/* ---- Starting ---- */

/* In the child. */
static void run(const char *file, char *arguments[], int output)
{
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = {path, NULL};
    sigset_t none;
    sigemptyset(&none);
    struct rlimit files;
    setsid();
    umask(022);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > HOOK_FILES_MAX) {
        files.rlim_cur = HOOK_FILES_MAX;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0 &&
        close_range(HOOK_FIRST_FD, ~0U, 0) == 0 && capability_restore())
        execve(file, arguments, environment);
    dprintf(STDERR_FILENO, "cannot be run: %s\n", strerror(errno));
    _exit(HOOK_NOT_RUN);
}

int hook_start(struct hook *hook, const char *const *arguments, size_t count)
{
    char file[PATH_MAX];
    char why[256];
    char *all[1 + HOOK_ARGUMENTS_MAX + 1] = {file};
    int ends[2];
    if (hook->file == NULL)
        return IO_E_NOT_FOUND;
    if (hook->pid != 0)
        return IO_E_FULL;
    if (count > HOOK_ARGUMENTS_MAX)
        return IO_E_TOO_LARGE;
    for (size_t i = 0; i < count; i++)
        all[1 + i] = (char *)(uintptr_t)arguments[i];
    if (!is_all_safe(hook->file, why, sizeof(why)))
        return IO_E_DENIED;
    snprintf(file, sizeof(file), "%s", hook->file);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return kernel_error(errno);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0)
        run(file, all, ends[1]);
    int error = errno;
    close(ends[1]);
    hook->pid_fd = pid < 0 ? -1 : pidfd_open(pid, 0);
    if (hook->pid_fd < 0) {
        error = pid < 0 ? error : errno;
        if (pid > 0 && kill(pid, SIGKILL) == 0)
            waitpid(pid, NULL, 0);
        close(ends[0]);
        return kernel_error(error);
    }
    hook->pid = pid;
    hook->output = ends[0];
    hook->line_len = 0;
    hook->too_long = false;
    hook->end_ms = now_ms() + PRIVILEGED_HOOK_S * 1000;
    return 0;
}

/* ---- While it runs ---- */

int hook_watch(const struct hook *hook, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = hook->pid == 0 ? -1 : hook->output, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = hook->pid == 0 ? -1 : hook->pid_fd, .events = POLLIN};
    if (hook->pid == 0 || hook->too_long)
        return -1;
    uint64_t now = now_ms();
    return hook->end_ms > now ? (int)(hook->end_ms - now) : 0;
}

/* A line, or as much of one as there is room for, or the last one without its end. */
static bool take_line(struct hook *hook, struct privileged_report *report, bool all)
{
    char *end = memchr(hook->line, '\n', hook->line_len);
    size_t len = end == NULL ? hook->line_len : (size_t)(end - hook->line);
    if (end == NULL && hook->line_len < sizeof(hook->line) && (!all || hook->line_len == 0))
        return false;
    *report = (struct privileged_report){.news = PRIVILEGED_LINE, .value = (int32_t)len};
    memcpy(report->text, hook->line, len);
    size_t used = end == NULL ? len : len + 1;
    hook->line_len -= used;
    memmove(hook->line, hook->line + used, hook->line_len);
    return true;
}

static bool read_line(struct hook *hook, struct privileged_report *report)
{
    for (;;) {
        if (take_line(hook, report, hook->output < 0))
            return true;
        if (hook->output < 0)
            return false;
        ssize_t got =
            read(hook->output, hook->line + hook->line_len, sizeof(hook->line) - hook->line_len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return false;
        if (got > 0) {
            hook->line_len += (size_t)got;
            continue;
        }
        close(hook->output);
        hook->output = -1;
    }
}

static struct privileged_report verdict(const struct hook *hook, int status)
{
    if (hook->too_long)
        return (struct privileged_report){.news = PRIVILEGED_TOO_LONG};
    if (WIFSIGNALED(status))
        return (struct privileged_report){.news = PRIVILEGED_KILLED, .value = WTERMSIG(status)};
    return (struct privileged_report){.news = PRIVILEGED_EXITED, .value = WEXITSTATUS(status)};
}

static void stop_reading(struct hook *hook)
{
    if (hook->output >= 0)
        close(hook->output);
    hook->output = -1;
}

/* The group may not be there yet, the process may be gone from it. */
static void kill_all(const struct hook *hook)
{
    kill(hook->pid, SIGKILL);
    kill(-hook->pid, SIGKILL);
}

void hook_tick(struct hook *hook)
{
    if (hook->pid == 0 || hook->too_long || now_ms() < hook->end_ms)
        return;
    hook->too_long = true;
    kill_all(hook);
}

bool hook_step(struct hook *hook, struct privileged_report *report)
{
    int status;
    if (hook->pid == 0)
        return false;
    struct pollfd end = {.fd = hook->pid_fd, .events = POLLIN};
    bool ended = poll(&end, 1, 0) == 1;
    if (read_line(hook, report))
        return true;
    if (!ended)
        return false;
    /* All that it has written has been read; what it has started may go on, and is not heard. */
    stop_reading(hook);
    if (read_line(hook, report))
        return true;
    waitpid(hook->pid, &status, 0);
    close(hook->pid_fd);
    hook->pid = 0;
    *report = verdict(hook, status);
    return true;
}

void hook_finish(struct hook *hook, unsigned last_ms)
{
    struct privileged_report unheard;
    struct pollfd fds[HOOK_FDS];
    uint64_t end_ms = now_ms() + last_ms;
    if (hook->pid != 0 && hook->end_ms > end_ms)
        hook->end_ms = end_ms;
    while (hook->pid != 0) {
        poll(fds, HOOK_FDS, hook_watch(hook, fds));
        hook_tick(hook);
        while (hook_step(hook, &unheard))
            ;
    }
}
