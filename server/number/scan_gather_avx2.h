/* SPDX-License-Identifier: MIT */
/** The digits of tokens for scan_tmpl.c, with vectors of 32 bytes. */
#ifndef SCAN_GATHER_AVX2_H
#define SCAN_GATHER_AVX2_H

#include <immintrin.h>

#include "scan.h"
#include "scan_block.h"

/* 32 digits, the last one of weight 1, as two numbers of 16. */
static inline __m256i sum_digits(__m256i digits)
{
    __m256i two = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
    __m256i four = _mm256_madd_epi16(two, _mm256_set1_epi32(0x00010064));
    __m256i eight = _mm256_madd_epi16(_mm256_packus_epi32(four, four),
                                      _mm256_set1_epi32(0x00012710));
    return _mm256_add_epi64(
        _mm256_mul_epu32(eight, _mm256_set1_epi64x(100000000)),
        _mm256_srli_epi64(eight, 32));
}

/* Of the tokens so far, each at least as much as the most. */
struct extent {
    uint64_t length;
    uint64_t high; /* the digits before the last 16 */
};

/* 1024 * 10^16 is less than 2^64. */
static inline bool fits(const struct extent *extent)
{
    return (extent->length < 32) & (extent->high < 1024);
}

static inline void gather_one(const char *text, struct stretch *stretch,
                              size_t i, struct extent *extent)
{
    uint32_t begin = stretch->edges[2 * i];
    uint32_t end = stretch->edges[2 * i + 1];
    uint32_t length = end - begin;
    const char *last = text + end;
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(last - 32));
    __m256i shifted = _mm256_loadu_si256((const __m256i *)(last - 33));
    uint32_t point = (uint32_t)_mm256_movemask_epi8(
        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('.')));
    point &= (uint32_t)(0xffffffff00000000 >> (length & 63));
    uint32_t decimals = _lzcnt_u32(point); /* 32: no point */
    uint32_t count = length - (point != 0);
    __m256i moved = _mm256_loadu_si256((const __m256i *)(below_32 + decimals));
    __m256i unused =
        _mm256_loadu_si256((const __m256i *)(below_32 + (count & 31)));
    /* saturated, a minus counts as 0 */
    __m256i digits = _mm256_subs_epu8(_mm256_blendv_epi8(bytes, shifted, moved),
                                      _mm256_set1_epi8('0'));
    __m256i sums = sum_digits(_mm256_andnot_si256(unused, digits));
    uint64_t high = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(sums));
    uint64_t low =
        (uint64_t)_mm_cvtsi128_si64(_mm256_extracti128_si256(sums, 1));
    extent->length |= length;
    extent->high |= high;
    stretch->digits[i] = high * 10000000000000000 + low;
    stretch->decimals[i] = decimals & 31;
    stretch->first[i] = text[begin];
}

#endif
