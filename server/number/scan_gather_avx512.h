/* SPDX-License-Identifier: MIT */
/** The digits of tokens for scan_tmpl.c, four tokens at a time. */
#ifndef SCAN_GATHER_AVX512_H
#define SCAN_GATHER_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "scan.h"
#include "scan_block.h"
#include "scan_gather_avx2.h"

/* 32 bytes before one place, then those before the other. */
static inline __m512i load_two(const char *a, const char *b)
{
    return _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(a - 32))),
        _mm256_loadu_si256((const __m256i *)(b - 32)), 1);
}

/* The digits of tokens i and k by their weight, by fours. */
static inline __m512i gather_two(const char *text, struct stretch *stretch,
                                 size_t i, size_t k, struct extent *extent)
{
    const uint64_t all = UINT32_MAX;
    const uint32_t *edges = stretch->edges;
    uint32_t length_i = edges[2 * i + 1] - edges[2 * i];
    uint32_t length_k = edges[2 * k + 1] - edges[2 * k];
    const char *end_i = text + edges[2 * i + 1];
    const char *end_k = text + edges[2 * k + 1];
    __m512i bytes = load_two(end_i, end_k);
    __m512i shifted = load_two(end_i - 1, end_k - 1);
    uint64_t token =
        (uint32_t)all << (-length_i & 31) | UINT64_MAX << (-length_k & 63);
    uint64_t point =
        _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('.')) & token;
    uint32_t decimals_i = _lzcnt_u32((uint32_t)point); /* 32: no point */
    uint32_t decimals_k = _lzcnt_u32((uint32_t)(point >> 32));
    /* up to the point; what moves to a token's first byte is none of it */
    uint64_t moved = all >> decimals_i | all >> decimals_k << 32;
    uint64_t used = _andn_u64(_andn_u64(token << 1, moved), token);
    /* saturated, a minus counts as 0 */
    __m512i digits = _mm512_maskz_subs_epu8(
        used, _mm512_mask_blend_epi8(moved, bytes, shifted),
        _mm512_set1_epi8('0'));
    extent->length |= length_i | length_k;
    stretch->decimals[i] = decimals_i & 31;
    stretch->decimals[k] = decimals_k & 31;
    return _mm512_madd_epi16(
        _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010a)),
        _mm512_set1_epi32(0x00010064));
}

/* Those of four tokens. *high: the first of their 32 digits, without 16 */
static inline __m256i sum_four(__m512i tokens02, __m512i tokens13,
                               __m256i *high)
{
    __m512i eight = _mm512_madd_epi16(_mm512_packus_epi32(tokens02, tokens13),
                                      _mm512_set1_epi32(0x00012710));
    __m512i sixteen =
        _mm512_add_epi64(_mm512_mul_epu32(eight, _mm512_set1_epi64(100000000)),
                         _mm512_srli_epi64(eight, 32));
    sixteen = _mm512_shuffle_i64x2(sixteen, sixteen, _MM_SHUFFLE(3, 1, 2, 0));
    *high = _mm512_castsi512_si256(sixteen);
    /* high * 10^16 modulo 2^64, for high below 2^32 */
    const uint64_t unit = 10000000000000000;
    __m256i upper =
        _mm256_mul_epu32(*high, _mm256_set1_epi64x((int64_t)(unit >> 32)));
    __m256i lower =
        _mm256_mul_epu32(*high, _mm256_set1_epi64x((int64_t)(uint32_t)unit));
    return _mm256_add_epi64(
        _mm256_add_epi64(lower, _mm256_slli_epi64(upper, 32)),
        _mm512_extracti64x4_epi64(sixteen, 1));
}

/* The first byte of each, put together: one store takes less than four. */
static inline void gather_first(const char *text, struct stretch *stretch,
                                size_t i)
{
    const uint32_t *edges = stretch->edges + 2 * i;
    __m128i bytes = _mm_cvtsi32_si128(text[edges[0]]);
    bytes = _mm_insert_epi8(bytes, text[edges[2]], 1);
    bytes = _mm_insert_epi8(bytes, text[edges[4]], 2);
    bytes = _mm_insert_epi8(bytes, text[edges[6]], 3);
    int first = _mm_cvtsi128_si32(bytes);
    memcpy(stretch->first + i, &first, sizeof first);
}

static inline bool gather(const char *text, struct stretch *stretch)
{
    struct extent extent = {0, 0};
    __m256i highs = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 4 <= stretch->count; i += 4) {
        __m512i tokens02 = gather_two(text, stretch, i, i + 2, &extent);
        __m512i tokens13 = gather_two(text, stretch, i + 1, i + 3, &extent);
        __m256i high;
        _mm256_storeu_si256((__m256i *)(stretch->digits + i),
                            sum_four(tokens02, tokens13, &high));
        highs = _mm256_or_si256(highs, high);
        gather_first(text, stretch, i);
    }
    for (; i < stretch->count; i++)
        gather_one(text, stretch, i, &extent);
    __mmask8 large = _mm256_cmpgt_epu64_mask(highs, _mm256_set1_epi64x(1023));
    return fits(&extent) & (large == 0);
}

#endif
