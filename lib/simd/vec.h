/* SPDX-License-Identifier: MIT */
/**
 * The vector vocabulary of the kernels: LANES doubles in one native register
 * and LANES floats beside them. + - * and the comparisons are the compiler's;
 * what it has no operator for is here, once a tier. Every function gives the
 * same bits in every tier; none of them is fused or approximate.
 */
#ifndef SMX_VEC_H
#define SMX_VEC_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "power.h"

#if FLT_EVAL_METHOD != 0
#error "float and double must be computed in their own precision"
#endif

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(SMX_TIER_AVX512)
#define LANES 8
#elif defined(SMX_TIER_AVX2)
#define LANES 4
#else
#define LANES 2
#endif

/* A block is 16 elements in every tier: lane i sums elements i mod 16. */
#define BLOCK 16
#define VECS (BLOCK / LANES)

/** for v in [0, n), unrolled: registers must have names. */
#define EACH(v, n) _Pragma("GCC unroll 16") for (int v = 0; v < (n); v++)
#define INLINE static inline __attribute__((always_inline))
#define PASTE_(a, b) smx_##a##_##b
#define PASTE(a, b) PASTE_(a, b)
/** The name of this tier's copy of a function: smx_peak_avx2 ... */
#define TIER(name) PASTE(name, SMX_TIER)

typedef double vd __attribute__((vector_size(8 * LANES)));
typedef int64_t vl __attribute__((vector_size(8 * LANES)));
typedef uint64_t vu __attribute__((vector_size(8 * LANES))); /* may wrap */
typedef float vh __attribute__((vector_size(4 * LANES)));    /* half as wide */
typedef float vf __attribute__((vector_size(8 * LANES)));    /* as wide as vd */
typedef int32_t vi __attribute__((vector_size(8 * LANES)));
typedef uint32_t vw __attribute__((vector_size(8 * LANES))); /* may wrap */
#define FLOATS (2 * LANES)                                   /* in a vf */

/* The same anywhere in an array of their elements. Not through memcpy, of which
 * a fortified build asks at run time whether it stays in the array. */
typedef vd vd_there __attribute__((aligned(8), may_alias));
typedef vf vf_there __attribute__((aligned(4), may_alias));
typedef vh vh_there __attribute__((aligned(4), may_alias));

INLINE vd vd_all(double x)
{
    return x - (vd){0};
}

INLINE vf vf_all(float x)
{
    return x - (vf){0};
}

INLINE vd vd_load(const double *p)
{
    return *(const vd_there *)p;
}

#if LANES == 2
#define NUMBERS ((vl){0, 1})
#elif LANES == 4
#define NUMBERS ((vl){0, 1, 2, 3})
#else
#define NUMBERS ((vl){0, 1, 2, 3, 4, 5, 6, 7})
#endif

/** Which lanes are below n. */
INLINE vl vl_below(size_t n)
{
    return (vl)(NUMBERS < (vl)(n - (vu){0}));
}

/** Which is lane n. */
INLINE vl vl_at(size_t n)
{
    return (vl)(NUMBERS == (vl)(n - (vu){0}));
}

/** n < LANES doubles, zeros behind them. */
INLINE vd vd_load_part(const double *p, size_t n)
{
#if defined(SMX_TIER_AVX512)
    return (vd)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#elif defined(SMX_TIER_AVX2)
    return (vd)_mm256_maskload_pd(p, (__m256i)vl_below(n));
#else
    return (vd){n ? *p : 0, 0};
#endif
}

INLINE void vd_store(double *p, vd v)
{
    *(vd_there *)p = v;
}

/** The first n < LANES of v. */
INLINE void vd_store_part(double *p, vd v, size_t n)
{
#if defined(SMX_TIER_AVX512)
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#elif defined(SMX_TIER_AVX2)
    _mm256_maskstore_pd(p, (__m256i)vl_below(n), (__m256d)v);
#else
    if (n)
        *p = v[0];
#endif
}

