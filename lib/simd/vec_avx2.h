/* SPDX-License-Identifier: MIT */
/** The vocabulary (vec_plain.h) in AVX2 with FMA. */
#ifndef SMX_VEC_AVX2_H
#define SMX_VEC_AVX2_H

#include <immintrin.h>

#define VF_FUSED 1

#define vd_load_part(p, n) ((vd)_mm256_maskload_pd(p, (__m256i)vl_below(n)))
#define vd_store_part(p, v, n)                                                 \
    _mm256_maskstore_pd(p, (__m256i)vl_below(n), (__m256d)(v))

INLINE vf vf_load_part_avx2(const float *p, size_t n, float behind)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i part = _mm256_cmpgt_epi32(
        _mm256_set1_epi32(n < FLOATS ? (int)n : FLOATS), lane);
    return (vf)_mm256_blendv_ps((__m256)vf_all(behind),
                                _mm256_maskload_ps(p, part), (__m256)part);
}
#define vf_load_part vf_load_part_avx2

#define vf_stream(p, v) _mm256_stream_ps(p, (__m256)(v))
#define vh_stream(p, v) _mm_stream_ps(p, (__m128)(v))
#define vh_widen(v) ((vd)_mm256_cvtps_pd((__m128)(v)))
#define vf_max(a, b) ((vf)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define vf_at_least(x, negative)                                               \
    ((vf)_mm256_min_epu32((__m256i)(x), (__m256i)vf_all(negative)))
#define vi_bits(v) ((uint32_t)_mm256_movemask_ps((__m256)(v)))

INLINE vf vf_lookup_avx2(const float table[16], vi k)
{
    __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)k);
    __m256 high =
        _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), (__m256i)k);
    return (vf)_mm256_blendv_ps(low, high, (__m256)((vw)k << 28));
}
#define vf_lookup vf_lookup_avx2

#define vi_max(a, b) ((vi)_mm256_max_epi32((__m256i)(a), (__m256i)(b)))
#define vw_max(a, b) ((vw)_mm256_max_epu32((__m256i)(a), (__m256i)(b)))
#define vf_plus_product(c, a, b)                                               \
    ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define vf_less_product(c, a, b)                                               \
    ((vf)_mm256_fnmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define vd_less_product(c, a, b)                                               \
    ((vd)_mm256_fnmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define vd_product_rest(a, b, p)                                               \
    ((vd)_mm256_fmsub_pd((__m256d)(a), (__m256d)(b), (__m256d)(p)))

#define vd_max(a, b) ((vd)_mm256_max_pd((__m256d)(a), (__m256d)(b)))

INLINE vd vd_beside(vd v, int half)
{
    if (half == 2)
        return __builtin_shufflevector(v, v, 2, 3, 0, 1);
    return __builtin_shufflevector(v, v, 1, 0, 3, 2);
}

#define vl_bits(v) ((unsigned)_mm256_movemask_pd((__m256d)(v)))

INLINE vd narrow_neighbours(vd a, vd b)
{
    return (vd)_mm256_unpacklo_pd((__m256d)a, (__m256d)b) +
           (vd)_mm256_unpackhi_pd((__m256d)a, (__m256d)b);
}

INLINE vd narrow_quarters(vd a, vd b)
{
    return (vd)_mm256_permute2f128_pd((__m256d)a, (__m256d)b, 0x20) +
           (vd)_mm256_permute2f128_pd((__m256d)a, (__m256d)b, 0x31);
}

INLINE vd narrow_sums(const vd row[LANES])
{
    return narrow_neighbours(narrow_quarters(row[0], row[2]),
                             narrow_quarters(row[1], row[3]));
}

#define vi_bytes(p)                                                            \
    ((vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p))))

#define vl_bytes(p) ((vl)_mm256_cvtepu8_epi64(_mm_loadu_si32(p)))

#define narrow_pick(v, k)                                                      \
    ((vf)_mm256_permutevar8x32_ps((__m256)(v), (__m256i)(k)))

#endif
