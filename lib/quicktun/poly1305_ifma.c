/*
 * Poly1305 on sixteen blocks at once, with the multiplication of AVX-512 IFMA.
 *
 * Sixteen lanes, eight in each of two registers so that one is not waited for, take the blocks in
 * turn: lane k takes blocks k, k + 16, k + 32, ... Each step multiplies all lanes by r^16 and adds
 * the next sixteen blocks. At the end lane k is multiplied by r^(16 - k), and the lanes are added
 * up. So that the blocks are a multiple of sixteen, lanes in front of the first one begin empty;
 * and what was taken before is added to the first.
 *
 * The instruction multiplies the lower 52 bits of two lanes and adds the lower, or the upper, 52
 * bits of the product to a third. Upper halves count 2^52 = 2^8 2^44: they belong to the next limb,
 * shifted by 8.
 */
#include "lib/quicktun/poly1305.h"

#include <immintrin.h>
#include <string.h>

enum {
    LIMBS = QUICKTUN_POLY1305_LIMBS,
    BLOCK = QUICKTUN_POLY1305_BLOCK,
    LANES = QUICKTUN_POLY1305_POWERS, /* of one register */
    BOTH = 2 * LANES,
    FEW = 16, /* blocks for which it is not worth the while to begin */
};

struct number {
    __m512i limbs[LIMBS];
};

static inline __m512i all(uint64_t value)
{
    return _mm512_set1_epi64((long long)value);
}

/* Unpacking two registers of four blocks puts block 0 into lane 0, block 4 into lane 1, and so on.
 */
static inline __m512i block_of_lane(void)
{
    return _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
}

/* sum + lower or upper 52 bits of a b */
static inline __m512i low(__m512i sum, __m512i a, __m512i b)
{
    return _mm512_madd52lo_epu64(sum, a, b);
}

static inline __m512i high(__m512i sum, __m512i a, __m512i b)
{
    return _mm512_madd52hi_epu64(sum, a, b);
}

/* A factor, and 20 times its upper limbs (poly1305.c, multiply()). */
struct factor {
    __m512i r0, r1, r2, r1_20, r2_20;
};

static inline struct factor make_factor(const struct number *r)
{
    __m512i r1_4 = _mm512_slli_epi64(r->limbs[1], 2);
    __m512i r2_4 = _mm512_slli_epi64(r->limbs[2], 2);
    return (struct factor){
        .r0 = r->limbs[0],
        .r1 = r->limbs[1],
        .r2 = r->limbs[2],
        .r1_20 = _mm512_add_epi64(_mm512_slli_epi64(r1_4, 2), r1_4),
        .r2_20 = _mm512_add_epi64(_mm512_slli_epi64(r2_4, 2), r2_4),
    };
}

/*
 * h = h f. Limbs of h have less than 47 bits, those of f 44 and 20 times that, so upper halves have
 * less than 45 bits and the three that are added up less than 47: shifted by 8 or 10 and multiplied
 * by 5 they stay within 64 bits.
 */
static inline void multiply(struct number *h, const struct factor *f)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m512i mask44 = all(QUICKTUN_POLY1305_MASK44);
    const __m512i mask42 = all(QUICKTUN_POLY1305_MASK42);
    __m512i h0 = h->limbs[0];
    __m512i h1 = h->limbs[1];
    __m512i h2 = h->limbs[2];
    __m512i low0 = low(low(low(zero, h2, f->r1_20), h1, f->r2_20), h0, f->r0);
    __m512i low1 = low(low(low(zero, h2, f->r2_20), h1, f->r0), h0, f->r1);
    __m512i low2 = low(low(low(zero, h2, f->r0), h1, f->r1), h0, f->r2);
    __m512i high0 = high(high(high(zero, h2, f->r1_20), h1, f->r2_20), h0, f->r0);
    __m512i high1 = high(high(high(zero, h2, f->r2_20), h1, f->r0), h0, f->r1);
    __m512i high2 = high(high(high(zero, h2, f->r0), h1, f->r1), h0, f->r2);

    low1 = _mm512_add_epi64(low1, _mm512_slli_epi64(high0, 8));
    low2 = _mm512_add_epi64(low2, _mm512_slli_epi64(high1, 8));
    low1 = _mm512_add_epi64(low1, _mm512_srli_epi64(low0, 44));
    low2 = _mm512_add_epi64(low2, _mm512_srli_epi64(low1, 44));
    /* What lies at 2^130 and above: the third limb's excess, and upper halves at 2^140. */
    __m512i over = _mm512_add_epi64(_mm512_srli_epi64(low2, 42), _mm512_slli_epi64(high2, 10));
    over = _mm512_add_epi64(over, _mm512_slli_epi64(over, 2));
    h0 = _mm512_add_epi64(_mm512_and_si512(low0, mask44), over);
    h1 = _mm512_add_epi64(_mm512_and_si512(low1, mask44), _mm512_srli_epi64(h0, 44));
    h->limbs[0] = _mm512_and_si512(h0, mask44);
    h->limbs[1] = h1;
    h->limbs[2] = _mm512_and_si512(low2, mask42);
}

