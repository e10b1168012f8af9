/* Standard input, a terminal and a control socket, as commands use them. */
#include "io/io.h"
#include "io/real/ask.h"
#include "io/real/console.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONG_MS = 60 * 1000 };

/* ---- Standard input ---- */

static int saved_input;

static int save_input(void **state)
{
    (void)state;
    saved_input = dup(STDIN_FILENO);
    return 0;
}

static int restore_input(void **state)
{
    (void)state;
    dup2(saved_input, STDIN_FILENO);
    close(saved_input);
    return 0;
}

static void give(const char *bytes, size_t len)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, len), len);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
}

static void all_of_the_input_is_read(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    give("some\0bytes\n", 11);
    assert_int_equal(io_console_read(11, &text, &len), 0);
    assert_int_equal(len, 11);
    assert_memory_equal(text, "some\0bytes\n", 12);
    free(text);
}

static void an_empty_input_is_an_empty_text(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 1;
    give("", 0);
    assert_int_equal(io_console_read(10, &text, &len), 0);
    assert_int_equal(len, 0);
    assert_string_equal(text, "");
    free(text);
}

static void an_input_longer_than_allowed_is_refused(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    give("12345678901", 11);
    assert_int_equal(io_console_read(10, &text, &len), IO_E_TOO_LARGE);
    assert_null(text);
}

static void an_input_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    int directory = open("/", O_RDONLY | O_DIRECTORY);
    dup2(directory, STDIN_FILENO);
    close(directory);
    assert_int_equal(io_console_read(10, &text, &len), IO_E_OTHER);
    assert_null(text);
}

/* ---- A terminal ---- */

static int keyboard; /* the other end of standard input */

