#include "roles/transfer/manifest.h"

#include <stdlib.h>

enum { LOOK_BELOW = 32 }; /* entries that wait before more are looked for */

struct manifest {
    struct io_loop *loop;
    void (*ready)(void *arg);
    void *arg;
    struct outbox_finder *finder;
    struct outbox_entry *first;
    struct outbox_entry **end;
    size_t count;
    uint64_t total;
    bool all_found;
    bool busy;
    /* The work's, while it is at the helper pool: */
    struct outbox_entry *found;
    bool without_memory;
};

struct manifest *manifest_new(struct io_loop *loop, const char *const *paths, size_t count,
                              const char *stream_name, void (*ready)(void *arg), void *arg)
{
    struct manifest *manifest = calloc(1, sizeof(*manifest));
    if (manifest == NULL)
        return NULL;
    manifest->loop = loop;
    manifest->ready = ready;
    manifest->arg = arg;
    manifest->end = &manifest->first;
    manifest->finder = outbox_finder_new(io_disk(loop), paths, count, stream_name);
    if (manifest->finder != NULL)
        return manifest;
    free(manifest);
    return NULL;
}

static void free_entries(struct outbox_entry *entry)
{
    while (entry != NULL) {
        struct outbox_entry *next = entry->next;
        free(entry);
        entry = next;
    }
}

void manifest_free(struct manifest *manifest)
{
    if (manifest == NULL)
        return;
    free_entries(manifest->first);
    free_entries(manifest->found);
    outbox_finder_free(manifest->finder);
    free(manifest);
}

static void work(void *arg)
{
    struct manifest *manifest = arg;
    manifest->found = outbox_find(manifest->finder, &manifest->without_memory);
}

static void worked(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct manifest *manifest = arg;
    manifest->busy = false;
    manifest->all_found = manifest->found == NULL && !manifest->without_memory;
    *manifest->end = manifest->found;
    manifest->found = NULL;
    for (; *manifest->end != NULL; manifest->end = &(*manifest->end)->next) {
        manifest->count++;
        if ((*manifest->end)->kind == OUTBOX_FILE)
            manifest->total += (*manifest->end)->stat.size;
    }
    manifest->ready(manifest->arg);
}

bool manifest_look(struct manifest *manifest)
{
    if (manifest->without_memory)
        return false;
    if (manifest->busy || manifest->all_found || manifest->count >= LOOK_BELOW)
        return true;
    manifest->busy = io_submit(manifest->loop, work, worked, manifest) == 0;
    return manifest->busy;
}

bool manifest_is_busy(const struct manifest *manifest)
{
    return manifest->busy;
}

const struct outbox_entry *manifest_front(const struct manifest *manifest)
{
    return manifest->first;
}

struct outbox_entry *manifest_take(struct manifest *manifest)
{
    struct outbox_entry *entry = manifest->first;
    manifest->first = entry->next;
    if (manifest->first == NULL)
        manifest->end = &manifest->first;
    manifest->count--;
    return entry;
}

bool manifest_all_found(const struct manifest *manifest)
{
    return manifest->all_found;
}

bool manifest_all_taken(const struct manifest *manifest)
{
    return manifest->all_found && manifest->first == NULL;
}

uint64_t manifest_total(const struct manifest *manifest)
{
    return manifest->total;
}
