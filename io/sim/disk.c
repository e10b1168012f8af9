#include "io/sim/disk.h"

#include "io/sim/loop.h"
#include "io/sim/process.h"
#include "io/sim/tree.h"

#include <stdlib.h>
#include <string.h>

/* The content of a file; NULL bytes: there is no such file. */
struct content {
    char *bytes; /* len bytes and a NUL */
    size_t len;
    unsigned mode;
    bool synced; /* the bytes; the name is synced when the content is the durable one */
};

struct file {
    struct list node;
    char *path;
    struct content now;
    struct content durable;
};

struct disk {
    struct sim_host *host;
    struct list files;
    struct tree *tree;
    unsigned fail_at; /* steps until the process ends; 0 = not */
    enum sim_kill fail_how;
};

static char *copy(const char *bytes, size_t len)
{
    char *to = world_alloc(len + 1);
    memcpy(to, bytes, len);
    return to;
}

static void content_set(struct content *to, const struct content *from)
{
    free(to->bytes);
    *to = *from;
    if (from->bytes != NULL)
        to->bytes = copy(from->bytes, from->len);
}

static struct file *find(const struct disk *disk, const char *path)
{
    for (struct list *at = disk->files.next; at != &disk->files; at = at->next) {
        struct file *file = container_of(at, struct file, node);
        if (strcmp(file->path, path) == 0)
            return file;
    }
    return NULL;
}

static struct file *find_or_make(struct disk *disk, const char *path)
{
    struct file *file = find(disk, path);
    if (file != NULL)
        return file;
    file = world_alloc(sizeof *file);
    file->path = copy(path, strlen(path));
    list_append(&disk->files, &file->node);
    return file;
}

struct disk *disk_new(struct sim_host *host)
{
    struct disk *disk = world_alloc(sizeof *disk);
    disk->host = host;
    list_init(&disk->files);
    disk->tree = tree_new(host->world);
    return disk;
}

void disk_free(struct disk *disk)
{
    while (!list_empty(&disk->files)) {
        struct file *file = container_of(disk->files.next, struct file, node);
        list_remove(&file->node);
        free(file->now.bytes);
        free(file->durable.bytes);
        free(file->path);
        free(file);
    }
    tree_free(disk->tree);
    free(disk);
}

struct tree *disk_tree(const struct disk *disk)
{
    return disk->tree;
}

/* ---- Power ---- */

