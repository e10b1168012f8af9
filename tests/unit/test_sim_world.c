/*
 * The simulated world: its queue, its seed, loops with timers, messages, tasks and helpers, names,
 * processes that end and are killed.
 */
#include "sim_fixture.h"

/* ---- The seed ---- */

static uint64_t rough_run(uint64_t seed)
{
    static const char bytes[100000];
    struct pair other;
    pair_open(&other, seed);
    struct sim_weather weather = {.split = 3000,
                                  .short_read = 3000,
                                  .short_write = 3000,
                                  .spurious = 1000,
                                  .delay = 100,
                                  .slow_loop = 100};
    sim_set_weather(other.world, &weather);
    pair_connect(&other);
    side_send(&other, &other.near, bytes, sizeof bytes);
    side_close(&other, &other.near);
    pair_run_ms(&other, 60000);
    assert_int_equal(other.far.received, sizeof bytes);
    assert_true(sim_faults(other.world, SIM_SPLIT) > 0);
    side_close(&other, &other.far);
    uint64_t hash = sim_hash(other.world);
    pair_close(&other);
    return hash;
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    assert_int_equal(rough_run(7), rough_run(7));
}

static void another_seed_gives_another_run(void **state)
{
    (void)state;
    assert_int_not_equal(rough_run(7), rough_run(8));
}

/* ---- Events ---- */

struct marks {
    char order[16];
    size_t count;
};

struct mark {
    struct marks *marks;
    char letter;
    struct sim_event event;
};

static void put(void *arg)
{
    struct mark *mark = arg;
    mark->marks->order[mark->marks->count++] = mark->letter;
}

static void events_come_in_the_order_of_time_then_of_setting(void **state)
{
    (void)state;
    struct marks marks = {0};
    struct mark all[5];
    static const uint64_t delays[] = {300, 100, 200, 100, 100};
    for (int i = 0; i < 5; i++) {
        all[i] = (struct mark){.marks = &marks, .letter = (char)('a' + i)};
        sim_event_init(&all[i].event, pair.world, put, &all[i]);
        sim_event_in(&all[i].event, delays[i]);
    }
    sim_event_cancel(&all[3].event);
    pair_run_ms(&pair, 1);
    assert_string_equal(marks.order, "beca");
}

static void refuse_all(void *arg)
{
    sim_fail(arg, "no event is good enough");
}

static void a_failed_check_stops_the_run(void **state)
{
    (void)state;
    struct sim_world *world = sim_world_new(3);
    struct marks marks = {0};
    struct mark mark = {.marks = &marks, .letter = 'a'};
    struct mark later = {.marks = &marks, .letter = 'b'};
    sim_event_init(&mark.event, world, put, &mark);
    sim_event_init(&later.event, world, put, &later);
    sim_event_in(&mark.event, 1);
    sim_event_in(&later.event, 2);
    sim_set_check(world, refuse_all, world);
    assert_false(sim_run(world, UINT64_MAX, NULL, NULL));
    assert_string_equal(marks.order, "a");
    assert_string_equal(sim_failure(world), "no event is good enough");
    sim_event_cancel(&later.event);
    sim_world_free(world);
}

/* ---- Loops ---- */

static struct marks told;

static void tell_a(void *arg)
{
    (void)arg;
    told.order[told.count++] = 'a';
}

static void tell_b(void *arg)
{
    (void)arg;
    told.order[told.count++] = 'b';
}

static void post_c(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    told.order[told.count++] = 'c';
}

static void post_d(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    told.order[told.count++] = 'd';
}

static void arm(struct io_loop *loop, void *arg)
{
    struct io_timer *timers = arg;
    io_timer_init(&timers[0], loop, tell_a, NULL);
    io_timer_init(&timers[1], loop, tell_b, NULL);
    io_timer_set_in(&timers[0], 2000);
    io_timer_set_in(&timers[1], 1000);
}

