/*
 * Poly1305 on eight blocks at once, with AVX2.
 *
 * As in poly1305_ifma.c, with two registers of four lanes. The instruction multiplies the lower 32
 * bits of lanes of 64, so a number has five limbs of 26 bits here: l[0] + 2^26 l[1] + ... +
 * 2^104 l[4]. Products at 2^130 come back at 2^0 five times.
 */
#include "lib/quicktun/poly1305.h"

#include <immintrin.h>
#include <string.h>

enum {
    LIMBS = 5,
    LIMBS44 = QUICKTUN_POLY1305_LIMBS,
    BLOCK = QUICKTUN_POLY1305_BLOCK,
    LANES = 4, /* of one register */
    BOTH = 2 * LANES,
    FEW = 12, /* blocks for which it is not worth the while to begin */
    MASK26 = (1 << 26) - 1,
    TOP = 1 << (128 - 104), /* above every whole block, in the fifth limb */
};

struct number {
    __m256i limbs[LIMBS];
};

/* A factor, and five times its upper limbs. */
struct factor {
    struct number r;
    struct number r5;
};

/* Unpacking two registers of two blocks puts block 0 into lane 0, block 2 into lane 1, and so on.
 */
static inline __m256i block_of_lane(void)
{
    return _mm256_setr_epi64x(0, 2, 1, 3);
}

static inline __m256i all(uint64_t value)
{
    return _mm256_set1_epi64x((long long)value);
}

static inline __m256i plus(__m256i a, __m256i b)
{
    return _mm256_add_epi64(a, b);
}

/* ---- Limbs of 44 and of 26 bits ---- */

static inline __m256i low26(__m256i a)
{
    return _mm256_and_si256(a, all(MASK26));
}

/* Of limbs of 44 bits the second may have some more, as quicktun_poly1305_carry() leaves it. */
static inline struct number to_26(__m256i a, __m256i b, __m256i c)
{
    __m256i above78 = plus(_mm256_srli_epi64(b, 34), _mm256_slli_epi64(c, 10));
    return (struct number){{
        low26(a),
        low26(_mm256_or_si256(_mm256_srli_epi64(a, 26), _mm256_slli_epi64(b, 18))),
        low26(_mm256_srli_epi64(b, 8)),
        low26(above78),
        _mm256_srli_epi64(above78, 26),
    }};
}

/* Limbs of up to 30 bits; the fourth of 29. */
static void to_44(const uint64_t from[LIMBS], uint64_t to[LIMBS44])
{
    to[0] = from[0] + (from[1] << 26);
    to[1] = (from[2] << 8) + (from[3] << 34);
    to[2] = from[4] << 16;
    quicktun_poly1305_carry(to);
}

/* ---- Products ---- */

static inline __m256i times(__m256i a, __m256i b)
{
    return _mm256_mul_epu32(a, b);
}

static inline __m256i times5(__m256i a)
{
    return plus(a, _mm256_slli_epi64(a, 2));
}

/* Moves what is above 26 bits to the next limb. */
static inline void carry(__m256i *from, __m256i *to)
{
    *to = plus(*to, _mm256_srli_epi64(*from, 26));
    *from = low26(*from);
}

static inline struct factor make_factor(const struct number *r)
{
    struct factor factor = {.r = *r};
    for (int i = 0; i < LIMBS; i++)
        factor.r5.limbs[i] = times5(r->limbs[i]);
    return factor;
}

/*
 * h = h f. Limbs of h have less than 28 bits, those of f less than 27 and five times that, less
 * than 30: five products add up to less than 2^61. Two chains of carries go at once, from the
 * bottom and from the middle.
 */
static inline void multiply(struct number *h, const struct factor *f)
{
    const __m256i *l = h->limbs;
    __m256i d[LIMBS];
    for (int i = 0; i < LIMBS; i++) {
        d[i] = times(l[0], f->r.limbs[i]);
        for (int j = 1; j < LIMBS; j++)
            d[i] = plus(d[i], times(l[j], j <= i ? f->r.limbs[i - j] : f->r5.limbs[i - j + LIMBS]));
    }
    carry(&d[0], &d[1]);
    carry(&d[3], &d[4]);
    carry(&d[1], &d[2]);
    d[0] = plus(d[0], times5(_mm256_srli_epi64(d[4], 26)));
    d[4] = low26(d[4]);
    carry(&d[2], &d[3]);
    carry(&d[0], &d[1]);
    carry(&d[3], &d[4]);
    memcpy(h->limbs, d, sizeof d);
}

/* ---- Powers of r ---- */

