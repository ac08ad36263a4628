/* SPDX-License-Identifier: MIT */
/** The vocabulary of scan_tmpl.c for AVX2. */
#ifndef SCAN_AVX2_H
#define SCAN_AVX2_H

#include <immintrin.h>

#include "scan.h"
#include "scan_block.h"
#include "scan_gather_avx2.h"

static inline uint64_t mask64(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

static inline uint64_t equal64(__m256i low, __m256i high, char byte)
{
    __m256i bytes = _mm256_set1_epi8(byte);
    return mask64(_mm256_cmpeq_epi8(low, bytes),
                  _mm256_cmpeq_epi8(high, bytes));
}

static inline __m256i digits_among(__m256i bytes)
{
    __m256i value = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)),
                             value);
}

static inline void classify(const char *text, struct classes *classes)
{
    /* each at the place of its low four bits */
    const __m256i table = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        ' ', 0, 0, 0, 0, 0, 0, 0, 0, '\t', '\n', 0, ',', '\r', 0, 0));
    const __m256i brackets = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '[', 0, ']', 0, 0));
    __m256i low = _mm256_loadu_si256((const __m256i *)text);
    __m256i high = _mm256_loadu_si256((const __m256i *)(text + 32));
    classes->comma = equal64(low, high, ',');
    classes->separator =
        mask64(_mm256_cmpeq_epi8(low, _mm256_shuffle_epi8(table, low)),
               _mm256_cmpeq_epi8(high, _mm256_shuffle_epi8(table, high)));
    classes->bracket =
        mask64(_mm256_cmpeq_epi8(low, _mm256_shuffle_epi8(brackets, low)),
               _mm256_cmpeq_epi8(high, _mm256_shuffle_epi8(brackets, high)));
    classes->digit = mask64(digits_among(low), digits_among(high));
    classes->zero = equal64(low, high, '0');
    classes->point = equal64(low, high, '.');
    classes->minus = equal64(low, high, '-');
}

static inline bool gather(const char *text, struct stretch *stretch)
{
    struct extent extent = {0, 0};
    for (size_t i = 0; i < stretch->count; i++)
        gather_one(text, stretch, i, &extent);
    return fits(&extent);
}

#endif
