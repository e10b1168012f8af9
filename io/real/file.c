#include "base/encode.h"
#include "io/io.h"
#include "io/real/kernel_error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP = 4096, SECRET_MODE = 0640 };

/* There is one disk, and it has no state here. */
struct io_disk {
    char none;
};

struct io_disk *io_disk(struct io_loop *loop)
{
    static struct io_disk kernel;
    (void)loop;
    return &kernel;
}

/* ---- Reading ---- */

struct text {
    char *bytes;
    size_t len;
    size_t room;
};

/* Frees what may be a secret. */
static void drop(struct text *text)
{
    if (text->bytes != NULL)
        wipe(text->bytes, text->room);
    free(text->bytes);
    *text = (struct text){0};
}

/* Not by realloc(), which leaves copies behind. */
static bool grow(struct text *text)
{
    struct text larger = {.len = text->len, .room = text->room * 2 + READ_STEP};
    larger.bytes = malloc(larger.room);
    if (larger.bytes == NULL)
        return false;
    if (text->len > 0)
        memcpy(larger.bytes, text->bytes, text->len);
    drop(text);
    *text = larger;
    return true;
}

/* Reads to the end; leaves room for a NUL. */
static int read_all(int fd, size_t max, struct text *text)
{
    for (;;) {
        if (text->room - text->len < 2 && !grow(text))
            return IO_E_NO_MEMORY;
        ssize_t got = read(fd, text->bytes + text->len, text->room - text->len - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kernel_error(errno);
        if (got == 0)
            return 0;
        text->len += (size_t)got;
        if (text->len > max)
            return IO_E_TOO_LARGE;
    }
}

/* On the open descriptor, so that what is checked is what is read. */
static int check_secret(int fd)
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return kernel_error(errno);
    if ((file.st_uid != 0 && file.st_uid != geteuid()) || (file.st_mode & 0777 & ~SECRET_MODE) != 0)
        return IO_E_EXPOSED;
    return 0;
}

static int read_file(const char *path, size_t max, bool secret, char **out, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return kernel_error(errno);
    struct text text = {0};
    int error = secret ? check_secret(fd) : 0;
    if (error == 0)
        error = read_all(fd, max, &text);
    close(fd);
    if (error != 0) {
        drop(&text);
        return error;
    }
    text.bytes[text.len] = '\0';
    *out = text.bytes;
    *len = text.len;
    return 0;
}

int io_file_read(struct io_disk *disk, const char *path, size_t max, char **text, size_t *len)
{
    (void)disk;
    return read_file(path, max, false, text, len);
}

int io_file_read_secret(struct io_disk *disk, const char *path, size_t max, char **text,
                        size_t *len)
{
    (void)disk;
    return read_file(path, max, true, text, len);
}

/* ---- Writing ---- */

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return kernel_error(errno);
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

/* A name is only on the disk when its directory is. */
static int sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    if (directory == NULL)
        return IO_E_NO_MEMORY;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0)
        return kernel_error(errno);
    int error = fsync(fd) == 0 ? 0 : kernel_error(errno);
    close(fd);
    return error;
}

/* Writes the bytes under a new name beside `path`, whose template is in `temporary`. */
static int write_temporary(char *temporary, const void *bytes, size_t len, unsigned mode)
{
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return kernel_error(errno);
    int error = write_all(fd, bytes, len);
    if (error == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        error = kernel_error(errno);
    if (close(fd) != 0 && error == 0)
        error = kernel_error(errno);
    if (error != 0)
        unlink(temporary);
    return error;
}

/* Renames, but not over a file that exists; on file systems that cannot, by a hard link. */
static int rename_exclusive(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(from, to) != 0)
        return -1;
    unlink(from);
    return 0;
}

int io_file_write(struct io_disk *disk, const char *path, const void *bytes, size_t len,
                  unsigned mode, bool exclusive)
{
    (void)disk;
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return IO_E_NO_MEMORY;
    int error = write_temporary(temporary, bytes, len, mode);
    if (error != 0)
        goto out;
    if ((exclusive ? rename_exclusive(temporary, path) : rename(temporary, path)) != 0) {
        error = kernel_error(errno);
        unlink(temporary);
        goto out;
    }
    error = sync_directory(path);
out:
    free(temporary);
    return error;
}

int io_file_remove(struct io_disk *disk, const char *path)
{
    (void)disk;
    if (unlink(path) != 0)
        return kernel_error(errno);
    return sync_directory(path);
}
