/*
 * The sandbox of a command, from what it was told: the directories of its files, its ports, and the
 * system calls of its work. io/real/sandbox.h says how it holds.
 */
#ifndef CLI_SANDBOX_H
#define CLI_SANDBOX_H

#include "cli/options.h"
#include "io/io.h"
#include "io/real/sandbox.h"

/*
 * Limits this thread, and those that begin later, to the paths and ports of the options: files are
 * read, those with OPTION_WRITTEN are changed, each with what stands beside it; arguments alone;
 * addresses are listened on, hosts connected to where the work says so. A configuration file and a
 * session master may name other ports later, so with these every port can be connected to. control
 * is the path of a socket to make, NULL = none. False with why.
 */
bool sandbox_paths(struct io_loop *loop, const struct options *options, unsigned work,
                   const char *control, char *why, size_t why_len);

/* The option --no-sandbox; its row in a table of options. */
#define SANDBOX_OPTION                                                                             \
    {                                                                                              \
        .name = "no-sandbox", .kind = OPTION_SWITCH, .traits = OPTION_NOT_IN_FILE,                 \
        .help = "Keeps every system call, path and port, for a kernel or a debugger that cannot "  \
                "do otherwise. It is warned of."                                                   \
    }

/* Whether --no-sandbox was given; warns if so. */
bool sandbox_is_off(struct io_loop *loop, const struct options *options);

#endif
