/*
 * One question to a Unix socket that answers line by line, as a control socket does.
 */
#ifndef IO_REAL_ASK_H
#define IO_REAL_ASK_H

#include <stddef.h>

enum { IO_ASK_TIMEOUT_S = 5 }; /* without a byte */

/*
 * Sends `question`, which ends with a newline, to the socket at path and waits for one line of at
 * most answer_max bytes. Returns the line without its newline, *len bytes from malloc(); NULL with
 * one line for a person in why[why_len].
 */
char *io_ask(const char *path, const char *question, size_t answer_max, size_t *len, char *why,
             size_t why_len);

#endif
