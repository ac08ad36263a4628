/* SPDX-License-Identifier: MIT */
/** The vocabulary (vec_plain.h) in SSE2, which every x86-64 has. */
#ifndef SMX_VEC_SSE2_H
#define SMX_VEC_SSE2_H

#include <immintrin.h>

#define vf_stream(p, v) _mm_stream_ps(p, (__m128)(v))

INLINE vd vh_widen_sse2(vh v)
{
    double two;
    memcpy(&two, &v, sizeof two);
    return (vd)_mm_cvtps_pd(_mm_castpd_ps(_mm_set_sd(two)));
}
#define vh_widen vh_widen_sse2

#define vf_max(a, b) ((vf)_mm_max_ps((__m128)(a), (__m128)(b)))
#define vi_bits(v) ((uint32_t)_mm_movemask_ps((__m128)(v)))
#define vd_max(a, b) ((vd)_mm_max_pd((__m128d)(a), (__m128d)(b)))
#define vl_bits(v) ((unsigned)_mm_movemask_pd((__m128d)(v)))

#endif
