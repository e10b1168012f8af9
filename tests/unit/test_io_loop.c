#include "io_world.h"

#include "io/core.h"
#include "io/real/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static struct world *world;

static int setup(void **state)
{
    world_setup(state);
    world = *state;
    return 0;
}

static bool is_true(const void *arg)
{
    return *(const bool *)arg;
}

/* ---- Timers ---- */

enum { TIMERS = 1000 };

struct alarm {
    struct io_timer timer;
    struct alarm *other;
    unsigned fired;
    uint64_t fired_at_ms;
    unsigned place; /* in the order of firing */
};

static unsigned fired_so_far;

static void ring(void *arg)
{
    struct alarm *alarm = arg;
    alarm->fired++;
    alarm->fired_at_ms = io_now_ms(world->loop);
    alarm->place = fired_so_far++;
}

static void alarm_init(struct alarm *alarm, void (*fire)(void *arg))
{
    *alarm = (struct alarm){0};
    io_timer_init(&alarm->timer, world->loop, fire, alarm);
}

static bool has_rung(const void *arg)
{
    return ((const struct alarm *)arg)->fired > 0;
}

static void a_timer_fires_once_and_not_before_its_time(void **state)
{
    (void)state;
    struct alarm alarm;
    alarm_init(&alarm, ring);
    uint64_t start_ms = io_now_ms(world->loop);
    io_timer_set_in(&alarm.timer, 30);
    assert_true(io_timer_armed(&alarm.timer));
    world_run(world, has_rung, &alarm);
    assert_true(alarm.fired_at_ms >= start_ms + 30);
    assert_false(io_timer_armed(&alarm.timer));
    struct alarm later;
    alarm_init(&later, ring);
    io_timer_set_in(&later.timer, 30);
    world_run(world, has_rung, &later);
    assert_int_equal(alarm.fired, 1);
}

/* Against a plain sort, with stops and moves in between. */
static void timers_fire_in_order_of_time_and_then_of_arming(void **state)
{
    (void)state;
    struct io_core *core = &world->loop->core;
    static struct alarm alarms[TIMERS];
    uint64_t base_ms = io_now_ms(world->loop);
    fired_so_far = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        alarm_init(&alarms[i], ring);
        io_timer_set(&alarms[i].timer, base_ms + 1 + io_random_below(world->loop, 50));
    }
    for (size_t i = 0; i < TIMERS; i += 3)
        io_timer_set(&alarms[i].timer, base_ms + 1 + io_random_below(world->loop, 50));
    for (size_t i = 0; i < TIMERS; i += 7)
        io_timer_stop(&alarms[i].timer);
    io_core_set_now(core, base_ms + 100);
    io_core_fire_timers(core);
    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(alarms[i].fired, i % 7 == 0 ? 0 : 1);
        for (size_t j = 0; j < i; j++) {
            if (i % 7 == 0 || j % 7 == 0)
                continue;
            const struct io_timer *a = &alarms[i].timer;
            const struct io_timer *b = &alarms[j].timer;
            bool first = a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
            assert_int_equal(alarms[i].place < alarms[j].place, first);
        }
    }
    uint64_t at_ms;
    assert_false(io_core_deadline(core, &at_ms));
}

static void ring_again(void *arg)
{
    struct alarm *alarm = arg;
    ring(alarm);
    io_timer_set(&alarm->timer, 0);
}

static void a_timer_set_to_the_past_in_its_own_callback_waits_for_the_next_round(void **state)
{
    (void)state;
    struct alarm alarm;
    alarm_init(&alarm, ring_again);
    io_timer_set(&alarm.timer, 0);
    loop_round(world->loop);
    assert_int_equal(alarm.fired, 1);
    loop_round(world->loop);
    assert_int_equal(alarm.fired, 2);
    io_timer_stop(&alarm.timer);
}

static void a_timer_set_to_the_past_again_and_again_lets_others_fire(void **state)
{
    (void)state;
    struct alarm eager;
    struct alarm patient;
    alarm_init(&eager, ring_again);
    alarm_init(&patient, ring);
    io_timer_set(&eager.timer, 0);
    io_timer_set_in(&patient.timer, 0);
    loop_round(world->loop);
    assert_int_equal(eager.fired, 1);
    assert_int_equal(patient.fired, 1);
    io_timer_stop(&eager.timer);
}

