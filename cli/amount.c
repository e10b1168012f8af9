#include "cli/amount.h"

#include <stdio.h>

char *amount_bytes(double bytes, char out[AMOUNT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, AMOUNT_MAX, unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes,
             units[unit]);
    return out;
}

char *amount_span(double seconds, char out[AMOUNT_MAX])
{
    unsigned long s = seconds > 0 && seconds < 1e15 ? (unsigned long)seconds : 0;
    if (s < 60)
        snprintf(out, AMOUNT_MAX, "%lus", s);
    else if (s < 3600)
        snprintf(out, AMOUNT_MAX, "%lum %lus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, AMOUNT_MAX, "%luh %lum", s / 3600, s / 60 % 60);
    else
        snprintf(out, AMOUNT_MAX, "%lud %luh", s / 86400, s / 3600 % 24);
    return out;
}
