/* Options as flags: their values, their complaints. */
#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const colours[] = {"red", "green", NULL};

static const struct option_spec own[] = {
    {.name = "listen",
     .value = "ADDR:PORT",
     .kind = OPTION_ADDRESS,
     .traits = OPTION_MANY | OPTION_NEEDED,
     .help = "h"},
    {.name = "workers",
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 64,
     .fallback = "4",
     .help = "h"},
    {.name = "drain",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .min = 1000,
     .max = 3600000,
     .fallback = "30s",
     .help = "h"},
    {.name = "memory", .value = "SIZE", .kind = OPTION_SIZE, .help = "h"},
    {.name = "server", .value = "HOST:PORT", .kind = OPTION_HOST_PORT, .help = "h"},
    {.name = "route",
     .value = "NAME=HOST:PORT",
     .kind = OPTION_ROUTE,
     .traits = OPTION_MANY,
     .help = "h"},
    {.name = "allow", .value = "CIDR", .kind = OPTION_CIDR, .traits = OPTION_MANY, .help = "h"},
    {.name = "hostname", .value = "NAME", .kind = OPTION_HOST_NAME, .help = "h"},
    {.name = "colour", .value = "COLOUR", .kind = OPTION_CHOICE, .choices = colours, .help = "h"},
    {.name = "key-file", .value = "FILE", .kind = OPTION_SECRET, .help = "h"},
    {.name = "file", .value = "FILE", .kind = OPTION_FILE, .traits = OPTION_ARGUMENT, .help = "h"},
    {.name = NULL},
};
static const struct option_spec shared[] = {
    {.name = "json", .kind = OPTION_SWITCH, .help = "h"},
    {.name = "credential",
     .value = "FILE|-",
     .kind = OPTION_SECRET,
     .traits = OPTION_STDIN,
     .help = "h"},
    {.name = NULL},
};
static const struct option_table table = {own, shared};

static char why[OPTION_WHY_MAX];

/* Reads words, split at spaces. */
static enum options_verdict read_words(struct options *options, const char *words)
{
    static char copy[1024];
    char *argv[32];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    assert_true(options_init(options, &table));
    why[0] = '\0';
    return options_read(options, argc, argv, why);
}

static void assert_refused(const char *words, const char *expected)
{
    struct options options;
    assert_int_equal(read_words(&options, words), OPTIONS_UNUSABLE);
    assert_string_equal(why, expected);
    options_clear(&options);
}

static uint64_t number_after(const char *words, const char *name)
{
    struct options options;
    enum options_verdict verdict = read_words(&options, words);
    if (verdict != OPTIONS_OK)
        fail_msg("%s: %s", words, why);
    uint64_t number = options_number(&options, name);
    options_clear(&options);
    return number;
}

static void a_value_follows_or_stands_behind_an_equals_sign(void **state)
{
    (void)state;
    assert_int_equal(number_after("--workers 7", "workers"), 7);
    assert_int_equal(number_after("--workers=7", "workers"), 7);
}

static void an_option_that_was_not_given_has_its_default(void **state)
{
    (void)state;
    struct options options;
    assert_int_equal(read_words(&options, ""), OPTIONS_OK);
    assert_int_equal(options_number(&options, "workers"), 4);
    assert_int_equal(options_number(&options, "drain"), 30000);
    assert_int_equal(options_count(&options, "workers"), 0);
    assert_null(options_value(&options, "server", 0));
    assert_null(options_text(&options, "colour"));
    assert_false(options_switched_on(&options, "json"));
    options_clear(&options);
}

