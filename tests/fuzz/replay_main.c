/*
 * Runs a harness over every file of the directories that are named: what libFuzzer does with a
 * corpus, in any build. Exits 2 for a directory that cannot be read or holds no file.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>

enum { SEED_MAX = 1 << 20 };

static int replay_file(const char *path)
{
    static uint8_t bytes[SEED_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    int failed = ferror(file);
    fclose(file);
    if (failed) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    uint8_t *copy = fuzz_copy(bytes, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
    return 0;
}

/* Returns how many files were run, or -1. */
static int replay_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    int count = 0;
    const struct dirent *entry;
    while (count >= 0 && (entry = readdir(directory)) != NULL) {
        char file[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (len < 0 || (size_t)len >= sizeof(file) || replay_file(file) != 0)
            count = -1;
        else
            count++;
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIRECTORY...\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        int count = replay_directory(argv[i]);
        if (count == 0)
            fprintf(stderr, "%s: no file\n", argv[i]);
        if (count <= 0)
            return 2;
        printf("%s: %d inputs\n", argv[i], count);
    }
    return 0;
}
