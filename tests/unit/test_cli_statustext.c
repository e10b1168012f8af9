/* The state of a role as text. */
#include "cli/statustext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *server(int peers, json_int_t received)
{
    json_t *list = json_array();
    for (int i = 0; i < peers; i++) {
        char name[32];
        snprintf(name, sizeof name, "h%d.example", i);
        json_array_append_new(list, json_pack("{ss, ss, ss, si, si, si, sI, si}", "hostname", name,
                                              "address", "192.0.2.1:5", "cipher", "aes-gcm-siv",
                                              "protocol_version", 2, "channels", 3, "rtt_ms", 12,
                                              "bytes_received", received, "bytes_sent", 10));
    }
    return json_pack("{ss, ss, sf, s[s], si, s[{si, si}], so, s{sI, si, si, si}}", "role", "server",
                     "state", "serving", "uptime_s", 200.0, "listen", "127.0.0.1:443", "names",
                     peers, "workers", "channels", 3 * peers, "buffered", 2048, "peers", list,
                     "counters", "bytes_received", received, "bytes_sent", 10, "refused-token", 7,
                     "refused-hello", 0);
}

static char *text_of(const json_t *now, const json_t *before, double seconds, unsigned max_lines)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    unsigned lines = statustext_print(out, now, before, seconds, max_lines);
    fclose(out);
    unsigned counted = 0;
    for (size_t i = 0; i < len; i++)
        counted += text[i] == '\n';
    assert_int_equal(lines, counted);
    return text;
}

static void a_server_is_summed_up(void **state)
{
    (void)state;
    json_t *now = server(1, 5 * 1024 * 1024);
    char *text = text_of(now, NULL, 0, 0);
    assert_string_equal(
        text, "server    serving, up 3m 20s, listens on 127.0.0.1:443\n"
              "peers     1 with 1 names and 3 channels, 2.0 KiB waiting\n"
              "traffic   received 5.0 MiB, sent 10 B\n"
              "refused   token 7\n"
              "\n"
              "HOST NAME                        FROM                   CIPHER       V CHANNELS "
              "     RTT  RECEIVED, SENT\n"
              "h0.example                       192.0.2.1:5            aes-gcm-siv  2        3 "
              "   12 ms  5.0 MiB, 10 B\n");
    free(text);
    json_decref(now);
}

static void rates_come_from_two_samples(void **state)
{
    (void)state;
    json_t *before = server(1, 1000);
    json_t *now = server(1, 1000 + 4 * 1024);
    char *text = text_of(now, before, 2, 0);
    assert_non_null(strstr(text, "received 5.0 KiB (2.0 KiB/s), sent 10 B (0 B/s)"));
    assert_non_null(strstr(text, "12 ms  5.0 KiB (2.0 KiB/s), 10 B (0 B/s)\n"));
    free(text);
    json_decref(now);
    json_decref(before);
}

static void a_counter_that_began_anew_has_no_rate(void **state)
{
    (void)state;
    json_t *before = server(1, 1000);
    json_t *now = server(1, 10);
    char *text = text_of(now, before, 1, 0);
    assert_non_null(strstr(text, "received 10 B, sent"));
    free(text);
    json_decref(now);
    json_decref(before);
}

static void no_more_lines_are_printed_than_there_is_room_for(void **state)
{
    (void)state;
    json_t *now = server(100, 1);
    for (unsigned lines = 1; lines < 12; lines++) {
        char *text = text_of(now, NULL, 0, lines);
        unsigned counted = 0;
        for (const char *c = text; *c != '\0'; c++)
            counted += *c == '\n';
        assert_true(counted <= lines);
        free(text);
    }
    char *text = text_of(now, NULL, 0, 10);
    assert_non_null(strstr(text, "\n... and 97 more\n"));
    free(text);
    json_decref(now);
}

static void hostile_strings_are_escaped(void **state)
{
    (void)state;
    json_t *now = json_pack("{ss, ss, ss, s[{ss}]}", "role", "publish", "state", "\x1b[2J",
                            "hostname", "a\nb", "channels", "caller", "\x1b]0;x\x07");
    char *text = text_of(now, NULL, 0, 0);
    assert_null(strchr(text, '\x1b'));
    assert_null(strchr(text, '\x07'));
    assert_non_null(strstr(text, "\\x1b[2J"));
    assert_non_null(strstr(text, "a\\x0ab"));
    free(text);
    json_decref(now);
}

