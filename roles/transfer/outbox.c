#include "roles/transfer/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = SODIUMTCP_NAME_DEPTH_MAX, PATH_ROOM = SODIUMTCP_NAME_MAX + 1 };

/* ---- Finding ---- */

struct level {
    struct io_dir *dir;
    size_t path_len; /* of the path up to this directory */
};

struct outbox_finder {
    struct io_disk *disk;
    const char *const *paths;
    size_t count;
    size_t at; /* the next one of paths */
    const char *stream_name;
    struct level levels[DEPTH_MAX];
    size_t depth;
    const char *root;
    char base[SODIUMTCP_COMPONENT_MAX + 1]; /* how the root is named over there */
    char path[PATH_ROOM];                   /* beneath the root */
    struct outbox_entry *again;             /* directories, the deepest first */
    bool without_memory;
};

struct outbox_finder *outbox_finder_new(struct io_disk *disk, const char *const *paths,
                                        size_t count, const char *stream_name)
{
    struct outbox_finder *finder = calloc(1, sizeof(*finder));
    if (finder == NULL)
        return NULL;
    finder->disk = disk;
    finder->paths = paths;
    finder->count = count;
    finder->stream_name = stream_name;
    return finder;
}

void outbox_finder_free(struct outbox_finder *finder)
{
    if (finder == NULL)
        return;
    while (finder->depth > 0)
        io_dir_close(finder->levels[--finder->depth].dir);
    while (finder->again != NULL) {
        struct outbox_entry *entry = finder->again;
        finder->again = entry->next;
        free(entry);
    }
    free(finder);
}

/* The path and the name share the entry's memory. */
static struct outbox_entry *new_entry(struct outbox_finder *finder, enum outbox_kind kind,
                                      const char *path, const struct io_stat *stat, const char *why)
{
    size_t path_len = strlen(path) + 1;
    struct outbox_entry *entry = malloc(sizeof(*entry) + path_len);
    if (entry == NULL) {
        finder->without_memory = true;
        return NULL;
    }
    *entry = (struct outbox_entry){.kind = kind, .root = finder->root, .why = why};
    memcpy(entry + 1, path, path_len);
    entry->path = (const char *)(entry + 1);
    if (stat != NULL)
        entry->stat = *stat;
    return entry;
}

static bool name_entry(struct outbox_entry *entry, const char *base)
{
    char whole[SODIUMTCP_NAME_MAX + SODIUMTCP_COMPONENT_MAX + 2];
    snprintf(whole, sizeof(whole), "%s%s%s", base, entry->path[0] == '\0' ? "" : "/", entry->path);
    long len = sodiumtcp_name_from_path(whole, entry->name);
    entry->name_len = len < 0 ? 0 : (size_t)len;
    return len >= 0;
}

/* An entry that can be announced, or one that says why it cannot. */
static struct outbox_entry *entry_of(struct outbox_finder *finder, const char *path,
                                     const struct io_stat *stat)
{
    enum outbox_kind kind = OUTBOX_LEFT_OUT;
    const char *why = "neither a file nor a directory";
    if (stat->kind == IO_KIND_FILE)
        kind = OUTBOX_FILE;
    else if (stat->kind == IO_KIND_DIRECTORY)
        kind = OUTBOX_DIRECTORY;
    else if (stat->kind == IO_KIND_PIPE && path[0] == '\0')
        kind = OUTBOX_STREAM; /* only what was named: one in a tree may have no writer */
    else if (stat->kind == IO_KIND_LINK)
        why = "a symbolic link";
    struct outbox_entry *entry = new_entry(finder, kind, path, stat, why);
    if (entry != NULL && kind != OUTBOX_LEFT_OUT && !name_entry(entry, finder->base)) {
        entry->kind = OUTBOX_LEFT_OUT;
        entry->failed = true;
        entry->why = "its name is too long, or too deep";
    }
    return entry;
}

static struct outbox_entry *failed_entry(struct outbox_finder *finder, const char *path, int error)
{
    struct outbox_entry *entry =
        new_entry(finder, OUTBOX_LEFT_OUT, path, NULL, io_error_text(error));
    if (entry != NULL)
        entry->failed = true;
    return entry;
}

/* The directory is on the stack now, and is to be announced once more at the end. */
static bool go_down(struct outbox_finder *finder, struct io_dir *dir,
                    const struct outbox_entry *entry)
{
    struct outbox_entry *again =
        new_entry(finder, OUTBOX_DIRECTORY, entry->path, &entry->stat, NULL);
    if (again == NULL) {
        io_dir_close(dir);
        return false;
    }
    memcpy(again->name, entry->name, entry->name_len);
    again->name_len = entry->name_len;
    again->again = true;
    again->next = finder->again;
    finder->again = again;
    finder->levels[finder->depth++] = (struct level){dir, strlen(entry->path)};
    return true;
}