static bool same(const struct content *a, const struct content *b)
{
    if (a->bytes == NULL || b->bytes == NULL)
        return a->bytes == b->bytes;
    return a->synced == b->synced && a->len == b->len && a->mode == b->mode &&
           memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void lose(struct sim_world *world, struct file *file)
{
    if (same(&file->now, &file->durable))
        return;
    if (sim_chance(world, 5000)) {
        sim_fault(world, SIM_DISK_LOST);
        content_set(&file->now, &file->durable);
        return;
    }
    if (file->now.bytes != NULL && !file->now.synced) {
        sim_fault(world, SIM_DISK_LOST);
        file->now.len = sim_random_below(world, file->now.len + 1);
        file->now.bytes[file->now.len] = '\0';
        file->now.synced = true;
    }
    content_set(&file->durable, &file->now);
}

void disk_lose_power(struct disk *disk)
{
    disk->fail_at = 0;
    for (struct list *at = disk->files.next; at != &disk->files; at = at->next)
        lose(disk->host->world, container_of(at, struct file, node));
    tree_lose_power(disk->tree);
}

void sim_disk_fail_at(struct sim_host *host, unsigned steps)
{
    sim_disk_kill_at(host, steps, SIM_KILL_POWER);
}

void sim_disk_kill_at(struct sim_host *host, unsigned steps, enum sim_kill how)
{
    host->disk->fail_at = steps;
    host->disk->fail_how = how;
}

bool disk_step(struct io_disk *view)
{
    struct disk *disk = view->disk;
    if (disk->fail_at == 0 || --disk->fail_at > 0)
        return true;
    sim_process_kill(view->process, disk->fail_how);
    return false;
}

bool disk_is_full(struct io_disk *view)
{
    struct sim_world *world = view->disk->host->world;
    bool full = sim_chance(world, world->weather.disk_full);
    if (full)
        sim_fault(world, SIM_DISK_FULL);
    return full;
}

/* ---- The scenario's hands ---- */

void sim_disk_put(struct sim_host *host, const char *path, const void *bytes, size_t len,
                  unsigned mode)
{
    struct file *file = find_or_make(host->disk, path);
    struct content content = {.bytes = copy(bytes, len), .len = len, .mode = mode, .synced = true};
    content_set(&file->now, &content);
    content_set(&file->durable, &content);
    free(content.bytes);
}

const char *sim_disk_get(const struct sim_host *host, const char *path, size_t *len)
{
    const struct file *file = find(host->disk, path);
    if (file == NULL)
        return NULL;
    *len = file->now.len;
    return file->now.bytes;
}

/* ---- io.h ---- */

struct io_disk *io_disk(struct io_loop *loop)
{
    return &loop->process->disk;
}

int io_file_read(struct io_disk *disk, const char *path, size_t max, char **text, size_t *len)
{
    const struct file *file = disk->disk == NULL ? NULL : find(disk->disk, path);
    if (file == NULL || file->now.bytes == NULL)
        return IO_E_NOT_FOUND;
    if (file->now.len > max)
        return IO_E_TOO_LARGE;
    *text = copy(file->now.bytes, file->now.len);
    *len = file->now.len;
    return 0;
}

int io_file_read_secret(struct io_disk *disk, const char *path, size_t max, char **text,
                        size_t *len)
{
    enum { MODE_MAX = 0640 };
    const struct file *file = disk->disk == NULL ? NULL : find(disk->disk, path);
    if (file != NULL && file->now.bytes != NULL && (file->now.mode & ~(unsigned)MODE_MAX) != 0)
        return IO_E_EXPOSED;
    return io_file_read(disk, path, max, text, len);
}

/* The name now stands for the content of another one, which is gone. */
static void rename_file(struct file *from, struct file *to)
{
    content_set(&to->now, &from->now);
    content_set(&from->now, &(struct content){0});
}

static int write_steps(struct io_disk *view, const char *temporary, const char *path,
                       const struct content *content)
{
    if (!disk_step(view))
        return IO_E_OTHER;
    struct file *from = find_or_make(view->disk, temporary);
    content_set(&from->now, content);
    if (!disk_step(view))
        return IO_E_OTHER;
    from->now.synced = true;
    if (!disk_step(view))
        return IO_E_OTHER;
    struct file *to = find_or_make(view->disk, path);
    rename_file(from, to);
    if (!disk_step(view))
        return IO_E_OTHER;
    content_set(&to->durable, &to->now);
    content_set(&from->durable, &from->now);
    return 0;
}

int io_file_write(struct io_disk *disk, const char *path, const void *bytes, size_t len,
                  unsigned mode, bool exclusive)
{
    if (disk->disk == NULL)
        return IO_E_READ_ONLY;
    const struct file *old = find(disk->disk, path);
    if (exclusive && old != NULL && old->now.bytes != NULL)
        return IO_E_EXISTS;
    if (disk_is_full(disk))
        return IO_E_NO_SPACE;
    size_t path_len = strlen(path);
    char *temporary = world_alloc(path_len + sizeof ".tmp");
    memcpy(temporary, path, path_len);
    memcpy(temporary + path_len, ".tmp", sizeof ".tmp");
    struct content content = {.bytes = copy(bytes, len), .len = len, .mode = mode};
    int error = write_steps(disk, temporary, path, &content);
    free(content.bytes);
    free(temporary);
    return error;
}

/* Not synced: without power the file may be back. */
int io_file_remove(struct io_disk *disk, const char *path)
{
    if (disk->disk == NULL)
        return IO_E_READ_ONLY;
    struct file *file = find(disk->disk, path);
    if (file == NULL || file->now.bytes == NULL)
        return IO_E_NOT_FOUND;
    content_set(&file->now, &(struct content){0});
    return 0;
}
