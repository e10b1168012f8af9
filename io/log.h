/*
 * Lines for people and for machines that read lines: one event a line,
 * `2026-11-21T13:30:00.123Z level class: text key=value…`. Hostile strings are escaped by the
 * caller with text_escape() before they get here; a control character that does get here is
 * replaced. A class of event logs LOG_PER_CLASS_PER_S lines a second at most, one of overload a
 * single one, then one line `suppressed=N` when the second is over or the class logs again.
 */
#ifndef IO_LOG_H
#define IO_LOG_H

#include <stddef.h>

struct io_loop;

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum { LOG_PER_CLASS_PER_S = 10, LOG_LINE_MAX = 1024 };

/* Where an implementation puts a whole line, newline included; must not log. */
typedef void log_sink_fn(void *arg, enum log_level level, const char *line, size_t len);

/*
 * `event_class` is a string literal such as "peer-refused": one per kind of event, never made of
 * input.
 */
void log_event(struct io_loop *loop, enum log_level level, const char *event_class,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for what happens because there is too much to do: it must not be more to do itself. */
void log_overload(struct io_loop *loop, enum log_level level, const char *event_class,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
