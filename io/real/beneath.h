/*
 * Names beneath a directory, for io/file.h: openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS.
 */
#ifndef IO_REAL_BENEATH_H
#define IO_REAL_BENEATH_H

#include "io/file.h"

#include <sys/stat.h>

/* A descriptor, close-on-exec, or -1 with errno. "" is the directory itself. */
int beneath_open(int dir, const char *path, int flags, mode_t mode);

/* The directory that holds the last component of a path, and that component. */
struct beneath {
    int parent;
    const char *name; /* in the path that was given; "." for "" */
};
int beneath_find(struct beneath *at, int dir, const char *path);
void beneath_release(struct beneath *at);

/* Like kernel_error(), with what only files answer. */
int file_error(int number);
void file_stat_of(const struct stat *found, struct io_stat *out);
int file_set_attributes(int fd, const struct io_attributes *attributes);

int dir_fd(const struct io_dir *dir);

#endif
