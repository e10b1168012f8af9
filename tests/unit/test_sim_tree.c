/*
 * The large files of the simulated disk: what io/file.h says of them, and what is left of them
 * without power.
 */
#include "io/file.h"
#include "sim_pair.h"

enum { SEEDS = 60, BIG = 100 * 1000 };

static struct pair pair;
static uint8_t ones[BIG];
static uint8_t twos[BIG];

static int setup(void **state)
{
    (void)state;
    pair_open(&pair, 1);
    sim_tree_put(pair.hosts[0], "/d", NULL, 0);
    memset(ones, 1, sizeof ones);
    memset(twos, 2, sizeof twos);
    return 0;
}

static void a_content_has_a_number_of_its_own(void **state)
{
    (void)state;
    sim_tree_put(pair.hosts[0], "/d/f", ones, BIG);
    uint64_t first = sim_tree_change(pair.hosts[0], "/d/f");
    assert_int_equal(sim_tree_change(pair.hosts[0], "/d/f"), first);
    sim_tree_put(pair.hosts[0], "/d/f", twos, BIG);
    uint64_t second = sim_tree_change(pair.hosts[0], "/d/f");
    assert_int_not_equal(second, first);
    sim_tree_put(pair.hosts[0], "/d/f", ones, BIG);
    assert_int_not_equal(sim_tree_change(pair.hosts[0], "/d/f"), first);
    assert_int_equal(sim_tree_change(pair.hosts[0], "/d/g"), 0);
}

static int teardown(void **state)
{
    (void)state;
    pair_close(&pair);
    return 0;
}

static struct io_dir *open_top(struct io_loop *loop)
{
    int error = 0;
    struct io_dir *dir = io_dir_open(io_disk(loop), "/d", &error);
    assert_non_null(dir);
    return dir;
}

static struct io_file *create(struct io_dir *dir, const char *path)
{
    int error = 0;
    struct io_file *file = io_file_create(dir, path, &error);
    assert_non_null(file);
    return file;
}

static void write_and_read(struct io_loop *loop, void *arg)
{
    (void)arg;
    uint8_t back[8];
    int error = 0;
    struct io_stat stat;
    struct io_dir *dir = open_top(loop);
    struct io_file *file = create(dir, "f");
    assert_int_equal(io_file_write_at(file, "abc", 3, 2), 0);
    assert_int_equal(io_file_read_at(file, back, sizeof back, 0), 5);
    assert_memory_equal(back, "\0\0abc", 5);
    assert_int_equal(io_file_read_at(file, back, sizeof back, 5), 0);
    assert_int_equal(io_file_truncate(file, 4), 0);
    assert_int_equal(io_file_stat(file, &stat), 0);
    assert_int_equal(stat.size, 4);
    assert_null(io_file_create(dir, "f", &error));
    assert_int_equal(error, IO_E_IN_USE);
    io_file_close(file);
    io_dir_close(dir);
}

static void a_file_is_written_anywhere_by_one_at_a_time(void **state)
{
    (void)state;
    pair_on(&pair, 0, write_and_read, NULL);
}

static void names_and_kinds(struct io_loop *loop, void *arg)
{
    (void)arg;
    int error = 0;
    struct io_stat stat;
    struct io_dir *dir = open_top(loop);
    io_file_close(create(dir, "b"));
    io_file_close(create(dir, "a"));
    assert_int_equal(io_dir_make(dir, "c", 0750), 0);
    assert_int_equal(io_dir_make(dir, "c", 0750), IO_E_EXISTS);
    assert_int_equal(io_dir_make(dir, "no/where", 0750), IO_E_NOT_FOUND);
    assert_string_equal(io_dir_next(dir, &error), "a");
    assert_string_equal(io_dir_next(dir, &error), "b");
    assert_string_equal(io_dir_next(dir, &error), "c");
    assert_null(io_dir_next(dir, &error));
    assert_int_equal(error, 0);
    assert_int_equal(io_dir_rename(dir, "a", "c"), IO_E_KIND);
    assert_int_equal(io_dir_rename(dir, "a", "c/x"), 0);
    assert_int_equal(io_dir_stat(dir, "c/x", &stat), 0);
    assert_int_equal(io_dir_stat(dir, "a", &stat), IO_E_NOT_FOUND);
    assert_int_equal(io_dir_stat(dir, "c/../b", &stat), IO_E_DENIED);
    assert_null(io_file_open(dir, "c", &error));
    assert_int_equal(error, IO_E_KIND);
    assert_int_equal(io_dir_remove(dir, "b"), 0);
    assert_int_equal(io_dir_stat(dir, "b", &stat), IO_E_NOT_FOUND);
    io_dir_close(dir);
}

