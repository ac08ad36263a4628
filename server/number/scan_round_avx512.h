/* SPDX-License-Identifier: MIT */
/** Rounding for scan_tmpl.c, eight numbers at a time; see scan_round.h. */
#ifndef SCAN_ROUND_AVX512_H
#define SCAN_ROUND_AVX512_H

#include <immintrin.h>

#include "powers_of_ten.h"
#include "scan.h"

/* tenths[i], i < 32 */
static inline __m512i look_up_tenths(__m512i i)
{
    __m512i low = _mm512_permutex2var_epi64(_mm512_loadu_si512(tenths), i,
                                            _mm512_loadu_si512(tenths + 8));
    __m512i high = _mm512_permutex2var_epi64(_mm512_loadu_si512(tenths + 16), i,
                                             _mm512_loadu_si512(tenths + 24));
    return _mm512_mask_blend_epi64(
        _mm512_test_epi64_mask(i, _mm512_set1_epi64(16)), low, high);
}

/* The high words of eight products of 64 bits. */
static inline __m512i multiply_high(__m512i a, __m512i b)
{
    const __m512i word = _mm512_set1_epi64(0xffffffff);
    __m512i a1 = _mm512_srli_epi64(a, 32), b1 = _mm512_srli_epi64(b, 32);
    __m512i low = _mm512_mul_epu32(a, b), cross = _mm512_mul_epu32(a1, b);
    __m512i other = _mm512_mul_epu32(a, b1), high = _mm512_mul_epu32(a1, b1);
    cross = _mm512_add_epi64(cross, _mm512_srli_epi64(low, 32));
    other = _mm512_add_epi64(other, _mm512_and_si512(cross, word));
    high = _mm512_add_epi64(high, _mm512_srli_epi64(cross, 32));
    return _mm512_add_epi64(high, _mm512_srli_epi64(other, 32));
}

/** As round_one. @return a bit each number that is not sure */
static inline __mmask8 round_eight(__m512i digits, __m512i decimals, int bits,
                                   int bias, __m512i *words)
{
    __m512i zeros = _mm512_lzcnt_epi64(digits);
    __m512i high = multiply_high(_mm512_sllv_epi64(digits, zeros),
                                 look_up_tenths(decimals));
    __mmask8 top = _mm512_movepi64_mask(high);
    uint64_t half = (uint64_t)1 << (62 - bits);
    __m512i below =
        _mm512_mask_blend_epi64(top, _mm512_set1_epi64((long long)(half - 1)),
                                _mm512_set1_epi64((long long)(2 * half - 1)));
    __m512i mask =
        _mm512_add_epi64(_mm512_add_epi64(below, below), _mm512_set1_epi64(1));
    __m512i rest = _mm512_and_si512(high, mask);
    __m512i kept = _mm512_srli_epi64(high, 62 - (unsigned)bits);
    kept = _mm512_mask_srli_epi64(kept, top, kept, 1);
    kept = _mm512_srli_epi64(_mm512_add_epi64(kept, _mm512_set1_epi64(1)), 1);
    /* power_log2, eight times */
    __m512i exponent = _mm512_srai_epi64(
        _mm512_mul_epi32(decimals, _mm512_set1_epi64(-217706)), 16);
    exponent = _mm512_sub_epi64(exponent, zeros);
    exponent = _mm512_add_epi64(exponent, _mm512_set1_epi64(62 + bias));
    exponent =
        _mm512_mask_add_epi64(exponent, top, exponent, _mm512_set1_epi64(1));
    *words = _mm512_maskz_add_epi64(
        _mm512_test_epi64_mask(digits, digits),
        _mm512_slli_epi64(exponent, (unsigned)bits - 1), kept);
    return _mm512_cmple_epu64_mask(_mm512_sub_epi64(rest, below),
                                   _mm512_set1_epi64(1));
}

static inline __mmask8 round_at(const struct stretch *stretch, size_t i,
                                int bits, int bias, __m512i *words)
{
    __m512i digits = _mm512_loadu_si512(stretch->digits + i);
    __m512i decimals = _mm512_cvtepu8_epi64(
        _mm_loadl_epi64((const __m128i *)(stretch->decimals + i)));
    return round_eight(digits, decimals, bits, bias, words);
}

static inline __mmask8 negative_at(const struct stretch *stretch, size_t i)
{
    return (__mmask8)_mm_cmpeq_epi8_mask(
        _mm_loadl_epi64((const __m128i *)(stretch->first + i)),
        _mm_set1_epi8('-'));
}

/* The first of eight numbers from i on that a bit is set for. */
static inline size_t first_unsure(const struct stretch *stretch, size_t i,
                                  unsigned unsure)
{
    size_t at = i + trailing_zeros(unsure);
    return at < stretch->count ? at : stretch->count;
}

/* Of eight numbers from i on, those that are there. */
static inline __mmask8 present_at(const struct stretch *stretch, size_t i)
{
    size_t left = stretch->count - i;
    return (__mmask8)(left < 8 ? (1u << left) - 1 : 0xff);
}

static size_t float64s(const struct stretch *stretch, size_t first, double *out)
{
    const __m512i tail = _mm512_set1_epi64(0x1fffffff);
    const __m512i half = _mm512_set1_epi64(0x10000000);
    for (size_t i = first; i < stretch->count; i += 8) {
        __m512i words;
        __mmask8 unsure = round_at(stretch, i, 53, 1023, &words);
        unsure |= _mm512_cmpeq_epi64_mask(_mm512_and_si512(words, tail), half);
        words = _mm512_mask_or_epi64(words, negative_at(stretch, i), words,
                                     _mm512_set1_epi64(INT64_MIN));
        _mm512_mask_storeu_epi64(out + (i - first), present_at(stretch, i),
                                 words);
        if (unsure)
            return first_unsure(stretch, i, unsure);
    }
    return stretch->count;
}

static size_t float32s(const struct stretch *stretch, size_t first, float *out)
{
    for (size_t i = first; i < stretch->count; i += 8) {
        __m512i words;
        __mmask8 unsure = round_at(stretch, i, 24, 127, &words);
        words = _mm512_mask_or_epi64(words, negative_at(stretch, i), words,
                                     _mm512_set1_epi64(0x80000000));
        _mm512_mask_cvtepi64_storeu_epi32(out + (i - first),
                                          present_at(stretch, i), words);
        if (unsure)
            return first_unsure(stretch, i, unsure);
    }
    return stretch->count;
}

#endif
