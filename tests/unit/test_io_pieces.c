/* Files, directories and pipes of io/file.h, on the kernel's own. */
#include "io/file.h"
#include "io_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/test-pieces-XXXXXX";
static char inside[64];
static struct io_dir *dir;

static int setup(void **state)
{
    (void)state;
    int error = 0;
    strcpy(top + strlen(top) - 6, "XXXXXX");
    assert_non_null(mkdtemp(top));
    snprintf(inside, sizeof(inside), "%s/in", top);
    assert_int_equal(mkdir(inside, 0700), 0);
    dir = io_dir_open(NULL, inside, &error);
    assert_non_null(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    io_dir_close(dir);
    snprintf(command, sizeof(command), "rm -r %s", top);
    return system(command);
}

static const char *at(const char *name)
{
    static char paths[2][200];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/%s", inside, name);
    return path;
}

static void make(const char *path, const char *text)
{
    int error = 0;
    struct io_file *file = io_file_create(dir, path, &error);
    assert_non_null(file);
    assert_int_equal(io_file_write_at(file, text, strlen(text), 0), 0);
    io_file_close(file);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    int error = 0;
    char text[16] = "";
    struct io_file *file = io_file_create(dir, "f", &error);
    assert_non_null(file);
    assert_int_equal(io_file_write_at(file, "world", 5, 6), 0);
    assert_int_equal(io_file_write_at(file, "hello ", 6, 0), 0);
    assert_int_equal(io_file_sync(file), 0);
    assert_int_equal(io_file_read_at(file, text, sizeof(text), 1), 10);
    assert_string_equal(text, "ello world");
    assert_int_equal(io_file_truncate(file, 3), 0);
    assert_int_equal(io_file_read_at(file, text, sizeof(text), 0), 3);
    io_file_close(file);
}

static void nothing_outside_is_reached(void **state)
{
    (void)state;
    static const char *const paths[] = {"../out", "..",          "up/out",
                                        "link",   "/etc/passwd", "a/../../out"};
    struct io_stat stat;
    char out[80];
    snprintf(out, sizeof(out), "%s/out", top);
    int fd = creat(out, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(io_dir_make(dir, "a", 0700), 0);
    assert_int_equal(symlink("..", at("up")), 0);
    assert_int_equal(symlink(out, at("link")), 0);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int error = 0;
        assert_null(io_file_open(dir, paths[i], &error));
        assert_int_not_equal(error, 0);
        assert_null(io_file_create(dir, paths[i], &error));
        assert_int_not_equal(io_dir_make(dir, paths[i], 0700), 0);
    }
    assert_int_equal(io_dir_stat(dir, "link", &stat), 0);
    assert_int_equal(stat.kind, IO_KIND_LINK);
    assert_int_not_equal(io_dir_stat(dir, "up/out", &stat), 0);
    make("f", "x");
    assert_int_not_equal(io_dir_rename(dir, "f", "../out"), 0);
    assert_int_not_equal(io_dir_remove(dir, "up/out"), 0);
    assert_int_equal(access(out, F_OK), 0);
}

static void a_file_is_written_by_one_alone(void **state)
{
    (void)state;
    int error = 0;
    struct io_file *first = io_file_create(dir, "f", &error);
    assert_null(io_file_create(dir, "f", &error));
    assert_int_equal(error, IO_E_IN_USE);
    io_file_close(first);
    first = io_file_create(dir, "f", &error);
    assert_non_null(first);
    io_file_close(first);
}

static void only_a_file_is_replaced(void **state)
{
    (void)state;
    struct io_stat stat;
    make("new", "12345");
    make("old", "1");
    assert_int_equal(io_dir_rename(dir, "new", "old"), 0);
    assert_int_equal(io_dir_stat(dir, "old", &stat), 0);
    assert_int_equal(stat.size, 5);
    assert_int_equal(io_dir_stat(dir, "new", &stat), IO_E_NOT_FOUND);
    assert_int_equal(symlink("anywhere", at("link")), 0);
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_int_equal(io_dir_make(dir, "d", 0700), 0);
    assert_int_equal(io_dir_rename(dir, "old", "link"), IO_E_KIND);
    assert_int_equal(io_dir_rename(dir, "old", "pipe"), IO_E_KIND);
    assert_int_equal(io_dir_rename(dir, "old", "d"), IO_E_KIND);
    assert_int_equal(io_dir_sync(dir, ""), 0);
}

static void what_is_no_file_is_not_opened_and_does_not_block(void **state)
{
    (void)state;
    int error = 0;
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_null(io_file_open(dir, "pipe", &error));
    assert_int_equal(error, IO_E_KIND);
    assert_null(io_file_create(dir, "pipe", &error));
    assert_int_equal(error, IO_E_KIND);
    assert_null(io_file_open_path(NULL, inside, &error));
    assert_int_equal(error, IO_E_KIND);
}

static void mode_and_time_are_set(void **state)
{
    (void)state;
    const struct io_attributes wanted = {
        .has_mode = true, .has_mtime = true, .mode = 0640, .mtime_s = 1234567890, .mtime_ns = 42};
    struct io_stat stat;
    make("f", "x");
    assert_int_equal(io_dir_set(dir, "f", &wanted), 0);
    assert_int_equal(io_dir_stat(dir, "f", &stat), 0);
    assert_int_equal(stat.mode, 0640);
    assert_int_equal(stat.mtime_s, 1234567890);
    assert_int_equal(stat.mtime_ns, 42);
}

static void a_directory_is_listed(void **state)
{
    (void)state;
    int error = 0;
    unsigned found = 0;
    const char *name;
    make("a", "");
    make(".b", "");
    while ((name = io_dir_next(dir, &error)) != NULL)
        found += strcmp(name, "a") == 0 ? 1 : strcmp(name, ".b") == 0 ? 10 : 100;
    assert_int_equal(error, 0);
    assert_int_equal(found, 11);
}

struct pipe_end {
    struct io_file *file;
    char text[64];
    ssize_t result;
};

static void *read_some(void *arg)
{
    struct pipe_end *end = arg;
    end->result = io_file_read_next(end->file, end->text, sizeof(end->text));
    return NULL;
}

static void *write_some(void *arg)
{
    struct pipe_end *end = arg;
    end->result = io_file_write_next(end->file, "through", 7);
    return NULL;
}

static void a_fifo_waits_for_its_other_end(void **state)
{
    (void)state;
    int error = 0;
    struct pipe_end in = {0};
    struct pipe_end out = {0};
    pthread_t threads[2];
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    out.file = io_file_open_pipe(NULL, at("pipe"), IO_PIPE_WRITE, &error);
    assert_int_equal(pthread_create(&threads[0], NULL, write_some, &out), 0);
    in.file = io_file_open_pipe(NULL, at("pipe"), IO_PIPE_READ, &error);
    assert_int_equal(pthread_create(&threads[1], NULL, read_some, &in), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(out.result, 0);
    assert_int_equal(in.result, 7);
    assert_memory_equal(in.text, "through", 7);
    io_file_close(out.file);
    assert_int_equal(io_file_read_next(in.file, in.text, sizeof(in.text)), 0);
    io_file_close(in.file);
}

static void a_pipe_without_a_reader_is_an_error(void **state)
{
    (void)state;
    int error = 0;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    struct io_file *in = io_file_open_pipe(NULL, at("pipe"), IO_PIPE_READ, &error);
    struct io_file *out = io_file_open_pipe(NULL, at("pipe"), IO_PIPE_WRITE, &error);
    assert_int_equal(io_file_write_next(out, "x", 1), 0);
    io_file_close(in);
    assert_int_equal(io_file_write_next(out, "x", 1), IO_E_RESET);
    io_file_close(out);
}

static void a_wait_is_interrupted(void **state)
{
    (void)state;
    int error = 0;
    pthread_t threads[2];
    struct pipe_end in = {0};
    struct pipe_end out = {0};
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_int_equal(mkfifo(at("other"), 0600), 0);
    in.file = io_file_open_pipe(NULL, at("pipe"), IO_PIPE_READ, &error);
    out.file = io_file_open_pipe(NULL, at("other"), IO_PIPE_WRITE, &error);
    pthread_create(&threads[0], NULL, read_some, &in);
    pthread_create(&threads[1], NULL, write_some, &out);
    io_file_interrupt(in.file);
    io_file_interrupt(out.file);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(in.result, IO_E_STOPPED);
    assert_int_equal(out.result, IO_E_STOPPED);
    io_file_close(in.file);
    io_file_close(out.file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read),
        TEST(nothing_outside_is_reached),
        TEST(a_file_is_written_by_one_alone),
        TEST(only_a_file_is_replaced),
        TEST(what_is_no_file_is_not_opened_and_does_not_block),
        TEST(mode_and_time_are_set),
        TEST(a_directory_is_listed),
        TEST(a_fifo_waits_for_its_other_end),
        TEST(a_pipe_without_a_reader_is_an_error),
        TEST(a_wait_is_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
