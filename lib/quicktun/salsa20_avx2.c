#include "lib/quicktun/salsa20_lanes.h"

void quicktun_salsa20_xor_avx2(const struct quicktun_salsa20 *salsa20, uint32_t first,
                               uint8_t *bytes, size_t blocks)
{
    for (size_t done = 0; done < blocks; done += QUICKTUN_SALSA20_LANES)
        salsa20_xor8(salsa20, first + (uint32_t)done, bytes + done * QUICKTUN_SALSA20_BLOCK);
}