INLINE vf vf_load(const float *p)
{
    return *(const vf_there *)p;
}

/** The first n floats, and behind them, if they are less, that number. */
INLINE vf vf_load_part(const float *p, size_t n, float behind)
{
    vf v = vf_all(behind);
#if defined(SMX_TIER_AVX512)
    __mmask16 part = (__mmask16)(n < FLOATS ? (1u << n) - 1 : 0xffff);
    v = (vf)_mm512_mask_loadu_ps((__m512)v, part, p);
#else
    for (size_t i = 0; i < FLOATS && i < n; i++)
        v[i] = p[i];
#endif
    return v;
}

INLINE void vf_store(float *p, vf v)
{
    *(vf_there *)p = v;
}

/** The first n < FLOATS floats. */
INLINE void vf_store_part(float *p, vf v, size_t n)
{
#if defined(SMX_TIER_AVX512)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
#endif
}

/** To its own place (a multiple of its size) in memory, past the cache; the
 *  pool sees to it that others can look when the slices are done. */
INLINE void vf_stream(float *p, vf v)
{
#if defined(SMX_TIER_AVX512)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(SMX_TIER_AVX2)
    _mm256_stream_ps(p, (__m256)v);
#elif defined(__SSE2__)
    _mm_stream_ps(p, (__m128)v);
#else
    vf_store(p, v);
#endif
}

INLINE void vd_stream(double *p, vd v)
{
    vf_stream((void *)p, (vf)v);
}

#define CACHE_LINE ((size_t)64)

/** Of n elements of that size those before the first whole cache line: only
 *  whole ones are streamed. */
INLINE size_t before_line(const void *out, size_t size, size_t n)
{
    size_t i = -(uintptr_t)out % CACHE_LINE / size;
    return i < n ? i : n;
}

/** LANES floats as doubles. */
INLINE vd vd_widen(const float *p)
{
#if defined(SMX_TIER_AVX512)
    return (vd)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#elif defined(SMX_TIER_AVX2)
    return (vd)_mm256_cvtps_pd(_mm_loadu_ps(p));
#elif defined(__SSE2__)
    double two; /* through memcpy: p points to floats */
    memcpy(&two, p, sizeof two);
    return (vd)_mm_cvtps_pd(_mm_castpd_ps(_mm_set_sd(two)));
#else
    vh v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vd);
#endif
}

/** The same of a register. */
INLINE vd vh_widen(vh v)
{
#if defined(SMX_TIER_AVX512)
    return (vd)_mm512_cvtps_pd((__m256)v);
#elif defined(SMX_TIER_AVX2)
    return (vd)_mm256_cvtps_pd((__m128)v);
#else
    return __builtin_convertvector(v, vd);
#endif
}

INLINE vh vh_load(const float *p)
{
    return *(const vh_there *)p;
}

/** LANES doubles rounded to floats. */
INLINE vh vd_narrow(vd v)
{
#if defined(SMX_TIER_AVX512)
    return (vh)_mm512_cvtpd_ps((__m512d)v);
#elif defined(SMX_TIER_AVX2)
    return (vh)_mm256_cvtpd_ps((__m256d)v);
#else
    return __builtin_convertvector(v, vh);
#endif
}

/** The leading 12 bits of each. */
INLINE vh vh_twelve_bits(vh v)
{
    typedef uint32_t bits __attribute__((vector_size(4 * LANES)));
    return (vh)((bits)v & 0xfffff000);
}

INLINE void vh_store(float *p, vh v)
{
    *(vh_there *)p = v;
}

/** The first n < LANES floats. */
INLINE void vh_store_part(float *p, vh v, size_t n)
{
#if defined(SMX_TIER_AVX512)
    _mm256_mask_storeu_ps(p, (__mmask8)((1u << n) - 1), (__m256)v);
#else
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
#endif
}