static void durations_have_a_unit(void **state)
{
    (void)state;
    uint64_t ms;
    assert_true(option_duration_parse("500ms", &ms) && ms == 500);
    assert_true(option_duration_parse("90s", &ms) && ms == 90000);
    assert_true(option_duration_parse("5m", &ms) && ms == 300000);
    assert_true(option_duration_parse("12h", &ms) && ms == 43200000);
    assert_true(option_duration_parse("30d", &ms) && ms == 2592000000ULL);
    assert_true(option_duration_parse("0s", &ms) && ms == 0);
    const char *const wrong[] = {"",
                                 "s",
                                 "30",
                                 "30 s",
                                 "-1s",
                                 "+1s",
                                 "1.5s",
                                 "1e3s",
                                 "30S",
                                 "30ss",
                                 "0x1s",
                                 " 1s",
                                 "18446744073709551615s",
                                 "18446744073709551616ms",
                                 "1week"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (option_duration_parse(wrong[i], &ms))
            fail_msg("taken: \"%s\"", wrong[i]);
}

static void sizes_are_bytes_or_have_a_binary_unit(void **state)
{
    (void)state;
    uint64_t bytes;
    assert_true(option_size_parse("4096", &bytes) && bytes == 4096);
    assert_true(option_size_parse("64KiB", &bytes) && bytes == 65536);
    assert_true(option_size_parse("32MiB", &bytes) && bytes == 33554432);
    assert_true(option_size_parse("1GiB", &bytes) && bytes == 1073741824);
    const char *const wrong[] = {"", "KiB", "1KB", "1K", "1.5MiB", "-1", "18014398509481984KiB"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (option_size_parse(wrong[i], &bytes))
            fail_msg("taken: \"%s\"", wrong[i]);
}

static void a_repeated_option_keeps_all_values_in_order(void **state)
{
    (void)state;
    struct options options;
    assert_int_equal(read_words(&options, "--listen 127.0.0.1:0 --listen [::1]:443"), OPTIONS_OK);
    assert_int_equal(options_count(&options, "listen"), 2);
    assert_int_equal(options_value(&options, "listen", 0)->addr.port, 0);
    assert_int_equal(options_value(&options, "listen", 1)->addr.port, 443);
    assert_int_equal(options_value(&options, "listen", 1)->addr.ip.family, 6);
    assert_null(options_value(&options, "listen", 2));
    options_clear(&options);
}

static void each_kind_is_understood(void **state)
{
    (void)state;
    struct options options;
    assert_int_equal(read_words(&options,
                                "--server home.example.org:8443 --allow 10.0.0.0/8 "
                                "--route WWW.Example.org.=[::1]:80 --colour green "
                                "--json --credential - --hostname A.example --memory 1KiB "
                                "dir/f"),
                     OPTIONS_OK);
    assert_string_equal(options_value(&options, "server", 0)->to.host, "home.example.org");
    assert_int_equal(options_value(&options, "server", 0)->to.port, 8443);
    assert_int_equal(options_value(&options, "allow", 0)->cidr.prefix_len, 8);
    const struct option_value *route = options_value(&options, "route", 0);
    assert_string_equal(route->to.name, "www.example.org");
    assert_string_equal(route->to.host, "::1");
    assert_int_equal(route->to.port, 80);
    assert_int_equal(options_number(&options, "colour"), 1);
    assert_true(options_switched_on(&options, "json"));
    assert_string_equal(options_text(&options, "credential"), "-");
    assert_string_equal(options_value(&options, "hostname", 0)->to.name, "a.example");
    assert_int_equal(options_number(&options, "memory"), 1024);
    assert_string_equal(options_text(&options, "file"), "dir/f");
    options_clear(&options);
}

static void help_is_found_wherever_it_stands(void **state)
{
    (void)state;
    struct options options;
    assert_int_equal(read_words(&options, "--workers 3 --help"), OPTIONS_HELP);
    options_clear(&options);
    assert_int_equal(read_words(&options, "-h"), OPTIONS_HELP);
    options_clear(&options);
}

static void two_dashes_end_the_flags(void **state)
{
    (void)state;
    struct options options;
    assert_int_equal(read_words(&options, "-- --json"), OPTIONS_OK);
    assert_string_equal(options_text(&options, "file"), "--json");
    assert_false(options_switched_on(&options, "json"));
    options_clear(&options);
}

static void a_misspelt_flag_gets_a_suggestion(void **state)
{
    (void)state;
    assert_refused("--lsiten 127.0.0.1:0", "unknown option --lsiten; did you mean --listen?");
    assert_refused("--key_file x", "unknown option --key_file; did you mean --key-file?");
    assert_refused("--hepl", "unknown option --hepl; did you mean --help?");
    assert_refused("--zebra", "unknown option --zebra");
    assert_refused("x -json", "\"-json\" is not expected here; did you mean --json?");
}

static void hostile_words_are_escaped(void **state)
{
    (void)state;
    assert_refused("--\x1b[2J", "unknown option --\\x1b[2J");
    assert_refused("--workers \x1b", "--workers: \"\\x1b\" is no whole number");
}

static void a_value_that_is_missing_is_named(void **state)
{
    (void)state;
    assert_refused("--listen", "--listen needs a value: ADDR:PORT");
    assert_refused("--listen --json", "--listen needs a value: ADDR:PORT");
    assert_refused("--listen=", "--listen: a value is missing: ADDR:PORT");
}

static void a_single_option_given_twice_is_refused(void **state)
{
    (void)state;
    assert_refused("--workers 1 --workers 2", "--workers: given twice, but it has one value");
}

static void values_out_of_range_name_the_range(void **state)
{
    (void)state;
    assert_refused("--workers 0", "--workers: 0 is out of range: 1 to 64");
    assert_refused("--workers 65", "--workers: 65 is out of range: 1 to 64");
    assert_refused("--drain 2h", "--drain: 2h is out of range: 1s to 1h");
    assert_refused("--workers 18446744073709551616",
                   "--workers: \"18446744073709551616\" is no whole number");
}

static void each_kind_says_what_was_meant(void **state)
{
    (void)state;
    assert_refused("--drain 30",
                   "--drain: \"30\" is no duration: a number and ms, s, m, h or d, such as 30s");
    assert_refused("--listen localhost:1", "--listen: \"localhost:1\" is no address and port, such "
                                           "as 192.0.2.1:443 or [::]:443 (no host names here)");
    assert_refused("--allow 10.0.0.1/8",
                   "--allow: \"10.0.0.1/8\" is no address block, such as 10.0.0.0/8, "
                   "2001:db8::/32 or 192.0.2.7 (no bits past the prefix)");
    assert_refused("--server home", "--server: \"home\" is no HOST:PORT, such as "
                                    "home.example.org:443 or [::1]:8443");
    assert_refused("--route a:1", "--route: \"a:1\" is no NAME=HOST:PORT, such as "
                                  "www.example.org=127.0.0.1:8443");
    assert_refused("--route a..b=h:1",
                   "--route: \"a..b\" is no host name, such as home.example.org");
    assert_refused("--colour grene",
                   "--colour: \"grene\" is not one of red, green; did you mean green?");
    assert_refused("--json=yes", "--json: \"yes\" is neither true nor false");
}

static void a_secret_in_place_of_its_file_is_refused_and_not_repeated(void **state)
{
    (void)state;
    assert_refused("--key-file AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                   "--key-file: this is a secret itself: put it into a file of its own (mode "
                   "0600) and name that file here");
    assert_refused("--key-file {\"token\":\"x\"}",
                   "--key-file: this is a secret itself: put it into a file of its own (mode "
                   "0600) and name that file here");
    assert_refused("--key-file -", "--key-file: standard input is not possible here: name a file");
}

static void an_extra_argument_is_refused(void **state)
{
    (void)state;
    assert_refused("a b", "\"b\" is not expected here");
}

static void a_needed_option_is_missed_until_it_is_given(void **state)
{
    (void)state;
    struct options options;
    assert_int_equal(read_words(&options, ""), OPTIONS_OK);
    assert_string_equal(options_missing(&options)->name, "listen");
    options_clear(&options);
    assert_int_equal(read_words(&options, "--listen 127.0.0.1:1"), OPTIONS_OK);
    assert_null(options_missing(&options));
    options_clear(&options);
}

static void all_values_of_an_option_are_a_list(void **state)
{
    (void)state;
    struct options options;
    size_t count;
    assert_int_equal(
        read_words(&options, "--listen 192.0.2.1:1 --allow 10.0.0.0/8 --listen [::1]:2"),
        OPTIONS_OK);
    struct addr *addresses = options_addresses(&options, "listen", &count);
    assert_int_equal(count, 2);
    assert_int_equal(addresses[0].port, 1);
    assert_int_equal(addresses[1].port, 2);
    assert_int_equal(addresses[1].ip.family, 6);
    struct cidr *cidrs = options_cidrs(&options, "allow", &count);
    assert_int_equal(count, 1);
    assert_int_equal(cidrs[0].prefix_len, 8);
    free(addresses);
    free(cidrs);
    options_clear(&options);
}

static void a_list_of_no_values_is_no_lack_of_memory(void **state)
{
    (void)state;
    struct options options;
    size_t count = 9;
    assert_int_equal(read_words(&options, "--listen 192.0.2.1:1"), OPTIONS_OK);
    struct cidr *cidrs = options_cidrs(&options, "allow", &count);
    assert_non_null(cidrs);
    assert_int_equal(count, 0);
    free(cidrs);
    options_clear(&options);
}

static void overriding_replaces_all_values_of_what_was_given(void **state)
{
    (void)state;
    struct options file;
    struct options flags;
    assert_int_equal(read_words(&file, "--listen 127.0.0.1:1 --listen 127.0.0.1:2 --workers 9"),
                     OPTIONS_OK);
    assert_int_equal(read_words(&flags, "--listen 127.0.0.1:3 --json"), OPTIONS_OK);
    assert_true(options_override(&file, &flags));
    options_clear(&flags);
    assert_int_equal(options_count(&file, "listen"), 1);
    assert_int_equal(options_value(&file, "listen", 0)->addr.port, 3);
    assert_int_equal(options_number(&file, "workers"), 9);
    assert_true(options_switched_on(&file, "json"));
    options_clear(&file);
}

static void help_shows_every_option_with_value_and_default(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    options_help(&table, out);
    fclose(out);
    for (const struct option_spec *s = options_next(&table, NULL); s != NULL;
         s = options_next(&table, s)) {
        const char *shown = (s->traits & OPTION_ARGUMENT) != 0 ? s->value : s->name;
        assert_non_null(strstr(text, shown));
    }
    assert_non_null(strstr(text, "  --drain DURATION\n      h Default: 30s.\n"));
    free(text);
}

static void wrapped_text_stays_within_80_columns(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    for (int i = 0; i < 40; i++) {
        options_wrap(out,
                     "seven letters make a word, and many words make a long line of text "
                     "that must be broken somewhere",
                     6, 6);
    }
    fclose(out);
    size_t column = 0;
    for (size_t i = 0; i < len; i++) {
        column = text[i] == '\n' ? 0 : column + 1;
        assert_true(column <= 80);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_follows_or_stands_behind_an_equals_sign),
        cmocka_unit_test(an_option_that_was_not_given_has_its_default),
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(sizes_are_bytes_or_have_a_binary_unit),
        cmocka_unit_test(a_repeated_option_keeps_all_values_in_order),
        cmocka_unit_test(each_kind_is_understood),
        cmocka_unit_test(help_is_found_wherever_it_stands),
        cmocka_unit_test(two_dashes_end_the_flags),
        cmocka_unit_test(a_misspelt_flag_gets_a_suggestion),
        cmocka_unit_test(hostile_words_are_escaped),
        cmocka_unit_test(a_value_that_is_missing_is_named),
        cmocka_unit_test(a_single_option_given_twice_is_refused),
        cmocka_unit_test(values_out_of_range_name_the_range),
        cmocka_unit_test(each_kind_says_what_was_meant),
        cmocka_unit_test(a_secret_in_place_of_its_file_is_refused_and_not_repeated),
        cmocka_unit_test(an_extra_argument_is_refused),
        cmocka_unit_test(a_needed_option_is_missed_until_it_is_given),
        cmocka_unit_test(all_values_of_an_option_are_a_list),
        cmocka_unit_test(a_list_of_no_values_is_no_lack_of_memory),
        cmocka_unit_test(overriding_replaces_all_values_of_what_was_given),
        cmocka_unit_test(help_shows_every_option_with_value_and_default),
        cmocka_unit_test(wrapped_text_stays_within_80_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
