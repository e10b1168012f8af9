#include "vpn_fixture.h"

struct ends ends;

int ends_two(void **state)
{
    (void)state;
    ends_open(&ends, 2);
    return 0;
}

int ends_three(void **state)
{
    (void)state;
    ends_open(&ends, 3);
    return 0;
}

int ends_teardown(void **state)
{
    (void)state;
    ends_close(&ends);
    return 0;
}
