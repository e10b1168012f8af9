/*
 * The process itself: its loop, signals, user, and the supervisor that started it.
 */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include "cli/command.h"
#include "io/io.h"

/* The loop of this thread, for a command that only needs files, time and randomness. NULL after a
 * complaint; io_real_free() it. */
struct io_loop *process_loop(const struct command *command);

/* The user that --user names: found before anything is opened, taken on after binding. */
struct process_user {
    bool found;
    unsigned uid;
    unsigned gid;
    char name[64];
};

/*
 * Looks the user up: `name`, or "adit" where that is NULL and this process is root. Returns
 * EXIT_FINE, or what a complaint returned when a named user does not exist or cannot be become.
 */
int process_user_find(const struct command *command, const char *name, struct process_user *user);

/* Becomes the user, with no other group, for good. False with why. */
bool process_user_become(const struct process_user *user, char why[OPTION_WHY_MAX]);

/* True when this process, as it is now, can read the file. */
bool process_can_read(const char *path);

/* From now on no program that this process starts can gain privileges. Before any thread. */
void process_no_new_privileges(void);

bool process_is_root(void);

/* Gives a file to the user, where one was found. */
void process_give(const char *path, const struct process_user *user);

/* Tells the supervisor (sd_notify(3)): "READY=1", "RELOADING=1", "STOPPING=1". Without one,
 * nothing happens. */
void process_notify(const char *state);

/*
 * Where the control socket of a role is by default: /run/adit/ROLE.sock for root, in
 * $XDG_RUNTIME_DIR/adit for others. False when there is no such place.
 */
bool process_control_path(const char *role, char *out, size_t out_len);

/* Makes the directories of a file's path that are missing, mode 0700, for `owner` where that is
 * found; owner may be NULL. False with why. */
bool process_make_directory(const char *file, const struct process_user *owner,
                            char why[OPTION_WHY_MAX]);

#endif