static void names_stand_for_files_and_directories_beneath(void **state)
{
    (void)state;
    pair_on(&pair, 0, names_and_kinds, NULL);
}

/* What is synced before the power fails. */
struct ending {
    bool bytes;
    bool name;
    unsigned whole, gone, torn; /* as it is found then */
};

static void write_new(struct io_loop *loop, void *arg)
{
    const struct ending *ending = arg;
    struct io_dir *dir = open_top(loop);
    struct io_file *file = create(dir, "part");
    assert_int_equal(io_file_write_at(file, ones, BIG, 0), 0);
    if (ending->bytes)
        assert_int_equal(io_file_sync(file), 0);
    io_file_close(file);
    assert_int_equal(io_dir_rename(dir, "part", "whole"), 0);
    if (ending->name)
        assert_int_equal(io_dir_sync(dir, ""), 0);
    io_dir_close(dir);
}

static void lose_power_often(struct ending *ending)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct pair other;
        size_t len = 0;
        pair_open(&other, seed);
        sim_tree_put(other.hosts[0], "/d", NULL, 0);
        pair_on(&other, 0, write_new, ending);
        sim_process_kill(other.processes[0], SIM_KILL_POWER);
        const void *bytes = sim_tree_get(other.hosts[0], "/d/whole", &len);
        ending->gone += bytes == NULL;
        ending->whole += bytes != NULL && len == BIG && memcmp(bytes, ones, BIG) == 0;
        pair_close(&other);
    }
    ending->torn = SEEDS - ending->gone - ending->whole;
}

static void what_was_synced_survives_the_power(void **state)
{
    (void)state;
    struct ending both = {.bytes = true, .name = true};
    lose_power_often(&both);
    assert_int_equal(both.whole, SEEDS);
}

static void a_name_that_was_not_synced_may_be_gone(void **state)
{
    (void)state;
    struct ending bytes = {.bytes = true};
    lose_power_often(&bytes);
    assert_int_equal(bytes.torn, 0);
    assert_in_range(bytes.gone, 1, SEEDS - 1);
}

static void bytes_that_were_not_synced_may_be_torn_under_their_name(void **state)
{
    (void)state;
    struct ending name = {.name = true};
    lose_power_often(&name);
    assert_int_equal(name.gone, 0);
    assert_in_range(name.torn, 1, SEEDS);
}

static void hold(struct io_loop *loop, void *arg)
{
    struct io_dir *dir = open_top(loop);
    *(struct io_file **)arg = create(dir, "f");
    assert_int_equal(io_file_write_at(*(struct io_file **)arg, twos, 10, 0), 0);
    io_dir_close(dir);
}

static void let_go(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct io_stat stat;
    assert_int_equal(io_file_stat(arg, &stat), IO_E_OTHER);
    assert_int_equal(io_file_write_at(arg, twos, 10, 0), IO_E_OTHER);
    io_file_close(arg);
}

static void a_killed_process_writes_no_more_and_what_it_wrote_is_there(void **state)
{
    (void)state;
    struct io_file *file = NULL;
    size_t len = 0;
    pair_on(&pair, 0, hold, &file);
    sim_process_kill(pair.processes[0], SIM_KILL_PROCESS);
    assert_memory_equal(sim_tree_get(pair.hosts[0], "/d/f", &len), twos, 10);
    assert_int_equal(len, 10);
    pair_on(&pair, 0, let_go, file);
}

static void fill_up(struct io_loop *loop, void *arg)
{
    (void)arg;
    struct io_stat stat;
    struct io_dir *dir = open_top(loop);
    struct io_file *file = create(dir, "f");
    assert_int_equal(io_file_write_at(file, ones, BIG, 0), IO_E_NO_SPACE);
    assert_int_equal(io_file_stat(file, &stat), 0);
    assert_in_range(stat.size, 0, BIG);
    io_file_close(file);
    io_dir_close(dir);
}

static void a_full_disk_takes_a_part_and_says_so(void **state)
{
    (void)state;
    sim_set_weather(pair.world, &(struct sim_weather){.disk_full = 10000});
    pair_on(&pair, 0, fill_up, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_written_anywhere_by_one_at_a_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(names_stand_for_files_and_directories_beneath, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_synced_survives_the_power, setup, teardown),
        cmocka_unit_test_setup_teardown(a_content_has_a_number_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_was_not_synced_may_be_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_were_not_synced_may_be_torn_under_their_name,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_process_writes_no_more_and_what_it_wrote_is_there,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_takes_a_part_and_says_so, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
