#include "cli/report.h"

#include "base/encode.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void report_init(struct report *report)
{
    memset(report, 0, sizeof *report);
}

void report_clear(struct report *report)
{
    free(report->entries);
    report_init(report);
}

static bool before(const struct report_entry *a, const struct report_entry *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

static void add(struct report *report, const struct report_entry *entry)
{
    if (report->entries == NULL)
        report->entries = calloc(REPORT_MAX, sizeof *report->entries);
    if (report->entries == NULL || report->count == REPORT_MAX) {
        report->dropped++;
        return;
    }
    size_t at = report->count;
    while (at > 0 && before(entry, &report->entries[at - 1])) {
        report->entries[at] = report->entries[at - 1];
        at--;
    }
    report->entries[at] = *entry;
    report->count++;
}

void report_mistake(struct report *report, unsigned line, unsigned column, const char *format, ...)
{
    struct report_entry entry = {.line = line, .column = column, .warning = false};
    va_list args;
    va_start(args, format);
    vsnprintf(entry.text, sizeof entry.text, format, args);
    va_end(args);
    report->mistakes++;
    add(report, &entry);
}

void report_warning(struct report *report, unsigned line, unsigned column, const char *format, ...)
{
    struct report_entry entry = {.line = line, .column = column, .warning = true};
    va_list args;
    va_start(args, format);
    vsnprintf(entry.text, sizeof entry.text, format, args);
    va_end(args);
    report->warnings++;
    add(report, &entry);
}

void report_print(const struct report *report, const char *path, FILE *out)
{
    char shown[512];
    text_escape(path, strlen(path), shown, sizeof shown);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_entry *entry = &report->entries[i];
        const char *kind = entry->warning ? "warning: " : "";
        if (entry->line == 0)
            fprintf(out, "%s: %s%s\n", shown, kind, entry->text);
        else
            fprintf(out, "%s:%u:%u: %s%s\n", shown, entry->line, entry->column, kind, entry->text);
    }
    if (report->dropped > 0)
        fprintf(out, "%s: and %zu more\n", shown, report->dropped);
}
