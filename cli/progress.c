#include "cli/progress.h"

#include "cli/amount.h"

#include <inttypes.h>
#include <string.h>

enum { BAR_MAX = 30, BAR_MIN = 5 };

static uint64_t rate_of(const struct send_progress *progress, double elapsed_s)
{
    return elapsed_s <= 0 ? 0 : (uint64_t)((double)progress->bytes / elapsed_s);
}

/* "3:07", "1:02:03". */
static void duration(double seconds, char *out, size_t out_len)
{
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (s >= 3600) {
        snprintf(out, out_len, "%" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60),
                 (unsigned)(s % 60));
    } else {
        snprintf(out, out_len, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
    }
}

static void draw_bar(double share, size_t width, char *out)
{
    size_t full = (size_t)(share * (double)width);
    out[0] = '[';
    for (size_t i = 0; i < width; i++)
        out[1 + i] = i < full ? '#' : '.';
    out[width + 1] = ']';
    out[width + 2] = '\0';
}

char *progress_line(const struct send_progress *progress, double elapsed_s, unsigned columns,
                    char *out, size_t out_len)
{
    char sent[AMOUNT_MAX];
    char total[AMOUNT_MAX];
    char rate[AMOUNT_MAX];
    char left[32];
    char bar[BAR_MAX + 3] = "";
    char tail[PROGRESS_LINE_MAX];
    uint64_t done = progress->bytes + progress->resumed + progress->skipped;
    uint64_t per_s = rate_of(progress, elapsed_s);
    amount_bytes((double)done, sent);
    amount_bytes((double)per_s, rate);
    if (!progress->total_known || progress->total < done || progress->total == 0) {
        snprintf(tail, sizeof tail, "%s  %s/s", sent, rate);
    } else {
        double share = (double)done / (double)progress->total;
        amount_bytes((double)progress->total, total);
        if (per_s > 0)
            duration((double)(progress->total - done) / (double)per_s, left, sizeof left);
        else
            snprintf(left, sizeof left, "?");
        snprintf(tail, sizeof tail, "%3.0f%%  %s of %s  %s/s  %s left", share * 100, sent, total,
                 rate, left);
        size_t width = strlen(tail) + 4 < columns ? columns - strlen(tail) - 4 : 0;
        if (width >= BAR_MIN)
            draw_bar(share, width < BAR_MAX ? width : BAR_MAX, bar);
    }
    snprintf(out, out_len, "%s%s%s", bar, bar[0] == '\0' ? "" : " ", tail);
    if (strlen(out) >= columns && columns > 0)
        out[columns - 1] = '\0';
    return out;
}

void progress_summary(const struct send_progress *progress, double elapsed_s, FILE *out)
{
    char text[AMOUNT_MAX];
    fprintf(out, "%" PRIu32 " %s kept, %s sent in %.1f s", progress->items,
            progress->items == 1 ? "item" : "items", amount_bytes((double)progress->bytes, text),
            elapsed_s);
    fprintf(out, " (%s/s)", amount_bytes((double)rate_of(progress, elapsed_s), text));
    if (progress->zstd && progress->wire_bytes < progress->bytes)
        fprintf(out, ", packed to %s", amount_bytes((double)progress->wire_bytes, text));
    if (progress->resumed > 0)
        fprintf(out, ", %s were there already", amount_bytes((double)progress->resumed, text));
    if (progress->items_skipped > 0)
        fprintf(out, ", %" PRIu32 " skipped", progress->items_skipped);
    if (progress->left_out > 0)
        fprintf(out, ", %" PRIu32 " left out", progress->left_out);
    if (progress->failures > 0)
        fprintf(out, ", %" PRIu32 " not sent", progress->failures);
    fputc('\n', out);
}
