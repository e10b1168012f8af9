/* Every mistake of a configuration file, at its place. */
#include "cli/config.h"
#include "cli/yamlform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What is said about a file named f that is read for a role, NULL = its own. */
static char *mistakes_in(const char *text, size_t len, const char *role)
{
    struct options options;
    struct report report;
    char *said = NULL;
    size_t said_len = 0;
    FILE *out = open_memstream(&said, &said_len);
    report_init(&report);
    const struct command *found = config_read(
        text, len, "/dir", role == NULL ? NULL : command_of_role(role), true, &options, &report);
    assert_true((found == NULL) == (report.mistakes > 0));
    report_print(&report, "f", out);
    if (found != NULL)
        options_clear(&options);
    report_clear(&report);
    fclose(out);
    return said;
}

static void assert_mistakes(const char *text, const char *expected)
{
    char *said = mistakes_in(text, strlen(text), NULL);
    assert_string_equal(said, expected);
    free(said);
}

/* Adds what every server needs, on one line of its own at the end. */
static void assert_serve_mistakes(const char *text, const char *expected)
{
    char whole[2048];
    snprintf(whole, sizeof whole, "%srole: serve\nfernet_key_file: k\n%s", text,
             strstr(text, "listen:") == NULL ? "listen: 127.0.0.1:1\n" : "");
    assert_mistakes(whole, expected);
}

static const struct command *read_fine(const char *text, struct options *options)
{
    struct report report;
    report_init(&report);
    const struct command *role =
        config_read(text, strlen(text), "/dir", NULL, true, options, &report);
    if (role == NULL)
        report_print(&report, "f", stderr);
    assert_non_null(role);
    report_clear(&report);
    return role;
}

static void a_file_says_all_that_flags_say(void **state)
{
    (void)state;
    struct options options;
    const struct command *role = read_fine("# a server\n"
                                           "role: serve\n"
                                           "listen: [\"127.0.0.1:443\", '[::1]:443']\n"
                                           "fernet_key_file: fernet.key\n"
                                           "peer_listen: 127.0.0.1:8080\n"
                                           "workers: 3\n"
                                           "trust_proxy:\n"
                                           "  - 10.0.0.0/8\n"
                                           "  - 2001:db8::/32\n"
                                           "route:\n"
                                           "  - www.example.org=127.0.0.1:8443\n"
                                           "drain: 90s\n"
                                           "early_bytes: 64MiB\n"
                                           "control: none\n"
                                           "user: nobody\n"
                                           "log_level: debug\n",
                                           &options);
    assert_string_equal(role->name, "serve");
    assert_int_equal(options_count(&options, "listen"), 2);
    assert_int_equal(options_value(&options, "listen", 1)->addr.ip.family, 6);
    assert_int_equal(options_value(&options, "listen", 1)->line, 3);
    assert_int_equal(options_value(&options, "listen", 1)->column, 27);
    assert_int_equal(options_count(&options, "peer-listen"), 1);
    assert_int_equal(options_number(&options, "workers"), 3);
    assert_int_equal(options_count(&options, "trust-proxy"), 2);
    assert_string_equal(options_value(&options, "route", 0)->to.name, "www.example.org");
    assert_int_equal(options_number(&options, "drain"), 90000);
    assert_int_equal(options_number(&options, "early-bytes"), 64 * 1024 * 1024);
    assert_string_equal(options_text(&options, "control"), "none");
    assert_string_equal(options_text(&options, "user"), "nobody");
    assert_int_equal(options_number(&options, "log-level"), 3);
    options_clear(&options);
}

static void relative_paths_start_at_the_files_directory(void **state)
{
    (void)state;
    struct options options;
    read_fine("role: publish\nserver: h:1\nto: h:2\ncredential: c.json\ncontrol: /run/c\n",
              &options);
    assert_string_equal(options_text(&options, "credential"), "/dir/c.json");
    assert_string_equal(options_text(&options, "control"), "/run/c");
    options_clear(&options);
    read_fine("role: publish\nserver: h:1\nto: h:2\ncredential: '-'\n", &options);
    assert_string_equal(options_text(&options, "credential"), "-");
    options_clear(&options);
}

