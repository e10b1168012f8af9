/*
 * The state of a running VPN as text for a terminal.
 */
#ifndef CLI_VPNTEXT_H
#define CLI_VPNTEXT_H

#include <jansson.h>
#include <stdio.h>

/* Prints what the role answered, in at most max_lines lines, 0 = any number; returns how many. */
unsigned vpntext_print(FILE *out, const json_t *status, unsigned max_lines);

#endif
