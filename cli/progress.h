/*
 * How a transfer goes, for a person: one line that is drawn over itself, and a summary.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "roles/transfer/send.h"

#include <stdio.h>

enum { PROGRESS_LINE_MAX = 256 };

/* The line at a time since the start, at most `columns` wide. Returns out. */
char *progress_line(const struct send_progress *progress, double elapsed_s, unsigned columns,
                    char *out, size_t out_len);

/* What was done, with a newline. */
void progress_summary(const struct send_progress *progress, double elapsed_s, FILE *out);

#endif
