#include "io/file.h"
#include "io/real/beneath.h"
#include "io/real/kernel_error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct io_dir {
    int fd;
    DIR *listing; /* NULL until the first io_dir_next() */
};

int dir_fd(const struct io_dir *dir)
{
    return dir->fd;
}

static struct io_dir *dir_of(int fd, int *error)
{
    if (fd < 0) {
        *error = file_error(errno);
        return NULL;
    }
    struct io_dir *dir = calloc(1, sizeof(*dir));
    if (dir == NULL) {
        close(fd);
        *error = IO_E_NO_MEMORY;
        return NULL;
    }
    dir->fd = fd;
    return dir;
}

struct io_dir *io_dir_open(struct io_disk *disk, const char *path, int *error)
{
    (void)disk;
    return dir_of(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error);
}

struct io_dir *io_dir_enter(struct io_dir *dir, const char *path, int *error)
{
    return dir_of(beneath_open(dir->fd, path, O_RDONLY | O_DIRECTORY, 0), error);
}

void io_dir_close(struct io_dir *dir)
{
    if (dir == NULL)
        return;
    if (dir->listing != NULL)
        closedir(dir->listing);
    close(dir->fd);
    free(dir);
}

int io_path_stat(struct io_disk *disk, const char *path, struct io_stat *out)
{
    (void)disk;
    struct stat found;
    if (stat(path, &found) != 0)
        return file_error(errno);
    file_stat_of(&found, out);
    return 0;
}

int io_dir_stat(struct io_dir *dir, const char *path, struct io_stat *out)
{
    struct stat found;
    struct beneath at;
    int error = beneath_find(&at, dir->fd, path);
    if (error != 0)
        return error;
    if (fstatat(at.parent, at.name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        error = file_error(errno);
    else
        file_stat_of(&found, out);
    beneath_release(&at);
    return error;
}

int io_dir_make(struct io_dir *dir, const char *path, unsigned mode)
{
    struct beneath at;
    int error = beneath_find(&at, dir->fd, path);
    if (error != 0)
        return error;
    if (mkdirat(at.parent, at.name, 0700) != 0)
        error = file_error(errno);
    beneath_release(&at);
    const struct io_attributes attributes = {.has_mode = true, .mode = mode};
    return error == 0 ? io_dir_set(dir, path, &attributes) : error;
}

const char *io_dir_next(struct io_dir *dir, int *error)
{
    *error = 0;
    if (dir->listing == NULL) {
        int fd = fcntl(dir->fd, F_DUPFD_CLOEXEC, 0);
        dir->listing = fd < 0 ? NULL : fdopendir(fd);
        if (dir->listing == NULL) {
            *error = file_error(errno);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir->listing);
        if (entry == NULL) {
            *error = errno == 0 ? 0 : file_error(errno);
            return NULL;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    }
}

/* rename(2) puts a file in the place of a link or a device as well; those stay. */
static int may_replace(const struct beneath *to)
{
    struct stat there;
    if (fstatat(to->parent, to->name, &there, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : file_error(errno);
    return S_ISREG(there.st_mode) ? 0 : IO_E_KIND;
}

int io_dir_rename(struct io_dir *dir, const char *from, const char *to)
{
    struct beneath old;
    struct beneath new;
    int error = beneath_find(&old, dir->fd, from);
    if (error != 0)
        return error;
    error = beneath_find(&new, dir->fd, to);
    if (error != 0)
        goto out_old;
    error = may_replace(&new);
    if (error == 0 && renameat(old.parent, old.name, new.parent, new.name) != 0)
        error = file_error(errno);
    beneath_release(&new);
out_old:
    beneath_release(&old);
    return error;
}

int io_dir_remove(struct io_dir *dir, const char *path)
{
    struct beneath at;
    int error = beneath_find(&at, dir->fd, path);
    if (error != 0)
        return error;
    if (unlinkat(at.parent, at.name, 0) != 0)
        error = file_error(errno);
    beneath_release(&at);
    return error;
}

int io_dir_sync(struct io_dir *dir, const char *path)
{
    int fd = beneath_open(dir->fd, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return file_error(errno);
    int error = fsync(fd) == 0 ? 0 : file_error(errno);
    close(fd);
    return error;
}

int io_dir_set(struct io_dir *dir, const char *path, const struct io_attributes *attributes)
{
    int fd = beneath_open(dir->fd, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return file_error(errno);
    int error = file_set_attributes(fd, attributes);
    close(fd);
    return error;
}
