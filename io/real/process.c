#include "io/real/process.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CPU_SETS_MAX = 16 * 1024 }; /* processors that a mask is tried for */

bool io_process_no_dumps(void)
{
    struct rlimit none = {0, 0};
    bool good = setrlimit(RLIMIT_CORE, &none) == 0;
#ifndef __SANITIZE_ADDRESS__ /* whose search for leaks looks at the process as a debugger does */
    good = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && good;
#endif
    return good;
}

uint64_t io_process_raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

/* ---- Control groups ---- */

/* The first line of a file, without its newline; false when there is none. */
static bool read_line(const char *directory, const char *name, char *line, size_t line_len)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool good = fgets(line, (int)line_len, file) != NULL;
    fclose(file);
    if (good)
        line[strcspn(line, "\n")] = '\0';
    return good;
}

/* Reads a number and moves on; false where there is none ("max"). */
static bool read_number(const char **text, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(*text, &end, 10);
    if (end == *text || errno != 0)
        return false;
    *text = end;
    *number = value;
    return true;
}

/* What one group allows: "max 100000", or "150000 100000" of processor time in each period. */
static unsigned group_processors(const char *directory)
{
    char line[128];
    const char *at = line;
    uint64_t quota;
    uint64_t period;
    if (!read_line(directory, "cpu.max", line, sizeof(line)) || !read_number(&at, &quota) ||
        !read_number(&at, &period) || quota == 0 || period == 0)
        return UINT_MAX;
    uint64_t processors = quota / period + (quota % period != 0);
    return processors > UINT_MAX ? UINT_MAX : (unsigned)processors;
}

/* The path of the process's group: the line "0::/path" of the list. */
static bool find_group(const char *list, char *group, size_t group_len)
{
    FILE *file = fopen(list, "re");
    if (file == NULL)
        return false;
    char line[PATH_MAX];
    bool found = false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strncmp(line, "0::/", 4) == 0 && strlen(line + 3) < group_len;
    }
    fclose(file);
    if (found)
        memcpy(group, line + 3, strlen(line + 3) + 1);
    return found;
}

unsigned io_process_cgroup_processors(const char *list, const char *mount)
{
    unsigned least = UINT_MAX;
    char group[PATH_MAX];
    if (!find_group(list, group, sizeof(group)))
        return least;
    /* Every group above counts as well. */
    for (;;) {
        char directory[PATH_MAX];
        int len = snprintf(directory, sizeof(directory), "%s%s", mount, group);
        unsigned processors = UINT_MAX;
        if (len > 0 && (size_t)len < sizeof(directory))
            processors = group_processors(directory);
        if (processors < least)
            least = processors;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* ---- What there is ---- */

/* The kernel refuses a mask that is too small for the machine. */
static unsigned count_affinity(void)
{
    for (int size = 1024; size <= CPU_SETS_MAX; size *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)size);
        if (set == NULL)
            return 1;
        int count = 0;
        if (sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)size), set) == 0)
            count = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)size), set);
        CPU_FREE(set);
        if (count > 0)
            return (unsigned)count;
    }
    return 1;
}

unsigned io_process_processors(void)
{
    unsigned affinity = count_affinity();
    unsigned allowed = io_process_cgroup_processors("/proc/self/cgroup", "/sys/fs/cgroup");
    return allowed < affinity ? allowed : affinity;
}
