/* SPDX-License-Identifier: MIT */
/** The vocabulary of scan_tmpl.c for AVX-512. */
#ifndef SCAN_AVX512_H
#define SCAN_AVX512_H

#include <immintrin.h>

#include "scan.h"
#include "scan_block.h"
#include "scan_gather_avx512.h"

static inline uint64_t equal64(__m512i bytes, char byte)
{
    return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte));
}

/* Bytes, each at the place of its low four bits, in each lane. */
#define FOUR_LANES(...)                                                        \
    {                                                                          \
        __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__                     \
    }

static const _Alignas(64) char separator_table[64] =
    FOUR_LANES(' ', 0, 0, 0, 0, 0, 0, 0, 0, '\t', '\n', 0, ',', '\r', 0, 0);
static const _Alignas(64) char bracket_table[64] = FOUR_LANES(1, 0, 0, 0, 0, 0,
                                                              0, 0, 0, 0, 0,
                                                              '[', 0, ']', 0,
                                                              0);

static inline void classify(const char *text, struct classes *classes)
{
    const __m512i table = _mm512_load_si512(separator_table);
    const __m512i brackets = _mm512_load_si512(bracket_table);
    __m512i bytes = _mm512_loadu_si512(text);
    classes->comma = equal64(bytes, ',');
    classes->separator =
        _mm512_cmpeq_epi8_mask(bytes, _mm512_shuffle_epi8(table, bytes));
    classes->bracket =
        _mm512_cmpeq_epi8_mask(bytes, _mm512_shuffle_epi8(brackets, bytes));
    classes->digit = _mm512_cmple_epu8_mask(
        _mm512_sub_epi8(bytes, _mm512_set1_epi8('0')), _mm512_set1_epi8(9));
    classes->zero = equal64(bytes, '0');
    classes->point = equal64(bytes, '.');
    classes->minus = equal64(bytes, '-');
}

#endif
