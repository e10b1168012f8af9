/*
 * What commands say about the process that they run in; the process itself is io/real/process.h.
 */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include "cli/command.h"
#include "io/io.h"
#include "io/real/process.h"

/* The loop of this thread, for a command that only needs files, time and randomness. NULL after a
 * complaint; io_real_free() it. */
struct io_loop *process_loop(const struct command *command);

/*
 * Finds the user to become after binding, by --user: `name`, or "adit" where that is NULL and this
 * process is root. *change is false where this user is to stay. False with one line for a person in
 * `why` when a named user does not exist or cannot be become.
 */
bool process_find_user(const char *name, struct io_process_user *user, bool *change, char *why,
                       size_t why_len);

/*
 * Where the control socket of a role is by default: /run/adit/ROLE.sock for root, in
 * $XDG_RUNTIME_DIR/adit for others. False when there is no such place.
 */
bool process_control_path(const char *role, char *out, size_t out_len);

#endif
