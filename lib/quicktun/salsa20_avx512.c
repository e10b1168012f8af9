/*
 * Salsa20 with AVX-512, sixteen blocks at once, or eight where there are no more. It has a
 * rotation, and room for a whole state in registers.
 */
#include "lib/quicktun/salsa20.h"

#include <immintrin.h>

typedef uint32_t lanes16 __attribute__((vector_size(64)));
typedef uint32_t lanes8 __attribute__((vector_size(32)));

/* Macros, as they are for both widths. */
#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define QUARTER(a, b, c, d)                                                                        \
    do {                                                                                           \
        (b) ^= ROTATE((a) + (d), 7);                                                               \
        (c) ^= ROTATE((b) + (a), 9);                                                               \
        (d) ^= ROTATE((c) + (b), 13);                                                              \
        (a) ^= ROTATE((d) + (c), 18);                                                              \
    } while (0)

/* A round of columns and one of rows, each from its word on the diagonal. */
#define DOUBLE_ROUND(x)                                                                            \
    do {                                                                                           \
        QUARTER((x)[0], (x)[4], (x)[8], (x)[12]);                                                  \
        QUARTER((x)[5], (x)[9], (x)[13], (x)[1]);                                                  \
        QUARTER((x)[10], (x)[14], (x)[2], (x)[6]);                                                 \
        QUARTER((x)[15], (x)[3], (x)[7], (x)[11]);                                                 \
        QUARTER((x)[0], (x)[1], (x)[2], (x)[3]);                                                   \
        QUARTER((x)[5], (x)[6], (x)[7], (x)[4]);                                                   \
        QUARTER((x)[10], (x)[11], (x)[8], (x)[9]);                                                 \
        QUARTER((x)[15], (x)[12], (x)[13], (x)[14]);                                               \
    } while (0)

enum { DOUBLE_ROUNDS = 10, LANES = 16 };

/* ---- Eight blocks ---- */

static inline void xor8(uint8_t *bytes, lanes8 stream)
{
    __m256i text = _mm256_loadu_si256((const __m256i_u *)bytes);
    _mm256_storeu_si256((__m256i_u *)bytes, _mm256_xor_si256(text, (__m256i)stream));
}

/*
 * Eight words of eight blocks lie in eight registers, a word in each. Turns them over, so that each
 * has eight words of one block, and adds them to bytes, 64 bytes from block to block. The four
 * words at 4 * half come out of blocks n and n + 4 together, in the two halves of a register.
 */
static inline void add_transposed8(const lanes8 x[8], uint8_t *bytes)
{
    __m256i fours[2][4];
    for (int half = 0; half < 2; half++) {
        const lanes8 *w = x + (ptrdiff_t)4 * half;
        __m256i low01 = _mm256_unpacklo_epi32((__m256i)w[0], (__m256i)w[1]);
        __m256i high01 = _mm256_unpackhi_epi32((__m256i)w[0], (__m256i)w[1]);
        __m256i low23 = _mm256_unpacklo_epi32((__m256i)w[2], (__m256i)w[3]);
        __m256i high23 = _mm256_unpackhi_epi32((__m256i)w[2], (__m256i)w[3]);
        fours[half][0] = _mm256_unpacklo_epi64(low01, low23);
        fours[half][1] = _mm256_unpackhi_epi64(low01, low23);
        fours[half][2] = _mm256_unpacklo_epi64(high01, high23);
        fours[half][3] = _mm256_unpackhi_epi64(high01, high23);
    }
    for (ptrdiff_t n = 0; n < 4; n++) {
        uint8_t *block = bytes + QUICKTUN_SALSA20_BLOCK * n;
        xor8(block, (lanes8)_mm256_permute2x128_si256(fours[0][n], fours[1][n], 0x20));
        xor8(block + (ptrdiff_t)4 * QUICKTUN_SALSA20_BLOCK,
             (lanes8)_mm256_permute2x128_si256(fours[0][n], fours[1][n], 0x31));
    }
}

/* Eight blocks, from number `first` on. */
static inline void salsa20_xor8(const struct quicktun_salsa20 *salsa20, uint32_t first,
                                uint8_t *bytes)
{
    static const lanes8 number = {0, 1, 2, 3, 4, 5, 6, 7};
    lanes8 x[16];
    for (int i = 0; i < 16; i++)
        x[i] = (lanes8){0} + salsa20->words[i];
    x[8] += number + first;
    for (int i = 0; i < DOUBLE_ROUNDS; i++)
        DOUBLE_ROUND(x);
    for (int i = 0; i < 16; i++)
        x[i] += salsa20->words[i];
    x[8] += number + first;
    add_transposed8(x, bytes);
    add_transposed8(x + 8, bytes + 32);
}

/* ---- Sixteen blocks ---- */

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
    lanes16 x[16];
    for (int i = 0; i < 16; i++)
        x[i] = (lanes16){0} + salsa20->words[i];
    x[8] += number + first;
    for (int i = 0; i < DOUBLE_ROUNDS; i++)
        DOUBLE_ROUND(x);
    for (int i = 0; i < 16; i++)
        x[i] += salsa20->words[i];
    x[8] += number + first;
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
