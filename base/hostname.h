/*
 * Host names as SNI routes them: compared without case and without one trailing dot.
 */
#ifndef BASE_HOSTNAME_H
#define BASE_HOSTNAME_H

#include <stdbool.h>
#include <stddef.h>

enum { HOSTNAME_MAX = 255 };

/* RFC 1123: labels of letters, digits and inner hyphens (underscore allowed), 1 to 63 each, 253 in
 * all, one trailing dot allowed. Punycode labels are labels. */
bool hostname_valid(const char *name);

/* Lower case, one trailing dot removed, into out (HOSTNAME_MAX + 1); false when too long or "". */
bool hostname_normalise(const char *name, size_t len, char out[HOSTNAME_MAX + 1]);

#endif
