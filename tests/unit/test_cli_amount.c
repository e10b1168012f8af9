/* Sizes and times as people read them. */
#include "cli/amount.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void bytes_have_units(void **state)
{
    (void)state;
    char text[AMOUNT_MAX];
    assert_string_equal(amount_bytes(0, text), "0 B");
    assert_string_equal(amount_bytes(1023, text), "1023 B");
    assert_string_equal(amount_bytes(1024, text), "1.0 KiB");
    assert_string_equal(amount_bytes(150.0 * 1024 * 1024, text), "150 MiB");
}

static void spans_have_two_units(void **state)
{
    (void)state;
    char text[AMOUNT_MAX];
    assert_string_equal(amount_span(-1, text), "0s");
    assert_string_equal(amount_span(59.9, text), "59s");
    assert_string_equal(amount_span(200, text), "3m 20s");
    assert_string_equal(amount_span(18720, text), "5h 12m");
    assert_string_equal(amount_span(1048000, text), "12d 3h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_units),
        cmocka_unit_test(spans_have_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
