/* What somebody may have meant. */
#include "cli/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *best(const char *word)
{
    static const char *const words[] = {"listen", "peer-listen", "workers", "route",
                                        "drain",  "control",     "config",  NULL};
    struct suggestion suggestion = suggest_start(word);
    for (size_t i = 0; words[i] != NULL; i++)
        suggest_offer(&suggestion, words[i]);
    return suggestion.best;
}

static void distance_counts_each_kind_of_edit_once(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("drain", "drain"), 0);
    assert_int_equal(suggest_distance("drain", "rain"), 1);
    assert_int_equal(suggest_distance("drain", "drains"), 1);
    assert_int_equal(suggest_distance("drain", "drein"), 1);
    assert_int_equal(suggest_distance("ca", "abc"), 3);
    assert_int_equal(suggest_distance("drain", "darin"), 1);
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
}

static void distance_folds_case_and_underscore(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("PEER_LISTEN", "peer-listen"), 0);
}

static void distance_of_a_long_word_is_infinite(void **state)
{
    (void)state;
    char word[SUGGEST_WORD_MAX + 2];
    for (size_t i = 0; i < sizeof word - 1; i++)
        word[i] = 'a';
    word[sizeof word - 1] = '\0';
    assert_true(suggest_distance(word, "a") == SIZE_MAX);
    word[SUGGEST_WORD_MAX] = '\0';
    assert_int_equal(suggest_distance(word, "a"), SUGGEST_WORD_MAX - 1);
}

static void a_misspelt_word_is_recognised(void **state)
{
    (void)state;
    assert_string_equal(best("lisen"), "listen");
    assert_string_equal(best("Listen"), "listen");
    assert_string_equal(best("peer_listen"), "peer-listen");
    assert_string_equal(best("wrokers"), "workers");
    assert_string_equal(best("conifg"), "config");
}

static void a_begun_word_is_recognised(void **state)
{
    (void)state;
    assert_string_equal(best("wor"), "workers");
    assert_string_equal(best("peer"), "peer-listen");
}

static void a_word_that_is_far_from_all_has_no_suggestion(void **state)
{
    (void)state;
    assert_null(best("zebra"));
    assert_null(best("x"));
    assert_null(best(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_each_kind_of_edit_once),
        cmocka_unit_test(distance_folds_case_and_underscore),
        cmocka_unit_test(distance_of_a_long_word_is_infinite),
        cmocka_unit_test(a_misspelt_word_is_recognised),
        cmocka_unit_test(a_begun_word_is_recognised),
        cmocka_unit_test(a_word_that_is_far_from_all_has_no_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