static void ring_and_stop_other(void *arg)
{
    struct alarm *alarm = arg;
    ring(alarm);
    io_timer_stop(&alarm->other->timer);
}

static void a_callback_may_stop_a_timer_that_is_due(void **state)
{
    (void)state;
    struct alarm first;
    struct alarm second;
    alarm_init(&first, ring_and_stop_other);
    alarm_init(&second, ring);
    first.other = &second;
    io_timer_set(&first.timer, 0);
    io_timer_set(&second.timer, 0);
    loop_round(world->loop);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
}

static void expect_nothing(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void an_earlier_timer_shortens_a_wait(void **state)
{
    (void)state;
    struct alarm late;
    struct alarm early;
    alarm_init(&late, ring);
    alarm_init(&early, ring);
    io_timer_set_in(&late.timer, 3600 * 1000);
    /* A round that waits sets the kernel's timer to the late one. */
    io_post(world->loop, expect_nothing, NULL);
    loop_round(world->loop);
    assert_int_equal(world->loop->timer_at_ms, late.timer.at_ms);
    io_timer_set_in(&early.timer, 10);
    world_run(world, has_rung, &early);
    assert_int_equal(late.fired, 0);
    io_timer_stop(&late.timer);
}

static void a_timer_that_never_comes_can_be_armed(void **state)
{
    (void)state;
    struct alarm never;
    struct alarm soon;
    alarm_init(&never, ring);
    alarm_init(&soon, ring);
    io_timer_set_in(&never.timer, UINT64_MAX);
    io_timer_set_in(&soon.timer, 5);
    world_run(world, has_rung, &soon);
    assert_int_equal(never.fired, 0);
    io_timer_stop(&never.timer);
}

/* ---- Tasks ---- */

struct chore {
    struct io_task task;
    struct chore *other;
    unsigned runs;
};

static void run_chore(void *arg)
{
    struct chore *chore = arg;
    chore->runs++;
}

static void run_and_queue(void *arg)
{
    struct chore *chore = arg;
    chore->runs++;
    io_task_queue(&chore->task);
}

static void run_and_cancel_other(void *arg)
{
    struct chore *chore = arg;
    chore->runs++;
    io_task_cancel(&chore->other->task);
}

static void chore_init(struct chore *chore, void (*run)(void *arg))
{
    *chore = (struct chore){0};
    io_task_init(&chore->task, world->loop, run, chore);
}

static void a_task_runs_once_however_often_it_is_queued(void **state)
{
    (void)state;
    struct chore chore;
    chore_init(&chore, run_chore);
    io_task_queue(&chore.task);
    io_task_queue(&chore.task);
    loop_round(world->loop);
    assert_int_equal(chore.runs, 1);
}

static void a_task_that_queues_itself_lets_the_round_end(void **state)
{
    (void)state;
    struct chore chore;
    chore_init(&chore, run_and_queue);
    io_task_queue(&chore.task);
    loop_round(world->loop);
    assert_int_equal(chore.runs, 1);
    loop_round(world->loop);
    assert_int_equal(chore.runs, 2);
    io_task_cancel(&chore.task);
}

/* First, middle and last of the queue, before and while it runs; then it is still in order. */
static void tasks_can_be_cancelled_anywhere(void **state)
{
    (void)state;
    struct chore chores[5];
    for (size_t i = 0; i < 5; i++)
        chore_init(&chores[i], run_chore);
    chore_init(&chores[1], run_and_cancel_other);
    chores[1].other = &chores[3];
    for (size_t i = 0; i < 5; i++)
        io_task_queue(&chores[i].task);
    io_task_cancel(&chores[0].task);
    io_task_cancel(&chores[4].task);
    io_task_cancel(&chores[4].task);
    io_task_queue(&chores[0].task);
    loop_round(world->loop);
    const unsigned runs[5] = {1, 1, 1, 0, 0};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(chores[i].runs, runs[i]);
    io_task_queue(&chores[4].task);
    loop_round(world->loop);
    assert_int_equal(chores[4].runs, 1);
}

/* ---- Posts ---- */

enum { POSTERS = 4, POSTS = 5000 };

struct poster {
    pthread_t thread;
    unsigned posted;
    unsigned received;
};

static unsigned posts_received;

static void receive_post(struct io_loop *loop, void *arg)
{
    assert_ptr_equal(loop, world->loop);
    struct poster *poster = arg;
    poster->received++;
    posts_received++;
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS; i++)
        if (io_post(world->loop, receive_post, poster) == 0)
            poster->posted++;
    return NULL;
}

