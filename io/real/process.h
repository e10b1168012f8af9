/*
 * The process itself, as the kernel and its supervisor see it: limits, hardening, user, directories
 * for its files. A filter of system calls and of paths belongs after the user has changed and
 * before the first byte of the network is read. Where a call has `why`, it answers false with one
 * line for a person there.
 */
#ifndef IO_REAL_PROCESS_H
#define IO_REAL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What every program does first: files that it makes are for this user alone unless a mode says
 * otherwise, and who does not read its output any more is an error and no signal.
 */
void io_process_begin(void);

/* No core dumps and no debugger of the same user: memory holds keys. False when refused. */
bool io_process_no_dumps(void);

/*
 * Raises the limit of open files to what the hard limit allows. Returns the limit now in force, 0
 * when it cannot be told.
 */
uint64_t io_process_raise_files(void);

/* From now on no program that this process starts can gain privileges. Before any thread. */
void io_process_no_new_privileges(void);

/* ---- Users ---- */

struct io_process_user {
    uid_t uid;
    gid_t gid;
    char name[64];
};

bool io_process_is_root(void);

/* Looks a user up. False when there is none of that name. */
bool io_process_find_user(const char *name, struct io_process_user *user);

/* True when this process is the user already, or is root and so can become it. */
bool io_process_may_become(const struct io_process_user *user);

/*
 * Becomes the user, with no other group, for good; still without dumps. Who is not root stays what
 * it is; io_process_drop_capabilities() is for it.
 */
bool io_process_become(const struct io_process_user *user, char *why, size_t why_len);

/*
 * Gives up what a process that is not root may do all the same, such as the ambient capabilities
 * that systemd starts it with. Root keeps its rights. False when refused.
 */
bool io_process_drop_capabilities(void);

/* ---- Files ---- */

/* The path of this program. False when it cannot be told. */
bool io_process_program(char *path, size_t path_len);

/* True when this process, as it is now, can read the file. */
bool io_process_can_read(const char *path);

/* True when owner and mode would let it, and the sandbox does not. */
bool io_process_is_kept_from(const char *path);

/*
 * True when the file is there and a regular one; *mode are its permissions, as in chmod(1).
 */
bool io_process_look(const char *path, unsigned *mode, char *why, size_t why_len);

/* Gives a file to a user. */
bool io_process_give(const char *path, const struct io_process_user *user, char *why,
                     size_t why_len);

/*
 * Makes the directories of a file's path that are missing, mode 0700, for `owner`, which may be
 * NULL: this user.
 */
bool io_process_make_directories(const char *file, const struct io_process_user *owner, char *why,
                                 size_t why_len);

/* ---- The supervisor ---- */

/*
 * Tells it (sd_notify(3)): "READY=1", "RELOADING=1", "STOPPING=1". Without one, nothing happens.
 */
void io_process_notify(const char *state);

#endif
