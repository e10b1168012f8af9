#include "cli/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LEN = 4096, LINE_LEN = 4096 };

/* Where the limit of a group is, in the two versions of control groups. */
struct hierarchy {
    const char *mount;
    const char *file;
};

static const struct hierarchy version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes"};
static const struct hierarchy version_2 = {"/sys/fs/cgroup", "memory.max"};

size_t memory_of_machine(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_len = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_len > 0 ? (size_t)pages * (size_t)page_len : 0;
}

/* The number in a file; SIZE_MAX where it says "max", or where there is none. */
static size_t read_limit(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return SIZE_MAX;
    }
    char text[64] = "";
    bool got = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    if (!got || text[0] < '0' || text[0] > '9') {
        return SIZE_MAX;
    }
    return strtoull(text, NULL, 10);
}

/* The least limit of a group and of all groups around it. */
static size_t group_limit(const char *root, const struct hierarchy *hierarchy, const char *group)
{
    char path[PATH_LEN];
    char file[PATH_LEN + 64];
    size_t least = SIZE_MAX;
    int base = snprintf(path, sizeof path, "%s%s", root, hierarchy->mount);
    if ((size_t)base + strlen(group) >= sizeof path) {
        return least;
    }
    strcpy(path + base, group);
    for (;;) {
        snprintf(file, sizeof file, "%s/%s", path, hierarchy->file);
        size_t limit = read_limit(file);
        least = limit < least ? limit : least;
        char *slash = strrchr(path + base, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

/* One line of /proc/self/cgroup: "0::/path" or "7:cpu,memory:/path". */
static size_t line_limit(const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL) {
        return SIZE_MAX;
    }
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (controllers[1] == '\0') {
        return group_limit(root, &version_2, group);
    }
    char *rest = NULL;
    for (char *name = strtok_r(controllers + 1, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        if (strcmp(name, "memory") == 0) {
            return group_limit(root, &version_1, group);
        }
    }
    return SIZE_MAX;
}

size_t memory_total(const char *root, size_t machine)
{
    char path[PATH_LEN];
    char line[LINE_LEN];
    size_t least = machine == 0 ? SIZE_MAX : machine;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        size_t limit = line_limit(root, line);
        least = limit < least ? limit : least;
    }
    if (file != NULL) {
        fclose(file);
    }
    return least == SIZE_MAX ? 0 : least;
}
