/*
 * io/file.h over a host's tree. There are no links and no pipes here.
 */
#include "io/file.h"

#include "io/sim/disk.h"
#include "io/sim/process.h"
#include "io/sim/tree.h"

#include <stdlib.h>
#include <string.h>

struct io_dir {
    struct io_disk *view;
    char *path;
    char *last; /* name that was listed; NULL = none yet */
};

struct io_file {
    struct io_disk *view;
    struct tree_node *node;
    bool writes;
};

/* ---- Paths ---- */

/* base/path without a slash at the end; NULL where a component leads elsewhere. */
static char *join(const char *base, const char *path)
{
    size_t base_len = strlen(base);
    char *joined = world_alloc(base_len + strlen(path) + 2);
    memcpy(joined, base, base_len);
    size_t at = base_len;
    while (at > 0 && joined[at - 1] == '/')
        at--;
    for (const char *next = path; *next != '\0';) {
        size_t len = strcspn(next, "/");
        bool up = len == 2 && next[0] == '.' && next[1] == '.';
        if (up) {
            free(joined);
            return NULL;
        }
        if (len > 0 && !(len == 1 && next[0] == '.')) {
            joined[at++] = '/';
            memcpy(joined + at, next, len);
            at += len;
        }
        next += len + (next[len] == '/' ? 1 : 0);
    }
    joined[at] = '\0';
    return joined;
}

/* NULL of a ghost. */
static struct tree *tree_of(const struct io_disk *view)
{
    return view->disk == NULL ? NULL : disk_tree(view->disk);
}

static void stat_of(const struct tree_node *node, struct io_stat *stat)
{
    *stat = (struct io_stat){.kind = node->kind,
                             .mode = node->mode,
                             .size = node->len,
                             .mtime_s = node->mtime_s,
                             .mtime_ns = node->mtime_ns,
                             .change = node->change};
}

/* Finds base/path; "" is the root, a directory that needs no node. */
static int find(const struct io_disk *view, const char *base, const char *path, char **joined,
                struct tree_node **node)
{
    struct tree *tree = tree_of(view);
    *node = NULL;
    *joined = tree == NULL ? NULL : join(base, path);
    if (*joined == NULL)
        return tree == NULL ? IO_E_OTHER : IO_E_DENIED;
    *node = tree_find(tree, *joined);
    return *node == NULL && (*joined)[0] != '\0' ? IO_E_NOT_FOUND : 0;
}

static int stat_path(const struct io_disk *view, const char *base, const char *path,
                     struct io_stat *stat)
{
    static const struct tree_node root = {.kind = IO_KIND_DIRECTORY, .mode = 0755};
    struct tree_node *node;
    char *joined;
    int error = find(view, base, path, &joined, &node);
    free(joined);
    if (error == 0)
        stat_of(node == NULL ? &root : node, stat);
    return error;
}

/* ---- Directories ---- */

int io_path_stat(struct io_disk *disk, const char *path, struct io_stat *stat)
{
    return stat_path(disk, "", path, stat);
}

int io_dir_stat(struct io_dir *dir, const char *path, struct io_stat *stat)
{
    return stat_path(dir->view, dir->path, path, stat);
}

static struct io_dir *open_dir(struct io_disk *view, const char *base, const char *path, int *error)
{
    struct io_stat stat;
    *error = stat_path(view, base, path, &stat);
    if (*error == 0 && stat.kind != IO_KIND_DIRECTORY)
        *error = IO_E_KIND;
    if (*error != 0)
        return NULL;
    if (!process_take_file(view->process)) {
        *error = IO_E_NO_FILES;
        return NULL;
    }
    struct io_dir *dir = world_alloc(sizeof *dir);
    dir->view = view;
    dir->path = join(base, path);
    return dir;
}

struct io_dir *io_dir_open(struct io_disk *disk, const char *path, int *error)
{
    return open_dir(disk, "", path, error);
}

struct io_dir *io_dir_enter(struct io_dir *dir, const char *path, int *error)
{
    return open_dir(dir->view, dir->path, path, error);
}

void io_dir_close(struct io_dir *dir)
{
    if (dir == NULL)
        return;
    process_drop_file(dir->view->process);
    free(dir->path);
    free(dir->last);
    free(dir);
}

const char *io_dir_next(struct io_dir *dir, int *error)
{
    struct tree *tree = tree_of(dir->view);
    *error = tree == NULL ? IO_E_OTHER : 0;
    const char *name = tree == NULL ? NULL : tree_next(tree, dir->path, dir->last);
    char *last = name == NULL ? NULL : world_alloc(strlen(name) + 1);
    if (last != NULL)
        memcpy(last, name, strlen(name));
    free(dir->last);
    dir->last = last;
    return last;
}