static void what_is_missing_or_of_another_type_is_survived(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "{}",
        "{\"role\": 1}",
        "{\"role\": \"server\"}",
        "{\"role\": \"server\", \"peers\": {}, \"workers\": 3, \"listen\": [1, null, {}], "
        "\"counters\": []}",
        "{\"role\": \"server\", \"peers\": [1, null, \"x\", []], \"counters\": {\"refused-x\": "
        "\"y\"}}",
        "{\"role\": \"publish\", \"channels\": [[], 3], \"uptime_s\": -1e308}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        json_t *now = json_loads(answers[i], 0, NULL);
        assert_non_null(now);
        free(text_of(now, NULL, 0, 0));
        free(text_of(now, now, 1, 0));
        json_decref(now);
    }
}

static json_t *service(const char *name, json_int_t received)
{
    return json_pack("{ss, ss, ss, ss, sf, ss, ss, ss, si, si, s[], s{sI, si}}", "role", "publish",
                     "name", name, "to", "b:1", "state", "connected", "uptime_s", 61.0, "server",
                     "a:443", "hostname", "h.example", "cipher", "aes-gcm", "protocol_version", 2,
                     "rtt_ms", 5, "channels", "counters", "bytes_received", received, "bytes_sent",
                     0);
}

static void each_of_several_services_is_shown(void **state)
{
    (void)state;
    json_t *before = json_pack("{ss, s[oo]}", "role", "publish", "services", service("two", 1000),
                               service("one", 0));
    json_t *now = json_pack("{ss, s[oo]}", "role", "publish", "services", service("one", 2048),
                            service("two", 2024));
    char *text = text_of(now, before, 2, 0);
    assert_string_equal(text,
                        "publish   one: connected, up 1m 1s, server a:443\n"
                        "name      h.example, aes-gcm version 2, round trip 5 ms, 0 channels\n"
                        "traffic   received 2.0 KiB (1.0 KiB/s), sent 0 B (0 B/s)\n"
                        "\n"
                        "publish   two: connected, up 1m 1s, server a:443\n"
                        "name      h.example, aes-gcm version 2, round trip 5 ms, 0 channels\n"
                        "traffic   received 2.0 KiB (512 B/s), sent 0 B (0 B/s)\n");
    free(text);
    free(text_of(now, NULL, 0, 4));
    json_decref(before);
    json_decref(now);
}

static void a_master_in_the_servers_process_is_shown_with_it(void **state)
{
    (void)state;
    json_t *now = server(1, 0);
    json_object_set_new(now, "master",
                        json_pack("{ss, ss, sf, s{si, si, si}}", "role", "master", "address",
                                  "127.0.0.1:8444", "uptime_s", 5.0, "counters", "requests", 3,
                                  "tokens", 2, "refused", 1));
    char *text = text_of(now, NULL, 0, 0);
    assert_non_null(strstr(text, "\nmaster    on 127.0.0.1:8444, up 5s\n"
                                 "requests  3, 2 tokens given, 1 refused\n"));
    free(text);
    json_object_set_new(now, "master", json_string("hostile"));
    free(text_of(now, NULL, 0, 0));
    json_decref(now);
}

static void a_receiver_and_its_senders_are_shown(void **state)
{
    (void)state;
    json_t *now = json_pack(
        "{ss, sf, s[s], s[{ss, ss, ss, si, si, si}], s{si, si, si, si}}", "role", "receive",
        "uptime_s", 61.0, "listen", "0.0.0.0:5555", "connections", "from", "192.0.2.9", "user",
        "alice", "mode", "adit/1", "bytes_received", 2048, "items", 3, "rtt_ms", 7, "counters",
        "connections", 2, "items", 5, "bytes_received", 4096, "logins_refused", 1);
    char *text = text_of(now, NULL, 0, 0);
    assert_string_equal(
        text, "receive   up 1m 1s, listens on 0.0.0.0:5555\n"
              "received  4.0 KiB in 5 items, of 2 connections; 1 logins refused\n"
              "\n"
              "USER                             FROM                                     MODE    "
              "   ITEMS      RTT  RECEIVED\n"
              "alice                            192.0.2.9                                adit/1  "
              "       3     7 ms  2.0 KiB\n");
    free(text);
    json_decref(now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_summed_up),
        cmocka_unit_test(rates_come_from_two_samples),
        cmocka_unit_test(a_counter_that_began_anew_has_no_rate),
        cmocka_unit_test(no_more_lines_are_printed_than_there_is_room_for),
        cmocka_unit_test(hostile_strings_are_escaped),
        cmocka_unit_test(what_is_missing_or_of_another_type_is_survived),
        cmocka_unit_test(each_of_several_services_is_shown),
        cmocka_unit_test(a_master_in_the_servers_process_is_shown_with_it),
        cmocka_unit_test(a_receiver_and_its_senders_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
