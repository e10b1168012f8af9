#include "io_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct world *world;
static struct io_disk *disk;
static char directory[] = "/tmp/test-io-XXXXXX";

static int setup(void **state)
{
    world_setup(state);
    world = *state;
    disk = io_disk(world->loop);
    return 0;
}

/* A path in the test's directory; valid until the next but one. */
static const char *at(const char *name)
{
    static char paths[2][200];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static size_t files_in_directory(void)
{
    DIR *open_directory = opendir(directory);
    assert_non_null(open_directory);
    size_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(open_directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(open_directory);
    return count;
}

static void write_plain(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    fchmod(fd, mode);
    close(fd);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static uint8_t bytes[100000];
    pattern_fill(bytes, 0, sizeof(bytes));
    assert_int_equal(io_file_write(disk, at("f"), bytes, sizeof(bytes), 0600, false), 0);
    char *text;
    size_t len;
    assert_int_equal(io_file_read(disk, at("f"), sizeof(bytes), &text, &len), 0);
    assert_int_equal(len, sizeof(bytes));
    assert_memory_equal(text, bytes, len);
    assert_int_equal(text[len], 0);
    free(text);
    assert_int_equal(io_file_remove(disk, at("f")), 0);
    assert_int_equal(io_file_read(disk, at("f"), 10, &text, &len), IO_E_NOT_FOUND);
}

static void a_file_longer_than_asked_for_is_too_large(void **state)
{
    (void)state;
    char *text;
    size_t len;
    io_file_write(disk, at("f"), "12345", 5, 0600, false);
    assert_int_equal(io_file_read(disk, at("f"), 4, &text, &len), IO_E_TOO_LARGE);
    assert_int_equal(io_file_read(disk, at("f"), 5, &text, &len), 0);
    assert_string_equal(text, "12345");
    free(text);
    assert_int_equal(io_file_read(disk, "/dev/zero", 1 << 20, &text, &len), IO_E_TOO_LARGE);
    io_file_remove(disk, at("f"));
}

static void the_mode_is_as_asked_for_whatever_the_umask(void **state)
{
    (void)state;
    const mode_t masks[] = {0, 0777};
    for (size_t i = 0; i < 2; i++) {
        mode_t before = umask(masks[i]);
        assert_int_equal(io_file_write(disk, at("f"), "x", 1, 0640, false), 0);
        umask(before);
        struct stat file;
        assert_int_equal(stat(at("f"), &file), 0);
        assert_int_equal(file.st_mode & 07777, 0640);
        io_file_remove(disk, at("f"));
    }
}

static void a_file_is_replaced_whole_or_kept(void **state)
{
    (void)state;
    assert_int_equal(io_file_write(disk, at("f"), "first", 5, 0600, false), 0);
    assert_int_equal(io_file_write(disk, at("f"), "second", 6, 0600, false), 0);
    assert_int_equal(io_file_write(disk, at("f"), "third", 5, 0600, true), IO_E_EXISTS);
    char *text;
    size_t len;
    assert_int_equal(io_file_read(disk, at("f"), 100, &text, &len), 0);
    assert_string_equal(text, "second");
    free(text);
    assert_int_equal(files_in_directory(), 1);
    io_file_remove(disk, at("f"));
    assert_int_equal(io_file_write(disk, at("f"), "fourth", 6, 0600, true), 0);
    assert_int_equal(files_in_directory(), 1);
    io_file_remove(disk, at("f"));
}

static void a_write_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(io_file_write(disk, at("no/f"), "x", 1, 0600, false), IO_E_NOT_FOUND);
    mkdir(at("d"), 0700);
    assert_true(io_file_write(disk, at("d"), "x", 1, 0600, false) < 0);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit small = {.rlim_cur = 10, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    signal(SIGXFSZ, SIG_IGN);
    int error = io_file_write(disk, at("f"), "more than ten bytes", 19, 0600, false);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(error, IO_E_TOO_LARGE);
    assert_int_equal(files_in_directory(), 1);
    rmdir(at("d"));
}

static void a_secret_that_others_may_read_is_refused(void **state)
{
    (void)state;
    const struct {
        mode_t mode;
        int error;
    } cases[] = {{0600, 0},
                 {0400, 0},
                 {0640, 0},
                 {0440, 0},
                 {0644, IO_E_EXPOSED},
                 {0660, IO_E_EXPOSED},
                 {0604, IO_E_EXPOSED},
                 {0602, IO_E_EXPOSED},
                 {0700, IO_E_EXPOSED}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_plain(at("secret"), "key", cases[i].mode);
        char *text;
        size_t len;
        int error = io_file_read_secret(disk, at("secret"), 100, &text, &len);
        assert_int_equal(error, cases[i].error);
        if (error == 0)
            free(text);
        assert_int_equal(io_file_read(disk, at("secret"), 100, &text, &len), 0);
        free(text);
        unlink(at("secret"));
    }
}

static void a_secret_of_another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    write_plain(at("secret"), "key", 0600);
    assert_int_equal(chown(at("secret"), 12345, 0), 0);
    char *text;
    size_t len;
    assert_int_equal(io_file_read_secret(disk, at("secret"), 100, &text, &len), IO_E_EXPOSED);
    unlink(at("secret"));
}

static void a_directory_is_no_file(void **state)
{
    (void)state;
    char *text;
    size_t len;
    assert_int_equal(io_file_read(disk, directory, 100, &text, &len), IO_E_OTHER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(a_file_longer_than_asked_for_is_too_large),
        TEST(the_mode_is_as_asked_for_whatever_the_umask),
        TEST(a_file_is_replaced_whole_or_kept),
        TEST(a_write_that_fails_leaves_nothing_behind),
        TEST(a_secret_that_others_may_read_is_refused),
        TEST(a_secret_of_another_user_is_refused),
        TEST(a_directory_is_no_file),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
