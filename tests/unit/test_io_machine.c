/* What control groups allow a process, in a machine made of files. */
#include "io/real/machine.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/adit-machine-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    return system(command);
}

/* Writes a file and makes the directories it stands in. */
static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* ---- Memory ---- */

static void without_control_groups_there_is_no_limit(void **state)
{
    (void)state;
    assert_int_equal(io_machine_group_memory(root), UINT64_MAX);
    assert_int_equal(io_machine_group_processors(root), UINT64_MAX);
}

static void a_group_of_version_2_limits(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/system.slice/adit.service\n");
    write_file("/sys/fs/cgroup/system.slice/adit.service/memory.max", "5000\n");
    assert_int_equal(io_machine_group_memory(root), 5000);
}

static void max_is_no_limit(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "max\n");
    assert_int_equal(io_machine_group_memory(root), UINT64_MAX);
}

static void a_group_further_out_limits_too(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a/b/c\n");
    write_file("/sys/fs/cgroup/a/b/c/memory.max", "9000\n");
    write_file("/sys/fs/cgroup/a/memory.max", "7000\n");
    assert_int_equal(io_machine_group_memory(root), 7000);
}

static void the_outermost_group_limits_a_container(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/\n");
    write_file("/sys/fs/cgroup/memory.max", "6000\n");
    assert_int_equal(io_machine_group_memory(root), 6000);
}

static void a_group_of_version_1_limits(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "3:cpu:/x\n2:hugetlb,memory:/y\n0::/\n");
    write_file("/sys/fs/cgroup/memory/y/memory.limit_in_bytes", "4000\n");
    write_file("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1000\n"); /* another's */
    assert_int_equal(io_machine_group_memory(root), 4000);
}

/* A container sees its group's files at the top, and its path as it is outside. */
static void a_path_that_is_not_there_leads_to_the_top(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "2:memory:/docker/0123\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n");
    assert_int_equal(io_machine_group_memory(root), 2000);
}

static void a_number_too_large_is_no_limit(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "99999999999999999999999\n");
    assert_int_equal(io_machine_group_memory(root), UINT64_MAX);
}

static void odd_lines_are_skipped(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "\nx\n:\n::\n0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "3000");
    assert_int_equal(io_machine_group_memory(root), 3000);
}

/* ---- Processors ---- */

static void the_narrowest_of_the_nested_groups_counts(void **state)
{
    (void)state;
    const struct {
        const char *outer;
        const char *inner;
        uint64_t processors;
    } cases[] = {
        {"150000 100000\n", "max 100000\n", 2},    {"max 100000\n", "100000 100000\n", 1},
        {"800000 100000\n", "310000 100000\n", 4}, {"max 100000\n", "nonsense\n", UINT64_MAX},
        {"max 100000\n", "200000\n", UINT64_MAX},  {"0 0\n", "1 0\n", UINT64_MAX}};
    write_file("/proc/self/cgroup", "1:name=systemd:/x\n0::/a/b\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file("/sys/fs/cgroup/a/cpu.max", cases[i].outer);
        write_file("/sys/fs/cgroup/a/b/cpu.max", cases[i].inner);
        assert_int_equal(io_machine_group_processors(root), cases[i].processors);
    }
}

static void a_quota_of_version_1_limits(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "4:cpu,cpuacct:/x\n");
    write_file("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "250000\n");
    write_file("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(io_machine_group_processors(root), 3);
}

static void a_quota_of_minus_one_is_no_limit(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "4:cpu,cpuacct:/x\n");
    write_file("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n");
    write_file("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(io_machine_group_processors(root), UINT64_MAX);
}

/* ---- This machine ---- */

static void this_machine_has_processors_and_memory(void **state)
{
    (void)state;
    assert_in_range(io_machine_processors(), 1, sysconf(_SC_NPROCESSORS_CONF));
    assert_in_range(io_machine_memory(), 1,
                    (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void fewer_processors_by_affinity_are_told(void **state)
{
    (void)state;
    cpu_set_t before;
    cpu_set_t one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(io_machine_processors(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_control_groups_there_is_no_limit),
        TEST(a_group_of_version_2_limits),
        TEST(max_is_no_limit),
        TEST(a_group_further_out_limits_too),
        TEST(the_outermost_group_limits_a_container),
        TEST(a_group_of_version_1_limits),
        TEST(a_path_that_is_not_there_leads_to_the_top),
        TEST(a_number_too_large_is_no_limit),
        TEST(odd_lines_are_skipped),
        TEST(the_narrowest_of_the_nested_groups_counts),
        TEST(a_quota_of_version_1_limits),
        TEST(a_quota_of_minus_one_is_no_limit),
        TEST(this_machine_has_processors_and_memory),
        TEST(fewer_processors_by_affinity_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
