/*
 * The session master's store as a file, for the commands that work on it.
 */
#ifndef CLI_STOREFILE_H
#define CLI_STOREFILE_H

#include "cli/command.h"
#include "io/io.h"

/*
 * Makes an empty store, mode 0600, where there is none. Root makes it for the user `name`, or for
 * adit where that is NULL and there is such a user. False with one line for a person in `why`.
 */
bool storefile_make(struct io_loop *loop, const char *path, const char *name, char *why,
                    size_t why_len);

#endif
