/* The alert that a refused device gets (RFC 8446, 5.1 and 6). */
#include "lib/tls/alert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void an_alert_is_one_fatal_record(void **state)
{
    static const struct {
        enum tls_alert alert;
        uint8_t record[TLS_ALERT_LEN];
    } cases[] = {
        {TLS_ALERT_UNRECOGNIZED_NAME, {21, 3, 3, 0, 2, 2, 112}},
        {TLS_ALERT_ACCESS_DENIED, {21, 3, 3, 0, 2, 2, 49}},
        {TLS_ALERT_INTERNAL_ERROR, {21, 3, 3, 0, 2, 2, 80}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t out[TLS_ALERT_LEN];
        tls_alert_write(cases[i].alert, out);
        assert_memory_equal(out, cases[i].record, sizeof(out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_is_one_fatal_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
