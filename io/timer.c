/*
 * Timers: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) whose nodes are the timers
 * themselves, so that arming one needs no memory. `link` is the pointer that points to the node:
 * its parent's `child`, its elder sibling's `next`, or the root.
 */
#include "io/core.h"

static bool before(const struct io_timer *a, const struct io_timer *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

/* Joins two heaps, either of which may be empty; neither root has siblings. */
static struct io_timer *meld(struct io_timer *a, struct io_timer *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (before(b, a)) {
        struct io_timer *first = b;
        b = a;
        a = first;
    }
    b->next = a->child;
    if (b->next != NULL)
        b->next->link = &b->next;
    b->link = &a->child;
    a->child = b;
    return a;
}

/* Joins a row of siblings: in pairs from left to right, then the pairs from right to left. */
static struct io_timer *meld_siblings(struct io_timer *sibling)
{
    struct io_timer *pairs = NULL;
    while (sibling != NULL) {
        struct io_timer *a = sibling;
        struct io_timer *b = a->next;
        sibling = b == NULL ? NULL : b->next;
        a->next = NULL;
        if (b != NULL)
            b->next = NULL;
        struct io_timer *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct io_timer *heap = NULL;
    while (pairs != NULL) {
        struct io_timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        heap = meld(heap, pair);
    }
    return heap;
}

static void set_root(struct io_core *core, struct io_timer *root)
{
    core->timers = root;
    if (root != NULL)
        root->link = &core->timers;
}

void io_timer_init(struct io_timer *timer, struct io_loop *loop, void (*fire)(void *arg), void *arg)
{
    *timer = (struct io_timer){.loop = loop, .fire = fire, .arg = arg};
}

bool io_timer_armed(const struct io_timer *timer)
{
    return timer->link != NULL;
}

void io_timer_stop(struct io_timer *timer)
{
    if (timer->link == NULL)
        return;
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    struct io_timer *orphans = meld_siblings(timer->child);
    timer->link = NULL;
    timer->next = NULL;
    timer->child = NULL;
    struct io_core *core = io_core_of(timer->loop);
    set_root(core, meld(core->timers, orphans));
}

void io_timer_set(struct io_timer *timer, uint64_t at_ms)
{
    struct io_core *core = io_core_of(timer->loop);
    /* Not before what is due already, or a timer that re-arms itself would keep others waiting. */
    if (at_ms < core->now_ms)
        at_ms = core->now_ms;
    io_timer_stop(timer);
    timer->at_ms = at_ms;
    timer->order = ++core->timer_order;
    set_root(core, meld(core->timers, timer));
}

void io_timer_set_in(struct io_timer *timer, uint64_t delay_ms)
{
    uint64_t now_ms = io_core_of(timer->loop)->now_ms;
    io_timer_set(timer, delay_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + delay_ms);
}

bool io_core_deadline(const struct io_core *core, uint64_t *at_ms)
{
    if (core->timers == NULL)
        return false;
    *at_ms = core->timers->at_ms;
    return true;
}

void io_core_fire_timers(struct io_core *core)
{
    uint64_t last = core->timer_order;
    struct io_timer *timer;
    while ((timer = core->timers) != NULL && timer->at_ms <= core->now_ms && timer->order <= last) {
        io_timer_stop(timer);
        timer->fire(timer->arg);
    }
}