static void the_directory_is_that_of_the_file(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"f", "."}, {"/f", "/"}, {"/etc/adit/f", "/etc/adit"}, {"d/f", "d"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *directory = config_directory(cases[i][0]);
        assert_string_equal(directory, cases[i][1]);
        free(directory);
    }
}

static void all_mistakes_are_named_at_once_in_order(void **state)
{
    (void)state;
    assert_mistakes("role: serve\n"
                    "lisen: 127.0.0.1:443\n"
                    "workers: many\n"
                    "drain: 30\n"
                    "trust_proxy: [10.0.0.0/8, 10.0.0.1/8]\n"
                    "workers: 2\n"
                    "log_level: inof\n",
                    "f:1:1: listen: is missing: ADDR:PORT\n"
                    "f:1:1: fernet_key_file: is missing: FILE\n"
                    "f:2:1: lisen: no such key; did you mean listen?\n"
                    "f:3:10: workers: \"many\" is no whole number\n"
                    "f:4:8: drain: \"30\" is no duration: a number and ms, s, m, h or d, such as "
                    "30s\n"
                    "f:5:27: trust_proxy: \"10.0.0.1/8\" is no address block, such as 10.0.0.0/8, "
                    "2001:db8::/32 or 192.0.2.7 (no bits past the prefix)\n"
                    "f:6:1: workers: given twice: it stands in line 3 already\n"
                    "f:7:12: log_level: \"inof\" is not one of error, warn, info, debug; did you "
                    "mean info?\n");
}

static void a_role_is_needed_and_known(void **state)
{
    (void)state;
    assert_mistakes("listen: 127.0.0.1:1\n",
                    "f:1:1: role: is missing: serve, publish, master, receive or vpn\n");
    assert_mistakes("role: server\n", "f:1:7: role: \"server\" is no role; did you mean serve?\n");
    assert_mistakes("role: client\n",
                    "f:1:7: role: \"client\" is no role: serve, publish, master, receive or vpn\n");
    assert_mistakes("role: [serve]\n", "f:1:7: role: found a list where a value was expected: "
                                       "serve, publish, master, receive or vpn\n");
    assert_mistakes("role:\n",
                    "f:1:6: role: a value is missing: serve, publish, master, receive or vpn\n");
    assert_serve_mistakes("role: serve\n",
                          "f:2:1: role: given twice: it stands in line 1 already\n");
}

static void a_file_for_another_role_is_named(void **state)
{
    (void)state;
    const char *text = "role: publish\ncredential: c\nto: h:2\nserver: h:1\n";
    char *said = mistakes_in(text, strlen(text), "serve");
    assert_non_null(strstr(said, "f:1:7: role: the file is for publish, but serve was to read it"));
    assert_non_null(strstr(said, "f:2:1: credential: no such key: it belongs to role publish, and "
                                 "this file's is serve"));
    free(said);
}

static void a_role_that_is_given_need_not_be_in_the_file(void **state)
{
    (void)state;
    const char *text = "server: h:1\nto: h:2\ncredential: c\n";
    char *said = mistakes_in(text, strlen(text), "publish");
    assert_string_equal(said, "");
    free(said);
}

static void unknown_keys_get_the_best_hint(void **state)
{
    (void)state;
    assert_serve_mistakes("fernet-key-file: k\n",
                          "f:1:1: fernet-key-file: no such key; did you mean fernet_key_file?\n");
    assert_serve_mistakes("config: x\n",
                          "f:1:1: config: is a flag (--config), not a key of a file\n");
    assert_serve_mistakes("credential: x\n", "f:1:1: credential: no such key: it belongs to role "
                                             "publish, and this file's is serve\n");
    assert_serve_mistakes("zebra: x\n", "f:1:1: zebra: no such key of role serve\n");
    assert_serve_mistakes("\"\\e[2J\": x\n", "f:1:1: \\x1b[2J: no such key of role serve\n");
}