static void timers_fire_at_their_time_in_order(void **state)
{
    (void)state;
    struct io_timer timers[2];
    told = (struct marks){0};
    pair_on(&pair, 0, arm, timers);
    pair_run_ms(&pair, 990);
    assert_int_equal(told.count, 0);
    pair_run_ms(&pair, 20);
    assert_string_equal(told.order, "b");
    pair_run_ms(&pair, 1000);
    assert_string_equal(told.order, "ba");
}

static void post_two(struct io_loop *loop, void *arg)
{
    assert_int_equal(io_post(arg, post_c, NULL), 0);
    assert_int_equal(io_post(arg, post_d, NULL), 0);
    assert_int_equal(told.count, 0); /* never from inside a call */
    (void)loop;
}

static void messages_come_in_order_and_later(void **state)
{
    (void)state;
    told = (struct marks){0};
    pair_on(&pair, 0, post_two, pair.loops[0]);
    pair_run_ms(&pair, 1);
    assert_string_equal(told.order, "cd");
}

static struct io_message embedded[2] = {{.fn = post_c}, {.fn = post_d}};

static void post_embedded(struct io_loop *loop, void *arg)
{
    io_post_message(arg, &embedded[0]);
    io_post_message(arg, &embedded[1]);
    assert_int_equal(told.count, 0);
    (void)loop;
}

static void embedded_messages_come_in_order_and_can_be_posted_again(void **state)
{
    (void)state;
    told = (struct marks){0};
    pair_on(&pair, 0, post_embedded, pair.loops[0]);
    pair_run_ms(&pair, 1);
    assert_string_equal(told.order, "cd");
    told = (struct marks){0};
    pair_on(&pair, 0, post_embedded, pair.loops[0]);
    pair_run_ms(&pair, 1);
    assert_string_equal(told.order, "cd");
}

struct worker {
    struct io_loop *loop;
    unsigned calls;
};

static void begin(struct io_loop *loop, void *arg)
{
    struct worker *worker = arg;
    worker->loop = loop;
    worker->calls++;
}

static void count_call(struct io_loop *loop, void *arg)
{
    struct worker *worker = arg;
    assert_ptr_equal(loop, worker->loop);
    worker->calls++;
}

static void start_worker(struct io_loop *loop, void *arg)
{
    int error = 0;
    assert_non_null(io_worker_start(loop, "worker", begin, arg, &error));
}

static void join_worker(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct worker *worker = arg;
    assert_int_equal(io_post(worker->loop, count_call, worker), 0);
    io_worker_join(worker->loop);
    assert_int_equal(worker->calls, 2);
}

static void a_worker_has_done_what_was_posted_before_it_is_joined(void **state)
{
    (void)state;
    struct worker worker = {0};
    pair_on(&pair, 0, start_worker, &worker);
    pair_run_ms(&pair, 1);
    assert_int_equal(worker.calls, 1);
    pair_on(&pair, 0, join_worker, &worker);
}

struct job {
    bool worked;
    bool done;
};

static void work(void *arg)
{
    struct job *job = arg;
    assert_false(job->done);
    job->worked = true;
}

static void done(struct io_loop *loop, void *arg)
{
    struct job *job = arg;
    assert_ptr_equal(loop, pair.loops[0]);
    assert_true(job->worked);
    job->done = true;
}

static void submit(struct io_loop *loop, void *arg)
{
    struct job *job = arg;
    assert_int_equal(io_submit(loop, work, done, job), 0);
    assert_false(job->worked);
}

static void blocking_work_is_done_later_then_told(void **state)
{
    (void)state;
    struct job job = {0};
    pair_on(&pair, 0, submit, &job);
    pair_run_ms(&pair, 10);
    assert_true(job.done);
}

static void submit_too_much(struct io_loop *loop, void *arg)
{
    struct job *job = arg;
    for (int i = 0; i < IO_SUBMIT_MAX; i++)
        assert_int_equal(io_submit(loop, work, done, &job[i]), 0);
    assert_int_equal(io_submit(loop, work, done, &job[0]), IO_E_FULL);
}

