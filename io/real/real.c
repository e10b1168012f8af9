#include "io/real/real.h"

#include "base/map.h"
#include "io/real/helpers.h"
#include "io/real/inherited.h"
#include "io/real/kernel_error.h"
#include "io/real/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* ---- The log's way out ---- */

/* One write a line: lines of several threads do not mix. */
static void write_line(void *arg, enum log_level level, const char *line, size_t len)
{
    (void)arg;
    (void)level;
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* there is nowhere to say that there is nowhere to say it */
}

/* libevent tells of failed calls, which are answered as errors, once more on standard error. */
static void drop_event_log(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

/* ---- The first loop ---- */

static bool inherit(struct io_loop *loop)
{
    loop->inherited = malloc(sizeof(*loop->inherited));
    if (loop->inherited != NULL)
        inherited_read(loop->inherited);
    return loop->inherited != NULL;
}

struct io_loop *io_real_new(const struct io_real_options *options, int *error)
{
    struct io_real_options own = {.log_level = LOG_INFO};
    if (options != NULL)
        own = *options;
    if (own.log_sink == NULL)
        own.log_sink = write_line;
    signal(SIGPIPE, SIG_IGN);
    event_set_log_callback(drop_event_log);
    struct helpers *helpers = helpers_new(own.helpers == 0 ? IO_REAL_HELPERS : own.helpers);
    if (helpers == NULL) {
        *error = IO_E_NO_MEMORY;
        return NULL;
    }
    struct io_loop *loop = loop_new(own.log_sink, own.log_sink_arg, own.log_level, helpers, error);
    if (loop == NULL)
        goto err_helpers;
    if (own.inherit && !inherit(loop)) {
        *error = IO_E_NO_MEMORY;
        goto err_loop;
    }
    return loop;

err_loop:
    loop_free(loop);
err_helpers:
    helpers_close(helpers);
    return NULL;
}

bool io_real_drop_inherited(struct io_loop *loop, struct addr *at)
{
    return loop->inherited != NULL && inherited_drop(loop->inherited, at);
}

void io_real_run(struct io_loop *loop)
{
    loop_run(loop);
    loop->stopping = false;
}

void io_real_stop(struct io_loop *loop)
{
    loop->stopping = true;
}

/* ---- Signals ---- */

struct signal_source {
    struct source source;
    struct signal_source *next;
    void (*fn)(void *arg);
    void *arg;
};

static void signalled(struct source *source, uint32_t what)
{
    (void)what;
    struct signal_source *sig = container_of(source, struct signal_source, source);
    struct signalfd_siginfo info;
    if (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        sig->fn(sig->arg);
}

int io_real_on_signal(struct io_loop *loop, int signo, void (*fn)(void *arg), void *arg)
{
    struct signal_source *sig = calloc(1, sizeof(*sig));
    if (sig == NULL)
        return IO_E_NO_MEMORY;
    sig->fn = fn;
    sig->arg = arg;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int error;
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        error = kernel_error(errno);
        goto err_signal;
    }
    error = source_add(&sig->source, loop, fd, WATCH_READ, signalled);
    if (error != 0)
        goto err_fd;
    sig->next = loop->signals;
    loop->signals = sig;
    return 0;

err_fd:
    close(fd);
err_signal:
    free(sig);
    return error;
}

void io_real_free(struct io_loop *loop)
{
    struct helpers *helpers = loop->helpers;
    while (loop->signals != NULL) {
        struct signal_source *sig = loop->signals;
        loop->signals = sig->next;
        int fd = sig->source.fd;
        source_remove(&sig->source);
        close(fd);
        free(sig);
    }
    free(loop->inherited);
    loop_free(loop);
    helpers_close(helpers);
}

/* ---- Workers ---- */

static void *run_worker(void *arg)
{
    loop_run(arg);
    return NULL;
}

/* No signal comes to a worker: they are for the first loop. */
static int start_thread(struct io_loop *worker, const char *name)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, run_worker, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(worker->thread, name);
    return error;
}

struct io_loop *io_worker_start(struct io_loop *loop, const char *name,
                                void (*start)(struct io_loop *loop, void *arg), void *arg,
                                int *error)
{
    const struct log_state *log = &loop->core.log;
    struct io_loop *worker =
        loop_new(log->sink, log->sink_arg, log->max_level, loop->helpers, error);
    if (worker == NULL)
        return NULL;
    *error = io_post(worker, start, arg);
    if (*error == 0 && start_thread(worker, name) != 0)
        *error = IO_E_NO_MEMORY;
    if (*error == 0)
        return worker;
    loop_free(worker);
    return NULL;
}

static void stop_worker(struct io_loop *worker, void *arg)
{
    (void)arg;
    worker->stopping = true;
}

void io_worker_end(struct io_loop *worker)
{
    (void)io_post(worker, stop_worker, NULL); /* without memory it is told when it is joined */
}

void io_worker_join(struct io_loop *worker)
{
    struct io_message stop = {.fn = stop_worker};
    io_post_message(worker, &stop);
    pthread_join(worker->thread, NULL);
    loop_free(worker);
}
