/*
 * The operator's program, run by the helper process: at most one at a time, with arguments, an
 * empty environment but for PATH, nothing to read, and output that is read line by line.
 */
#ifndef IO_REAL_HOOK_H
#define IO_REAL_HOOK_H

#include "io/real/privileged.h"

#include <limits.h>
#include <poll.h>

enum {
    HOOK_FDS = 2, /* that it has to be polled for */
    HOOK_ARGUMENTS_MAX = 8,
};

struct hook {
    const char *file; /* as of hook_resolve(), NULL = there is none */
    pid_t pid;        /* 0 = it does not run */
    int pid_fd;
    int output; /* -1 = at its end */
    uint64_t end_ms;
    bool too_long;
    size_t line_len;
    char line[PRIVILEGED_LINE_MAX];
};

/*
 * The program without symbolic links, in path[]. False, and why, when it is none that can be run,
 * or when another than root and this process's user can change it.
 */
bool hook_resolve(const char *file, char path[PATH_MAX], char *why, size_t why_len);

/* Starts it with at most HOOK_ARGUMENTS_MAX arguments. Returns 0 or an error. */
int hook_start(struct hook *hook, const char *const *arguments, size_t count);

/* What to wait for, HOOK_FDS entries, and for how long: milliseconds, -1 = without end. */
int hook_watch(const struct hook *hook, struct pollfd *fds);

/* Kills it when its time is over. */
void hook_tick(struct hook *hook);

/*
 * True when there is news of it, in *report; to be called until it is false. It need not be called
 * after each wait.
 */
bool hook_step(struct hook *hook, struct privileged_report *report);

/* Lets it come to its end, unheard, within last_ms; then kills it, with all that it has started. */
void hook_finish(struct hook *hook, unsigned last_ms);

#endif
