/*
 * Large files, directories and pipes, piece by piece. Every call here may block: they are made on
 * the helper pool, from work that io_submit() was given, and never on a loop. An object is used by
 * one thread at a time; only io_file_interrupt() may come from another.
 *
 * Beneath a directory nothing leads out of it: no symbolic link is followed and `..` is refused,
 * whoever changes the tree meanwhile. Paths there are relative; "" is the directory itself.
 */
#ifndef IO_FILE_H
#define IO_FILE_H

#include "io/io.h"

struct io_dir;
struct io_file;

enum io_kind { IO_KIND_FILE, IO_KIND_DIRECTORY, IO_KIND_PIPE, IO_KIND_LINK, IO_KIND_OTHER };

struct io_stat {
    enum io_kind kind;
    unsigned mode; /* 0777 */
    uint64_t size;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint64_t change; /* differs after each change of the file that could be seen */
};

/* ---- Where a person said: links are followed ---- */

int io_path_stat(struct io_disk *disk, const char *path, struct io_stat *stat);

/* NULL with *error set. */
struct io_dir *io_dir_open(struct io_disk *disk, const char *path, int *error);
void io_dir_close(struct io_dir *dir);

/* A file that is there, to be read. NULL with *error set; IO_E_KIND for what is no file. */
struct io_file *io_file_open_path(struct io_disk *disk, const char *path, int *error);

/*
 * Bytes that come or go once, in order. A FIFO waits for its other end when it is first read or
 * written. NULL with *error set.
 */
enum io_pipe { IO_PIPE_READ, IO_PIPE_WRITE };
struct io_file *io_file_open_standard(struct io_disk *disk, enum io_pipe way, int *error);
struct io_file *io_file_open_pipe(struct io_disk *disk, const char *path, enum io_pipe way,
                                  int *error);

/* ---- Beneath a directory ---- */

int io_dir_stat(struct io_dir *dir, const char *path, struct io_stat *stat);

/* A directory beneath it. NULL with *error set. */
struct io_dir *io_dir_enter(struct io_dir *dir, const char *path, int *error);

/* 0, or IO_E_EXISTS whatever stands there. The mode is not masked. Not synced. */
int io_dir_make(struct io_dir *dir, const char *path, unsigned mode);

/*
 * The next name in the directory, NUL terminated, valid until the next call; NULL at the end or
 * with *error set. `.` and `..` are left out.
 */
const char *io_dir_next(struct io_dir *dir, int *error);

/* A file to be read. NULL with *error set; IO_E_KIND for what is no file, links among it. */
struct io_file *io_file_open(struct io_dir *dir, const char *path, int *error);

/*
 * A file to be written, made with mode 0600 where it is not there, for this object alone:
 * IO_E_IN_USE while another one writes it. It can be read as well.
 */
struct io_file *io_file_create(struct io_dir *dir, const char *path, int *error);

/* Replaces a file that stands there; another thing is IO_E_KIND. Not synced. */
int io_dir_rename(struct io_dir *dir, const char *from, const char *to);
int io_dir_remove(struct io_dir *dir, const char *path);

/* Makes what happened to the names in a directory beneath it durable. */
int io_dir_sync(struct io_dir *dir, const char *path);

/* Mode and time of a file or directory; each only where it is meant. */
struct io_attributes {
    bool has_mode;
    bool has_mtime;
    unsigned mode;
    int64_t mtime_s;
    uint32_t mtime_ns;
};
int io_dir_set(struct io_dir *dir, const char *path, const struct io_attributes *attributes);

/* ---- An open file ---- */

int io_file_stat(struct io_file *file, struct io_stat *stat);

/* Bytes read, fewer than len only at the end of the file; or an error. */
ssize_t io_file_read_at(struct io_file *file, void *buf, size_t len, uint64_t offset);

/* All of it, or an error. */
int io_file_write_at(struct io_file *file, const void *bytes, size_t len, uint64_t offset);
int io_file_truncate(struct io_file *file, uint64_t size);
int io_file_sync(struct io_file *file);
int io_file_set(struct io_file *file, const struct io_attributes *attributes);

/*
 * The next bytes of a pipe, 0 at its end, or an error: IO_E_STOPPED after io_file_interrupt().
 * The first one waits for somebody to write.
 */
ssize_t io_file_read_next(struct io_file *file, void *buf, size_t len);

/* All of it; IO_E_RESET when nobody reads any more, IO_E_STOPPED after io_file_interrupt(). */
int io_file_write_next(struct io_file *file, const void *bytes, size_t len);

/* Ends a wait of the two above, now and later. From any thread while the file is open. */
void io_file_interrupt(struct io_file *file);

/* NULL is allowed. */
void io_file_close(struct io_file *file);

#endif
