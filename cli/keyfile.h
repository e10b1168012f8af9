/*
 * Secrets in files and from standard input, for the commands that make and explain them.
 */
#ifndef CLI_KEYFILE_H
#define CLI_KEYFILE_H

#include "cli/command.h"
#include "io/io.h"

#include <adit/snitun_token.h>

enum { KEYFILE_MAX = 64 * 1024 };

/*
 * Reads the Fernet keys of a file. Returns EXIT_FINE, or what a complaint of the command returned.
 * The keyring is wiped by the caller.
 */
int keyfile_read(const struct command *command, struct io_disk *disk, const char *path,
                 struct snitun_keyring *keyring);

/*
 * Writes a secret and a newline, mode 0600; a file that exists is replaced only with `force`.
 * Returns EXIT_FINE or what a complaint returned.
 */
int keyfile_write(const struct command *command, struct io_disk *disk, const char *path,
                  const char *text, bool force);

/*
 * Reads all of standard input, at most KEYFILE_MAX bytes, into a buffer from malloc(), NUL
 * terminated. Returns NULL with why.
 */
char *keyfile_stdin(size_t *len, char why[OPTION_WHY_MAX]);

#endif
