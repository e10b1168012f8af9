#include "roles/transfer/reader.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_STEP = 256 * 1024 };

static const char changed[] = "it changed while it was sent";

/* What could be seen of a change of its contents. */
static bool same(const struct io_stat *a, const struct io_stat *b)
{
    return a->size == b->size && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
           a->change == b->change;
}

struct reader {
    struct io_disk *disk;
    bool hashing;
    struct io_file *file;
    _Atomic(struct io_file *) pipe; /* the file, while a wait for it may be ended */
    atomic_bool interrupted;
    struct io_stat found; /* of a file */
    uint64_t at;
    crypto_generichash_state hash;
};

struct reader *reader_new(struct io_disk *disk, bool hashing)
{
    struct reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->disk = disk;
    reader->hashing = hashing;
    return reader;
}

void reader_close(struct reader *reader)
{
    atomic_store(&reader->pipe, NULL);
    io_file_close(reader->file);
    reader->file = NULL;
}

void reader_free(struct reader *reader)
{
    if (reader == NULL)
        return;
    reader_close(reader);
    free(reader);
}

void reader_interrupt(struct reader *reader)
{
    atomic_store(&reader->interrupted, true);
    struct io_file *pipe = atomic_load(&reader->pipe);
    if (pipe != NULL)
        io_file_interrupt(pipe);
}

static struct io_file *open_entry(struct reader *reader, const struct outbox_entry *entry,
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
static int compare_part(struct reader *reader, uint64_t len,
                        const uint8_t expected[SODIUMTCP_HASH_LEN], bool *alike)
{
    uint8_t hash[SODIUMTCP_HASH_LEN];
    uint8_t *bytes = malloc(HASH_STEP);
    if (bytes == NULL)
        return IO_E_NO_MEMORY;
    int error = 0;
    for (uint64_t at = 0; at < len && error == 0;) {
        size_t step = len - at < HASH_STEP ? (size_t)(len - at) : HASH_STEP;
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
    *alike = error == 0 && memcmp(hash, expected, sizeof(hash)) == 0;
    return error;
}

static const char *still_the_same(struct reader *reader)
{
    struct io_stat now;
    int error = io_file_stat(reader->file, &now);
    if (error != 0)
        return io_error_text(error);
    return same(&now, &reader->found) ? NULL : changed;
}

const char *reader_open(struct reader *reader, const struct outbox_entry *entry, uint64_t part_len,
                        const uint8_t part_hash[SODIUMTCP_HASH_LEN], uint64_t *offset)
{
    int error = 0;
    bool alike = false;
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
    reader->found = entry->stat;
    const char *why = still_the_same(reader);
    if (why != NULL)
        return why;
    if (part_len > 0) {
        error = compare_part(reader, part_len, part_hash, &alike);
        if (error != 0)
            return io_error_text(error);
        if (!alike)
            crypto_generichash_init(&reader->hash, NULL, 0, SODIUMTCP_HASH_LEN);
    }
    *offset = alike ? part_len : 0;
    reader->at = *offset;
    return NULL;
}

ssize_t reader_read(struct reader *reader, uint8_t *bytes, size_t max, const char **why)
{
    ssize_t got;
    *why = NULL;
    if (atomic_load(&reader->pipe) != NULL) {
        got = io_file_read_next(reader->file, bytes, max);
    } else {
        uint64_t left = reader->found.size - reader->at;
        size_t step = left < max ? (size_t)left : max;
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

void reader_hash(struct reader *reader, uint8_t hash[SODIUMTCP_HASH_LEN])
{
    crypto_generichash_final(&reader->hash, hash, SODIUMTCP_HASH_LEN);
}
