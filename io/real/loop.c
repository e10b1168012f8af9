#include "io/real/loop.h"

#include "base/encode.h"
#include "base/map.h"
#include "io/real/helpers.h"
#include "io/real/kernel_error.h"
#include "io/real/linger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { TIMER_AHEAD_MAX_MS = 24 * 3600 * 1000 }; /* the timerfd is set again after it */

/* ---- Sources ---- */

int source_fd(const struct source *source)
{
    return event_get_fd(&source->event);
}

static void note(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    source_again(arg, what);
}

int source_add(struct source *source, struct io_loop *loop, int fd, short events,
               void (*dispatch)(struct source *source, short what))
{
    list_init(&source->ready);
    source->loop = loop;
    source->dispatch = dispatch;
    source->what = 0;
    errno = 0;
    if (event_assign(&source->event, loop->base, fd, events, note, source) != 0)
        return IO_E_OTHER;
    if (event_add(&source->event, NULL) != 0)
        return errno == 0 ? IO_E_NO_MEMORY : kernel_error(errno);
    return 0;
}

void source_remove(struct source *source)
{
    event_del_noblock(&source->event);
    list_remove(&source->ready);
    if (source->loop->current == source)
        source->loop->current = NULL;
}

void source_again(struct source *source, short what)
{
    source->what |= what;
    if (list_empty(&source->ready))
        list_append(&source->loop->ready, &source->ready);
}

bool source_alive(const struct io_loop *loop, const struct source *source)
{
    return loop->current == source;
}

/* Calls what is ready now; what becomes ready meanwhile waits for the next round. */
static void dispatch_ready(struct io_loop *loop)
{
    struct list mark;
    list_append(&loop->ready, &mark);
    while (loop->ready.next != &mark) {
        struct source *source = container_of(loop->ready.next, struct source, ready);
        short what = source->what;
        source->what = 0;
        list_remove(&source->ready);
        loop->current = source;
        source->dispatch(source, what);
    }
    loop->current = NULL;
    list_remove(&mark);
}

/* ---- Time ---- */

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

double io_wall_s(const struct io_loop *loop)
{
    (void)loop;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Edge triggered: the count of expirations need not be read. */
static void timer_expired(struct source *source, short what)
{
    (void)what;
    source->loop->timer_at_ms = UINT64_MAX;
}

/*
 * Sees to it that a wait ends at the first timer; false when that is due already. A timerfd set to
 * an earlier time than needed stays so: that costs an empty round, setting it each time costs more.
 */
static bool set_timer(struct io_loop *loop)
{
    uint64_t at_ms;
    if (!io_core_deadline(&loop->core, &at_ms))
        return true;
    if (at_ms <= loop->core.now_ms)
        return false;
    if (at_ms > loop->core.now_ms + TIMER_AHEAD_MAX_MS)
        at_ms = loop->core.now_ms + TIMER_AHEAD_MAX_MS;
    if (at_ms >= loop->timer_at_ms)
        return true;
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000}};
    if (timerfd_settime(source_fd(&loop->timer), TFD_TIMER_ABSTIME, &at, NULL) != 0)
        return false;
    loop->timer_at_ms = at_ms;
    return true;
}

/* ---- Randomness: read in blocks, because headers need a few bytes each ---- */

static void random_bytes(void *buf, size_t len)
{
    uint8_t *out = buf;
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        }
    }
}

void io_random(struct io_loop *loop, void *buf, size_t len)
{
    if (len > LOOP_RANDOM_LEN) {
        random_bytes(buf, len);
        return;
    }
    if (loop->random_left < len) {
        random_bytes(loop->random, LOOP_RANDOM_LEN);
        loop->random_left = LOOP_RANDOM_LEN;
    }
    loop->random_left -= len;
    memcpy(buf, loop->random + loop->random_left, len);
    wipe(loop->random + loop->random_left, len);
}

/* ---- Posts ---- */

void io_post_message(struct io_loop *to, struct io_message *message)
{
    message->next = NULL;
    pthread_mutex_lock(&to->lock);
    bool first = to->posts == NULL;
    *to->posts_end = message;
    to->posts_end = &message->next;
    /* Under the lock: once the message is taken the loop may end. */
    if (first)
        eventfd_write(source_fd(&to->wake), 1);
    pthread_mutex_unlock(&to->lock);
}