/* Enters a directory that is to be announced, or says why it is left out. */
static void enter(struct outbox_finder *finder, struct outbox_entry *entry, bool top)
{
    int error = IO_E_TOO_LARGE;
    struct io_dir *dir = NULL;
    if (top)
        dir = io_dir_open(finder->disk, finder->root, &error);
    else if (finder->depth < DEPTH_MAX)
        dir = io_dir_enter(finder->levels[finder->depth - 1].dir,
                           strrchr(entry->path, '/') == NULL ? entry->path
                                                             : strrchr(entry->path, '/') + 1,
                           &error);
    if (dir != NULL) {
        go_down(finder, dir, entry);
        return;
    }
    entry->kind = OUTBOX_LEFT_OUT;
    entry->failed = true;
    entry->why = io_error_text(error);
}

/* The last component of what the caller named; false where it has none of its own. */
static bool base_of(struct outbox_finder *finder)
{
    size_t len = strlen(finder->root);
    while (len > 1 && finder->root[len - 1] == '/')
        len--;
    size_t start = len;
    while (start > 0 && finder->root[start - 1] != '/')
        start--;
    size_t base_len = len - start;
    if (base_len == 0 || base_len > SODIUMTCP_COMPONENT_MAX)
        return false;
    memcpy(finder->base, finder->root + start, base_len);
    finder->base[base_len] = '\0';
    return strcmp(finder->base, ".") != 0 && strcmp(finder->base, "..") != 0;
}

static struct outbox_entry *next_root(struct outbox_finder *finder)
{
    struct io_stat stat = {.kind = IO_KIND_PIPE};
    finder->root = finder->paths[finder->at++];
    if (strcmp(finder->root, "-") == 0) {
        struct outbox_entry *entry = new_entry(finder, OUTBOX_STREAM, "", &stat, NULL);
        if (entry != NULL && finder->stream_name != NULL &&
            !name_entry(entry, finder->stream_name)) {
            entry->kind = OUTBOX_LEFT_OUT;
            entry->failed = true;
            entry->why = "--name is no name that can be sent";
        }
        return entry;
    }
    int error = io_path_stat(finder->disk, finder->root, &stat);
    if (error != 0)
        return failed_entry(finder, "", error);
    if (!base_of(finder)) {
        struct outbox_entry *entry = failed_entry(finder, "", IO_E_OTHER);
        if (entry != NULL)
            entry->why = "it has no name of its own; say the name of the directory";
        return entry;
    }
    struct outbox_entry *entry = entry_of(finder, "", &stat);
    if (entry != NULL && entry->kind == OUTBOX_DIRECTORY)
        enter(finder, entry, true);
    return entry;
}

static struct outbox_entry *next_in_directory(struct outbox_finder *finder)
{
    struct level *level = &finder->levels[finder->depth - 1];
    struct io_stat stat;
    int error = 0;
    const char *name = io_dir_next(level->dir, &error);
    finder->path[level->path_len] = '\0';
    if (name == NULL) {
        struct outbox_entry *entry = error == 0 ? NULL : failed_entry(finder, finder->path, error);
        io_dir_close(level->dir);
        finder->depth--;
        return entry;
    }
    size_t room = sizeof(finder->path) - level->path_len;
    int len = snprintf(finder->path + level->path_len, room, "%s%s",
                       level->path_len == 0 ? "" : "/", name);
    if (len < 0 || (size_t)len >= room)
        return failed_entry(finder, name, IO_E_TOO_LARGE);
    error = io_dir_stat(level->dir, name, &stat);
    if (error != 0)
        return failed_entry(finder, finder->path, error);
    struct outbox_entry *entry = entry_of(finder, finder->path, &stat);
    if (entry != NULL && entry->kind == OUTBOX_DIRECTORY)
        enter(finder, entry, false);
    return entry;
}

struct outbox_entry *outbox_find(struct outbox_finder *finder, bool *without_memory)
{
    struct outbox_entry *first = NULL;
    struct outbox_entry **end = &first;
    for (size_t found = 0; found < OUTBOX_FOUND_MAX && !finder->without_memory;) {
        struct outbox_entry *entry;
        if (finder->depth > 0) {
            entry = next_in_directory(finder);
        } else if (finder->at < finder->count) {
            entry = next_root(finder);
        } else {
            entry = finder->again;
            if (entry == NULL)
                break;
            finder->again = entry->next;
        }
        if (entry == NULL)
            continue;
        entry->next = NULL;
        *end = entry;
        end = &entry->next;
        found++;
    }
    *without_memory = finder->without_memory;
    return first;
}
