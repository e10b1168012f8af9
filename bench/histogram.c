#include "bench/histogram.h"

enum { SUB = 1 << HISTOGRAM_SUB_BITS };

static unsigned exponent_of(uint64_t value)
{
    return value < SUB ? 0 : 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS + 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    unsigned exponent = exponent_of(value);
    uint64_t sub = exponent == 0 ? value : (value >> (exponent - 1)) - SUB;
    histogram->slots[(uint64_t)exponent * SUB + sub]++;
    histogram->count++;
}

uint64_t histogram_quantile(const struct histogram *histogram, double part)
{
    uint64_t left = (uint64_t)((double)histogram->count * part);
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        uint64_t exponent = i / SUB;
        uint64_t sub = i % SUB;
        if (histogram->slots[i] > left)
            return exponent == 0 ? sub : (SUB + sub) << (exponent - 1);
        left -= histogram->slots[i];
    }
    return 0;
}
