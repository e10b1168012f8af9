#include "lib/quicktun/poly1305.h"

#include <string.h>

#define MASK44 QUICKTUN_POLY1305_MASK44
#define MASK42 QUICKTUN_POLY1305_MASK42

enum { LIMBS = QUICKTUN_POLY1305_LIMBS, BLOCK = QUICKTUN_POLY1305_BLOCK };

__extension__ typedef unsigned __int128 u128;

/* ---- Bytes and limbs ---- */

/* Little-endian, as the processors that this is built for are. */
static uint64_t load64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static void store64(uint8_t *bytes, uint64_t value)
{
    memcpy(bytes, &value, sizeof value);
}

static void split(uint64_t low, uint64_t high, uint64_t limbs[LIMBS])
{
    limbs[0] = low & MASK44;
    limbs[1] = (low >> 44 | high << 20) & MASK44;
    limbs[2] = high >> 24;
}

void quicktun_poly1305_carry(uint64_t limbs[LIMBS])
{
    limbs[1] += limbs[0] >> 44;
    limbs[0] &= MASK44;
    limbs[2] += limbs[1] >> 44;
    limbs[1] &= MASK44;
    limbs[0] += 5 * (limbs[2] >> 42);
    limbs[2] &= MASK42;
    limbs[1] += limbs[0] >> 44;
    limbs[0] &= MASK44;
}

/* ---- Products ---- */

/*
 * h = h r. Products of limbs at 2^132 and 2^176, which is 2^132 2^44, come back at 2^0 and 2^44:
 * 2^132 = 4 * 2^130 = 20.
 */
static void multiply(uint64_t h[LIMBS], const uint64_t r[LIMBS])
{
    uint64_t r1_20 = 20 * r[1];
    uint64_t r2_20 = 20 * r[2];
    u128 d0 = (u128)h[0] * r[0] + (u128)h[1] * r2_20 + (u128)h[2] * r1_20;
    u128 d1 = (u128)h[0] * r[1] + (u128)h[1] * r[0] + (u128)h[2] * r2_20;
    u128 d2 = (u128)h[0] * r[2] + (u128)h[1] * r[1] + (u128)h[2] * r[0];
    d1 += (uint64_t)(d0 >> 44);
    d2 += (uint64_t)(d1 >> 44);
    h[0] = ((uint64_t)d0 & MASK44) + 5 * (uint64_t)(d2 >> 42);
    h[1] = ((uint64_t)d1 & MASK44) + (h[0] >> 44);
    h[0] &= MASK44;
    h[2] = (uint64_t)d2 & MASK42;
}

static void get_power(const struct quicktun_poly1305 *poly, size_t n, uint64_t limbs[LIMBS])
{
    for (size_t i = 0; i < LIMBS; i++)
        limbs[i] = poly->powers[i][n - 1];
}

static void put_power(struct quicktun_poly1305 *poly, size_t n, const uint64_t limbs[LIMBS])
{
    for (size_t i = 0; i < LIMBS; i++)
        poly->powers[i][n - 1] = limbs[i];
    poly->known = n;
}

/* Each power of two that are about half as high, so that few wait for each other. */
void quicktun_poly1305_raise(struct quicktun_poly1305 *poly, size_t count)
{
    for (size_t n = poly->known + 1; n <= count; n++) {
        uint64_t product[LIMBS];
        uint64_t other[LIMBS];
        get_power(poly, n / 2, product);
        get_power(poly, n - n / 2, other);
        multiply(product, other);
        put_power(poly, n, product);
    }
}

/* ---- The tag ---- */

void quicktun_poly1305_start(struct quicktun_poly1305 *poly,
                             const uint8_t key[QUICKTUN_POLY1305_KEY])
{
    uint64_t r[LIMBS];
    /* without the bits of r that the definition wants clear */
    split(load64(key) & 0x0ffffffc0fffffff, load64(key + 8) & 0x0ffffffc0ffffffc, r);
    put_power(poly, 1, r);
    memset(poly->h, 0, sizeof poly->h);
    poly->pad[0] = load64(key + 16);
    poly->pad[1] = load64(key + 24);
}

static void add(uint64_t h[LIMBS], const uint64_t block[LIMBS])
{
    for (size_t i = 0; i < LIMBS; i++)
        h[i] += block[i];
}

void quicktun_poly1305_blocks(struct quicktun_poly1305 *poly, const uint8_t *bytes, size_t blocks)
{
    uint64_t r[LIMBS];
    get_power(poly, 1, r);
    for (; blocks > 0; blocks--, bytes += BLOCK) {
        uint64_t limbs[LIMBS];
        split(load64(bytes), load64(bytes + 8), limbs);
        limbs[2] |= QUICKTUN_POLY1305_TOP; /* stands above every whole block */
        add(poly->h, limbs);
        multiply(poly->h, r);
    }
}

/* h, or h - p where that is not negative: the number below p. */
static void reduce(uint64_t h[LIMBS])
{
    uint64_t g[LIMBS];
    quicktun_poly1305_carry(h);
    quicktun_poly1305_carry(h);
    g[0] = h[0] + 5;
    g[1] = h[1] + (g[0] >> 44);
    g[2] = h[2] + (g[1] >> 44);
    uint64_t not_below = 0 - (g[2] >> 42); /* h + 5 reaches 2^130: all ones */
    g[0] &= MASK44;
    g[1] &= MASK44;
    g[2] &= MASK42;
    for (size_t i = 0; i < LIMBS; i++)
        h[i] = (h[i] & ~not_below) | (g[i] & not_below);
}

void quicktun_poly1305_finish(struct quicktun_poly1305 *poly, const uint8_t *bytes, size_t len,
                              uint8_t tag[QUICKTUN_POLY1305_TAG])
{
    if (len > 0) {
        uint8_t last[BLOCK] = {0};
        uint64_t limbs[LIMBS];
        uint64_t r[LIMBS];
        memcpy(last, bytes, len);
        // cppcheck-suppress arrayIndexOutOfBoundsCond ; len is less than a block
        last[len] = 1;
        split(load64(last), load64(last + 8), limbs);
        get_power(poly, 1, r);
        add(poly->h, limbs);
        multiply(poly->h, r);
    }
    reduce(poly->h);
    const uint64_t *h = poly->h;
    u128 low = (u128)(h[0] | h[1] << 44) + poly->pad[0];
    uint64_t high = (h[1] >> 20 | h[2] << 24) + poly->pad[1] + (uint64_t)(low >> 64);
    store64(tag, (uint64_t)low);
    store64(tag + 8, high);
}
