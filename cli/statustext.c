#include "cli/statustext.h"

#include "base/encode.h"
#include "cli/amount.h"
#include "cli/vpntext.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { FIELD_MAX = 256 };

/* What is printed, line by line, as long as there is room. */
struct page {
    FILE *out;
    double seconds; /* between the two samples; 0 = no rates */
    unsigned lines;
    unsigned max_lines;
};

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Any scalar as text. */
static char *text_of(const json_t *object, const char *key, char out[FIELD_MAX])
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value))
        return text_escape(json_string_value(value), json_string_length(value), out, FIELD_MAX);
    if (json_is_number(value))
        snprintf(out, FIELD_MAX, "%.0f", json_number_value(value));
    else
        snprintf(out, FIELD_MAX, "-");
    return out;
}

/* "1.2 MiB", and with an earlier sample " (34.0 KiB/s)". */
static char *bytes_of(const struct page *page, const json_t *now, const json_t *before,
                      const char *key, char out[FIELD_MAX])
{
    char total[AMOUNT_MAX];
    char rate[AMOUNT_MAX];
    amount_bytes(number_of(now, key), total);
    double more = number_of(now, key) - number_of(before, key);
    if (before == NULL || page->seconds <= 0 || more < 0)
        snprintf(out, FIELD_MAX, "%s", total);
    else
        snprintf(out, FIELD_MAX, "%s (%s/s)", total, amount_bytes(more / page->seconds, rate));
    return out;
}

/* Strings of a list, with commas. */
static char *list_of(const json_t *list, char out[FIELD_MAX])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(list) && used + 1 < FIELD_MAX; i++) {
        char one[FIELD_MAX];
        const json_t *entry = json_array_get(list, i);
        text_escape(json_string_value(entry), json_string_length(entry), one, sizeof one);
        int more = snprintf(out + used, FIELD_MAX - used, "%s%s", i == 0 ? "" : ", ", one);
        used += (size_t)more < FIELD_MAX - used ? (size_t)more : FIELD_MAX - used - 1;
    }
    return out;
}

/* Counts a line; false when there is no room for it. */
static bool begin_line(struct page *page)
{
    if (page->max_lines != 0 && page->lines >= page->max_lines)
        return false;
    page->lines++;
    return true;
}

static void print_traffic(struct page *page, const json_t *now, const json_t *before)
{
    char received[FIELD_MAX];
    char sent[FIELD_MAX];
    const json_t *counters = json_object_get(now, "counters");
    const json_t *earlier = json_object_get(before, "counters");
    if (begin_line(page)) {
        fprintf(page->out, "traffic   received %s, sent %s\n",
                bytes_of(page, counters, earlier, "bytes_received", received),
                bytes_of(page, counters, earlier, "bytes_sent", sent));
    }
}

/* The counters of what was refused, those that are not zero. */
static void print_refused(struct page *page, const json_t *now)
{
    static const char prefix[] = "refused-";
    const json_t *counters = json_object_get(now, "counters");
    const char *key;
    json_t *value;
    bool first = true;
    json_object_foreach((json_t *)(uintptr_t)counters, key, value)
    {
        if (strncmp(key, prefix, sizeof prefix - 1) != 0 || json_integer_value(value) == 0)
            continue;
        if (first && !begin_line(page))
            return;
        char shown[FIELD_MAX];
        const char *name = key + sizeof prefix - 1;
        fprintf(page->out, "%s%s %lld", first ? "refused   " : ", ",
                text_escape(name, strlen(name), shown, sizeof shown),
                (long long)json_integer_value(value));
        first = false;
    }
    if (!first)
        fputc('\n', page->out);
}

/* The same entry in an earlier list, by two of its fields. */
static const json_t *find_before(const json_t *list, const json_t *entry, const char *key,
                                 const char *other_key)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *candidate = json_array_get(list, i);
        if (json_equal(json_object_get(candidate, key), json_object_get(entry, key)) &&
            json_equal(json_object_get(candidate, other_key), json_object_get(entry, other_key)))
            return candidate;
    }
    return NULL;
}

static void print_rest(struct page *page, size_t left)
{
    if (left > 0) {
        fprintf(page->out, "... and %zu more\n", left);
        page->lines++;
    }
}

/* Counts a table's blank line and heading; false when there is no room for an entry below them. */
static bool begin_table(struct page *page)
{
    if (page->max_lines != 0 && page->lines + 3 > page->max_lines)
        return false;
    page->lines += 2;
    return true;
}