static bool all_posts_came(const void *arg)
{
    (void)arg;
    return posts_received == POSTERS * POSTS;
}

static void posts_of_many_threads_all_arrive(void **state)
{
    (void)state;
    struct poster posters[POSTERS] = {0};
    posts_received = 0;
    for (size_t i = 0; i < POSTERS; i++)
        pthread_create(&posters[i].thread, NULL, post_many, &posters[i]);
    world_run(world, all_posts_came, NULL);
    for (size_t i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(posters[i].received, POSTS);
    }
}

static unsigned next_number;

static void expect_number(struct io_loop *loop, void *arg)
{
    (void)loop;
    assert_int_equal((uintptr_t)arg, next_number);
    next_number++;
}

static void posts_arrive_in_order(void **state)
{
    (void)state;
    next_number = 0;
    for (uintptr_t i = 0; i < 1000; i++)
        io_post(world->loop, expect_number, (void *)i);
    loop_round(world->loop);
    assert_int_equal(next_number, 1000);
}

static void messages_arrive_in_order_with_posts(void **state)
{
    (void)state;
    struct io_message messages[500] = {0};
    next_number = 0;
    for (uintptr_t i = 0; i < 1000; i += 2) {
        messages[i / 2] = (struct io_message){.fn = expect_number, .arg = (void *)i};
        io_post_message(world->loop, &messages[i / 2]);
        io_post(world->loop, expect_number, (void *)(i + 1));
    }
    loop_round(world->loop);
    assert_int_equal(next_number, 1000);
}

struct again {
    struct io_message message;
    unsigned left;
};

static void post_again(struct io_loop *loop, void *arg)
{
    struct again *again = arg;
    assert_null(again->message.next);
    if (--again->left > 0)
        io_post_message(loop, &again->message);
}

static bool none_left(const void *arg)
{
    return ((const struct again *)arg)->left == 0;
}

static void a_message_can_be_posted_again_from_its_own_call(void **state)
{
    (void)state;
    struct again again = {.message = {.fn = post_again, .arg = &again}, .left = 3};
    io_post_message(world->loop, &again.message);
    loop_round(world->loop);
    assert_int_equal(again.left, 2);
    world_run(world, none_left, &again);
}

static void free_it(struct io_loop *loop, void *arg)
{
    (void)loop;
    free(arg);
}

static void a_message_may_be_freed_in_its_own_call(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct io_message *message = calloc(1, sizeof(*message));
        *message = (struct io_message){.fn = free_it, .arg = message};
        io_post_message(world->loop, message);
    }
    loop_round(world->loop);
}

/* ---- Workers ---- */

struct pingpong {
    struct io_loop *worker;
    unsigned left;
    bool done;
};

static void ping(struct io_loop *loop, void *arg);

static void pong(struct io_loop *loop, void *arg)
{
    struct pingpong *game = arg;
    assert_ptr_equal(loop, world->loop);
    if (game->left == 0)
        game->done = true;
    else
        io_post(game->worker, ping, game);
}

static void ping(struct io_loop *loop, void *arg)
{
    struct pingpong *game = arg;
    assert_ptr_not_equal(loop, world->loop);
    game->left--;
    io_post(world->loop, pong, game);
}

static void worker_started(struct io_loop *loop, void *arg)
{
    io_post(world->loop, pong, arg);
    (void)loop;
}

static void a_worker_and_the_first_loop_talk(void **state)
{
    (void)state;
    struct pingpong game = {.left = 1000};
    int error;
    game.worker = io_worker_start(world->loop, "adit-test", worker_started, &game, &error);
    assert_non_null(game.worker);
    world_run(world, is_true, &game.done);
    io_worker_join(game.worker);
}

/* ---- Work that may block ---- */

