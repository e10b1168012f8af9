/*
 * A role as a long-running process: configuration, control socket, user, signals, supervisor.
 */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include "cli/command.h"
#include "io/real/sandbox.h"
#include "roles/control/control.h"

/* What every role understands. */
extern const struct option_spec service_options[];

struct service_role {
    /*
     * Starts the role from the options; stopped(arg) is called once when it has ended after
     * stop(). NULL with one line for a person in why.
     */
    void *(*start)(struct io_loop *loop, const struct options *options, void (*stopped)(void *arg),
                   void *arg, char *why, size_t why_len);
    /* 0, or -1 with why; then everything is as before. */
    int (*reload)(void *running, const struct options *options, char *why, size_t why_len);
    /* Ends orderly; called again, it ends at once. */
    void (*stop)(void *running);
    void (*free)(void *running);
    /* Answers later or now, with an object that is the callee's. */
    void (*status)(void *running, void (*answer)(void *arg, json_t *status), void *arg);
    /* What it does once it has started: enum io_sandbox_work, joined by |. */
    unsigned work;
    /* start() needs paths that the options do not name, or begins another process, and begins no
     * thread: paths are limited after it. */
    bool starts_privileged;
};

/* Runs the role until a signal ends it; returns the exit status. */
int service_run(const struct command *command, const struct service_role *role,
                const struct options *flags);

/* The same for a role that may end by itself; failed(running) says then whether it has failed. */
int service_run_finite(const struct command *command, const struct service_role *role,
                       bool (*failed)(void *running), const struct options *flags);

#endif