/** Per lane; neither may be NaN. */
INLINE vf vf_max(vf a, vf b)
{
#if defined(SMX_TIER_AVX512)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(SMX_TIER_AVX2)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    vi greater = a > b;
    return (vf)((greater & (vi)a) | (~greater & (vi)b));
#endif
}

/** Per lane the greater of x, not NaN, and a negative number: that of which the
 *  bits are less. */
INLINE vf vf_at_least(vf x, float negative)
{
#if defined(SMX_TIER_AVX512)
    return (vf)_mm512_min_epu32((__m512i)x, (__m512i)vf_all(negative));
#elif defined(SMX_TIER_AVX2)
    return (vf)_mm256_min_epu32((__m256i)x, (__m256i)vf_all(negative));
#else
    return vf_max(x, vf_all(negative));
#endif
}

/** The largest lane, no negative zero; none may be NaN. */
INLINE float vf_top(vf v)
{
#if defined(SMX_TIER_AVX512)
    return _mm512_reduce_max_ps((__m512)v) + 0.0f;
#else
    float m[FLOATS];
    memcpy(m, &v, sizeof m);
    for (int half = FLOATS / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            m[i] = m[i] > m[i + half] ? m[i] : m[i + half];
    return m[0] + 0.0f;
#endif
}

/** All ones in the lanes that hold NaN or +INFINITY. */
INLINE vi vf_nonfinite(vf v)
{
    return ~(v < vf_all(__builtin_inff()));
}

/** Of lanes that are all ones or zeros. */
INLINE bool vi_any(vi v)
{
#if defined(SMX_TIER_AVX512)
    return _mm512_movepi32_mask((__m512i)v) != 0;
#elif defined(SMX_TIER_AVX2)
    return _mm256_movemask_ps((__m256)v) != 0;
#elif defined(__SSE2__)
    return _mm_movemask_ps((__m128)v) != 0;
#else
    int32_t any = 0;
    for (int i = 0; i < FLOATS; i++)
        any |= v[i];
    return any != 0;
#endif
}

/** A bit for each lane that is all ones. */
INLINE uint32_t vi_bits(vi v)
{
#if defined(SMX_TIER_AVX512)
    return (uint32_t)_mm512_movepi32_mask((__m512i)v);
#elif defined(SMX_TIER_AVX2)
    return (uint32_t)_mm256_movemask_ps((__m256)v);
#elif defined(__SSE2__)
    return (uint32_t)_mm_movemask_ps((__m128)v);
#else
    uint32_t bits = 0;
    for (int i = 0; i < FLOATS; i++)
        bits |= (uint32_t)(v[i] & 1) << i;
    return bits;
#endif
}

/** table[k mod 16]. */
INLINE vf vf_lookup(const float table[16], vi k)
{
#if defined(SMX_TIER_AVX512)
    return (vf)_mm512_permutexvar_ps((__m512i)k, _mm512_loadu_ps(table));
#elif defined(SMX_TIER_AVX2)
    __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)k);
    __m256 high =
        _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), (__m256i)k);
    return (vf)_mm256_blendv_ps(low, high, (__m256)((vw)k << 28));
#else
    vf v;
    vi index = k & 15;
    for (int i = 0; i < FLOATS; i++)
        v[i] = table[index[i]];
    return v;
#endif
}

#if defined(SMX_TIER_AVX512) || defined(SMX_TIER_AVX2) || defined(SMX_TIER_NEON)
#define VF_FUSED
#endif

/** c - a * b, of a product that is exact or, with VF_FUSED, of any. */
INLINE vf vf_less_product(vf c, vf a, vf b)
{
#if defined(SMX_TIER_AVX512)
    return (vf)_mm512_fnmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(SMX_TIER_AVX2)
    return (vf)_mm256_fnmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(SMX_TIER_NEON)
    return (vf)vfmsq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return c - a * b;
#endif
}