int io_dir_make(struct io_dir *dir, const char *path, unsigned mode)
{
    struct tree_node *node;
    char *joined;
    int error = find(dir->view, dir->path, path, &joined, &node);
    if (error == 0)
        error = IO_E_EXISTS;
    else if (error == IO_E_NOT_FOUND)
        error = disk_step(dir->view)
                    ? tree_make(tree_of(dir->view), joined, IO_KIND_DIRECTORY, &node)
                    : IO_E_OTHER;
    if (error == 0)
        node->mode = mode;
    free(joined);
    return error;
}

int io_dir_rename(struct io_dir *dir, const char *from, const char *to)
{
    struct tree *tree = tree_of(dir->view);
    char *old = join(dir->path, from);
    char *new = join(dir->path, to);
    int error = IO_E_OTHER;
    if (old == NULL || new == NULL)
        error = IO_E_DENIED;
    else if (tree != NULL && disk_step(dir->view))
        error = tree_rename(tree, old, new);
    free(old);
    free(new);
    return error;
}

int io_dir_remove(struct io_dir *dir, const char *path)
{
    struct tree_node *node;
    char *joined;
    int error = find(dir->view, dir->path, path, &joined, &node);
    if (error == 0)
        error = disk_step(dir->view) ? tree_remove(tree_of(dir->view), joined) : IO_E_OTHER;
    free(joined);
    return error;
}

int io_dir_sync(struct io_dir *dir, const char *path)
{
    struct tree_node *node;
    char *joined;
    int error = find(dir->view, dir->path, path, &joined, &node);
    if (error == 0 && !disk_step(dir->view))
        error = IO_E_OTHER;
    if (error == 0)
        tree_sync_names(tree_of(dir->view), joined);
    free(joined);
    return error;
}

static void set(struct tree_node *node, const struct io_attributes *attributes)
{
    if (attributes->has_mode)
        node->mode = attributes->mode;
    if (attributes->has_mtime) {
        node->mtime_s = attributes->mtime_s;
        node->mtime_ns = attributes->mtime_ns;
    }
}

int io_dir_set(struct io_dir *dir, const char *path, const struct io_attributes *attributes)
{
    struct tree_node *node;
    char *joined;
    int error = find(dir->view, dir->path, path, &joined, &node);
    if (error == 0 && node != NULL)
        set(node, attributes);
    free(joined);
    return error;
}

/* ---- Files ---- */

static struct io_file *open_node(struct io_disk *view, struct tree_node *node, bool writes,
                                 int *error)
{
    if (node == NULL || node->kind != IO_KIND_FILE)
        *error = IO_E_KIND;
    else if (!process_take_file(view->process))
        *error = IO_E_NO_FILES;
    if (*error != 0)
        return NULL;
    struct io_file *file = world_alloc(sizeof *file);
    *file = (struct io_file){.view = view, .node = node, .writes = writes};
    tree_open(node);
    return file;
}

static struct io_file *open_path(struct io_disk *view, const char *base, const char *path,
                                 int *error)
{
    struct tree_node *node;
    char *joined;
    *error = find(view, base, path, &joined, &node);
    free(joined);
    return *error == 0 ? open_node(view, node, false, error) : NULL;
}

struct io_file *io_file_open_path(struct io_disk *disk, const char *path, int *error)
{
    return open_path(disk, "", path, error);
}

struct io_file *io_file_open(struct io_dir *dir, const char *path, int *error)
{
    return open_path(dir->view, dir->path, path, error);
}

/* A lock dies with its process, whose ghost may still hold the object. */
static bool is_written(const struct tree_node *node)
{
    const struct io_file *writer = node->writer;
    return writer != NULL && !writer->view->process->ghost;
}

struct io_file *io_file_create(struct io_dir *dir, const char *path, int *error)
{
    struct tree_node *node;
    char *joined;
    struct io_file *file = NULL;
    *error = find(dir->view, dir->path, path, &joined, &node);
    if (*error == IO_E_NOT_FOUND)
        *error = disk_step(dir->view) ? tree_make(tree_of(dir->view), joined, IO_KIND_FILE, &node)
                                      : IO_E_OTHER;
    if (*error == 0 && node != NULL && is_written(node))
        *error = IO_E_IN_USE;
    if (*error == 0)
        file = open_node(dir->view, node, true, error);
    if (file != NULL)
        node->writer = file;
    free(joined);
    return file;
}