/* Edge triggered: every write is an event, the count need not be read. */
static void run_posts(struct source *source, short what)
{
    (void)what;
    struct io_loop *loop = source->loop;
    pthread_mutex_lock(&loop->lock);
    struct io_message *message = loop->posts;
    loop->posts = NULL;
    loop->posts_end = &loop->posts;
    pthread_mutex_unlock(&loop->lock);
    while (message != NULL) {
        struct io_message *next = message->next;
        message->next = NULL;
        message->fn(loop, message->arg);
        message = next;
    }
}

/* A message that nobody embedded. */
struct call {
    struct io_message message;
    void (*fn)(struct io_loop *loop, void *arg);
    void *arg;
};

static void unpack(struct io_loop *loop, void *arg)
{
    struct call call = *(struct call *)arg;
    free(arg);
    call.fn(loop, call.arg);
}

int io_post(struct io_loop *to, void (*fn)(struct io_loop *loop, void *arg), void *arg)
{
    struct call *call = malloc(sizeof(*call));
    if (call == NULL)
        return IO_E_NO_MEMORY;
    *call = (struct call){.message = {.fn = unpack, .arg = call}, .fn = fn, .arg = arg};
    io_post_message(to, &call->message);
    return 0;
}

/* ---- The loop ---- */

void loop_round(struct io_loop *loop)
{
    bool wait = list_empty(&loop->ready) && !io_core_busy(&loop->core) && set_timer(loop);
    event_base_loop(loop->base, wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
    io_core_set_now(&loop->core, clock_ms());
    dispatch_ready(loop);
    io_core_fire_timers(&loop->core);
    io_core_run_tasks(&loop->core);
}

static void nothing(void *arg)
{
    (void)arg;
}

void loop_run(struct io_loop *loop)
{
    while (!loop->stopping)
        loop_round(loop);
    struct io_timer end;
    io_timer_init(&end, loop, nothing, NULL);
    io_timer_set_in(&end, IO_LINGER_MS);
    while (loop->jobs > 0 || (io_timer_armed(&end) && !list_empty(&loop->lingering)))
        loop_round(loop);
    io_timer_stop(&end);
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    struct event_base *base = NULL;
    if (event_config_require_features(config, EV_FEATURE_ET) == 0 &&
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct io_loop *loop_new(log_sink_fn *sink, void *sink_arg, enum log_level max_level,
                         struct helpers *helpers, int *error)
{
    *error = IO_E_NO_MEMORY;
    struct io_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return NULL;
    if (!io_core_init(&loop->core, sink, sink_arg, max_level))
        goto err_core;
    loop->base = new_base();
    if (loop->base == NULL)
        goto err_core;
    int timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (timer_fd < 0 || wake_fd < 0) {
        *error = kernel_error(errno);
        goto err_fds;
    }
    if (source_add(&loop->timer, loop, timer_fd, EV_READ | EV_ET | EV_PERSIST, timer_expired) != 0)
        goto err_fds;
    if (source_add(&loop->wake, loop, wake_fd, EV_READ | EV_ET | EV_PERSIST, run_posts) != 0)
        goto err_timer;
    pthread_mutex_init(&loop->lock, NULL);
    list_init(&loop->ready);
    list_init(&loop->lingering);
    loop->posts_end = &loop->posts;
    loop->timer_at_ms = UINT64_MAX;
    loop->helpers = helpers;
    io_core_set_now(&loop->core, clock_ms());
    *error = 0;
    return loop;

err_timer:
    source_remove(&loop->timer);
err_fds:
    if (timer_fd >= 0)
        close(timer_fd);
    if (wake_fd >= 0)
        close(wake_fd);
    event_base_free(loop->base);
err_core:
    io_core_clear(&loop->core);
    free(loop);
    return NULL;
}

void loop_free(struct io_loop *loop)
{
    linger_end_all(loop);
    helpers_forget_loop(loop->helpers, loop);
    run_posts(&loop->wake, 0);
    int fds[] = {source_fd(&loop->timer), source_fd(&loop->wake)};
    source_remove(&loop->timer);
    source_remove(&loop->wake);
    close(fds[0]);
    close(fds[1]);
    event_base_free(loop->base);
    pthread_mutex_destroy(&loop->lock);
    io_core_clear(&loop->core);
    wipe(loop->random, sizeof(loop->random));
    free(loop);
}
