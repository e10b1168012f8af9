/*
 * What the demo tells its user to type.
 */
#ifndef CLI_DEMOTEXT_H
#define CLI_DEMOTEXT_H

#include "cli/demofiles.h"

#include <stdio.h>

/* A word for a POSIX shell, quoted where that is needed; from malloc(), NULL without memory. */
char *demotext_quote(const char *word);

/* The commands that publish something through the demo's server on the loopback addresses. */
void demotext_commands(FILE *out, const struct demofiles *files, const char *name, uint16_t port);

#endif
