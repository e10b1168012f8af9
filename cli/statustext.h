/*
 * The state of a running role as text for a terminal.
 */
#ifndef CLI_STATUSTEXT_H
#define CLI_STATUSTEXT_H

#include <jansson.h>
#include <stdio.h>

/*
 * Prints what a role answered: a summary, then a table of a server's peers or a publisher's
 * channels. `before` is an earlier answer of the same role, seconds older, from which rates are
 * computed; or NULL. max_lines is how many lines there is room for, 0 = any number. Every string is
 * escaped; fields that are missing are shown as "-". Returns how many lines were printed.
 */
unsigned statustext_print(FILE *out, const json_t *now, const json_t *before, double seconds,
                          unsigned max_lines);

#endif