static void too_much_blocking_work_is_refused(void **state)
{
    (void)state;
    struct job *jobs = calloc(IO_SUBMIT_MAX, sizeof *jobs);
    pair_on(&pair, 0, submit_too_much, jobs);
    pair_run_ms(&pair, 100);
    for (int i = 0; i < IO_SUBMIT_MAX; i++)
        assert_true(jobs[i].done);
    free(jobs);
}

static void post_twice(struct io_loop *loop, void *arg)
{
    io_post_message(loop, arg);
    io_post_message(loop, arg);
}

static void a_message_that_is_posted_twice_at_a_time_is_a_failure(void **state)
{
    (void)state;
    struct io_message message = {.fn = post_c};
    struct sim_world *world = sim_world_new(1);
    struct sim_host *host = sim_host_new(world, "twice", "192.0.2.1");
    struct sim_process *process = sim_host_start(host, post_twice, &message);
    assert_false(sim_run(world, sim_now_us(world) + SIM_SECOND_US, NULL, NULL));
    assert_non_null(sim_failure(world));
    assert_non_null(strstr(sim_failure(world), "posted again"));
    sim_process_end(process);
    sim_world_free(world);
}

static void spin(void *arg)
{
    io_timer_set_in(arg, 0);
}

static void arm_spin(struct io_loop *loop, void *arg)
{
    io_timer_init(arg, loop, spin, arg);
    io_timer_set_in(arg, 0);
}

static void a_loop_that_is_busy_with_nothing_is_a_failure(void **state)
{
    (void)state;
    struct io_timer timer;
    struct sim_world *world = sim_world_new(1);
    struct sim_host *host = sim_host_new(world, "busy", "192.0.2.1");
    struct sim_process *process = sim_host_start(host, arm_spin, &timer);
    assert_false(sim_run(world, sim_now_us(world) + 2 * SIM_SECOND_US, NULL, NULL));
    assert_non_null(sim_failure(world));
    assert_non_null(strstr(sim_failure(world), "busy"));
    sim_process_end(process);
    sim_world_free(world);
}

/* ---- Names ---- */

struct question {
    struct io_lookup *lookup;
    int error;
    size_t count;
    struct addr first;
    bool answered;
};

static void answer(void *arg, int error, const struct addr *addrs, size_t count)
{
    struct question *question = arg;
    question->answered = true;
    question->error = error;
    question->count = count;
    if (count > 0)
        question->first = addrs[0];
}

static void ask_name(struct io_loop *loop, void *arg)
{
    struct question *question = arg;
    question->lookup = io_lookup(loop, "example.net", 443, answer, question);
    assert_false(question->answered);
}

static void ask_literal(struct io_loop *loop, void *arg)
{
    struct question *question = arg;
    question->lookup = io_lookup(loop, "2001:db8::1", 443, answer, question);
}

static void names_are_looked_up_in_the_table(void **state)
{
    (void)state;
    static const char *const addresses[] = {"192.0.2.9", "2001:db8::9"};
    struct question question = {0};
    pair_on(&pair, 0, ask_name, &question);
    pair_run_ms(&pair, 10);
    assert_int_equal(question.error, IO_E_NOT_FOUND);
    sim_name_set(pair.world, "Example.net", addresses, 2);
    question = (struct question){0};
    pair_on(&pair, 0, ask_name, &question);
    pair_run_ms(&pair, 10);
    assert_int_equal(question.error, 0);
    assert_int_equal(question.count, 2);
    char text[ADDR_TEXT_MAX];
    addr_format(&question.first, text);
    assert_string_equal(text, "192.0.2.9:443");
}

static void literal_addresses_need_no_table(void **state)
{
    (void)state;
    struct question question = {0};
    pair_on(&pair, 0, ask_literal, &question);
    pair_run_ms(&pair, 10);
    assert_true(question.answered);
    assert_int_equal(question.count, 1);
    assert_int_equal(question.first.ip.family, 6);
}

