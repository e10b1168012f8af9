/* An engine that finds no memory, by the linker's --wrap. */
#include "tests/unit/quicktun_hostile.h"

#include <stdlib.h>

static bool no_memory;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory ? NULL : __real_calloc(count, size);
}

static int stop(void **state)
{
    no_memory = false;
    return hostile_teardown(state);
}

static void an_input_that_cannot_be_remembered_ends_the_session(void **state)
{
    (void)state;
    hostile_start();
    no_memory = true;
    pair_tick(hostile_victim());
    no_memory = false;
    assert_int_equal(hostile_victim()->error, QUICKTUN_E_NO_MEMORY);
}

static void a_session_needs_memory(void **state)
{
    (void)state;
    hostile_start();
    no_memory = true;
    assert_null(quicktun_session_new(hostile_victim()->context, &hostile_victim()->options, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_input_that_cannot_be_remembered_ends_the_session,
                                        hostile_setup, stop),
        cmocka_unit_test_setup_teardown(a_session_needs_memory, hostile_setup, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