void io_file_close(struct io_file *file)
{
    if (file == NULL)
        return;
    if (file->node->writer == file)
        file->node->writer = NULL;
    tree_close(file->node);
    process_drop_file(file->view->process);
    free(file);
}

int io_file_stat(struct io_file *file, struct io_stat *stat)
{
    stat_of(file->node, stat);
    return tree_of(file->view) == NULL ? IO_E_OTHER : 0;
}

ssize_t io_file_read_at(struct io_file *file, void *buf, size_t len, uint64_t offset)
{
    if (tree_of(file->view) == NULL)
        return IO_E_OTHER;
    if (offset >= file->node->len)
        return 0;
    size_t left = file->node->len - (size_t)offset;
    size_t got = left < len ? left : len;
    memcpy(buf, file->node->bytes + offset, got);
    return (ssize_t)got;
}

int io_file_write_at(struct io_file *file, const void *bytes, size_t len, uint64_t offset)
{
    struct tree *tree = tree_of(file->view);
    if (tree == NULL || !file->writes || !disk_step(file->view))
        return IO_E_OTHER;
    bool full = disk_is_full(file->view);
    if (full)
        len = sim_random_below(file->view->process->host->world, len + 1);
    if (len > 0)
        tree_write(tree, file->node, bytes, len, (size_t)offset);
    return full ? IO_E_NO_SPACE : 0;
}

int io_file_truncate(struct io_file *file, uint64_t size)
{
    struct tree *tree = tree_of(file->view);
    if (tree == NULL || !disk_step(file->view))
        return IO_E_OTHER;
    if (size != file->node->len)
        tree_resize(tree, file->node, (size_t)size);
    return 0;
}

int io_file_sync(struct io_file *file)
{
    if (tree_of(file->view) == NULL || !disk_step(file->view))
        return IO_E_OTHER;
    tree_sync(file->node);
    return 0;
}

int io_file_set(struct io_file *file, const struct io_attributes *attributes)
{
    if (tree_of(file->view) == NULL)
        return IO_E_OTHER;
    set(file->node, attributes);
    return 0;
}

/* ---- Pipes: there are none ---- */

struct io_file *io_file_open_standard(struct io_disk *disk, enum io_pipe way, int *error)
{
    (void)disk, (void)way;
    *error = IO_E_NOT_FOUND;
    return NULL;
}

struct io_file *io_file_open_pipe(struct io_disk *disk, const char *path, enum io_pipe way,
                                  int *error)
{
    (void)path;
    return io_file_open_standard(disk, way, error);
}

ssize_t io_file_read_next(struct io_file *file, void *buf, size_t len)
{
    (void)file, (void)buf, (void)len;
    return IO_E_KIND;
}

int io_file_write_next(struct io_file *file, const void *bytes, size_t len)
{
    (void)file, (void)bytes, (void)len;
    return IO_E_KIND;
}

void io_file_interrupt(struct io_file *file)
{
    (void)file;
}

/* ---- The scenario's hands ---- */

void sim_tree_put(struct sim_host *host, const char *path, const void *bytes, size_t len)
{
    struct tree *tree = disk_tree(host->disk);
    char *home = join("", path);
    /* The directories above it. */
    for (char *slash = strchr(home + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        struct tree_node *made;
        *slash = '\0';
        if (tree_make(tree, home, IO_KIND_DIRECTORY, &made) == 0)
            made->mode = 0755;
        *slash = '/';
    }
    struct tree_node *node = tree_find(tree, home);
    if (node == NULL &&
        tree_make(tree, home, bytes == NULL ? IO_KIND_DIRECTORY : IO_KIND_FILE, &node) != 0)
        abort();
    if (bytes != NULL) {
        tree_resize(tree, node, 0);
        tree_write(tree, node, bytes, len, 0);
        tree_sync(node);
    }
    tree_sync_all_names(tree);
    free(home);
}

const void *sim_tree_get(const struct sim_host *host, const char *path, size_t *len)
{
    char *joined = join("", path);
    const struct tree_node *node = tree_find(disk_tree(host->disk), joined);
    free(joined);
    if (node == NULL || node->kind != IO_KIND_FILE)
        return NULL;
    *len = node->len;
    return node->bytes == NULL ? (const void *)"" : node->bytes;
}

uint64_t sim_tree_change(const struct sim_host *host, const char *path)
{
    char *joined = join("", path);
    const struct tree_node *node = tree_find(disk_tree(host->disk), joined);
    free(joined);
    return node == NULL ? 0 : node->change;
}

const char *sim_tree_next(const struct sim_host *host, const char *directory, const char *after)
{
    return tree_next(disk_tree(host->disk), directory, after);
}