struct work {
    pthread_mutex_t lock;
    atomic_uint worked;
    unsigned done;
};

static void work(void *arg)
{
    struct work *all = arg;
    pthread_mutex_lock(&all->lock);
    pthread_mutex_unlock(&all->lock);
    all->worked++;
}

static void work_done(struct io_loop *loop, void *arg)
{
    struct work *all = arg;
    assert_ptr_equal(loop, world->loop);
    all->done++;
}

static bool all_work_is_done(const void *arg)
{
    const struct work *all = arg;
    return all->done >= IO_SUBMIT_MAX;
}

static void too_much_work_is_refused_and_the_rest_is_done(void **state)
{
    (void)state;
    struct work all = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_mutex_lock(&all.lock);
    unsigned taken = 0;
    while (io_submit(world->loop, work, work_done, &all) == 0)
        taken++;
    /* Those that wait, and those that the helpers have begun. */
    assert_in_range(taken, IO_SUBMIT_MAX, IO_SUBMIT_MAX + IO_REAL_HELPERS);
    assert_int_equal(io_submit(world->loop, work, work_done, &all), IO_E_FULL);
    pthread_mutex_unlock(&all.lock);
    world_run(world, all_work_is_done, &all);
    while (world->loop->jobs > 0)
        loop_round(world->loop);
    assert_int_equal(all.worked, taken);
    assert_int_equal(all.done, taken);
}

static void stop_loop(void *arg)
{
    io_real_stop(arg);
}

static void run_waits_for_work_that_was_submitted(void **state)
{
    (void)state;
    struct work all = {.lock = PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i < 10; i++)
        assert_int_equal(io_submit(world->loop, work, work_done, &all), 0);
    struct io_task stop;
    io_task_init(&stop, world->loop, stop_loop, world->loop);
    io_task_queue(&stop);
    io_real_run(world->loop);
    assert_int_equal(all.done, 10);
}

static void a_loop_that_was_stopped_before_it_runs_ends_at_once(void **state)
{
    (void)state;
    io_real_stop(world->loop);
    io_real_run(world->loop);
    struct io_task stop;
    io_task_init(&stop, world->loop, stop_loop, world->loop);
    io_task_queue(&stop);
    io_real_run(world->loop);
    assert_null(stop.link);
}

/* ---- Names ---- */

struct answer {
    unsigned calls;
    int error;
    size_t count;
    struct addr first;
};

static void answered(void *arg, int error, const struct addr *addrs, size_t count)
{
    struct answer *answer = arg;
    answer->calls++;
    answer->error = error;
    answer->count = count;
    if (count > 0)
        answer->first = addrs[0];
}

static bool has_answer(const void *arg)
{
    return ((const struct answer *)arg)->calls > 0;
}

static void a_literal_address_is_answered_later_without_a_helper(void **state)
{
    (void)state;
    const char *const texts[] = {"192.0.2.7", "2001:db8::7"};
    for (size_t i = 0; i < 2; i++) {
        struct answer answer = {0};
        assert_non_null(io_lookup(world->loop, texts[i], 443, answered, &answer));
        assert_int_equal(answer.calls, 0);
        loop_round(world->loop);
        assert_int_equal(answer.calls, 1);
        assert_int_equal(answer.count, 1);
        struct adit_ip ip;
        assert_true(ip_parse(texts[i], &ip));
        assert_true(ip_equal(&ip, &answer.first.ip));
        assert_int_equal(answer.first.port, 443);
    }
}

static void localhost_is_looked_up(void **state)
{
    (void)state;
    struct answer answer = {0};
    io_lookup(world->loop, "localhost", 80, answered, &answer);
    world_run(world, has_answer, &answer);
    assert_int_equal(answer.error, 0);
    assert_true(answer.count >= 1);
    assert_int_equal(answer.first.port, 80);
}

static void a_name_that_cannot_be_is_an_error(void **state)
{
    (void)state;
    char long_name[HOST_TEXT_MAX + 10];
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    const char *const names[] = {"", "no such host", long_name};
    for (size_t i = 0; i < 3; i++) {
        struct answer answer = {0};
        io_lookup(world->loop, names[i], 80, answered, &answer);
        world_run(world, has_answer, &answer);
        assert_true(answer.error < 0);
        assert_int_equal(answer.count, 0);
    }
}

