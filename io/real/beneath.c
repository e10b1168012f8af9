#include "io/real/beneath.h"

#include "io/real/kernel_error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RACES_MAX = 16 };

int beneath_open(int dir, const char *path, int flags, mode_t mode)
{
    const struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    const char *name = path[0] == '\0' ? "." : path;
    long fd = -1;
    /* EAGAIN: something above was renamed meanwhile. */
    for (int i = 0; i < RACES_MAX; i++) {
        fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return (int)fd;
}

int beneath_find(struct beneath *at, int dir, const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    if (len >= sizeof(parent))
        return IO_E_TOO_LARGE;
    memcpy(parent, path, len);
    parent[len] = '\0';
    at->name = slash == NULL ? path : slash + 1;
    if (at->name[0] == '\0')
        at->name = ".";
    if (strcmp(at->name, "..") == 0)
        return IO_E_KIND;
    at->parent = beneath_open(dir, parent, O_PATH | O_DIRECTORY, 0);
    return at->parent < 0 ? file_error(errno) : 0;
}

void beneath_release(struct beneath *at)
{
    close(at->parent);
}

int file_error(int number)
{
    switch (number) {
    case ELOOP:
    case EXDEV:
    case EISDIR:
    case ENOTDIR:
    case ENOTEMPTY:
    case ENXIO:
        return IO_E_KIND;
    case EWOULDBLOCK:
    case EBUSY:
        return IO_E_IN_USE;
    default:
        return kernel_error(number);
    }
}

static enum io_kind kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return IO_KIND_FILE;
    case S_IFDIR:
        return IO_KIND_DIRECTORY;
    case S_IFIFO:
        return IO_KIND_PIPE;
    case S_IFLNK:
        return IO_KIND_LINK;
    default:
        return IO_KIND_OTHER;
    }
}

void file_stat_of(const struct stat *found, struct io_stat *out)
{
    *out = (struct io_stat){
        .kind = kind_of(found->st_mode),
        .mode = found->st_mode & 0777,
        .size = (uint64_t)found->st_size,
        .mtime_s = found->st_mtim.tv_sec,
        .mtime_ns = (uint32_t)found->st_mtim.tv_nsec,
        .change = (uint64_t)found->st_ctim.tv_sec * 1000000000U + (uint64_t)found->st_ctim.tv_nsec,
    };
}

int file_set_attributes(int fd, const struct io_attributes *attributes)
{
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = attributes->mtime_s, .tv_nsec = attributes->mtime_ns},
    };
    if (attributes->has_mode && fchmod(fd, attributes->mode & 0777) != 0)
        return file_error(errno);
    if (attributes->has_mtime && futimens(fd, times) != 0)
        return file_error(errno);
    return 0;
}
