/* SPDX-License-Identifier: MIT */
/**
 * The vector vocabulary of the kernels: LANES doubles in one native register
 * and LANES floats beside them. + - * and the comparisons are the compiler's;
 * what it has no operator for is in a file an instruction set, and what it
 * means in vec_plain.h.
 */
#ifndef SMX_VEC_H
#define SMX_VEC_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "power.h"

#if FLT_EVAL_METHOD != 0
#error "float and double must be computed in their own precision"
#endif

#if defined(SMX_TIER_AVX512)
#define LANES 8
#define NUMBERS ((vl){0, 1, 2, 3, 4, 5, 6, 7})
#elif defined(SMX_TIER_AVX2)
#define LANES 4
#define NUMBERS ((vl){0, 1, 2, 3})
#else
#define LANES 2
#define NUMBERS ((vl){0, 1})
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
typedef double double_there __attribute__((may_alias));
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

INLINE void vd_store(double *p, vd v)
{
    *(vd_there *)p = v;
}

INLINE vf vf_load(const float *p)
{
    return *(const vf_there *)p;
}

INLINE void vf_store(float *p, vf v)
{
    *(vf_there *)p = v;
}

INLINE vd vd_where(vl which, vd a, vd b)
{
    return (vd)((which & (vl)a) | (~which & (vl)b));
}

#include "vec_plain.h"
#if defined(SMX_TIER_AVX512)
#include "vec_avx512.h"
#elif defined(SMX_TIER_AVX2)
#include "vec_avx2.h"
#elif defined(__SSE2__)
#include "vec_sse2.h"
#elif defined(SMX_TIER_NEON)
#include "vec_neon.h"
#endif

/* Has the tier fused multiplication and addition? */
#ifndef VF_FUSED
#define VF_FUSED 0
#endif

#ifndef vi_any
/** Is one of lanes that are all ones or zeros set? */
#define vi_any(v) (vi_bits(v) != 0)
#define vl_any(v) (vl_bits(v) != 0)
#endif

#ifndef vf_at_least
/** Per lane the greater of x, not NaN, and a negative number: that of which the
 *  bits are less. */
INLINE vf vf_at_least(vf x, float negative)
{
    return vf_max(x, vf_all(negative));
}
#endif

#ifndef vd_product_rest
/** a * b - p, rounded once, p = a * b as doubles have it. In halves of 26 bits
 *  (Dekker) but for the lanes where these leave the range. */
INLINE vd vd_product_rest(vd a, vd b, vd p)
{
    const vd zero = vd_all(0), least = vd_all(0x1p-968);
    vd s = vd_all(0x1.0000002p27) * a, t = vd_all(0x1.0000002p27) * b;
    vd a1 = s - (s - a), b1 = t - (t - b), a2 = a - a1, b2 = b - b1;
    vd rest = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2;
    vl small = (vl)(p < least) & (vl)(p > -least);
    vl bad = (vl)(rest != rest) | (small & (vl)(a != zero) & (vl)(b != zero));
    for (int i = 0; vl_any(bad) && i < LANES; i++)
        rest[i] = fma(a[i], b[i], -p[i]);
    return rest;
}
#endif

/** 2^(k/16); shifted as for vd_pick. */
INLINE vd vd_sixteenths(vd shifted)
{
    return (vd)((vu)vd_pick(SMX_POWER_TABLE, shifted) + ((vu)shifted << 48));
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

INLINE vh vh_load(const float *p)
{
    return *(const vh_there *)p;
}

/** LANES floats as doubles. */
INLINE vd vd_widen(const float *p)
{
    return vh_widen(vh_load(p));
}

/** Two halves beside each other, in registers: a load of what two stores have
 *  written waits for both. */
#if LANES == 8
#define BESIDE 0, 1, 2, 3, 4, 5, 6, 7, SECOND_HALF
#define SECOND_HALF 8, 9, 10, 11, 12, 13, 14, 15
#elif LANES == 4
#define BESIDE 0, 1, 2, 3, SECOND_HALF
#define SECOND_HALF 4, 5, 6, 7
#else
#define BESIDE 0, 1, SECOND_HALF
#define SECOND_HALF 2, 3
#endif
INLINE vf vf_join(vh low, vh high)
{
    return __builtin_shufflevector(low, high, BESIDE);
}

/** Of what vf_join joined the one or the other. */
INLINE vh vf_half(vf v, bool second)
{
    vh low;
    memcpy(&low, &v, sizeof low);
    return second ? __builtin_shufflevector(v, v, SECOND_HALF) : low;
}

/** The leading 12 bits of each. */
INLINE vf vf_twelve_bits(vf v)
{
    return (vf)((vi)v & (int32_t)0xfffff000);
}

INLINE vh vh_twelve_bits(vh v)
{
    typedef uint32_t bits __attribute__((vector_size(4 * LANES)));
    return (vh)((bits)v & 0xfffff000);
}

INLINE void vh_store(float *p, vh v)
{
    *(vh_there *)p = v;
}

/** What lies a page or more behind x arrives while others are computed:
 *  processors fetch ahead as far as the page only. */
INLINE void fetch_ahead(const void *x)
{
    __builtin_prefetch((const void *)((uintptr_t)x + 4096));
}

/** All ones in the lanes that hold NaN or +INFINITY. */
INLINE vi vf_nonfinite(vf v)
{
    return ~(v < vf_all(__builtin_inff()));
}

/** Lane i + lane i + half, down to one: always the same tree. */
INLINE double vd_sum(vd v)
{
    _Pragma("GCC unroll 4") for (int half = LANES / 2; half; half /= 2) v +=
        vd_beside(v, half);
    return v[0];
}

/** count vectors, a power of two, added up: v + (v + count / 2) and so on. */
INLINE vd vd_fold(const vd *lanes, int count)
{
    vd s[VECS];
    EACH (v, count)
        s[v] = lanes[v];
    _Pragma("GCC unroll 4") for (int half = count / 2; half; half /= 2)
        EACH (v, half) s[v] += s[v + half];
    return s[0];
}

/** The 16 lanes of a block added up in that tree. */
INLINE double block_sum(const vd lanes[VECS])
{
    return vd_sum(vd_fold(lanes, VECS));
}

#endif
