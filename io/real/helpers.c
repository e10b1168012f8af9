#include "io/real/helpers.h"

#include "base/map.h"

#include <signal.h>
#include <stdlib.h>

struct helpers {
    pthread_mutex_t lock;
    pthread_cond_t work; /* the queue is not empty, or closing */
    pthread_cond_t left; /* a thread has ended */
    struct list queue;
    struct list running;
    size_t queued;
    unsigned threads_max;
    unsigned threads;
    unsigned idle;
    unsigned busy;
    bool closing;
    bool abandoned; /* closed while some are busy: the last thread frees all */
};

struct helpers *helpers_new(unsigned threads_max)
{
    struct helpers *helpers = calloc(1, sizeof(*helpers));
    if (helpers == NULL)
        return NULL;
    pthread_mutex_init(&helpers->lock, NULL);
    pthread_cond_init(&helpers->work, NULL);
    pthread_cond_init(&helpers->left, NULL);
    list_init(&helpers->queue);
    list_init(&helpers->running);
    helpers->threads_max = threads_max;
    return helpers;
}

static void free_helpers(struct helpers *helpers)
{
    pthread_cond_destroy(&helpers->left);
    pthread_cond_destroy(&helpers->work);
    pthread_mutex_destroy(&helpers->lock);
    free(helpers);
}

/* Does one job; called and left with the lock held. */
static void do_job(struct helpers *helpers, struct job *job)
{
    list_remove(&job->node);
    list_append(&helpers->running, &job->node);
    helpers->queued--;
    helpers->busy++;
    job->running = true;
    pthread_mutex_unlock(&helpers->lock);

    job->work(job);

    pthread_mutex_lock(&helpers->lock);
    helpers->busy--;
    list_remove(&job->node);
    /* Under the lock, so that the loop cannot end in between. */
    if (job->loop != NULL)
        io_post_message(job->loop, &job->answer);
    else
        job->discard(job);
}

static void *run_helper(void *arg)
{
    struct helpers *helpers = arg;
    pthread_mutex_lock(&helpers->lock);
    for (;;) {
        while (list_empty(&helpers->queue) && !helpers->closing) {
            helpers->idle++;
            pthread_cond_wait(&helpers->work, &helpers->lock);
            helpers->idle--;
        }
        if (list_empty(&helpers->queue))
            break;
        do_job(helpers, container_of(helpers->queue.next, struct job, node));
    }
    helpers->threads--;
    bool last = helpers->abandoned && helpers->threads == 0;
    pthread_cond_signal(&helpers->left);
    pthread_mutex_unlock(&helpers->lock);
    if (last)
        free_helpers(helpers);
    return NULL;
}

void helpers_close(struct helpers *helpers)
{
    pthread_mutex_lock(&helpers->lock);
    helpers->closing = true;
    pthread_cond_broadcast(&helpers->work);
    while (helpers->threads > helpers->busy)
        pthread_cond_wait(&helpers->left, &helpers->lock);
    helpers->abandoned = helpers->threads > 0;
    bool abandoned = helpers->abandoned;
    pthread_mutex_unlock(&helpers->lock);
    if (!abandoned)
        free_helpers(helpers);
}

/* Detached, because one may be stuck in a look-up when the program ends. No signal comes here. */
static int start_thread(struct helpers *helpers)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attr, run_helper, helpers);
    if (error == 0)
        pthread_setname_np(thread, "adit-helper");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return error;
}

int helpers_submit(struct helpers *helpers, struct io_loop *loop, struct job *job)
{
    int error = 0;
    pthread_mutex_lock(&helpers->lock);
    if (helpers->queued >= IO_SUBMIT_MAX) {
        error = IO_E_FULL;
        goto out;
    }
    if (helpers->queued >= helpers->idle && helpers->threads < helpers->threads_max) {
        if (start_thread(helpers) == 0)
            helpers->threads++;
        else if (helpers->threads == 0)
            error = IO_E_NO_MEMORY;
    }
    if (error != 0)
        goto out;
    job->loop = loop;
    job->running = false;
    list_append(&helpers->queue, &job->node);
    helpers->queued++;
    pthread_cond_signal(&helpers->work);
out:
    pthread_mutex_unlock(&helpers->lock);
    return error;
}

bool helpers_withdraw(struct helpers *helpers, struct job *job)
{
    pthread_mutex_lock(&helpers->lock);
    bool waits = !job->running;
    if (waits) {
        list_remove(&job->node);
        helpers->queued--;
    }
    pthread_mutex_unlock(&helpers->lock);
    return waits;
}

void helpers_forget_loop(struct helpers *helpers, struct io_loop *loop)
{
    pthread_mutex_lock(&helpers->lock);
    for (struct list *node = helpers->running.next; node != &helpers->running; node = node->next) {
        struct job *job = container_of(node, struct job, node);
        if (job->loop == loop)
            job->loop = NULL;
    }
    struct list *next;
    for (struct list *node = helpers->queue.next; node != &helpers->queue; node = next) {
        next = node->next;
        struct job *job = container_of(node, struct job, node);
        if (job->loop != loop)
            continue;
        list_remove(node);
        helpers->queued--;
        job->discard(job);
    }
    pthread_mutex_unlock(&helpers->lock);
}

/* ---- io_submit ---- */

struct submission {
    struct job job;
    void (*work)(void *arg);
    void (*done)(struct io_loop *loop, void *arg);
    void *arg;
};

static void work_submission(struct job *job)
{
    struct submission *submission = container_of(job, struct submission, job);
    submission->work(submission->arg);
}

static void answer_submission(struct io_loop *loop, void *arg)
{
    struct submission submission = *(struct submission *)arg;
    free(arg);
    loop->jobs--;
    submission.done(loop, submission.arg);
}

static void discard_submission(struct job *job)
{
    free(container_of(job, struct submission, job));
}

int io_submit(struct io_loop *loop, void (*work)(void *arg),
              void (*done)(struct io_loop *loop, void *arg), void *arg)
{
    struct submission *submission = malloc(sizeof(*submission));
    if (submission == NULL)
        return IO_E_NO_MEMORY;
    *submission =
        (struct submission){.job = {.answer = {.fn = answer_submission, .arg = submission},
                                    .work = work_submission,
                                    .discard = discard_submission},
                            .work = work,
                            .done = done,
                            .arg = arg};
    int error = helpers_submit(loop->helpers, loop, &submission->job);
    if (error != 0) {
        free(submission);
        return error;
    }
    loop->jobs++;
    return 0;
}
