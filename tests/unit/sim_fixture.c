#include "sim_fixture.h"

struct pair pair;

int pair_setup(void **state)
{
    (void)state;
    pair_open(&pair, 1);
    return 0;
}

int pair_hang_up(void **state)
{
    if (pair.near.stream != NULL)
        side_abort(&pair, &pair.near);
    if (pair.far.stream != NULL)
        side_abort(&pair, &pair.far);
    return pair_teardown(state);
}

int pair_teardown(void **state)
{
    (void)state;
    pair_close(&pair);
    return 0;
}
