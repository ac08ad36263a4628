/* SPDX-License-Identifier: MIT */
/** The vocabulary (vec_plain.h) in AVX-512. */
#ifndef SMX_VEC_AVX512_H
#define SMX_VEC_AVX512_H

#include <immintrin.h>

#define VF_FUSED 1

#define vd_load_part(p, n)                                                     \
    ((vd)_mm512_maskz_loadu_pd((__mmask8)((1u << (n)) - 1), p))
#define vd_store_part(p, v, n)                                                 \
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << (n)) - 1), (__m512d)(v))

INLINE vf vf_load_part_avx512(const float *p, size_t n, float behind)
{
    __mmask16 part = (__mmask16)(n < FLOATS ? (1u << n) - 1 : 0xffff);
    return (vf)_mm512_mask_loadu_ps((__m512)vf_all(behind), part, p);
}
#define vf_load_part vf_load_part_avx512

#define vf_store_part(p, v, n)                                                 \
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), (__m512)(v))
#define vf_stream(p, v) _mm512_stream_ps(p, (__m512)(v))
#define vh_stream(p, v) _mm256_stream_ps(p, (__m256)(v))
#define vh_widen(v) ((vd)_mm512_cvtps_pd((__m256)(v)))
#define vf_max(a, b) ((vf)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define vf_at_least(x, negative)                                               \
    ((vf)_mm512_min_epu32((__m512i)(x), (__m512i)vf_all(negative)))
#define vf_top(v) (_mm512_reduce_max_ps((__m512)(v)) + 0.0f)
#define vi_bits(v) ((uint32_t)_mm512_movepi32_mask((__m512i)(v)))
#define vf_lookup(table, k)                                                    \
    ((vf)_mm512_permutexvar_ps((__m512i)(k), _mm512_loadu_ps(table)))
#define vi_max(a, b) ((vi)_mm512_max_epi32((__m512i)(a), (__m512i)(b)))
#define vw_max(a, b) ((vw)_mm512_max_epu32((__m512i)(a), (__m512i)(b)))
#define vf_plus_product(c, a, b)                                               \
    ((vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define vf_less_product(c, a, b)                                               \
    ((vf)_mm512_fnmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define vd_less_product(c, a, b)                                               \
    ((vd)_mm512_fnmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define vd_product_rest(a, b, p)                                               \
    ((vd)_mm512_fmsub_pd((__m512d)(a), (__m512d)(b), (__m512d)(p)))

#define vf_mul_above(a, b, t, limit)                                           \
    ((vf)_mm512_maskz_mul_ps(                                                  \
        _mm512_cmp_ps_mask((__m512)(t), (__m512)(limit), _CMP_GT_OQ),          \
        (__m512)(a), (__m512)(b)))

#define vd_above(t, limit)                                                     \
    _mm512_cmp_pd_mask((__m512d)(t), (__m512d)(limit), _CMP_GT_OQ)
#define vd_mul_above(a, b, t, limit)                                           \
    ((vd)_mm512_maskz_mul_pd(vd_above(t, vd_all(limit)), (__m512d)(a),         \
                             (__m512d)(b)))
#define vd_add_above(a, b, t, limit)                                           \
    ((vd)_mm512_maskz_add_pd(vd_above(t, limit), (__m512d)(a), (__m512d)(b)))
#define vd_max(a, b) ((vd)_mm512_max_pd((__m512d)(a), (__m512d)(b)))

INLINE vd vd_beside(vd v, int half)
{
    if (half == 4)
        return __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    if (half == 2)
        return __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
}

#define vl_bits(v) ((unsigned)_mm512_movepi64_mask((__m512i)(v)))

INLINE vd vd_pick_avx512(const void *table, vd shifted)
{
    const double *low = table;
    return (vd)_mm512_permutex2var_pd(_mm512_loadu_pd(low), (__m512i)shifted,
                                      _mm512_loadu_pd(low + 8));
}
#define vd_pick vd_pick_avx512

#define vf_even(v)                                                             \
    ((vd)_mm512_mul_epu32((__m512i)(v), _mm512_set1_epi64(1 << 29)))
#define vf_odd(v) ((vd)_mm512_maskz_srli_epi32(0xaaaa, (__m512i)(v), 3))

#define narrow_even vf_even

INLINE vd narrow_odd_avx512(vf v)
{
    vl moved = (vl)_mm512_srai_epi64((__m512i)v, 3);
    return (vd)(moved & (int64_t)0x8fffffffe0000000);
}
#define narrow_odd narrow_odd_avx512

INLINE vd narrow_neighbours(vd a, vd b)
{
    return (vd)_mm512_unpacklo_pd((__m512d)a, (__m512d)b) +
           (vd)_mm512_unpackhi_pd((__m512d)a, (__m512d)b);
}

/* Quarters 0 + 2 and 1 + 3 of a, then those of b; quarters 0 + 1 and 2 + 3. */
INLINE vd narrow_halves(vd a, vd b)
{
    return (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0x44) +
           (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0xee);
}

INLINE vd narrow_quarters(vd a, vd b)
{
    return (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0x88) +
           (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0xdd);
}

INLINE vd narrow_sums(const vd row[LANES])
{
    return narrow_neighbours(narrow_quarters(narrow_halves(row[0], row[2]),
                                             narrow_halves(row[4], row[6])),
                             narrow_quarters(narrow_halves(row[1], row[3]),
                                             narrow_halves(row[5], row[7])));
}

#define vi_bytes(p)                                                            \
    ((vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(p))))
#define vl_bytes(p)                                                            \
    ((vl)_mm512_cvtepu8_epi64(_mm_loadl_epi64((const void *)(p))))
#define narrow_pick(v, k) ((vf)_mm512_permutexvar_ps((__m512i)(k), (__m512)(v)))

#endif
