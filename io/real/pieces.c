#include "io/file.h"
#include "io/real/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

enum { LOCK_RACES_MAX = 8, WRITE_EARLY = 16 * 1024 * 1024 };

struct io_file {
    int fd;      /* -1 = a FIFO that waits for its reader */
    int stop;    /* eventfd of a pipe: readable once it is interrupted; else -1 */
    bool polled; /* a pipe whose descriptor does not block */
    size_t at_once;
    size_t unstarted; /* bytes written since the kernel was last told to begin with them */
    char path[];      /* of a FIFO to be written */
};

static struct io_file *file_of(int fd, int *error)
{
    struct io_file *file = calloc(1, sizeof(*file) + 1);
    if (file == NULL) {
        close(fd);
        *error = IO_E_NO_MEMORY;
        return NULL;
    }
    file->fd = fd;
    file->stop = -1;
    return file;
}

/* O_NONBLOCK while it is opened: a FIFO in the place of a file must not hold the caller up. */
static struct io_file *regular(int fd, int *error)
{
    struct stat found;
    if (fd < 0) {
        *error = file_error(errno);
        return NULL;
    }
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) {
        close(fd);
        *error = IO_E_KIND;
        return NULL;
    }
    return file_of(fd, error);
}

struct io_file *io_file_open_path(struct io_disk *disk, const char *path, int *error)
{
    (void)disk;
    return regular(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), error);
}

struct io_file *io_file_open(struct io_dir *dir, const char *path, int *error)
{
    return regular(beneath_open(dir_fd(dir), path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0), error);
}

/* Whether the name still leads to what is open: who held it before may have renamed it. */
static bool still_there(const struct io_dir *dir, const char *path, int fd)
{
    struct stat open_one;
    struct stat named;
    struct beneath at;
    if (fstat(fd, &open_one) != 0 || beneath_find(&at, dir_fd(dir), path) != 0)
        return false;
    bool same = fstatat(at.parent, at.name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                named.st_ino == open_one.st_ino && named.st_dev == open_one.st_dev;
    beneath_release(&at);
    return same;
}

struct io_file *io_file_create(struct io_dir *dir, const char *path, int *error)
{
    for (int i = 0; i < LOCK_RACES_MAX; i++) {
        int fd = beneath_open(dir_fd(dir), path, O_RDWR | O_CREAT | O_NONBLOCK | O_NOCTTY, 0600);
        struct io_file *file = regular(fd, error);
        if (file == NULL)
            return NULL;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            *error = file_error(errno);
            io_file_close(file);
            return NULL;
        }
        if (still_there(dir, path, fd))
            return file;
        io_file_close(file);
    }
    *error = IO_E_IN_USE;
    return NULL;
}

int io_file_stat(struct io_file *file, struct io_stat *out)
{
    struct stat found;
    if (fstat(file->fd, &found) != 0)
        return file_error(errno);
    file_stat_of(&found, out);
    return 0;
}

