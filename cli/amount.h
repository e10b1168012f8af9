/*
 * Sizes and times as people read them.
 */
#ifndef CLI_AMOUNT_H
#define CLI_AMOUNT_H

enum { AMOUNT_MAX = 32 }; /* with the NUL */

/* "999 B", "1.2 MiB". Returns out. */
char *amount_bytes(double bytes, char out[AMOUNT_MAX]);

/* "45s", "3m 20s", "5h 12m", "12d 3h". Returns out. */
char *amount_span(double seconds, char out[AMOUNT_MAX]);

#endif
