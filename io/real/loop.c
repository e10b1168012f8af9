#include "io/real/loop.h"

#include "base/encode.h"
#include "base/map.h"
#include "io/real/helpers.h"
#include "io/real/kernel_error.h"
#include "io/real/linger.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    TIMER_AHEAD_MAX_MS = 24 * 3600 * 1000, /* the timerfd is set again after it */
    EVENTS_MAX = 256,                      /* told by one wait */
};

/* ---- Sources ---- */

int source_add(struct source *source, struct io_loop *loop, int fd, enum source_watch watch,
               void (*dispatch)(struct source *source, uint32_t what))
{
    static const uint32_t events[] = {
        [WATCH_EDGES] = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        [WATCH_READ_EDGES] = EPOLLIN | EPOLLET,
        [WATCH_READ] = EPOLLIN,
    };
    struct epoll_event event = {.events = events[watch], .data.ptr = source};
    list_init(&source->ready);
    source->loop = loop;
    source->dispatch = dispatch;
    source->fd = fd;
    source->what = 0;
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : kernel_error(errno);
}

void source_remove(struct source *source)
{
    epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    list_remove(&source->ready);
    if (source->loop->current == source)
        source->loop->current = NULL;
}

void source_again(struct source *source, uint32_t what)
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
        uint32_t what = source->what;
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
static void timer_expired(struct source *source, uint32_t what)
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
    if (timerfd_settime(loop->timer.fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
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
        eventfd_write(to->wake.fd, 1);
    pthread_mutex_unlock(&to->lock);
}

/* Edge triggered: every write is an event, the count need not be read. */
static void run_posts(struct source *source, uint32_t what)
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

/* Notes what is ready; what does not fit in one batch is told in the next round. */
static void wait_for_events(struct io_loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms);
    for (int i = 0; i < count; i++)
        source_again(events[i].data.ptr, events[i].events);
}

static void guest_woken(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void free_guest(struct io_loop *loop)
{
    if (loop->guest_watch != NULL)
        event_free(loop->guest_watch);
    if (loop->guest != NULL)
        event_base_free(loop->guest);
    loop->guest_watch = NULL;
    loop->guest = NULL;
}

struct event_base *loop_event_base(struct io_loop *loop)
{
    if (loop->guest != NULL)
        return loop->guest;
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    loop->guest = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->guest != NULL)
        loop->guest_watch =
            event_new(loop->guest, loop->epoll_fd, EV_READ | EV_PERSIST, guest_woken, NULL);
    if (loop->guest_watch == NULL || event_add(loop->guest_watch, NULL) != 0)
        free_guest(loop);
    return loop->guest;
}

void loop_round(struct io_loop *loop)
{
    bool wait = list_empty(&loop->ready) && !io_core_busy(&loop->core) && set_timer(loop);
    if (loop->guest != NULL) {
        event_base_loop(loop->guest, wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
        wait = false;
    }
    wait_for_events(loop, wait ? -1 : 0);
    io_core_set_now(&loop->core, clock_ms());
    dispatch_ready(loop);
    io_core_fire_timers(&loop->core);
    io_core_run_tasks(&loop->core);
}

/* What a loop does after it was stopped. */
struct ending {
    struct io_loop *loop;
    uint64_t since_ms;
    struct io_timer limit;
    struct io_timer look;
};

static void nothing(void *arg)
{
    (void)arg;
}

/* That something was acknowledged is not told by itself. */
static void look(void *arg)
{
    struct ending *ending = arg;
    linger_end_still(ending->loop, ending->since_ms);
    io_timer_set_in(&ending->look, LINGER_LOOK_MS);
}

void loop_run(struct io_loop *loop)
{
    while (!loop->stopping)
        loop_round(loop);
    struct ending ending = {.loop = loop, .since_ms = io_now_ms(loop)};
    io_timer_init(&ending.limit, loop, nothing, NULL);
    io_timer_init(&ending.look, loop, look, &ending);
    io_timer_set_in(&ending.limit, IO_LINGER_MS);
    io_timer_set_in(&ending.look, 0);
    while (loop->jobs > 0 || (io_timer_armed(&ending.limit) && !list_empty(&loop->lingering)))
        loop_round(loop);
    io_timer_stop(&ending.limit);
    io_timer_stop(&ending.look);
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
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        *error = kernel_error(errno);
        goto err_core;
    }
    int timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (timer_fd < 0 || wake_fd < 0) {
        *error = kernel_error(errno);
        goto err_fds;
    }
    if (source_add(&loop->timer, loop, timer_fd, WATCH_READ_EDGES, timer_expired) != 0)
        goto err_fds;
    if (source_add(&loop->wake, loop, wake_fd, WATCH_READ_EDGES, run_posts) != 0)
        goto err_timer;
    pthread_mutex_init(&loop->lock, NULL);
    list_init(&loop->ready);
    list_init(&loop->lingering);
    list_init(&loop->flushed);
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
    close(loop->epoll_fd);
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
    source_remove(&loop->timer);
    source_remove(&loop->wake);
    close(loop->timer.fd);
    close(loop->wake.fd);
    free_guest(loop);
    close(loop->epoll_fd);
    pthread_mutex_destroy(&loop->lock);
    io_core_clear(&loop->core);
    wipe(loop->random, sizeof(loop->random));
    free(loop);
}