/* How many entries of a table fit, so that a line is left to say how many do not. */
static size_t entries_that_fit(const struct page *page, size_t count)
{
    if (page->max_lines == 0)
        return count;
    size_t room = page->max_lines - page->lines;
    return count <= room ? count : room - 1;
}

static void print_peers(struct page *page, const json_t *now, const json_t *before)
{
    const json_t *peers = json_object_get(now, "peers");
    size_t count = json_array_size(peers);
    if (count == 0 || !begin_table(page))
        return;
    fprintf(page->out, "\n%-32s %-22s %-11s %2s %8s %8s  %s\n", "HOST NAME", "FROM", "CIPHER", "V",
            "CHANNELS", "RTT", "RECEIVED, SENT");
    size_t shown = entries_that_fit(page, count);
    for (size_t i = 0; i < shown; i++) {
        const json_t *peer = json_array_get(peers, i);
        const json_t *earlier =
            find_before(json_object_get(before, "peers"), peer, "hostname", "address");
        char f[8][FIELD_MAX];
        fprintf(page->out, "%-32s %-22s %-11s %2s %8s %5s ms  %s, %s\n",
                text_of(peer, "hostname", f[0]), text_of(peer, "address", f[1]),
                text_of(peer, "cipher", f[2]), text_of(peer, "protocol_version", f[3]),
                text_of(peer, "channels", f[4]), text_of(peer, "rtt_ms", f[5]),
                bytes_of(page, peer, earlier, "bytes_received", f[6]),
                bytes_of(page, peer, earlier, "bytes_sent", f[7]));
        page->lines++;
    }
    print_rest(page, count - shown);
}

static void print_channels(struct page *page, const json_t *now, const json_t *before)
{
    const json_t *channels = json_object_get(now, "channels");
    size_t count = json_array_size(channels);
    if (count == 0 || !begin_table(page))
        return;
    fprintf(page->out, "\n%-40s %8s  %s\n", "CALLER", "OPEN", "RECEIVED, SENT");
    size_t shown = entries_that_fit(page, count);
    for (size_t i = 0; i < shown; i++) {
        const json_t *channel = json_array_get(channels, i);
        const json_t *earlier =
            find_before(json_object_get(before, "channels"), channel, "id", "caller");
        char f[3][FIELD_MAX];
        char age[AMOUNT_MAX];
        fprintf(page->out, "%-40s %8s  %s, %s\n", text_of(channel, "caller", f[0]),
                amount_span(number_of(channel, "age_ms") / 1000, age),
                bytes_of(page, channel, earlier, "bytes_received", f[1]),
                bytes_of(page, channel, earlier, "bytes_sent", f[2]));
        page->lines++;
    }
    print_rest(page, count - shown);
}

static void print_publish(struct page *page, const json_t *now, const json_t *before)
{
    char f[5][FIELD_MAX];
    char up[AMOUNT_MAX];
    if (begin_line(page)) {
        bool named = json_object_get(now, "name") != NULL;
        fprintf(page->out, "publish   %s%s%s, up %s, server %s\n",
                named ? text_of(now, "name", f[2]) : "", named ? ": " : "",
                text_of(now, "state", f[0]), amount_span(number_of(now, "uptime_s"), up),
                text_of(now, "server", f[1]));
    }
    if (begin_line(page)) {
        fprintf(page->out, "name      %s, %s version %s, round trip %s ms, %zu channels\n",
                text_of(now, "hostname", f[0]), text_of(now, "cipher", f[1]),
                text_of(now, "protocol_version", f[2]), text_of(now, "rtt_ms", f[3]),
                json_array_size(json_object_get(now, "channels")));
    }
    print_traffic(page, now, before);
    print_channels(page, now, before);
}

/* Each of several services of one process. */
static void print_services(struct page *page, const json_t *now, const json_t *before)
{
    const json_t *services = json_object_get(now, "services");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        if (i > 0 && begin_line(page))
            fputc('\n', page->out);
        print_publish(page, service,
                      find_before(json_object_get(before, "services"), service, "name", "to"));
    }
}

