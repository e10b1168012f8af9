#include "io/real/machine.h"

#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CPU_SETS_MAX = 16 * 1024, /* processors that a mask is tried for */
    LINE_LEN = 128,           /* of a limit's file */
    HEAP_KEPT_MIN = 16 * 1024,
    HEAP_KEPT_MAX = 64 * 1024,
};

/* ---- Limits of one group: a directory has the files of one version ---- */

/* The first line of a file; empty when there is none. */
static void read_line(const char *directory, const char *name, char line[LINE_LEN])
{
    char path[PATH_MAX];
    line[0] = '\0';
    int len = snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(line, LINE_LEN, file) == NULL)
        line[0] = '\0';
    fclose(file);
}

/* Reads a number and moves on; UINT64_MAX where there is none ("max", "-1"), or one too large. */
static uint64_t read_number(const char **text)
{
    char *end;
    const char *start = *text + strspn(*text, " ");
    if (*start < '0' || *start > '9')
        return UINT64_MAX;
    uint64_t value = strtoull(start, &end, 10);
    *text = end;
    return value;
}

static uint64_t number_in(const char *directory, const char *name)
{
    char line[LINE_LEN];
    const char *at = line;
    read_line(directory, name, line);
    return read_number(&at);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Time on processors in each period; both in microseconds. */
static uint64_t processors_of(uint64_t quota, uint64_t period)
{
    if (quota == UINT64_MAX || period == UINT64_MAX || quota == 0 || period == 0)
        return UINT64_MAX;
    return quota / period + (quota % period != 0);
}

static uint64_t processor_limit(const char *directory)
{
    char line[LINE_LEN];
    const char *at = line;
    read_line(directory, "cpu.max", line);
    uint64_t quota = read_number(&at);
    uint64_t version_2 = processors_of(quota, read_number(&at));
    uint64_t version_1 = processors_of(number_in(directory, "cpu.cfs_quota_us"),
                                       number_in(directory, "cpu.cfs_period_us"));
    return least(version_1, version_2);
}

static uint64_t memory_limit(const char *directory)
{
    return least(number_in(directory, "memory.max"), number_in(directory, "memory.limit_in_bytes"));
}

/* ---- The walk over the groups of this process ---- */

struct kind {
    const char *controller;
    uint64_t (*limit)(const char *directory);
};

static const struct kind processors = {"cpu", processor_limit};
static const struct kind memory = {"memory", memory_limit};

/* The least limit of a group and of all groups above it, up to where its version is mounted. */
static uint64_t walk_up(const char *root, const char *version_1, const char *group,
                        const struct kind *kind)
{
    char path[PATH_MAX];
    uint64_t found = UINT64_MAX;
    int len = snprintf(path, sizeof(path), "%s/sys/fs/cgroup%s%s%s", root,
                       version_1 == NULL ? "" : "/", version_1 == NULL ? "" : version_1, group);
    if (len < 0 || (size_t)len >= sizeof(path))
        return found;
    char *end = path + len;
    char *top = end - strlen(group);
    while (end != NULL) {
        *end = '\0';
        found = least(found, kind->limit(path));
        end = strrchr(top, '/');
    }
    return found;
}

static bool names(char *list, const char *controller)
{
    char *rest = NULL;
    for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
        if (strcmp(name, controller) == 0)
            return true;
    return false;
}

/* A line of the list: "0::/path" (version 2) or "7:cpu,cpuacct:/path" (version 1). */
static uint64_t line_limit(const char *root, char *line, const struct kind *kind)
{
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL)
        return UINT64_MAX;
    *group++ = '\0';
    controllers++;
    group[strcspn(group, "\n")] = '\0';
    if (controllers[0] == '\0')
        return walk_up(root, NULL, group, kind);
    return names(controllers, kind->controller) ? walk_up(root, kind->controller, group, kind)
                                                : UINT64_MAX;
}

static uint64_t group_limit(const char *root, const struct kind *kind)
{
    char line[PATH_MAX];
    uint64_t found = UINT64_MAX;
    int len = snprintf(line, sizeof(line), "%s/proc/self/cgroup", root);
    FILE *list = len < 0 || (size_t)len >= sizeof(line) ? NULL : fopen(line, "re");
    if (list == NULL)
        return found;
    while (fgets(line, sizeof(line), list) != NULL)
        found = least(found, line_limit(root, line, kind));
    fclose(list);
    return found;
}

uint64_t io_machine_group_processors(const char *root)
{
    return group_limit(root, &processors);
}

uint64_t io_machine_group_memory(const char *root)
{
    return group_limit(root, &memory);
}

/* ---- The machine itself ---- */

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

unsigned io_machine_processors(void)
{
    return (unsigned)least(count_affinity(), io_machine_group_processors(""));
}

uint64_t io_machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_len = sysconf(_SC_PAGESIZE);
    uint64_t all = pages > 0 && page_len > 0 ? (uint64_t)pages * (uint64_t)page_len : UINT64_MAX;
    uint64_t found = least(all, io_machine_group_memory(""));
    return found == UINT64_MAX ? 0 : found;
}

/* ---- What goes back ---- */

void io_machine_return_memory(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_TOP_PAD, HEAP_KEPT_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_MAX);
#endif
}