static void open_terminal(void)
{
    keyboard = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(keyboard >= 0);
    assert_int_equal(grantpt(keyboard), 0);
    assert_int_equal(unlockpt(keyboard), 0);
    int terminal = open(ptsname(keyboard), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    dup2(terminal, STDIN_FILENO);
    close(terminal);
}

static bool has_lines_and_echo(void)
{
    struct termios now;
    assert_int_equal(tcgetattr(STDIN_FILENO, &now), 0);
    return (now.c_lflag & ICANON) != 0 && (now.c_lflag & ECHO) != 0;
}

static void keys_come_at_once_and_the_terminal_is_as_before(void **state)
{
    (void)state;
    char key = 0;
    open_terminal();
    assert_true(has_lines_and_echo());
    io_console_begin();
    assert_false(has_lines_and_echo());
    assert_int_equal(write(keyboard, "x", 1), 1);
    assert_int_equal(io_console_wait(LONG_MS, &key), IO_CONSOLE_KEY);
    assert_int_equal(key, 'x');
    assert_int_equal(io_console_wait(1, &key), IO_CONSOLE_TIME);
    io_console_end();
    assert_true(has_lines_and_echo());
    close(keyboard);
}

static void a_terminal_that_goes_ends_the_wait(void **state)
{
    (void)state;
    char key = 0;
    open_terminal();
    io_console_begin();
    close(keyboard);
    assert_int_equal(io_console_wait(LONG_MS, &key), IO_CONSOLE_STOP);
    io_console_end();
}

static void a_signal_ends_this_and_every_later_wait(void **state)
{
    (void)state;
    char key = 0;
    open_terminal();
    io_console_begin();
    raise(SIGTERM);
    assert_int_equal(io_console_wait(LONG_MS, &key), IO_CONSOLE_STOP);
    assert_int_equal(io_console_wait(LONG_MS, &key), IO_CONSOLE_STOP);
    io_console_end();
    close(keyboard);
}

static void *interrupt(void *arg)
{
    pthread_kill(*(pthread_t *)arg, SIGINT);
    return NULL;
}

/* Whether it comes before or within the wait is chance; it must never be slept over. */
static void a_signal_around_the_start_of_a_wait_ends_it(void **state)
{
    (void)state;
    char key = 0;
    open_terminal();
    for (int i = 0; i < 200; i++) {
        pthread_t self = pthread_self();
        pthread_t other;
        io_console_begin();
        assert_int_equal(pthread_create(&other, NULL, interrupt, &self), 0);
        assert_int_equal(io_console_wait(LONG_MS, &key), IO_CONSOLE_STOP);
        pthread_join(other, NULL);
        io_console_end();
    }
    close(keyboard);
}

static void without_a_terminal_only_time_passes(void **state)
{
    (void)state;
    char key = 0;
    give("x", 1);
    io_console_begin();
    double before_s = io_console_clock_s();
    assert_int_equal(io_console_wait(20, &key), IO_CONSOLE_TIME);
    assert_true(io_console_clock_s() - before_s >= 0.019);
    io_console_end();
}

/* ---- A question to a control socket ---- */

struct answerer {
    pthread_t thread;
    int listener;
    const char *answer;
    char heard[64];
};

static char where[] = "/tmp/adit-ask-XXXXXX";
static char path[64];
static char why[256];

static void *answer_once(void *arg)
{
    struct answerer *answerer = arg;
    int fd = accept(answerer->listener, NULL, NULL);
    size_t len = 0;
    while (len < sizeof(answerer->heard) - 1 && memchr(answerer->heard, '\n', len) == NULL) {
        ssize_t got = read(fd, answerer->heard + len, sizeof(answerer->heard) - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    for (const char *at = answerer->answer; *at != '\0'; at++)
        send(fd, at, 1, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static char *ask_answerer(struct answerer *answerer, size_t max, size_t *len)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    strcpy(here.sun_path, path);
    answerer->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(answerer->listener, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(listen(answerer->listener, 1), 0);
    pthread_create(&answerer->thread, NULL, answer_once, answerer);
    char *line = io_ask(path, "what?\n", max, len, why, sizeof(why));
    pthread_join(answerer->thread, NULL);
    close(answerer->listener);
    unlink(path);
    return line;
}

static void a_question_gets_its_line(void **state)
{
    (void)state;
    size_t len = 0;
    struct answerer answerer = {.answer = "this\nand more"};
    char *line = ask_answerer(&answerer, 100, &len);
    assert_non_null(line);
    assert_int_equal(len, 4);
    assert_memory_equal(line, "this", 4);
    assert_string_equal(answerer.heard, "what?\n");
    free(line);
}

static void an_end_before_the_line_is_told(void **state)
{
    (void)state;
    size_t len = 0;
    struct answerer answerer = {.answer = "half"};
    assert_null(ask_answerer(&answerer, 100, &len));
    assert_string_equal(why, "it closed the connection without an answer");
}

static void a_line_longer_than_allowed_is_refused(void **state)
{
    (void)state;
    size_t len = 0;
    struct answerer answerer = {.answer = "12345678901\n"};
    assert_null(ask_answerer(&answerer, 10, &len));
    assert_string_equal(why, "the answer is too long");
}

static void nobody_there_is_told(void **state)
{
    (void)state;
    size_t len = 0;
    char too_long[200];
    assert_null(io_ask(path, "what?\n", 100, &len, why, sizeof(why)));
    assert_string_equal(why, "No such file or directory");
    memset(too_long, 'a', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    assert_null(io_ask(too_long, "what?\n", 100, &len, why, sizeof(why)));
    assert_non_null(strstr(why, "longer than the 107 characters"));
}

#define INPUT_TEST(name) cmocka_unit_test_setup_teardown(name, save_input, restore_input)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INPUT_TEST(all_of_the_input_is_read),
        INPUT_TEST(an_empty_input_is_an_empty_text),
        INPUT_TEST(an_input_longer_than_allowed_is_refused),
        INPUT_TEST(an_input_that_cannot_be_read_is_an_error),
        INPUT_TEST(keys_come_at_once_and_the_terminal_is_as_before),
        INPUT_TEST(a_terminal_that_goes_ends_the_wait),
        INPUT_TEST(a_signal_ends_this_and_every_later_wait),
        INPUT_TEST(a_signal_around_the_start_of_a_wait_ends_it),
        INPUT_TEST(without_a_terminal_only_time_passes),
        cmocka_unit_test(a_question_gets_its_line),
        cmocka_unit_test(an_end_before_the_line_is_told),
        cmocka_unit_test(a_line_longer_than_allowed_is_refused),
        cmocka_unit_test(nobody_there_is_told),
    };
    if (mkdtemp(where) == NULL)
        return 1;
    snprintf(path, sizeof(path), "%s/socket", where);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(where);
    return failed;
}