/** c - a * b, of a product that is exact. */
INLINE vd vd_less_product(vd c, vd a, vd b)
{
#if defined(SMX_TIER_AVX512)
    return (vd)_mm512_fnmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(SMX_TIER_AVX2)
    return (vd)_mm256_fnmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(SMX_TIER_NEON)
    return (vd)vfmsq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return c - a * b;
#endif
}

/** a * b where limit < t, else 0: lanes that come to nothing are not
 *  multiplied, as what underflows takes many times as long. */
INLINE vf vf_mul_above(vf a, vf b, vf t, vf limit)
{
#if defined(SMX_TIER_AVX512)
    __mmask16 above = _mm512_cmp_ps_mask((__m512)t, (__m512)limit, _CMP_GT_OQ);
    return (vf)_mm512_maskz_mul_ps(above, (__m512)a, (__m512)b);
#else
    return (vf)((vi)a & (t > limit)) * b;
#endif
}

/** The same. */
INLINE bool vl_any(vl v)
{
#if defined(SMX_TIER_AVX512)
    return _mm512_movepi64_mask((__m512i)v) != 0;
#elif defined(SMX_TIER_AVX2)
    return _mm256_movemask_pd((__m256d)v) != 0;
#elif defined(__SSE2__)
    return _mm_movemask_pd((__m128d)v) != 0;
#else
    return (v[0] | v[1]) != 0;
#endif
}

/** 2^(k/16); shifted is k + 1.5 * 2^52, so that k is in its low bits. */
INLINE vd vd_sixteenths(vd shifted)
{
    vl bits;
#if defined(SMX_TIER_AVX512)
    __m512d low = _mm512_loadu_pd(SMX_POWER_TABLE);
    __m512d high = _mm512_loadu_pd(SMX_POWER_TABLE + 8);
    bits = (vl)_mm512_permutex2var_pd(low, (__m512i)shifted, high);
#else
    vl index = (vl)shifted & 15;
    for (int i = 0; i < LANES; i++)
        bits[i] = (int64_t)SMX_POWER_TABLE[index[i]];
#endif
    return (vd)((vu)bits + ((vu)shifted << 48));
}

/** a * b where limit < t, else 0, whatever a * b is. */
INLINE vd vd_mul_above(vd a, vd b, vd t, double limit)
{
#if defined(SMX_TIER_AVX512)
    __m512d floor = (__m512d)vd_all(limit);
    __mmask8 above = _mm512_cmp_pd_mask((__m512d)t, floor, _CMP_GT_OQ);
    return (vd)_mm512_maskz_mul_pd(above, (__m512d)a, (__m512d)b);
#else
    return (vd)((vl)(a * b) & (vl)(t > vd_all(limit)));
#endif
}

/** Lane i + lane i + half, down to one: always the same tree. */
INLINE double vd_sum(vd v)
{
#if defined(SMX_TIER_AVX512)
    __m256d four = _mm256_add_pd(_mm512_castpd512_pd256((__m512d)v),
                                 _mm512_extractf64x4_pd((__m512d)v, 1));
#elif defined(SMX_TIER_AVX2)
    __m256d four = (__m256d)v;
#endif
#if defined(SMX_TIER_AVX512) || defined(SMX_TIER_AVX2)
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four),
                             _mm256_extractf128_pd(four, 1));
    return two[0] + two[1];
#else
    return v[0] + v[1];
#endif
}

/** The 16 lanes of a block added up in that tree. */
INLINE double block_sum(const vd lanes[VECS])
{
    vd s[VECS];
    EACH (v, VECS)
        s[v] = lanes[v];
#if VECS > 4
    EACH (v, 4)
        s[v] += s[v + 4];
#endif
#if VECS > 2
    EACH (v, 2)
        s[v] += s[v + 2];
#endif
    return vd_sum(s[0] + s[1]);
}

#endif
