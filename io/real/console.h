/*
 * Standard input and output of a command: reading a secret that is piped in, and drawing on a
 * terminal.
 */
#ifndef IO_REAL_CONSOLE_H
#define IO_REAL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads all of standard input, at most max bytes (IO_E_TOO_LARGE), into a buffer from malloc(), NUL
 * terminated; nothing of it is left elsewhere in memory. Returns 0 or an error of io.h.
 */
int io_console_read(size_t max, char **text, size_t *len);

/* True when standard output is a terminal. */
bool io_console_is_terminal(void);

/* Lines of that terminal; 0 when it does not say. */
unsigned io_console_lines(void);

/*
 * From begin to end keys come at once and are not shown, and SIGINT, SIGTERM and SIGHUP end a wait
 * instead of the process.
 */
void io_console_begin(void);
void io_console_end(void);

enum io_console_event { IO_CONSOLE_TIME, IO_CONSOLE_KEY, IO_CONSOLE_STOP };

/*
 * Waits for a key (*key), a signal or the end of the input (STOP), timeout_ms at most (TIME).
 */
enum io_console_event io_console_wait(unsigned timeout_ms, char *key);

/* Seconds on a clock that does not jump. */
double io_console_clock_s(void);

#endif