static void types_that_do_not_fit_are_named(void **state)
{
    (void)state;
    assert_serve_mistakes("workers: [1, 2]\n",
                          "f:1:10: workers: found a list where one value was expected: N\n");
    assert_serve_mistakes("workers: {a: 1}\n",
                          "f:1:10: workers: found a mapping where a value was expected: N\n");
    assert_serve_mistakes("route:\n  a.example: h:1\n",
                          "f:2:3: route: found a mapping where a value was expected: "
                          "NAME=HOST:PORT\n");
    assert_serve_mistakes("route: [[a=h:1]]\n", "f:1:9: route: found a list where a value was "
                                                "expected: NAME=HOST:PORT\n");
    assert_serve_mistakes("route: []\n",
                          "f:1:8: route: the list is empty: leave the key out, or fill it\n");
    assert_serve_mistakes("workers:\n", "f:1:9: workers: a value is missing: N\n");
    assert_serve_mistakes("workers: ~\n", "f:1:10: workers: a value is missing: N\n");
    assert_serve_mistakes("workers: \"\"\n", "f:1:10: workers: a value is missing: N\n");
    assert_serve_mistakes("? [a]\n: 1\n",
                          "f:1:3: key: found a list or mapping where a word was expected\n");
    assert_serve_mistakes("user: \"a\\0b\"\n", "f:1:7: user: the value has a NUL in it\n");
}

static void ranges_are_named(void **state)
{
    (void)state;
    assert_serve_mistakes("workers: 257\n", "f:1:10: workers: 257 is out of range: 0 to 256\n");
    assert_serve_mistakes("workers: -1\n", "f:1:10: workers: \"-1\" is no whole number\n");
    assert_serve_mistakes("drain: 2d\n", "f:1:8: drain: 2d is out of range: 0ms to 1d\n");
    assert_serve_mistakes("early_bytes: 1KiB\n",
                          "f:1:14: early_bytes: 1KiB is out of range: 1MiB to 64GiB\n");
}

static void a_bad_value_is_not_a_missing_one(void **state)
{
    (void)state;
    assert_mistakes("role: serve\nlisten: x\nfernet_key_file: k\n",
                    "f:2:9: listen: \"x\" is no address and port, such as 192.0.2.1:443 or "
                    "[::]:443 (no host names here)\n");
}

static void secrets_are_files_and_are_not_repeated(void **state)
{
    (void)state;
    assert_mistakes("role: serve\nlisten: 127.0.0.1:1\n"
                    "fernet_key_file: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                    "f:3:18: fernet_key_file: this is a secret itself: put it into a file of its "
                    "own (mode 0600) and name that file here\n");
    assert_mistakes("role: publish\nserver: h:1\nto: h:2\ncredential: {token: x}\n",
                    "f:4:13: credential: found a mapping where a value was expected: FILE|-\n");
    assert_mistakes("role: publish\nserver: h:1\nto: h:2\ncredential: '{\"token\": \"x\"}'\n",
                    "f:4:13: credential: this is a secret itself: put it into a file of its own "
                    "(mode 0600) and name that file here\n");
}

static void anchors_aliases_and_tags_are_refused(void **state)
{
    (void)state;
    assert_serve_mistakes("user: &u adit\n",
                          "f:1:7: an anchor (&) is not possible here: write the value out\n");
    assert_serve_mistakes("user: !!str adit\n",
                          "f:1:7: a tag (!) is not possible here: write the value alone\n");
    assert_serve_mistakes("user: &u adit\ncontrol: *u\nworkers: x\n",
                          "f:1:7: an anchor (&) is not possible here: write the value out\n"
                          "f:2:10: an alias (*) is not possible here: write the value out\n"
                          "f:3:10: workers: \"x\" is no whole number\n");
    assert_mistakes("role: *nowhere\n",
                    "f:1:7: an alias (*) is not possible here: write the value out\n");
    assert_mistakes("&a\nrole: *a\n",
                    "f:1:1: an anchor (&) is not possible here: write the value out\n"
                    "f:1:1: role: found a mapping where a value was expected: serve, publish, "
                    "master, receive or vpn\n"
                    "f:2:7: an alias (*) is not possible here: write the value out\n");
}

static void a_file_is_one_mapping_in_one_document(void **state)
{
    (void)state;
    assert_mistakes("", "f:1:1: empty: it must say at least role: serve or role: publish\n");
    assert_mistakes("# nothing\n",
                    "f:1:1: empty: it must say at least role: serve or role: publish\n");
    assert_mistakes("serve\n",
                    "f:1:1: found a value where keys were expected, such as role: serve\n");
    assert_mistakes("- role: serve\n",
                    "f:1:1: found a list where keys were expected, such as role: serve\n");
    assert_mistakes("role: serve\n---\nrole: publish\n",
                    "f:2:1: a second document begins here: a file has one\n");
}

