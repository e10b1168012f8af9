/*
 * Mistakes in a file, in the order of their places.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    REPORT_MAX = 100, /* mistakes kept; of more the number is known */
    REPORT_TEXT_MAX = 640,
};

struct report_entry {
    unsigned line, column; /* from 1; 0 = of the file as a whole */
    bool warning;
    char text[REPORT_TEXT_MAX];
};

struct report {
    struct report_entry *entries;
    size_t count;
    size_t dropped;  /* found after REPORT_MAX, or without memory */
    size_t mistakes; /* in all, warnings not counted */
    size_t warnings;
};

void report_init(struct report *report);
void report_clear(struct report *report);

/* Hostile text in the arguments is escaped by the caller. */
void report_mistake(struct report *report, unsigned line, unsigned column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_warning(struct report *report, unsigned line, unsigned column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* `PATH:LINE:COLUMN: text`, a line each; path is escaped here. */
void report_print(const struct report *report, const char *path, FILE *out);

#endif
