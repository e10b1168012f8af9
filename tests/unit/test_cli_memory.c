/* How much memory a process may use, in a machine made of files. */
#include "cli/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { MACHINE = 1000000 };

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/adit-memory-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

/* Writes a file and makes the directories it stands in. */
static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, name);
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

static void without_control_groups_it_is_the_machines(void **state)
{
    (void)state;
    assert_int_equal(memory_total(root, MACHINE), MACHINE);
    assert_int_equal(memory_total(root, 0), 0);
}

static void a_group_of_version_2_limits(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/system.slice/adit.service\n");
    write_file("/sys/fs/cgroup/system.slice/adit.service/memory.max", "5000\n");
    assert_int_equal(memory_total(root, MACHINE), 5000);
}

static void max_is_no_limit(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "max\n");
    assert_int_equal(memory_total(root, MACHINE), MACHINE);
}

static void a_group_further_out_limits_too(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a/b/c\n");
    write_file("/sys/fs/cgroup/a/b/c/memory.max", "9000\n");
    write_file("/sys/fs/cgroup/a/memory.max", "7000\n");
    assert_int_equal(memory_total(root, MACHINE), 7000);
}

static void the_outermost_group_limits_a_container(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/\n");
    write_file("/sys/fs/cgroup/memory.max", "6000\n");
    assert_int_equal(memory_total(root, MACHINE), 6000);
}

static void a_group_of_version_1_limits(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "3:cpu:/x\n2:hugetlb,memory:/y\n0::/\n");
    write_file("/sys/fs/cgroup/memory/y/memory.limit_in_bytes", "4000\n");
    assert_int_equal(memory_total(root, MACHINE), 4000);
}

static void a_limit_above_the_machines_memory_is_none(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "2:memory:/y\n");
    write_file("/sys/fs/cgroup/memory/y/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(memory_total(root, MACHINE), MACHINE);
}

static void odd_lines_are_skipped(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "\nx\n:\n::\n0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "3000");
    assert_int_equal(memory_total(root, MACHINE), 3000);
}

#define memory_test(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_test(without_control_groups_it_is_the_machines),
        memory_test(a_group_of_version_2_limits),
        memory_test(max_is_no_limit),
        memory_test(a_group_further_out_limits_too),
        memory_test(the_outermost_group_limits_a_container),
        memory_test(a_group_of_version_1_limits),
        memory_test(a_limit_above_the_machines_memory_is_none),
        memory_test(odd_lines_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
