/*
 * Salsa20 in registers of 8 lanes of 32 bits. Included by one file for each instruction set, which
 * is compiled for it.
 */
#ifndef QUICKTUN_SALSA20_LANES_H
#define QUICKTUN_SALSA20_LANES_H

#include "lib/quicktun/salsa20.h"

#include <immintrin.h>

typedef uint32_t lanes8 __attribute__((vector_size(32)));

/* Macros, as they are for registers of every width. */
#define SALSA20_ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define SALSA20_QUARTER(a, b, c, d)                                                                \
    do {                                                                                           \
        (b) ^= SALSA20_ROTATE((a) + (d), 7);                                                       \
        (c) ^= SALSA20_ROTATE((b) + (a), 9);                                                       \
        (d) ^= SALSA20_ROTATE((c) + (b), 13);                                                      \
        (a) ^= SALSA20_ROTATE((d) + (c), 18);                                                      \
    } while (0)

/* A round of columns and one of rows, each from its word on the diagonal. */
#define SALSA20_DOUBLE_ROUND(x)                                                                    \
    do {                                                                                           \
        SALSA20_QUARTER((x)[0], (x)[4], (x)[8], (x)[12]);                                          \
        SALSA20_QUARTER((x)[5], (x)[9], (x)[13], (x)[1]);                                          \
        SALSA20_QUARTER((x)[10], (x)[14], (x)[2], (x)[6]);                                         \
        SALSA20_QUARTER((x)[15], (x)[3], (x)[7], (x)[11]);                                         \
        SALSA20_QUARTER((x)[0], (x)[1], (x)[2], (x)[3]);                                           \
        SALSA20_QUARTER((x)[5], (x)[6], (x)[7], (x)[4]);                                           \
        SALSA20_QUARTER((x)[10], (x)[11], (x)[8], (x)[9]);                                         \
        SALSA20_QUARTER((x)[15], (x)[12], (x)[13], (x)[14]);                                       \
    } while (0)

enum { SALSA20_DOUBLE_ROUNDS = 10 };

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
    lanes8 start[16];
    lanes8 x[16];
    for (int i = 0; i < 16; i++)
        start[i] = (lanes8){0} + salsa20->words[i];
    start[8] = number + first;
    for (int i = 0; i < 16; i++)
        x[i] = start[i];
    for (int i = 0; i < SALSA20_DOUBLE_ROUNDS; i++)
        SALSA20_DOUBLE_ROUND(x);
    for (int i = 0; i < 16; i++)
        x[i] += start[i];
    add_transposed8(x, bytes);
    add_transposed8(x + 8, bytes + 32);
}

#endif