ssize_t io_file_read_at(struct io_file *file, void *buf, size_t len, uint64_t offset)
{
    size_t have = 0;
    while (have < len) {
        ssize_t got = pread(file->fd, (char *)buf + have, len - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_error(errno);
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/*
 * A disk that begins early has less left to do when the file is synced. What this answers is of no
 * matter: the sync tells of errors.
 */
static void start_writing(struct io_file *file, size_t len, uint64_t end)
{
    file->unstarted += len;
    if (file->unstarted < WRITE_EARLY || file->unstarted > end)
        return;
    sync_file_range(file->fd, (off_t)(end - file->unstarted), (off_t)file->unstarted,
                    SYNC_FILE_RANGE_WRITE);
    file->unstarted = 0;
}

int io_file_write_at(struct io_file *file, const void *bytes, size_t len, uint64_t offset)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t put = pwrite(file->fd, at, len, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return file_error(errno);
        at += put;
        len -= (size_t)put;
        offset += (uint64_t)put;
        start_writing(file, (size_t)put, offset);
    }
    return 0;
}

int io_file_truncate(struct io_file *file, uint64_t size)
{
    return ftruncate(file->fd, (off_t)size) == 0 ? 0 : file_error(errno);
}

int io_file_sync(struct io_file *file)
{
    return fsync(file->fd) == 0 ? 0 : file_error(errno);
}

int io_file_set(struct io_file *file, const struct io_attributes *attributes)
{
    return file_set_attributes(file->fd, attributes);
}

void io_file_close(struct io_file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    if (file->stop >= 0)
        close(file->stop);
    free(file);
}

/* ---- Pipes ---- */

static struct io_file *pipe_of(int fd, const char *path, bool polled, int *error)
{
    struct io_file *file = calloc(1, sizeof(*file) + strlen(path) + 1);
    int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (file == NULL || stop < 0) {
        *error = stop < 0 ? file_error(errno) : IO_E_NO_MEMORY;
        goto err;
    }
    file->fd = fd;
    file->stop = stop;
    file->polled = polled;
    /* Where a descriptor blocks, poll() promises room for so much. */
    file->at_once = polled ? SSIZE_MAX : 4096;
    memcpy(file->path, path, strlen(path) + 1);
    return file;

err:
    if (stop >= 0)
        close(stop);
    if (fd >= 0)
        close(fd);
    free(file);
    return NULL;
}

/*
 * O_NONBLOCK belongs to what all users of a descriptor share, a shell among them; a pipe can be
 * opened anew through /proc and then has one of its own.
 */
struct io_file *io_file_open_standard(struct io_disk *disk, enum io_pipe way, int *error)
{
    (void)disk;
    int fd = way == IO_PIPE_READ ? STDIN_FILENO : STDOUT_FILENO;
    struct stat found;
    char path[32];
    if (fstat(fd, &found) != 0) {
        *error = file_error(errno);
        return NULL;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int flags = way == IO_PIPE_READ ? O_RDONLY : O_WRONLY;
    int own = S_ISFIFO(found.st_mode) ? open(path, flags | O_NONBLOCK | O_CLOEXEC) : -1;
    bool polled = own >= 0;
    if (!polled)
        own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) {
        *error = file_error(errno);
        return NULL;
    }
    return pipe_of(own, "", polled, error);
}

struct io_file *io_file_open_pipe(struct io_disk *disk, const char *path, enum io_pipe way,
                                  int *error)
{
    (void)disk;
    int fd = -1;
    if (way == IO_PIPE_READ) {
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
            *error = file_error(errno);
            return NULL;
        }
    }
    return pipe_of(fd, path, true, error);
}

/*
 * Waits for a pipe; -1 as timeout waits for ever. A FIFO that nobody has opened for writing yet
 * is not at its end for poll(), though it is for read().
 */
static int wait_for(const struct io_file *file, short what, int timeout_ms)
{
    struct pollfd wanted[2] = {{.fd = file->stop, .events = POLLIN},
                               {.fd = file->fd, .events = what}};
    for (;;) {
        int ready = poll(wanted, 2, timeout_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return file_error(errno);
        return wanted[0].revents != 0 ? IO_E_STOPPED : 0;
    }
}

ssize_t io_file_read_next(struct io_file *file, void *buf, size_t len)
{
    for (;;) {
        int error = wait_for(file, POLLIN, -1);
        if (error != 0)
            return error;
        ssize_t got = read(file->fd, buf, len);
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN)
            return file_error(errno);
    }
}

/* Nothing tells when a reader opens a FIFO: it is tried again, a few times a second. */
static int wait_for_reader(struct io_file *file)
{
    enum { TRY_EVERY_MS = 50 };
    while (file->fd < 0) {
        file->fd = open(file->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (file->fd < 0 && errno != ENXIO && errno != EINTR)
            return file_error(errno);
        int error = file->fd < 0 ? wait_for(file, 0, TRY_EVERY_MS) : 0;
        if (error != 0)
            return error;
    }
    return 0;
}

int io_file_write_next(struct io_file *file, const void *bytes, size_t len)
{
    const char *at = bytes;
    int error = wait_for_reader(file);
    while (error == 0 && len > 0) {
        error = wait_for(file, POLLOUT, -1);
        if (error != 0)
            break;
        ssize_t put = write(file->fd, at, len < file->at_once ? len : file->at_once);
        if (put >= 0) {
            at += put;
            len -= (size_t)put;
        } else if (errno != EINTR && errno != EAGAIN) {
            error = file_error(errno);
        }
    }
    return error;
}

void io_file_interrupt(struct io_file *file)
{
    const uint64_t one = 1;
    if (file->stop < 0)
        return;
    ssize_t told = write(file->stop, &one, sizeof(one));
    (void)told; /* it fails only where it is told already */
}