static void forget(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct question *question = arg;
    io_lookup_cancel(question->lookup);
}

static void a_cancelled_lookup_is_not_answered(void **state)
{
    (void)state;
    struct question question = {0};
    struct sim_weather slow = {.slow_helper = 10000};
    sim_set_weather(pair.world, &slow);
    pair_on(&pair, 0, ask_name, &question);
    pair_on(&pair, 0, forget, &question);
    pair_run_ms(&pair, 10000);
    assert_false(question.answered);
}

/* ---- Processes ---- */

static void note_call(struct io_loop *loop, void *arg)
{
    (void)loop;
    ++*(unsigned *)arg;
}

static void a_call_that_is_waited_for_has_returned(void **state)
{
    (void)state;
    unsigned calls = 0;
    assert_true(sim_process_call_wait(pair.processes[0], note_call, &calls));
    assert_int_equal(calls, 1);
    pair_run_ms(&pair, 5000);
    assert_int_equal(calls, 1);
}

static void a_process_that_hangs_is_waited_for_a_second_and_not_called_later(void **state)
{
    (void)state;
    unsigned calls = 0;
    uint64_t from_us = sim_now_us(pair.world);
    sim_process_hang(pair.processes[0], 3 * SIM_SECOND_US);
    assert_false(sim_process_call_wait(pair.processes[0], note_call, &calls));
    assert_int_equal(sim_now_us(pair.world), from_us + SIM_SECOND_US);
    pair_run_ms(&pair, 5000);
    assert_int_equal(calls, 0);
    assert_true(sim_process_call_wait(pair.processes[0], note_call, &calls));
}

static void the_wall_clock_can_jump_the_other_clock_not(void **state)
{
    (void)state;
    double wall_s = io_wall_s(pair.loops[0]);
    uint64_t now_ms = io_now_ms(pair.loops[0]);
    sim_host_jump_wall(pair.hosts[0], -3600);
    assert_true(io_wall_s(pair.loops[0]) < wall_s - 3000);
    assert_true(io_now_ms(pair.loops[0]) >= now_ms);
    assert_true(io_wall_s(pair.loops[1]) > wall_s - 1);
}

static void leave_timer(struct io_loop *loop, void *arg)
{
    io_timer_init(arg, loop, tell_a, NULL);
    io_timer_set_in(arg, 1000);
}

static void what_is_left_on_a_loop_is_told(void **state)
{
    (void)state;
    char why[256];
    struct io_timer timer;
    assert_int_equal(sim_process_leaks(pair.processes[0], why, sizeof why), 0);
    pair_on(&pair, 0, leave_timer, &timer);
    assert_int_equal(sim_process_leaks(pair.processes[0], why, sizeof why), 1);
    assert_non_null(strstr(why, "timers=1"));
    pair_run_ms(&pair, 2000);
    assert_int_equal(sim_process_leaks(pair.processes[0], why, sizeof why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_seed_gives_the_same_run, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(another_seed_gives_another_run, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(events_come_in_the_order_of_time_then_of_setting,
                                        pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(a_failed_check_stops_the_run, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(timers_fire_at_their_time_in_order, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(messages_come_in_order_and_later, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(embedded_messages_come_in_order_and_can_be_posted_again,
                                        pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(a_message_that_is_posted_twice_at_a_time_is_a_failure,
                                        pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(a_worker_has_done_what_was_posted_before_it_is_joined,
                                        pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(blocking_work_is_done_later_then_told, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(too_much_blocking_work_is_refused, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(a_loop_that_is_busy_with_nothing_is_a_failure, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(names_are_looked_up_in_the_table, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(literal_addresses_need_no_table, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_lookup_is_not_answered, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(a_call_that_is_waited_for_has_returned, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(
            a_process_that_hangs_is_waited_for_a_second_and_not_called_later, pair_setup,
            pair_teardown),
        cmocka_unit_test_setup_teardown(the_wall_clock_can_jump_the_other_clock_not, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(what_is_left_on_a_loop_is_told, pair_setup, pair_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
