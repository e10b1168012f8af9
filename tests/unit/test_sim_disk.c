/*
 * The simulated disk: what is there after a process or a machine has died.
 */
#include "sim_fixture.h"

struct writing {
    const char *text;
    bool exclusive;
    int error;
};

static void write_file(struct io_loop *loop, void *arg)
{
    struct writing *writing = arg;
    writing->error = io_file_write(io_disk(loop), "/dir/file", writing->text, strlen(writing->text),
                                   0600, writing->exclusive);
}

static int write_text(struct pair *where, const char *text, bool exclusive)
{
    struct writing writing = {.text = text, .exclusive = exclusive};
    pair_on(where, 0, write_file, &writing);
    return writing.error;
}

struct reading {
    const char *path;
    size_t max;
    bool secret;
    char *text;
    size_t len;
    int error;
};

static void read_file(struct io_loop *loop, void *arg)
{
    struct reading *reading = arg;
    reading->error = (reading->secret ? io_file_read_secret : io_file_read)(
        io_disk(loop), reading->path, reading->max, &reading->text, &reading->len);
}

static void what_was_written_can_be_read(void **state)
{
    (void)state;
    struct reading reading = {.path = "/dir/file", .max = 100};
    assert_int_equal(write_text(&pair, "some text", false), 0);
    pair_on(&pair, 0, read_file, &reading);
    assert_int_equal(reading.error, 0);
    assert_string_equal(reading.text, "some text");
    assert_int_equal(reading.len, 9);
    free(reading.text);
}

static void files_that_are_not_as_wanted_are_refused(void **state)
{
    (void)state;
    struct reading missing = {.path = "/none", .max = 100};
    struct reading large = {.path = "/dir/file", .max = 5};
    struct reading exposed = {.path = "/dir/key", .max = 100, .secret = true};
    assert_int_equal(write_text(&pair, "some text", false), 0);
    assert_int_equal(write_text(&pair, "other", true), IO_E_EXISTS);
    sim_disk_put(pair.hosts[0], "/dir/key", "key", 3, 0644);
    pair_on(&pair, 0, read_file, &missing);
    pair_on(&pair, 0, read_file, &large);
    pair_on(&pair, 0, read_file, &exposed);
    assert_int_equal(missing.error, IO_E_NOT_FOUND);
    assert_int_equal(large.error, IO_E_TOO_LARGE);
    assert_int_equal(exposed.error, IO_E_EXPOSED);
}

static void a_write_that_returned_survives_the_power(void **state)
{
    (void)state;
    size_t len;
    assert_int_equal(write_text(&pair, "kept", false), 0);
    sim_process_kill(pair.processes[0], SIM_KILL_POWER);
    assert_string_equal(sim_disk_get(pair.hosts[0], "/dir/file", &len), "kept");
}

/* Whatever step the power fails at, the file is the old one or the new one, never a mixture. */
static void a_write_that_is_cut_leaves_the_old_file_or_the_new_one(void **state)
{
    (void)state;
    unsigned old = 0;
    unsigned new = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct pair other;
        size_t len;
        pair_open(&other, seed);
        assert_int_equal(write_text(&other, "old", false), 0);
        sim_disk_fail_at(other.hosts[0], 1 + (unsigned)(seed % 4));
        assert_int_not_equal(write_text(&other, "newer", false), 0);
        const char *text = sim_disk_get(other.hosts[0], "/dir/file", &len);
        assert_non_null(text);
        old += strcmp(text, "old") == 0 ? 1 : 0;
        new += strcmp(text, "newer") == 0 ? 1 : 0;
        assert_null(sim_host_process(other.hosts[0]));
        pair_close(&other);
    }
    assert_int_equal(old + new, 40);
    assert_true(old > 0);
    assert_true(new > 0);
}

static void remove_file(struct io_loop *loop, void *arg)
{
    *(int *)arg = io_file_remove(io_disk(loop), "/dir/file");
}

/* Nobody synced the directory. */
static void a_removed_file_may_be_back_without_power(void **state)
{
    (void)state;
    unsigned back = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair other;
        size_t len;
        int error = -1;
        pair_open(&other, seed);
        assert_int_equal(write_text(&other, "text", false), 0);
        pair_on(&other, 0, remove_file, &error);
        assert_int_equal(error, 0);
        sim_process_kill(other.processes[0], SIM_KILL_POWER);
        back += sim_disk_get(other.hosts[0], "/dir/file", &len) != NULL ? 1 : 0;
        pair_close(&other);
    }
    assert_in_range(back, 1, 19);
}

static void a_killed_process_has_no_disk_any_more(void **state)
{
    (void)state;
    size_t len;
    assert_int_equal(write_text(&pair, "before", false), 0);
    sim_process_kill(pair.processes[0], SIM_KILL_PROCESS);
    assert_int_equal(write_text(&pair, "after", false), IO_E_READ_ONLY);
    assert_string_equal(sim_disk_get(pair.hosts[0], "/dir/file", &len), "before");
}

static void a_full_disk_says_so(void **state)
{
    (void)state;
    struct sim_weather full = {.disk_full = 10000};
    sim_set_weather(pair.world, &full);
    assert_int_equal(write_text(&pair, "text", false), IO_E_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_can_be_read, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(files_that_are_not_as_wanted_are_refused, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(a_write_that_returned_survives_the_power, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(a_write_that_is_cut_leaves_the_old_file_or_the_new_one,
                                        pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(a_removed_file_may_be_back_without_power, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(a_killed_process_has_no_disk_any_more, pair_setup,
                                        pair_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_says_so, pair_setup, pair_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