/* ---- Powers of r ---- */

/* r^8 for block 0 to r for block 7. */
static inline struct number falling_powers(const struct quicktun_poly1305 *poly)
{
    __m512i power = _mm512_sub_epi64(all(LANES - 1), block_of_lane());
    struct number r;
    for (int i = 0; i < LIMBS; i++)
        r.limbs[i] = _mm512_permutexvar_epi64(power, _mm512_loadu_si512(poly->powers[i]));
    return r;
}

/* The first lane's number in all lanes. */
static inline struct factor first_lane(const struct number *r)
{
    struct number first;
    for (int i = 0; i < LIMBS; i++)
        first.limbs[i] = _mm512_broadcastq_epi64(_mm512_castsi512_si128(r->limbs[i]));
    return make_factor(&first);
}

/* ---- Blocks ---- */

/* Splits eight blocks into limbs. */
static inline struct number split(const uint8_t *bytes)
{
    __m512i front = _mm512_loadu_si512(bytes);
    __m512i back = _mm512_loadu_si512(bytes + (ptrdiff_t)4 * BLOCK);
    __m512i lower = _mm512_unpacklo_epi64(front, back);
    __m512i upper = _mm512_unpackhi_epi64(front, back);
    __m512i middle = _mm512_or_si512(_mm512_srli_epi64(lower, 44), _mm512_slli_epi64(upper, 20));
    return (struct number){{
        _mm512_and_si512(lower, all(QUICKTUN_POLY1305_MASK44)),
        _mm512_and_si512(middle, all(QUICKTUN_POLY1305_MASK44)),
        _mm512_srli_epi64(upper, 24),
    }};
}

static inline void add_blocks(struct number *h, const uint8_t *bytes)
{
    struct number blocks = split(bytes);
    blocks.limbs[2] = _mm512_or_si512(blocks.limbs[2], all(QUICKTUN_POLY1305_TOP));
    for (int i = 0; i < LIMBS; i++)
        h->limbs[i] = _mm512_add_epi64(h->limbs[i], blocks.limbs[i]);
}

/* The first `count` blocks, one to eight, in the last lanes, with what was taken before. */
static inline struct number begin(const struct quicktun_poly1305 *poly, const uint8_t *bytes,
                                  size_t count)
{
    uint8_t padded[LANES * BLOCK] = {0};
    memcpy(padded + (LANES - count) * BLOCK, bytes, count * BLOCK);
    struct number h = split(padded);
    __mmask8 there = _mm512_cmpge_epu64_mask(block_of_lane(), all(LANES - count));
    __mmask8 first = _mm512_cmpeq_epu64_mask(block_of_lane(), all(LANES - count));
    h.limbs[2] = _mm512_mask_add_epi64(h.limbs[2], there, h.limbs[2], all(QUICKTUN_POLY1305_TOP));
    for (int i = 0; i < LIMBS; i++)
        h.limbs[i] = _mm512_mask_add_epi64(h.limbs[i], first, h.limbs[i], all(poly->h[i]));
    return h;
}

void quicktun_poly1305_blocks_ifma(struct quicktun_poly1305 *poly, const uint8_t *bytes,
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
    multiply(&high_powers, &factor); /* r^16 to r^9 */
    factor = first_lane(&high_powers);

    struct number front = {
        {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()}};
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
    for (int i = 0; i < LIMBS; i++)
        poly->h[i] =
            (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(front.limbs[i], back.limbs[i]));
    quicktun_poly1305_carry(poly->h);
}
