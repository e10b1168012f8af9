/* The man pages say of each option what its table says. */
#include "cli/command.h"
#include "cli/suggest.h"
#include "roles/server/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE_MAX = 64 * 1024 };

/* A page with every run of blanks as one space and without scdoc's backslashes. */
static char *read_page(const char *page)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.scd", MAN_DIR, page);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("there is no %s", path);
    char *text = malloc(PAGE_MAX);
    assert_non_null(text);
    size_t len = 0;
    int c;
    while ((c = fgetc(file)) != EOF) {
        bool blank = c == '\n' || c == '\t' || c == ' ';
        if (c == '\\' || (blank && len > 0 && text[len - 1] == ' '))
            continue;
        assert_true(len + 1 < PAGE_MAX);
        text[len++] = blank ? ' ' : (char)c;
    }
    text[len] = '\0';
    fclose(file);
    return text;
}

static void page_of(const struct command *command, char page[64])
{
    snprintf(page, 64, "adit-%.*s.1", (int)strcspn(command->name, " "), command->name);
}

static void assert_says(const char *page, const char *text, const char *expected)
{
    if (strstr(text, expected) == NULL)
        fail_msg("man/%s.scd does not say: %s", page, expected);
}

/* "help Default: fallback." */
static void explanation_of(const struct option_spec *spec, char out[2048])
{
    snprintf(out, 2048, "%s%s%s%s", spec->help, spec->fallback == NULL ? "" : " Default: ",
             spec->fallback == NULL ? "" : spec->fallback, spec->fallback == NULL ? "" : ".");
}

static void head_of(const struct option_spec *spec, char out[256])
{
    bool bare = (spec->traits & OPTION_ARGUMENT) != 0;
    if (bare)
        snprintf(out, 256, "_%s_ ", spec->value);
    else if (spec->value == NULL)
        snprintf(out, 256, "*--%s* ", spec->name);
    else
        snprintf(out, 256, "*--%s* _%s_ ", spec->name, spec->value);
}

static void every_option_is_in_its_man_page(void **state)
{
    (void)state;
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        char page[64];
        page_of(*c, page);
        char *text = read_page(page);
        for (const struct option_spec *s = options_next(&(*c)->table, NULL); s != NULL;
             s = options_next(&(*c)->table, s)) {
            char expected[2048];
            if (s->kind == OPTION_GROUP)
                continue;
            head_of(s, expected);
            assert_says(page, text, expected);
            explanation_of(s, expected);
            assert_says(page, text, expected);
        }
        free(text);
    }
}

static void no_man_page_has_an_option_that_is_gone(void **state)
{
    (void)state;
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        char page[64];
        page_of(*c, page);
        char *text = read_page(page);
        for (char *at = strstr(text, "*--"); at != NULL; at = strstr(at, "*--")) {
            char name[64];
            at += strlen("*--");
            snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "*"), at);
            bool known = strcmp(name, "help") == 0;
            /* A page may be that of several commands, and may refer to others. */
            for (const struct command *const *d = command_all; *d != NULL && !known; d++) {
                char key[64];
                snprintf(key, sizeof key, "%s", name);
                for (char *dash = key; *dash != '\0'; dash++)
                    *dash = *dash == '-' ? '_' : *dash;
                known = options_by_key(&(*d)->table, key) != NULL;
            }
            if (!known)
                fail_msg("man/%s.scd explains --%s, which does not exist", page, name);
        }
        free(text);
    }
}

/* A key, and those below it as "group.key". */
static void assert_key(const char *text, const char *path, const struct option_spec *spec)
{
    char key[OPTION_KEY_MAX];
    char way[256];
    char expected[2048];
    snprintf(way, sizeof way, "%s%s%s", path, path[0] == '\0' ? "" : ".", option_key(spec, key));
    snprintf(expected, sizeof expected, "*%s*: _%s_", way,
             spec->value == NULL ? "true|false" : spec->value);
    assert_says("adit.yaml.5", text, expected);
    explanation_of(spec, expected);
    assert_says("adit.yaml.5", text, expected);
    for (const struct option_spec *s = spec->members; s != NULL && s->name != NULL; s++)
        assert_key(text, way, s);
}

static void every_key_is_in_the_page_of_the_file(void **state)
{
    (void)state;
    char *text = read_page("adit.yaml.5");
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        bool role = command_of_role((*c)->name) == *c;
        for (const struct option_spec *s = options_next(&(*c)->table, NULL); role && s != NULL;
             s = options_next(&(*c)->table, s))
            if ((s->traits & OPTION_NOT_IN_FILE) == 0)
                assert_key(text, "", s);
    }
    free(text);
}

static void every_command_is_in_the_overview(void **state)
{
    (void)state;
    char *text = read_page("adit.1");
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        char expected[64];
        snprintf(expected, sizeof expected, "*%s*", (*c)->name);
        assert_says("adit.1", text, expected);
    }
    free(text);
}

/* What --help says of an option must be true. */
static void the_limits_of_serve_are_the_servers_own(void **state)
{
    (void)state;
    struct options options;
    struct server_limits limits;
    server_limits_default(&limits);
    assert_true(options_init(&options, &command_serve.table));
    assert_int_equal(options_number(&options, "early-per-address"), limits.early_per_address);
    assert_int_equal(options_number(&options, "early-per-worker"), limits.early_per_worker);
    assert_int_equal(options_number(&options, "early-bytes"), limits.early_bytes);
    assert_int_equal(options_number(&options, "token-timeout"), limits.token_ms);
    assert_int_equal(options_number(&options, "hello-timeout"), limits.hello_ms);
    assert_int_equal(options_number(&options, "challenge-timeout"), limits.challenge_ms);
    assert_int_equal(options_number(&options, "channel-idle"), limits.channel_idle_ms);
    assert_int_equal(options_number(&options, "channels-per-peer"), limits.channels_per_peer);
    assert_int_equal(options_number(&options, "channels-per-address"), limits.channels_per_address);
    options_clear(&options);
}

static void assert_well_formed(const struct option_table *table)
{
    struct options options;
    assert_true(options_init(&options, table));
    for (const struct option_spec *s = options_next(table, NULL); s != NULL;
         s = options_next(table, s)) {
        assert_true(strlen(s->name) < OPTION_KEY_MAX);
        assert_true(strlen(s->name) <= SUGGEST_WORD_MAX);
        assert_true((s->kind == OPTION_SWITCH) == (s->value == NULL));
        assert_true((s->kind == OPTION_CHOICE) == (s->choices != NULL));
        assert_true((s->kind == OPTION_GROUP) == (s->members != NULL));
        assert_ptr_equal(options_spec(&options, s->name), s);
        if (s->members != NULL)
            assert_well_formed(&(struct option_table){s->members, NULL});
    }
    options_clear(&options);
}

static void every_table_is_well_formed(void **state)
{
    (void)state;
    for (const struct command *const *c = command_all; *c != NULL; c++)
        assert_well_formed(&(*c)->table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_in_its_man_page),
        cmocka_unit_test(no_man_page_has_an_option_that_is_gone),
        cmocka_unit_test(every_key_is_in_the_page_of_the_file),
        cmocka_unit_test(every_command_is_in_the_overview),
        cmocka_unit_test(the_limits_of_serve_are_the_servers_own),
        cmocka_unit_test(every_table_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
