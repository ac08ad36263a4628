/* SPDX-License-Identifier: MIT */
/** The vocabulary (vec_plain.h) in SSE2, which every x86-64 has. */
#ifndef SMX_VEC_SSE2_H
#define SMX_VEC_SSE2_H

#include <immintrin.h>

#define vf_stream vf_stream
INLINE void vf_stream(float *p, vf v)
{
    _mm_stream_ps(p, (__m128)v);
}

#define vd_widen vd_widen
INLINE vd vd_widen(const float *p)
{
    double two; /* through memcpy: p points to floats */
    memcpy(&two, p, sizeof two);
    return (vd)_mm_cvtps_pd(_mm_castpd_ps(_mm_set_sd(two)));
}

#define vf_max vf_max
INLINE vf vf_max(vf a, vf b)
{
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
}

#define vi_any vi_any
INLINE bool vi_any(vi v)
{
    return _mm_movemask_ps((__m128)v) != 0;
}

#define vi_bits vi_bits
INLINE uint32_t vi_bits(vi v)
{
    return (uint32_t)_mm_movemask_ps((__m128)v);
}

#define vl_any vl_any
INLINE bool vl_any(vl v)
{
    return _mm_movemask_pd((__m128d)v) != 0;
}

#define vd_max vd_max
INLINE vd vd_max(vd a, vd b)
{
    return (vd)_mm_max_pd((__m128d)a, (__m128d)b);
}

#define vl_bits vl_bits
INLINE unsigned vl_bits(vl v)
{
    return (unsigned)_mm_movemask_pd((__m128d)v);
}

#endif