/* r, r^2, r^3, r^4 at powers; r^4 for block 0 to r for block 3. */
static inline __m256i turned(const uint64_t *powers)
{
    __m256i lanes = _mm256_loadu_si256((const __m256i_u *)powers);
    return _mm256_permute4x64_epi64(lanes, 3 | 1 << 2 | 2 << 4 | 0 << 6);
}

static inline struct number falling_powers(const struct quicktun_poly1305 *poly)
{
    return to_26(turned(poly->powers[0]), turned(poly->powers[1]), turned(poly->powers[2]));
}

/* The first lane's number in all lanes. */
static inline struct factor first_lane(const struct number *r)
{
    struct number first;
    for (int i = 0; i < LIMBS; i++)
        first.limbs[i] = _mm256_permute4x64_epi64(r->limbs[i], 0);
    return make_factor(&first);
}

/* ---- Blocks ---- */

/* Splits four blocks into limbs. */
static inline struct number split(const uint8_t *bytes)
{
    __m256i front = _mm256_loadu_si256((const __m256i_u *)bytes);
    __m256i back = _mm256_loadu_si256((const __m256i_u *)(bytes + (ptrdiff_t)2 * BLOCK));
    __m256i lower = _mm256_unpacklo_epi64(front, back);
    __m256i upper = _mm256_unpackhi_epi64(front, back);
    __m256i middle = _mm256_or_si256(_mm256_srli_epi64(lower, 52), _mm256_slli_epi64(upper, 12));
    return (struct number){{
        low26(lower),
        low26(_mm256_srli_epi64(lower, 26)),
        low26(middle),
        low26(_mm256_srli_epi64(upper, 14)),
        _mm256_srli_epi64(upper, 40),
    }};
}

static inline void add_blocks(struct number *h, const uint8_t *bytes)
{
    struct number blocks = split(bytes);
    blocks.limbs[4] = _mm256_or_si256(blocks.limbs[4], all(TOP));
    for (int i = 0; i < LIMBS; i++)
        h->limbs[i] = plus(h->limbs[i], blocks.limbs[i]);
}

/* The first `count` blocks, one to four, in the last lanes, with what was taken before. */
static inline struct number begin(const struct quicktun_poly1305 *poly, const uint8_t *bytes,
                                  size_t count)
{
    uint8_t padded[LANES * BLOCK] = {0};
    memcpy(padded + (LANES - count) * BLOCK, bytes, count * BLOCK);
    struct number h = split(padded);
    struct number before = to_26(all(poly->h[0]), all(poly->h[1]), all(poly->h[2]));
    __m256i first = _mm256_cmpeq_epi64(block_of_lane(), all(LANES - count));
    __m256i empty = _mm256_cmpgt_epi64(all(LANES - count), block_of_lane());
    h.limbs[4] = plus(h.limbs[4], _mm256_andnot_si256(empty, all(TOP)));
    for (int i = 0; i < LIMBS; i++)
        h.limbs[i] = plus(h.limbs[i], _mm256_and_si256(first, before.limbs[i]));
    return h;
}

static uint64_t sum_of_lanes(__m256i lanes)
{
    uint64_t values[LANES];
    _mm256_storeu_si256((__m256i_u *)values, lanes);
    return values[0] + values[1] + values[2] + values[3];
}

void quicktun_poly1305_blocks_avx2(struct quicktun_poly1305 *poly, const uint8_t *bytes,
                                   size_t blocks)
{
    if (blocks < FEW) {
        quicktun_poly1305_blocks(poly, bytes, blocks);
        return;
    }
    quicktun_poly1305_raise(poly, LANES);
    struct number low_powers = falling_powers(poly);
    struct factor factor = first_lane(&low_powers);
    struct number high_powers = low_powers;
    multiply(&high_powers, &factor); /* r^8 to r^5 */
    factor = first_lane(&high_powers);

    struct number front = {{all(0), all(0), all(0), all(0), all(0)}};
    struct number back = front;
    size_t done = (blocks - 1) % BOTH + 1;
    if (done <= LANES) {
        back = begin(poly, bytes, done);
    } else {
        front = begin(poly, bytes, done - LANES);
        add_blocks(&back, bytes + (done - LANES) * BLOCK);
    }
    for (; done < blocks; done += BOTH) {
        multiply(&front, &factor);
        multiply(&back, &factor);
        add_blocks(&front, bytes + done * BLOCK);
        add_blocks(&back, bytes + (done + LANES) * BLOCK);
    }
    factor = make_factor(&high_powers);
    multiply(&front, &factor);
    factor = make_factor(&low_powers);
    multiply(&back, &factor);
    uint64_t limbs[LIMBS];
    for (int i = 0; i < LIMBS; i++)
        limbs[i] = sum_of_lanes(plus(front.limbs[i], back.limbs[i]));
    to_44(limbs, poly->h);
}
