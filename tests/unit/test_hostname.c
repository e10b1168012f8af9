#include "base/hostname.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_253                                                                                   \
    LABEL_63 "." LABEL_63 "." LABEL_63                                                             \
             ".bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void host_names_of_the_rfc_are_valid(void **state)
{
    (void)state;
    static const char *const names[] = {"a",
                                        "localhost",
                                        "a.b",
                                        "example.net.",
                                        "3com.example",
                                        "a-b.c--d.e",
                                        "xn--bcher-kva.example",
                                        "_acme.example",
                                        "UPPER.example",
                                        "1.2.3.4",
                                        LABEL_63 ".example",
                                        NAME_253,
                                        NAME_253 "."};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!hostname_valid(names[i]))
            fail_msg("refused: %s", names[i]);
    assert_int_equal(strlen(NAME_253), 253);
}

static void other_names_are_not_valid(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        ".",
                                        "..",
                                        ".a",
                                        "a..b",
                                        "a..",
                                        "-a",
                                        "a-",
                                        "a.-b",
                                        "a-.b",
                                        "a b",
                                        "a/b",
                                        "a:1",
                                        "[::1]",
                                        "*.a",
                                        "b\xc3\xbc"
                                        "b",
                                        "a\n",
                                        "a@b",
                                        LABEL_63 "a.example",
                                        NAME_253 "b",
                                        NAME_253 "b."};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (hostname_valid(names[i]))
            fail_msg("accepted: %s", names[i]);
}

static void a_normal_name_has_no_case_and_no_trailing_dot(void **state)
{
    (void)state;
    char out[HOSTNAME_MAX + 1];
    assert_true(hostname_normalise("Home.EXAMPLE.net.", 17, out));
    assert_string_equal(out, "home.example.net");
    assert_true(hostname_normalise("AZaz[@`{09", 10, out));
    assert_string_equal(out, "azaz[@`{09");
    assert_true(hostname_normalise("a..", 3, out));
    assert_string_equal(out, "a.");
}

static void what_is_no_name_has_no_normal_form(void **state)
{
    (void)state;
    char out[HOSTNAME_MAX + 1];
    char longest[HOSTNAME_MAX + 2];
    memset(longest, 'A', sizeof(longest));
    assert_false(hostname_normalise("", 0, out));
    assert_false(hostname_normalise(".", 1, out));
    assert_false(hostname_normalise("a\0b", 3, out));
    assert_false(hostname_normalise(longest, HOSTNAME_MAX + 1, out));
    assert_true(hostname_normalise(longest, HOSTNAME_MAX, out));
    assert_int_equal(strlen(out), HOSTNAME_MAX);
    longest[HOSTNAME_MAX] = '.';
    assert_true(hostname_normalise(longest, HOSTNAME_MAX + 1, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_names_of_the_rfc_are_valid),
        cmocka_unit_test(other_names_are_not_valid),
        cmocka_unit_test(a_normal_name_has_no_case_and_no_trailing_dot),
        cmocka_unit_test(what_is_no_name_has_no_normal_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