static void a_cancelled_lookup_does_not_answer(void **state)
{
    (void)state;
    struct answer cancelled = {0};
    struct answer last = {0};
    for (int i = 0; i < 20; i++)
        io_lookup_cancel(io_lookup(world->loop, "localhost", 80, answered, &cancelled));
    io_lookup_cancel(io_lookup(world->loop, "127.0.0.1", 80, answered, &cancelled));
    io_lookup(world->loop, "localhost", 80, answered, &last);
    world_run(world, has_answer, &last);
    assert_int_equal(cancelled.calls, 0);
}

static void look_up_and_forget(struct io_loop *loop, void *arg)
{
    for (int i = 0; i < 20; i++)
        io_lookup_cancel(io_lookup(loop, "localhost", 80, answered, arg));
}

static void a_loop_may_end_while_names_are_looked_up(void **state)
{
    (void)state;
    struct answer answer = {0};
    for (int i = 0; i < 20; i++) {
        int error;
        struct io_loop *worker =
            io_worker_start(world->loop, "adit-test", look_up_and_forget, &answer, &error);
        assert_non_null(worker);
        io_worker_join(worker);
    }
    assert_int_equal(answer.calls, 0);
}

/* ---- Clock, randomness, signals ---- */

static void small_random_numbers_are_even(void **state)
{
    (void)state;
    unsigned counts[3] = {0};
    for (int i = 0; i < 30000; i++)
        counts[io_random_below(world->loop, 3)]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(counts[i], 9500, 10500); /* over 6 standard deviations */
    assert_int_equal(io_random_below(world->loop, 1), 0);
    assert_int_equal(io_random_below(world->loop, 0), 0);
}

static void random_bytes_do_not_repeat(void **state)
{
    (void)state;
    static uint8_t blocks[3000][16];
    for (size_t i = 0; i < 3000; i++) {
        io_random(world->loop, blocks[i], 16);
        for (size_t j = i > 40 ? i - 40 : 0; j < i; j++)
            assert_memory_not_equal(blocks[i], blocks[j], 16);
    }
}

static void on_signal(void *arg)
{
    *(bool *)arg = true;
}

static void a_signal_comes_as_a_callback(void **state)
{
    (void)state;
    bool came = false;
    assert_int_equal(io_real_on_signal(world->loop, SIGUSR1, on_signal, &came), 0);
    kill(getpid(), SIGUSR1);
    world_run(world, is_true, &came);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_fires_once_and_not_before_its_time),
        TEST(timers_fire_in_order_of_time_and_then_of_arming),
        TEST(a_timer_set_to_the_past_in_its_own_callback_waits_for_the_next_round),
        TEST(a_timer_set_to_the_past_again_and_again_lets_others_fire),
        TEST(a_callback_may_stop_a_timer_that_is_due),
        TEST(an_earlier_timer_shortens_a_wait),
        TEST(a_timer_that_never_comes_can_be_armed),
        TEST(a_task_runs_once_however_often_it_is_queued),
        TEST(a_task_that_queues_itself_lets_the_round_end),
        TEST(tasks_can_be_cancelled_anywhere),
        TEST(posts_of_many_threads_all_arrive),
        TEST(posts_arrive_in_order),
        TEST(messages_arrive_in_order_with_posts),
        TEST(a_message_can_be_posted_again_from_its_own_call),
        TEST(a_message_may_be_freed_in_its_own_call),
        TEST(a_worker_and_the_first_loop_talk),
        TEST(too_much_work_is_refused_and_the_rest_is_done),
        TEST(run_waits_for_work_that_was_submitted),
        TEST(a_loop_that_was_stopped_before_it_runs_ends_at_once),
        TEST(a_literal_address_is_answered_later_without_a_helper),
        TEST(localhost_is_looked_up),
        TEST(a_name_that_cannot_be_is_an_error),
        TEST(a_cancelled_lookup_does_not_answer),
        TEST(a_loop_may_end_while_names_are_looked_up),
        TEST(small_random_numbers_are_even),
        TEST(random_bytes_do_not_repeat),
        TEST(a_signal_comes_as_a_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
