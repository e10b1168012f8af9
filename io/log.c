#include "io/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SECOND_MS = 1000 };

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    return names[level];
}

/* "2026-11-21T13:30:00.123Z warn peer-refused: "; returns its length. */
static size_t write_prefix(struct io_core *core, enum log_level level, const char *name, char *line)
{
    double wall_s = io_wall_s(io_core_loop(core));
    time_t seconds = (time_t)wall_s;
    int ms = (int)((wall_s - (double)seconds) * 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(line, LOG_LINE_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
    int more =
        snprintf(line + len, LOG_LINE_MAX - len, ".%03dZ %s %.64s: ", ms, level_name(level), name);
    return len + (size_t)more;
}

/* Cuts what was too long, replaces what is no printable ASCII, ends the line. Returns its length.
 */
static size_t finish(char *line, size_t prefix_len, int text_len)
{
    static const char cut[] = "...";
    size_t len = prefix_len + (text_len > 0 ? (size_t)text_len : 0);
    if (len > LOG_LINE_MAX - 2) {
        len = LOG_LINE_MAX - 2;
        memcpy(line + len - (sizeof(cut) - 1), cut, sizeof(cut) - 1);
    }
    for (size_t i = prefix_len; i < len; i++)
        if (line[i] < ' ' || line[i] > '~')
            line[i] = '?';
    line[len] = '\n';
    line[len + 1] = '\0';
    return len + 1;
}

static void write_suppressed(struct io_core *core, struct log_class *class)
{
    char line[LOG_LINE_MAX];
    size_t prefix_len = write_prefix(core, class->level, class->name, line);
    int len =
        snprintf(line + prefix_len, sizeof(line) - prefix_len, "suppressed=%u", class->suppressed);
    class->suppressed = 0;
    core->log.sink(core->log.sink_arg, class->level, line, finish(line, prefix_len, len));
}

static void tell_suppressed(void *arg)
{
    struct io_core *core = arg;
    struct log_state *log = &core->log;
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < log->class_count; i++) {
        struct log_class *class = &log->classes[i];
        if (class->suppressed == 0)
            continue;
        if (core->now_ms >= class->since_ms + SECOND_MS)
            write_suppressed(core, class);
        else if (class->since_ms + SECOND_MS < next_ms)
            next_ms = class->since_ms + SECOND_MS;
    }
    if (next_ms != UINT64_MAX)
        io_timer_set(&log->tell, next_ms);
}

static struct log_class *find_class(struct io_core *core, const char *name)
{
    struct log_state *log = &core->log;
    for (size_t i = 0; i < log->class_count; i++)
        if (strcmp(log->classes[i].name, name) == 0)
            return &log->classes[i];
    if (log->class_count == LOG_CLASSES_MAX)
        return &log->classes[LOG_CLASSES_MAX - 1];
    struct log_class *class = &log->classes[log->class_count++];
    *class = (struct log_class){.name = name, .since_ms = core->now_ms};
    return class;
}

/* Counts one more event of the class; false when it is to be suppressed. */
static bool admit(struct io_core *core, struct log_class *class, enum log_level level,
                  unsigned lines_max)
{
    if (core->now_ms >= class->since_ms + SECOND_MS) {
        if (class->suppressed > 0)
            write_suppressed(core, class);
        class->since_ms = core->now_ms;
        class->lines = 0;
    }
    class->level = level;
    if (class->lines < lines_max) {
        class->lines++;
        return true;
    }
    class->suppressed++;
    if (!io_timer_armed(&core->log.tell))
        io_timer_set(&core->log.tell, class->since_ms + SECOND_MS);
    return false;
}

void log_init(struct io_core *core, log_sink_fn *sink, void *sink_arg, enum log_level max_level)
{
    core->log.sink = sink;
    core->log.sink_arg = sink_arg;
    core->log.max_level = max_level;
    io_timer_init(&core->log.tell, io_core_loop(core), tell_suppressed, core);
}

static void write_event(struct io_core *core, enum log_level level, const char *name,
                        const char *format, va_list args) __attribute__((format(printf, 4, 0)));
static void write_event(struct io_core *core, enum log_level level, const char *name,
                        const char *format, va_list args)
{
    char line[LOG_LINE_MAX];
    size_t prefix_len = write_prefix(core, level, name, line);
    int len = vsnprintf(line + prefix_len, sizeof(line) - prefix_len, format, args);
    core->log.sink(core->log.sink_arg, level, line, finish(line, prefix_len, len));
}

void log_event(struct io_loop *loop, enum log_level level, const char *event_class,
               const char *format, ...)
{
    struct io_core *core = io_core_of(loop);
    if (level > core->log.max_level ||
        !admit(core, find_class(core, event_class), level, LOG_PER_CLASS_PER_S))
        return;
    va_list args;
    va_start(args, format);
    write_event(core, level, event_class, format, args);
    va_end(args);
}

void log_overload(struct io_loop *loop, enum log_level level, const char *event_class,
                  const char *format, ...)
{
    struct io_core *core = io_core_of(loop);
    if (level > core->log.max_level || !admit(core, find_class(core, event_class), level, 1))
        return;
    va_list args;
    va_start(args, format);
    write_event(core, level, event_class, format, args);
    va_end(args);
}