static void assert_no_yaml_at(const char *text, const char *place)
{
    char *said = mistakes_in(text, strlen(text), NULL);
    char start[64];
    snprintf(start, sizeof start, "f:%s: no YAML: ", place);
    if (strncmp(said, start, strlen(start)) != 0)
        fail_msg("%s", said);
    /* One mistake: what follows cannot be understood. */
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    free(said);
}

static void what_is_no_yaml_is_named_at_its_place(void **state)
{
    (void)state;
    assert_no_yaml_at("role: serve\nlisten: [1\n", "3:1");
    assert_no_yaml_at("role: serve\n\tlisten: x\n", "2:1");
    assert_no_yaml_at("role: serve\nuser: \xff\n", "2:7");
    assert_no_yaml_at("role: serve\nuser: 'a\n", "3:1");
}

static void size_depth_and_count_are_limited(void **state)
{
    (void)state;
    char *long_text = calloc(1, CONFIG_LEN_MAX + 2);
    assert_non_null(long_text);
    memset(long_text, '#', CONFIG_LEN_MAX + 1);
    char *said = mistakes_in(long_text, CONFIG_LEN_MAX + 1, NULL);
    assert_string_equal(said, "f: too long: more than 1048576 bytes\n");
    free(said);

    memset(long_text, '[', 100000);
    said = mistakes_in(long_text, 100000, NULL);
    assert_string_equal(said, "f:1:17: too deep: more than 16 levels\n");
    free(said);

    size_t len = 0;
    for (size_t i = 0; i < 2 * YAMLFORM_NODES_MAX; i++) {
        memcpy(long_text + len, "- a\n", 4);
        len += 4;
    }
    said = mistakes_in(long_text, len, NULL);
    assert_string_equal(said, "f:10000:3: too much: more than 10000 values\n");
    free(said);
    free(long_text);
}

static void as_many_values_as_allowed_are_read(void **state)
{
    (void)state;
    /* The mapping, four keys, three values and the list are nine of them. */
    char *text = malloc(CONFIG_LEN_MAX);
    assert_non_null(text);
    size_t len = (size_t)snprintf(text, CONFIG_LEN_MAX,
                                  "role: serve\nlisten: 127.0.0.1:1\n"
                                  "fernet_key_file: k\ntrust_proxy:\n");
    for (int i = 0; i < YAMLFORM_NODES_MAX - 9; i++)
        len += (size_t)snprintf(text + len, CONFIG_LEN_MAX - len, "- 10.0.0.1\n");
    char *said = mistakes_in(text, len, NULL);
    assert_string_equal(said, "");
    free(said);
    len += (size_t)snprintf(text + len, CONFIG_LEN_MAX - len, "- 10.0.0.1\n");
    said = mistakes_in(text, len, NULL);
    assert_non_null(strstr(said, "too much"));
    free(said);
    free(text);
}

static void mistakes_beyond_a_hundred_are_counted(void **state)
{
    (void)state;
    char text[4096] = "role: serve\nlisten: 127.0.0.1:1\nfernet_key_file: k\nroute:\n";
    size_t len = strlen(text);
    for (int i = 0; i < REPORT_MAX + 7; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "- x\n");
    char *said = mistakes_in(text, len, NULL);
    assert_non_null(strstr(said, "\nf: and 7 more\n"));
    free(said);
}

/* Whatever part of a file is there, it is read without harm. */
static void every_prefix_is_survived(void **state)
{
    (void)state;
    static const char text[] = "role: serve\nlisten: [\"127.0.0.1:443\", '[::1]:443']\n"
                               "fernet_key_file: &a k\nroute: {a: *a, ? b : !c d}\n"
                               "user: |\n  x\n  y\n# end\n...\n";
    for (size_t len = 0; len < sizeof text; len++)
        free(mistakes_in(text, len, NULL));
}

/* ---- Groups ---- */

static const struct option_spec house_members[] = {
    {.name = "street",
     .value = "STREET",
     .kind = OPTION_TEXT,
     .traits = OPTION_NEEDED,
     .help = "h"},
    {.name = "number", .value = "N", .kind = OPTION_NUMBER, .fallback = "7", .help = "h"},
    {.name = "key-file", .value = "FILE", .kind = OPTION_SECRET, .help = "h"},
    {.name = "rooms", .value = "NAME", .kind = OPTION_TEXT, .traits = OPTION_MANY, .help = "h"},
    {.name = NULL},
};

