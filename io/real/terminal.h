/*
 * The terminal that a person sits at, whatever standard input and output are joined to.
 */
#ifndef IO_REAL_TERMINAL_H
#define IO_REAL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Asks for a line that is not shown while it is typed, on the process's terminal. Returns its
 * length without the newline, or an error of io.h: IO_E_NOT_FOUND without a terminal,
 * IO_E_TOO_LARGE when it does not fit, IO_E_STOPPED at the end of input.
 */
long io_terminal_ask(const char *prompt, char *line, size_t room);

/* True when standard error is a terminal. */
bool io_terminal_shows_errors(void);

/* Columns of that terminal; 80 when it does not say. */
unsigned io_terminal_columns(void);

#endif