static void print_master(struct page *page, const json_t *now)
{
    const json_t *counters = json_object_get(now, "counters");
    char f[4][FIELD_MAX];
    char up[AMOUNT_MAX];
    if (begin_line(page)) {
        fprintf(page->out, "master    on %s, up %s\n", text_of(now, "address", f[0]),
                amount_span(number_of(now, "uptime_s"), up));
    }
    if (begin_line(page)) {
        fprintf(page->out, "requests  %s, %s tokens given, %s refused\n",
                text_of(counters, "requests", f[1]), text_of(counters, "tokens", f[2]),
                text_of(counters, "refused", f[3]));
    }
}

static void print_server(struct page *page, const json_t *now, const json_t *before)
{
    char state[FIELD_MAX];
    char addresses[FIELD_MAX];
    char up[AMOUNT_MAX];
    char waiting[AMOUNT_MAX];
    double channels = 0;
    double buffered = 0;
    const json_t *workers = json_object_get(now, "workers");
    const json_t *master = json_object_get(now, "master");
    for (size_t i = 0; i < json_array_size(workers); i++) {
        channels += number_of(json_array_get(workers, i), "channels");
        buffered += number_of(json_array_get(workers, i), "buffered");
    }
    if (begin_line(page)) {
        fprintf(page->out, "server    %s, up %s, listens on %s\n", text_of(now, "state", state),
                amount_span(number_of(now, "uptime_s"), up),
                list_of(json_object_get(now, "listen"), addresses));
    }
    if (begin_line(page)) {
        fprintf(page->out, "peers     %zu with %.0f names and %.0f channels, %s waiting\n",
                json_array_size(json_object_get(now, "peers")), number_of(now, "names"), channels,
                amount_bytes(buffered, waiting));
    }
    print_traffic(page, now, before);
    print_refused(page, now);
    if (master != NULL)
        print_master(page, master);
    print_peers(page, now, before);
}

static void print_senders(struct page *page, const json_t *now, const json_t *before)
{
    const json_t *connections = json_object_get(now, "connections");
    size_t count = json_array_size(connections);
    if (count == 0 || !begin_table(page))
        return;
    fprintf(page->out, "\n%-32s %-40s %-7s %8s %8s  %s\n", "USER", "FROM", "MODE", "ITEMS", "RTT",
            "RECEIVED");
    size_t shown = entries_that_fit(page, count);
    for (size_t i = 0; i < shown; i++) {
        const json_t *one = json_array_get(connections, i);
        const json_t *earlier =
            find_before(json_object_get(before, "connections"), one, "from", "user");
        char f[6][FIELD_MAX];
        fprintf(page->out, "%-32s %-40s %-7s %8s %5s ms  %s\n", text_of(one, "user", f[0]),
                text_of(one, "from", f[1]), text_of(one, "mode", f[2]), text_of(one, "items", f[3]),
                text_of(one, "rtt_ms", f[4]), bytes_of(page, one, earlier, "bytes_received", f[5]));
        page->lines++;
    }
    print_rest(page, count - shown);
}

static void print_receive(struct page *page, const json_t *now, const json_t *before)
{
    const json_t *counters = json_object_get(now, "counters");
    char f[4][FIELD_MAX];
    char up[AMOUNT_MAX];
    if (begin_line(page)) {
        fprintf(page->out, "receive   up %s, listens on %s\n",
                amount_span(number_of(now, "uptime_s"), up),
                list_of(json_object_get(now, "listen"), f[0]));
    }
    if (begin_line(page)) {
        fprintf(
            page->out, "received  %s in %s items, of %s connections; %s logins refused\n",
            bytes_of(page, counters, json_object_get(before, "counters"), "bytes_received", f[0]),
            text_of(counters, "items", f[1]), text_of(counters, "connections", f[2]),
            text_of(counters, "logins_refused", f[3]));
    }
    print_senders(page, now, before);
}

unsigned statustext_print(FILE *out, const json_t *now, const json_t *before, double seconds,
                          unsigned max_lines)
{
    struct page page = {out, seconds, 0, max_lines};
    const char *role = json_string_value(json_object_get(now, "role"));
    if (role != NULL && strcmp(role, "server") == 0)
        print_server(&page, now, before);
    else if (role != NULL && strcmp(role, "master") == 0)
        print_master(&page, now);
    else if (role != NULL && strcmp(role, "receive") == 0)
        print_receive(&page, now, before);
    else if (role != NULL && strcmp(role, "vpn") == 0)
        return vpntext_print(out, now, max_lines);
    else if (json_object_get(now, "services") != NULL)
        print_services(&page, now, before);
    else
        print_publish(&page, now, before);
    return page.lines;
}
