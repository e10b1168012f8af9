/*
 * Log lines and their rate, on a clock that the test plays by hand.
 */
#include "io/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct io_loop {
    struct io_core core;
};

static struct io_loop loop;
static double wall_s;

enum { LINES_MAX = 64 };
static char lines[LINES_MAX][LOG_LINE_MAX + 1];
static size_t line_count;

double io_wall_s(const struct io_loop *on)
{
    (void)on;
    return wall_s;
}

void io_random(struct io_loop *on, void *buf, size_t len)
{
    (void)on;
    memset(buf, 0, len);
}

static void keep(void *arg, enum log_level level, const char *line, size_t len)
{
    (void)arg;
    (void)level;
    assert_true(line_count < LINES_MAX);
    assert_true(len <= LOG_LINE_MAX);
    assert_int_equal(strlen(line), len);
    memcpy(lines[line_count++], line, len + 1);
}

static int setup(void **state)
{
    (void)state;
    line_count = 0;
    wall_s = 1795267800.125; /* 2026-11-21 13:30:00 UTC */
    return io_core_init(&loop.core, keep, NULL, LOG_INFO) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    io_core_clear(&loop.core);
    return 0;
}

static void pass_ms(uint64_t ms)
{
    io_core_set_now(&loop.core, loop.core.now_ms + ms);
    io_core_fire_timers(&loop.core);
}

static void a_line_has_time_level_class_and_text(void **state)
{
    (void)state;
    log_event(&loop, LOG_WARN, "peer-refused", "expired token peer=%s", "a.example");
    assert_int_equal(line_count, 1);
    assert_string_equal(
        lines[0], "2026-11-21T13:30:00.125Z warn peer-refused: expired token peer=a.example\n");
}

static void a_level_above_the_limit_is_not_written_and_not_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        log_event(&loop, LOG_DEBUG, "noise", "x");
    pass_ms(1000);
    assert_int_equal(line_count, 0);
    log_event(&loop, LOG_INFO, "noise", "y");
    assert_int_equal(line_count, 1);
}

static void control_characters_are_replaced(void **state)
{
    (void)state;
    log_event(&loop, LOG_INFO, "c", "a\nb\x1b[31mc\x9b d\x7f");
    assert_non_null(strstr(lines[0], " c: a?b?[31mc? d?\n"));
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    static char text[4000];
    memset(text, 'x', sizeof(text) - 1);
    log_event(&loop, LOG_INFO, "c", "%s", text);
    size_t len = strlen(lines[0]);
    assert_int_equal(len, LOG_LINE_MAX - 1);
    assert_string_equal(lines[0] + len - 5, "x...\n");
}

static void a_class_logs_ten_lines_a_second_and_tells_how_many_it_kept_back(void **state)
{
    (void)state;
    for (int i = 0; i < 25; i++)
        log_event(&loop, LOG_WARN, "flood", "n=%d", i);
    assert_int_equal(line_count, LOG_PER_CLASS_PER_S);
    log_event(&loop, LOG_INFO, "other", "is not held up");
    assert_int_equal(line_count, 11);
    pass_ms(999);
    assert_int_equal(line_count, 11);
    pass_ms(1);
    assert_int_equal(line_count, 12);
    assert_non_null(strstr(lines[11], " warn flood: suppressed=15\n"));
    pass_ms(5000);
    assert_int_equal(line_count, 12);
}

static void overload_logs_one_line_a_second(void **state)
{
    (void)state;
    for (int i = 0; i < 25; i++)
        log_overload(&loop, LOG_WARN, "early-limit", "n=%d", i);
    assert_int_equal(line_count, 1);
    pass_ms(1000);
    assert_int_equal(line_count, 2);
    assert_non_null(strstr(lines[1], " warn early-limit: suppressed=24\n"));
    log_overload(&loop, LOG_WARN, "early-limit", "again");
    assert_int_equal(line_count, 3);
}

static void what_was_kept_back_is_told_before_the_next_line(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++)
        log_event(&loop, LOG_INFO, "flood", "n=%d", i);
    /* The clock has moved on, timers have not fired yet. */
    io_core_set_now(&loop.core, loop.core.now_ms + 1500);
    log_event(&loop, LOG_INFO, "flood", "again");
    assert_int_equal(line_count, 12);
    assert_non_null(strstr(lines[10], "suppressed=2\n"));
    assert_non_null(strstr(lines[11], "again\n"));
    pass_ms(2000);
    assert_int_equal(line_count, 12);
}

static void classes_of_different_seconds_are_each_told_in_time(void **state)
{
    (void)state;
    for (int i = 0; i < 11; i++)
        log_event(&loop, LOG_INFO, "first", "x");
    pass_ms(400);
    for (int i = 0; i < 11; i++)
        log_event(&loop, LOG_INFO, "second", "x");
    size_t before = line_count;
    pass_ms(600);
    assert_int_equal(line_count, before + 1);
    assert_non_null(strstr(lines[before], "first: suppressed=1\n"));
    pass_ms(400);
    assert_int_equal(line_count, before + 2);
    assert_non_null(strstr(lines[before + 1], "second: suppressed=1\n"));
}

static void more_classes_than_places_share_the_last_one(void **state)
{
    (void)state;
    static char names[LOG_CLASSES_MAX + 20][16];
    for (int i = 0; i < LOG_CLASSES_MAX + 20; i++) {
        snprintf(names[i], sizeof(names[i]), "class-%d", i);
        line_count = 0;
        log_event(&loop, LOG_INFO, names[i], "x");
    }
    assert_int_equal(loop.core.log.class_count, LOG_CLASSES_MAX);
    assert_int_equal(loop.core.log.classes[LOG_CLASSES_MAX - 1].suppressed, 11);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_time_level_class_and_text),
        TEST(a_level_above_the_limit_is_not_written_and_not_counted),
        TEST(control_characters_are_replaced),
        TEST(a_long_line_is_cut),
        TEST(a_class_logs_ten_lines_a_second_and_tells_how_many_it_kept_back),
        TEST(overload_logs_one_line_a_second),
        TEST(what_was_kept_back_is_told_before_the_next_line),
        TEST(classes_of_different_seconds_are_each_told_in_time),
        TEST(more_classes_than_places_share_the_last_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