static const struct option_spec town_members[] = {
    {.name = "house",
     .value = "{...}",
     .kind = OPTION_GROUP,
     .members = house_members,
     .help = "h"},
    {.name = "houses",
     .value = "[{...}]",
     .kind = OPTION_GROUP,
     .traits = OPTION_MANY,
     .members = house_members,
     .help = "h"},
    {.name = "hall",
     .value = "{...}",
     .kind = OPTION_GROUP,
     .traits = OPTION_NEEDED,
     .members = house_members,
     .help = "h"},
    {.name = NULL},
};

static void no_two_houses_alike(const struct options *options, struct report *report)
{
    for (size_t i = 1; i < options_count(options, "houses"); i++) {
        const struct option_value *value = options_value(options, "houses", i);
        if (strcmp(options_text(value->group, "street"),
                   options_text(options_group(options, "houses", i - 1), "street")) == 0)
            report_mistake(report, value->line, value->column, "houses: two in one street");
    }
}

static const struct command town = {
    .name = "town",
    .summary = "s",
    .usage = "u",
    .about = "a",
    .example = "e",
    .table = {town_members, NULL},
    .examine = no_two_houses_alike,
};

static bool read_town(const char *text, struct options *options, char **said)
{
    struct report report;
    size_t said_len = 0;
    FILE *out = open_memstream(said, &said_len);
    report_init(&report);
    const struct command *found =
        config_read(text, strlen(text), "/dir", &town, true, options, &report);
    report_print(&report, "f", out);
    report_clear(&report);
    fclose(out);
    return found != NULL;
}

static void assert_town_mistakes(const char *text, const char *expected)
{
    struct options options;
    char *said = NULL;
    assert_false(read_town(text, &options, &said));
    assert_string_equal(said, expected);
    free(said);
}

static void count_values(void *arg, const struct option_spec *spec,
                         const struct option_value *value)
{
    size_t *counts = arg;
    counts[spec->kind == OPTION_GROUP] += value->line > 0;
}

static void groups_hold_what_stands_in_them(void **state)
{
    (void)state;
    struct options options;
    char *said = NULL;
    assert_true(read_town("hall: {street: High, key_file: k}\n"
                          "houses:\n"
                          "  - street: Low\n"
                          "    number: 3\n"
                          "    rooms: [a, b]\n"
                          "  - {street: Mid, key_file: /k}\n",
                          &options, &said));
    assert_string_equal(said, "");
    free(said);
    const struct options *hall = options_group(&options, "hall", 0);
    assert_string_equal(options_text(hall, "key-file"), "/dir/k");
    assert_int_equal(options_number(hall, "number"), 7);
    assert_int_equal(options_count(&options, "houses"), 2);
    assert_int_equal(options_number(options_group(&options, "houses", 0), "number"), 3);
    assert_int_equal(options_count(options_group(&options, "houses", 0), "rooms"), 2);
    assert_string_equal(options_text(options_group(&options, "houses", 1), "key-file"), "/k");
    assert_int_equal(options_value(&options, "houses", 1)->line, 6);
    assert_int_equal(options_value(&options, "houses", 1)->column, 5);
    assert_null(options_group(&options, "houses", 2));
    size_t counts[2] = {0};
    options_each(&options, count_values, counts);
    assert_int_equal(counts[true], 3);
    assert_int_equal(counts[false], 8);
    options_clear(&options);
}

static void a_group_that_is_not_there_has_its_defaults(void **state)
{
    (void)state;
    struct options options;
    char *said = NULL;
    assert_true(read_town("hall: {street: High}\n", &options, &said));
    free(said);
    assert_int_equal(options_count(&options, "house"), 0);
    assert_int_equal(options_number(options_group(&options, "house", 0), "number"), 7);
    assert_null(options_group(&options, "houses", 0));
    options_clear(&options);
}

static void one_group_is_a_list_of_one(void **state)
{
    (void)state;
    struct options options;
    char *said = NULL;
    assert_true(read_town("hall: {street: High}\nhouses: {street: Low}\n", &options, &said));
    free(said);
    assert_int_equal(options_count(&options, "houses"), 1);
    options_clear(&options);
}

