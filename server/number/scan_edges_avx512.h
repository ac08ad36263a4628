/* SPDX-License-Identifier: MIT */
/** The edges of a block for scan_tmpl.c, sixteen bits at a time. */
#ifndef SCAN_EDGES_AVX512_H
#define SCAN_EDGES_AVX512_H

#include <immintrin.h>

#include "scan_block.h"

/** As in scan_edges_plain.h. Where each part goes follows from the bits alone,
 * so that no part waits for the one before. */
static inline uint32_t *write_edges(uint32_t *edges, uint64_t bits,
                                    uint32_t offset)
{
    __m512i index =
        _mm512_add_epi32(_mm512_set1_epi32((int)offset),
                         _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                           12, 13, 14, 15));
#pragma GCC unroll 4
    for (int part = 0; part < 64; part += 16) {
        uint64_t before = bits & (((uint64_t)1 << part) - 1);
        _mm512_storeu_si512(
            edges + __builtin_popcountll(before),
            _mm512_maskz_compress_epi32((__mmask16)(bits >> part), index));
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
    return edges + __builtin_popcountll(bits);
}

#endif
