#include "cli/vpntext.h"

#include "base/encode.h"
#include "cli/amount.h"

#include <stdbool.h>
#include <string.h>

enum { FIELD_MAX = 256, SUMMARY_LINES = 3 };

static const char *text_of(const json_t *object, const char *key, char out[FIELD_MAX])
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value) && json_string_length(value) > 0)
        return text_escape(json_string_value(value), json_string_length(value), out, FIELD_MAX);
    return "-";
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *list_of(const json_t *list, char out[FIELD_MAX])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++) {
        char one[FIELD_MAX];
        const json_t *entry = json_array_get(list, i);
        text_escape(json_string_value(entry), json_string_length(entry), one, sizeof one);
        int more = snprintf(out + used, FIELD_MAX - used, "%s%s", i == 0 ? "" : ", ", one);
        used += (size_t)more < FIELD_MAX - used ? (size_t)more : FIELD_MAX - used - 1;
    }
    return used == 0 ? "nowhere" : out;
}

static double drops_of(const json_t *object)
{
    double sum = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(object, "drops"), key, value)
    {
        (void)key;
        sum += json_number_value(value);
    }
    return sum;
}

static void print_summary(FILE *out, const json_t *status)
{
    char f[4][FIELD_MAX];
    char up[AMOUNT_MAX];
    fprintf(out, "vpn       %s (%s), %s, up %s\n", text_of(status, "device", f[0]),
            text_of(status, "mode", f[1]), text_of(status, "state", f[2]),
            amount_span(number_of(status, "uptime_s"), up));
    fprintf(out, "key       %s, listens on %s\n", text_of(status, "key", f[0]),
            list_of(json_object_get(status, "listen"), f[1]));
    const json_t *counters = json_object_get(status, "counters");
    fprintf(out, "counters  %.0f connections refused, %.0f unproven, %.0f packets dropped\n",
            number_of(counters, "refused"), number_of(counters, "early"), drops_of(counters));
}

static void print_peer(FILE *out, const json_t *peer)
{
    char f[4][FIELD_MAX];
    char bytes[2][AMOUNT_MAX];
    char span[AMOUNT_MAX] = "-";
    char rtt[32] = "-";
    if (json_object_get(peer, "handshake_s") != NULL)
        amount_span(number_of(peer, "handshake_s"), span);
    if (number_of(peer, "rtt_ms") > 0)
        snprintf(rtt, sizeof rtt, "%.0f ms", number_of(peer, "rtt_ms"));
    fprintf(out, "%-20s %-10s %-24s %-16s %9s %8s %8.0f  %s, %s\n", text_of(peer, "name", f[0]),
            text_of(peer, "state", f[1]),
            text_of(peer, json_object_get(peer, "address") != NULL ? "address" : "connect", f[2]),
            text_of(peer, "key", f[3]), span, rtt, drops_of(peer),
            amount_bytes(number_of(peer, "bytes_received"), bytes[0]),
            amount_bytes(number_of(peer, "bytes_sent"), bytes[1]));
}

unsigned vpntext_print(FILE *out, const json_t *status, unsigned max_lines)
{
    const json_t *peers = json_object_get(status, "peers");
    size_t count = json_array_size(peers);
    unsigned lines = SUMMARY_LINES;
    if (max_lines != 0 && max_lines < SUMMARY_LINES)
        return 0;
    print_summary(out, status);
    if (count == 0 || (max_lines != 0 && lines + 3 > max_lines))
        return lines;
    fprintf(out, "\n%-20s %-10s %-24s %-16s %9s %8s %8s  %s\n", "PEER", "STATE", "ADDRESS", "KEY",
            "HANDSHAKE", "RTT", "DROPPED", "RECEIVED, SENT");
    lines += 2;
    size_t shown = count;
    if (max_lines != 0 && count > max_lines - lines)
        shown = max_lines - lines - 1;
    for (size_t i = 0; i < shown; i++)
        print_peer(out, json_array_get(peers, i));
    lines += (unsigned)shown;
    if (shown < count) {
        fprintf(out, "... and %zu more\n", count - shown);
        lines++;
    }
    return lines;
}