static void mistakes_in_groups_say_the_way(void **state)
{
    (void)state;
    assert_town_mistakes("houses:\n"
                         "  - {street: Low, number: x}\n"
                         "  - strete: Mid\n"
                         "    number: 1\n"
                         "    number: 2\n"
                         "  - Mid\n"
                         "  - street: [a]\n"
                         "  - {street: A, zzzzzzzz: b, role: c}\n"
                         "house: [{street: Low}]\n"
                         "hall: 3\n",
                         "f:2:27: houses.number: \"x\" is no whole number\n"
                         "f:3:5: houses.strete: no such key; did you mean street?\n"
                         "f:3:5: houses.street: is missing: STREET\n"
                         "f:5:5: houses.number: given twice: it stands in line 4 already\n"
                         "f:6:5: houses: found a value where keys and values were expected: "
                         "[{...}]\n"
                         "f:7:13: houses.street: found a list where one value was expected: "
                         "STREET\n"
                         "f:8:17: houses.zzzzzzzz: no such key of houses\n"
                         "f:8:30: houses.role: no such key of houses\n"
                         "f:9:8: house: found a list where one mapping was expected: {...}\n"
                         "f:10:7: hall: found a value where keys and values were expected: "
                         "{...}\n");
    assert_town_mistakes("houses: []\nhall: {}\n",
                         "f:1:9: houses: the list is empty: leave the key out, or fill it\n"
                         "f:2:7: hall.street: is missing: STREET\n");
    assert_town_mistakes("house: {street: a}\n", "f:1:1: hall: is missing: {...}\n");
}

static void what_only_shows_in_the_whole_has_its_place(void **state)
{
    (void)state;
    assert_town_mistakes("hall: {street: High}\n"
                         "houses: [{street: Low}, {street: Low}]\n",
                         "f:2:25: houses: two in one street\n");
}

static void groups_are_no_flags(void **state)
{
    (void)state;
    struct options options;
    struct options flags;
    char why[OPTION_WHY_MAX];
    char *said = NULL;
    char flag[] = "--hall";
    char value[] = "x";
    char *argv[] = {flag, value};
    assert_true(options_init(&flags, &town.table));
    assert_int_equal(options_read(&flags, 2, argv, why), OPTIONS_UNUSABLE);
    assert_string_equal(why, "unknown option --hall; did you mean --help?");
    assert_true(read_town("hall: {street: High}\n", &options, &said));
    free(said);
    assert_true(options_override(&options, &flags));
    assert_string_equal(options_text(options_group(&options, "hall", 0), "street"), "High");
    options_clear(&flags);
    options_clear(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_says_all_that_flags_say),
        cmocka_unit_test(relative_paths_start_at_the_files_directory),
        cmocka_unit_test(the_directory_is_that_of_the_file),
        cmocka_unit_test(all_mistakes_are_named_at_once_in_order),
        cmocka_unit_test(a_role_is_needed_and_known),
        cmocka_unit_test(a_file_for_another_role_is_named),
        cmocka_unit_test(a_role_that_is_given_need_not_be_in_the_file),
        cmocka_unit_test(unknown_keys_get_the_best_hint),
        cmocka_unit_test(types_that_do_not_fit_are_named),
        cmocka_unit_test(ranges_are_named),
        cmocka_unit_test(a_bad_value_is_not_a_missing_one),
        cmocka_unit_test(secrets_are_files_and_are_not_repeated),
        cmocka_unit_test(anchors_aliases_and_tags_are_refused),
        cmocka_unit_test(a_file_is_one_mapping_in_one_document),
        cmocka_unit_test(what_is_no_yaml_is_named_at_its_place),
        cmocka_unit_test(size_depth_and_count_are_limited),
        cmocka_unit_test(as_many_values_as_allowed_are_read),
        cmocka_unit_test(mistakes_beyond_a_hundred_are_counted),
        cmocka_unit_test(every_prefix_is_survived),
        cmocka_unit_test(groups_hold_what_stands_in_them),
        cmocka_unit_test(a_group_that_is_not_there_has_its_defaults),
        cmocka_unit_test(one_group_is_a_list_of_one),
        cmocka_unit_test(mistakes_in_groups_say_the_way),
        cmocka_unit_test(what_only_shows_in_the_whole_has_its_place),
        cmocka_unit_test(groups_are_no_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
