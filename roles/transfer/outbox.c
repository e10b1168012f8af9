#include "roles/transfer/outbox.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = SODIUMTCP_NAME_DEPTH_MAX, PATH_ROOM = SODIUMTCP_NAME_MAX + 1 };

static const char changed[] = "it changed while it was sent";

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

/* ---- Reading ---- */

struct outbox_reader {
    struct io_disk *disk;
    bool hashing;
    struct io_file *file;
    _Atomic(struct io_file *) pipe; /* the file, while a wait for it may be ended */
    atomic_bool interrupted;
    struct io_stat found; /* of a file, when it was opened */
    uint64_t at;
    crypto_generichash_state hash;
};

struct outbox_reader *outbox_reader_new(struct io_disk *disk, bool hashing)
{
    struct outbox_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->disk = disk;
    reader->hashing = hashing;
    return reader;
}

void outbox_close(struct outbox_reader *reader)
{
    atomic_store(&reader->pipe, NULL);
    io_file_close(reader->file);
    reader->file = NULL;
}

void outbox_reader_free(struct outbox_reader *reader)
{
    if (reader == NULL)
        return;
    outbox_close(reader);
    free(reader);
}

void outbox_interrupt(struct outbox_reader *reader)
{
    atomic_store(&reader->interrupted, true);
    struct io_file *pipe = atomic_load(&reader->pipe);
    if (pipe != NULL)
        io_file_interrupt(pipe);
}

static struct io_file *open_entry(struct outbox_reader *reader, const struct outbox_entry *entry,
                                  int *error)
{
    if (entry->kind == OUTBOX_STREAM)
        return strcmp(entry->root, "-") == 0
                   ? io_file_open_standard(reader->disk, IO_PIPE_READ, error)
                   : io_file_open_pipe(reader->disk, entry->root, IO_PIPE_READ, error);
    if (entry->path[0] == '\0')
        return io_file_open_path(reader->disk, entry->root, error);
    struct io_dir *dir = io_dir_open(reader->disk, entry->root, error);
    if (dir == NULL)
        return NULL;
    struct io_file *file = io_file_open(dir, entry->path, error);
    io_dir_close(dir);
    return file;
}

/* Whether ours begins with the part: its hash, which goes on with what follows. */
static int compare_part(struct outbox_reader *reader, uint64_t len,
                        const uint8_t expected[SODIUMTCP_HASH_LEN], bool *same)
{
    uint8_t hash[SODIUMTCP_HASH_LEN];
    uint8_t *bytes = malloc(OUTBOX_CHUNK);
    if (bytes == NULL)
        return IO_E_NO_MEMORY;
    int error = 0;
    for (uint64_t at = 0; at < len && error == 0;) {
        size_t step = len - at < OUTBOX_CHUNK ? (size_t)(len - at) : OUTBOX_CHUNK;
        ssize_t got = io_file_read_at(reader->file, bytes, step, at);
        if (got != (ssize_t)step)
            error = got < 0 ? (int)got : IO_E_OTHER;
        else
            crypto_generichash_update(&reader->hash, bytes, step);
        at += step;
    }
    free(bytes);
    crypto_generichash_state copy = reader->hash;
    crypto_generichash_final(&copy, hash, sizeof(hash));
    *same = error == 0 && memcmp(hash, expected, sizeof(hash)) == 0;
    return error;
}

const char *outbox_open(struct outbox_reader *reader, const struct outbox_entry *entry,
                        uint64_t part_len, const uint8_t part_hash[SODIUMTCP_HASH_LEN],
                        uint64_t *offset)
{
    int error = 0;
    bool same = false;
    *offset = 0;
    reader->at = 0;
    crypto_generichash_init(&reader->hash, NULL, 0, SODIUMTCP_HASH_LEN);
    reader->file = open_entry(reader, entry, &error);
    if (reader->file == NULL)
        return io_error_text(error);
    if (entry->kind == OUTBOX_STREAM) {
        atomic_store(&reader->pipe, reader->file);
        return atomic_load(&reader->interrupted) ? io_error_text(IO_E_STOPPED) : NULL;
    }
    error = io_file_stat(reader->file, &reader->found);
    if (error != 0)
        return io_error_text(error);
    if (reader->found.size != entry->stat.size)
        return changed;
    if (part_len > 0) {
        error = compare_part(reader, part_len, part_hash, &same);
        if (error != 0)
            return io_error_text(error);
        if (!same)
            crypto_generichash_init(&reader->hash, NULL, 0, SODIUMTCP_HASH_LEN);
    }
    *offset = same ? part_len : 0;
    reader->at = *offset;
    return NULL;
}

static const char *still_the_same(struct outbox_reader *reader)
{
    struct io_stat now;
    int error = io_file_stat(reader->file, &now);
    if (error != 0)
        return io_error_text(error);
    bool same = now.size == reader->found.size && now.mtime_s == reader->found.mtime_s &&
                now.mtime_ns == reader->found.mtime_ns;
    return same ? NULL : changed;
}

ssize_t outbox_read(struct outbox_reader *reader, uint8_t *bytes, const char **why)
{
    ssize_t got;
    *why = NULL;
    if (atomic_load(&reader->pipe) != NULL) {
        got = io_file_read_next(reader->file, bytes, OUTBOX_CHUNK);
    } else {
        uint64_t left = reader->found.size - reader->at;
        size_t step = left < OUTBOX_CHUNK ? (size_t)left : OUTBOX_CHUNK;
        got = io_file_read_at(reader->file, bytes, step, reader->at);
        if (got >= 0 && (size_t)got < step)
            *why = changed;
        else if (got == 0)
            *why = still_the_same(reader);
    }
    if (got < 0)
        *why = io_error_text((int)got);
    if (*why != NULL)
        return -1;
    if (reader->hashing)
        crypto_generichash_update(&reader->hash, bytes, (size_t)got);
    reader->at += (uint64_t)got;
    return got;
}

void outbox_hash(struct outbox_reader *reader, uint8_t hash[SODIUMTCP_HASH_LEN])
{
    crypto_generichash_final(&reader->hash, hash, SODIUMTCP_HASH_LEN);
}
