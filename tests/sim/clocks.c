#include "tests/sim/clocks.h"

#include <stdlib.h>

void clocks_init(struct clocks *clocks, struct sim_world *world, uint64_t off_max_s)
{
    *clocks = (struct clocks){.world = world, .off_max_s = off_max_s};
}

void clocks_add(struct clocks *clocks, struct sim_host *host)
{
    if (clocks->count == CLOCKS_MAX)
        abort();
    clocks->hosts[clocks->count++] = host;
}

void clocks_set_one(struct clocks *clocks)
{
    size_t which = sim_random_below(clocks->world, clocks->count);
    double off_s = (double)sim_random_below(clocks->world, 2 * clocks->off_max_s + 1) -
                   (double)clocks->off_max_s;
    sim_host_jump_wall(clocks->hosts[which], off_s - clocks->off_s[which]);
    clocks->off_s[which] = off_s;
}
