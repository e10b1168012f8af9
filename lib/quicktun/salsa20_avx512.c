/*
 * AVX-512 has a rotation and twice the registers, each twice as wide.
 */
#include "lib/quicktun/salsa20_lanes.h"

enum { LANES = 16 };

typedef uint32_t lanes16 __attribute__((vector_size(64)));

static inline void xor16(uint8_t *bytes, __m512i stream)
{
    __m512i text = _mm512_loadu_si512(bytes);
    _mm512_storeu_si512(bytes, _mm512_xor_si512(text, stream));
}

/* As add_transposed8(): the four words at 4 * quarter come out of blocks n, n + 4, n + 8 and
 * n + 12 together; then the quarters of four registers are put together, block by block. */
static inline void add_transposed16(const lanes16 x[16], uint8_t *bytes)
{
    __m512i fours[4][4];
    for (int quarter = 0; quarter < 4; quarter++) {
        const lanes16 *w = x + (ptrdiff_t)4 * quarter;
        __m512i low01 = _mm512_unpacklo_epi32((__m512i)w[0], (__m512i)w[1]);
        __m512i high01 = _mm512_unpackhi_epi32((__m512i)w[0], (__m512i)w[1]);
        __m512i low23 = _mm512_unpacklo_epi32((__m512i)w[2], (__m512i)w[3]);
        __m512i high23 = _mm512_unpackhi_epi32((__m512i)w[2], (__m512i)w[3]);
        fours[quarter][0] = _mm512_unpacklo_epi64(low01, low23);
        fours[quarter][1] = _mm512_unpackhi_epi64(low01, low23);
        fours[quarter][2] = _mm512_unpacklo_epi64(high01, high23);
        fours[quarter][3] = _mm512_unpackhi_epi64(high01, high23);
    }
    for (ptrdiff_t n = 0; n < 4; n++) {
        uint8_t *block = bytes + QUICKTUN_SALSA20_BLOCK * n;
        __m512i front = _mm512_shuffle_i32x4(fours[0][n], fours[1][n], 0x44); /* n, n + 4 */
        __m512i back = _mm512_shuffle_i32x4(fours[2][n], fours[3][n], 0x44);
        xor16(block, _mm512_shuffle_i32x4(front, back, 0x88));
        xor16(block + (ptrdiff_t)4 * QUICKTUN_SALSA20_BLOCK,
              _mm512_shuffle_i32x4(front, back, 0xdd));
        front = _mm512_shuffle_i32x4(fours[0][n], fours[1][n], 0xee); /* n + 8, n + 12 */
        back = _mm512_shuffle_i32x4(fours[2][n], fours[3][n], 0xee);
        xor16(block + (ptrdiff_t)8 * QUICKTUN_SALSA20_BLOCK,
              _mm512_shuffle_i32x4(front, back, 0x88));
        xor16(block + (ptrdiff_t)12 * QUICKTUN_SALSA20_BLOCK,
              _mm512_shuffle_i32x4(front, back, 0xdd));
    }
}

/* Sixteen blocks, from number `first` on. */
static inline void salsa20_xor16(const struct quicktun_salsa20 *salsa20, uint32_t first,
                                 uint8_t *bytes)
{
    static const lanes16 number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    lanes16 start[16];
    lanes16 x[16];
    for (int i = 0; i < 16; i++)
        start[i] = (lanes16){0} + salsa20->words[i];
    start[8] = number + first;
    for (int i = 0; i < 16; i++)
        x[i] = start[i];
    for (int i = 0; i < SALSA20_DOUBLE_ROUNDS; i++)
        SALSA20_DOUBLE_ROUND(x);
    for (int i = 0; i < 16; i++)
        x[i] += start[i];
    add_transposed16(x, bytes);
}

void quicktun_salsa20_xor_avx512(const struct quicktun_salsa20 *salsa20, uint32_t first,
                                 uint8_t *bytes, size_t blocks)
{
    size_t done = 0;
    for (; blocks - done >= LANES; done += LANES)
        salsa20_xor16(salsa20, first + (uint32_t)done, bytes + done * QUICKTUN_SALSA20_BLOCK);
    if (done < blocks)
        salsa20_xor8(salsa20, first + (uint32_t)done, bytes + done * QUICKTUN_SALSA20_BLOCK);
}
