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

/* Narrows the limits by those of one group: "max 100000" or "150000 100000"; "max" or bytes. */
static void narrow(const char *directory, struct io_process_limits *limits)
{
    char line[128];
    const char *at = line;
    uint64_t quota;
    uint64_t period;
    if (read_line(directory, "cpu.max", line, sizeof(line)) && read_number(&at, &quota) &&
        read_number(&at, &period) && quota > 0 && period > 0) {
        uint64_t processors = quota / period + (quota % period != 0);
        if (processors < limits->processors)
            limits->processors = processors;
    }
    uint64_t bytes;
    at = line;
    if (read_line(directory, "memory.max", line, sizeof(line)) && read_number(&at, &bytes) &&
        bytes < limits->memory)
        limits->memory = bytes;
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

struct io_process_limits io_process_cgroup(const char *list, const char *mount)
{
    struct io_process_limits limits = {UINT64_MAX, UINT64_MAX};
    char group[PATH_MAX];
    if (!find_group(list, group, sizeof(group)))
        return limits;
    /* Every group above counts as well. */
    for (;;) {
        char directory[PATH_MAX];
        int len = snprintf(directory, sizeof(directory), "%s%s", mount, group);
        if (len > 0 && (size_t)len < sizeof(directory))
            narrow(directory, &limits);
        char *slash = strrchr(group, '/');
        if (slash == NULL || group[0] == '\0')
            return limits;
        *slash = '\0';
    }
}

static struct io_process_limits own_limits(void)
{
    return io_process_cgroup("/proc/self/cgroup", "/sys/fs/cgroup");
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
    uint64_t allowed = own_limits().processors;
    return allowed < affinity ? (unsigned)allowed : affinity;
}

uint64_t io_process_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_len = sysconf(_SC_PAGESIZE);
    uint64_t allowed = own_limits().memory;
    if (pages <= 0 || page_len <= 0)
        return allowed == UINT64_MAX ? 0 : allowed;
    uint64_t machine = (uint64_t)pages * (uint64_t)page_len;
    return allowed < machine ? allowed : machine;
}
