/*
 * What the demo tells its user to type.
 */
#ifndef CLI_DEMOTEXT_H
#define CLI_DEMOTEXT_H

#include "cli/demofiles.h"

#include <stdio.h>

/* A word for a POSIX shell, quoted where that is needed; from malloc(), NULL without memory. */
char *demotext_quote(const char *word);

/* Where the demo runs, on loopback addresses. */
struct demotext {
    const char *name;   /* of the demo's own host */
    const char *mine;   /* of the user's */
    const char *master; /* URL */
    uint16_t port;      /* where devices come */
};

/* The commands that publish something of the user's through the running demo. */
void demotext_commands(FILE *out, const struct demofiles *files, const struct demotext *where);

#endif
